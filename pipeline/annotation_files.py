"""The files of annotations in tars, compressed or not, and in folders, one after the other."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.rawtar import Member, walk_members
from pipeline.layouts import AnnotationSource, RawPath
from pipeline.layouts.listing import entries
from pipeline.voc import MAX_XML_BYTES

_NO_END = 1 << 62
_MAX_INNER_BYTES = 64 << 20  # of a tar in a tar, which is held in memory
_STEP_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_MOST_TIMES = 200  # that a compressed tar grows; annotations grow thirtyfold, a bomb a thousandfold
_ALWAYS_BYTES = 64 << 20  # that it may have however small it is
_DAMAGE = (tarfile.ReadError, EOFError, gzip.BadGzipFile, zlib.error)


class AnnotationFile(NamedTuple):
    """A file: its path in the source, its bytes, or why it is `refused`."""

    name: str
    encoded: bytes
    refused: str | None = None


def annotation_files(
    source: AnnotationSource, warnings: list[str], *, allow_damaged: bool
) -> Iterator[AnnotationFile]:
    """Yield the XML files of a tar or folder, and what else is there as refused.

    Raises
    ------
    DataError
        If a tar is damaged, unless `allow_damaged`: then a warning is noted.
    """
    if source.kind == "folder":
        yield from _in_folder(source.path, "")
        return
    with source.path.open("rb") as file:
        try:
            yield from _in_tar(file, 0, source.path.stat().st_size)
        except _DAMAGE as error:
            if not allow_damaged:
                raise DataError(
                    f"{source.path}: {error}; fetch the annotations again, or pass --allow-damaged "
                    "to use those before the damage"
                ) from error
            warnings.append(f"{source.path.name}: {error}; the rest of it is left out")


def _in_folder(folder: RawPath, inside: str) -> Iterator[AnnotationFile]:
    for entry in entries(folder):
        name = f"{inside}{entry.name}"
        if entry.is_dir:
            yield from _in_folder(entry.path, f"{name}/")
            continue
        refused = None if entry.is_file else "link" if entry.is_link else "not_a_file"
        refused = refused or _refusal(entry.name, entry.size)
        if refused:
            yield AnnotationFile(name, b"", refused)
        else:
            with entry.path.open("rb") as file:
                yield AnnotationFile(name, file.read(MAX_XML_BYTES + 1))


def _in_tar(file: BinaryIO, offset: int, end: int, depth: int = 0) -> Iterator[AnnotationFile]:
    """Yield the files of a tar from byte `offset`, and of the tars in it, one level deep."""
    file.seek(offset)
    if file.read(len(_GZIP)) == _GZIP:
        file.seek(offset)
        plain = gzip.GzipFile(fileobj=file)
        most = _ALWAYS_BYTES + _MOST_TIMES * (end - offset)
        file = cast("BinaryIO", _Forward(cast("BinaryIO", plain), most))
        offset, end = 0, _NO_END
    for member in walk_members(file, offset, end):
        if member.refused == "directory":
            continue
        if member.name.endswith((".tar", ".tar.gz", ".tgz")) and not depth:
            yield from _tar_in_tar(file, member)
            continue
        refused = member.refused or _refusal(member.name, member.size)
        if refused:
            yield AnnotationFile(member.name, b"", refused)
            continue
        file.seek(member.data_offset)
        encoded = file.read(member.size)
        if len(encoded) != member.size:
            raise tarfile.ReadError(f"is cut off in the middle of member {member.name!r}")
        yield AnnotationFile(member.name, encoded)


def _tar_in_tar(file: BinaryIO, member: Member) -> Iterator[AnnotationFile]:
    if member.refused or member.size > _MAX_INNER_BYTES:
        yield AnnotationFile(member.name, b"", member.refused or "too_large")
        return
    file.seek(member.data_offset)
    inner = io.BytesIO(file.read(member.size))
    for found in _in_tar(inner, 0, member.size, depth=1):
        yield found._replace(name=f"{member.name}/{found.name}")


def _refusal(name: str, size: int) -> str | None:
    if not name.lower().endswith(".xml"):
        return "not_xml"
    return "too_large" if size > MAX_XML_BYTES else None


class _Forward:
    """A stream that is read once, such as a decompressed one, as a file that walk_members reads.

    That goes back at most to the header it just read.
    """

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._at = 0
        self._last = b""  # what was read last
        self._back = 0  # bytes of it that are to be read again

    def tell(self) -> int:
        """Return the position."""
        return self._at - self._back

    def seek(self, offset: int) -> int:
        """Go on by reading, or back within what was read last."""
        ahead = offset - self._at
        if ahead <= 0:
            if -ahead > len(self._last):
                raise tarfile.ReadError("is no tar that can be read in one go")
            self._back = -ahead
            return offset
        self._back = 0
        while ahead > 0 and (skipped := self._stream.read(min(ahead, _STEP_BYTES))):
            ahead -= len(skipped)
            self._count(skipped)
            self._last = skipped
        return self._at

    def read(self, n_bytes: int) -> bytes:
        """Read as a file does; what was gone back over comes again."""
        again = self._last[len(self._last) - self._back :][:n_bytes]
        self._back -= len(again)
        if len(again) == n_bytes:
            return again
        new = self._stream.read(n_bytes - len(again))
        self._count(new)
        self._last = again + new
        return self._last

    def _count(self, read: bytes) -> None:
        self._at += len(read)
        if self._at > self._most_bytes:
            raise tarfile.ReadError(
                f"grows to more than {self._most_bytes} bytes, over {_MOST_TIMES} times its size"
            )
