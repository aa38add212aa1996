"""`--where` of full, features, split and train."""

from __future__ import annotations

from typing import Any

import pytest

ONE_CLASS_LESS = "wnid != 'n00000001'"
HALF = "CAST(regexp_extract(image_id, '_([0-9]+)$', 1) AS INT) < 6"


@pytest.fixture
def featured(cli: Any, folder_data: Any) -> Any:
    """Take 3 classes of 12 images to features, and return what does a further step."""
    assert cli("ingest", folder_data(), "--runner", "inline", "--run-id", "r1").code == 0

    def step(name: str, *args: str) -> Any:
        return cli(name, "--run-id", "r1", *args, "--json")

    return step


def test_the_whole_pipeline_works_on_a_selection(cli: Any, folder_data: Any) -> None:
    answer = cli(
        "full", "--data", folder_data(), "--runner", "inline", "--where", ONE_CLASS_LESS, "--json"
    )

    assert answer.code == 0, answer.err
    result = answer.json()
    assert result["n_classes"] == 2
    assert result["counts"]["kept"] == 36
    assert sum(result["counts"][side] for side in ("train", "val", "test")) == 24
    assert f"the step features had only the images where {ONE_CLASS_LESS}" in result["warnings"]


def test_features_are_extracted_of_the_selected_images_alone(featured: Any) -> None:
    counts = featured("features", "--where", HALF).json()["counts"]

    assert (counts["read"], counts["featurized"], counts["unselected"]) == (18, 18, 18)


def test_going_on_with_a_run_keeps_its_condition(featured: Any) -> None:
    featured("features", "--where", HALF)

    again = featured("features")
    other = featured("features", "--where", ONE_CLASS_LESS)

    assert "already done" in again.err
    assert again.json()["counts"]["featurized"] == 18
    assert other.json()["counts"]["featurized"] == 24


def test_each_step_selects_of_what_the_one_before_left(featured: Any) -> None:
    featured("features", "--where", HALF)
    shards = featured("split", "--where", ONE_CLASS_LESS).json()["counts"]
    trained = featured("train", "--where", "image_id NOT LIKE '%\\_3'").json()

    assert (shards["read"], shards["unselected"]) == (12, 6)
    assert sum(shards.get(side, 0) for side in ("train", "val", "test")) == 12
    assert shards["train"] - 2 <= trained["n_images"] < shards["train"]
    assert trained["synsets"] == 2


def test_bundles_without_selected_images_are_not_read(cli: Any, folder_data: Any) -> None:
    data = folder_data()
    args = ("--runner", "inline", "--run-id", "r1")
    assert cli("ingest", data, *args).code == 0
    grown = data / "n00000009"
    grown.mkdir()
    for image in (data / "n00000000").iterdir():
        (grown / image.name.replace("n00000000", grown.name)).write_bytes(image.read_bytes())
    again = cli("ingest", data, *args)  # into a bundle of their own
    assert again.code == 0, again.err

    answer = cli("features", "--run-id", "r1", "--where", "wnid = 'n00000009'", "--json")

    counts = answer.json()["counts"]
    assert (counts["featurized"], counts.get("unselected", 0)) == (12, 0)


@pytest.mark.parametrize("where", ["width < 0", "colour = 'red'", "width >"])
def test_a_condition_that_selects_nothing_or_is_none_is_refused(featured: Any, where: str) -> None:
    answer = featured("features", "--where", where)

    assert answer.code == 2
    assert featured("features", "--where", HALF).code == 0  # a better one takes its place
