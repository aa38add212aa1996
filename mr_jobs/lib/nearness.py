"""Tell how near images are by their signatures, one as a part of the other.

Two tests follow each other. `screen` compares the hash of one image's part with that of another's
whole: Hamming distance of the signs, then correlation of the coefficients. `distances` shifts the
borders of the part until it fits best, and says how far apart the two then are, as the Hamming
distance of 64-bit hashes by random hyperplanes would (Charikar, "Similarity estimation techniques
from rounding algorithms", 2002), only without their noise: 64 times the angle over 180 degrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.perceptual import (
    HASHED,
    N_CHROMA,
    N_HASH,
    N_LUMA,
    PARTS,
    Signatures,
    part_of,
    read_signatures,
)

DISTANCE_BITS = 64
FAR = DISTANCE_BITS
SCREEN_BITS = 10  # of the 44 signs may differ
_SCREEN_CORRELATION = 0.8
_MAX_CHROMA = 12.0  # grey levels, root mean square over the part
_BEST = 4  # older images that one is fitted to, of those under one key
_CHUNK = 256
_STEP = 0.0125  # of the borders that are tried, as a share of the side
_WIDEST = 18  # steps, of all that is cut off from a side
# Natural images fall off with frequency: the square root of it lets the higher ones have a say.
_WEIGHTS = (HASHED[0] ** 2 + HASHED[1] ** 2) ** 0.25
_BIT = 1 << np.arange(len(HASHED[0]), dtype=np.uint64)
_N_CHROMA_PART = 3


class Hashes:
    """The hashes of n parts: signs as 44 bits of a uint64, and directions, float64 (n, 44)."""

    def __init__(
        self, signatures: Signatures, images: NDArray[np.intp], parts: NDArray[np.intp]
    ) -> None:
        directions = np.empty((len(parts), len(_BIT)))
        for part in np.unique(parts):
            at = np.flatnonzero(parts == part)
            down, across = (part_of(N_LUMA, N_HASH, interval) for interval in PARTS[part])
            directions[at] = (down @ signatures.luma[images[at]] @ across.T)[:, *HASHED]
        self.signs: NDArray[np.uint64] = ((directions > 0) * _BIT).sum(axis=1, dtype=np.uint64)
        self.directions = _normed(directions)


class Entries:
    """What meets under keys: images, the oldest of a key first, as wholes, by parts, or both."""

    def __init__(self) -> None:
        self.signatures: list[str] = []
        self._wholes: list[int] = []
        self._of_parts: list[int] = []
        self._parts: list[int] = []
        self._bands: list[int] = []

    def __len__(self) -> int:
        return len(self._wholes) + len(self._parts)

    def add(self, band: int, signature: str, parts: Sequence[int]) -> None:
        """Add a newer image to a key, by the numbers of its parts, -1 for the whole."""
        image = len(self.signatures)
        self.signatures.append(signature)
        self._bands.append(band)
        for part in parts:
            if part < 0:
                self._wholes.append(image)
            else:
                self._of_parts.append(image)
                self._parts.append(part)

    def candidates(
        self, signatures: Signatures
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
        """Yield blocks of (image, its part, another image as a whole) that may be the same.

        An image is proposed with the few older ones that it correlates with best, so that many
        equal images are not all compared with each other, and newer ones change nothing.
        """
        images, parts = np.array(self._of_parts, np.intp), np.array(self._parts, np.intp)
        wholes, bands = np.array(self._wholes, np.intp), np.array(self._bands, np.intp)
        of_parts = Hashes(signatures, images, parts)
        of_wholes = Hashes(signatures, wholes, np.zeros_like(wholes))
        for rows, columns in _best_older(of_wholes, wholes, of_parts, images, bands):
            yield images[columns], parts[columns], wholes[rows]
        for rows, columns in _best_older(of_parts, images, of_wholes, wholes, bands):
            yield images[rows], parts[rows], wholes[columns]


def _best_older(
    newer: Hashes,
    newer_images: NDArray[np.intp],
    older: Hashes,
    older_images: NDArray[np.intp],
    bands: NDArray[np.intp],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield (number in newer, number in older) of those that may be the same, a block at a time."""
    for start in range(0, len(newer_images), _CHUNK):
        images = newer_images[start : start + _CHUNK, None]
        near = (older_images < images) & (bands[older_images] == bands[images])
        differing = np.bitwise_count(newer.signs[start : start + _CHUNK, None] ^ older.signs)
        near &= differing <= SCREEN_BITS
        rows = np.flatnonzero(near.any(axis=1))
        if not len(rows):
            continue
        correlation = newer.directions[rows + start] @ older.directions.T
        near = near[rows] & (correlation >= _SCREEN_CORRELATION)
        rank = np.rint(correlation * (1 << 20)).astype(np.int64) << 32
        rank = np.where(near, np.arange(len(older_images)) - rank, 1)
        if len(older_images) > _BEST:
            best = np.argpartition(rank, _BEST, axis=1)[:, :_BEST]
            rank = np.take_along_axis(rank, best, axis=1)
        else:
            best = np.broadcast_to(np.arange(len(older_images)), rank.shape)
        at, column = np.nonzero(rank < 0)
        if len(at):
            yield rows[at] + start, best[at, column]


