#!/usr/bin/python
"""Make the file from which Hadoop's programs read their passwords, without one in any argument."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.secure_shred import shred, write_private

DOCUMENTATION = r"""
module: secure_credential_store
short_description: Keep passwords in a store of Hadoop's credential provider
description: Made anew when its version differs. Hadoop's program asks for them on a terminal.
options:
  launcher: {type: path, required: true, description: Hadoop's launcher.}
  path: {type: path, required: true, description: The store, a JCEKS file.}
  version: {type: str, required: true, description: Version of what is in it.}
  aliases: {type: dict, required: true, description: Name to password.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- secure_credential_store: {launcher: /c/bin/hadoop, path: /c/secrets/hadoop.jceks, version: 1, ...}
"""
RETURN = ""

SHELL = "org.apache.hadoop.security.alias.CredentialShell"
QUESTION = re.compile(r"password( again)?: ")
TIME_S = 60.0


def main() -> None:
    """Make the store unless it is there in that version."""
    module = AnsibleModule(
        argument_spec={
            "launcher": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "aliases": {"type": "dict", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    args = module.params
    path = Path(args["path"])
    state = path.with_suffix(".version")
    same = path.is_file() and state.is_file() and state.read_text() == args["version"]
    if same or module.check_mode:
        module.exit_json(changed=not same)
    for old in (path, state):
        if old.exists():
            shred(old)
    for alias, password in sorted(args["aliases"].items()):
        command = [
            args["launcher"],
            SHELL,
            "create",
            alias,
            "-provider",
            f"localjceks://file{path}",
        ]
        code, said = answer(command, password)
        if code:
            module.fail_json(
                msg=f"Hadoop made no credential store: {said.replace(password, '***')}"
            )
    path.chmod(0o600)
    write_private(state, args["version"].encode())
    module.exit_json(changed=True)


def answer(command: list[str], password: str) -> tuple[int, str]:
    """Run a program on a terminal of its own, and type the password as often as it asks."""
    ours, its = pty.openpty()
    environment = {**os.environ, "HADOOP_CLIENT_OPTS": ""}
    with subprocess.Popen(
        command,
        stdin=its,
        stdout=its,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
        cwd=Path(command[0]).parent,
    ) as program:
        os.close(its)
        said, asked = "", 0
        deadline = time.monotonic() + TIME_S
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                said += os.read(ours, 4096).decode(errors="replace")
            except OSError:  # the program has ended
                break
            while len(QUESTION.findall(said)) > asked:
                asked += 1
                os.write(ours, f"{password}\n".encode())
        else:
            program.kill()
    os.close(ours)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return program.returncode, (lines or ["it said nothing"])[-1]


if __name__ == "__main__":
    main()
