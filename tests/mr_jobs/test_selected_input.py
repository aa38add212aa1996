"""`--selection` of the jobs that read bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.selection import Selection
from mr_jobs.mr_catalog_images import MRCatalogImages
from mr_jobs.mr_extract_features import MRExtractFeatures
from mr_jobs.mr_split_shards import MRSplitShards

FEATURES = [(f"train/n{i % 3:02}/{i}.JPEG", bytes([i] * 8)) for i in range(40)]


def selecting(path: Path, *keys: str) -> tuple[str, ...]:
    path.write_bytes(Selection.of(keys).to_bytes())
    return ("--selection", str(path))


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_job_gets_the_selected_records_only_and_counts_the_others(
    run_job: Any, bundle: Any, tmp_path: Path, runner: str
) -> None:
    wanted = dict(FEATURES[5:12])

    result = run_job(
        MRSplitShards,
        bundle(*FEATURES),
        runner=runner,
        args=selecting(tmp_path / "selection", *wanted),
    )

    assert {key.split("\t")[2]: value for key, value in result.records} == wanted
    assert result.counters == {"read": 7, "train": 7, "unselected": 33}


def test_a_selection_of_nothing_leaves_nothing(run_job: Any, bundle: Any, tmp_path: Path) -> None:
    result = run_job(MRSplitShards, bundle(*FEATURES), args=selecting(tmp_path / "selection"))

    assert result.records == []
    assert result.counters == {"unselected": 40}


def test_features_of_selected_images_are_those_they_would_have_among_all(
    run_job: Any, bundle: Any, jpeg: Any, tmp_path: Path
) -> None:
    keys = [f"train/n01/{i}.JPEG" for i in range(4)]
    path = bundle(*((key, jpeg(seed=i)) for i, key in enumerate(keys)))

    plain = ("--features", '{"features": ["hog", "lab_pixels"]}')
    some = run_job(
        MRExtractFeatures, path, args=(*plain, *selecting(tmp_path / "selection", *keys[1:3]))
    )

    assert some.records == run_job(MRExtractFeatures, path, args=plain).records[1:3]
    assert some.counters == {"read": 2, "featurized": 2, "unselected": 2}


def test_a_selected_record_still_knows_where_it_is(
    run_job: Any, bundle: Any, jpeg: Any, tmp_path: Path
) -> None:
    path = bundle(*((f"train/n01/{i}.JPEG", jpeg(seed=i)) for i in range(3)))

    some = run_job(
        MRCatalogImages, path, args=selecting(tmp_path / "selection", "train/n01/2.JPEG")
    )

    assert some.lines == run_job(MRCatalogImages, path).lines[2:]
