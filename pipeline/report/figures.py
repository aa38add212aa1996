"""The plots of the page: inline SVG by matplotlib, in the page's own colours and type.

The same numbers give the same bytes. Colours are the custom properties of the page's style sheet,
so that a plot is dark where the page is.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from markupsafe import Markup

from pipeline.report.formats import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, BLUE, RED, SAND, GREEN, PAPER = (f"#0{n}0{n}0{n}" for n in range(1, 9))
_NAMES = ("ink", "muted", "line", "blue", "red", "sand", "green", "paper")
_PX = 1 / 72  # matplotlib's SVG has 72 units an inch
_FONT_PX = 12
WIDE_PX, NARROW_PX = 640, 400
_SETTINGS: Any = {  # matplotlib's type of it names every key
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.family": "sans-serif",
    "font.size": _FONT_PX,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": _FONT_PX,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "text.parse_math": False,  # a synset may have a dollar in its words
}


class Bar(NamedTuple):
    """A horizontal bar: its label, its length and, where known, an interval."""

    label: str
    value: float
    interval: tuple[float, float] | None = None


@contextmanager
def drawing(width_px: float, height_px: float) -> Iterator[tuple[Figure, Axes]]:
    """Begin a figure of that size, with the page's type and colours."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has it
        figure = NewFigure(figsize=(width_px * _PX, height_px * _PX), layout="constrained")
        yield figure, figure.subplots()


