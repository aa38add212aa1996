"""Let compiled Java classes refer to a class by another name, as Maven's shade plugin does.

Source: the Java Virtual Machine Specification, 4.1 and 4.4: names are constants of type Utf8.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

UTF8, LONG, DOUBLE = 1, 5, 6
# Bytes after the tag of each constant but Utf8, by its tag.
LENGTHS = {
    **dict.fromkeys((3, 4, 9, 10, 11, 12, 17, 18), 4),
    **dict.fromkeys((7, 8, 16, 19, 20), 2),
    **{LONG: 8, DOUBLE: 8, 15: 3},
}


def renamed_classes(jars: Iterable[Path], names: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each class in some jars that refers to an old name, with the new.

    Parameters
    ----------
    names : old to new name of each class, both as in `java/util/Map$Entry`.
    """
    old = [name.encode() for name in names]
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            for member in archive.namelist():
                if member.endswith(".class"):
                    code = archive.read(member)
                    if any(name in code for name in old):
                        yield member, rename(code, names)


def rename(code: bytes, names: Mapping[str, str]) -> bytes:
    """Return a class file whose constants have the new names instead of the old.

    Raises
    ------
    ValueError : it is not a class file of a known kind.
    """
    if code[:4] != b"\xca\xfe\xba\xbe":
        raise ValueError("this is not a Java class file")
    (n_constants,) = struct.unpack_from(">H", code, 8)
    parts, at, index = [code[:10]], 10, 1
    while index < n_constants:
        tag = code[at]
        if tag == UTF8:
            (length,) = struct.unpack_from(">H", code, at + 1)
            text = code[at + 3 : at + 3 + length]
            at += 3 + length
            for old, new in names.items():
                text = text.replace(old.encode(), new.encode())
            parts.append(struct.pack(">BH", UTF8, len(text)) + text)
        elif tag in LENGTHS:
            parts.append(code[at : at + 1 + LENGTHS[tag]])
            at += 1 + LENGTHS[tag]
        else:
            raise ValueError(f"a class file has a constant of the unknown kind {tag}")
        index += 2 if tag in (LONG, DOUBLE) else 1
    return b"".join([*parts, code[at:]])
