"""Vectors and rows for programs that hand over records themselves."""

from __future__ import annotations

import json
import pickle
from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mr_jobs.lib.codebooks import Codebooks
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import ShardKey, encode_vector
from mr_jobs.lib.selection import Selection
from mr_jobs.mr_extract_features import MRExtractFeatures
from mr_jobs.record_vectors import RecordVectors, digest_of
from mr_jobs.shard_rows import BestOf, ShardRows

SPEC = {"features": ["hog", "hsv_pyramid"], "hsv_pyramid": {"grids": [1, 2]}}


def work(told: list[dict[str, int]], selection: bytes | None = None) -> RecordVectors:
    spec = json.dumps(FeatureSpec.from_dict(SPEC).to_dict())
    return RecordVectors(spec, Codebooks().to_bytes(), selection, told.append)


def test_vectors_and_counts_are_those_of_the_job(run_job: Any, bundle: Any, jpeg: Any) -> None:
    images = [
        ("train/n01/a.JPEG", jpeg(seed=1)),
        ("train/n02/b.png", jpeg(seed=2, format="PNG", mode="L")),
        ("train/n01/bad.JPEG", b"GIF89a?"),
        ("quarantine/unlabelled/v.JPEG", jpeg(seed=3)),
    ]
    told: list[dict[str, int]] = []

    found = list(work(told)((key, bytearray(encoded)) for key, encoded in images))

    job = run_job(MRExtractFeatures, bundle(*images), args=("--features", json.dumps(SPEC)))
    assert [(key, bytes(value)) for key, value in found] == job.records
    assert told == [job.counters]


def test_keys_may_be_bytes_and_only_selected_images_are_read(jpeg: Any) -> None:
    records = [(bytearray(f"train/n01/{i}.JPEG".encode()), jpeg(seed=i)) for i in range(3)]
    selection = Selection.of(["train/n01/1.JPEG"]).to_bytes()
    told: list[dict[str, int]] = []

    found = list(work(told, selection)(records))

    assert [key for key, _ in found] == ["train/n01/1.JPEG"]
    assert told == [{"read": 1, "featurized": 1}]


def test_the_digest_is_of_the_records_in_any_order_and_any_parts() -> None:
    records = [(f"k{i}", bytes([i]) * i) for i in range(9)]

    def total(*parts: Any) -> tuple[int, int]:
        pairs = [pair for part in parts for pair in digest_of(part)]
        return sum(n for n, _ in pairs), sum(d for _, d in pairs) % (1 << 256)

    whole = total(records)
    as_hadoop = [(bytearray(key.encode()), bytearray(value)) for key, value in records]
    assert total(as_hadoop[5:][::-1], [], as_hadoop[:5]) == whole
    assert total(records[:-1]) != whole
    assert total([*records[:-1], ("k8", b"other")]) != whole
    assert total([*records[:-2], ("k8", records[7][1]), ("k7", records[8][1])]) != whole


def shard(split: str, wnid: str, name: str, *numbers: float, tag: str = "a") -> tuple[str, bytes]:
    key = ShardKey(split, 1 << 55, ImageKey(split, wnid, name), tag)
    return str(key), encode_vector(np.array(numbers, np.float32))


def test_rows_are_of_one_split_with_place_and_class_index() -> None:
    rows = ShardRows("train", {"n01": 0, "n02": 1}, None)
    records = [shard("train", "n02", "a.JPEG", 1, 2.5), shard("val", "n01", "b.JPEG", 3, 4)]

    sent = pickle.loads(pickle.dumps(rows))  # noqa: S301  # its own

    assert list(sent(records)) == [("train/n02/a.JPEG", 0.5, 1.0, array("f", [1, 2.5]))]


def test_rows_of_train_are_the_selected_ones() -> None:
    records = [shard("train", "n01", f"{i}.JPEG", i) for i in range(3)]
    rows = ShardRows("train", {"n01": 0}, Selection.of(["train/n01/2.JPEG"]))

    assert [row[0] for row in rows(records)] == ["train/n01/2.JPEG"]


def test_a_validation_image_of_an_unknown_synset_is_predicted_nevertheless() -> None:
    (row,) = ShardRows("val", {"n01": 0}, None)([shard("val", "n09", "a.JPEG", 1)])

    assert row[0] == "val/n09/a.JPEG"


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([shard("train", "n01", "a.JPEG", np.nan)], "a.JPEG holds NaN or infinity"),
        ([shard("train", "n09", "a.JPEG", 1)], "a.JPEG is of none of the model's synsets"),
        (
            [shard("train", "n01", "a.JPEG", 1), shard("train", "n01", "b.JPEG", 1, tag="b")],
            "shards of two different runs are mixed",
        ),
        ([("train\tx", b"")], "is not the key of a shard's record"),
    ],
)
def test_rows_that_nothing_can_be_learned_from_are_refused(
    records: list[tuple[str, bytes]], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        list(ShardRows("train", {"n01": 0}, None)(records))


def test_classes_are_ranked_and_of_equals_the_lower_comes_first() -> None:
    row = SimpleNamespace(
        key="val/n01/a.JPEG", probability=SimpleNamespace(toArray=lambda: np.array([0.2, 0.4, 0.4]))
    )

    assert list(BestOf(["n01", "n02", "n03"], 2)([row])) == [
        ("val/n01/a.JPEG", [("n02", 0.4), ("n03", 0.4)])
    ]
