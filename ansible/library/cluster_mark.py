#!/usr/bin/python
"""Claim a directory for a cluster: the mark first, then the directories in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.cluster_directory import MARK, Refusal, check_ours, check_path

DOCUMENTATION = r"""
module: cluster_mark
short_description: Write a cluster's mark and make its directories
description: The mark `.cluster.json` {id, name, dir} is written before anything else.
options:
  name: {type: str, required: true, description: Name of the cluster.}
  id: {type: str, required: true, description: Identity of the cluster.}
  directory: {type: str, required: true, description: Directory of the cluster.}
  protected: {type: list, elements: str, default: [], description: Paths that must stay.}
  children: {type: list, elements: str, default: [], description: Directories to make in it.}
  facts: {type: dict, default: {}, description: More facts for the mark, never identity.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- cluster_mark: {name: imagenet, id: 5f0c, directory: /data/imagenet, children: [conf, logs]}
"""
RETURN = r"""
mark: {description: The path of the mark., returned: success, type: str}
"""


def main() -> None:
    """Write the mark and the directories, or refuse a directory that is not ours."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "id": {"type": "str", "required": True},
            "directory": {"type": "str", "required": True},
            "protected": {"type": "list", "elements": "str", "default": []},
            "children": {"type": "list", "elements": "str", "default": []},
            "facts": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    args = module.params
    root = Path(args["directory"])
    try:
        check_path(str(root), [*args["protected"], str(Path.home())])
        mark = check_ours(str(root), args["name"], args["id"])
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    identity = {"id": args["id"], "name": args["name"], "dir": os.path.normpath(root)}
    wanted = {**(mark or {}), **args["facts"], **identity}
    changed = mark != wanted
    if changed and not module.check_mode:
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        write_atomically(root / MARK, json.dumps(wanted, indent=2, sort_keys=True) + "\n")
    for child in args["children"]:
        if not (root / child).is_dir():
            changed = True
            if not module.check_mode:
                (root / child).mkdir(parents=True)
    module.exit_json(changed=changed, mark=str(root / MARK))


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader sees the old or the new text, never a part of it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)


if __name__ == "__main__":
    main()
