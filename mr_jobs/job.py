"""The base of the project's jobs, and how they read and write bundles on every runner.

A bundle is a SequenceFile of (image key, encoded image). Hadoop's own input and output formats read
and write it on a cluster, through typed bytes and raw bytes on the task's standard streams; the
inline and local runners, which know lines only, read and write the file here, by the same split
rule. Only mrjob's public hooks are used: `map_pairs`, `run_mapper`, `run_reducer`, `load_args`,
`parse_output`.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import cv2
from mrjob.job import MRJob
from mrjob.step import MRStep

from mr_jobs.lib import typedbytes
from mr_jobs.lib.selection import Selection
from mr_jobs.lib.sequencefile import Reader, Writer
from mr_jobs.one_thread import one_thread

ROOT = Path(__file__).resolve().parents[1]


class ImageJob(MRJob):  # type: ignore[misc]  # mrjob ships no types
    """An MRJob that ships `mr_jobs` to its tasks and reads the project's `mrjob.conf`."""

    DIRS: ClassVar[list[str]] = [str(ROOT / "mr_jobs")]

    _channel: BinaryIO | None = None

    def configure_args(self) -> None:
        """Take the project's mrjob.conf as the default one."""
        super().configure_args()
        conf = ROOT / "mrjob.conf"
        if conf.exists():  # absent on a task node
            self.arg_parser.set_defaults(conf_paths=[str(conf)])

    def load_args(self, args: list[str]) -> None:
        """Make local input paths absolute, and let tasks of a process use this interpreter."""
        if {"-h", "--help"} & set(args):  # mrjob's own help says nothing of what the job does
            print(sys.modules[type(self).__module__].__doc__)  # noqa: T201
        super().load_args(args)
        if self.is_task():
            return
        self.options.args = [
            file
            for path in self.options.args
            for file in ([path] if "://" in path or path == "-" else self._data_files(Path(path)))
        ]
        if self.options.runner in ("local", "hadoop") and not self.options.python_bin:
            self.options.python_bin = sys.executable

    def dirs(self) -> list[str]:
        """Ship nothing to tasks of this process."""
        return [] if self.options.runner in (None, "inline") else list(super().dirs())

    def _data_files(self, path: Path) -> list[str]:
        """List what Hadoop would read, by absolute paths: a task runs in a directory of its own."""
        path = path.resolve()
        if not path.is_dir():
            return [str(path)]
        files = [str(file) for file in sorted(path.iterdir()) if file.name[0] not in "._"]
        if not files:
            self.arg_parser.error(f"no input files in {path}")
        return files

    def mapper_init(self) -> None:
        """Keep OpenCV to the one core that YARN gives a task."""
        cv2.setNumThreads(1)

    def count(self, what: str, n: int = 1) -> None:
        """Count images, in the counter group `images`."""
        self.increment_counter("images", what, n)

    def run_mapper(self, step_num: int = 0) -> None:
        """Run the map task with standard output guarded against stray prints."""
        with self._as_task():
            super().run_mapper(step_num)

    def run_reducer(self, step_num: int = 0) -> None:
        """Run the reduce task with standard output guarded against stray prints."""
        with self._as_task():
            super().run_reducer(step_num)

    @property
    def stdout(self) -> BinaryIO:
        """The task's data channel."""
        channel: BinaryIO = self._channel or super().stdout
        return channel

    @contextlib.contextmanager
    def _as_task(self) -> Iterator[None]:
        """Compute on one core, and keep the data channel free of what else is printed."""
        channel = self.stdout
        own_process = channel is getattr(sys.stdout, "buffer", None)
        if own_process:  # then C code that writes to file descriptor 1 is kept out, too
            sys.stdout.flush()
            channel = os.fdopen(os.dup(1), "wb")
            os.dup2(2, 1)
        self._channel = channel
        printed = io.TextIOWrapper(self.stderr, "utf-8", write_through=True)
        try:
            with one_thread(), contextlib.redirect_stdout(printed):
                yield
        finally:
            self._channel = None
            printed.detach()
            if own_process:
                channel.close()
            else:
                channel.flush()


class Location(NamedTuple):
    """Where a record is: bundle file name, byte offset and length of the record."""

    bundle: str
    offset: int
    length: int


class BundleInput(ImageJob):
    """A job whose first step maps the records of SequenceFiles: `mapper(key, value)`.

    `key` is str, `value` bytes; `self.location` says where the record at hand is. With
    `--selection FILE` the mapper gets the selected records only; the others are counted as
    images/unselected.
    """

    HADOOP_INPUT_FORMAT = "org.apache.hadoop.mapred.SequenceFileInputFormat"
    MAP_JOBCONF: ClassVar[dict[str, str]] = {"stream.map.input": "typedbytes"}

    location: Location

    def configure_args(self) -> None:
        """Take the file of a selection."""
        super().configure_args()
        self.add_file_arg(
            "--selection",
            default=None,
            metavar="FILE",
            help="take these images only: a file of mr_jobs.lib.selection (default: all)",
        )

    def map_pairs(
        self, pairs: Iterable[tuple[Any, Any]], step_num: int = 0
    ) -> Iterator[tuple[Any, Any]]:
        """Hand the records of the input split to the first step's mapper."""
        yield from super().map_pairs(self._selected() if step_num == 0 else pairs, step_num)

    def image_key(self, key: str) -> str:
        """Return the key of a record's image, by which it is selected; a record's own key is it."""
        return key

    def _selected(self) -> Iterator[tuple[str, bytes]]:
        if self.options.selection is None:
            yield from self._records()
            return
        selection = Selection.load(Path(self.options.selection))
        for key, value in self._records():
            if self.image_key(key) in selection:
                yield key, value
            else:
                self.count("unselected")

    def _records(self) -> Iterator[tuple[str, bytes]]:
        path = unquote(urlsplit(os.environ["mapreduce_map_input_file"]).path)
        start = int(os.environ["mapreduce_map_input_start"])
        if "stream_map_input_writer_class" in os.environ:  # set by Hadoop streaming alone
            yield from self._streamed_records(Path(path).name, at_start=start == 0)
            return
        end = start + int(os.environ["mapreduce_map_input_length"])
        with Path(path).open("rb") as file:
            for record in Reader(file, path).records(start, end):
                self.location = Location(Path(path).name, record.offset, record.length)
                yield _text(record.key), _bytes(record.value)

    def _streamed_records(self, bundle: str, *, at_start: bool) -> Iterator[tuple[str, bytes]]:
        """Decode Hadoop's typed bytes; the offsets follow from the format's rule for sync markers.

        They are known in the first input split of a file only; elsewhere they are -1.
        """
        same_layout = Writer(cast(BinaryIO, _Nowhere()))
        for key, encoded in typedbytes.read_pairs(self.stdin):
            offset = same_layout.append(key, encoded)
            length = 16 + len(key) + len(encoded)  # record, key, and two BytesWritable lengths
            self.location = Location(bundle, offset if at_start else -1, length)
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
