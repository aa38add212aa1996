"""Progress of a step on standard error: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import NoReturn, Self, TextIO

from tqdm import tqdm

from mr_jobs.lib.shown import shown_lines

_LINE_EVERY_S = 10.0


class Progress(AbstractContextManager["Progress"]):
    """Show how far one step is.

    Parameters
    ----------
    step : the step's name, in front of every line.
    file : where to write; standard error by default.
    clock : seconds, for tests.
    bar : False writes lines on a terminal, too, where a result is written between them.
    """

    def __init__(
        self,
        step: str,
        file: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        bar: bool = True,
    ) -> None:
        self.step = step
        self._file = file or sys.stderr
        self._clock = clock
        self._shows_bar = bar and self._file.isatty()
        self._start = clock()
        self._last_line = self._start
        self._bar: tqdm[NoReturn] | None = None

    @property
    def seconds(self) -> float:
        """Seconds since the step began."""
        return self._clock() - self._start

    def note(self, text: str) -> None:
        """Write one line, whatever a hostile name in it holds."""
        tqdm.write(f"{self.step}: {shown_lines(text)}", file=self._file)

    def update(self, done: int, total: int, unit: str = "images") -> None:
        """Say that `done` of `total` are done."""
        if not total:
            return
        if self._shows_bar:
            if self._bar is None:
                self._bar = tqdm(
                    total=total, desc=self.step, unit=f" {unit}", file=self._file, leave=False
                )
            self._bar.total = total
            self._bar.update(done - self._bar.n)
            return
        now = self._clock()
        if now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            rate = done / max(now - self._start, 1e-9)
            eta = f", {(total - done) / rate:.0f} s left" if rate else ""
            self.note(f"{done}/{total} {unit}, {rate:.0f} {unit}/s{eta}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
