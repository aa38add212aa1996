"""Do tasks one after the other in a thread, while the caller prepares the next ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType


class InOrder(AbstractContextManager["InOrder"]):
    """Tasks in the order in which they are given; after one that fails none is begun.

    Parameters
    ----------
    most_waiting : a further task waits until fewer than this many are not done yet.
    """

    def __init__(self, most_waiting: int) -> None:
        self._executor = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()
        self._most_waiting = most_waiting
        self._failed = False

    def submit(self, task: Callable[[], None]) -> None:
        """Take a task; raise what an earlier one failed with."""
        while len(self._waiting) >= self._most_waiting or (
            self._waiting and self._waiting[0].done()
        ):
            self._waiting.popleft().result()
        self._waiting.append(self._executor.submit(self._do, task))

    def _do(self, task: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            task()
        except BaseException:
            self._failed = True
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all tasks; after an error, only for the one that is being done."""
        self._executor.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for future in self._waiting:
                future.result()
