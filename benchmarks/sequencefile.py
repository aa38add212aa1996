"""Measure reading and writing a bundle against a bare loop over the file and against tarfile.

Records are 20-100 kB of random bytes, like encoded images; the page cache is warm. Prints, for
each operation, the best of the rounds: MB/s, CPU microseconds per record and CPU time relative to
the bare loop of the same run.

    python -m benchmarks.sequencefile --records 5000 --rounds 3
"""

from __future__ import annotations

import argparse
import random
import tarfile
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from mr_jobs.lib.sequencefile import Writer, open_reader

BUFFER_BYTES = 1 << 17


class Contestants:
    """Write and read the same records in each way; every method handles all of them once."""

    def __init__(self, directory: Path, records: list[tuple[str, bytes]]) -> None:
        self._bare, self._bundle, self._tar = (directory / n for n in ("bare", "bundle", "tar"))
        self._records = records

    def write_bare(self) -> None:
        """Write the values alone."""
        with self._bare.open("wb", buffering=BUFFER_BYTES) as file:
            for _, value in self._records:
                file.write(value)

    def write_bundle(self) -> None:
        """Write an uncompressed SequenceFile."""
        with (
            self._bundle.open("wb", buffering=BUFFER_BYTES) as file,
            Writer(file, key_class="Text") as writer,
        ):
            for key, value in self._records:
                writer.append(key, value)

    def write_tar(self) -> None:
        """Write a tar by the standard library."""
        with tarfile.open(self._tar, "w") as tar:
            for key, value in self._records:
                info = tarfile.TarInfo(key)
                info.size = len(value)
                tar.addfile(info, BytesIO(value))

    def read_bare(self) -> None:
        """Read the values alone, their lengths known."""
        with self._bare.open("rb", buffering=BUFFER_BYTES) as file:
            for _, value in self._records:
                assert len(file.read(len(value))) == len(value)

    def read_bundle(self) -> None:
        """Read an uncompressed SequenceFile."""
        with open_reader(self._bundle) as reader:
            assert sum(1 for _ in reader.records()) == len(self._records)

    def read_keys(self) -> None:
        """Read the keys of a SequenceFile."""
        with open_reader(self._bundle) as reader:
            assert len(list(reader.keys())) == len(self._records)

    def read_tar(self) -> None:
        """Read every member of a tar by the standard library."""
        with tarfile.open(self._tar, "r:") as tar:
            for info in tar:
                member = tar.extractfile(info)
                assert member is not None
                assert len(member.read()) == info.size


def measure(action: Callable[[], None], rounds: int) -> tuple[float, float]:
    """Run `action` several times; return the best wall and the best CPU seconds."""
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng = random.Random(0)  # noqa: S311  # not a secret
    records = [
        (f"train/n01440764/n01440764_{i}.JPEG", rng.randbytes(rng.randint(20_000, 100_000)))
        for i in range(options.records)
    ]
    megabytes = sum(len(value) for _, value in records) / 1e6
    print(f"{len(records)} records, {megabytes:.0f} MB, best of {options.rounds}")
    print(f"{'operation':<14}{'MB/s wall':>10}{'MB/s CPU':>10}{'us CPU/record':>15}{'x bare':>8}")
    with tempfile.TemporaryDirectory() as directory:
        contestants = Contestants(Path(directory), records)
        for verb, names in (
            ("write", ("bare", "bundle", "tar")),
            ("read", ("bare", "bundle", "tar", "keys")),
        ):
            bare_cpu = 0.0
            for name in names:
                wall, cpu = measure(getattr(contestants, f"{verb}_{name}"), options.rounds)
                bare_cpu = bare_cpu or cpu
                micros = cpu / len(records) * 1e6
                print(
                    f"{verb + ' ' + name:<14}{megabytes / wall:>10.0f}{megabytes / cpu:>10.0f}"
                    f"{micros:>15.1f}{cpu / bare_cpu:>8.2f}"
                )


if __name__ == "__main__":
    main()
