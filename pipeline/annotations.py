r"""Write the tables of boxes and synsets of an image store.

    boxes/boxes.tsv      image_id split wnid box xmin ymin xmax ymax image_width image_height
                         truncated difficult source
    synsets/synsets.tsv  wnid class_index ilsvrc_id words
    refused/annotations.tsv  source member reason

`box` counts from 0 in an image; corners are pixels of the annotation's own image size; `source` is
`xml`, or `solution_csv` for images without an XML file. UTF-8, tabs between, `\N` for NULL.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any

import numpy as np

from mr_jobs.lib.imagenet import SPLITS, UNLABELLED
from mr_jobs.lib.rawtar import safe_name
from pipeline.annotation_files import annotation_files
from pipeline.layouts import AnnotationSource, RawData
from pipeline.progress import Progress
from pipeline.stores import Store
from pipeline.voc import Box, BoxFault, box_of, parse_voc

_CHUNK_CHARS = 1 << 20
_MAX_LINE_BYTES = 1 << 20
_SPOOLED_BYTES = 1 << 20
_RECENT_IDS = 1 << 16
_SPLIT_IN_NAME = re.compile(r"_(train|val|test)_")


def write_tables(
    data: RawData,
    store: Store,
    progress: Progress,
    *,
    classes: Iterable[str] = (),
    allow_damaged: bool = False,
) -> dict[str, Any]:
    """Write boxes and synsets, whatever is there of them; memory is 8 bytes an image.

    Parameters
    ----------
    classes : wnids that have images, for data without a list of its synsets.

    Returns
    -------
    counts: boxes, images (with boxes), xml and solution_csv (boxes of each), synsets, and refused,
    by reason.

    Raises
    ------
    DataError
        If a tar of annotations is damaged, unless `allow_damaged`.
    """
    work = _Boxes(data, progress, allow_damaged=allow_damaged)
    with work.refused_lines:
        store.write("boxes/boxes.tsv", _chunks(work.lines()))
        work.refused_lines.seek(0)
        store.write("refused/annotations.tsv", iter(lambda: work.refused_lines.read(1 << 20), b""))
    synsets = list(_synset_lines(data, classes))
    store.write("synsets/synsets.tsv", _chunks(synsets))
    return {**work.counts, "synsets": len(synsets), "refused": dict(work.refused)}


class _Boxes:
    """One pass over all annotations."""

    def __init__(self, data: RawData, progress: Progress, *, allow_damaged: bool) -> None:
        self.counts = Counter(boxes=0, images=0, xml=0, solution_csv=0)
        self.refused: Counter[str] = Counter()
        self.refused_lines = SpooledTemporaryFile(_SPOOLED_BYTES)  # noqa: SIM115  # closed above
        self._data = data
        self._progress = progress
        self._allow_damaged = allow_damaged
        self._seen = {"xml": IdSet(), "solution_csv": IdSet()}

    def lines(self) -> Iterator[str]:
        """Yield the rows; Kaggle's csv files come last and only tell what no XML file does."""
        sources = sorted(self._data.annotations, key=lambda source: source.kind == "csv")
        for number, source in enumerate(sources):
            self._progress.update(number, len(sources), "sources of annotations")
            yield from self._csv_lines(source) if source.kind == "csv" else self._xml_lines(source)

    def _xml_lines(self, source: AnnotationSource) -> Iterator[str]:
        files = annotation_files(source, self._data.warnings, allow_damaged=self._allow_damaged)
        for file in files:
            try:
                if file.refused:
                    raise BoxFault(file.refused)
                boxes = parse_voc(file.encoded)
                image_id = image_id_of(file.name, frames=source.frames)
                if not self._seen["xml"].add(image_id):
                    raise BoxFault("second_annotation")
            except BoxFault as fault:
                self._refuse(source, file.name, fault)
                continue
            split = source.split or split_of(file.name)
            yield from self._rows(source, file.name, image_id, split, boxes, "xml")

    def _csv_lines(self, source: AnnotationSource) -> Iterator[str]:
        with source.path.open("rb") as file:
            number = 0
            while line := file.readline(_MAX_LINE_BYTES):
                number += 1
                if number == 1 and line.startswith(b"ImageId,"):
                    continue
                member = f"line {number}"
                try:
                    image_id, boxes = solution_row(line)
                    is_new = self._seen["solution_csv"].add(image_id)
                    if not is_new:
                        raise BoxFault("second_annotation")
                except BoxFault as fault:
                    self._refuse(source, member, fault)
                    continue
                if image_id not in self._seen["xml"]:
                    yield from self._rows(
                        source, member, image_id, source.split, boxes, "solution_csv"
                    )

    def _rows(
        self,
        source: AnnotationSource,
        member: str,
        image_id: str,
        split: str,
        boxes: Iterable[Box | BoxFault],
        kind: str,
    ) -> Iterator[str]:
        number = 0
        for box in boxes:
            if isinstance(box, BoxFault):
                self._refuse(source, member, box)
                continue
            facts = "\t".join(r"\N" if fact is None else str(fact) for fact in box[1:])
            yield f"{image_id}\t{split}\t{box.wnid}\t{number}\t{facts}\t{kind}\n"
            number += 1
        self.counts["boxes"] += number
        self.counts[kind] += number
        self.counts["images"] += number > 0

    def _refuse(self, source: AnnotationSource, member: str, fault: BoxFault) -> None:
        self.refused[str(fault)] += 1
        line = f"{safe_name(source.path.name)}\t{safe_name(member)}\t{fault}\n"
        self.refused_lines.write(line.encode())


