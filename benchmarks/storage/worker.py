"""Write and read the same records in one way, as often as standard input says.

    python -m benchmarks.storage.worker NAME FOLDER N_RECORDS

For each line `write` or `read` it prints wall seconds, CPU seconds, records and bytes of values.
The WebDataset one runs in .venv-bench, so nothing here needs more than the standard library.
"""

from __future__ import annotations

import io
import random
import resource
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from mr_jobs.lib.sequencefile import Writer, open_reader
from mr_jobs.lib.sequencefile_writer import BUFFER_BYTES

Records = list[tuple[str, bytes]]


def make_records(n_records: int) -> Records:
    """Make records of 20-100 kB that do not compress, like encoded images; always the same."""
    rng = random.Random(0)  # noqa: S311  # not a secret
    return [
        (f"train/n01440764/n01440764_{i}.JPEG", rng.randbytes(rng.randint(20_000, 100_000)))
        for i in range(n_records)
    ]


class Way(Protocol):
    """A way to keep records in a file."""

    def write(self, path: Path, records: Records) -> None:
        """Write all records."""

    def read(self, path: Path) -> Iterable[int]:
        """Read every record into memory; give the length of each value."""


class Bundle:
    """Ours: an uncompressed SequenceFile."""

    def write(self, path: Path, records: Records) -> None:
        """Write as the bundling job does."""
        with path.open("wb", buffering=BUFFER_BYTES) as file, Writer(file) as writer:
            for key, value in records:
                writer.append(key.encode(), value)

    def read(self, path: Path) -> Iterable[int]:
        """Read as the feature job does."""
        with open_reader(path) as reader:
            for record in reader.records():
                assert isinstance(record.value, bytes)
                yield len(record.value)


class Tarfile:
    """A tar by the standard library."""

    def write(self, path: Path, records: Records) -> None:
        """Write a member a record."""
        with tarfile.open(path, "w") as tar:
            for key, value in records:
                info = tarfile.TarInfo(key)
                info.size = len(value)
                tar.addfile(info, io.BytesIO(value))

    def read(self, path: Path) -> Iterable[int]:
        """Read every member."""
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                member = tar.extractfile(info)
                assert member is not None
                yield len(member.read())


class GnuTar:
    """A tar by GNU tar: made of files in the page cache, and read to a pipe."""

    def write(self, path: Path, records: Records) -> None:
        """Pack a folder, which the first call makes."""
        folder = path.with_suffix(".files")
        if not folder.exists():
            folder.mkdir()
            for number, (_, value) in enumerate(records):
                (folder / f"{number:06}").write_bytes(value)
        subprocess.run(["tar", "-cf", path, "-C", folder, "."], check=True)

    def read(self, path: Path) -> Iterable[int]:
        """Read all members, end to end, as one long value."""
        command = ["tar", "-xOf", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as tar:
            assert tar.stdout is not None
            while chunk := tar.stdout.read(1 << 16):
                yield len(chunk)


class WebDataset:
    """A tar by WebDataset's writer and reader."""

    def __init__(self) -> None:
        import webdataset  # type: ignore[import-not-found]  # in .venv-bench

        self._library: Any = webdataset

    def write(self, path: Path, records: Records) -> None:
        """Write a sample a record."""
        with self._library.TarWriter(str(path)) as tar:
            for key, value in records:
                tar.write({"__key__": key.removesuffix(".JPEG"), "jpeg": value})

    def read(self, path: Path) -> Iterable[int]:
        """Read every sample."""
        for sample in self._library.WebDataset(str(path), shardshuffle=False):
            yield len(sample["jpeg"])


WAYS: dict[str, type[Way]] = {
    "ours": Bundle,
    "tarfile": Tarfile,
    "gnu-tar": GnuTar,
    "webdataset": WebDataset,
}


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    """Do what standard input says."""
    name, folder, n_records = sys.argv[1:]
    way, path, records = WAYS[name](), Path(folder, name), make_records(int(n_records))
    way.write(path, records)  # GNU tar's files are made here
    for line in sys.stdin:
        verb = line.strip()
        if verb == "write":
            path.unlink()
        wall, cpu = time.perf_counter(), _cpu_s()
        if verb == "write":
            way.write(path, records)
            lengths = [len(value) for _, value in records]
        else:
            lengths = list(way.read(path))
        print(time.perf_counter() - wall, _cpu_s() - cpu, len(lengths), sum(lengths), flush=True)


if __name__ == "__main__":
    main()
