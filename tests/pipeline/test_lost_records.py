"""One record less than the step before has made: the next one fails, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.bundles import remove_one

STEPS = ("codebook", "features", "split", "train", "evaluate")
Removal = tuple[Path, str]


@pytest.fixture
def done_until(cli: Any, folder_data: Any, own_var: Path) -> Callable[[str], Path]:
    """Do the steps of a run up to one; return `var`."""

    def do(last: str) -> Path:
        data = folder_data(n_images=20)
        begun = cli("ingest", data, "--runner", "inline", "--run-id", "r1", "--images", "mine")
        assert begun.code == 0, begun.err
        for step in STEPS[: STEPS.index(last) + 1] if last != "ingest" else ():
            answer = cli(step, "--run-id", "r1")
            assert answer.code == 0, answer.err
        return own_var

    return do


def fails(answer: Any, code: int, *parts: str) -> None:
    assert answer.code == code, answer.err
    assert "Traceback" not in answer.err
    for part in parts:
        assert part in answer.err.splitlines()[-1]


def test_an_image_lost_from_a_bundle_fails_the_features_job_and_verify_names_it(
    cli: Any, done_until: Any
) -> None:
    var = done_until("codebook")
    key = remove_one(var / "images" / "mine" / "bundles")

    fails(
        cli("features", "--run-id", "r1"), 4,
        "features: the counts do not add up: 60 bundled, but 59 featurized + 0 skipped",
    )  # fmt: skip
    answer = cli("verify", "--images", "mine", "--runner", "inline")
    fails(answer, 5, "1 missing", f"first {key}")
    assert f"missing  {key} at byte" in answer.out


def test_an_image_lost_from_a_bundle_fails_the_catalogue_job(
    cli: Any, done_until: Any, tmp_path: Path
) -> None:
    remove_one(done_until("ingest") / "images" / "mine" / "bundles")
    other = tmp_path / "other.toml"
    other.write_text("[features]\nmax_image_px = 1_000_000\n")

    answer = cli("catalog", "--run-id", "r1", "--config", other)

    fails(answer, 4, "catalog: the counts do not add up: 60 bundled, but 59 kept + 0 quarantined")


def test_a_row_lost_from_the_catalogue_fails_training_and_verify_names_it(
    cli: Any, done_until: Any
) -> None:
    var = done_until("split")
    tables = (var / "images" / "mine" / "catalog").glob("*.tsv")
    table = max(tables, key=lambda path: path.stat().st_size)
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(rows[1:]))

    fails(
        cli("train", "--run-id", "r1"), 4, "train: the catalogue has 59 rows and was made with 60"
    )
    answer = cli("verify", "--images", "mine", "--runner", "inline")
    fails(answer, 5, "1 added", f"first {rows[0].split(chr(9))[3]}")


def test_a_vector_lost_from_the_features_fails_the_split(cli: Any, done_until: Any) -> None:
    remove_one(done_until("features") / "runs" / "r1" / "work" / "features")

    fails(
        cli("split", "--run-id", "r1"), 4,
        "split: the counts do not add up: 60 ", " train + ",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("split", "step", "sentence"),
    [
        ("train", "train", "train: read "),
        ("val", "evaluate", "evaluate: the counts do not add up: 60 vectors, but 59 read"),
    ],
)
def test_a_record_lost_from_the_shards_fails_what_reads_them(
    cli: Any, done_until: Any, split: str, step: str, sentence: str
) -> None:
    var = done_until("split" if step == "train" else "train")
    remove_one(var / "runs" / "r1" / "work" / "shards", f"{split}\t")

    fails(cli(step, "--run-id", "r1"), 4, sentence, " vectors")


def test_nothing_lost_fails_nothing(cli: Any, done_until: Any) -> None:
    done_until("evaluate")

    assert cli("verify", "--images", "mine", "--runner", "inline").code == 0
