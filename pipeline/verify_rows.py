"""The part of `bin/pipeline verify` that knows HBase: the rows of a table are read by a job.

What a bundle is to the others, a place is here: the rows of one salt and one ingest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mr_jobs.hbase_images import audited
from mr_jobs.lib.audit import Figures, Stored
from mr_jobs.lib.errors import ClusterError, DataError, JobError
from mr_jobs.lib.hbase_rows import N_SALTS, SaltRange, divide, salt_of_place
from mr_jobs.lib.records import NULL
from mr_jobs.mr_verify_rows import MRVerifyRows
from pipeline.audit import Audit
from pipeline.hbase_store import Place
from pipeline.image_jobs import slots_of, write_lists
from pipeline.images import Images
from pipeline.job_arguments import JobSpec
from pipeline.jobs import run_job
from pipeline.progress import Progress

_WORK = "work/verify"
_TASK_BYTES = 1 << 29


def audits_of_rows(
    images: Images, place: Place, catalogued: Mapping[str, Figures], runner: str, progress: Progress
) -> dict[str, Audit]:
    """Run the job; return what it says of each place.

    Raises
    ------
    JobError
        Not every salt was read.
    """
    if not catalogued and not _is_there(place):
        return {}  # nothing was ever put
    store, lists, output = images.store, f"{_WORK}/lists", f"{_WORK}/audits"
    store.delete(_WORK)
    n_bytes = sum(figures.n_bytes for figures in catalogued.values())
    n_tasks = max(slots_of(images), -(-n_bytes // _TASK_BYTES))
    write_lists(store, lists, divide(range(N_SALTS), n_tasks))
    spec = JobSpec(
        name="verify",
        job=MRVerifyRows,
        inputs=[store.uri(lists)],
        store=store,
        output=output,
        args=["--hbase", str(place.address)],
        counter="verified",
        total=sum(figures.n_images for figures in catalogued.values()),
    )
    counts = run_job(spec, runner, images.name, progress, images.cluster).counters
    if counts.get("salts", 0) != N_SALTS:
        raise JobError(
            f"verify: {counts.get('salts', 0)} salts of {N_SALTS} were read; run it again"
        )
    audits = {}
    for path in store.files(output):
        with store.open(path) as file:
            for line in file:
                name, *figures, problem = line.decode().rstrip("\n").split("\t")
                told = None if problem == NULL else problem
                audits[name] = Audit(Figures.from_fields(*figures), None, told)
    store.delete(_WORK)
    return audits


def _is_there(place: Place) -> bool:
    with place.open() as table:
        return table.exists()


def images_of_place(place: Place, name: str) -> Iterator[Stored]:
    """Yield the images that can be read of a place."""
    try:
        salt = salt_of_place(name)
        with place.open() as table:
            for row in audited(table, SaltRange(salt, salt, None)):
                if row.place == name and row.image:
                    yield row.image
    except (ClusterError, DataError):
        return  # the job's sentence says what is wrong
