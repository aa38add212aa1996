"""How much of a JPEG that ends too early decodes.

A row counts when every bit that the whole file has for it is there. In a sequential JPEG these are
the rows above the cut. A progressive one sends all rows again and again, finer each time, so no row
is whole before the last scan; then it is those that the last scan has reached.

Source: ITU-T T.81 (JPEG), annex B for the markers, annex G for the progressive mode.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import ImageError

END = b"\xff\xd9"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset([0xC2, 0xC6, 0xCA, 0xCE])
_BARE = frozenset([0x01, *range(0xD0, 0xD9)])  # markers without a segment, of use in scans only
_FILL = re.compile(rb"\xff+")
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # not a stuffed byte, not a restart
_N_COEFFICIENTS = 64
_MOST_COMPONENTS = 4
_MOST_SCANS = 1000
# Whatever stands after the cut: rows that depend on it differ from those with nothing there.
_CONTINUATIONS = (
    bytes(np.random.default_rng(0).integers(0, 255, 4096, np.uint8)),  # 255 would be a marker
    b"\xaa" * 4096,
)


@dataclass
class _Scans:
    """The scans of a JPEG, as far as it goes: `end` is where its last usable byte ends."""

    progressive: bool = False
    missing: set[tuple[int, int]] = field(default_factory=set)  # component, coefficient
    end: int = 0
    n: int = 0
    open: bool = False
    whole: bool = False

    def begin_frame(self, marker: int, segment: bytes) -> None:
        """Note the components, of whose coefficients everything is missing yet."""
        self.progressive = marker in _PROGRESSIVE
        n_components = segment[5]
        if n_components > _MOST_COMPONENTS:
            raise ValueError("no JPEG of OpenCV's")
        components = segment[6 : 6 + 3 * n_components : 3]
        self.missing = {(c, k) for c in components for k in range(_N_COEFFICIENTS)}

    def begin_scan(self, segment: bytes) -> None:
        """Note which coefficients of which components the scan brings to their last bit."""
        self.n += 1
        n_components = segment[0]
        first, last, bits = segment[1 + 2 * n_components : 4 + 2 * n_components]
        if n_components > _MOST_COMPONENTS or self.n > _MOST_SCANS:
            raise ValueError("no JPEG of OpenCV's")
        if not self.progressive:
            first, last, bits = 0, _N_COEFFICIENTS - 1, 0
        if bits & 15 == 0:
            components = segment[1 : 1 + 2 * n_components : 2]
            self.missing -= {(c, k) for c in components for k in range(first, last + 1)}
        self.open = True


def _scans(encoded: bytes) -> _Scans:
    """Walk the markers of a JPEG to its end, wherever that is."""
    found = _Scans()
    at = 2
    while at + 4 <= len(encoded):
        marker = encoded[at + 1]
        if encoded[at] != 0xFF or marker in _BARE:
            break
        if marker == _END_OF_IMAGE:
            found.whole = True
            return found
        if marker == 0xFF:  # fill bytes
            at += len(_FILL.match(encoded, at).group()) - 1  # type: ignore[union-attr]
            continue
        (length,) = struct.unpack_from(">H", encoded, at + 2)
        segment = encoded[at + 4 : at + 2 + length]
        if at + 2 + length > len(encoded):
            break
        at += 2 + length
        if marker in _FRAMES:
            found.begin_frame(marker, segment)
        elif marker == _START_OF_SCAN:
            found.begin_scan(segment)
            following = _MARKER.search(encoded, at)
            if following is None:
                at = len(encoded)
                break
            found.open = False
            at = following.start()
    found.whole = found.whole or encoded[at : at + 2] == END
    found.end = len(encoded[:at].rstrip(b"\xff"))
    return found


def rescue(encoded: bytes) -> tuple[bytes, float] | None:
    """Make a JPEG that ends too early decodable.

    Returns
    -------
    The file up to its last usable byte, with an end, and the share of its rows that decode; what
    lies below comes out grey. None when the file does not end too early: if something is wrong
    with it, it is something else.
    """
    try:
        scans = _scans(encoded)
    except (IndexError, ValueError):  # a segment that is not what its marker says
        return None
    if scans.whole:
        return None
    head = encoded[: scans.end]
    if scans.missing or not scans.n:
        return head + END, 0.0
    try:
        rows = _pixels(head + END)
        if not scans.open:
            return head + END, 1.0
        share = min(_equal_share(rows, _pixels(head + more + END)) for more in _CONTINUATIONS)
    except ImageError:
        return head + END, 0.0
    return head + END, share


def _pixels(encoded: bytes) -> NDArray[np.uint8]:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error as error:
        raise ImageError("undecodable", "jpeg") from error
    if image is None:
        raise ImageError("undecodable", "jpeg")
    return np.asarray(image, np.uint8)


def _equal_share(rows: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """Return the share of rows before the first that differs."""
    n_equal = next((y for y in range(len(rows)) if (rows[y] != others[y]).any()), len(rows))
    return n_equal / len(rows)
