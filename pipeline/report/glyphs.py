"""Glyphs of a HOG descriptor: in each cell a stroke an edge direction, as clear as its weight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from math import cos, pi, sin
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.features.base import Square
from mr_jobs.lib.features.hog import HogFeature
from mr_jobs.lib.hog import Hog
from pipeline.report.formats import visible
from pipeline.report.thumbnails import SIDE_PX, as_uri

_LEVELS = 8


def hog_glyph(encoded: bytes, spec: FeatureSpec) -> dict[str, Any] | None:
    """Gather the glyph of an image; None if the run's features have no HOG.

    Returns
    -------
    src, width_px, height_px: the square grey image that the features see, as `thumbnail` has it.
    side_px: of the square; cell_px; signed: whether bins cover 360 degrees. cells: left, top (px)
    and the weights of the bins of each.

    Raises
    ------
    ImageError
        As `repair.decode_repaired`.
    """
    made = [feature for feature in spec.made() if isinstance(feature, HogFeature)]
    if not made:
        return None
    hog = made[0].hog(spec.image_px)
    grey = Square(spec.decode(encoded), spec.image_px).grey
    side_px = min(SIDE_PX, spec.image_px)
    small = cv2.resize(grey, (side_px, side_px), interpolation=cv2.INTER_AREA)
    cells = [
        [left, top, *np.round(weights, 3).tolist()]
        for (left, top), weights in sorted(cell_weights(hog.compute(grey), hog).items())
    ]
    picture = as_uri(np.asarray(small, np.uint8))
    facts = {"side_px": spec.image_px, "cell_px": hog.cell_px, "signed": hog.signed}
    return {**picture, **facts, "cells": cells}


def cell_weights(
    descriptor: NDArray[np.float32], hog: Hog
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Return the mean histogram of each cell over the blocks that it is in, by left and top (px).

    Parameters
    ----------
    descriptor : float32 of shape (n_features,), in the order of `Hog.compute`.
    """
    starts = range(0, hog.image_px - hog.block_px + 1, hog.stride_px)
    inner = range(0, hog.block_px, hog.cell_px)
    found: dict[tuple[int, int], list[NDArray[np.float32]]] = {}
    rows = iter(descriptor.reshape(-1, hog.n_bins))
    for block_left in starts:
        for block_top in starts:
            for left in inner:
                for top in inner:
                    place = (block_left + left, block_top + top)
                    found.setdefault(place, []).append(next(rows))
    return {place: np.mean(parts, axis=0, dtype=np.float64) for place, parts in found.items()}


def drawn(glyph: dict[str, Any], told: str) -> Markup:
    """Draw a glyph of `hog_glyph` as an SVG element; `told` says what it is of."""
    by_level: defaultdict[int, list[str]] = defaultdict(list)
    for level, stroke in _strokes(glyph):
        by_level[level].append(stroke)
    paths = [
        Markup('<path d="{}" opacity="{:.2f}"/>').format("".join(strokes), level / _LEVELS)
        for level, strokes in sorted(by_level.items())
    ]
    side = glyph["side_px"]
    return Markup(
        '<svg viewBox="0 0 {0} {0}" role="img" aria-label="{1}"><image href="{2}" width="{0}" '
        'height="{0}" opacity="0.5"/><g fill="none" stroke="#ffd27a" stroke-width="{3:.2f}" '
        'stroke-linecap="round">{4}</g></svg>'
    ).format(side, visible(told), glyph["src"], side / 110, Markup("").join(paths))


def _strokes(glyph: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield each stroke with its level, 1 to 8: how clearly it is seen."""
    cell_px, signed = glyph["cell_px"], glyph["signed"]
    cells = [(left, top, _folded(bins, signed=signed)) for left, top, *bins in glyph["cells"]]
    n_bins = len(glyph["cells"][0]) - 2
    turn = 2 * pi if signed else pi
    most = max(max(weights) for _, _, weights in cells) or 1.0
    for left, top, weights in cells:
        x, y = left + cell_px / 2, top + cell_px / 2
        for bin_, weight in enumerate(weights):
            level = round((weight / most) ** 1.5 * _LEVELS)
            if not level:
                continue
            along = (bin_ + 0.5) * turn / n_bins + pi / 2  # an edge runs across its gradient
            dx, dy = (f(along) * 0.46 * cell_px for f in (cos, sin))
            yield level, f"M{x - dx:.1f} {y - dy:.1f}L{x + dx:.1f} {y + dy:.1f}"


def _folded(weights: list[float], *, signed: bool) -> list[float]:
    """Add the bins of opposite gradients, whose edges run the same way."""
    half, odd = divmod(len(weights), 2)
    if not signed or odd:
        return weights
    return [weights[n] + weights[n + half] for n in range(half)]
