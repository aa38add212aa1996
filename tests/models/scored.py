"""Score images in this process, as the job does, for the tests of what comes after it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.dataset import Pair
from models.evaluate import Evaluation
from models.train import Fit
from mr_jobs.lib.imagenet import UNLABELLED
from mr_jobs.lib.scores import best_classes, class_scores, shown_scores
from mr_jobs.lib.tally import Tally


def fitted(pairs: Iterable[Pair], kind: str = "lda") -> Fit:
    """Fit a model to a few images with scikit-learn itself."""
    keys, vectors = zip(*pairs, strict=True)
    X = np.stack(vectors).astype(np.float64)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5)
    classifier = lda if kind == "lda" else RidgeClassifier()
    estimator = make_pipeline(StandardScaler(), classifier).fit(X, [key.wnid for key in keys])
    return Fit(estimator, len(X), X.shape[1], {"kind": kind, "shrinkage": 0.5})


def scored(
    estimator: Any, pairs: Iterable[Pair], path: Path, top_k: int = 5
) -> tuple[Evaluation, Path]:
    """Write the rows of a split's predictions to a file, and count."""
    wnids, tally, split = [str(wnid) for wnid in estimator.classes_], Tally(), "val"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for key, vector in sorted(pairs, key=lambda pair: (pair[0].file_name, pair[0])):
            scores = class_scores(estimator, np.asarray(vector)[None])
            shown = shown_scores(estimator, scores)[0]
            labels = best_classes(scores, top_k)[0]
            if key.wnid == UNLABELLED:
                tally.add((split, UNLABELLED), (1,))
            else:
                tally.count(split, key.wnid, [wnids[label] for label in labels])
            for rank, label in enumerate(labels, start=1):
                fields = (key.image_id, key.split, key, key.wnid, rank, wnids[label])
                file.write("\t".join([*map(str, fields), f"{shown[label]:.6g}"]) + "\n")
    return Evaluation.from_tally(tally, split, wnids, top_k), path
