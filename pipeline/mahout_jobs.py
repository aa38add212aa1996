"""Two jobs of Mahout on a run's own data, beside what this project makes of the same data.

SSVD finds the principal components of local descriptors, k-means the centroids of patches. Both
get exactly the numbers that the project's own passes read.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import subspace_angles

from mr_jobs.lib.codebooks import Codebooks
from mr_jobs.lib.errors import ConfigError, JobError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.features.base import LearnedFeature, project
from mr_jobs.lib.learning import on_grid
from mr_jobs.lib.records import decode_vector
from mr_jobs.lib.vector_writable import MEASURE
from pipeline import codebook_step, mahout
from pipeline.progress import Progress
from pipeline.step import Context
from pipeline.stores import HdfsStore
from pipeline.sums import stored_records

_BLOCK_ROWS = 10_000  # of Mahout's own blocks of rows: what its tasks hold in memory


@dataclass
class Compared:
    """What came of both: `figures` of the results, `seconds` of each part, Mahout's `jobs`."""

    figures: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note the seconds of a part."""
        started = time.monotonic()
        yield
        self.seconds[what] = round(time.monotonic() - started, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


@contextmanager
def workplace(context: Context, feature: str, changes: dict[str, Any]) -> Iterator[Context]:
    """Lend a directory of its own in the run's HDFS, and the settings for one feature alone.

    Parameters
    ----------
    feature : `fisher` or `patches`; its parameters are the run's, or the defaults where the run
        does not use it.
    changes : keys of the tables [codebooks] and [passes], by table, that differ.
    """
    cluster = mahout.require(context.cluster)
    parameters = context.config.features.to_dict()
    spec = FeatureSpec.from_dict({**parameters, "features": [feature]})
    config = replace(
        context.config,
        features=spec,
        codebooks=replace(context.config.codebooks, **changes.get("codebooks", {})),
        passes=replace(context.config.passes, **changes.get("passes", {})),
    )
    root = cluster.in_hdfs("runs", context.run.run_id, f"mahout-{uuid.uuid4().hex[:8]}")
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, root)
    try:
        yield replace(context, config=config, store=store, jobs=[])
    finally:
        store.delete("")


def ssvd(
    context: Context,
    progress: Progress,
    *,
    oversampling: int | None,
    power_iterations: int,
    pca: bool = False,
) -> Compared:
    """Find the principal components of fisher's descriptors by Mahout's SSVD, and by our sums.

    Parameters
    ----------
    context : of `workplace`, for the feature fisher.
    oversampling, power_iterations : p and q of the algorithm; larger is nearer to the exact
        components. None is all columns: exact, and cheap for descriptors of 128 numbers, whose
        deviations fall too slowly for less. Source: N. Halko, P. Martinsson and J. Tropp, Finding
        structure with randomness, SIAM Review 53, 2011.
    pca : let Mahout subtract the mean; else it gets the rows without it. Its way ends in a small
        matrix that rounding makes unsymmetric, of which it finds wrong eigenvalues, see
        docs/landscape/mahout.md.

    Returns
    -------
    Figures: the principal angles between the spans in radians, the largest relative difference of
    the standard deviations, and the size of the matrix.
    """
    from models.codebook_learning import whitening

    found, (feature, n_images) = Compared(), _sampled(context, progress)
    rank, n_described = _rank(feature), feature.descriptor_length() - feature.N_PLACES
    oversampling = _directions(n_described - rank, oversampling)
    with found.timed("ours"):
        sums = codebook_step.sums_of_round(context, progress, None, n_images)[feature.name]
        ours = whitening(feature, sums)["whitening"][:n_described, :rank].astype(np.float64)
    mean = 0.0 if pca else (sums["sum"] / sums["n"])[:n_described]
    with found.timed("to Mahout"):
        rows = (on_grid(rows[:, :n_described]) - mean for rows in _descriptors(context, feature))
        matrix = mahout.write_matrix(
            context.store, "ssvd/matrix", (block.astype(np.float32) for block in rows)
        )
    args = ["--rank", str(rank), "--oversampling", str(oversampling)]
    args += ["--powerIter", str(power_iterations), "--pca", str(pca).lower()]
    with found.timed("Mahout"):
        components, deviations = _run_ssvd(
            context, progress, found, matrix, args, rank + oversampling
        )
    own_deviations = 1 / np.linalg.norm(ours, axis=0)
    angles = subspace_angles(ours, components[:, :rank])
    found.figures = {
        "rows": matrix.n_rows, "columns": matrix.n_columns, "rank": rank,
        "oversampling": oversampling, "power_iterations": power_iterations, "pca": pca,
        "largest_angle": float(angles.max()), "median_angle": float(np.median(angles)),
        "deviations_differ_by": float(np.abs(deviations[:rank] / own_deviations - 1).max()),
    }  # fmt: skip
    return found


def kmeans(context: Context, progress: Progress) -> Compared:
    """Learn the codebook of patches by Mahout's k-means, and by our rounds, from the same start.

    Parameters
    ----------
    context : of `workplace`, for the feature patches.

    Returns
    -------
    Figures: the mean squared distance of the points to their centroids (inertia) at the start and
    after either, all by the same pass, and how far the centroids are apart.
    """
    found, (feature, n_images) = Compared(), _sampled(context, progress)
    start = codebook_step.seeded(context, progress, {feature.name: feature}, n_images)
    ours, theirs = (Codebooks(start, start.facts) for _ in range(2))
    with found.timed("ours"):
        codebook_step.improve(context, progress, ours, n_images)
    with found.timed("to Mahout"):
        points = (project(rows, start[feature.name]) for rows in _descriptors(context, feature))
        matrix = mahout.write_matrix(context.store, "kmeans/points", points)
        mahout.write_clusters(context.store, "kmeans/start", start[feature.name]["centroids"])
    with found.timed("Mahout"):
        centroids = _run_kmeans(context, progress, found, matrix)
    theirs[feature.name]["centroids"] = centroids.astype(np.float32)
    inertias = [_inertia(context, progress, books, n_images) for books in (start, ours, theirs)]
    own_centroids = ours[feature.name]["centroids"].astype(np.float64)
    apart = np.linalg.norm(own_centroids - centroids, axis=1)
    found.figures = {
        "points": matrix.n_rows, "columns": matrix.n_columns, "centroids": len(centroids),
        "rounds": context.config.codebooks.rounds,
        "inertia_start": inertias[0], "inertia_ours": inertias[1], "inertia_mahout": inertias[2],
        "inertias_differ_by": abs(inertias[2] / inertias[1] - 1),
        "centroids_apart": float(np.sqrt((apart**2).mean())), "farthest_apart": float(apart.max()),
        "centroids_long": float(np.sqrt((own_centroids**2).sum(axis=1).mean())),
    }  # fmt: skip
    return found


def _rank(feature: LearnedFeature) -> int:
    """Return how many components the project's own PCA of the descriptors keeps."""
    return feature.codebook_shapes()["means"][1] - feature.N_PLACES


