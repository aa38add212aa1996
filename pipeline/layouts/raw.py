"""What a data set is found to be: its sources of images, its labels and its annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline.hdfspath import HdfsPath

RawPath = Path | HdfsPath
SourceKind = Literal["tar", "folder", "webdataset", "landing"]
AnnotationKind = Literal["tar", "folder", "csv"]


class RawSource(NamedTuple):
    """Raw images of one split: a tar, one inside a tar, a shard, a landing file, or a folder.

    Attributes
    ----------
    split : train, val or test.
    wnid : the class of all images; empty where labels come by the member (a flat tar or folder:
        `RawData.val_labels`; a WebDataset shard, a landing file of Flume's: inside it);
        `unlabelled` where there are none.
    offset, length : the tar's range of the file, in bytes; -1 for a folder.
    part : tells sources of one split and wnid apart; empty where there is only one.
    prefix : what goes in front of the names of a shard's images, whose keys often count from 0 in
        every shard; empty where they are named as ILSVRC names images.
    frames : whether the folder holds the frames of one video, which get its name in front.
    """

    split: str
    wnid: str
    path: RawPath
    offset: int
    length: int
    kind: SourceKind = "tar"
    part: str = ""
    prefix: str = ""
    frames: bool = False

    @property
    def name(self) -> str:
        """A file name that is unique in the data set and stays when the data set grows."""
        parts = [part for part in (self.wnid, self.part) if part]
        return f"{self.split}/{'__'.join(parts) or 'flat'}.tar"


class AnnotationSource(NamedTuple):
    """Boxes of images: a tar of XML files (also compressed), a folder of them, or a Kaggle csv.

    Attributes
    ----------
    split : train, val or test; empty where the members' paths say it.
    frames : whether an XML file is a frame of a video and takes its folder's name in front.
    """

    path: RawPath
    kind: AnnotationKind
    split: str = ""
    frames: bool = False


@dataclass(frozen=True)
class RawData:
    """A data set as it was found: sources, labels and what is known of the synsets.

    Attributes
    ----------
    words : wnid to WordNet words; empty where nothing tells the known synsets.
    val_labels : image_id to wnid.
    ilsvrc_ids : wnid to the devkit's number, which is not class_index.
    layout : what it was recognised as, for people.
    tree_file : may tell the synset tree, see `hierarchy.read_tree`.
    """

    root: RawPath
    sources: list[RawSource]
    words: dict[str, str]
    val_labels: dict[str, str]
    ilsvrc_ids: dict[str, int]
    synthetic: bool
    warnings: list[str] = field(default_factory=list)
    layout: str = ""
    annotations: list[AnnotationSource] = field(default_factory=list)
    tree_file: RawPath | None = None

    @property
    def has_val(self) -> bool:
        """Say whether the data has a validation part of its own."""
        return any(source.split == "val" for source in self.sources)

    @property
    def wnids(self) -> list[str]:
        """The known synsets in the order of class_index; empty where nothing tells them."""
        return sorted(self.words)