def inline(figure: Figure, name: str, told: str) -> Markup:
    """Write a figure as an SVG element; `name` makes its ids unique, `told` says what it shows."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    svg = file.getvalue()
    view_box = re.search(r'viewBox="([^"]*)"', svg)
    body = svg[svg.index("<g ") : svg.rindex("</svg>")]
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for number, colour in enumerate(_NAMES, start=1):
        body = body.replace(f"#0{number}0{number}0{number}", f"var(--{colour})")
    box = view_box.group(1) if view_box else ""
    return Markup(
        '<svg viewBox="{}" role="img" aria-label="{}" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'
    ).format(box, visible(told), Markup(body))  # noqa: S704  # matplotlib has escaped the texts in it


def bars(
    name: str, told: str, rows: Sequence[Bar], unit: str, *, share: bool = False,
    narrow: bool = False,
) -> Markup:  # fmt: skip
    """Draw horizontal bars, the first on top, each with its interval if it has one."""
    with drawing(NARROW_PX if narrow else WIDE_PX, 44 + 21 * len(rows)) as (figure, axes):
        places = np.arange(len(rows))
        known = any(row.interval for row in rows)
        values = [row.value for row in rows]
        axes.barh(places, values, color=BLUE, height=0.62, alpha=0.4 if known else 1)
        for place, row in zip(places, rows, strict=True):
            if row.interval:
                axes.plot(row.interval, (place, place), color=BLUE, linewidth=1.4)
                axes.plot(row.value, place, color=BLUE, marker="o", markersize=5)
        axes.set_yticks(places, [_short(row.label) for row in rows], color=INK)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, _end(rows, share=share))
        _quiet(axes, "x", unit, share=share)
        return inline(figure, name, told)


def _end(rows: Sequence[Bar], *, share: bool) -> float:
    ends = [max(row.value, row.interval[1] if row.interval else 0.0) for row in rows]
    end = max(ends, default=0.0) or 1.0
    return min(1.0, end * 1.04) if share else end * 1.06


def stacked(
    name: str, told: str, labels: Sequence[str], parts: Mapping[str, Sequence[int]]
) -> Markup:
    """Draw a horizontal bar a label, of one stretch a part."""
    with drawing(WIDE_PX, 70 + 21 * len(labels)) as (figure, axes):
        left = np.zeros(len(labels))
        colours = (BLUE, SAND, GREEN, RED)
        for (part, counts), colour in zip(parts.items(), colours, strict=False):
            axes.barh(range(len(labels)), counts, left=left, color=colour, height=0.62, label=part)
            left += counts
        axes.set_yticks(range(len(labels)), [_short(label) for label in labels], color=INK)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        _quiet(axes, "x", "images")
        figure.legend(loc="outside upper left", ncols=4, handlelength=1, handleheight=1)
        return inline(figure, name, told)


def histogram(
    name: str, told: str, bins: Sequence[tuple[str, int]], unit: str, *, of: str = "images"
) -> Markup:
    """Draw upright bars, each with what it holds below and how many above."""
    with drawing(NARROW_PX, 220) as (figure, axes):
        places = list(range(len(bins)))
        counts = [n for _, n in bins]
        axes.bar(places, counts, color=BLUE, width=0.86)
        for place, n in zip(places, counts, strict=True):
            if len(bins) <= 8 and n:
                axes.annotate(
                    f"{n:,}", (place, n), (0, 3), textcoords="offset points", ha="center",
                    color=INK, fontsize=11,
                )  # fmt: skip
        step = 1 + len(bins) // 9
        axes.set_xticks(places[::step], [label for label, _ in bins][::step])
        axes.set_xlim(-0.8 - (len(bins) < 3), len(bins) - 0.2 + (len(bins) < 3))
        _quiet(axes, "y", of)
        axes.set_xlabel(unit)
        return inline(figure, name, told)


def heat_map(
    name: str, told: str, shares: np.ndarray[Any, np.dtype[np.float64]], labels: Sequence[str],
    counts: np.ndarray[Any, np.dtype[np.int64]],
) -> Markup:  # fmt: skip
    """Draw a confusion matrix, rows the true synsets; few enough synsets have their counts in it.

    Parameters
    ----------
    shares : of each row's images, shape (n, n), 0 to 1.
    counts : the images, of the same shape.
    """
    n = len(labels)
    side_px = min(WIDE_PX, 300 + 36 * n)
    with drawing(WIDE_PX, side_px * 0.96) as (figure, axes):
        axes.set_aspect("equal")
        for row, column in zip(*np.nonzero(shares), strict=True):
            _cell(axes, (int(row), int(column)), float(shares[row, column]))
            if n <= 16:
                dark = shares[row, column] > 0.55
                axes.text(
                    column, row, f"{counts[row, column]}", ha="center", va="center", fontsize=11,
                    color=PAPER if dark else INK,
                )  # fmt: skip
        size = _FONT_PX if n <= 20 else 8
        short = [_short(label, 24 if n <= 20 else 18) for label in labels]
        axes.set_yticks(range(n), short, color=INK, fontsize=size)
        axes.set_xticks(range(n), short, color=INK, fontsize=size, rotation=90)
        axes.set_xlim(-0.5, n - 0.5)
        axes.set_ylim(n - 0.5, -0.5)
        axes.tick_params(length=0)
        axes.set_xlabel("was taken for")
        axes.set_ylabel("is")
        return inline(figure, name, told)


def _cell(axes: Axes, at: tuple[int, int], share: float) -> None:
    from matplotlib.patches import Rectangle

    row, column = at
    colour = BLUE if row == column else RED
    axes.add_patch(
        Rectangle(
            (column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour,
            alpha=0.08 + 0.92 * share, linewidth=0,
        )
    )  # fmt: skip


def reliability(name: str, told: str, bins: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw how often the best synset is right against how sure the model is of it."""
    with drawing(NARROW_PX, 380) as (figure, axes):
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, dashes=(4, 3))
        used = [each for each in bins if each["n_images"]]
        most = max((each["n_images"] for each in used), default=1)
        sizes = [12 + 160 * each["n_images"] / most for each in used]
        x, y = ([each[key] for each in used] for key in ("mean_score", "accuracy"))
        axes.plot(x, y, color=BLUE, linewidth=1.4)
        axes.scatter(x, y, s=sizes, color=BLUE, linewidth=0)
        axes.set_xlim(-0.02, 1.03)
        axes.set_ylim(-0.02, 1.03)
        _quiet(axes, "y", "share that is right", share=True)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.set_xlabel("mean score")
        return inline(figure, name, told)


def _quiet(axes: Axes, axis: str, unit: str, *, share: bool = False) -> None:
    """Leave a grid across the bars, and nothing around them."""
    from matplotlib.ticker import MaxNLocator

    values = axes.xaxis if axis == "x" else axes.yaxis
    values.set_major_locator(
        MaxNLocator(5, steps=[1, 2, 5, 10], integer=unit in ("images", "synsets"))
    )
    values.set_major_formatter("{x:.0%}" if share else "{x:,.6g}")
    values.set_label_text(unit)
    values.grid(visible=True)
    axes.spines[["left" if axis == "y" else "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def _short(label: str, most: int = 28) -> str:
    label = str(visible(label))
    return label if len(label) <= most else f"{label[: most - 1].rstrip(' ,')}…"
