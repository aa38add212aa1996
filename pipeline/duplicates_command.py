"""`bin/pipeline duplicates`: show which images of an image store are the same."""

from __future__ import annotations

import csv
import io
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.duplicates import LABEL_CONFLICT, LEAK, GroupRow
from mr_jobs.lib.errors import ConfigError
from pipeline import duplicates
from pipeline.images import Images, add_images_options, open_images
from pipeline.runs import read_manifest

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_DESCRIPTION = """\
Show the images that are the same, exactly or nearly, group by group. Without an option: how many
there are. A leak is a train image whose group holds an official val or test image; a conflict is a
group whose images have several labels.
"""
_TOLD = {
    "groups": "groups of images that are the same",
    "exact": "images in them with the bytes of another",
    "near": "images in them that are recompressed, resized or cropped copies, or look like it",
    "leaks": "train images that are in official val or test, too",
    "label_conflicts": "groups with several labels",
    "bridges": "resemblances to a second group, which was left apart",
    "flat": "images too flat to compare",
    "bands_capped": "keys with too many images to compare all",
}


def add_parser(commands: Commands) -> None:
    """Add the command `duplicates`."""
    parser: ArgumentParser = commands.add_parser(
        "duplicates", help="show which images are the same", description=_DESCRIPTION
    )
    parser.add_argument("what", nargs="?", choices=("list",), help="list: all groups")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--leaks", action="store_true", help="list the groups that leak")
    only.add_argument("--conflicts", action="store_true", help="list the groups of several labels")
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        help="table: for people (default); csv: with a header; json: one array of objects",
    )
    add_images_options(parser)
    parser.set_defaults(json=False)


def run(args: Namespace) -> dict[str, Any]:
    """Show counts, or groups.

    Returns
    -------
    {"lines": the lines to print, made while they are read}

    Raises
    ------
    ConfigError
        If duplicates were not looked for yet.
    """
    images = open_images(args)
    manifest = read_manifest(images.store, duplicates.FOLDER)
    if manifest is None:
        raise ConfigError(
            f"{images.name}: duplicates were not looked for yet; `bin/pipeline ingest` does"
        )
    if not (args.what or args.leaks or args.conflicts):
        return {"lines": _counts(manifest["counts"], args.format)}
    problem = LEAK if args.leaks else LABEL_CONFLICT if args.conflicts else None
    return {"lines": _FORMATS[args.format](_rows(images, problem))}


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to print."""
    yield from result["lines"]


def _counts(counts: dict[str, int], form: str) -> Iterator[str]:
    found = {name: counts.get(name, 0) for name in _TOLD}
    if form == "json":
        yield json.dumps(found)
    elif form == "csv":
        yield from _csv([list(found), list(found.values())])
    else:
        for name, number in found.items():
            yield f"{number:10}  {_TOLD[name]}"


def _rows(images: Images, problem: str | None) -> Iterator[GroupRow]:
    """Yield the rows of the groups with a problem, or of all; a group's rows follow each other."""
    chosen = None
    if problem:
        rows = duplicates.group_rows(images.store)
        chosen = {row.group_key for row in rows if row.has(problem)}
    rows = duplicates.group_rows(images.store)
    wanted = [row for row in rows if chosen is None or row.group_key in chosen]
    yield from sorted(wanted, key=lambda row: (row.group_key, row.kind != "first", row.key))


def _table(rows: Iterable[GroupRow]) -> Iterator[str]:
    for row in rows:
        if row.kind == "first":
            told = row.key
        else:
            told = f"  {row.key}  {row.kind}" + (f" {row.distance}" if row.distance else "")
        yield told + (f"  {row.problem.replace('_', ' ')}" if row.problem else "")


def _as_csv(rows: Iterable[GroupRow]) -> Iterator[str]:
    yield from _csv([GroupRow._fields])
    yield from _csv(rows)


def _csv(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    for row in rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row)
        yield text.getvalue()


def _as_json(rows: Iterable[GroupRow]) -> Iterator[str]:
    yield json.dumps([row._asdict() for row in rows], indent=1)


_FORMATS = {"table": _table, "csv": _as_csv, "json": _as_json}
