"""What cannot be scored is refused with one sentence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from mr_jobs.lib.errors import DataError
from mr_jobs.model_file import to_bytes
from mr_jobs.mr_evaluate_model import MREvaluateModel
from tests.mr_jobs.scored_images import IMAGES, WNIDS, Images, images_of, records, small_model


@pytest.fixture(scope="module")
def lda() -> Pipeline:
    return small_model()


@pytest.fixture
def model(lda: Pipeline, tmp_path: Path) -> str:
    (tmp_path / "model.npz").write_bytes(to_bytes(lda))
    return str(tmp_path / "model.npz")


ZEROS = np.zeros(6, np.float32)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([("val/n01/a.JPEG", ZEROS[:5])], "the model wants vectors of 6 numbers, and that of val"),
        (
            [("val/n01/a.JPEG", ZEROS), ("val/n01/b.JPEG", ZEROS[:4])],
            "has [46] numbers where the first has [46]|the model wants vectors of 6",
        ),
        ([("val/n01/a.JPEG", ZEROS + np.inf)], "val/n01/a.JPEG holds NaN or infinity"),
        ([("val/n01/a.JPEG", ZEROS), ("val/n01/a.JPEG", ZEROS)], "val/n01/a.JPEG comes twice"),
    ],
)
def test_vectors_that_cannot_be_scored_are_one_sentence(
    run_job: Any, bundle: Any, model: str, images: Images, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        run_job(MREvaluateModel, bundle(*records(images)), args=("--model", model))


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (("val\t00\tval/n01/a.JPEG\tx", b"abc"), "value of val/n01/a.JPEG is not a vector"),
        (("val/n01/a.JPEG", bytes(24)), "is not the key of a shard's record"),
        (("val\t00\tn01/a.JPEG\tx", bytes(24)), "is not the key of a shard's record"),
    ],
)
def test_records_that_are_none_of_a_shard_are_refused(
    run_job: Any, bundle: Any, model: str, record: tuple[str, bytes], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        run_job(MREvaluateModel, bundle(record), args=("--model", model))


def test_shards_of_two_runs_are_refused(run_job: Any, bundle: Any, model: str) -> None:
    mixed = [*records(images_of("train", 2, WNIDS), "aaaaaaaa"), *records(IMAGES[:2], "bbbbbbbb")]

    with pytest.raises(DataError, match=r"two different runs are mixed \(tags aaaaaaaa, bbbbbbbb"):
        run_job(MREvaluateModel, bundle(*mixed), args=("--model", model))


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x80\x04K\x01."])
def test_a_file_that_is_no_model_is_refused(
    run_job: Any, bundle: Any, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "page.npz").write_bytes(content)

    with pytest.raises(DataError, match=r"page\.npz is not a model"):
        run_job(
            MREvaluateModel, bundle(*records(IMAGES[:2])),
            args=("--model", str(tmp_path / "page.npz")),
        )  # fmt: skip


def test_a_model_that_computes_no_numbers_is_refused(
    run_job: Any, bundle: Any, lda: Pipeline, tmp_path: Path
) -> None:
    damaged = copy.deepcopy(lda)
    damaged[-1].coef_[0] = np.nan
    (tmp_path / "nan.npz").write_bytes(to_bytes(damaged))

    with pytest.raises(DataError, match="scores are not all finite"):
        run_job(
            MREvaluateModel, bundle(*records(IMAGES[:2])),
            args=("--model", str(tmp_path / "nan.npz")),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("args", "sentence"),
    [((), "--model FILE is needed"), (("--model", "m", "--top-k", "0"), "--top-k is at least 1")],
)
def test_a_wrong_call_is_refused(bundle: Any, args: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):  # mrjob's, within Python
        MREvaluateModel([*args, str(bundle(*records(IMAGES[:2])))])
