"""The base of the jobs whose result is sums: statistics, counts, weighted averages."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator

import numpy as np
from mrjob.protocol import RawProtocol
from mrjob.step import MRStep
from numpy.typing import ArrayLike, NDArray

from mr_jobs.job import BundleInput, BundleOutput, bundle_step
from mr_jobs.lib.sums import SUM_DTYPE, CompensatedSum, Sums, chunks

_KEY_SEPARATOR = "\x1f"  # in the shuffle, whose keys end at the first tab


class SummingJob(BundleInput, BundleOutput):
    """Map: add each record to the task's own sums. Reduce: add up the sums of all tasks.

    A subclass gives `add` and `totals`. A task sends its sums once, when all its records are read
    (in-mapper combining); it may send some before with `emit`. The output is SequenceFiles of
    chunks (`mr_jobs.lib.sums`); tasks without records add nothing to it.
    """

    RECORDS_WORTH_A_TASK = 20_000  # vectors are read in a fraction of the time of images
    INTERNAL_PROTOCOL = RawProtocol  # the simulated shuffle sorts lines: no binary values

    def steps(self) -> list[MRStep]:
        """Return the one step: sums of each task, then of all."""
        return [
            bundle_step(
                mapper_init=self.mapper_init,
                mapper=self.mapper,
                mapper_final=self.mapper_final,
                reducer=self.reducer,
                bundle_input=True,
                bundle_output=True,
            )
        ]

    def add(self, key: str, value: bytes) -> None:
        """Add a record to the task's sums."""
        raise NotImplementedError

    def totals(self) -> Iterable[tuple[str, NDArray[np.float64]]]:
        """Yield the name and array of each of the task's sums; called if there was a record."""
        raise NotImplementedError

    def sum_up(self, records: Iterable[tuple[str, bytes]]) -> Sums:
        """Add up records in this process, as the only task of the job would; flat arrays by name.

        The job's options name local files.
        """
        sums: Sums = {}
        with self._as_task():
            self.mapper_init()
            for key, value in self.selected(records):
                self._any_record = True
                self.add(key, value)
                _collect(sums, self._taken())
            _collect(sums, self._last())
        return sums

    def emit(self, name: str, array: ArrayLike) -> None:
        """Send a sum before the task ends; its memory is free for other use after `add`."""
        self._emitted.append((name, array))

    def mapper_init(self) -> None:
        """Begin with nothing read."""
        super().mapper_init()
        self._emitted: list[tuple[str, ArrayLike]] = []
        self._any_record = False

    def mapper(self, key: str, value: bytes) -> Iterator[tuple[str, str]]:
        """Add a record; yield what it made the task send."""
        self._any_record = True
        self.add(key, value)
        yield from _lines(self._taken())

    def mapper_final(self) -> Iterator[tuple[str, str]]:
        """Yield (chunk key, base64) of the task's sums."""
        yield from _lines(self._last())

    def reducer(self, chunk_key: str, values: Iterator[str]) -> Iterator[tuple[str, bytes]]:
        """Yield (chunk key, float64) of the sum over all tasks."""
        total = CompensatedSum()
        for value in values:
            total.add(np.frombuffer(binascii.a2b_base64(value or ""), SUM_DTYPE))
        summed = total.value().astype(SUM_DTYPE, copy=False)
        yield chunk_key.replace(_KEY_SEPARATOR, "\t"), summed.tobytes()

    def _taken(self) -> Iterator[tuple[str, ArrayLike]]:
        """Yield what was emitted, and forget it."""
        while self._emitted:
            yield self._emitted.pop(0)

    def _last(self) -> Iterator[tuple[str, ArrayLike]]:
        """Yield what a task sends at its end; nothing if it had no record."""
        if not self._any_record:
            return
        for name, array in self.totals():
            self.emit(name, array)
            yield from self._taken()
        yield from self._taken()  # what `totals` itself emitted


def _collect(sums: Sums, taken: Iterable[tuple[str, ArrayLike]]) -> None:
    """Add arrays to sums of their names, flat."""
    for name, array in taken:
        flat = np.asarray(array, np.float64).reshape(-1)
        sums[name] = sums[name] + flat if name in sums else flat


def _lines(taken: Iterable[tuple[str, ArrayLike]]) -> Iterator[tuple[str, str]]:
    """Yield arrays as chunks, for the shuffle."""
    for name, array in taken:
        for key, chunk in chunks(name, array):
            raw = chunk.astype(SUM_DTYPE, copy=False).tobytes()
            yield key.replace("\t", _KEY_SEPARATOR), _base64(raw)


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode()
