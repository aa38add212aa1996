"""What the label files of a data set say: words of synsets, devkit numbers, validation labels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

import numpy as np

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.imagenet import (
    is_wnid,
    read_clsloc_map,
    read_map_words,
    read_synset_mapping,
    read_val_solution,
)
from pipeline.layouts.listing import entries, is_inside
from pipeline.layouts.raw import RawPath

LABEL_FILES = "LOC_val_solution.csv, or devkit/data with the ground truth and map_clsloc.txt"
_MAPS = {"CLS-LOC": "map_clsloc.txt", "DET": "map_det.txt", "VID": "map_vid.txt"}
_METAS = {  # of the devkits: file, field with the number, field with the words
    "CLS-LOC": (
        ("meta_clsloc.mat", "ILSVRC2015_CLSLOC_ID", "name"),
        ("meta.mat", "ILSVRC2012_ID", "words"),
    ),
    "DET": (("meta_det.mat", "ILSVRC2015_DET_ID", "name"),),
    "VID": (("meta_vid.mat", "ILSVRC2015_VID_ID", "name"),),
}
_MAX_LABELS_BYTES = 256 << 20
_MAX_MAT_BYTES = 64 << 20
_MAX_INFLATED_BYTES = 256 << 20
_MAT_HEADER_BYTES, _MAT_COMPRESSED = 128, 15
MAT_ERRORS = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, EOFError),
    *(NotImplementedError, struct.error, zlib.error),
)
T = TypeVar("T")


class Labels:
    """The label files of a data set for one task: CLS-LOC, DET or VID.

    Parameters
    ----------
    homes : the folders that may hold them; the first is the data set's and may hold a devkit of
        any name.

    Attributes
    ----------
    words : wnid to words, of LOC_synset_mapping.txt, else of the devkit; empty without them.
    ilsvrc_ids : wnid to the devkit's number, counted from 1.
    """

    def __init__(self, homes: Sequence[RawPath], task: str, warnings: list[str]) -> None:
        self._warnings = warnings
        places = [(home, home / "devkit" / "data") for home in homes]
        places += [(homes[0], folder) for folder in _devkits(homes[0])]
        self._folders = [*((home, home) for home in homes), *places]
        self.ilsvrc_ids = self._read(_MAPS[task], read_clsloc_map)
        self.words: dict[str, str] = {}
        if task == "CLS-LOC":  # the mapping does not hold all of the others' synsets
            self.words = self._read("LOC_synset_mapping.txt", read_synset_mapping)
        for name, number, words in _METAS[task]:
            path = self._find(name)
            if path and not (self.words and self.ilsvrc_ids):
                found_words, numbers = read_mat(path, number, words)
                self.words = self.words or found_words
                self.ilsvrc_ids = self.ilsvrc_ids or numbers
        self.words = self.words or self._read(_MAPS[task], read_map_words)

    def of_val(self) -> dict[str, str]:
        """Return the wnids of the validation images by image_id; empty if nothing tells them."""
        solution = self._read("LOC_val_solution.csv", read_val_solution)
        return solution or self._ground_truth()

    def tree_file(self) -> RawPath | None:
        """Return the file that may tell the synset tree; see `hierarchy.read_tree`."""
        return self._find("wordnet.is_a.txt") or self._find("meta.mat")

    def _find(self, name: str) -> RawPath | None:
        for home, folder in self._folders:
            path = folder / name
            if path.is_file() and is_inside(path, home, self._warnings):
                return path
        return None

    def _read(
        self, name: str, reader: Callable[[Iterable[str], str], Mapping[str, T]]
    ) -> dict[str, T]:
        path = self._find(name)
        if path is None:
            return {}
        _check_size(path, _MAX_LABELS_BYTES)
        try:
            with path.open(encoding="utf-8") as lines:
                return dict(reader(lines, str(path)))
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: is not text in UTF-8; fetch it again") from error

    def _ground_truth(self) -> dict[str, str]:
        truth = next(self._truths(), None)
        if truth is None or not self.ilsvrc_ids:
            return {}
        wnids = {number: wnid for wnid, number in self.ilsvrc_ids.items()}
        labels = {}
        _check_size(truth, _MAX_LABELS_BYTES)
        with truth.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    labels[f"ILSVRC2012_val_{number:08d}"] = wnids[int(line)]
                except (ValueError, KeyError) as error:
                    raise DataError(
                        f"{truth}: line {number} is not an ilsvrc_id of map_clsloc.txt"
                    ) from error
        return labels

    def _truths(self) -> Iterator[RawPath]:
        for home, folder in self._folders:
            names = [e.name for e in entries(folder)] if folder.is_dir() else []
            for name in names:
                is_truth = name.endswith("validation_ground_truth.txt")
                if is_truth and is_inside(folder / name, home, self._warnings):
                    yield folder / name


def read_mat(path: RawPath, number: str, words: str) -> tuple[dict[str, str], dict[str, int]]:
    """Read a devkit's meta*.mat: words and devkit numbers by wnid, of the leaves only.

    Source: the devkits' readme.txt; of ILSVRC2012's 1860 synsets, those without children are the
    1000 classes.

    Raises
    ------
    DataError
        If it is not a devkit's file.
    """
    rows = load_synsets(path)
    try:
        fields = rows.dtype.names
        leaves = [row for row in rows if "num_children" not in fields or not row["num_children"]]
        found = [(str(row["WNID"]), str(row[words]), int(row[number])) for row in leaves]
    except MAT_ERRORS as error:
        raise DataError(f"{path}: is not a devkit's meta file; fetch it again") from error
    found = [row for row in found if is_wnid(row[0])]
    return {wnid: text for wnid, text, _ in found}, {wnid: n for wnid, _, n in found}


def load_synsets(path: RawPath) -> Any:  # noqa: ANN401  # a record array
    """Load the synsets of a devkit's meta*.mat, one record each.

    Raises
    ------
    DataError
        If it is not a devkit's file.
    """
    from scipy.io import loadmat  # their import takes a while
    from scipy.io.matlab import MatReadError

    _check_size(path, _MAX_MAT_BYTES)
    try:
        with path.open("rb") as file:
            if not _mat_inflates_to_little(file):
                raise DataError(f"{path}: grows too large for a devkit's file; fetch it again")
            file.seek(0)
            rows = loadmat(file, squeeze_me=True)["synsets"]
        return np.atleast_1d(rows)
    except (*MAT_ERRORS, MatReadError) as error:
        raise DataError(f"{path}: is not a devkit's meta file; fetch it again") from error


def _check_size(path: RawPath, most_bytes: int) -> None:
    if path.stat().st_size > most_bytes:
        raise DataError(f"{path}: is too large for a devkit's file; fetch it again")


def _mat_inflates_to_little(file: BinaryIO) -> bool:
    """Say whether the compressed elements of a MATLAB 5 file come to a bounded number of bytes.

    SciPy inflates each whole, and a few megabytes can be gigabytes of zeros.
    Source: MAT-File Format, MathWorks, level 5: data elements.
    """
    left = _MAX_INFLATED_BYTES
    is_big = file.read(_MAT_HEADER_BYTES)[-2:] == b"MI"
    while len(tag := file.read(8)) == 8:
        kind, length = struct.unpack(">II" if is_big else "<II", tag)
        content = file.read(length)
        if kind == _MAT_COMPRESSED:
            left -= len(zlib.decompressobj().decompress(content, left + 1))
            if left < 0:
                return False
    return True


def _devkits(home: RawPath) -> list[RawPath]:
    """Find the devkits' data folders, also as they are unpacked: `ILSVRC2012_devkit_t12/data`."""
    names = (entry.name for entry in entries(home) if entry.is_dir)
    return [home / name / "data" for name in names if "devkit" in name.lower()]
