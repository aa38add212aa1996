"""`bin/pipeline explain`: show which parts of an image spoke for a class."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError, DataError, ImageError
from pipeline.report_command import saved_run

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_SHADES = "·░▒▓█"
_DESCRIPTION = """\
Show which parts of an image spoke for a class: what each feature, and each part of the image, adds
to the difference of the class's decision value and the best other class's. Zero is what the mean
training image has. + spoke for the class, - for the other one.
"""


def add_parser(commands: Commands) -> None:
    """Add the command `explain`."""
    parser: ArgumentParser = commands.add_parser(
        "explain", help="show which parts of an image spoke for a class", description=_DESCRIPTION
    )
    parser.add_argument("run", metavar="RUN", help="run id, or directory of a saved run")
    parser.add_argument("image", metavar="IMAGE", help="an image file, or - for standard input")
    parser.add_argument(
        "--class", dest="wnid", metavar="WNID", help="the class to explain (default: the best one)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE",
        help="draw it over the image, in a new file that ends in .png or .html",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Explain a prediction.

    Returns
    -------
    path; class, other: wnid, words; ahead: the difference of their decision values, which is
    intercept and the totals of features: feature, in_cells, whole_image, total; cells: the grid of
    what is in cells, a list of rows; output.

    Raises
    ------
    DataError
        The image cannot be used, or the model is damaged.
    ConfigError
        The model has no such class or is not linear, or the output cannot be written.
    """
    _check_output(args.output)
    from models.explain import explain  # scikit-learn's import takes a second
    from models.predict import serve
    from pipeline.image_files import image_files

    served = serve(saved_run(args.run))
    if args.image != "-" and Path(args.image).is_dir():
        raise ConfigError(f"{args.image} is a folder; `explain` takes one image")
    (image,) = image_files([args.image])
    try:
        encoded = image.read()
        found = explain(served, served.vector(encoded), args.wnid)
    except (ImageError, OSError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{args.image} cannot be used: {told}") from error
    result = {
        "path": image.name,
        "class": {"wnid": found.wnid, "words": served.words(found.wnid)},
        "other": {"wnid": found.other, "words": served.words(found.other)},
        "ahead": found.ahead,
        "intercept": found.intercept,
        "features": [{**share._asdict(), "total": share.total} for share in found.shares],
        "cells": found.cells.tolist(),
        "output": str(args.output) if args.output else None,
    }
    if args.output:
        from pipeline.explain_picture import as_page, as_png

        names = (_named(result["class"]), _named(result["other"]))
        content = as_png(served.spec.decode(encoded), found.cells, names)
        if args.output.suffix == ".html":
            content = as_page(content, result)
        write_new(args.output, content)
    return result


def _check_output(path: Path | None) -> None:
    """Refuse before the work what cannot be written, or would be overwritten."""
    if path is None:
        return
    if path.suffix not in (".png", ".html"):
        raise ConfigError(f"--output is a file that ends in .png or .html, not {path}")
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} is there already; name another file, or remove it")


def write_new(path: Path, content: bytes) -> None:
    """Write a new file."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from error


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the table of the features, and the grid."""
    name, other = _named(result["class"]), _named(result["other"])
    where = "ahead of" if result["ahead"] >= 0 else "behind"
    yield f"{name} is {where} {other} by {abs(result['ahead']):.4g}"
    yield ""
    width = max(map(len, ["feature", "intercept", *(e["feature"] for e in result["features"])]))
    yield f"{'feature':{width}}  {'in cells':>10}  {'whole image':>11}  {'sum':>10}"
    for each in result["features"]:
        numbers = [
            f"{each[key]:>+{n}.4g}" if each[key] else " " * n
            for key, n in (("in_cells", 10), ("whole_image", 11), ("total", 10))
        ]
        yield f"{each['feature']:{width}}  {'  '.join(numbers)}"
    for told in ("intercept", "ahead"):
        yield f"{told:{width}}  {'':10}  {'':11}  {result[told]:>+10.4g}"
    yield ""
    yield from _grid(result["cells"])
    if result["output"]:
        yield ""
        yield f"drawn in {result['output']}"


def _named(synset: dict[str, str]) -> str:
    from models.report import printable

    wnid, words = synset["wnid"], synset["words"]
    return wnid if words == wnid else f"{wnid} {printable(words)}"


def _grid(cells: list[list[float]]) -> Iterator[str]:
    """Yield the lines of a grid of half as many cells a side, with a legend."""
    side = len(cells) // 2
    sums = [
        [
            sum(cells[2 * row + i][2 * column + j] for i in (0, 1) for j in (0, 1))
            for column in range(side)
        ]
        for row in range(side)
    ]
    most = max(abs(value) for row in sums for value in row) or 1.0
    for row in sums:
        yield "  " + "".join(_shade(value / most) for value in row)
    yield ""
    yield f"  +{_SHADES[-1]} adds {most:.3g}, -{_SHADES[-1]} takes as much away; less where lighter"


def _shade(share: float) -> str:
    """Write a cell, its share of the greatest from -1 to 1, as a sign and a shade.

    >>> [_shade(share) for share in (1, 0.7, 0.05, 0, -0.3, -1)]
    ['+█', '+▓', ' ·', ' ·', '-░', '-█']
    """
    level = round(abs(share) * (len(_SHADES) - 1))
    return (" " if not level else "+" if share > 0 else "-") + _SHADES[level]
