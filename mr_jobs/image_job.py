"""The base of the project's jobs: where their code and input are, their counters and their cores.

Only mrjob's public hooks are used: `load_args`, `dirs`, `run_mapper`, `run_reducer`.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar

from mr_jobs import quick_mrjob  # noqa: F401  # before mrjob

# isort: split
from mrjob.job import MRJob

from mr_jobs.lib.input_splits import data_files
from mr_jobs.lib.sequencefile_writer import BUFFER_BYTES
from mr_jobs.one_thread import one_thread

ROOT = Path(__file__).resolve().parents[1]
SIMULATED = (None, "inline", "local")  # the runners without Hadoop; None is inline
_TELL_S = 1.0


class ImageJob(MRJob):  # type: ignore[misc]  # mrjob ships no types
    """An MRJob that ships `mr_jobs` to its tasks and reads the project's `mrjob.conf`."""

    DIRS: ClassVar[list[str]] = [str(ROOT / "mr_jobs")]

    _channel: BinaryIO | None = None

    def __init__(self, args: list[str] | None = None) -> None:
        self._counts: Counter[str] = Counter()
        self._tell_at = 0.0
        super().__init__(args)

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
        self.options.args = [file for path in self.options.args for file in self._files(path)]
        if self.options.runner in ("local", "hadoop") and not self.options.python_bin:
            self.options.python_bin = sys.executable
        if self.options.runner == "local":
            self.options.cmdenv = {"PYTHONPATH": str(ROOT), **(self.options.cmdenv or {})}

    def dirs(self) -> list[str]:
        """Ship nothing to tasks on this machine, nor what HDFS holds already as an archive."""
        shipped = any(path.endswith("#mr_jobs") for path in self.options.upload_archives or ())
        return [] if shipped or self.options.runner in SIMULATED else list(super().dirs())

    def _files(self, path: str) -> list[str]:
        """List the files of an input path; local ones absolutely, a task has its own directory."""
        if "://" in path or path == "-":
            return [path]
        files = data_files(Path(path))
        if not files:
            self.arg_parser.error(f"no input files in {path}")
        return files

    def mapper_init(self) -> None:
        """Keep OpenCV to the one core that YARN gives a task."""
        import cv2  # text jobs need none

        cv2.setNumThreads(1)

    def count(self, what: str, n: int = 1) -> None:
        """Count images, in the counter group `images`: told about once a second, and at the end."""
        self._counts[what] += n
        if time.monotonic() >= self._tell_at:
            self._tell_counts()

    def _tell_counts(self) -> None:
        for what, n in self._counts.items():
            self.increment_counter("images", what, n)
        self._counts.clear()
        self._tell_at = time.monotonic() + _TELL_S

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
            channel = os.fdopen(os.dup(1), "wb", BUFFER_BYTES)
            os.dup2(2, 1)
        self._channel = channel
        printed = io.TextIOWrapper(self.stderr, "utf-8", write_through=True)
        try:
            with one_thread(), contextlib.redirect_stdout(printed):
                yield
        finally:
            self._tell_counts()
            self._channel = None
            printed.detach()
            if own_process:
                channel.close()
            else:
                channel.flush()
