"""Write images out of an image store: as a directory, a tar or a bundle, with their rows.

Names of images came from outside: what could leave the directory, hide or be no file name at all is
escaped, and nothing that is there is overwritten.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from abc import ABC, abstractmethod
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.sequencefile import Writer

ROWS = "images.tsv"
_MAX_NAME_BYTES = 200  # file systems take 255
_UNSAFE = re.compile(r"[%/\\\x00-\x1f\x7f-\x9f]|^\.")


class Delivery(ABC):
    """Where images go, and their rows: a header, the catalogue's columns, and `file` behind them.

    A context manager: what is written has its name, and is complete, at the end of its block.

    Attributes
    ----------
    target, rows_path : where the images and their rows are.
    already_there, renamed : how many images were found there as they are, and how many got a name
        of their own because theirs was taken.
    """

    def __init__(self, target: Path, rows_path: Path) -> None:
        self.target = target
        self.rows_path = rows_path
        self.already_there = 0
        self.renamed = 0
        self._parts = {rows_path.with_name(f".{rows_path.name}.part"): rows_path}
        self._stack = ExitStack()

    def add(self, row: CatalogRow, encoded: bytes) -> None:
        """Take an image and its row."""
        row, name = self._write(row, encoded)
        self._rows.write(f"{row.to_line()}\t{name}\n")

    def __enter__(self) -> Self:
        self._refuse_existing()
        self.rows_path.parent.mkdir(parents=True, exist_ok=True)
        for part in self._parts:  # of a run that was killed; a link there would be followed
            part.unlink(missing_ok=True)
        part = next(iter(self._parts))
        self._rows = self._stack.enter_context(part.open("x", encoding="utf-8"))
        self._rows.write("\t".join([*CatalogRow._fields, "file"]) + "\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._stack.close()
            if kind is None:
                for part, path in self._parts.items():
                    part.rename(path)
        finally:
            for part in self._parts:
                part.unlink(missing_ok=True)

    @abstractmethod
    def _refuse_existing(self) -> None:
        """Raise a ConfigError where something would be overwritten."""

    @abstractmethod
    def _write(self, row: CatalogRow, encoded: bytes) -> tuple[CatalogRow, str]:
        """Write an image; return its row as it is there, and its name."""


class Directory(Delivery):
    """`<split>/<wnid>/<file name>` below a directory, which may hold other things."""

    def __init__(self, target: Path) -> None:
        super().__init__(target, target / ROWS)

    def _refuse_existing(self) -> None:
        if self.target.exists() and not self.target.is_dir():
            raise ConfigError(f"{self.target} is not a directory; end it in .tar or .seq for one")
        if self.rows_path.exists():
            raise ConfigError(
                f"{self.rows_path} is there already, from an earlier `get`; name another directory"
            )

    def _write(self, row: CatalogRow, encoded: bytes) -> tuple[CatalogRow, str]:
        for name in (path_of(row.key), path_of(row.key, row.sha256)):
            path = self.target / name
            if self._write_new(path, encoded):
                self.renamed += name != path_of(row.key)
                return row, name
            if _holds(path, encoded):
                self.already_there += 1
                return row, name
        raise ConfigError(f"{path} is in the way: remove it, or name another directory")

    def _write_new(self, path: Path, encoded: bytes) -> bool:
        """Write a file, unless there is one of that name."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigError(f"{path.parent} is in the way: it is no directory") from error
        try:
            with path.open("xb") as file:
                file.write(encoded)
        except FileExistsError:
            return False
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return True


class _File(Delivery):
    """One file, made under another name until it is complete; its rows are beside it."""

    def __init__(self, target: Path) -> None:
        super().__init__(target, target.with_suffix(f".{ROWS}"))
        self._part = target.with_name(f".{target.name}.part")
        self._parts[self._part] = target

    def _refuse_existing(self) -> None:
        for path in (self.target, self.rows_path):
            if path.exists() or path.is_symlink():
                raise ConfigError(f"{path} is there already; name another one, or remove it")


class Tar(_File):
    """A tar of the names that a directory would get; the same bytes every time."""

    def __enter__(self) -> Self:
        super().__enter__()
        tar = tarfile.open(self._part, "x", format=tarfile.PAX_FORMAT)
        self._tar = self._stack.enter_context(tar)
        return self

    def _write(self, row: CatalogRow, encoded: bytes) -> tuple[CatalogRow, str]:
        member = tarfile.TarInfo(path_of(row.key))
        member.size = len(encoded)
        self._tar.addfile(member, io.BytesIO(encoded))
        self._tar.members.clear()  # type: ignore[attr-defined]  # it would remember every one
        return row, member.name


class Bundle(_File):
    """A SequenceFile like the pipeline's own; the rows say where the images are in this one."""

    def __enter__(self) -> Self:
        super().__enter__()
        file = self._stack.enter_context(self._part.open("xb"))
        self._writer = self._stack.enter_context(Writer(file))
        return self

    def _write(self, row: CatalogRow, encoded: bytes) -> tuple[CatalogRow, str]:
        key = row.key.encode()
        offset = self._writer.append(key, encoded)
        length = 16 + len(key) + len(encoded)  # record and key length, BytesWritable lengths
        return row._replace(bundle=self.target.name, offset=offset, length=length), row.key


def delivery_to(target: Path) -> Delivery:
    """Return what writes to a path, by how its name ends: .tar, .seq, or else a directory."""
    kinds: dict[str, type[Tar] | type[Bundle]] = {".tar": Tar, ".seq": Bundle}
    return kinds.get(target.suffix, Directory)(target)


def path_of(key: str, sha256: str | None = None) -> str:
    """Return the path an image gets: the parts of its key, made safe; with its hash, if given.

    Different keys have different paths.

    >>> path_of("train/n01440764/n01440764_10026.JPEG")
    'train/n01440764/n01440764_10026.JPEG'
    >>> path_of("train/n01440764/../a%.JPEG", "0123456789abcdef")
    'train/n01440764/%2E.%2Fa%25~01234567.JPEG'
    """
    image = ImageKey.parse(key)
    file_name = _safe(image.file_name)
    if sha256:
        stem, suffix = _split(file_name)
        file_name = f"{stem}~{sha256[:8]}{suffix}"
    return f"{_safe(image.split)}/{_safe(image.wnid)}/{file_name}"


def _safe(name: str) -> str:
    """Escape what is no part of a file name, as URLs do, and shorten what is too long for one."""
    safe = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", name)
    if len(safe.encode()) <= _MAX_NAME_BYTES:
        return safe
    stem, suffix = _split(safe)
    told_apart = hashlib.sha256(name.encode()).hexdigest()[:16]
    short = stem.encode()[: _MAX_NAME_BYTES - 40].decode(errors="ignore")
    return f"{short}~{told_apart}{suffix}"


def _split(name: str) -> tuple[str, str]:
    """Split a file name before its extension, if that is one."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem and len(suffix.encode()) <= 16 else (name, "")


def _holds(path: Path, content: bytes) -> bool:
    with suppress(OSError):
        return path.stat().st_size == len(content) and path.read_bytes() == content
    return False
