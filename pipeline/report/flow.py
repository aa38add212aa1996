"""Draw where the images went: a stretch as wide as its share of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pipeline.report.figures import BLUE, GREEN, INK, MUTED, RED, SAND, drawing, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT_PX = 220
_FULL_PX = 150  # what all images are as high as
_LEAST_PX = 2
_SLOT_PX = 36  # for the two lines of a label
_NODE_PX = 9
_WIDTH_PX = 500
_COLUMNS_PX = (4, 200, 400)


@dataclass
class _Node:
    label: str
    n: int
    colour: str
    x: float = 0.0
    top: float = 0.0
    height: float = 0.0


def flow(name: str, told: str, counts: Mapping[str, int]) -> Markup:
    """Draw images = kept + quarantined, and kept = its parts.

    Parameters
    ----------
    counts : images, kept, quarantined; train, val, test, leaked, unselected: parts of the kept.
    """
    parts = {"train": BLUE, "val": SAND, "test": GREEN, "leaked": RED, "unselected": MUTED}
    names = {"unselected": "not selected"}
    columns = [
        [_Node("images", counts["images"], MUTED)],
        [_Node("kept", counts["kept"], BLUE), _Node("quarantined", counts["quarantined"], RED)],
        [
            _Node(names.get(part, part), counts.get(part, 0), colour)
            for part, colour in parts.items()
            if counts.get(part)
        ],
    ]
    scale = _FULL_PX / max(counts["images"], 1)
    for column, x in zip(columns, _COLUMNS_PX, strict=True):
        _place(column, x, scale)
    with drawing(_WIDTH_PX, _HEIGHT_PX) as (figure, axes):
        axes.set_xlim(0, _WIDTH_PX)
        axes.set_ylim(_HEIGHT_PX - 18, 0)
        axes.axis("off")
        _bands(axes, columns[0][0], columns[1], scale)
        _bands(axes, columns[1][0], columns[2], scale)
        for node in (each for column in columns for each in column):
            _draw(axes, node)
        return inline(figure, name, told)


def _place(column: Sequence[_Node], x: float, scale: float) -> None:
    top = 12.0
    for node in column:
        node.x, node.top = x, top
        node.height = max(_LEAST_PX, node.n * scale) if node.n else 0.0
        top += max(node.height + 12, _SLOT_PX)


def _draw(axes: Axes, node: _Node) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle((node.x, node.top), _NODE_PX, node.height, facecolor=node.colour, linewidth=0)
    )
    x, y = node.x + _NODE_PX + 8, node.top - 2
    axes.text(x, y, f"{node.n:,}", va="top", color=INK, fontsize=15, fontweight="bold")
    axes.text(x, y + 18, node.label, va="top", color=MUTED, fontsize=12)


def _bands(axes: Axes, source: _Node, targets: Sequence[_Node], scale: float) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    top = source.top
    for target in targets:
        if not target.n:
            continue
        x0, x1 = source.x + _NODE_PX, target.x
        mid, height = (x0 + x1) / 2, max(_LEAST_PX, target.n * scale)
        bottom, end = top + height, target.top + target.height
        points = [
            (x0, top), (mid, top), (mid, target.top), (x1, target.top),
            (x1, end), (mid, end), (mid, bottom), (x0, bottom), (x0, top),
        ]  # fmt: skip
        curve = [Path.CURVE4] * 3
        codes = [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY]
        axes.add_patch(
            PathPatch(Path(points, codes), facecolor=target.colour, alpha=0.22, linewidth=0)
        )
        top += target.n * scale
