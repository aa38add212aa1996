"""The step that learns the codebooks of features, by jobs over the training images."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import asdict
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.codebooks import NO_CODEBOOKS, Codebooks
from mr_jobs.lib.errors import DataError, JobError
from mr_jobs.lib.features.base import LearnedFeature
from mr_jobs.lib.records import decode_vector
from mr_jobs.lib.sums import Sums
from mr_jobs.mr_learn_codebooks import MRLearnCodebooks
from mr_jobs.mr_sample_descriptors import MRSampleDescriptors
from pipeline import selecting
from pipeline.catalog import rows
from pipeline.data_steps import BUNDLE, CATALOG, features_option
from pipeline.division import split_facts, split_options, train_rows
from pipeline.group_step import GROUP
from pipeline.passes import run_pass
from pipeline.progress import Progress
from pipeline.step import Context, Step, manifest_of
from pipeline.step_job import check_counts, run_step_job
from pipeline.stores import Store
from pipeline.sums import stored_records

FILE = "codebook/codebooks.npz"
_SEEDING_ROWS = 20_000  # descriptors held in memory to choose the first centroids
SAMPLED = "codebook/descriptors"


def load_codebooks(context: Context) -> Codebooks:
    """Return the codebooks that the step learned; none where no feature has one."""
    if not context.config.features.learned():
        return NO_CODEBOOKS
    with closing(context.store.open(FILE)) as file:
        return Codebooks.from_bytes(file.read(), context.store.uri(FILE))


def codebooks_option(context: Context) -> list[str]:
    """Tell a job where the codebooks are; nothing where no feature has one."""
    learned = context.config.features.learned()
    return ["--codebooks", context.store.uri(FILE)] if learned else []


def _codebook(context: Context, progress: Progress) -> dict[str, Any]:
    learned = context.config.features.learned()
    if not learned:
        return {"learned": [], "digest": ""}
    counts = sample_descriptors(context, progress)
    made = _learn(context, progress, learned, counts["sampled"])
    context.store.delete(SAMPLED)
    return {"learned": sorted(learned), "counts": counts, **made}


def sample_descriptors(context: Context, progress: Progress) -> dict[str, int]:
    """Run the job that samples descriptors of training images."""
    left = selecting.left_after(context, "features")
    n_train = sum(1 for _ in train_rows(context, rows(context.images.store), left))
    if not n_train:
        raise DataError("codebook: there is no training image to learn from")
    n_samples = context.config.codebooks.samples
    args = [*features_option(context), *split_options(context)]
    args += ["--per-image", str(ceil(n_samples / n_train))]
    args += ["--share", str(min(1.0, n_samples / n_train))]
    args += selecting.job_option(context, "features")
    chosen = selecting.chosen(context, "features")
    expected = len(chosen.images) if chosen else manifest_of(CATALOG, context)["rows"]
    reads = selecting.inputs_of(context, "features", CODEBOOK.name)
    counts = run_step_job(
        context, progress, CODEBOOK, MRSampleDescriptors, reads.uris, ("read", expected),
        [*args, *reads.args], into=(context.store, SAMPLED), jobconf=reads.jobconf,
    )  # fmt: skip
    parts = {name: counts.get(name, 0) for name in ("sampled", "passed_over", "skipped")}
    check_counts("codebook", "images", expected, parts)
    return parts


def _learn(
    context: Context,
    progress: Progress,
    learned: dict[str, LearnedFeature],
    n_images: int,
) -> dict[str, Any]:
    """Whiten, seed, and run rounds until the number of them that is asked for."""
    books = seeded(context, progress, learned, n_images)
    objectives = improve(context, progress, books, n_images)
    context.config.features.require(books)
    context.store.write(FILE, [books.to_bytes()])
    return {"digest": books.digest(), "objectives": objectives}


def seeded(
    context: Context, progress: Progress, learned: dict[str, LearnedFeature], n_images: int
) -> Codebooks:
    """Return the codebooks that the rounds start from."""
    from models.codebook_learning import seed, whitening

    facts = context.config.features.codebook_facts()
    sums = sums_of_round(context, progress, None, n_images)
    books = Codebooks({name: whitening(f, sums[name]) for name, f in learned.items()}, facts)
    for name, feature in learned.items():
        sample = _seeding_sample(context.store, name, feature)
        books[name] = seed(feature, books[name], sample, context.config.data.seed)
    return books


def improve(
    context: Context, progress: Progress, books: Codebooks, n_images: int
) -> dict[str, list[float]]:
    """Change codebooks by all rounds; return each round's objective, by feature."""
    from models.codebook_learning import updated

    learned = context.config.features.learned()
    objectives: dict[str, list[float]] = {name: [] for name in learned}
    for number in range(1, context.config.codebooks.rounds + 1):
        context.store.write(FILE, [books.to_bytes()])
        sums = sums_of_round(context, progress, FILE, n_images)
        for name, feature in learned.items():
            books[name], objective = updated(feature, books[name], sums[name])
            objectives[name].append(objective)
        told = ", ".join(f"{name} {values[-1]:.4f}" for name, values in objectives.items())
        progress.note(f"round {number} of {context.config.codebooks.rounds}: {told}")
    return objectives


