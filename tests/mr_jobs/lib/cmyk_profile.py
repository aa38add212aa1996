"""A small ICC profile of a printing press, as CMYK files carry one."""

from __future__ import annotations

import itertools
import struct

import cv2
import numpy as np

GRID = 5  # points of the table for each ink
INKS_RGB = {  # what paper looks like under each ink alone: darker and duller than a screen's
    "c": (0.0, 0.55, 0.80),
    "m": (0.80, 0.10, 0.45),
    "y": (1.00, 0.90, 0.10),
    "k": (0.12, 0.11, 0.11),
}


def press_profile() -> bytes:
    """Make a version 2 output profile with one table, CMYK to Lab of 8 bits (`mft1`).

    Source: ICC.1:2001-04, 6.1 (header), 6.5.7 (lut8Type).
    """
    inks = np.array(list(INKS_RGB.values()))
    colours = []
    for amounts in itertools.product(np.linspace(0, 1, GRID), repeat=4):
        spread = np.array(amounts) ** 0.75  # ink spreads on paper
        colours.append(np.prod(1 - spread[:, None] * (1 - inks), axis=0))
    rgb = np.array(colours, np.float32).reshape(-1, 1, 3)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab).reshape(-1, 3)
    table = np.clip(np.rint(lab * (2.55, 1, 1) + (0, 128, 128)), 0, 255).astype(np.uint8)
    line = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, GRID, 0]) + identity
    lut += line * 4 + table.tobytes() + line * 3
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 6) + b"press\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
        b"A2B0": lut,
    }
    index, data = struct.pack(">I", len(tags)), b""
    at = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        index += name + struct.pack(">II", at + len(data), len(content))
        data += content
    size = at + len(data)
    header = struct.pack(">I4xI4s4s4s", size, 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H", 2001, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + index + data
