"""Plan the bundles of a group of raw sources: which members are new images, and where each is."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field

from mr_jobs.lib.rawtar import RawRange, file_name_of, key_of, label_key, safe_name
from pipeline.bundle_plan import BundlePlan
from pipeline.hdfspath import HdfsPath
from pipeline.known import KnownImages, content_hash
from pipeline.layouts import RawData, RawPath, RawSource
from pipeline.raw_members import RawMember, raw_members
from pipeline.raw_tar_stream import TarOfFiles


@dataclass
class GroupPlan:
    """What a group of sources comes to.

    Attributes
    ----------
    images, known : counts of new images, and of those that are stored already.
    classes, refused : counts of new train images by wnid, and of refused members by reason.
    refused_lines : a line a refused member: source, name, reason.
    """

    bundles: BundlePlan
    data: RawData
    known_images: KnownImages
    allow_damaged: bool
    images: int = 0
    known: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refused_lines: io.BytesIO = field(default_factory=io.BytesIO)

    def __post_init__(self) -> None:
        self._synsets = frozenset(self.data.words) if self.data.words else None

    def plan_source(
        self, source: RawSource, uri: str, shift: int, files: TarOfFiles | None = None
    ) -> None:
        """Plan the new images of a source.

        Parameters
        ----------
        uri : where the jobs will read it; that of a folder's files is their own.
        shift : what to add to the offsets of a tar.
        files : collects the files of a folder that are sent as a tar.

        Raises
        ------
        DataError
            If it is a damaged tar.
        """
        seen: set[str] = set()
        empty = _empty_range(source, uri, files)
        for raw in raw_members(source, self.data, allow_damaged=self.allow_damaged):
            member = raw.member
            if member.refused:
                self._refuse(source, member.name, member.refused)
                continue
            like = _range_of(source, raw, empty)
            if not self._is_new(source, raw, like, seen):
                self.bundles.skip()
                continue
            self.images += 1
            if source.split == "train":
                self.classes[source.wnid or raw.label] += 1
            if source.kind == "landing":
                offset, length = member.data_offset, member.size
            elif raw.path is None:
                offset, length = member.offset + shift, member.end - member.offset
            elif files is None:
                offset, length = 0, member.size
                like = like._replace(uri=uri_of(raw.path), name=member.name)
            else:
                offset, length = files.add(member.name, raw.path, member.size)
            if source.wnid or source.kind == "landing":
                self.bundles.add(like, offset, length)
            else:
                key = label_key(like, member.name)
                self.bundles.add(like, offset, length, key, raw.label)

    def _is_new(self, source: RawSource, raw: RawMember, empty: RawRange, seen: set[str]) -> bool:
        """Say whether an image is new; one whose name is taken by another is refused."""
        name = raw.member.name
        if source.kind == "landing":
            return self._is_newly_landed(source, raw, str(key_of(empty, name, {}, self._synsets)))
        file_name = file_name_of(empty, name)
        if file_name in seen:
            self._refuse(source, name, "same_name")
            return False
        seen.add(file_name)
        if not len(self.known_images):
            return True
        key = key_of(empty, name, {label_key(empty, name): raw.label}, self._synsets)
        there = self.known_images.content_of(str(key))
        return there is None or self._is_known(source, raw, there)

    def _is_newly_landed(self, source: RawSource, raw: RawMember, key: str) -> bool:
        """Say whether an image came for the first time: Flume may deliver one more than once."""
        there = self.known_images.content_of(key)
        if there is None:
            self.known_images.expect(key, lambda: content_hash(_content(source, raw)))
        return there is None or self._is_known(source, raw, there)

    def _is_known(self, source: RawSource, raw: RawMember, there: int) -> bool:
        """Count an image whose key is taken, or refuse it if its content is another."""
        if there == content_hash(_content(source, raw)):
            self.known += 1
        else:
            self._refuse(source, raw.member.name, "changed")
        return False

    def _refuse(self, source: RawSource, name: str, reason: str) -> None:
        self.refused[reason] += 1
        self.refused_lines.write(f"{source.name}\t{safe_name(name)}\t{reason}\n".encode())


def _range_of(source: RawSource, raw: RawMember, empty: RawRange) -> RawRange:
    """Return what an image's range is like: one in a landing file has a class of its own."""
    if source.kind != "landing":
        return empty
    return empty._replace(name=raw.member.name, wnid=raw.label)


def _empty_range(source: RawSource, uri: str, files: TarOfFiles | None) -> RawRange:
    kind = {"tar": "tar", "webdataset": "labelled", "folder": "file" if files is None else "tar"}
    kind["landing"] = "file"
    prefix = "" if source.kind == "folder" else source.prefix
    return RawRange(uri, 0, 0, source.split, source.wnid, 1, kind[source.kind], prefix)


def uri_of(path: RawPath) -> str:
    """Return what a job finds a raw file by."""
    return str(path if isinstance(path, HdfsPath) else path.resolve())


def _content(source: RawSource, raw: RawMember) -> bytes:
    with (raw.path or source.path).open("rb") as file:
        file.seek(raw.member.data_offset)
        return file.read(raw.member.size)
