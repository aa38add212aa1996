"""Read NumPy's .npz format as data from a stranger: nothing is unpickled, nothing grows.

`numpy.load` refuses pickles, too, but makes an array as large as a header claims before it reads
one, and inflates what is compressed. Here every array has to be there byte for byte.
"""

from __future__ import annotations

import io
import tokenize
import zipfile
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_KINDS = "biufU"
_MOST_ARRAYS = 1000
_DAMAGE = (
    *(ValueError, LookupError, OSError, EOFError, TypeError, zipfile.BadZipFile, RuntimeError),
    *(MemoryError, NotImplementedError, OverflowError, SyntaxError, tokenize.TokenError),
)


def read_npz(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file that `numpy.savez` wrote, read-only, by name.

    Memory is twice that of the content at most.

    Raises
    ------
    ValueError
        It is none, is compressed, or holds anything but numbers and texts.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = file.infolist()
            names = {member.filename for member in members}
            if len(names) < len(members) or len(members) > _MOST_ARRAYS:
                raise ValueError("a name comes twice, or there are too many")
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("it is compressed")
            if sum(member.file_size for member in members) > len(content):
                raise ValueError("arrays are larger than the file")
            return {m.filename.removesuffix(".npy"): _array(file.read(m)) for m in members}
    except _DAMAGE as error:
        raise ValueError(str(error).partition("\n")[0] or type(error).__name__) from error


def _array(content: bytes) -> NDArray[Any]:
    """Read an array in the .npy format, whose header is a Python literal of at most 10 kB."""
    file = io.BytesIO(content)
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, dtype = read_header(file)
    data = memoryview(content)[file.tell() :]
    if dtype.kind not in _KINDS or any(n < 0 for n in shape):
        raise ValueError("it holds something else than numbers and texts")
    if prod(shape) * dtype.itemsize != len(data) or not dtype.itemsize:
        raise ValueError("an array is not as long as its header says")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
