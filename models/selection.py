"""Choose among models on held-out images: which features, how much shrinkage, what temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.linear import Problem
from mr_jobs.lib.moments import Moments
from mr_jobs.lib.trials import Candidates, Trials

SHRINKAGES = (0.02, 0.1, 0.3, 0.6, 0.8, 0.9)
SMALL_SHRINKAGE = 0.3  # less never won with fewer than two images for each feature
TEMPERATURES = np.geomspace(0.1, 100.0, 25)
MAX_WEIGHT_BYTES = 256 << 20  # of all candidates: every task loads them …
MAX_MULTIPLICATIONS = 2e12  # … and the driver solves for them, in a minute or so
Parts = Mapping[str, slice]


class Candidate(NamedTuple):
    """The names of the features that a model uses, and its shrinkage."""

    features: tuple[str, ...]
    shrinkage: float


@dataclass
class Choice:
    """What was chosen, and how.

    Attributes
    ----------
    candidate : the winner.
    temperature : by which decisions are divided, so that their softmax is nearest to the labels.
    selection : the table of all candidates, plain JSON values.
    """

    candidate: Candidate
    temperature: float = 1.0
    selection: dict[str, Any] = field(default_factory=dict)


def shrinkages_for(n: int, n_features: int) -> list[float]:
    """Return the grid for n images."""
    few = n < 2 * n_features
    return [s for s in SHRINKAGES if s >= SMALL_SHRINKAGE or not few]


def list_candidates(
    parts: Parts, shrinkages: Sequence[float], n_classes: int, *, subsets: bool
) -> tuple[list[Candidate], list[str]]:
    """List the models to try: all features, each left out, each alone; times the shrinkages.

    Parameters
    ----------
    parts : where each feature is in a vector.
    shrinkages : ascending.
    n_classes : how many rows a model's weights have.
    subsets : whether to leave features out at all.

    Returns
    -------
    The candidates, those with all features first, and warnings.
    """
    names = tuple(parts)
    sets = [names]
    if subsets and len(names) > 1:
        sets += [tuple(name for name in names if name != left_out) for left_out in names]
        sets += [(name,) for name in names]
        sets = list(dict.fromkeys(sets))  # of two features, one left out is the other alone
    widths = {name: part.stop - part.start for name, part in parts.items()}
    n_weights = sum(widths.values()) * n_classes * len(sets) * len(shrinkages)
    n_multiplications = len(shrinkages) * sum(sum(widths[f] for f in s) ** 3 / 3 for s in sets)
    warnings = []
    if len(sets) > 1 and (
        4 * n_weights > MAX_WEIGHT_BYTES or n_multiplications > MAX_MULTIPLICATIONS
    ):
        warnings.append(
            f"no features were selected: to try {len(sets)} sets of them is too much for vectors "
            f"of {sum(widths.values())} numbers and {n_classes} synsets; all are used"
        )
        sets = sets[:1]
    return [Candidate(features, s) for features in sets for s in shrinkages], warnings


def numbers_of(features: Sequence[str], parts: Parts) -> NDArray[np.int64]:
    """Return the numbers of the values that the features have in a vector, ascending."""
    return np.concatenate([np.arange(parts[name].start, parts[name].stop) for name in features])


def solve_candidates(
    kind: str, inner: Moments, candidates: Sequence[Candidate], parts: Parts
) -> Candidates:
    """Make the candidates' models of the inner part's moments."""
    shape = (len(candidates), len(inner.counts), inner.n_features)
    coef, intercept = np.empty(shape, np.float32), np.empty(shape[:2], np.float32)
    problem: Problem | None = None
    features = None
    for row, candidate in enumerate(candidates):
        if problem is None or candidate.features != features:
            features, problem = candidate.features, None  # its matrix is freed before the next
            problem = Problem(kind, inner, numbers_of(features, parts))
        coef[row], intercept[row] = problem.try_out(candidate.shrinkage)
    temperatures = TEMPERATURES if kind == "lda" else np.zeros(0)
    return Candidates(inner.mean(), inner.scale(), coef, intercept, temperatures)


def choose(candidates: Sequence[Candidate], trials: Trials) -> Choice:
    """Choose by the errors on the held-out images.

    The fewest top-1 and top-k errors together win; of equals all features, then the larger
    shrinkage. A model without some features wins only if it is better than the best with all by
    more than one standard error of the latter's errors.

    Parameters
    ----------
    candidates : of `list_candidates`.
    trials : what they did.
    """
    errors = trials.errors.sum(axis=1)
    every = range(len(candidates))
    whole = [row for row in every if candidates[row].features == candidates[0].features]
    best_whole = min(whole, key=lambda row: (errors[row], -candidates[row].shrinkage))
    best = min(
        every,
        key=lambda row: (errors[row], -len(candidates[row].features), -candidates[row].shrinkage),
    )
    if errors[best_whole] - errors[best] <= _standard_error(trials, best_whole):
        best = best_whole
    column = int(np.argmin(trials.likelihoods[best])) if trials.likelihoods.size else None
    selection = {
        "n_images": trials.n,
        "candidates": [_told(candidates[row], trials, row) for row in every],
        "chosen": best,
    }
    temperature = 1.0 if column is None else float(TEMPERATURES[column])
    return Choice(candidates[best], temperature, selection)


def _standard_error(trials: Trials, row: int) -> float:
    """Return that of the sum of a candidate's top-1 and top-k errors; a top-k error is both."""
    top1, topk = trials.errors[row] / max(trials.n, 1)
    variance = top1 * (1 - top1) + topk * (1 - topk) + 2 * topk * (1 - top1)
    return float(np.sqrt(variance * trials.n))


def _told(candidate: Candidate, trials: Trials, row: int) -> dict[str, Any]:
    top1, topk = trials.errors[row] / max(trials.n, 1)
    likelihoods = trials.likelihoods[row]
    least = float(f"{likelihoods.min() / max(trials.n, 1):.6g}") if likelihoods.size else None
    return {
        "features": list(candidate.features),
        "shrinkage": candidate.shrinkage,
        "top1_error": float(top1),
        "topk_error": float(topk),
        "negative_log_likelihood": least,
    }
