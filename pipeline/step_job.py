"""Run the job of a step, and see that its counts add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mr_jobs.job import ImageJob
from mr_jobs.lib.errors import JobError
from pipeline.job_arguments import JobSpec
from pipeline.jobs import run_job
from pipeline.progress import Progress
from pipeline.step import Context, Step
from pipeline.stores import Store


def run_step_job(  # noqa: PLR0913  # what a job is made of
    context: Context,
    progress: Progress,
    step: Step,
    job: type[ImageJob],
    inputs: Sequence[str],
    followed: tuple[str, int],
    args: Sequence[str],
    *,
    into: tuple[Store, str],
    jobconf: Sequence[str] = (),
) -> dict[str, int]:
    """Run a step's job; `followed` is the counter to show, and what it will come to.

    `into` is the store and the directory of the output. What the job cost goes to `context.jobs`.
    """
    store, output = into
    spec = JobSpec(
        name=step.name,
        job=job,
        inputs=inputs,
        store=store,
        output=output,
        args=args,
        jobconf=jobconf,
        counter=followed[0],
        total=followed[1],
    )
    result = run_job(spec, context.run.runner, context.run.run_id, progress, context.cluster)
    context.jobs.extend(result.facts)
    return result.counters


def check_counts(step: str, name: str, expected: int, parts: Mapping[str, int]) -> None:
    """Raise a JobError unless the parts add up to the expected number of what `name` says."""
    if sum(parts.values()) != expected:
        told = " + ".join(f"{count} {part}" for part, count in parts.items())
        raise JobError(
            f"{step}: the counts do not add up: {expected} {name}, but {told}; the step's input "
            "changed or lost records, run it again from `ingest`"
        )
