"""The checks of `hive/checks`: queries that return no row while all is well."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from mr_jobs.lib.errors import JobError
from pipeline.index.definitions import Named, named
from pipeline.index.engine import Engine, plain
from pipeline.index.hiveql import read_statement

_SHOWN_ROWS = 3


def run_checks(engine: Engine) -> tuple[int, list[str]]:
    """Run every check.

    Returns
    -------
    How many ran, and a sentence for each check of severity `warn` that found something.

    Raises
    ------
    JobError
        Another check found something.
    """
    warnings = []
    for check in named("checks").values():
        result = engine.query(read_statement(check.sql))
        rows = list(islice(result.rows, _SHOWN_ROWS + 1))
        if not rows:
            continue
        told = _sentence(check, result.columns, rows)
        if check.severity != "warn":
            raise JobError(f"index: {told}")
        warnings.append(told)
    return len(named("checks")), warnings


def _sentence(check: Named, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    shown = "; ".join(
        ", ".join(f"{name}={plain(value)!r}" for name, value in zip(columns, row, strict=True))
        for row in rows[:_SHOWN_ROWS]
    )
    more = "; …" if len(rows) > _SHOWN_ROWS else ""
    return (
        f"check {check.name} ({check.says}) found {shown}{more}; all of them: "
        f"`bin/pipeline query --file hive/checks/{check.name}.sql`"
    )
