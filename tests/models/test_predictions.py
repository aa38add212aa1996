from pathlib import Path

from models.predictions import Prediction, read_predictions
from mr_jobs.lib.imagenet import ImageKey


def test_rows_of_an_image_become_one_prediction(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(
        "a\tval\tval/n 1/a.JPEG\tn 1\t1\tn 1\t0.75\na\tval\tval/n 1/a.JPEG\tn 1\t2\tn2\t1e-05\n"
        "b\tval\tval/n2/b.JPEG\tn2\t1\tn 1\t-3\n"
    )

    assert list(read_predictions(path)) == [
        Prediction(ImageKey("val", "n 1", "a.JPEG"), (("n 1", 0.75), ("n2", 1e-05))),
        Prediction(ImageKey("val", "n2", "b.JPEG"), (("n 1", -3.0),)),
    ]


def test_no_rows_are_no_predictions(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").touch()

    assert list(read_predictions(tmp_path / "rows.tsv")) == []