def near_pairs(entries: Entries, max_distance: int) -> Iterator[tuple[int, int, int]]:
    """Yield (newer image, older image, distance in bits of 64) of near duplicates.

    Parameters
    ----------
    entries : the images that share keys; they are numbered as they were added.
    max_distance : the largest distance of a near duplicate, in bits of 64.
    """
    signatures = read_signatures(entries.signatures)
    seen: dict[tuple[int, int], int] = {}
    for images, parts, wholes in entries.candidates(signatures):
        found = distances(signatures.take(images), signatures.take(wholes), parts)
        for image, whole, bits in zip(
            images.tolist(), wholes.tolist(), found.tolist(), strict=True
        ):
            pair = max(image, whole), min(image, whole)
            if bits <= min(max_distance, seen.get(pair, max_distance)):
                seen[pair] = bits
    yield from ((newer, older, bits) for (newer, older), bits in sorted(seen.items()))


def distances(
    part_of_it: Signatures, whole: Signatures, parts: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Fit a part of each image to another image, and say how far apart they are.

    Parameters
    ----------
    part_of_it, whole : n signatures each; a part of the one is compared with the whole other.
    parts : intp array of shape (n,), the numbers of the `PARTS` to begin with.

    Returns
    -------
    intp array of shape (n,), bits of 64; FAR where the colours differ.
    """
    goal = _normed(whole.luma[:, *HASHED])
    begun = [[(round(a / _STEP), round((1 - b) / _STEP)) for a, b in part] for part in PARTS]
    cuts = np.array(begun)[parts]  # (n, 2, 2): rows and columns, steps cut off before and behind
    correlation = np.zeros(len(parts))
    for offered in (_all_cuts, _all_cuts, _cuts_beside):
        for axis in (0, 1):  # the borders above and below, then those left and right
            offer = offered(cuts[:, axis])
            luma = part_of_it.luma if axis == 0 else part_of_it.luma.transpose(0, 2, 1)
            fixed = luma @ _operators(N_LUMA, N_HASH)[*cuts[:, 1 - axis].T].transpose(0, 2, 1)
            tried = _operators(N_LUMA, N_HASH)[offer[..., 0], offer[..., 1]] @ fixed[:, None]
            tried = tried if axis == 0 else tried.transpose(0, 1, 3, 2)
            found = (_normed(tried[:, :, *HASHED]) @ goal[:, :, None])[..., 0]
            best = found.argmax(axis=1)
            cuts[:, axis] = offer[np.arange(len(best)), best]
            correlation = found.max(axis=1)
    bits = np.rint(np.arccos(np.clip(correlation, -1, 1)) * (DISTANCE_BITS / np.pi)).astype(np.intp)
    return np.where(_chroma_difference(part_of_it, whole, cuts) <= _MAX_CHROMA, bits, FAR)


def _all_cuts(cuts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Offer each of n images cuts of every size, two steps apart: (n, number, 2)."""
    steps = range(0, _WIDEST + 1, 2)
    offer = np.array([(a, b) for a in steps for b in steps if a + b <= _WIDEST])
    return np.broadcast_to(offer, (len(cuts), *offer.shape))


def _cuts_beside(cuts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Offer each of n images the cuts it has and those a step beside: (n, 9, 2)."""
    beside = np.array([(a, b) for a in (0, -1, 1) for b in (0, -1, 1)])
    return np.asarray(np.clip(cuts[:, None] + beside, 0, _WIDEST), np.intp)


@cache
def _operators(n: int, n_part: int) -> NDArray[np.float64]:
    """Make the matrices of `part_of`, by the steps that are cut off before and behind."""
    cuts = [step * _STEP for step in range(_WIDEST + 1)]
    return np.array([[part_of(n, n_part, (a, 1 - b)) for b in cuts] for a in cuts])


def _chroma_difference(
    part_of_it: Signatures, whole: Signatures, cuts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the root mean square of the difference in colour, (n,), in grey levels."""
    operators = _operators(N_CHROMA, _N_CHROMA_PART)
    down, across = (operators[*cuts[:, axis].T][:, None] for axis in (0, 1))
    part = down @ part_of_it.chroma @ across.transpose(0, 1, 3, 2)
    difference = part - whole.chroma[:, :, :_N_CHROMA_PART, :_N_CHROMA_PART]
    squares: NDArray[np.float64] = (difference**2).sum(axis=(1, 2, 3)) / 2
    return np.sqrt(squares)


def _normed(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    weighted = coefficients * _WEIGHTS
    norms = np.linalg.norm(weighted, axis=-1, keepdims=True)
    return np.asarray(weighted / np.maximum(norms, 1e-9), np.float64)
