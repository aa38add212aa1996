"""A job with next to nothing to do: its time is what any job on Hadoop costs before its work."""

from __future__ import annotations

from collections.abc import Iterator

from mr_jobs.job import ImageJob


class MREmpty(ImageJob):
    """Count the lines of a text file."""

    def mapper(self, _: object, line: str) -> Iterator[tuple[str, int]]:
        """Yield one line."""
        self.count("read")
        yield "lines", 1

    def reducer(self, name: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        """Yield their number."""
        yield name, sum(counts)


if __name__ == "__main__":
    MREmpty.run()
