"""Named arrays of numbers that add up: what summing jobs pass on, piece by piece.

An array of any shape is flattened and cut into chunks, so that neither a line of the shuffle nor a
reducer's memory grows with it, and several reducers share the work. A chunk's key is the array's
name and the flat index of its first number; the last chunk of an array is shorter than the others,
if need be empty, so that a lost one is noticed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mr_jobs.lib.errors import DataError

CHUNK = 131_072  # numbers in a chunk: 1 MiB
SUM_DTYPE = np.dtype("<f8")
_DIGITS = 12
_AGAIN = "run the job again"

Sums = dict[str, NDArray[np.float64]]


def chunks(name: str, array: ArrayLike) -> Iterator[tuple[str, NDArray[np.float64]]]:
    r"""Cut an array into pieces that a summing job passes on.

    Parameters
    ----------
    name : of the array; any text without tabs and control characters.
    array : numbers, of any shape; taken in C order as float64.

    Yields
    ------
    `<name>\t<first flat index, 12 digits>`, and float64 of shape (at most CHUNK,).

    >>> [(key, piece.tolist()) for key, piece in chunks("n", [1, 2])]
    [('n\t000000000000', [1.0, 2.0])]
    """
    if not name.isprintable():
        raise ValueError(f"not a name of a sum: {name!r}")
    flat = np.asarray(array, np.float64).reshape(-1)
    for first in range(0, len(flat) + 1, CHUNK):
        yield f"{name}\t{first:0{_DIGITS}}", flat[first : first + CHUNK]


class CompensatedSum:
    """An elementwise sum that keeps what each addition rounds off, and adds it at the end.

    Its error does not grow with the number of summands; sums that float64 can hold exactly are
    exact, whatever the order. Source: A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur
    Summation endlicher Summen (1974), with the branch-free TwoSum of D. Knuth, The Art of Computer
    Programming 2, 4.2.2, theorem B.
    """

    def __init__(self) -> None:
        self._sum: NDArray[np.float64] | None = None
        self._lost = np.zeros(0)

    def add(self, array: NDArray[np.float64]) -> None:
        """Add a float64 array.

        Raises
        ------
        DataError
            Its shape is not that of the first.
        """
        if self._sum is None:
            self._sum = np.array(array, np.float64)
            self._lost = np.zeros_like(self._sum)
            return
        if array.shape != self._sum.shape:
            raise DataError(
                f"sums of {array.size} and of {self._sum.size} numbers do not add up: the tasks "
                f"read vectors of different lengths; make the job's input anew"
            )
        total = self._sum + array
        taken = total - self._sum
        self._lost += (self._sum - (total - taken)) + (array - taken)
        self._sum = total

    def value(self) -> NDArray[np.float64]:
        """Return the sum so far."""
        if self._sum is None:
            return np.zeros(0)
        return self._sum + self._lost


def assemble(records: Iterable[tuple[str, bytes]]) -> Sums:
    """Join the chunks of a summing job's output, which may come in any order.

    Returns
    -------
    dict of name to the flat array, float64.

    Raises
    ------
    DataError
        A chunk is missing, comes twice or is none.
    """
    pieces: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
    for key, value in records:
        name, _, digits = key.rpartition("\t")
        if not (name and digits.isdecimal()) or len(value) % SUM_DTYPE.itemsize:
            raise DataError(f"sums: {key!r} is not the key of a sum; {_AGAIN}")
        if int(digits) in pieces[name]:
            raise DataError(f"sums: the chunk {int(digits)} of {name} comes twice; {_AGAIN}")
        pieces[name][int(digits)] = value
    return {name: _join(name, pieces.pop(name)) for name in sorted(pieces)}


def _join(name: str, pieces: dict[int, bytes]) -> NDArray[np.float64]:
    last = max(pieces)
    flat = np.empty(last + len(pieces[last]) // SUM_DTYPE.itemsize)
    if len(flat) - last >= CHUNK:
        raise DataError(f"sums: the last chunk of {name} is missing; {_AGAIN}")
    for first in range(0, last + 1, CHUNK):
        piece = np.frombuffer(pieces.pop(first, b""), SUM_DTYPE)
        if first < last and len(piece) != CHUNK:
            raise DataError(f"sums: the chunk {first} of {name} is missing; {_AGAIN}")
        flat[first : first + CHUNK] = piece
    return flat
