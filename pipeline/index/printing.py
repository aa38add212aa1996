"""Print the rows of a query: an aligned table for people, CSV or JSON for programs."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias

from mr_jobs.lib.shown import shown
from pipeline.index.engine import plain

_NULL = "NULL"
_ALIGNED_ROWS = 1000  # the widths of a table's columns are those of its first rows
# Source: OWASP, CSV Injection.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CSV_QUOTED = frozenset(',"\r\n')

Rows: TypeAlias = Iterable[Sequence[Any]]


class Shown:
    """The first rows of a result; the others are read only to be counted.

    Parameters
    ----------
    rows : of the result.
    limit : how many to show; None for all.
    """

    def __init__(self, rows: Iterator[Sequence[Any]], limit: int | None) -> None:
        self._rows = rows
        self._limit = limit
        self.n_shown = 0
        self.n_left_out = 0

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield the rows to show."""
        for row in islice(self._rows, self._limit):
            self.n_shown += 1
            yield row
        self.n_left_out = sum(1 for _ in self._rows)

    def summary(self) -> str:
        """Say how many rows there were, and how many of them are not shown."""
        if not self.n_left_out:
            return f"({self.n_shown} {'row' if self.n_shown == 1 else 'rows'})"
        n_rows = self.n_shown + self.n_left_out
        return f"({self.n_shown} of {n_rows} rows; {self.n_left_out} left out, --limit 0 shows all)"


def table_lines(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield an aligned table: numbers to the right, NULL as such, nothing unprintable."""
    rows = iter(rows)
    first = list(islice(rows, _ALIGNED_ROWS))
    right = [
        any(_is_number(row[place]) for row in first)
        and all(row[place] is None or _is_number(row[place]) for row in first)
        for place in range(len(columns))
    ]
    heads = [shown(name) for name in columns]
    widths = [
        max(_width(text) for text in (head, *(_cell(row[place]) for row in first)))
        for place, head in enumerate(heads)
    ]
    yield _line(heads, widths, right)
    yield "  ".join("-" * width for width in widths)
    for row in chain(first, rows):
        yield _line([_cell(value) for value in row], widths, right)


def csv_lines(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    r"""Yield CSV as RFC 4180 has it, with `\n`; NULL is nothing, an empty text is `""`."""
    for row in chain([columns], rows):
        yield ",".join(map(_csv_field, row))


def spreadsheet_lines(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield CSV for a spreadsheet: a text that it would take for a formula has ' in front.

    All texts are quoted, so that none is split where a spreadsheet takes other separators.
    """
    for row in chain([columns], rows):
        yield ",".join(map(_spreadsheet_field, row))


def json_lines(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield one JSON array of objects, one a line."""
    before = "["
    for row in rows:
        values: Mapping[str, Any] = dict(zip(columns, map(plain, row), strict=True))
        text = json.dumps(values, ensure_ascii=False)
        yield before + (text if text.isprintable() else json.dumps(values))
        before = ","
    yield "]" if before == "," else "[]"


FORMS: dict[str, Callable[[Sequence[str], Rows], Iterator[str]]] = {
    "table": table_lines,
    "csv": csv_lines,
    "spreadsheet": spreadsheet_lines,
    "json": json_lines,
}


def _cell(value: object) -> str:
    value = plain(value)
    return _NULL if value is None else shown(str(value))


def _is_number(value: object) -> bool:
    return isinstance(plain(value), int | float) and not isinstance(value, bool)


def _width(text: str) -> int:
    """Return how many places of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for text, width, is_right in zip(cells, widths, right, strict=True):
        space = " " * (width - _width(text))
        padded.append(space + text if is_right else text + space)
    return "  ".join(padded).rstrip()


def _spreadsheet_field(value: object) -> str:
    value = plain(value)
    if not isinstance(value, str):
        return _csv_field(value)
    text = f"'{value}" if value.startswith(_FORMULA) else value
    return '"' + text.replace('"', '""') + '"'


def _csv_field(value: object) -> str:
    value = plain(value)
    if value is None:
        return ""
    text = str(value)
    if text and not _CSV_QUOTED & set(text):
        return text
    return '"' + text.replace('"', '""') + '"'
