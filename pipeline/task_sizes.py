"""How many tasks a job over bundles or vectors gets on a cluster."""

from __future__ import annotations

from math import ceil

MAX_SHARES = 10  # a task lasts at most so many times as long as one that is worth its start
MAX_BYTES = 1 << 30  # so that a task which fails has not much to do again


def count_tasks(n_records: int, n_bytes: int, n_slots: int, *, worth: int) -> int:
    """Return the number of map tasks: few and large, and as many at a time as the cluster runs.

    Each task costs the start of a JVM and of a Python, 2 to 3 s of CPU.

    Parameters
    ----------
    n_records, n_bytes : what the job reads; a number of records that is not known is 0.
    n_slots : tasks that the cluster runs side by side.
    worth : records that are worth a task's start; fewer go into one task, which a small job runs
        inside its application master.

    Examples
    --------
    >>> count_tasks(900, 5 << 20, 2, worth=1000)
    1
    >>> count_tasks(20_000, 2 << 30, 2, worth=1000)
    2
    >>> count_tasks(100_000, 11 << 30, 2, worth=1000)
    12
    """
    if n_records <= worth and n_bytes <= MAX_BYTES:
        return 1
    waves = ceil(max(n_records / (worth * MAX_SHARES), n_bytes / MAX_BYTES) / n_slots)
    return min(n_slots * waves, max(ceil(n_records / worth), ceil(n_bytes / MAX_BYTES)))
