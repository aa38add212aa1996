"""Raw images: the members of tars and plain files, which of them are images, what keys they get.

A member's name is hostile until checked: nothing here or elsewhere extracts a member to a path; a
name only ever becomes the last part of an image key.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple, cast

from mr_jobs.lib.imagenet import QUARANTINE, UNLABELLED, ImageKey

MAX_IMAGE_BYTES = 32 << 20  # a task holds an image several times over, in Java and in Python
_BLOCK = 512
_ADLER_MODULUS = 65521
_MAX_HEADERS_BYTES = 1 << 15  # of one member; tarfile's time is the square of a PAX header's size
# what tarfile raises, and what it lets by of PAX records and sparse maps of nonsense
_NO_TAR = (tarfile.TarError, ValueError, OverflowError, IndexError)


class RawRange(NamedTuple):
    """A run of whole members of a tar, or one plain file: `length` bytes from byte `offset`.

    `split` is train, val or test. `wnid` is the class of all the images; empty when each has a
    label of its own in the plan. `kind` is `tar`; `labelled`, a tar of whose members only those
    with a label in the plan are images; or `file`, a plain file. `name` is the file's name; of a
    tar, what goes in front of its members' names.
    """

    uri: str
    offset: int
    length: int
    split: str
    wnid: str
    n_images: int
    kind: str = "tar"
    name: str = ""


class Plan(NamedTuple):
    """What makes one bundle: its ranges, in order, and wnids by `label_key`."""

    ranges: list[RawRange]
    labels: dict[str, str]

    def to_line(self) -> str:
        """Write the plan as one line of JSON."""
        return json.dumps([self.ranges, self.labels], ensure_ascii=True, separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> Plan:
        """Read the plan of one bundle."""
        ranges, labels = json.loads(line)
        return cls([RawRange(*fields) for fields in ranges], labels)


class Member(NamedTuple):
    """A member of a tar: its first header is at `offset`, its `size` bytes at `data_offset`.

    `refused` says in a short word why it is not taken as an image; None when it is; `directory`
    for a directory, which is no loss.
    """

    name: str
    offset: int
    data_offset: int
    size: int
    refused: str | None

    @property
    def end(self) -> int:
        """Where the next member begins."""
        return self.data_offset + -(-self.size // _BLOCK) * _BLOCK


def walk_members(file: BinaryIO, offset: int, limit: int, *, cut: bool = False) -> Iterator[Member]:
    """Yield the members of the tar between two bytes of a file.

    A tar ends with a block of zeros, or, if it was `cut` between two members, at `limit`.

    Plain files with an ordinary ustar header are read here, five times as fast as tarfile does;
    whatever else there is (PAX, GNU long names, links, sparse files, odd numbers) is tarfile's.
    The file may be moved between two members. Constant memory.

    Source: POSIX.1-1988 "ustar" interchange format.

    Raises
    ------
    tarfile.ReadError
        Where a tar neither goes on nor ends with a block of zeros; its `at` is the byte.
    """
    at = offset
    while not (cut and at == limit):
        file.seek(at)
        header = file.read(min(_BLOCK, limit - at))
        member = _plain_member(header, at)
        if member is None:
            if len(header) == _BLOCK and not any(header):
                return
            member = _any_member(file, header, at, limit)
        if member.end > limit:
            raise _damage(f"is cut off in the middle of member {member.name!r}", at)
        yield member
        at = member.end


def _plain_member(header: bytes, at: int) -> Member | None:
    """Read the header of an ordinary file; None for anything else."""
    if len(header) != _BLOCK or header[156:157] not in (b"0", b"\0"):
        return None
    try:
        checksum = int(header[148:156].rstrip(b"\0 "), 8)
        size = int(header[124:136].rstrip(b"\0 "), 8)
    except ValueError:
        return None
    # the sum of the bytes is half of Adler-32, which C computes; its own field counts as spaces
    total = checksum + sum(header[148:156]) - 8 * ord(" ")
    if (total + 1) % _ADLER_MODULUS != zlib.adler32(header) & 0xFFFF or size < 0:
        return None
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0]
    if prefix and header[257:263] == b"ustar\0":
        name = prefix + b"/" + name
    elif prefix or header[257:262] != b"ustar":
        return None  # V7, or GNU with something else in its place
    text = name.decode("utf-8", "surrogateescape")
    if text.endswith("/"):
        return None
    return Member(text, at, at + _BLOCK, size, refusal(text, size))


def _any_member(file: BinaryIO, header: bytes, at: int, limit: int) -> Member:
    file.seek(at)
    bounded = cast("BinaryIO", _BoundedReader(file, limit))
    try:
        with tarfile.open(fileobj=bounded, mode="r:") as tar:
            info = tar.next()
            end = tar.offset
    except _NO_TAR as error:
        raise _damage(f"is no tar, or is cut off ({error}),", at) from error
    if info is None:
        cut = len(header) < _BLOCK
        raise _damage("is cut off" if cut else "is damaged: no tar header stands", at)
    if end < info.offset_data or info.size < 0:  # it would lead in circles
        raise _damage("is damaged: a header claims a negative size", at)
    refused = _refusal_of(info)
    size = info.size if refused is None else end - info.offset_data
    return Member(info.name, at, info.offset_data, size, refused)


def _refusal_of(info: tarfile.TarInfo) -> str | None:
    if info.isdir():
        return "directory"
    if info.issym() or info.islnk():
        return "link"
    if info.issparse():
        return "sparse"
    return refusal(info.name, info.size) if info.isfile() else "not_a_file"


def _damage(what: str, at: int) -> tarfile.ReadError:
    error = tarfile.ReadError(what)
    error.at = at  # type: ignore[attr-defined]
    return error


class _BoundedReader:
    """A file that ends at `limit` for tarfile, which reads as many bytes as a header claims."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._left = _MAX_HEADERS_BYTES
        self.tell, self.seek = file.tell, file.seek

    def read(self, n_bytes: int) -> bytes:
        """Read at most to the limit; a negative size is not "all there is" but damage."""
        if n_bytes < 0:
            raise tarfile.ReadError("a header claims a negative size")
        self._left -= n_bytes
        if self._left < 0:  # also of headers for headers, which tarfile follows by recursion
            raise tarfile.ReadError(f"headers of over {_MAX_HEADERS_BYTES} bytes")
        return self._file.read(max(0, min(n_bytes, self._limit - self._file.tell())))


