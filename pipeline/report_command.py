"""`bin/pipeline report`: the page of a saved run, made anew where older code made it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add `report RUN`."""
    parser = commands.add_parser(
        "report",
        help="one HTML page with all that a run found",
        description="Print where the page of a saved run is. It is made from the saved run alone, "
        "needs no network, and is made again when it is missing or older code made it.",
    )
    parser.add_argument("run", metavar="RUN", help="run id, or directory of a saved run")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the page here, and leave the run alone"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Make sure that there is a page.

    Returns
    -------
    run_id; page: its path; made: whether it was made now.

    Raises
    ------
    DataError
        It is not a saved run, or is damaged.
    ConfigError
        The output cannot be written.
    """
    from pipeline.report.render import PAGE, is_current, render

    directory = saved_run(args.run)
    page = args.output or directory / PAGE
    made = bool(args.output) or not _is_own(directory) or not is_current(page)
    if args.output:
        write_page(args.output, render(directory))
    elif made:
        from models.artifact import replace_file  # imports scikit-learn

        replace_file(directory, PAGE, render(directory).encode())
    return {"run_id": directory.name, "page": str(page), "made": made}


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the text for people."""
    yield result["page"]


def saved_run(name: str) -> Path:
    """Return the directory of a saved run, given that or its id."""
    from pipeline.runs import check_run_id
    from pipeline.save_step import SAVED

    directory = Path(name)
    return directory.absolute() if directory.is_dir() else SAVED / check_run_id(name)


def _is_own(directory: Path) -> bool:
    """Say whether a run was saved here; the page in another directory may be anybody's."""
    from pipeline.save_step import SAVED

    return directory.resolve().parent == SAVED.resolve()


def write_page(path: Path, text: str) -> None:
    """Write a page where the user wants it."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from error
