#!/usr/bin/python
"""Use Hive as a user would: a table made, filled, asked and dropped."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hive_check
short_description: Prove that HiveServer2 answers queries
description: In a database of its own, which is dropped. Needs the Python package impyla.
options:
  host: {type: str, required: true, description: Address of HiveServer2.}
  port: {type: int, required: true, description: Its port.}
  user: {type: str, required: true, description: User who asks.}
  training:
    {type: bool, default: false, description: Use more of Hive, for the archive of its classes.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- hive_check: {host: 127.0.0.1, port: 21018, user: me}
"""
RETURN = r"""
rows: {description: What the query answered., returned: success, type: list}
"""

COUNT = "SELECT COUNT(*) FROM images WHERE split = 'train'"
STATEMENTS = (
    "CREATE TABLE images (image_id STRING, width INT, split STRING)",
    "INSERT INTO images VALUES ('a', 1, 'train'), ('b', 2, 'train'), ('c', 3, 'val')",
)
TRAINING = (
    "CREATE TABLE parts (image_id STRING, width INT) PARTITIONED BY (split STRING)"
    " STORED AS PARQUET",
    "INSERT OVERWRITE TABLE parts PARTITION (split) SELECT image_id, width, split FROM images",
    "SELECT a.image_id, AVG(b.width) FROM images a JOIN parts b ON a.image_id = b.image_id"
    " WHERE b.width > 1 GROUP BY a.image_id ORDER BY a.image_id LIMIT 2",
    "SELECT * FROM parts WHERE split = 'val' LIMIT 1",
    "SHOW TABLES",
)
EXPECTED = [(2,)]


def main() -> None:
    """Run the statements and compare the last answer."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "user": {"type": "str", "required": True},
            "training": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    args = module.params
    if module.check_mode:
        module.exit_json(changed=False, rows=[])
    try:
        from impala.dbapi import connect  # only a cluster with Hive needs it
        from impala.error import Error
        from thrift.Thrift import TException
    except ImportError as error:
        module.fail_json(msg=f"Hive cannot be asked without the Python package impyla: {error}")
    where = f"{args['host']}:{args['port']}"
    try:
        connection = connect(
            args["host"],
            args["port"],
            auth_mechanism="PLAIN",
            user=args["user"],
            password="-",  # noqa: S106
        )
        rows = ask(connection.cursor(), training=args["training"])
        connection.close()
    except (Error, TException, OSError) as error:
        module.fail_json(
            msg=f"HiveServer2 does not work at {where}: {' '.join(str(error).split())}"
        )
    if rows != EXPECTED:
        module.fail_json(msg=f"HiveServer2 at {where} counts {rows}, not {EXPECTED}")
    module.exit_json(changed=False, rows=rows)


def ask(cursor: object, *, training: bool) -> list[tuple[int]]:
    """Run the statements in a database of their own and return the count."""
    database = f"cluster_check_{os.getpid()}"
    cursor.execute(f"CREATE DATABASE {database}")
    try:
        cursor.execute(f"USE {database}")
        for statement in (*STATEMENTS, *(TRAINING if training else ())):
            cursor.execute(statement)
        cursor.execute(COUNT)
        return cursor.fetchall()
    finally:
        cursor.execute(f"DROP DATABASE {database} CASCADE")


if __name__ == "__main__":
    main()
