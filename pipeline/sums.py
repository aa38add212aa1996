"""Read the SequenceFiles that jobs leave: records, and the sums of a summing job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    names = store.files(directory)
    return assemble(stored_records(store, names, "holds no sums; run the job again"))


def stored_records(
    store: Store, names: Iterable[str], else_told: str
) -> Iterator[tuple[str, bytes]]:
    """Yield the (key, value) of all records of some files, in their order.

    Raises
    ------
    DataError
        A key or value is not BytesWritable: the file's URI, and `else_told`.
    """
    for name in names:
        with closing(store.open(name)) as file:
            for record in Reader(file, store.uri(name)).records():
                if not (isinstance(record.key, bytes) and isinstance(record.value, bytes)):
                    raise DataError(f"{store.uri(name)}: {else_told}")
                yield record.key.decode(), record.value
