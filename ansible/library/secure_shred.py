#!/usr/bin/python
"""Overwrite and remove the private files of a cluster, before its directory goes."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.cluster_directory import Refusal, read_mark
from ansible.module_utils.secure_shred import shred_tree

DOCUMENTATION = r"""
module: secure_shred
short_description: Shred the secrets of one cluster on this host
description: Only in the directory `secrets` of a directory that bears the cluster's mark.
options:
  id: {type: str, required: true, description: Identity of the cluster.}
  directory: {type: path, required: true, description: Directory of the cluster.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- secure_shred: {id: 5f0c, directory: /data/imagenet}
"""
RETURN = r"""
shredded: {description: How many files there were., returned: success, type: int}
"""


def main() -> None:
    """Shred what is there."""
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["directory"])
    try:
        mark = read_mark(str(root))
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    secrets = root / "secrets"
    ours = mark is not None and mark["id"] == module.params["id"]
    if not ours or secrets.is_symlink() or not secrets.is_dir():
        module.exit_json(changed=False, shredded=0)
    count = 0 if module.check_mode else shred_tree(secrets)
    module.exit_json(changed=True, shredded=count)


if __name__ == "__main__":
    main()
