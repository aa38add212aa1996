"""Make hostile tars: what a careless or an evil hand can put where a data set is expected.

A member is a header with its content; `tar` packs members, and the rest makes odd members or
damages a finished tar. Names go into the headers as they are given, which `TarFile.add` would not
do. Nothing here touches a disk.

    data = train_tar({"n01": tar(regular("a.JPEG", jpeg()), regular("../evil.JPEG"))})
    (folder / "ILSVRC2012_img_train.tar").write_bytes(cut_in_member(data, "n01.tar"))
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Literal, NamedTuple

BLOCK_BYTES = 512
LONG_NAME = "a/" * 60 + "long_" * 40 + ".JPEG"  # neither a ustar name nor a ustar prefix holds it
UTF8_NAME = "namé_猫.JPEG"
_CHECKSUM = slice(148, 156)
_SIZE = slice(124, 136)
Form = Literal[0, 1, 2]  # tarfile's USTAR_FORMAT, GNU_FORMAT, PAX_FORMAT


class Member(NamedTuple):
    """A tar member as bytes: headers and padded content."""

    packed: bytes


def regular(
    name: str, content: bytes = b"no image", *, format: Form = tarfile.USTAR_FORMAT
) -> Member:
    """Make a regular file."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return _pack(info, content, format)


def special(name: str, kind: bytes, target: str = "") -> Member:
    """Make a member without content, of a type of tarfile: SYMTYPE, LNKTYPE, CHRTYPE, FIFOTYPE…"""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.devmajor, info.devminor = (1, 5) if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE) else (0, 0)
    return _pack(info)


def symlink(name: str, target: str = "/etc/passwd") -> Member:
    """Make a symbolic link, by default to a file outside."""
    return special(name, tarfile.SYMTYPE, target)


def hardlink(name: str, target: str = "../../evil.JPEG") -> Member:
    """Make a hard link, by default to a file outside."""
    return special(name, tarfile.LNKTYPE, target)


def device(name: str) -> Member:
    """Make a character device with the numbers of /dev/zero, which never ends."""
    return special(name, tarfile.CHRTYPE)


def fifo(name: str) -> Member:
    """Make a named pipe, which blocks whoever opens it."""
    return special(name, tarfile.FIFOTYPE)


def directory(name: str) -> Member:
    """Make a directory."""
    return special(name, tarfile.DIRTYPE)


def gnu_long_name(name: str = LONG_NAME, content: bytes = b"no image") -> Member:
    """Make a regular file whose name is in a GNU `././@LongLink` member before it."""
    return regular(name, content, format=tarfile.GNU_FORMAT)


def pax(records: Mapping[str, str], content: bytes = b"no image") -> Member:
    """Make a regular file whose facts (`path`, `mtime`, …) are in a PAX header before it."""
    info = tarfile.TarInfo("name-in-the-ustar-header.JPEG")
    info.size = len(content)
    info.pax_headers = dict(records)
    return _pack(info, content, tarfile.PAX_FORMAT)


def pax_global(records: Mapping[str, str]) -> Member:
    """Make a PAX header that holds for every member behind it."""
    return Member(tarfile.TarInfo.create_pax_global_header(dict(records)))


def sparse(name: str, content: bytes = b"x" * BLOCK_BYTES, real_bytes: int = 1 << 40) -> Member:
    """Make a sparse file in the old GNU form: `content`, then a hole up to `real_bytes`."""
    info = tarfile.TarInfo(name)
    info.size, info.type = len(content), tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = _octal(0) + _octal(len(content))  # the only part with data: offset, length
    header[483:495] = _octal(real_bytes)
    return Member(_checksummed(header) + _padded(content))


def of_claimed_size(
    name: str, claimed_bytes: int, content: bytes = b"", kind: bytes = b"0"
) -> Member:
    """Make a member whose header claims any size, also a negative one, whatever the content is.

    A negative size sends a reader that adds it to its position back to where it was, for ever
    (CVE-2025-8194). With `kind` GNUTYPE_LONGNAME or XHDTYPE, a reader may want to hold the claimed
    size in memory.
    """
    info = tarfile.TarInfo(name)
    info.type = kind
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    sign = b"\xff" if claimed_bytes < 0 else b"\x80"
    header[_SIZE] = sign + (claimed_bytes & (1 << 88) - 1).to_bytes(11, "big")
    return Member(_checksummed(header) + _padded(content))


