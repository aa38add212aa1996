"""What H2O is asked to fit: a regularised multinomial GLM, and boosted trees.

Both choose on the sixth of the training images that ours choose on, never on val.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from models.train import FEW_IMAGES
from pipeline.trainers.h2o_avro import feature_names
from pipeline.trainers.h2o_frames import HELD_OUT, LABEL, Written

# Penalties on the squared coefficients of standardised values, beside the mean log loss.
LAMBDAS = [3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003]
FEW_LAMBDA = 1.0
MOST_ITERATIONS = 100  # of L-BFGS, for each penalty
MOST_ROUNDS = 40  # of a tree a class: 400 for ten
GBM_S = 300  # a fit that lasts longer ends with the trees that it has
SEED = 7


class Fitted(NamedTuple):
    """A model of H2O's, how it was made as plain JSON values, and sentences for the user."""

    model: Any
    parameters: dict[str, Any]
    warnings: list[str]


def can_choose(written: Written) -> bool:
    """Say whether the held-out images are enough to choose by: as for ours."""
    inner = written.classes_of(held_out=False)
    enough = written.n_of(held_out=False) >= FEW_IMAGES and written.n_of(held_out=True) > 0
    return enough and inner == {label for label, _ in written.parts}


def fit_glm(train: Any, written: Written) -> Fitted:  # noqa: ANN401  # h2o has no types
    """Fit a multinomial logistic regression with an L2 penalty.

    L-BFGS is the one solver of H2O's whose time and memory are linear in the number of values: the
    others make the d × d Gram matrix of each class in each iteration.

    Parameters
    ----------
    train : the H2OFrame of `written.train`.
    """
    import h2o

    warnings: list[str] = []
    tried: dict[float, float] = {}
    if can_choose(written):
        with _parts(train) as (inner, held_out):
            for penalty in LAMBDAS:
                model = _glm(penalty)
                model.train(y=LABEL, training_frame=inner, validation_frame=held_out, x=_x(written))
                tried[penalty] = round(model.logloss(valid=True), 5)
                h2o.remove(model)
                if tried[penalty] > min(tried.values()):
                    break  # the less penalty from here, the worse, and the slower
        chosen = min(tried, key=tried.__getitem__)
    else:
        chosen = FEW_LAMBDA
        warnings.append(
            f"{written.n_train} training images are too few to choose a penalty on; {chosen} was "
            "taken"
        )
    model = _glm(chosen)
    model.train(y=LABEL, training_frame=train, x=_x(written))
    made = {"kind": "glm", "solver": "L-BFGS", "alpha": 0.0, "lambda": chosen}
    log_loss = {str(penalty): loss for penalty, loss in tried.items()}
    return Fitted(model, {**made, "held_out_log_loss": log_loss}, warnings)


@contextmanager
def _parts(train: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401  # h2o has no types
    """Have copies of the inner and of the held-out images, for a while."""
    import h2o

    inner, held_out = train[train[HELD_OUT] == 0], train[train[HELD_OUT] == 1]
    yield inner, held_out
    h2o.remove([inner, held_out])


def _glm(penalty: float) -> Any:  # noqa: ANN401  # h2o has no types
    from h2o.estimators import H2OGeneralizedLinearEstimator

    return H2OGeneralizedLinearEstimator(
        family="multinomial",
        solver="L_BFGS",
        alpha=0.0,
        lambda_=penalty,
        max_iterations=MOST_ITERATIONS,
        seed=SEED,
    )


def fit_gbm(train: Any, written: Written) -> Fitted:  # noqa: ANN401  # h2o has no types
    """Fit gradient boosted trees, each on a sample of the images and of the values.

    The number of rounds is that with the least log loss on the held-out images. H2O's 1,024 bins at
    the root of a tree would take most of the time.

    Parameters
    ----------
    train : the H2OFrame of `written.train`.
    """
    import h2o
    from h2o.estimators import H2OGradientBoostingEstimator

    made: dict[str, Any] = {
        "max_depth": 3,
        "learn_rate": 0.2,
        "sample_rate": 0.8,
        "col_sample_rate_per_tree": 0.1,
        "min_rows": 5,
        "nbins": 16,
        "nbins_top_level": 32,
    }
    limits = {"seed": SEED, "score_tree_interval": 5, "max_runtime_secs": GBM_S}
    log_loss, rounds, warnings = None, MOST_ROUNDS, []
    if can_choose(written):
        with _parts(train) as (inner, held_out):
            model = H2OGradientBoostingEstimator(ntrees=MOST_ROUNDS, **made, **limits)
            model.train(y=LABEL, training_frame=inner, validation_frame=held_out, x=_x(written))
            log_loss, rounds = best_rounds(model)
            warnings = too_few(model, MOST_ROUNDS)
            h2o.remove(model)
    model = H2OGradientBoostingEstimator(ntrees=rounds, **made, **limits)
    model.train(y=LABEL, training_frame=train, x=_x(written))
    made |= {"rounds": rounds, "held_out_log_loss": log_loss}
    return Fitted(model, {"kind": "gbm", **made}, [*warnings, *too_few(model, rounds)])


def too_few(model: Any, wanted: int) -> list[str]:  # noqa: ANN401  # h2o has no types
    """Return a sentence for the user when the time was over before the trees were made."""
    made = max(_rounds(model))
    if made >= wanted:
        return []
    return [f"after {GBM_S} s there were {made} of {wanted} rounds of trees: they were taken"]


def best_rounds(model: Any) -> tuple[float | None, int]:  # noqa: ANN401  # h2o has no types
    """Return the least log loss on the held-out images, and after how many rounds it was seen."""
    losses = model._model_json["output"]["scoring_history"]["validation_logloss"]
    found = [
        (round(float(loss), 5), n_rounds)
        for loss, n_rounds in zip(losses, _rounds(model), strict=True)
        if n_rounds
    ]
    return min(found, default=(None, 1))


def _rounds(model: Any) -> list[int]:  # noqa: ANN401  # h2o has no types
    history = model._model_json["output"]["scoring_history"]
    return [int(n_rounds) for n_rounds in history["number_of_trees"]]


def _x(written: Written) -> list[str]:
    return feature_names(written.n_features)
