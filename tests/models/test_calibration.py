from math import log

import numpy as np
import pytest

from models.calibration import reliability
from mr_jobs.lib.tally import N_BINS, Tally


def table(*images: tuple[bool, float, float | None]) -> dict[str, object] | None:
    """Build the table of images given as (whether right, score, loss)."""
    tally = Tally()
    for image in images:
        tally.calibrate("val", *image)
    return reliability(tally.of_split("val", "bin"), tally.sums.get(("val", "likelihood"), []))


def test_a_table_worked_by_hand() -> None:
    # two of the bin (0.6, 0.667] with one right, two of the last with both right
    result = table(
        (True, 0.62, -log(0.62)), (False, 0.66, -log(0.2)), (True, 0.95, -log(0.95)),
        (True, 1.0, 0.0),
    )  # fmt: skip

    assert result is not None
    rows = {row["high"]: row for row in result["bins"] if row["n_images"]}  # type: ignore[attr-defined]
    assert len(result["bins"]) == N_BINS  # type: ignore[arg-type]
    assert rows.keys() == {10 / 15, 1.0}
    low = rows[10 / 15]
    assert (low["low"], low["n_images"], low["accuracy"]) == (9 / 15, 2, 0.5)
    assert low["mean_score"] == pytest.approx(0.64)
    assert rows[1.0]["accuracy"] == 1.0
    expected = (2 * abs(0.64 - 0.5) + 2 * abs(0.975 - 1.0)) / 4
    assert result["expected_calibration_error"] == pytest.approx(expected)
    loss = -(log(0.62) + log(0.2) + log(0.95)) / 4
    assert result["negative_log_likelihood"] == pytest.approx(loss)


@pytest.mark.parametrize(
    ("score", "number"), [(0.0, 0), (1e-9, 0), (1 / 15, 0), (0.0667, 1), (0.5, 7), (1.0, 14)]
)
def test_a_bin_holds_its_upper_bound(score: float, number: int) -> None:
    result = table((True, score, None))

    assert result is not None
    assert [row["n_images"] for row in result["bins"]].index(1) == number  # type: ignore[attr-defined]


def test_images_of_unknown_synsets_are_in_the_bins_and_not_in_the_likelihood() -> None:
    result = table((False, 0.9, None), (True, 0.9, 0.5))

    assert result is not None
    assert result["bins"][13]["accuracy"] == 0.5  # type: ignore[index]
    assert result["negative_log_likelihood"] == pytest.approx(0.5)
    assert table((False, 0.9, None))["negative_log_likelihood"] is None  # type: ignore[index]


def test_no_bins_are_no_calibration() -> None:
    assert table() is None


def test_probabilities_that_are_true_have_almost_no_error() -> None:
    random = np.random.default_rng(0)
    scores = random.uniform(0.2, 1.0, 20_000)
    right = random.random(20_000) < scores

    calibrated = table(*((bool(r), float(s), None) for r, s in zip(right, scores, strict=True)))
    too_sure = table(*((bool(r), float(s**0.5), None) for r, s in zip(right, scores, strict=True)))

    assert calibrated is not None
    assert too_sure is not None
    assert calibrated["expected_calibration_error"] < 0.015  # type: ignore[operator]
    assert too_sure["expected_calibration_error"] > 0.1  # type: ignore[operator]
