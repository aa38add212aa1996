#!/usr/bin/python
"""Keep the private files of one host: keytabs, keys, secrets; what goes is overwritten first."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.secure_shred import shred, write_private

DOCUMENTATION = r"""
module: secure_files
short_description: Write files that only their owner may read
description:
  - A file is written when its content differs; directories are made for their owner alone.
  - O(remove) names files that must not be there; they are overwritten before they go.
options:
  directory: {type: path, required: true, description: Directory of the files.}
  files: {type: dict, default: {}, description: Name to its content in base64.}
  remove: {type: list, elements: str, default: [], description: Names of files to remove.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- secure_files: {directory: /data/imagenet/secrets, files: {nn.keytab: BQIAAA==}}
"""
RETURN = r"""
written: {description: Names of the files that differed., returned: success, type: list}
"""


def main() -> None:
    """Write and remove."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "files": {"type": "dict", "default": {}, "no_log": True},
            "remove": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["directory"])
    written, removed = [], []
    for name, encoded in sorted(module.params["files"].items()):
        content = base64.b64decode(encoded)
        path = root / name
        if path.is_file() and path.read_bytes() == content and not path.stat().st_mode & 0o077:
            continue
        written.append(name)
        if not module.check_mode:
            make_private(path.parent, root)
            if path.exists():
                shred(path)
            write_private(path, content)
    for name in module.params["remove"]:
        if (root / name).is_file():
            removed.append(name)
            if not module.check_mode:
                shred(root / name)
    module.exit_json(changed=bool(written or removed), written=written, removed=removed)


def make_private(folder: Path, root: Path) -> None:
    """Make a directory below another one, both for their owner alone."""
    for path in (root, folder):
        path.mkdir(parents=True, exist_ok=True)
        os.chmod(path, 0o700)  # noqa: PTH101  # also of one that was there


if __name__ == "__main__":
    main()
