"""Averaged stochastic gradient descent, for the losses that sums over vectors cannot give."""

from __future__ import annotations

import numpy as np

from models.linear import Weights
from models.passes import Passes
from models.settings import ModelSettings
from mr_jobs.descent import Start
from mr_jobs.lib.moments import Moments
from mr_jobs.lib.trials import Candidates


def descend(
    passes: Passes, moments: Moments, settings: ModelSettings, *, choosing: bool
) -> tuple[Weights, list[dict[str, float]]]:
    """Do epochs until the held-out images say that more are of no use.

    Parameters
    ----------
    passes : over the training images; each epoch is one, and each test of what it came to.
    moments : of all training images; only scale and mean are used.
    settings : loss, penalty, and the most epochs.
    choosing : whether there are images enough to hold some out. They are used in the last epoch,
        which is over all images.

    Returns
    -------
    The model, and for each epoch tested its errors on the held-out images: plain JSON values.
    """
    start = Start.zero(moments.mean(), moments.scale(), len(moments.counts))
    loss, alpha = settings.sgd_loss, settings.sgd_alpha
    if not choosing:
        for _ in range(settings.sgd_epochs):
            start = passes.descend(start, loss, alpha, held_out=True)
        return _weights(start), []
    best, least, told = start, np.inf, []
    for _ in range(settings.sgd_epochs - 1):
        start = passes.descend(start, loss, alpha, held_out=False)
        trials = passes.try_out(_candidate(start), settings.top_k)
        top1, topk = (trials.errors[0] / max(trials.n, 1)).tolist()
        told.append({"top1_error": top1, "topk_error": topk})
        if top1 + topk >= least:
            break
        best, least = start, top1 + topk
    return _weights(passes.descend(best, loss, alpha, held_out=True)), told


def _weights(start: Start) -> Weights:
    """Return a row for each class, also for two."""
    if len(start.coef) > 1:
        return Weights(start.coef, start.intercept)
    return Weights(
        np.concatenate([-start.coef, start.coef]),
        np.concatenate([-start.intercept, start.intercept]),
    )


def _candidate(start: Start) -> Candidates:
    coef, intercept = _weights(start)
    return Candidates(
        start.mean,
        start.scale,
        coef[np.newaxis].astype(np.float32),
        intercept[np.newaxis].astype(np.float32),
        np.zeros(0),
    )
