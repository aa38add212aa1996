"""A codebook is used for the features that it was learned for, or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mr_jobs.lib.codebooks import Codebooks
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.features import FeatureSpec

SPEC = FeatureSpec(
    features=("hog", "patches"), parameters={"patches": {"n_centroids": 5, "patch_px": 4}}
)


def made(spec: FeatureSpec = SPEC, seed: int = 0) -> Codebooks:
    random = np.random.default_rng(seed)
    arrays = {
        name: {
            key: random.random(shape).astype(np.float32)
            for key, shape in feature.codebook_shapes().items()
        }
        for name, feature in spec.learned().items()
    }
    return Codebooks(arrays, spec.codebook_facts())


def test_codebooks_survive_their_file() -> None:
    codebooks = made()

    again = Codebooks.from_bytes(codebooks.to_bytes(), "a file")

    SPEC.require(again)
    assert again.digest() == codebooks.digest()
    assert again.facts == codebooks.facts


def test_the_digest_and_the_fingerprint_change_with_a_value() -> None:
    one, other = made(), made(seed=1)

    assert one.digest() != other.digest()
    assert SPEC.fingerprint(one) != SPEC.fingerprint(other)


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"patch_px": 6}, r"patch_px 4 \(here 6\)"),
        ({"n_centroids": 6}, r"n_centroids 5 \(here 6\)"),
        ({"stride_px": 1}, "stride_px"),
    ],
)
def test_a_codebook_of_other_parameters_is_refused_by_name(
    wanted: dict[str, int], named: str
) -> None:
    patches = {**SPEC.parameters["patches"], **wanted}
    other = replace(SPEC, parameters={"patches": patches})

    with pytest.raises(DataError, match=f"codebook of patches does not match.*{named}"):
        other.require(made())


def test_a_codebook_of_images_of_another_size_is_refused() -> None:
    with pytest.raises(DataError, match="image_px 144"):
        replace(SPEC, image_px=192).require(made())


def test_a_missing_codebook_is_named() -> None:
    with pytest.raises(DataError, match=r"no codebook for patches.*bin/pipeline codebook"):
        SPEC.require(Codebooks())


def test_features_without_codebooks_need_none() -> None:
    FeatureSpec(features=("hog",)).require(Codebooks())


def test_a_codebook_with_nan_is_refused() -> None:
    codebooks = made()
    codebooks["patches"]["mean"][0] = np.nan

    with pytest.raises(DataError, match="NaN"):
        SPEC.require(codebooks)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip", made().to_bytes()[:-200]])
def test_a_damaged_file_is_one_sentence(content: bytes) -> None:
    with pytest.raises(DataError, match=r"x\.npz is not a file of codebooks"):
        Codebooks.from_bytes(content, "x.npz")
