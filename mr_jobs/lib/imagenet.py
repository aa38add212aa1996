"""Names and label files of ILSVRC: image keys, synset mappings, validation labels.

Formats: the ILSVRC2012 and ILSVRC2015 devkit readmes and the files of the Kaggle challenge
"ImageNet Object Localization".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from mr_jobs.lib.errors import DataError

SPLITS = ("train", "val", "test")
UNLABELLED = "unlabelled"
QUARANTINE = "quarantine"
_WNID = re.compile(r"[^\x00-\x1f/\\\ud800-\udfff]{1,200}")  # no separator, control, non-UTF-8


class ImageKey(NamedTuple):
    """The key of an image in bundles, features and shards: `<split>/<wnid>/<file name>`.

    `wnid` is the synset's id, a class folder's name, or `unlabelled`. An image that is known to be
    of no use before it is read, such as a validation image without a label, has the split
    `quarantine` and the reason in place of the wnid.
    """

    split: str
    wnid: str
    file_name: str

    def __str__(self) -> str:
        return f"{self.split}/{self.wnid}/{self.file_name}"

    @property
    def image_id(self) -> str:
        """The file name without its extension, as in ILSVRC's lists.

        >>> ImageKey("train", "n01440764", "n01440764_10026.JPEG").image_id
        'n01440764_10026'
        """
        stem, dot, _ = self.file_name.rpartition(".")
        return stem if dot and stem else self.file_name

    @classmethod
    def parse(cls, key: str) -> ImageKey:
        """Read a key.

        >>> ImageKey.parse("val/n01440764/ILSVRC2012_val_00000293.JPEG").split
        'val'
        """
        parts = key.split("/", 2)
        known = parts[0] in SPLITS or parts[0] == QUARANTINE
        if len(parts) != 3 or not known or not parts[1] or not parts[2]:
            raise DataError(f"not an image key (<split>/<wnid>/<file name>): {key!r}")
        return cls(*parts)


def is_wnid(name: str) -> bool:
    r"""Say whether a folder's or tar's name can be a class.

    >>> [is_wnid(name) for name in ("n01440764", "great white shark", "a/b", ".git", "b\ttab")]
    [True, True, False, False, False]
    """
    return bool(_WNID.fullmatch(name)) and not name.startswith(".")


def read_synset_mapping(lines: Iterable[str], name: str) -> dict[str, str]:
    """Read LOC_synset_mapping.txt: `n01440764 tench, Tinca tinca`, split at the first space.

    Returns
    -------
    dict of wnid to words, in the file's order.
    """
    words: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        wnid, _, text = line.strip().partition(" ")
        if not wnid:
            continue
        if wnid in words:
            raise DataError(f"{name}: line {number} names synset {wnid} a second time")
        words[wnid] = text.strip() or wnid
    return words


def read_val_solution(lines: Iterable[str], name: str) -> dict[str, str]:
    """Read LOC_val_solution.csv, whose rows are in no order, as a dict of image_id to wnid.

    The header is `ImageId,PredictionString`; a row holds groups of wnid and four box corners; the
    label is the first group's.
    """
    labels: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        image_id, comma, prediction = line.strip().partition(",")
        if not image_id or (number == 1 and image_id == "ImageId"):
            continue
        groups = prediction.split()
        if not comma or not groups:
            raise DataError(f"{name}: line {number} is not `ImageId,wnid x1 y1 x2 y2 …`")
        labels[image_id] = groups[0]
    return labels


def read_clsloc_map(lines: Iterable[str], name: str) -> dict[str, int]:
    """Read the devkit's map_clsloc.txt (`n02119789 1 kit_fox`) as a dict of wnid to ilsvrc_id.

    ilsvrc_id counts from 1 and is not the order of sorted wnids.
    """
    ids: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = line.split()
        if len(fields) < 2 or not fields[1].isdigit():
            raise DataError(f"{name}: line {number} is not `wnid ilsvrc_id name`")
        ids[fields[0]] = int(fields[1])
    return ids


def read_map_words(lines: Iterable[str], _: str) -> dict[str, str]:
    """Read the words of the devkit's map_clsloc.txt, map_det.txt or map_vid.txt.

    >>> read_map_words(["n02119789 1 kit_fox"], "map_clsloc.txt")
    {'n02119789': 'kit fox'}
    """
    rows = (line.split(maxsplit=2) for line in lines if line.strip())
    return {row[0]: row[-1].strip().replace("_", " ") for row in rows if len(row) == 3}