def _directions(most: int, wanted: int | None) -> int:
    if wanted is not None and wanted > most:
        raise ConfigError(f"mahout: the descriptors leave {most} for --oversampling, not {wanted}")
    return most if wanted is None else wanted


def _run_ssvd(
    context: Context,
    progress: Progress,
    found: Compared,
    matrix: mahout.Matrix,
    args: list[str],
    width: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the components, float64 of shape (d, k), and the deviations along them, (k,)."""
    cluster, store = mahout.require(context.cluster), context.store
    args += ["--input", store.uri(matrix.name), "--output", store.uri("ssvd/out")]
    args += ["--tempDir", store.uri("ssvd/temp"), "--overwrite", "--reduceTasks", "1"]
    args += ["--computeU", "false", "--blockHeight", str(max(_BLOCK_ROWS, 2 * width))]
    settings = mahout.task_settings(cluster, matrix, least_rows=width)
    log = context.run.dir / "mahout" / "ssvd.log"
    found.jobs = mahout.run_mahout(cluster, "ssvd", settings, args, log, progress)
    rows = mahout.read_vectors(store, mahout.output(store, "ssvd/out/V"))
    (singular,) = mahout.read_vectors(store, ["ssvd/out/sigma"]).values()
    if sorted(rows) != list(range(matrix.n_columns)):
        raise JobError(f"Mahout's ssvd left {len(rows)} rows of V for {matrix.n_columns} columns")
    components = np.stack([rows[number] for number in sorted(rows)])
    if not np.isfinite(components).all():
        raise JobError(
            "Mahout's ssvd found components that are no numbers, as it does with --pca where "
            "rounding leaves its small matrix unsymmetric; run it without --pca"
        )
    return components, singular / np.sqrt(matrix.n_rows)


def _run_kmeans(
    context: Context, progress: Progress, found: Compared, matrix: mahout.Matrix
) -> NDArray[np.float64]:
    """Return the centroids, float64 of shape (k, d), in the order of those to start from."""
    cluster, store = mahout.require(context.cluster), context.store
    args = [
        *("--input", store.uri(matrix.name), "--output", store.uri("kmeans/out")),
        *("--clusters", store.uri("kmeans/start"), "--tempDir", store.uri("kmeans/temp")),
        *("--maxIter", str(context.config.codebooks.rounds), "--convergenceDelta", "0"),
        *("--distanceMeasure", MEASURE, "--overwrite"),
    ]
    settings = mahout.task_settings(cluster, matrix)
    log = context.run.dir / "mahout" / "kmeans.log"
    found.jobs = mahout.run_mahout(cluster, "kmeans", settings, args, log, progress)
    rounds = range(context.config.codebooks.rounds, 0, -1)  # it ends when nothing moves any more
    files = mahout.output(store, *(f"kmeans/out/clusters-{number}-final" for number in rounds))
    return np.stack([cluster.centre for cluster in mahout.read_clusters(store, files)])


def _sampled(context: Context, progress: Progress) -> tuple[LearnedFeature, int]:
    """Sample descriptors, as the step `codebook` does; return the feature, and of how many images.

    The same are sampled: what is taken depends on the images' keys alone.
    """
    (feature,) = context.config.features.learned().values()
    return feature, codebook_step.sample_descriptors(context, progress)["sampled"]


def _descriptors(context: Context, feature: LearnedFeature) -> Iterator[NDArray[np.float32]]:
    """Yield the sampled descriptors image by image, float32 of shape (n, descriptor_length)."""
    files = context.store.files(codebook_step.SAMPLED)
    for _, value in stored_records(context.store, files, "holds no descriptors"):
        yield decode_vector(value).reshape(-1, feature.descriptor_length())


def _inertia(context: Context, progress: Progress, books: Codebooks, n_images: int) -> float:
    context.store.write(codebook_step.FILE, [books.to_bytes()])
    (sums,) = codebook_step.sums_of_round(context, progress, codebook_step.FILE, n_images).values()
    return float(sums["cost"][0] / sums["counts"].sum())
