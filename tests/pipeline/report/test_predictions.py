from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mr_jobs.lib.errors import DataError
from pipeline.report.predictions import confusion, labelled, most_confident_mistakes

HEAD = "image_id\timage_key\twnid\twnid_1\tscore_1\twnid_2\tscore_2\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: tuple[str, str, float, str]) -> Path:
        lines = [
            f"{name}\tval/{wnid}/{name}.JPEG\t{wnid}\t{best}\t{score}\tn9\t0.01\n"
            for name, wnid, score, best in rows
        ]
        (tmp_path / "predictions.tsv").write_text(HEAD + "".join(lines))
        return tmp_path

    return write


def test_mistakes_come_surest_first_and_of_equals_by_key(written: Callable[..., Path]) -> None:
    run_dir = written(
        ("a", "n1", 0.9, "n1"), ("b", "n1", 0.8, "n2"), ("d", "n1", 0.9, "n2"),
        ("c", "n1", 0.9, "n2"), ("e", "unlabelled", 1.0, "n2"),
    )  # fmt: skip

    assert [row.image_id for row in most_confident_mistakes(run_dir, 2)] == ["c", "d"]
    assert [row.image_id for row in most_confident_mistakes(run_dir, 9)] == ["c", "d", "b"]
    assert confusion(run_dir) == {("n1", "n1"): 1, ("n1", "n2"): 3}


@pytest.mark.parametrize("text", ["", "x\n", HEAD + "a\tb\tc\n", HEAD + "a\tb\tc\tn1\tmuch\n"])
def test_a_table_that_is_none_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "predictions.tsv").write_text(text)

    with pytest.raises(DataError, match=r"predictions\.tsv: not a (table|row) of predictions"):
        list(labelled(tmp_path))
