"""`bin/pipeline compare`: saved runs side by side, and whether they differ by chance."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add `compare RUN RUN…`."""
    parser = commands.add_parser(
        "compare",
        help="saved runs side by side, and whether they differ by chance",
        description="Show the errors, settings and seconds of saved runs side by side. Runs that "
        "were tested on the same images are compared image by image, by McNemar's exact test.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run id, or directory of a saved run; two or more"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page, too")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Compare the runs; see `report.comparing.compare` for the result.

    Raises
    ------
    DataError
        One is not a saved run, or is damaged.
    ConfigError
        There is only one, or the page cannot be written.
    """
    from pipeline.report.comparing import compare, comparison_page
    from pipeline.report_command import saved_run, write_page

    directories = [saved_run(name) for name in args.runs]
    if len(set(directories)) < 2:
        raise ConfigError("compare: give two runs or more; `bin/pipeline runs` lists them")
    result = compare(list(dict.fromkeys(directories)))
    if args.html:
        write_page(args.html, comparison_page(result))
        result["page"] = str(args.html)
    return result


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the text for people."""
    from pipeline.report.comparing import rows, sentence

    table = rows(result)
    label_width = max(len(label) for label, _ in table)
    widths = [max(map(len, column)) for column in zip(*(texts for _, texts in table), strict=True)]
    for label, texts in table:
        cells = [text.ljust(width) for text, width in zip(texts, widths, strict=True)]
        yield f"{label:{label_width}}  {'  '.join(cells)}".rstrip()
    yield ""
    yield from map(sentence, result["differences"])
    if "page" in result:
        yield result["page"]
