"""Symmetric matrices of which one triangle is stored, in half the memory of a square.

The layout is LAPACK's Rectangular Full Packed format (TRANSR = 'N', UPLO = 'L'): d (d + 1) / 2
numbers in one flat array, on which blocked, fast routines work in place, and which add up like any
array. Source: F. Gustavson, J. Wasniewski, J. Dongarra and J. Langou, Rectangular Full Packed
Format for Cholesky's Algorithm, ACM Transactions on Mathematical Software 37 (2010).
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from mr_jobs.lib.errors import ConfigError

Packed = NDArray[np.floating[Any]]
_Float = TypeVar("_Float", bound=np.floating[Any])
_LAYOUT = {"transr": "N", "uplo": "L"}


def zeros(d: int) -> NDArray[np.float64]:
    """Return a zero matrix of shape (d, d), packed: float64 of shape (d * (d + 1) / 2,)."""
    return np.zeros(d * (d + 1) // 2)


def order_of(packed: Packed) -> int:
    """Return d, of a packed matrix of shape (d, d)."""
    return (math.isqrt(8 * packed.size + 1) - 1) // 2


def indices(d: int, rows: NDArray[np.int64], column: int) -> NDArray[np.int64]:
    """Return where the elements of one column are, for rows ≥ column, int64 of the rows' shape."""
    half, odd = (d + 1) // 2, d % 2
    height = d + 1 - odd
    if column < half:
        return rows + (1 - odd) + column * height
    return (column - half) + (rows - half + odd) * height


def row(d: int, number: int) -> NDArray[np.int64]:
    """Return where the elements of a whole row, and column, are: int64 of shape (d,)."""
    half, odd, columns = (d + 1) // 2, d % 2, np.arange(number)
    height = d + 1 - odd
    left = number + (1 - odd) + columns * height
    right = (columns - half) + (number - half + odd) * height
    below = indices(d, np.arange(number, d), number)
    return np.concatenate([np.where(columns < half, left, right), below])


def diagonal(d: int) -> NDArray[np.int64]:
    """Return where the diagonal's elements are, int64 of shape (d,)."""
    half, odd, every = (d + 1) // 2, d % 2, np.arange(d)
    height = d + 1 - odd
    left = every + (1 - odd) + every * height
    return np.where(every < half, left, (every - half) + (every - half + odd) * height)


def add_products(packed: Packed, rows: NDArray[np.floating[Any]], factor: float = 1.0) -> None:
    """Add factor · RᵀR in place, for R of shape (n, d) in C order and of the packed one's type."""
    function = lapack.dsfrk if packed.dtype == np.float64 else lapack.ssfrk
    d = rows.shape[1]
    added = function(
        d, len(rows), factor, rows.T, 1.0, packed, **_LAYOUT, trans="N", overwrite_c=True
    )
    if not np.shares_memory(added, packed):
        packed[:] = added


def to_square(packed: Packed) -> NDArray[Any]:
    """Return the whole symmetric matrix, of shape (d, d)."""
    function = lapack.dtfttr if packed.dtype == np.float64 else lapack.stfttr
    square, _ = function(order_of(packed), packed, **_LAYOUT)
    lower = np.tril(square)
    lower += np.tril(square, -1).T
    return np.asarray(lower)


def select(packed: NDArray[_Float], kept: NDArray[np.int64]) -> NDArray[_Float]:
    """Return the matrix of some rows and the same columns; `kept` is ascending."""
    d, n = order_of(packed), len(kept)
    part = np.empty(n * (n + 1) // 2, packed.dtype)
    every = np.arange(n)
    for column, place in enumerate(kept.tolist()):
        part[indices(n, every[column:], column)] = packed[indices(d, kept[column:], place)]
    return part


def norm_squared(packed: Packed, scale: NDArray[np.float64]) -> float:
    """Return the sum of all squared elements of the matrix, rows and columns divided by `scale`."""
    d = order_of(packed)
    every, total = np.arange(d), 0.0
    for column in range(d):
        values = packed[indices(d, every[column:], column)] / scale[column:] / scale[column]
        total += 2.0 * float(values @ values) - float(values[0]) ** 2
    return total


def low_rank(
    packed: NDArray[np.float64], scale: NDArray[np.float64], most: int
) -> NDArray[np.float64]:
    """Factorise A = D⁻¹ M D⁻¹ of low rank as FᵀF, by Cholesky's method with complete pivoting.

    Source: N. Higham, Analysis of the Cholesky decomposition of a semi-definite matrix (1990); it
    ends where what is left is rounding.

    Parameters
    ----------
    packed : M, positive semidefinite of shape (d, d).
    scale : D's diagonal, float64 of shape (d,).
    most : the rank is at most this.

    Returns
    -------
    F, float64 of shape (rank, d).
    """
    d = order_of(packed)
    left = packed[diagonal(d)] / scale**2  # the diagonal of A - FᵀF
    least = d * np.finfo(np.float64).eps * left.max(initial=0.0)
    factor = np.empty((min(most, d), d))
    for rank in range(len(factor)):
        pivot = int(left.argmax())
        if left[pivot] <= least:
            return factor[:rank]
        done = factor[:rank]
        values = packed[row(d, pivot)] / scale / scale[pivot] - done[:, pivot] @ done
        factor[rank] = values / math.sqrt(left[pivot])
        left -= factor[rank] ** 2
        left[pivot] = 0.0
    return factor


def solve(packed: Packed, right: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Solve A X = B by Cholesky's method in the matrix's own precision.

    Parameters
    ----------
    packed : A, positive definite of shape (d, d); destroyed.
    right : B, of shape (d, k).

    Raises
    ------
    ConfigError
        The matrix is singular, to the precision of float64.
    """
    double = packed.dtype == np.float64
    factorise, substitute = (
        (lapack.dpftrf, lapack.dpftrs) if double else (lapack.spftrf, lapack.spftrs)
    )
    d = order_of(packed)
    least = d * np.finfo(np.float64).eps * packed[diagonal(d)]
    factor, info = factorise(d, packed, **_LAYOUT, overwrite_a=True)
    if info or (factor[diagonal(d)] ** 2 <= least).any():
        raise ConfigError("the covariance matrix is singular")
    solution, _ = substitute(d, factor, np.asfortranarray(right, packed.dtype), **_LAYOUT)
    return np.asarray(solution)