def tar(*members: Member) -> bytes:
    """Pack members into a tar; of none, an empty tar: 20 blocks of zeros."""
    packed = b"".join(member.packed for member in members) + bytes(2 * BLOCK_BYTES)
    return packed + bytes(-len(packed) % tarfile.RECORDSIZE)


def train_tar(classes: Mapping[str, bytes]) -> bytes:
    """Pack one tar per wnid, `<wnid>.tar`, into a tar, as ILSVRC ships its training images."""
    return tar(*(regular(f"{wnid}.tar", inner) for wnid, inner in classes.items()))


def train_tar_with_a_class_twice(wnid: str, first: bytes, second: bytes) -> bytes:
    """Pack two inner tars of one name, which a mapping could not hold."""
    return tar(regular(f"{wnid}.tar", first), regular(f"{wnid}.tar", second))


def garbage(n_bytes: int = 4 * BLOCK_BYTES) -> bytes:
    """Make bytes that are no tar, nor zeros, the same on every call."""
    return bytes((37 * i + 11) % 251 + 1 for i in range(n_bytes))


def cut_in_member(packed: bytes, name: str) -> bytes:
    """Cut a tar in the middle of a member's content."""
    member = _find(packed, name)
    return packed[: member.offset_data + max(member.size // 2, 1)]


def cut_in_header(packed: bytes, name: str) -> bytes:
    """Cut a tar in the middle of a member's header."""
    return packed[: _find(packed, name).offset + BLOCK_BYTES // 2]


def cut_before_the_end(packed: bytes) -> bytes:
    """Cut a tar behind its last member: whole members, but the end marker is missing."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        opened.getmembers()
        return packed[: opened.offset]


def with_damaged_header(packed: bytes, name: str) -> bytes:
    """Overwrite a member's header with garbage."""
    at = _find(packed, name).offset
    return packed[:at] + garbage(BLOCK_BYTES) + packed[at + BLOCK_BYTES :]


def _pack(info: tarfile.TarInfo, content: bytes = b"", form: Form = tarfile.USTAR_FORMAT) -> Member:
    return Member(info.tobuf(form) + _padded(content))


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK_BYTES)


def _octal(number: int) -> bytes:
    """Write a number field of 12 bytes; one that is too large in base 256, as GNU does."""
    octal = f"{number:011o}\0".encode()
    return octal if len(octal) == 12 else b"\x80" + number.to_bytes(11, "big")


def _checksummed(header: bytearray) -> bytes:
    header[_CHECKSUM] = b" " * 8
    header[_CHECKSUM] = f"{sum(header):06o}\0 ".encode()
    return bytes(header)


def _find(packed: bytes, name: str) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        return opened.getmember(name)


HOSTILE_MEMBERS: dict[str, Member] = {
    "parent folder": regular("../evil.JPEG"),
    "parent folder inside": regular("a/../../evil.JPEG"),
    "absolute name": regular("/evil.JPEG"),
    "absolute name in a PAX header": pax({"path": "/evil.JPEG"}),
    "parent folder in a GNU long name": gnu_long_name("../" * 50 + "evil.JPEG"),
    "symbolic link": symlink("evil.JPEG"),
    "hard link": hardlink("evil.JPEG"),
    "device": device("evil.JPEG"),
    "named pipe": fifo("evil.JPEG"),
    "sparse file of a tebibyte": sparse("evil.JPEG"),
}
HARMLESS_MEMBERS: dict[str, Member] = {
    "plain": regular("plain.JPEG"),
    "GNU long name": gnu_long_name(),
    "PAX name": pax({"path": "pax.JPEG", "mtime": "1340000000.5", "comment": "hello"}),
    "UTF-8 name in ustar": regular(UTF8_NAME),
    "UTF-8 name in PAX": regular(UTF8_NAME, format=tarfile.PAX_FORMAT),
    "name with a space, comma and quote": regular("a b,c'd\".JPEG"),
    "name with a tab and a line feed": regular("a\tb\nc.JPEG"),
    "no bytes at all": regular("empty.JPEG", b""),
}
