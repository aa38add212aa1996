"""Read the synset tree of a data set, which says what is above its classes.

Two files tell it: `wordnet.is_a.txt` of image-net.org, all of WordNet, a parent and a child a line;
and the `meta.mat` of the ILSVRC2010 and ILSVRC2012 devkits, whose synsets name their children by
number (the devkits' readme.txt).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hierarchy import Edge, SynsetTree
from pipeline.layouts.labels import MAT_ERRORS, load_synsets
from pipeline.layouts.raw import RawPath

_NUMBERS = ("ILSVRC2012_ID", "ILSVRC2010_ID")


def read_tree(path: RawPath, wnids: Iterable[str]) -> SynsetTree | None:
    """Read a synset tree, trimmed to some synsets and all that is above them.

    Returns
    -------
    None where the file tells no tree, as the meta.mat of a later devkit, or one that knows fewer
    than two of the synsets.

    Raises
    ------
    DataError
        The file is damaged, or a synset is above itself.
    """
    if PurePosixPath(path.name).suffix == ".mat":
        tree = SynsetTree(_mat_edges(path), str(path))
    else:
        try:
            with path.open(encoding="utf-8") as lines:
                tree = SynsetTree.from_lines(lines, str(path))
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: is not text in UTF-8; fetch it again") from error
    known = [wnid for wnid in wnids if tree.above(wnid)]
    return tree.trimmed(known) if len(known) > 1 else None


def _mat_edges(path: RawPath) -> Iterator[Edge]:
    rows = load_synsets(path)
    fields = rows.dtype.names or ()
    number = next((name for name in _NUMBERS if name in fields), None)
    if number is None or "children" not in fields:
        return
    try:
        names = {int(row[number]): str(row["WNID"]) for row in rows}
        edges = [
            (str(row["WNID"]), names[child]) for row in rows for child in _children(row["children"])
        ]
    except MAT_ERRORS as error:
        raise DataError(f"{path}: is not a devkit's meta file; fetch it again") from error
    yield from edges


def _children(value: Any) -> list[int]:  # noqa: ANN401  # a number, or an array of them
    numbers = np.atleast_1d(value).ravel()
    return [int(number) for number in numbers if number]  # filled up with zeros
