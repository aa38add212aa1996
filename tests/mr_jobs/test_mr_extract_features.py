from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.records import decode_vector
from mr_jobs.mr_extract_features import MRExtractFeatures

SPEC = {"features": ["hog", "hsv_pyramid"], "hsv_pyramid": {"grids": [1, 2]}}
PLAIN = ("--features", json.dumps(SPEC))


def test_empty_bundle_gives_no_vectors(run_job: Any, bundle: Any) -> None:
    assert run_job(MRExtractFeatures, bundle(), args=PLAIN).records == []


def test_image_that_does_not_decode_is_counted_and_left_out(
    run_job: Any, bundle: Any, jpeg: Any
) -> None:
    path = bundle(
        ("train/n01/ok.JPEG", jpeg()),
        ("train/n01/bad.JPEG", b"GIF89a?"),
        ("train/n01/nil.JPEG", b""),
        ("quarantine/unlabelled/v.JPEG", jpeg()),
    )

    result = run_job(MRExtractFeatures, path, args=PLAIN)

    assert [key for key, _ in result.records] == ["train/n01/ok.JPEG"]
    assert result.counters["read"] == 4
    assert result.counters["featurized"] == 1
    assert result.counters["skipped"] == 3
    assert result.counters["skipped_unlabelled"] == 1


def test_vectors_are_those_of_the_library_function(run_job: Any, bundle: Any, jpeg: Any) -> None:
    encoded = jpeg(seed=3)

    result = run_job(
        MRExtractFeatures,
        bundle(("train/n01/a.JPEG", encoded)),
        args=PLAIN,
    )

    expected = FeatureSpec.from_dict(SPEC).extract(encoded)
    assert np.array_equal(decode_vector(result.records[0][1]), expected)


def test_records_are_the_same_whatever_the_bundling_and_the_runner(
    run_job: Any, bundle: Any, jpeg: Any
) -> None:
    images = [(f"train/n01/{i}.JPEG", jpeg(seed=i)) for i in range(6)]
    whole = bundle(*images, name="whole")
    parts = [bundle(*images[:1], name="first"), bundle(*images[1:], name="rest")]

    inline = run_job(MRExtractFeatures, whole, args=PLAIN)
    local = run_job(MRExtractFeatures, *parts, runner="local", args=PLAIN)

    assert sorted(inline.records) == sorted(local.records)


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="hog_cells"):
        MRExtractFeatures(["--features", '{"hog_cells": 8}'])
