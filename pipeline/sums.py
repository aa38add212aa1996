"""Read the output of a summing job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.sequencefile import Reader
from mr_jobs.lib.sums import Sums, assemble
from pipeline.stores import Store


def read_sums(store: Store, directory: str) -> Sums:
    """Join the sums in all part files of a directory.

    Returns
    -------
    dict of name to the flat array, float64; empty when the job had no input.

    Raises
    ------
    DataError
        A chunk is missing, comes twice or is none.
    """
    return assemble(_records(store, directory))


def _records(store: Store, directory: str) -> Iterator[tuple[str, bytes]]:
    for name in store.files(directory):
        with closing(store.open(name)) as file:
            for record in Reader(file, store.uri(name)).records():
                if not (isinstance(record.key, bytes) and isinstance(record.value, bytes)):
                    raise DataError(f"{store.uri(name)}: holds no sums; run the job again")
                yield record.key.decode(), record.value
