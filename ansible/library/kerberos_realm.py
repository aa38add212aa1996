#!/usr/bin/python
"""Keep the realm of one cluster: its database, its principals and their keytabs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.secure_shred import keytab_name, shred, write_private

DOCUMENTATION = r"""
module: kerberos_realm
short_description: Make a Kerberos realm and keep its principals
description:
  - The database is made once. A principal gets a new random key when its wanted version is higher
    than the one that it has; its old key is gone then. So are all tickets with O(ticket_version).
  - The keys are in `keytabs/` of the directory, one file each, for O(kerberos_keytabs).
  - Secrets go to Kerberos' programs through their standard input, never as arguments.
options:
  launcher: {type: path, required: true, description: Program that starts those of Kerberos.}
  directory: {type: path, required: true, description: Private directory of the database.}
  realm: {type: str, required: true, description: Name of the realm.}
  master_password: {type: str, required: true, description: Password of the database's key.}
  principals: {type: dict, required: true, description: Wanted version of each principal's key.}
  ticket_version: {type: int, default: 1, description: Wanted version of the key of all tickets.}
  removed: {type: list, elements: str, default: [], description: Principals that must not be.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- kerberos_realm: {launcher: /c/bin/kerberos, directory: /c/secrets/kdc, realm: X, ...}
"""
RETURN = r"""
renewed: {description: Principals with a new key., returned: success, type: list}
"""

NAME = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?")
TIME_S = 30
TICKETS = "krbtgt"  # the principal that makes the tickets for tickets


class Failure(Exception):
    """Kerberos refused something; the message is one sentence."""


def main() -> None:
    """Make what is missing."""
    module = AnsibleModule(
        argument_spec={
            "launcher": {"type": "path", "required": True},
            "directory": {"type": "path", "required": True},
            "realm": {"type": "str", "required": True},
            "master_password": {"type": "str", "required": True, "no_log": True},
            "principals": {"type": "dict", "required": True},
            "ticket_version": {"type": "int", "default": 1},
            "removed": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    args = module.params
    root = Path(args["directory"])
    known = versions(root)
    wanted = {name: int(version) for name, version in args["principals"].items()}
    renewed = sorted(name for name in wanted if known.get(name, 0) < wanted[name])
    removed = sorted(name for name in args["removed"] if name in known)
    void = (root / "stash").exists() and known.get(TICKETS, 1) < args["ticket_version"]
    changed = bool(renewed or removed or void or not (root / "stash").exists())
    if module.check_mode:
        module.exit_json(changed=changed, renewed=renewed, removed=removed)
    try:
        make_database(root, args)
        if void:  # of all tickets that were given so far
            administer(args["launcher"], [f"cpw -randkey {TICKETS}/{args['realm']}"])
        known[TICKETS] = args["ticket_version"]
        remember(root, known)
        for name in removed:
            administer(args["launcher"], [f"delprinc -force {checked(name)}"])
            shred(keytab(root, name))
            known.pop(name)
            remember(root, known)
        for name in renewed:
            renew(root, args["launcher"], checked(name), new=name not in known)
            known[name] = wanted[name]
            remember(root, known)
    except (Failure, OSError, subprocess.TimeoutExpired) as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=changed, renewed=renewed, removed=removed)


def versions(root: Path) -> dict[str, int]:
    """Read which version of its key each principal has."""
    path = root / "versions.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def remember(root: Path, known: dict[str, int]) -> None:
    """Write the versions down."""
    write_private(root / "versions.json", json.dumps(known, indent=1, sort_keys=True).encode())


def keytab(root: Path, name: str) -> Path:
    """Name the file with the key of a principal."""
    return root / "keytabs" / keytab_name(name)


def checked(name: str) -> str:
    """Return a principal's name that is fit for a line of commands."""
    if not NAME.fullmatch(name):
        raise Failure(f"{name!r} is not the name of a principal: letters, digits, . _ - and one /")
    return name


def make_database(root: Path, args: dict[str, Any]) -> None:
    """Make the database and the file that lets its server open it, once."""
    (root / "keytabs").mkdir(parents=True, exist_ok=True)
    for path in (root, root / "keytabs"):
        os.chmod(path, 0o700)  # noqa: PTH101  # also of one that was there
    if (root / "stash").exists():
        return
    for path in root.glob("principal*"):  # of one that was broken off
        path.unlink()
    password = args["master_password"]
    command = ["kdb5_util", "create", "-s", "-r", args["realm"]]
    run(args["launcher"], command, f"{password}\n{password}\n")


def renew(root: Path, launcher: str, name: str, *, new: bool) -> None:
    """Give a principal a random key, and put it into a keytab of its own."""
    path = keytab(root, name)
    if path.exists():
        shred(path)
    key = f"addprinc -randkey {name}" if new else f"cpw -randkey {name}"
    said = administer(launcher, [key, f"ktadd -norandkey -k {path} {name}"])
    if not path.is_file():
        raise Failure(f"Kerberos gave no key for {name}: {said}")
    path.chmod(0o600)


def administer(launcher: str, commands: list[str]) -> str:
    """Give commands to the database's own program; return what it complains of."""
    return run(launcher, ["kadmin.local"], "".join(f"{line}\n" for line in commands))


def run(launcher: str, command: list[str], text: str) -> str:
    """Run a program of Kerberos with a standard input; return its complaints, or fail with them."""
    done = subprocess.run(
        [launcher, *command],
        input=text,
        capture_output=True,
        text=True,
        timeout=TIME_S,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "No policy" not in line]
    if done.returncode:
        raise Failure(f"{command[0]} failed: {(said or ['no reason given'])[-1]}")
    return "; ".join(said)


if __name__ == "__main__":
    main()
