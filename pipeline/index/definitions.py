"""The tables of the index, read from `hive/ddl`, their only definition; and the folders beside it.

A definition is one HiveQL statement. Its rows come from a directory of tab-separated files of the
image store: that of LOCATION, with the table's own columns, or that of the table property `tsv`,
with the columns of `tsv.columns`, for a table in partitions. A partition column that is not among
the files' columns is in their path, as `run_id=ID/`.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

import sqlglot
from sqlglot import exp

from mr_jobs.job import ROOT

HIVE = ROOT / "hive"
LOCATION = "${hivevar:location}"
_SEVERITY = re.compile(r"^--\s*severity:\s*(\w+)\s*$", re.MULTILINE)

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # what it cannot do is raised, too


@dataclass(frozen=True)
class Column:
    """A column: `type` is Hive's, such as BIGINT; empty in a view."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """A table or view of the index.

    `columns` are all of them in Hive's order, those in `partitions` last. `directory` has the
    files, `file_columns` are theirs, in order; both are empty in a view, which has a `select`.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    partitions: tuple[str, ...]
    directory: str
    file_columns: tuple[str, ...]
    select: str
    ddl: str

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def path_columns(self) -> tuple[str, ...]:
        """The partition columns whose values are in the files' paths."""
        return tuple(name for name in self.partitions if name not in self.file_columns)


@dataclass(frozen=True)
class Named:
    """A query or check of `hive/`: what it says in its first comment, and its HiveQL."""

    name: str
    says: str
    severity: str
    sql: str


@cache
def tables() -> tuple[Table, ...]:
    """Read all definitions: tables by name, then views, which select from them."""
    found = [_table(path.read_text(encoding="utf-8")) for path in sorted(HIVE.glob("ddl/*.sql"))]
    return tuple(sorted(found, key=lambda table: (bool(table.select), table.name)))


@cache
def imported() -> dict[str, Table]:
    """Read the definitions of `hive/imported`, by name: tables that no engine fills."""
    found = [_table(p.read_text(encoding="utf-8")) for p in sorted(HIVE.glob("imported/*.sql"))]
    return {table.name: table for table in found}


@cache
def named(folder: str) -> dict[str, Named]:
    """Read the statements of a folder of `hive/`, by name: `queries` or `checks`."""
    found = {}
    for path in sorted(HIVE.glob(f"{folder}/*.sql")):
        sql = path.read_text(encoding="utf-8")
        severity = _SEVERITY.search(sql)
        found[path.stem] = Named(
            path.stem,
            sql.partition("\n")[0].removeprefix("--").strip(),
            severity[1] if severity else "error",
            sql,
        )
    return found


def _table(ddl: str) -> Table:
    create = sqlglot.parse_one(ddl, read="hive")
    partitions = create.find(exp.PartitionedByProperty)
    own = _columns(create.this)
    parts = _columns(partitions.this) if partitions else ()
    comment = create.find(exp.SchemaCommentProperty)
    properties = {p.name: p.text("value") for p in create.find_all(exp.Property)}
    location = create.find(exp.LocationProperty)
    directory = properties.get("tsv", "")
    file_columns = tuple(properties.get("tsv.columns", "").split())
    if location is not None:
        directory = str(PurePosixPath(location.this.name).relative_to(LOCATION))
        file_columns = tuple(column.name for column in own)
    select = create.expression
    return Table(
        name=create.this.this.name,
        comment=comment.this.name if comment else "",
        columns=own + parts,
        partitions=tuple(column.name for column in parts),
        directory=directory,
        file_columns=file_columns,
        select=select.sql(dialect="hive") if select else "",
        ddl=ddl,
    )


def _columns(schema: exp.Expression) -> tuple[Column, ...]:
    return tuple(
        Column(
            column.name,
            column.kind.sql(dialect="hive") if column.kind else "",
            " ".join(c.kind.this.name for c in column.constraints),
        )
        for column in schema.expressions
    )
