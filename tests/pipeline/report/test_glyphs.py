from __future__ import annotations

import re
from math import atan2, degrees
from typing import Any

import cv2
import numpy as np
import pytest

from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.hog import Hog
from pipeline.report.glyphs import cell_weights, drawn, hog_glyph


def clearest(svg: str) -> list[float]:
    """Return the directions of the clearest strokes, degrees from 0 to 180."""
    paths = re.findall(r'<path d="([^"]*)" opacity="([^"]*)"', svg)
    strokes, _ = max(paths, key=lambda path: float(path[1]))
    found = []
    for stroke in re.findall(r"M([-\d.]+) ([-\d.]+)L([-\d.]+) ([-\d.]+)", strokes):
        x0, y0, x1, y1 = map(float, stroke)
        found.append(degrees(atan2(y1 - y0, x1 - x0)) % 180)
    return found


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("axis", "direction"), [(0, 0.0), (1, 90.0)])
def test_strokes_run_along_the_edges(signed: bool, axis: int, direction: float) -> None:
    stripes = (np.arange(48) // 6 % 2 * 200).astype(np.uint8)
    image = np.stack([np.broadcast_to(stripes[:, None] if axis == 0 else stripes, (48, 48))] * 3, 2)
    encoded = cv2.imencode(".png", image)[1].tobytes()
    hog = {"cell_px": 12, "block_px": 24, "stride_px": 12, "n_bins": 18 if signed else 9}
    spec = FeatureSpec.from_dict(
        {"features": ["hog"], "image_px": 48, "hog": {**hog, "signed": signed}}
    )

    glyph = hog_glyph(encoded, spec)

    assert glyph is not None
    assert len(glyph["cells"]) == 16
    for found in clearest(drawn(glyph, "stripes")):
        off = abs(found - direction) % 180
        assert min(off, 180 - off) <= 11  # half a bin, and the rounding of the ends


def test_a_cell_is_the_mean_over_the_blocks_that_it_is_in() -> None:
    hog = Hog(image_px=24, cell_px=8, block_px=16, stride_px=8, n_bins=2)
    descriptor = np.arange(hog.n_features, dtype=np.float32)

    cells = cell_weights(descriptor, hog)

    assert sorted(cells) == [(x, y) for x in (0, 8, 16) for y in (0, 8, 16)]
    assert cells[0, 0].tolist() == [0, 1]  # of the first block alone
    middle = np.mean([descriptor[6:8], descriptor[12:14], descriptor[18:20], descriptor[24:26]], 0)
    assert cells[8, 8].tolist() == middle.tolist()


def test_a_run_without_hog_has_no_glyphs(jpeg: Any) -> None:
    spec = FeatureSpec.from_dict({"features": ["lab_pixels"]})

    assert hog_glyph(jpeg(), spec) is None
