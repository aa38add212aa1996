"""Passes of a run over descriptors or vectors, whose results are sums: by a job, or here."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from mrjob.parse import parse_mr_job_stderr

from mr_jobs.lib.sums import Sums
from mr_jobs.summing_job import SummingJob
from pipeline.progress import Progress
from pipeline.step import Context, Step
from pipeline.step_job import run_step_job
from pipeline.stores import Store
from pipeline.sums import read_sums, stored_records

_MB = 1 << 20


def run_pass(
    context: Context,
    progress: Progress,
    step: Step,
    job: type[SummingJob],
    source: str,
    total: int,
    args: Sequence[str],
    *,
    jobconf: Sequence[str] = (),
) -> tuple[Sums, dict[str, int]]:
    """Go once through a directory of SequenceFiles, and add up what `job` does.

    A pass over little is made in this process, by the job's own code: it takes a second or two,
    and a job on Hadoop several to start (`[passes] here_mb`). The sums are exact, so that they are
    the same.

    Parameters
    ----------
    source : the directory, in the run's store.
    total : the number of records to come, for the display of progress.
    args : options of the job; files among them are given by their URIs in the run's store.

    Returns
    -------
    The sums, flat arrays by name, and the job's counters of the group `images`.

    Raises
    ------
    DataError
        A record is damaged, or a chunk of the sums is missing.
    """
    store = context.store
    names = store.files(source)
    if sum(map(store.size, names)) <= context.config.passes.here_mb * _MB:
        return _sum_here(store, names, job, args)
    made = f"work/sums-{step.name}"
    counters = run_step_job(
        context, progress, step, job, [store.uri(source)], ("read", total), args,
        into=(store, made), jobconf=jobconf,
    )  # fmt: skip
    sums = read_sums(store, made)
    store.delete(made)
    return sums, counters


def _sum_here(
    store: Store, names: Sequence[str], job: type[SummingJob], args: Sequence[str]
) -> tuple[Sums, dict[str, int]]:
    told = io.BytesIO()
    with TemporaryDirectory(prefix="pipeline-pass-") as scratch:
        task = job(["-r", "inline", *_local(store, args, Path(scratch))])
        task.sandbox(stdin=io.BytesIO(), stdout=io.BytesIO(), stderr=told)
        records = stored_records(store, names, "holds no descriptors or vectors")
        sums = task.sum_up(records)
    counters = parse_mr_job_stderr(told.getvalue())["counters"]
    return sums, dict(counters.get("images", {}))


def _local(store: Store, args: Sequence[str], scratch: Path) -> Iterator[str]:
    """Bring files that are options into a local directory."""
    root = f"{store.uri('')}/"
    for number, arg in enumerate(args):
        if "://" not in arg:
            yield arg
            continue
        copy = scratch / f"{number}-{Path(urlsplit(arg).path).name}"
        with closing(store.open(arg.removeprefix(root))) as file:
            copy.write_bytes(file.read())
        yield str(copy)
