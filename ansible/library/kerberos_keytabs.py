#!/usr/bin/python
"""Read the keys that a realm's server has made, to give each host its own."""

from __future__ import annotations

import base64
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.secure_shred import keytab_name

DOCUMENTATION = r"""
module: kerberos_keytabs
short_description: Read the keytabs of some principals
description: The result is secret. A task that calls it needs C(no_log).
options:
  directory: {type: path, required: true, description: Directory of the realm's database.}
  principals: {type: list, elements: str, required: true, description: Whose keys to read.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- kerberos_keytabs: {directory: /c/secrets/kdc, principals: [nn/localhost]}
"""
RETURN = r"""
keytabs: {description: Content of each keytab in base64., returned: success, type: dict}
"""


def main() -> None:
    """Read the files that are there."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "principals": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    keytabs = {}
    for name in module.params["principals"]:
        path = Path(module.params["directory"], "keytabs", keytab_name(name))
        if path.is_file():  # in check mode it may not be there yet
            keytabs[name] = base64.b64encode(path.read_bytes()).decode()
    module.exit_json(changed=False, keytabs=keytabs)


if __name__ == "__main__":
    main()
