"""Coding of dense image patches with a learned codebook.

Source: A. Coates, H. Lee and A. Ng, An analysis of single-layer networks in unsupervised feature
learning, AISTATS 2011 (contrast normalisation, whitening, k-means, triangle coding, pooling); the
threshold coding is that of A. Coates and A. Ng, The importance of encoding versus training with
sparse coding and vector quantization, ICML 2011.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
CODINGS = ("triangle", "threshold")
CONTRAST_VARIANCE = np.float32(10)  # of 8-bit values, added before the division, as in the paper
THRESHOLD = np.float32(0.25)


def normalised_patches(image: NDArray[np.uint8], patch_px: int, stride_px: int) -> Matrix:
    """Cut an image into overlapping patches of equal brightness and contrast.

    Parameters
    ----------
    image : uint8 array of shape (side, side, 3).
    patch_px : side of a patch.
    stride_px : step between patches.

    Returns
    -------
    float32 array of shape (n, 3 · patch_px²), row by row of patches; each has mean 0 and a variance
    a little below 1.
    """
    windows = np.lib.stride_tricks.sliding_window_view(image, (patch_px, patch_px), axis=(0, 1))
    windows = windows[::stride_px, ::stride_px]
    patches = windows.reshape(-1, 3 * patch_px * patch_px).astype(np.float32)
    patches -= patches.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", patches, patches) / np.float32(patches.shape[1])
    patches /= np.sqrt(variance + CONTRAST_VARIANCE)[:, None]
    return patches


def squared_distances(points: Matrix, centroids: Matrix) -> Matrix:
    """Compute squared distances: float32 of shape (n, k) for points (n, d) and centroids (k, d)."""
    distances = points @ centroids.T
    distances *= np.float32(-2)
    distances += np.einsum("ij,ij->i", points, points)[:, None]
    distances += np.einsum("ij,ij->i", centroids, centroids)
    return np.asarray(np.maximum(distances, np.float32(0), out=distances))


def code(points: Matrix, centroids: Matrix, coding: str) -> Matrix:
    """Code points by centroids.

    Parameters
    ----------
    points : whitened patches, float32 of shape (n, d).
    centroids : float32 of shape (k, d).
    coding : `triangle`: by how much a centroid is nearer than centroids are on average, else 0;
        `threshold`: the products with the centroids' directions and with their opposites, less
        0.25, where that is above 0.

    Returns
    -------
    float32 array of shape (n, k), or (n, 2 · k) for `threshold`.
    """
    if coding == "triangle":
        distances = np.sqrt(squared_distances(points, centroids))
        nearer = distances.mean(axis=1, keepdims=True) - distances
        return np.asarray(np.maximum(nearer, np.float32(0), out=nearer))
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    products = points @ (centroids / np.maximum(lengths, np.float32(1e-6))).T
    both = np.concatenate([products, -products], axis=1)
    both -= THRESHOLD
    return np.asarray(np.maximum(both, np.float32(0), out=both))


def pool(codes: Matrix, grid: int) -> Matrix:
    """Average the codes of a square of patches over the cells of a grid × grid.

    Parameters
    ----------
    codes : float32 of shape (side², k), row by row; `side` is at least `grid`.
    grid : cells a side; the patch of row y belongs to row y · grid // side.

    Returns
    -------
    float32 array of shape (grid², k), row by row of cells.
    """
    side = round(codes.shape[0] ** 0.5)
    first = -(-np.arange(grid) * side // grid)  # of the rows of each cell: y · grid // side changes
    sizes = np.diff(np.append(first, side)).astype(np.float32)
    square = codes.reshape(side, side, -1)
    sums = np.add.reduceat(np.add.reduceat(square, first, axis=0), first, axis=1)
    sums /= (sizes[:, None] * sizes)[..., None]
    return np.asarray(sums.reshape(grid * grid, -1))
