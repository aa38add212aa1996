"""How the project's jobs read and write bundles on every runner.

A bundle is a SequenceFile of (image key, encoded image). Hadoop's own input and output formats read
and write it on a cluster, through typed bytes and raw bytes on the task's standard streams. The
inline and local runners know lines only: there a task is given the list of its input splits, which
it reads where they lie, by Hadoop's split rule. Only mrjob's public hooks are used: `load_args`,
`map_pairs`, `run_mapper`, `run_reducer`, `parse_output`.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from mr_jobs.image_job import ROOT, SIMULATED, ImageJob

# isort: split
from mrjob.step import MRStep

from mr_jobs.lib import typedbytes
from mr_jobs.lib.hbase_rows import Place
from mr_jobs.lib.input_splits import divide, from_line, to_line
from mr_jobs.lib.selection import Selection
from mr_jobs.lib.sequencefile import Reader, Writer, open_reader

__all__ = [
    "ROOT",
    "BundleInput",
    "BundleOutput",
    "ImageJob",
    "Location",
    "MRStep",
    "WholeBundleInput",
    "bundle_step",
]


class Location(NamedTuple):
    """Where a record is: bundle file name, byte offset and length of the record."""

    bundle: str
    offset: int
    length: int


class BundleInput(ImageJob):
    """A job whose first step maps the records of SequenceFiles: `mapper(key, value)`.

    `key` is str, `value` bytes. With `--selection FILE` the mapper gets the selected records only;
    the others are counted as images/unselected.
    """

    # A task takes several bundles, or a part of one, of up to so many bytes together.
    HADOOP_INPUT_FORMAT = "org.apache.hadoop.mapred.lib.CombineSequenceFileInputFormat"
    JOBCONF: ClassVar[dict[str, str]] = {
        "mapreduce.input.fileinputformat.split.maxsize": str(1 << 30)
    }
    RECORDS_WORTH_A_TASK: ClassVar[int] = 1000  # some seconds of decoding images
    MAP_JOBCONF: ClassVar[dict[str, str]] = {"stream.map.input": "typedbytes"}

    location: Location | Place

    def configure_args(self) -> None:
        """Take the file of a selection."""
        super().configure_args()
        self.add_file_arg(
            "--selection",
            default=None,
            metavar="FILE",
            help="take these images only: a file of mr_jobs.lib.selection (default: all)",
        )

    def load_args(self, args: list[str]) -> None:
        """Divide the bundles among the tasks of the inline and local runners: one list a task."""
        super().load_args(args)
        if self.is_task() or self.options.runner not in SIMULATED or not self.options.args:
            return
        if not self.reads_bundles():
            return
        folder = Path(tempfile.mkdtemp(prefix="input-splits-", dir=self.options.local_tmp_dir))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        try:
            files = [(path, Path(path).stat().st_size) for path in self.options.args]
        except OSError as error:
            self.arg_parser.error(f"cannot read the input {error.filename}: {error.strerror}")
        lists: list[Path] = []
        for splits in divide(files, self.options.num_cores or os.cpu_count() or 1):
            lists.append(folder / f"{len(lists):05}")
            lists[-1].write_text(to_line(splits))
        self.options.args = list(map(str, lists))

    def reads_bundles(self) -> bool:
        """Say whether the input are SequenceFiles, and not lists of what is elsewhere."""
        return True

    def map_pairs(
        self, pairs: Iterable[tuple[Any, Any]], step_num: int = 0
    ) -> Iterator[tuple[Any, Any]]:
        """Hand the records of the input split to the first step's mapper."""
        yield from super().map_pairs(
            self.selected(self._records()) if step_num == 0 else pairs, step_num
        )

    def image_key(self, key: str) -> str:
        """Return the key of a record's image, by which it is selected; a record's own key is it."""
        return key

    def selected(self, records: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        """Yield the selected ones of records."""
        if self.options.selection is None:
            yield from records
            return
        selection = Selection.load(Path(self.options.selection))
        for key, value in records:
            if self.image_key(key) in selection:
                yield key, value
            else:
                self.count("unselected")

    def _records(self) -> Iterator[tuple[str, bytes]]:
        if "stream_map_input_writer_class" in os.environ:  # set by Hadoop streaming alone
            yield from self._streamed_records()
            return
        for path, start, length in (split for line in self.stdin for split in from_line(line)):
            bundle = Path(path).name
            with open_reader(Path(path)) as reader:
                for record in reader.records(start, start + length):
                    self.location = Location(bundle, record.offset, record.length)
                    yield _text(record.key), _bytes(record.value)

    def _streamed_records(self) -> Iterator[tuple[str, bytes]]:
        """Decode Hadoop's typed bytes."""
        for key, encoded in typedbytes.read_pairs(self.stdin):
            yield key.decode(), encoded


class WholeBundleInput(BundleInput):
    """A job each of whose tasks reads one bundle from its start: `self.location` is known."""

    HADOOP_INPUT_FORMAT = "org.apache.hadoop.mapred.SequenceFileInputFormat"
    JOBCONF: ClassVar[dict[str, str]] = {
        "mapreduce.input.fileinputformat.split.minsize": str(1 << 60)
    }

    def _streamed_records(self) -> Iterator[tuple[str, bytes]]:
        """Decode Hadoop's typed bytes; offsets follow from the format's rule for sync markers."""
        path = unquote(urlsplit(os.environ["mapreduce_map_input_file"]).path)
        bundle = Path(path).name
        same_layout = Writer(cast(BinaryIO, _Nowhere()))
        for key, encoded in typedbytes.read_pairs(self.stdin):
            offset = same_layout.append(key, encoded)
            length = 16 + len(key) + len(encoded)  # record, key, and two BytesWritable lengths
            self.location = Location(bundle, offset, length)
            yield key.decode(), encoded


class BundleOutput(ImageJob):
    """A job whose last step yields (key: str, value: bytes) into SequenceFiles, one a task."""

    HADOOP_OUTPUT_FORMAT = "org.apache.hadoop.mapred.SequenceFileOutputFormat"

    def run_mapper(self, step_num: int = 0) -> None:
        """Run the map task; if it is the job's last, write a bundle."""
        if not self._writes_bundle(step_num, "mapper"):
            super().run_mapper(step_num)
            return
        with self._as_task():
            read, _ = self.pick_protocols(step_num, "mapper")
            lines = (read(line.rstrip(b"\r\n")) for line in self.stdin)
            self._write_bundle(self.map_pairs(lines, step_num), "stream_map_output_reader_class")

    def run_reducer(self, step_num: int = 0) -> None:
        """Run the reduce task; if it is the job's last, write a bundle."""
        if not self._writes_bundle(step_num, "reducer"):
            super().run_reducer(step_num)
            return
        with self._as_task():
            read, _ = self.pick_protocols(step_num, "reducer")
            lines = (read(line.rstrip(b"\r\n")) for line in self.stdin)
            self._write_bundle(
                self.reduce_pairs(lines, step_num), "stream_reduce_output_reader_class"
            )

    def parse_output(self, chunks: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
        """Read one bundle's records from its bytes (for tests and small outputs)."""
        content = b"".join(chunks)
        if content:
            for record in Reader(io.BytesIO(content), "output").records():
                yield _text(record.key), _bytes(record.value)

    def _writes_bundle(self, step_num: int, task: str) -> bool:
        steps: list[Mapping[str, object]] = self.steps()
        last = "reducer" if steps[-1]["reducer"] else "mapper"
        return step_num == len(steps) - 1 and task == last

    def _write_bundle(
        self, pairs: Iterable[tuple[str, bytes]], hadoop_reader_variable: str
    ) -> None:
        out: BinaryIO = self.stdout
        if os.environ.get(hadoop_reader_variable, "").endswith("RawBytesOutputReader"):
            for key, value in pairs:
                name = key.encode()
                out.write(b"%b%b%b%b" % (_LENGTH(len(name)), name, _LENGTH(len(value)), value))
            return
        with Writer(out) as writer:
            for key, value in pairs:
                writer.append(key.encode(), value)


def bundle_step(
    *,
    mapper: Callable[..., Any],
    reducer: Callable[..., Any] | None = None,
    bundle_input: bool = False,
    bundle_output: bool = False,
    jobconf: Mapping[str, str] | None = None,
    **hooks: Callable[..., Any],
) -> MRStep:
    """Make the one step of a job, with Hadoop streaming told which of its ends are bundles.

    The settings are the step's: given to the whole job they would reach every step, and a second
    one would read its text as typed bytes.
    """
    settings = dict(jobconf or {})
    if bundle_input:
        settings |= BundleInput.MAP_JOBCONF
    if bundle_output:
        settings["stream.reduce.output" if reducer else "stream.map.output"] = "rawbytes"
    tasks: dict[str, Any] = {"mapper": mapper, **hooks}
    if reducer:
        tasks["reducer"] = reducer
    return MRStep(jobconf=settings, **tasks)


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written to it."""

    def writable(self) -> bool:
        return True

    def write(self, data: Sized) -> int:  # type: ignore[override]
        return len(data)


_LENGTH = struct.Struct(">i").pack


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"a bundle's value is BytesWritable, not {type(value).__name__}")
    return value
