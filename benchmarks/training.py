"""Measure training: CPU seconds and error beside LinearSVC, and memory as the images grow.

    python -m benchmarks.training [--images N]
    python -m benchmarks.training --memory [--most N] [--plot docs/training-memory.svg]

Errors are those on 1,000 photographs of ../shared/data/imagenette10 after training on 2,500 others,
with the features that need no codebook; on made vectors where the photographs are not. One thread
computes, and CPU seconds of this process count. `--memory` trains on 1,000 to 200,000 made vectors
with the jobs of the pipeline on the local runner, each time in a process of its own, and prints the
most memory that this process (the driver) had, and a map task that read all these vectors.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from models.dataset import Pair, index_classes
from models.linear import Problem
from models.settings import ModelSettings
from models.train import fit, fit_passes
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.input_splits import InputSplit, to_line
from mr_jobs.lib.moments import Moments
from mr_jobs.lib.records import encode_vector, shard_key
from mr_jobs.lib.sequencefile import Writer
from pipeline.progress import Progress
from pipeline.step import Context, Step
from pipeline.stores import LocalStore
from pipeline.train_passes import JobPasses

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = ROOT.parent / "shared" / "data" / "imagenette10"
SPEC = FeatureSpec.from_dict({"features": ["hog", "hsv_pyramid", "lab_pixels"]})
COUNTS = (1_000, 5_000, 20_000, 50_000, 100_000, 200_000)
N_FEATURES, N_CLASSES = 512, 10
WNIDS = [f"n{number:08}" for number in range(N_CLASSES)]
Set = tuple[NDArray[np.float32], NDArray[np.str_]]


class Row(NamedTuple):
    """A classifier, CPU seconds of its training, and its error rates."""

    name: str
    seconds: float
    top1_error: float
    top5_error: float


def photographs(n_images: int) -> tuple[Set, Set]:
    """Return the vectors and wnids of training and test images."""
    train: list[tuple[bytes, str]] = []
    with tarfile.open(PHOTOGRAPHS / "ILSVRC2012_img_train.tar") as outer:
        for inner in outer.getmembers():
            with tarfile.open(fileobj=outer.extractfile(inner)) as tar:
                members = tar.getmembers()[: n_images // N_CLASSES]
                train += [(_read(tar, member), inner.name[:-4]) for member in members]
    lines = (PHOTOGRAPHS / "LOC_val_solution.csv").read_text().splitlines()[1:]
    wnids = {line.partition(",")[0]: line.partition(",")[2].split()[0] for line in lines}
    with tarfile.open(PHOTOGRAPHS / "ILSVRC2012_img_val.tar") as tar:
        test = [(_read(tar, m), wnids[Path(m.name).stem]) for m in tar.getmembers()]
    return _vectors(train), _vectors(test)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def _vectors(images: list[tuple[bytes, str]]) -> Set:
    vectors = np.stack([SPEC.extract(encoded) for encoded, _ in images])
    return vectors, np.array([wnid for _, wnid in images])


def made(n_images: int) -> tuple[Set, Set]:
    """Return vectors around ten centres, of which the classes overlap."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(N_CLASSES, SPEC.n_features))
    sets = []
    for n in (n_images, 1_000):
        y = np.arange(n) % N_CLASSES
        noise = 12 * rng.normal(size=(n, SPEC.n_features))
        sets.append(((centres[y] + noise).astype(np.float32), np.array(WNIDS)[y]))
    return sets[0], sets[1]


def compare(train: Set, test: Set) -> Iterator[Row]:
    """Train each classifier on the same vectors."""
    order = np.random.default_rng(0).permutation(len(train[1]))  # as shards are
    vectors, wnids = train[0][order], train[1][order]
    pairs: list[Pair] = [
        (ImageKey("train", wnid, str(row)), vectors[row]) for row, wnid in enumerate(wnids)
    ]
    classes = index_classes(wnids)

    def ours(wanted: ModelSettings) -> Callable[[], Any]:
        return lambda: fit(lambda: iter(pairs), classes, wanted, SPEC.parts()).estimator

    def theirs(tol: float) -> Callable[[], Any]:
        svc = make_pipeline(StandardScaler(), LinearSVC(dual="auto", random_state=0, tol=tol))
        return lambda: svc.fit(vectors.astype(np.float64), wnids)

    whole = ModelSettings(select_features=False)
    trainers = {
        "LDA of moments, shrinkage 0.6": ours(replace(whole, shrinkage=0.6)),
        "LDA of moments, shrinkage chosen": ours(whole),
        "LDA of moments, shrinkage and features chosen": ours(ModelSettings()),
        "LDA of moments, Ledoit-Wolf": ours(replace(whole, shrinkage="ledoit-wolf")),
        "ridge of moments, shrinkage chosen": ours(replace(whole, kind="ridge")),
        "averaged SGD, log loss": ours(replace(whole, kind="sgd")),
        "averaged SGD, hinge": ours(replace(whole, kind="sgd", sgd_loss="hinge")),
        "LinearSVC, tol 0.01": theirs(1e-2),
        "LinearSVC, default tol": theirs(1e-4),
    }
    for name, trainer in trainers.items():
        began = time.process_time()
        estimator = trainer()
        seconds = time.process_time() - began
        scores = estimator.decision_function(test[0].astype(np.float64))
        best = estimator.classes_[np.argsort(-scores, axis=1)]
        hits = best == test[1][:, np.newaxis]
        yield Row(name, seconds, 1 - hits[:, 0].mean(), 1 - hits[:, :5].any(axis=1).mean())


