"""One BLAS thread for a task, wherever it runs."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from threadpoolctl import threadpool_limits

_STARTED_WITH_ONE = os.environ.get("OMP_NUM_THREADS") == "1"


def one_thread() -> AbstractContextManager[object]:
    """Keep BLAS to one thread: the same bits everywhere, and as many tasks as cores.

    Tasks, and whatever bin/pipeline starts, have one from the beginning; then it costs nothing.
    """
    return nullcontext() if _STARTED_WITH_ONE else threadpool_limits(limits=1)
