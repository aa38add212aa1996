#!/usr/bin/python
"""Use HBase as a user would: a table made, a row put, got, scanned, and all of it dropped."""

from __future__ import annotations

import os
import re
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hbase_check
short_description: Prove that HBase stores a row and finds it again
description:
  - In a table of its own, which is dropped. By Thrift, where the Python package happybase is
    installed; else by HBase's own shell, which takes longer and does not ask the Thrift server.
options:
  host: {type: str, required: true, description: Address of the Thrift server.}
  port: {type: int, required: true, description: Its port.}
  launcher: {type: path, required: true, description: The program hbase of the cluster.}
  training:
    {type: bool, default: false, description: Use the shell, too, for the archive of its classes.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- hbase_check: {host: 127.0.0.1, port: 21025, launcher: /data/imagenet/bin/hbase}
"""
RETURN = r"""
by: {description: "What asked: thrift, shell or both.", returned: success, type: list}
"""

TIMEOUT_S = 120
VALUE = "seventeen"
# `ensure` also runs after a failure, which ends the shell with an exit code that is not 0
SCRIPT = """\
begin
  create '{table}', 'f'
  put '{table}', 'row', 'f:q', '{value}'
  get '{table}', 'row'
  scan '{table}'
ensure
  disable '{table}'
  drop '{table}'
end
"""


class Failure(Exception):
    """HBase does not do what it should; the message says what it did."""


def main() -> None:
    """Ask by Thrift if that can be done here, else by the shell."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "launcher": {"type": "path", "required": True},
            "training": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    args = module.params
    if module.check_mode:
        module.exit_json(changed=False, by=[])
    table = f"cluster_check_{os.getpid()}"
    by = []
    try:
        if ask_thrift(args["host"], args["port"], table):
            by.append("thrift")
        if not by or args["training"]:
            ask_shell(args["launcher"], table)
            by.append("shell")
    except Failure as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=False, by=by)


def ask_thrift(host: str, port: int, table: str) -> bool:
    """Put and find a row by Thrift; tell whether happybase is there to do it."""
    try:
        import happybase  # an extra: without it the shell asks
        from thriftpy2.thrift import TException
    except ImportError:
        return False
    try:
        connection = happybase.Connection(host, port, timeout=TIMEOUT_S * 1000)
        connection.create_table(table, {"f": {}})
        try:
            connection.table(table).put(b"row", {b"f:q": VALUE.encode()})
            got = connection.table(table).row(b"row")
            scanned = dict(connection.table(table).scan())
        finally:
            connection.delete_table(table, disable=True)
        connection.close()
    except (TException, OSError) as error:
        said = " ".join(str(error).split())
        raise Failure(f"HBase's Thrift server at {host}:{port} does not work: {said}") from error
    if scanned != {b"row": got} or got != {b"f:q": VALUE.encode()}:
        raise Failure(f"HBase at {host}:{port} finds {got} and {scanned}, not the row that was put")
    return True


def ask_shell(launcher: str, table: str) -> None:
    """Put and find a row by HBase's own shell."""
    try:
        done = subprocess.run(
            [launcher, "shell", "-n"],
            input=SCRIPT.format(table=table, value=VALUE),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failure(f"`{launcher} shell` does not end within {TIMEOUT_S} s") from error
    found = len(re.findall(rf"value={VALUE}\b", done.stdout))
    if done.returncode or found != 2:  # by get and by scan
        said = " ".join((done.stderr or done.stdout)[-600:].split())
        raise Failure(f"`{launcher} shell` finds a row {found} times, not 2: {said}")


if __name__ == "__main__":
    main()
