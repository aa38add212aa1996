#!/usr/bin/python
"""Write all configuration files of Hadoop in one run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hadoop_conf
short_description: Write Hadoop's configuration files
description:
  - Dicts become `*.xml` (escaped, sorted) or `*.properties`; written only when different.
  - The directory is made if its parent is there.
options:
  directory: {type: path, required: true, description: Directory of the files.}
  files: {type: dict, required: true, description: File name to a dict of its properties.}
  empty: {type: list, elements: str, default: [], description: Files that others fill.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- hadoop_conf:
    directory: /data/imagenet/conf
    files: {core-site.xml: {fs.defaultFS: "hdfs://127.0.0.1:21000"}}
"""
RETURN = r"""
written: {description: Names of the files that differed., returned: success, type: list}
"""


def main() -> None:
    """Render every file and replace those that differ."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
            "empty": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    root = Path(module.params["directory"])
    written, diffs = [], []
    for name, properties in sorted(module.params["files"].items()):
        after = render(name, properties)
        path = root / name
        before = path.read_text() if path.is_file() else ""
        if after == before:
            continue
        written.append(name)
        diffs.append({"before_header": name, "before": before, "after": after})
        if not module.check_mode:
            root.mkdir(exist_ok=True)
            fresh = path.with_name(f"{name}.{os.getpid()}.new")
            fresh.write_text(after)
            fresh.replace(path)
    for name in module.params["empty"]:
        if not (root / name).exists():
            written.append(name)
            if not module.check_mode:
                (root / name).touch()
    module.exit_json(changed=bool(written), written=written, diff=diffs)


def render(name: str, properties: dict[str, Any]) -> str:
    """Render one file: XML for `*.xml`, `key=value` lines for anything else."""
    pairs = [(key, to_text(value)) for key, value in sorted(properties.items())]
    if not name.endswith(".xml"):
        return "".join(f"{key}={value}\n" for key, value in pairs)
    rows = "".join(
        f"  <property><name>{escape(key)}</name><value>{escape(value)}</value></property>\n"
        for key, value in pairs
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<configuration>\n{rows}</configuration>\n'


def to_text(value: object) -> str:
    """Write a value as Hadoop reads it: booleans in lower case, lists with commas."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(to_text, value))
    return str(value)


if __name__ == "__main__":
    main()
