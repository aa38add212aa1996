"""A job that stands still until a file is there: what happens to it meanwhile is up to a test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from mr_jobs.job import ImageJob

LIMIT_S = 240.0
_POLL_S = 0.1


class MRGate(ImageJob):
    """Count the lines of a text file, in the map and again in the reduce."""

    def configure_args(self) -> None:
        """Take the files to wait for, on this machine."""
        super().configure_args()
        self.add_passthru_arg("--map-gate", default="/", help="each map task waits for it")
        self.add_passthru_arg("--reduce-gate", default="/", help="each reduce task waits for it")

    def mapper(self, _: object, line: str) -> Iterator[tuple[str, int]]:
        """Yield one line, once the gate is open."""
        self.count("read")
        self._tell_counts()
        _wait_for(self.options.map_gate)
        yield "lines", 1

    def reducer(self, name: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        """Yield the number of lines, once the gate is open."""
        _wait_for(self.options.reduce_gate)
        yield name, sum(counts)


def _wait_for(gate: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(_POLL_S)


if __name__ == "__main__":
    MRGate.run()
