"""Patch coding against brute force."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.patches import code, normalised_patches, pool, squared_distances


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_patches_are_cut_row_by_row_and_equalised() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)

    patches = normalised_patches(image, 4, 2)

    assert patches.shape == (25, 48)
    raw = image[2:6, 4:8].transpose(2, 0, 1).ravel().astype(float)  # second row, third column
    expected = (raw - raw.mean()) / np.sqrt(raw.var() + 10)
    np.testing.assert_allclose(patches[7], expected, rtol=1e-4, atol=1e-5)


def test_a_flat_patch_is_zero_not_nan() -> None:
    patches = normalised_patches(np.full((6, 6, 3), 40, np.uint8), 6, 1)

    assert (patches == 0).all()


def test_distances_are_those_of_brute_force() -> None:
    points, centroids = noise(9, 5), noise(4, 5, seed=1)

    expected = ((points[:, None] - centroids[None]) ** 2).sum(axis=-1)

    np.testing.assert_allclose(squared_distances(points, centroids), expected, rtol=1e-4)


def test_triangle_coding_keeps_what_is_nearer_than_the_mean() -> None:
    points, centroids = noise(9, 5), noise(4, 5, seed=1)
    distances = np.sqrt(((points[:, None] - centroids[None]) ** 2).sum(axis=-1))

    codes = code(points, centroids, "triangle")

    expected = np.maximum(distances.mean(axis=1, keepdims=True) - distances, 0)
    np.testing.assert_allclose(codes, expected, atol=1e-5)


def test_threshold_coding_separates_a_direction_from_its_opposite() -> None:
    centroids = np.array([[3, 0], [0, 1]], np.float32)
    points = np.array([[2, 0], [0, -1]], np.float32)

    codes = code(points, centroids, "threshold")

    assert codes.tolist() == [[1.75, 0, 0, 0], [0, 0, 0, 0.75]]


def test_pooling_averages_the_patches_of_each_cell() -> None:
    codes = noise(49, 3)
    square = codes.reshape(7, 7, 3)
    rows = np.arange(7) * 3 // 7

    pooled = pool(codes, 3)

    for cell in range(9):
        mine = square[rows == cell // 3][:, rows == cell % 3]
        np.testing.assert_allclose(pooled[cell], mine.mean(axis=(0, 1)), rtol=1e-4, atol=1e-6)
