"""Tell how far a model's probabilities can be believed.

Of the images that a calibrated model gives a probability of 0.8, four in five are right. Images are
put into bins by the probability of their best class; the expected calibration error is the mean
distance between a bin's mean probability and its share of right images, weighted by its images.

Source: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mr_jobs.lib.tally import N_BINS, Name, bins_of, fraction


def reliability(
    bins: Mapping[Name, Sequence[int]], likelihood: Sequence[int]
) -> dict[str, Any] | None:
    """Build the reliability table of a split.

    Parameters
    ----------
    bins : sums `bin` of `mr_jobs.lib.tally`, by their number.
    likelihood : its sum `likelihood`; empty where no image is of a synset that the model knows.

    Returns
    -------
    None without bins: the model gives no probabilities, or no image has a label. Else `bins`, a
    list of `low`, `high` (both in [0, 1]; low excluded), `n_images`, `mean_score` and `accuracy`
    (both None in an empty bin); `expected_calibration_error`, a fraction; and
    `negative_log_likelihood`, in nats an image, None where it is not known.
    """
    if not bins:
        return None
    counted = bins_of(bins)
    n_images = sum(n for n, _, _ in counted)
    return {
        "bins": [_row(number, *sums) for number, sums in enumerate(counted)],
        "expected_calibration_error": sum(
            n * abs(fraction(total, n) - right / n) for n, right, total in counted if n
        )
        / n_images,
        "negative_log_likelihood": fraction(likelihood[1], likelihood[0]) if likelihood else None,
    }


def _row(number: int, n_images: int, n_right: int, total: int) -> dict[str, Any]:
    return {
        "low": number / N_BINS,
        "high": (number + 1) / N_BINS,
        "n_images": n_images,
        "mean_score": fraction(total, n_images) if n_images else None,
        "accuracy": n_right / n_images if n_images else None,
    }