def image_id_of(name: str, *, frames: bool = False) -> str:
    """Return the image_id of an XML file: its stem, for a frame with the video's name in front.

    >>> image_id_of("val/ILSVRC2015_val_00000000/000007.xml", frames=True)
    'ILSVRC2015_val_00000000__000007'
    """
    folder, _, last = name.rpartition("/")
    stem = last[: -len(".xml")]
    return safe_name(f"{folder.rpartition('/')[2]}__{stem}" if frames else stem)


def split_of(name: str) -> str:
    """Tell the split of an XML file in a tar by its path, else by its name; it is train otherwise.

    >>> [split_of(n) for n in ("val/a.xml", "n01/n01_7.xml", "ILSVRC2012_val_00000001.xml")]
    ['val', 'train', 'val']
    """
    parts = name.split("/")
    match = _SPLIT_IN_NAME.search(parts[-1])
    return next((part for part in parts[:-1] if part in SPLITS), match[1] if match else "train")


def solution_row(line: bytes) -> tuple[str, list[Box | BoxFault]]:
    """Read a line of Kaggle's LOC_*_solution.csv: `ImageId,wnid x1 y1 x2 y2 wnid x1 …`.

    Raises
    ------
    BoxFault
        If it is not one.
    """
    try:
        image_id, comma, prediction = line.decode().strip().partition(",")
    except UnicodeDecodeError as error:
        raise BoxFault("not_utf8") from error
    fields = prediction.split()
    if not comma or not image_id or len(fields) % 5:
        raise BoxFault("not_a_row")
    boxes: list[Box | BoxFault] = []
    for at in range(0, len(fields), 5):
        try:
            boxes.append(box_of(fields[at], [*fields[at + 1 : at + 5]]))
        except BoxFault as fault:
            boxes.append(fault)
    return safe_name(image_id), boxes


def _synset_lines(data: RawData, classes: Iterable[str]) -> Iterator[str]:
    words = data.words
    if not words:
        found = {*classes, *(source.wnid for source in data.sources)} - {"", UNLABELLED}
        words = dict.fromkeys(found, "")
    for class_index, wnid in enumerate(sorted(words)):
        number = data.ilsvrc_ids.get(wnid, r"\N")
        yield f"{wnid}\t{class_index}\t{number}\t{safe_name(words[wnid]) or wnid}\n"


def _chunks(lines: Iterable[str]) -> Iterator[bytes]:
    """Join lines to chunks that are worth a write."""
    waiting: list[str] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= _CHUNK_CHARS:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    yield "".join(waiting).encode()


class IdSet:
    """A set of image_ids, 8 bytes each: of their hashes, two of which are one in 2^64."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, np.int64)
        self._recent: set[int] = set()

    def __contains__(self, image_id: str) -> bool:
        return self._has(hash(image_id))

    def add(self, image_id: str) -> bool:
        """Add an image_id; say whether it is new."""
        number = hash(image_id)
        if self._has(number):
            return False
        self._recent.add(number)
        if len(self._recent) >= _RECENT_IDS:
            recent = np.frombuffer(array("q", self._recent), np.int64)
            self._sorted = np.sort(np.concatenate([self._sorted, recent]))
            self._recent.clear()
        return True

    def _has(self, number: int) -> bool:
        if number in self._recent:
            return True
        at = int(self._sorted.searchsorted(number))
        return at < len(self._sorted) and int(self._sorted[at]) == number
