"""How fast this machine multiplies, and what a process takes that has done nothing yet."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

import numpy as np

from mr_jobs.lib import packed

_SHORT, _ROWS = 2048, 512  # length and number of the vectors that products are timed on
_TELL = """
import time
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0], time.process_time())
"""


def speeds() -> dict[str, float]:
    """Return multiplications in a second, on the threads that there are.

    Returns
    -------
    products_per_s : adding outer products to a symmetric matrix, of which the half that is kept
        counts; single_per_s : a product of matrices in single precision; solved_per_s : equations;
    swept_per_s : a matrix that is read from memory, times one vector.
    """
    random = np.random.default_rng(0)
    rows = random.standard_normal((_ROWS, _SHORT))
    single = rows.astype(np.float32)
    total = packed.zeros(_SHORT)
    products_s = _seconds(lambda: packed.add_products(total, rows), 4)
    total[packed.diagonal(_SHORT)] += 4 * _ROWS
    large, one = np.ones((2 * _SHORT, _SHORT)), np.ones(_SHORT)
    return {
        "products_per_s": _ROWS * _SHORT**2 / 2 / products_s,
        "single_per_s": _ROWS * _ROWS * _SHORT / _seconds(lambda: single @ single.T, 8),
        "solved_per_s": _SHORT**3 / 6 / _seconds(lambda: packed.solve(total, rows[:8].T), 1),
        "swept_per_s": large.size / _seconds(lambda: large @ one, 4),
    }


def _seconds(function: Callable[[], object], times: int) -> float:
    """Return the CPU seconds of a call, on average."""
    began = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - began) / times


@cache
def begun(imports: str) -> tuple[float, float]:
    """Return the most MiB, and the CPU seconds, of a process that only imports modules."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {imports}\n{_TELL}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    kib, seconds = map(float, done.stdout.split())
    return kib / 1024, seconds