def refusal(name: str, size: int) -> str | None:
    """Say why a file is not taken as an image: a short word, or None when it is taken."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or not parts[-1]:
        return "unsafe_name"
    if size > MAX_IMAGE_BYTES:
        return "too_large"
    return "side_file" if parts[-1].startswith(".") else None


def key_of(
    raw: RawRange,
    name: str,
    labels: Mapping[str, str],
    synsets: frozenset[str] | None,
) -> ImageKey:
    """Make the key of an image of a range.

    Parameters
    ----------
    name : the member's name; its last part is used, with control characters escaped.
    labels : wnids by `label_key`, for ranges without a wnid.
    synsets : the wnids of the mapping, or None when there is none.
    """
    file_name = file_name_of(raw, name)
    if raw.wnid == UNLABELLED:  # a data set without labels, such as DET's
        return ImageKey(raw.split, UNLABELLED, file_name)
    wnid = raw.wnid or labels.get(label_key(raw, name)) or UNLABELLED
    if wnid == UNLABELLED:
        known = raw.split == "test"
        return ImageKey(
            *((raw.split, UNLABELLED) if known else (QUARANTINE, UNLABELLED)), file_name
        )
    if synsets is not None and wnid not in synsets:
        return ImageKey(QUARANTINE, "unknown_synset", file_name)
    return ImageKey(raw.split, wnid, file_name)


def file_name_of(raw: RawRange, name: str) -> str:
    """Return the last part of the key of a range's image: the member's own, after the prefix."""
    file_name = safe_name(name.rsplit("/", 1)[-1])
    return file_name if raw.kind == "file" else safe_name(raw.name) + file_name


def label_key(raw: RawRange, name: str) -> str:
    """Return what the label of a range's image is found by: its name, unique in the data set."""
    return name if raw.kind == "file" else raw.name + name


def safe_name(name: str) -> str:
    r"""Escape what would break a line of text: control characters and bytes that are not UTF-8.

    >>> safe_name("a\tb%.JPEG")
    'a%09b%.JPEG'
    """
    if name.isprintable():
        return name
    return "".join(
        f"%{ord(c) & 0xFF:02X}" if c < " " or c == "\x7f" or 0xDC80 <= ord(c) <= 0xDCFF else c
        for c in name
    )
