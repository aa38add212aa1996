from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.codebook_learning import seed, updated, whitening
from mr_jobs.lib.codebooks import Codebooks
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.sums import Sums, assemble
from mr_jobs.mr_learn_codebooks import MRLearnCodebooks
from mr_jobs.mr_sample_descriptors import MRSampleDescriptors

VALUES = {
    "features": ["hog", "patches", "fisher"],
    "image_px": 48,
    "patches": {"side_px": 24, "patch_px": 4, "n_centroids": 6},
    "fisher": {"cells_px": [4], "n_components": 5, "n_gaussians": 3},
}
SPEC = FeatureSpec.from_dict(VALUES)
FEATURES = ("--features", json.dumps(VALUES))


@pytest.fixture
def images(jpeg: Any) -> list[tuple[str, bytes]]:
    train = [(f"train/n0{i % 2}/{i}.JPEG", jpeg(60, 50, seed=i)) for i in range(8)]
    return [*train, ("val/n01/v.JPEG", jpeg(seed=9)), ("quarantine/n01/q.JPEG", jpeg(seed=10))]


def by_feature(records: Any) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for name, array in assemble(records).items():
        feature, _, sum_name = name.partition(".")
        found.setdefault(feature, {})[sum_name] = array
    return found


def rows_of(records: Any, name: str) -> NDArray[np.float32]:
    length = SPEC.learned()[name].descriptor_length()
    mine = [value for key, value in sorted(records) if key.startswith(f"{name}\t")]
    return np.concatenate([np.frombuffer(v, "<f4").reshape(-1, length) for v in mine])


def test_only_training_images_are_sampled_and_each_counts(
    run_job: Any, bundle: Any, images: Any
) -> None:
    result = run_job(MRSampleDescriptors, bundle(*images), args=(*FEATURES, "--per-image", "7"))

    keys = {key.split("\t")[1] for key, _ in result.records}
    assert keys == {key for key, _ in images if key.startswith("train/")}
    assert {k: result.counters[k] for k in ("read", "sampled", "passed_over")} == {
        "read": 10,
        "sampled": 8,
        "passed_over": 2,
    }
    assert rows_of(result.records, "patches").shape == (8 * 7, 48)
    assert rows_of(result.records, "fisher").shape == (8 * 7, 130)


def test_the_sample_is_the_same_whatever_the_bundling_and_the_runner(
    run_job: Any, bundle: Any, images: Any
) -> None:
    whole = bundle(*images, name="whole")
    parts = [bundle(*images[:3], name="first"), bundle(*images[3:], name="rest")]

    inline = run_job(MRSampleDescriptors, whole, args=FEATURES)
    local = run_job(MRSampleDescriptors, *parts, runner="local", args=FEATURES)

    assert sorted(inline.records) == sorted(local.records)


def test_a_share_of_the_images_is_taken_by_a_hash(run_job: Any, bundle: Any, images: Any) -> None:
    args = (*FEATURES, "--share", "0.5")

    result = run_job(MRSampleDescriptors, bundle(*images), args=args)

    assert 0 < result.counters["sampled"] < 8


def test_a_codebook_learned_by_rounds_is_that_of_the_textbook(
    run_job: Any, bundle: Any, images: Any, tmp_path: Path
) -> None:
    sampled = run_job(MRSampleDescriptors, bundle(*images), args=(*FEATURES, "--per-image", "60"))
    parts = [
        bundle(*sorted(sampled.records)[:5], name="one"),
        bundle(*sorted(sampled.records)[5:], name="two"),
    ]

    first = run_job(MRLearnCodebooks, *parts, args=FEATURES)
    moments = by_feature(first.records)
    books = Codebooks(
        {name: whitening(f, moments[name]) for name, f in SPEC.learned().items()},
        SPEC.codebook_facts(),
    )
    for name, feature in SPEC.learned().items():
        rows = rows_of(sampled.records, name)
        np.testing.assert_allclose(moments[name]["sum"], rows.sum(axis=0, dtype=float), atol=0.05)
        white = (rows - books[name]["mean"]) @ books[name]["whitening"]
        if name == "fisher":  # its last two values are the place, which stays as it is
            np.testing.assert_allclose(np.cov(white[:, :5].T), np.eye(5), atol=0.02)
        books[name] = seed(feature, books[name], rows, 0)

    objectives: dict[str, list[float]] = {name: [] for name in books}
    path = tmp_path / "codebooks.npz"
    for _ in range(4):
        path.write_bytes(books.to_bytes())
        sums = by_feature(
            run_job(MRLearnCodebooks, *parts, args=(*FEATURES, "--codebooks", str(path))).records
        )
        for name, feature in SPEC.learned().items():
            books[name], objective = updated(feature, books[name], sums[name])
            objectives[name].append(objective)
    SPEC.require(books)
    for values in objectives.values():
        assert values[-1] < values[0]
        assert all(b <= a + 1e-3 for a, b in itertools.pairwise(values))
    points = (rows_of(sampled.records, "patches") - books["patches"]["mean"]) @ books["patches"][
        "whitening"
    ]
    nearest = ((points[:, None] - books["patches"]["centroids"]) ** 2).sum(axis=2).argmin(axis=1)
    for word in range(6):  # a fixed point of Lloyd's, nearly: each centroid is near its mean
        centroid = books["patches"]["centroids"][word]
        mine = points[nearest == word]
        assert not len(mine) or np.linalg.norm(mine.mean(axis=0) - centroid) < 2.0


def test_the_sums_are_the_same_bits_for_any_number_of_tasks(
    run_job: Any, bundle: Any, images: Any
) -> None:
    records = sorted(run_job(MRSampleDescriptors, bundle(*images), args=FEATURES).records)
    whole = bundle(*records, name="whole")
    parts = [bundle(record, name=f"part-{i}") for i, record in enumerate(records)]

    one = run_job(MRLearnCodebooks, whole, args=FEATURES)
    many = run_job(MRLearnCodebooks, *parts[::-1], runner="local", args=FEATURES)

    assert sorted(one.records) == sorted(many.records)


def test_records_that_are_no_descriptors_are_refused(run_job: Any, bundle: Any) -> None:
    with pytest.raises(DataError, match="no rows of 48"):
        run_job(MRLearnCodebooks, bundle(("patches\ttrain/n01/a.JPEG", bytes(100))), args=FEATURES)
    with pytest.raises(DataError, match="none of the learned features"):
        run_job(MRLearnCodebooks, bundle(("train/n01/a.JPEG", bytes(4))), args=FEATURES)


def test_too_few_descriptors_for_the_words_are_an_error() -> None:
    feature = SPEC.learned()["patches"]
    books = {"mean": np.zeros(48, np.float32), "whitening": np.eye(48, dtype=np.float32)}

    with pytest.raises(DataError, match="2 descriptors are too few for the 6 words of patches"):
        seed(feature, books, np.zeros((2, 48), np.float32), 0)
    with pytest.raises(DataError, match="no descriptors"):
        whitening(feature, {})
