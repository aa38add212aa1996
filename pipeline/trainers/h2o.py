"""The trainers `h2o-glm` and `h2o-gbm`: H2O on this machine, over the shards of a run.

H2O keeps all vectors in its own memory; this process keeps none. The model is left as a MOJO, which
any JVM scores without a server; it is loaded and has to predict the same before it is kept.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from models.predictions import Prediction
from mr_jobs.lib.errors import ConfigError, JobError
from mr_jobs.lib.shown import shown
from pipeline.trainers import h2o_frames, h2o_models
from pipeline.trainers.base import PREDICT, START, TRAIN, Outcome, Task, Trainer, best_of
from pipeline.trainers.h2o_frames import ROW, Written
from pipeline.trainers.h2o_models import Fitted
from pipeline.trainers.h2o_server import Server, running

MOJO = "model.zip"
_BASE_MB = 768  # of the server's heap, without data
_HEAP_BYTES_A_VALUE = 24  # a value is 4 to 8 bytes, and a copy of the inner part is there meanwhile
_MOST_SHARE = 0.6  # of the memory that is available
_SAME = 1e-6  # probabilities of the model and its MOJO differ by rounding alone


def _run(task: Task, fit: Callable[[Any, Written], Fitted]) -> Outcome:
    folder = task.context.run.dir / task.name
    shutil.rmtree(folder, ignore_errors=True)  # of a pipeline that was killed
    try:
        with task.timed(TRAIN):
            written = h2o_frames.write(task, folder / "vectors")
        memory_mb = heap_mb(written, available_mb())
        with _server(task, folder / "server", memory_mb):
            return _work(task, fit, written, memory_mb, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(task: Task, folder: Path, memory_mb: int) -> Iterator[None]:
    """Have a server to talk to; what H2O complains of becomes an error of ours."""
    from h2o.exceptions import H2OError, H2OJobCancelled

    n_threads = len(os.sched_getaffinity(0))
    with ExitStack() as stack:
        with task.timed(START):
            server = stack.enter_context(running(folder, task.application, memory_mb, n_threads))
        try:
            with task.timed(START):
                stack.enter_context(_connected(server))
            yield
        except H2OJobCancelled as error:
            raise KeyboardInterrupt from error  # its client takes one for itself
        except (H2OError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of this machine: H2O's own have no number
            if server.process.poll() is not None:
                raise JobError(
                    f"{task.name}: H2O failed: its server ended, which had a heap of {memory_mb} "
                    "MiB; see that this machine has memory left, and run the same command again"
                ) from error
            told = shown(str(error).strip().split("\n")[0])
            raise JobError(f"{task.name}: H2O failed: {told}") from error


@contextmanager
def _connected(server: Server) -> Iterator[None]:
    """Have H2O's client talk to a server."""
    import h2o
    from h2o.job import H2OJob

    for name in [name for name in os.environ if name.lower() in ("http_proxy", "all_proxy")]:
        del os.environ[name]  # the server is here; this process has nothing else to do
    h2o.no_progress()
    with redirect_stdout(io.StringIO()):  # it says that there are newer versions
        h2o.connect(
            url=server.url,
            auth=(server.user, server.password),
            verbose=False,
            strict_version_check=True,
        )
    # As it is, it asks a server that has ended for a minute and a half.
    H2OJob._query_job_status_safe = lambda job: h2o.api(f"GET /3/Jobs/{job.job_key}")
    try:
        yield
    finally:
        h2o.connection().close()


def _work(
    task: Task,
    fit: Callable[[Any, Written], Fitted],
    written: Written,
    memory_mb: int,
    folder: Path,
) -> Outcome:
    with task.timed(TRAIN):
        train = h2o_frames.load(written.train, written.n_train)
        train = _with_classes(train, task.classes)
        fitted = fit(train, written)
    mojo = fitted.model.download_mojo(str(task.folder / MOJO))
    with task.timed(PREDICT):
        predictions = _predict(task, fitted, written, Path(mojo), folder) if task.n_val else []
    return Outcome(
        predictions,
        written.n_train,
        written.n_features,
        {**fitted.parameters, "heap_mib": memory_mb},
        {"h2o": version("h2o")},
        fitted.warnings,
    )


def _with_classes(train: Any, wnids: list[str]) -> Any:  # noqa: ANN401  # h2o has no types
    """Make a frame's labels classes, and call them by their wnids."""
    train[h2o_frames.LABEL] = train[h2o_frames.LABEL].asfactor().set_levels(wnids)
    return train


def _predict(
    task: Task, fitted: Fitted, written: Written, mojo: Path, folder: Path
) -> list[Prediction]:
    """Return the model's predictions of val, after its MOJO made the same."""
    import h2o

    val = h2o_frames.load(written.val, len(written.keys))
    again = h2o.import_mojo(str(mojo))
    rows = [
        h2o_frames.fetch(val[ROW].cbind(each.predict(val)), folder / f"{name}.csv")
        for name, each in (("model", fitted.model), ("mojo", again))
    ]
    found: dict[int, Prediction] = {}
    for row, row_again in zip(*rows, strict=True):
        index = int(row[0])
        scores, scores_again = (np.array(each[2:], float) for each in (row, row_again))
        if row[:2] != row_again[:2] or np.abs(scores - scores_again).max() > _SAME:
            raise JobError(
                f"{task.name}: the saved model predicts {written.keys[index]} otherwise than the "
                "trained one; nothing is saved, run the same command again"
            )
        best = best_of(task.classes, scores, task.top_k)
        found[index] = Prediction(written.keys[index], tuple(best))
    return list(found.values())


def heap_mb(written: Written, available: int) -> int:
    """Return the MiB that the server needs for the vectors.

    Raises
    ------
    ConfigError
        They are more than this machine can give.
    """
    n_values = (written.n_train + len(written.keys)) * written.n_features
    needed = _BASE_MB + n_values * _HEAP_BYTES_A_VALUE // (1 << 20)
    if needed > available * _MOST_SHARE:
        raise ConfigError(
            f"H2O keeps all vectors in memory and needs some {needed} MiB for "
            f"{written.n_train} + {len(written.keys)} images of {written.n_features} values; "
            f"{available} MiB are free here, of which it takes {_MOST_SHARE:.0%} at most: choose "
            "fewer features in pipeline.toml, or another trainer"
        )
    return needed


def available_mb() -> int:
    """Return the MiB that this machine can give without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 1 << 20  # not told


H2O_GLM = Trainer(
    "h2o-glm",
    "H2O: multinomial logistic regression, in the memory of a server on this machine",
    "h2o",
    partial(_run, fit=h2o_models.fit_glm),
)
H2O_GBM = Trainer(
    "h2o-gbm",
    "H2O: gradient boosted trees, in the memory of a server on this machine",
    "h2o",
    partial(_run, fit=h2o_models.fit_gbm),
)
