"""Which parts of which files a map task reads, on the runners that have no Hadoop to say so.

Such a runner hands its tasks lines of text and nothing else; so each task gets one line, which
lists its input splits, and reads them itself. No byte of the input is copied.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

TASK_BYTES = 1 << 22  # about as much work as the start of a task's process


class InputSplit(NamedTuple):
    """A part of a file, from the byte `start`; `length` in bytes."""

    path: str
    start: int
    length: int


def data_files(path: Path) -> list[str]:
    """List what Hadoop would read of a path, by absolute paths: the data files of a directory.

    >>> data_files(Path("/data/part-00000"))
    ['/data/part-00000']
    """
    path = path.resolve()
    if not path.is_dir():
        return [str(path)]
    return [str(file) for file in sorted(path.iterdir()) if file.name[0] not in "._"]


def divide(files: Sequence[tuple[str, int]], n_tasks: int) -> list[list[InputSplit]]:
    """Divide files among tasks, in order, so that each reads about as many bytes.

    Parameters
    ----------
    files : path and size in bytes of each.
    n_tasks : how many tasks there are at most, fewer when there is little to read.

    Returns
    -------
    The splits of each task. Every byte of every file is in one of them; a file without bytes is a
    split, too.

    >>> for splits in divide([("a", 6_000_000), ("b", 3_000_000)], 2):
    ...     print([tuple(split) for split in splits])
    [('a', 0, 4500000)]
    [('a', 4500000, 1500000), ('b', 0, 3000000)]
    """
    total = sum(size for _, size in files)
    n_tasks = max(1, min(n_tasks, total // TASK_BYTES))
    cuts = [total * task // n_tasks for task in range(1, n_tasks)]
    tasks: list[list[InputSplit]] = [[] for _ in range(n_tasks)]
    before = 0
    for path, size in files:
        inside = (cut - before for cut in cuts if before < cut < before + size)
        for start, end in pairwise((0, *inside, size)):
            tasks[bisect_right(cuts, before + start)].append(InputSplit(path, start, end - start))
        before += size
    return tasks


def to_line(splits: Sequence[InputSplit]) -> str:
    r"""Write a task's splits as one line, whatever the names of its files.

    >>> to_line([InputSplit("a\nb", 0, 7)])
    '[["a\\nb", 0, 7]]\n'
    """
    return json.dumps(splits) + "\n"


def from_line(line: bytes) -> list[InputSplit]:
    """Read a task's splits."""
    return [InputSplit(*split) for split in json.loads(line)]