def path_seconds(train: Set, kind: str, n_shrinkages: int = 100) -> float:
    """Return the CPU seconds of the models of many shrinkages, once the vectors are summed up."""
    moments = Moments.empty(N_CLASSES, SPEC.n_features)
    moments.add(train[0], np.unique(train[1], return_inverse=True)[1])
    began = time.process_time()
    for _ in Problem(kind, moments).path(np.linspace(0.01, 0.99, n_shrinkages)):
        pass
    return time.process_time() - began


def write_shard(path: Path, n_images: int) -> None:
    """Write a sorted shard of made train vectors."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(N_CLASSES, N_FEATURES))
    keys = ((shard_key(f"train/{WNIDS[i % 10]}/{i}.JPEG", 0, 0, 0), i) for i in range(n_images))
    with path.open("wb") as file, Writer(file) as writer:
        for key, number in sorted(keys):
            vector = centres[number % N_CLASSES] + 4 * rng.normal(size=N_FEATURES)
            on_grid = (np.round(vector * 4096) / 4096).astype(np.float32)
            writer.append(key.encode(), encode_vector(on_grid))


def train_by_jobs(work: Path, n_images: int) -> dict[str, float]:
    """Train on the shards in `work`; return the MiB that this process had at most."""
    facts = SimpleNamespace(
        run=SimpleNamespace(runner="local", run_id="benchmark", where={}),
        config=SimpleNamespace(data=SimpleNamespace(seed=0), passes=SimpleNamespace(here_mb=0)),
        jobs=[],
        data=SimpleNamespace(has_val=True),
        cluster=None,
        store=LocalStore(work),
    )
    context = cast(Context, facts)
    step = cast(Step, SimpleNamespace(name="train"))
    passes = JobPasses(context, Progress("train"), step, WNIDS, n_images)
    parts = {"first": slice(0, 256), "second": slice(256, N_FEATURES)}
    fit_passes(passes, WNIDS, ModelSettings(), parts)
    passes.clear()
    status = Path("/proc/self/status").read_text()
    driver_kib = int(status.partition("VmHWM:")[2].split()[0])
    return {"images": n_images, "driver_mib": driver_kib / 1024}


def task_mib(shard: Path) -> float:
    """Run one map task of the moments' job over a whole shard; return the MiB it had at most."""
    wnids = shard.parents[1] / "wnids.txt"
    wnids.write_text("\n".join(WNIDS))
    split = InputSplit(str(shard), 0, shard.stat().st_size)
    done = subprocess.run(
        [sys.executable, "-c", _TASK, "--step-num=0", "--mapper", "--classes", str(wnids)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        input=to_line([split]),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return int(done.stderr.split()[-1]) / 1024


_TASK = """
import sys
from mr_jobs.mr_sum_moments import MRSumMoments
MRSumMoments.run()
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


def memory(counts: tuple[int, ...]) -> Iterator[dict[str, float]]:
    """Train on more and more images, each time in a new process."""
    for n_images in counts:
        with tempfile.TemporaryDirectory() as work:
            shard = Path(work) / "shards" / "part-00000"
            shard.parent.mkdir()
            write_shard(shard, n_images)
            program = [sys.executable, "-m", "benchmarks.training", "--measure", work]
            done = subprocess.run(
                [*program, "--images", str(n_images)],
                cwd=ROOT,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            yield {**json.loads(done.stdout), "task_mib": task_mib(shard)}


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Draw memory by images."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for name, label in (("driver_mib", "driver"), ("task_mib", "map task of all images")):
        axes.plot([row["images"] for row in rows], [row[name] for row in rows], "o-", label=label)
    axes.set(xscale="log", xlabel="training images", ylabel="peak memory, MiB")
    axes.set_ylim(0, 1.5 * max(max(row["driver_mib"], row["task_mib"]) for row in rows))
    axes.legend()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=2_500, help="(default: %(default)s)")
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--plot", type=Path, help="draw the memory, too; svg or png")
    parser.add_argument(
        "--most", type=int, default=COUNTS[-1], help="images (default: %(default)s)"
    )
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if args.measure:
        print(json.dumps(train_by_jobs(args.measure, args.images)))
        return
    if args.memory or args.plot:
        print("| images | driver, MiB | map task, MiB |\n| --- | --- | --- |")
        rows = []
        for row in memory(tuple(n for n in COUNTS if n <= args.most)):
            rows.append(row)
            print(f"| {row['images']:,} | {row['driver_mib']:.0f} | {row['task_mib']:.0f} |")
        if args.plot:
            plot(rows, args.plot)
        return
    there = PHOTOGRAPHS.is_dir()
    train, test = photographs(args.images) if there else made(args.images)
    what = "photographs" if there else "made vectors"
    print(f"{len(train[1])} {what} of {SPEC.n_features} numbers, tested on {len(test[1])}\n")
    print("| classifier | CPU seconds | top-1 error | top-5 error |\n| --- | --- | --- | --- |")
    with threadpool_limits(limits=1):
        for result in compare(train, test):
            errors = f"{result.top1_error:.1%} | {result.top5_error:.1%}"
            print(f"| {result.name} | {result.seconds:.2f} | {errors} |", flush=True)
        for kind in ("lda", "ridge"):
            seconds = path_seconds(train, kind)
            print(f"\n{kind}: a path of 100 shrinkages in {seconds:.2f} CPU seconds more")


if __name__ == "__main__":
    main()
