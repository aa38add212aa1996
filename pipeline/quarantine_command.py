"""`bin/pipeline quarantine`: the images that are not used, why, and what would change that."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError, DataError
from pipeline import catalog
from pipeline.config import CONFIG_FILE, Config
from pipeline.images import Images, add_images_options, open_images, writing
from pipeline.progress import Progress

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_LISTED = ("what", "reason", "key", "place", "bytes", "format", "width", "height")
_RETRIED = ("key", "before", "now")


def add_parser(commands: Commands) -> None:
    """Add the command `quarantine` with its own commands."""
    text = "list, show or judge anew the images that are not used"
    parser = commands.add_parser("quarantine", help=text, description=text)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="every image not used, with the reason")
    listing.add_argument("--reason", metavar="WORD", help="only those with this reason")
    _add_format(listing)
    show = actions.add_parser("show", help="everything that is known of one image")
    show.add_argument("key", metavar="KEY", help="the image's key or image_id")
    show.add_argument(
        "--to", type=Path, metavar="FILE", help="write the image's bytes to a new file"
    )
    show.add_argument("--json", action="store_true", help="print the result as one JSON object")
    retry = actions.add_parser(
        "retry",
        help="judge the quarantined images by the present settings",
        description="Judge the quarantined images by the settings in pipeline.toml ([repair] and "
        "max_image_px) and print whose verdict changes.",
    )
    retry.add_argument("--reason", metavar="WORD", help="only those quarantined for this reason")
    retry.add_argument(
        "--apply",
        action="store_true",
        help="write the new verdicts into the catalogue, so that the next steps go by them",
    )
    _add_format(retry)
    for action in (show, retry):
        action.add_argument(
            "--config", type=Path, metavar="FILE", help=f"instead of {CONFIG_FILE.name}"
        )
    for action in (listing, show, retry):
        add_images_options(action)


def _add_format(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("table", "csv", "spreadsheet", "json"),
        default="table",
        help="spreadsheet: csv in which no text is a formula (default: table)",
    )
    parser.set_defaults(json=False)


def run(args: Namespace) -> dict[str, Any]:
    """Do what the action says.

    Returns
    -------
    {"lines": the lines to print, made while they are read}; for `show` what
    `quarantine.examine` returns, or what is known of a refused member.
    """
    images = open_images(args)
    if args.action == "list":
        return {"lines": _list(images, args)}
    if args.action == "show":
        return _show(images, args)
    if args.apply and args.reason:
        raise ConfigError("quarantine retry: --apply judges all of them; leave out --reason")
    return {"lines": _retry(images, args)}


def _list(images: Images, args: Namespace) -> Iterator[str]:
    from pipeline.index import printing

    counts: Counter[str] = Counter()
    listed = _counted(_unused(images, args.reason), counts)
    yield from printing.FORMS[args.format](_LISTED, listed)
    told = ", ".join(f"{n} {reason}" for reason, n in counts.most_common())
    summary = f"{counts.total()} not used" + (f": {told}" if told else "")
    if args.format == "table":
        yield f"({summary})"
    else:
        print(f"quarantine: {summary}", file=sys.stderr)  # noqa: T201


def _unused(images: Images, reason: str | None) -> Iterator[tuple[Any, ...]]:
    from pipeline.quarantine import refused

    for row in catalog.rows(images.store):
        if row.reason and reason in (None, row.reason):
            size = (row.width, row.height)
            yield "image", row.reason, row.key, row.bundle, row.bytes, row.format, *size
    for file in refused(images.store):
        if reason in (None, file.reason):
            yield "file", file.reason, file.member, file.source, None, None, None, None


def _counted(rows: Iterator[tuple[Any, ...]], counts: Counter[str]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        counts[row[1]] += 1
        yield row


def _show(images: Images, args: Namespace) -> dict[str, Any]:
    from pipeline.quarantine import examine, find, refused
    from pipeline.reading import Traffic, read_images

    for file in refused(images.store):
        if file.member == args.key:
            if args.to:
                raise ConfigError(
                    f"quarantine show: {args.key} was never taken in; it is still in {file.source}"
                )
            return file._asdict()
    spec = Config.load(args.config or CONFIG_FILE).features
    row = find(images.store, args.key)
    found = next(read_images(images, [row], Traffic()))
    if found.problem:
        raise DataError(f"{row.key}: {found.problem}; run `bin/pipeline verify`")
    if args.to:
        try:
            with args.to.open("xb") as out:
                out.write(found.encoded)
        except OSError as error:
            raise ConfigError(f"quarantine show: {args.to}: {error.strerror}") from error
    return examine(row, found.encoded, spec)


def _retry(images: Images, args: Namespace) -> Iterator[str]:
    from pipeline.index import printing
    from pipeline.quarantine import Retry, verdict

    spec = Config.load(args.config or CONFIG_FILE).features
    spec.repair.require()
    retry = Retry(images, spec, args.reason, args.apply)
    with Progress("retry") as progress, writing(images):
        changes = (
            (change.old.key, verdict(change.old), verdict(change.new))
            for change in retry.run(progress)
        )
        yield from printing.FORMS[args.format](_RETRIED, changes)
        progress.note(_summary(retry.n_judged, retry.counts, applied=args.apply))


def _summary(n_judged: int, counts: Counter[str], *, applied: bool) -> str:
    told = "; ".join(f"{n} {change}" for change, n in counts.most_common())
    if not counts:
        return f"{n_judged} judged, no verdict changes"
    done = "written to the catalogue" if applied else "nothing is written: --apply does"
    return f"{n_judged} judged, {counts.total()} verdicts change ({told}); {done}"


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to print."""
    if "lines" in result:
        yield from result["lines"]
        return
    for name, value in result.items():
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f"{name + '.' + key:24} {_plain(inner)}"
        else:
            yield f"{name:24} {_plain(value)}"


def _plain(value: object) -> str:
    """Write a value on one line, whatever a hostile name holds."""
    text = "-" if value is None else str(value)
    return text if text.isprintable() else json.dumps(text)