def sums_of_round(
    context: Context, progress: Progress, codebooks: str | None, n_images: int
) -> dict[str, Sums]:
    """Make the pass of one round; return its sums by feature."""
    args = [*features_option(context)]
    args += ["--codebooks", context.store.uri(codebooks)] if codebooks else []
    n_records = n_images * len(context.config.features.learned())
    sums, counts = run_pass(context, progress, CODEBOOK, MRLearnCodebooks, SAMPLED, n_records, args)
    check_counts("codebook", "sampled records", n_records, {"read": counts.get("read", 0)})
    by_feature: dict[str, Sums] = {}
    for name, array in sums.items():
        feature, _, sum_name = name.partition(".")
        by_feature.setdefault(feature, {})[sum_name] = array
    return by_feature


def _seeding_sample(store: Store, name: str, feature: LearnedFeature) -> NDArray[np.float32]:
    """Return descriptors of the images whose hashes are least: the same on every runner."""
    length = feature.descriptor_length()
    found: list[tuple[bytes, NDArray[np.float32]]] = []
    n_rows = 0
    files = store.files(SAMPLED)
    for key, value in stored_records(store, files, "holds no descriptors; run the step again"):
        if not key.startswith(f"{name}\t"):
            continue
        descriptors = decode_vector(value).reshape(-1, length)
        found.append((hashlib.sha256(key.encode()).digest(), descriptors))
        n_rows += len(descriptors)
        if n_rows > 4 * _SEEDING_ROWS:  # forget what cannot be among the first any more
            found, n_rows = _first_rows(found)
    found, _ = _first_rows(found)
    if not found:
        raise JobError(f"codebook: no descriptors of {name} were sampled")
    return np.concatenate([descriptors for _, descriptors in found])[:_SEEDING_ROWS]


def _first_rows(
    found: list[tuple[bytes, NDArray[np.float32]]],
) -> tuple[list[tuple[bytes, NDArray[np.float32]]], int]:
    """Keep the records with the least hashes that give as many rows as are wanted."""
    kept, n_rows = [], 0
    for digest, descriptors in sorted(found, key=lambda item: item[0]):
        kept.append((digest, descriptors))
        n_rows += len(descriptors)
        if n_rows >= _SEEDING_ROWS:
            break
    return kept, n_rows


def _facts(context: Context) -> object:
    spec = context.config.features
    if not spec.learned():
        return None
    return [
        spec.codebook_facts(),
        asdict(context.config.codebooks),
        split_facts(context),
        selecting.facts_of(context, "features"),
    ]


CODEBOOK = Step(
    "codebook",
    "jobs: learn the codebooks of the features that have one",
    "codebook",
    (BUNDLE, CATALOG, GROUP),
    _facts,
    _codebook,
    idle=lambda context: not context.config.features.learned(),
)
