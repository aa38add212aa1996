"""`bin/pipeline get`: copy chosen images out of the bundles, by id or by a condition.

Only the images' own bytes are read: the catalogue knows where they are.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError, IncompleteError, is_full_disk
from mr_jobs.lib.records import CatalogRow
from pipeline.delivery import Delivery, delivery_to
from pipeline.images import Images, add_images_options, open_images
from pipeline.index import ENGINES, select_rows
from pipeline.progress import Progress
from pipeline.reading import Traffic, read_images

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_IDS_A_QUERY = 1000
_NAMED = 20  # at most, of the images that something is wrong with
_TOLD_EVERY = 10_000  # images
_DESCRIPTION = """\
Copy images out of an image store, byte for byte as they were ingested, by ranged reads: no bundle
is read through. A directory gets <split>/<wnid>/<file name> and images.tsv, the rows of the
catalogue; a path that ends in .tar makes a tar of the same names, one in .seq a SequenceFile, with
the rows beside it.
"""


def add_parser(commands: Commands) -> None:
    """Add the command `get`."""
    parser: ArgumentParser = commands.add_parser(
        "get", help="copy images out of the bundles, by id or by a condition",
        description=_DESCRIPTION,
    )  # fmt: skip
    parser.add_argument(
        "ids", nargs="*", metavar="IMAGE_ID",
        help="n01440764_10026, or a whole key, train/n01440764/n01440764_10026.JPEG",
    )  # fmt: skip
    parser.add_argument(
        "--where", metavar="SQL", help="condition on the columns of the table images, such as "
        "\"wnid = 'n02084071' AND width > 400\"",
    )  # fmt: skip
    parser.add_argument(
        "--to", type=Path, required=True, metavar="PATH",
        help="a directory, or a new file that ends in .tar or .seq",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=ENGINES, default="duckdb",
        help="who looks the images up; duckdb is here and fast (default: %(default)s)",
    )  # fmt: skip
    add_images_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Copy the images.

    Returns
    -------
    images, bytes: what was delivered; bytes_read, requests: what that took; extra_share: by how
    much more was read than the images, as a fraction; lookup_s, seconds: time in the index, and in
    all; already_there, renamed: as in `Delivery`; missing: ids that no image has; damaged: images
    that could not be read.

    Raises
    ------
    IncompleteError
        If an id or an image is missing or damaged; all others were delivered.
    """
    if bool(args.ids) == (args.where is not None):
        raise ConfigError("get: give image ids, or --where, and not both")
    images = open_images(args)
    began = time.monotonic()
    missing = set(args.ids)
    rows: Iterable[CatalogRow]
    if args.ids:
        rows = _by_ids(images, args.ids, args.engine)
        for row in rows:
            missing -= {row.image_id, row.key}
    else:
        rows = select_rows(images, args.where, engine=args.engine)
    lookup_s = time.monotonic() - began
    with Progress("get") as progress:
        result = _deliver(images, rows, delivery_to(args.to.absolute()), progress)
    result["missing"] = sorted(missing)
    result["lookup_s"] = round(lookup_s, 3)
    result["seconds"] = round(time.monotonic() - began, 3)
    if missing or result["n_damaged"]:
        raise IncompleteError(_complaint(result), result)
    return result


def _by_ids(images: Images, ids: Sequence[str], engine: str) -> list[CatalogRow]:
    """Return the rows of ids, each once: all of an image_id that several keys have."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, CatalogRow] = {}
    for start in range(0, len(wanted), _IDS_A_QUERY):
        condition = id_condition(wanted[start : start + _IDS_A_QUERY])
        found |= {row.key: row for row in select_rows(images, condition, engine=engine)}
    return list(found.values())


def id_condition(ids: Sequence[str]) -> str:
    r"""Return the condition that an image's id or whole key is one of these, in HiveQL.

    >>> print(id_condition(["a", "it's"]))
    image_id IN ('a', 'it\'s') OR key IN ('a', 'it\'s')
    """
    literals = ", ".join(map(_literal, ids))
    return f"image_id IN ({literals}) OR key IN ({literals})"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _deliver(
    images: Images, rows: Iterable[CatalogRow], delivery: Delivery, progress: Progress
) -> dict[str, Any]:
    n_images = n_bytes = n_damaged = 0
    damaged: list[str] = []
    traffic = Traffic()
    try:
        with delivery:
            for found in read_images(images, rows, traffic):
                if found.problem:
                    n_damaged += 1
                    damaged += [f"{found.row.key}: {found.problem}"] if n_damaged <= _NAMED else []
                    continue
                delivery.add(found.row, found.encoded)
                n_images += 1
                n_bytes += len(found.encoded)
                if n_images % _TOLD_EVERY == 0:
                    progress.note(f"{n_images} images, {n_images / progress.seconds:.0f} images/s")
    except OSError as error:
        if is_full_disk(error):
            raise
        raise ConfigError(f"{error.filename or delivery.target}: {error.strerror}") from error
    return {
        "to": str(delivery.target),
        "rows": str(delivery.rows_path),
        "images": n_images,
        "bytes": n_bytes,
        "bytes_read": traffic.bytes,
        "requests": traffic.requests,
        "extra_share": round(traffic.bytes / n_bytes - 1, 6) if n_bytes else 0.0,
        "already_there": delivery.already_there,
        "renamed": delivery.renamed,
        "n_damaged": n_damaged,
        "damaged": damaged,
    }


def _complaint(result: dict[str, Any]) -> str:
    problems = [f"{each}: no such image" for each in result["missing"]] + result["damaged"]
    n_problems = len(result["missing"]) + result["n_damaged"]
    more = f"; and {n_problems - _NAMED} more" if n_problems > _NAMED else ""
    return (
        f"{n_problems} not delivered: {'; '.join(problems[:_NAMED])}{more}; the other "
        f"{result['images']} are in {result['to']}"
    )
