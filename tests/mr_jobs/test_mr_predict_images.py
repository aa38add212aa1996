from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from models.predict import ImageFile, Served, predict, serve
from mr_jobs import mr_predict_images
from mr_jobs.lib.errors import BundleError, DataError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.records import encode_vector
from mr_jobs.model_file import to_bytes
from mr_jobs.mr_extract_features import MRExtractFeatures
from mr_jobs.mr_predict_images import MRPredictImages
from tests.models.made_model import COLOURS, LEARNED, PLAIN, encode, save_model

IMAGES = [
    (f"{split}/{wnid}/{wnid}_{number}.JPEG", encode(wnid, number))
    for split, number in (("train", 3), ("val", 11), ("val", 12), ("test", 13))
    for wnid in COLOURS
]


class Made(NamedTuple):
    """A model, and the options that tell a job of it."""

    served: Served
    vectors: tuple[str, ...]
    options: tuple[str, ...]


def made_of(folder: Path, spec: FeatureSpec) -> Made:
    served = serve(save_model(folder, spec=spec))
    (folder / "model.npz").write_bytes(to_bytes(served.estimator))
    vectors: tuple[str, ...] = ("--features", json.dumps(spec.to_dict()))
    if served.codebooks:
        (folder / "codebooks.npz").write_bytes(served.codebooks.to_bytes())
        vectors += ("--codebooks", str(folder / "codebooks.npz"))
    return Made(served, vectors, ("--model", str(folder / "model.npz"), *vectors))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_of(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_of(tmp_path_factory.mktemp("learned"), LEARNED)


def files(images: list[tuple[str, bytes]]) -> list[ImageFile]:
    return [ImageFile(key, partial(bytes, encoded)) for key, encoded in images]


@pytest.mark.parametrize("model", ["plain", "learned"])
def test_vectors_on_the_command_line_are_the_mappers_to_the_bit(
    run_job: Any, bundle: Any, request: pytest.FixtureRequest, jpeg: Any, model: str
) -> None:
    made: Made = request.getfixturevalue(model)
    photos = [(f"val/n01/{n}.JPEG", jpeg(300 + n, 200, seed=n)) for n in range(4)]
    odd = [("val/n01/p.png", jpeg(format="PNG")), ("val/n01/o.JPEG", jpeg(orientation=6))]
    images = [*IMAGES, *photos, *odd]

    for runner in ("inline", "local"):
        result = run_job(MRExtractFeatures, bundle(*images), runner=runner, args=made.vectors)

        assert dict(result.records) == {
            key: encode_vector(made.served.vector(encoded)) for key, encoded in images
        }


@pytest.mark.parametrize("model", ["plain", "learned"])
def test_lines_are_what_the_command_line_predicts(
    run_job: Any, bundle: Any, request: pytest.FixtureRequest, model: str
) -> None:
    made: Made = request.getfixturevalue(model)

    result = run_job(MRPredictImages, bundle(*IMAGES), args=(*made.options, "--top-k", "2"))

    expected = []
    for each in sorted(predict(made.served, files(IMAGES), 2), key=lambda found: found.path):
        image_id = each.path.split("/")[2].removesuffix(".JPEG")
        for rank, (wnid, _, score) in enumerate(each.best, start=1):
            expected.append(f"{image_id}\t{each.path}\t{rank}\t{wnid}\t{score:.6g}")
    assert len(expected) == 2 * len(IMAGES)
    assert result.lines == expected


def test_every_image_is_predicted_or_skipped_for_a_reason(
    run_job: Any, bundle: Any, plain: Made
) -> None:
    path = bundle(
        *IMAGES[:2],
        ("val/n01/bad.JPEG", b"GIF89a?"),
        ("val/n01/nil.JPEG", b""),
        ("quarantine/unlabelled/v.JPEG", IMAGES[0][1]),
    )

    result = run_job(MRPredictImages, path, args=plain.options)

    assert {line.split("\t")[1] for line in result.lines} == {key for key, _ in IMAGES[:2]}
    counts = {"read": 5, "predicted": 2, "skipped": 3, "skipped_unlabelled": 1, "skipped_empty": 1}
    assert counts.items() <= result.counters.items()


def test_bundling_runner_and_size_of_blocks_change_nothing(
    run_job: Any, bundle: Any, plain: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bundle(*IMAGES, name="whole")
    parts = [bundle(*IMAGES[at::3], name=f"part-{at}") for at in range(3)]
    inline = run_job(MRPredictImages, whole, args=plain.options)
    for file in inline.files:
        keys = [line.split(b"\t")[1] for line in file.splitlines()]
        assert keys == sorted(keys)

    local = run_job(MRPredictImages, *parts, runner="local", args=plain.options)
    monkeypatch.setattr(mr_predict_images, "BLOCK_ROWS", 5)
    small = run_job(MRPredictImages, whole, args=plain.options)

    assert sorted(local.lines) == sorted(small.lines) == sorted(inline.lines)


def test_an_image_that_comes_twice_is_predicted_twice(
    run_job: Any, bundle: Any, plain: Made
) -> None:
    paths = [bundle(*IMAGES[:1], name=name) for name in ("a", "b")]

    result = run_job(MRPredictImages, *paths, args=(*plain.options, "--top-k", "2"))

    assert [line.split("\t")[2] for line in result.lines] == ["1", "2", "1", "2"]
    assert result.counters["predicted"] == 2


def test_empty_bundles_need_no_model_that_fits(run_job: Any, bundle: Any, tmp_path: Path) -> None:
    (tmp_path / "no.model").touch()

    options = (
        "--model",
        str(tmp_path / "no.model"),
        "--features",
        json.dumps({"features": ["hog"]}),
    )
    result = run_job(MRPredictImages, bundle(), args=options)

    assert result.lines == []


def test_a_model_of_other_features_is_refused(run_job: Any, bundle: Any, plain: Made) -> None:
    other = (*plain.options[:2], "--features", json.dumps({"features": ["hog"]}))

    with pytest.raises(DataError, match="the model wants vectors of"):
        run_job(MRPredictImages, bundle(*IMAGES[:1]), args=other)


def test_a_key_that_is_none_is_refused(run_job: Any, bundle: Any, plain: Made) -> None:
    with pytest.raises(DataError, match="not an image key"):
        run_job(MRPredictImages, bundle(("a.JPEG", IMAGES[0][1])), args=plain.options)


def test_a_truncated_bundle_fails(run_job: Any, bundle: Any, plain: Made) -> None:
    path = bundle(*IMAGES)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(BundleError):
        run_job(MRPredictImages, path, args=plain.options)


def test_no_model_is_a_wrong_call(bundle: Any) -> None:
    with pytest.raises(ValueError, match="--model FILE is needed"):  # mrjob's, within Python
        MRPredictImages([str(bundle(*IMAGES[:1]))])
