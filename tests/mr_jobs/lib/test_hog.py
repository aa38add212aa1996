"""OpenCV's HOG with our geometry is Dalal and Triggs' HOG."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs.lib.hog import Hog

SMALL = Hog(image_px=32, cell_px=8, block_px=16, stride_px=8)


def noise(side_px: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side_px, side_px), np.uint8)


def ramp(side_px: int, degrees: float) -> NDArray[np.uint8]:
    """Make an image whose square root, which HOG works on, grows evenly in one direction."""
    y, x = np.mgrid[:side_px, :side_px] - (side_px - 1) / 2
    along = x * math.cos(math.radians(degrees)) + y * math.sin(math.radians(degrees))
    return np.asarray(np.rint((8 + along * 6 / side_px) ** 2), np.uint8)


def cell_histogram(
    magnitude: NDArray[np.float64], bin_at: NDArray[np.float64], corner: tuple[int, int], hog: Hog
) -> NDArray[np.float64]:
    """Sum the votes for one cell of the block that covers these pixels, one pixel at a time."""
    histogram = np.zeros(hog.n_bins)
    sigma = hog.block_px / 4
    for y, x in itertools.product(range(hog.block_px), repeat=2):
        near_y = 1 - abs((y + 0.5) / hog.cell_px - 0.5 - corner[0])
        near_x = 1 - abs((x + 0.5) / hog.cell_px - 0.5 - corner[1])
        if near_y <= 0 or near_x <= 0:
            continue
        from_middle = (y - hog.block_px / 2) ** 2 + (x - hog.block_px / 2) ** 2
        vote = magnitude[y, x] * near_y * near_x * math.exp(-from_middle / (2 * sigma**2))
        lower = math.floor(bin_at[y, x])
        share = bin_at[y, x] - lower
        histogram[lower % hog.n_bins] += vote * (1 - share)
        histogram[(lower + 1) % hog.n_bins] += vote * share
    return histogram


def reference(grey: NDArray[np.uint8], hog: Hog) -> NDArray[np.float64]:
    """Compute HOG as the paper has it, with Gaussian weights and trilinear votes."""
    padded = np.pad(np.sqrt(grey.astype(float)), 1, mode="reflect")
    dx = padded[1:-1, 2:] - padded[1:-1, :-2]
    dy = padded[2:, 1:-1] - padded[:-2, 1:-1]
    turn = 2 * math.pi if hog.signed else math.pi
    bins = np.arctan2(dy, dx) % turn / turn * hog.n_bins - 0.5
    starts = range(0, hog.image_px - hog.block_px + 1, hog.stride_px)
    cells = range(hog.block_px // hog.cell_px)
    blocks = []
    for left, top in itertools.product(starts, starts):
        window = np.s_[top : top + hog.block_px, left : left + hog.block_px]
        block = np.concatenate(
            [
                cell_histogram(np.hypot(dx, dy)[window], bins[window], (row, column), hog)
                for column, row in itertools.product(cells, cells)
            ]
        )
        block = np.minimum(block / (np.linalg.norm(block) + 0.1 * len(block)), 0.2)
        blocks.append(block / (np.linalg.norm(block) + 1e-3))
    return np.concatenate(blocks)


@pytest.mark.parametrize(("n_bins", "signed"), [(9, False), (18, True)])
def test_the_descriptor_is_that_of_the_paper(n_bins: int, signed: bool) -> None:
    hog = Hog(32, 8, 16, 8, n_bins, signed)
    grey = noise(32)

    np.testing.assert_allclose(hog.compute(grey), reference(grey, hog), atol=2e-3)


@pytest.mark.parametrize(
    "hog", [Hog(), SMALL, Hog(144, 24, 48, 24, 18, True), Hog(60, 10, 30, 6, 12)]
)
def test_the_length_is_known_beforehand(hog: Hog) -> None:
    vector = hog.compute(noise(hog.image_px))

    assert vector.shape == (hog.n_features,)
    assert vector.dtype == np.float32


@pytest.mark.parametrize(("degrees", "strongest"), [(10, 0), (50, 2), (90, 4), (130, 6), (170, 8)])
def test_a_ramp_falls_into_the_bin_of_its_direction(degrees: int, strongest: int) -> None:
    histogram = Hog().compute(ramp(128, degrees)).reshape(-1, 9).sum(axis=0)

    assert histogram.argmax() == strongest


def test_only_signed_bins_tell_a_ramp_from_its_reverse() -> None:
    signed = Hog(n_bins=18, signed=True)

    def strongest(hog: Hog, degrees: float) -> int:
        return int(hog.compute(ramp(128, degrees)).reshape(-1, hog.n_bins).sum(axis=0).argmax())

    assert (strongest(Hog(), 50), strongest(Hog(), 230)) == (2, 2)
    assert (strongest(signed, 50), strongest(signed, 230)) == (2, 11)


def test_contrast_matters_little() -> None:
    weak = noise(32) // 4

    distance = np.linalg.norm(SMALL.compute(weak) - SMALL.compute(weak * 4))

    assert distance < 0.1 * np.linalg.norm(SMALL.compute(weak))


def test_a_constant_image_has_no_gradient_and_no_nan() -> None:
    assert (SMALL.compute(np.full((32, 32), 77, np.uint8)) == 0).all()
