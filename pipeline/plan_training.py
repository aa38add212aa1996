"""The steps of a planned run that learn and test: codebooks, the model, its evaluation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import ceil

from models.linear import FEW
from models.selection import SHRINKAGES, list_candidates, shrinkages_for
from models.settings import AUTO, LEDOIT_WOLF
from models.train import FEW_IMAGES
from mr_jobs import scoring, vectors_job
from mr_jobs.lib.records import held_out_from
from mr_jobs.mr_average_sgd import MRAverageSgd
from mr_jobs.mr_evaluate_model import MREvaluateModel
from mr_jobs.mr_learn_codebooks import MRLearnCodebooks
from mr_jobs.mr_sample_descriptors import MRSampleDescriptors
from mr_jobs.mr_sum_moments import MRSumMoments
from mr_jobs.mr_try_models import MRTryModels
from pipeline.evaluate_step import IMAGES_A_REDUCER
from pipeline.plan_costs import SEED_S
from pipeline.plan_jobs import KEY_BYTES, MB, JobMaker, Pass, StepWork, hold
from pipeline.train_passes import reducers_for

_PREDICTION_BYTES = 350  # of an image: its best labels


def codebook(make: JobMaker) -> StepWork:
    """Plan the sampling of descriptors, and the passes over them."""
    learned = len(make.config.features.learned())
    if not learned:
        return StepWork("codebook")
    amounts, costs, settings = make.amounts, make.costs, make.config.codebooks
    taken = min(amounts.train, settings.samples)
    each = ceil(settings.samples / max(amounts.train, 1))
    described = min(each, costs.descriptors)
    stored = taken * (described * costs.descriptor_bytes + learned * KEY_BYTES)
    sample = make.over_images(MRSampleDescriptors, taken * costs.descriptors_ms / 1e3, stored)
    round_s = taken * costs.learn_ms * described / max(costs.descriptors, 1) / 1e3
    seconds = make.pass_s + SEED_S * learned
    step = StepWork("codebook", [sample], driver_s=seconds, files=1)
    one_round = Pass(MRLearnCodebooks, round_s, 1e6)
    for _ in range(1 + settings.rounds):
        make.add_pass(step, one_round, sample.maps, stored, taken * learned)
    return step


def train(make: JobMaker) -> StepWork:
    """Plan the training of the kind of model that the settings ask for."""
    return _sgd(make) if make.config.model.kind == "sgd" else _linear(make)


def _add_train_pass(make: JobMaker, step: StepWork, work: Pass) -> None:
    """Add a pass over the shards, which computes on blocks of vectors."""
    block_mb = vectors_job.BLOCK_ROWS * make.n_features * 24 / MB
    work = replace(work, held_mb=work.held_mb + block_mb)
    make.add_pass(step, work, make.shards, make.vectors_bytes, make.amounts.images)


def _linear(make: JobMaker) -> StepWork:
    """Plan LDA or ridge: one pass for the moments, more to choose among models."""
    d, classes, n_train = make.n_features, make.amounts.classes, make.amounts.train
    costs, model = make.costs, make.config.model
    step = StepWork("train", driver_s=make.pass_s)
    triangle, class_sums = d * (d + 1) // 2, make.sums_bytes
    told = f"sums of vectors of {d:,} values and of {classes:,} classes"
    reduces = reducers_for(d, classes)
    sums = 8 * triangle + class_sums
    seconds = n_train * d * d / 2 / costs.products_per_s
    work = Pass(MRSumMoments, seconds, sums, sums / MB, told, reduces, parts=2)
    _add_train_pass(make, step, work)
    if model.shrinkage == LEDOIT_WOLF:
        work = Pass(MRTryModels, n_train * d / costs.single_per_s, 8, class_sums / MB, told)
        _add_train_pass(make, step, work)
    held_out = n_train * (1 - held_out_from(0.0, 0.0))
    candidates = _candidates(make, round(n_train - held_out))
    weights = len(candidates) * class_sums // 2  # in single precision
    if len(candidates) > 1 or (candidates and model.kind == "lda"):
        n_products = held_out * len(candidates) * classes * d
        scores = 3 * 4 * vectors_job.BLOCK_ROWS * classes
        tried = f"{len(candidates)} models of {classes:,} classes to choose from"
        work = Pass(
            MRTryModels, n_products / costs.single_per_s, 1e4, (weights + scores) / MB, tried
        )
        _add_train_pass(make, step, work)
    for features, n_shrinkages in Counter(candidates).items():  # in single precision
        width = _width(make, features)
        step.driver_s += _solving_s(make, width, n_train - held_out, n_shrinkages, share=0.5)
    step.driver_s += _solving_s(make, d, n_train, 1)
    held = 32 * triangle + max(8 * class_sums, 5 * class_sums + weights)
    hold(step, costs.driver_mb + held / MB, told)
    return step


def _solving_s(
    make: JobMaker, width: int, n_images: float, n_shrinkages: int, share: float = 1.0
) -> float:
    """Return how long the driver solves for models of so many values, as `models.linear` does.

    With few images the system is as large as there are images, once their factor is found;
    `share` is the time of a multiplication, as a share of that in double precision.
    """
    costs, classes = make.costs, make.amounts.classes
    made = width * width * classes / costs.solved_per_s  # the matrix within the classes
    if n_images < width * FEW:
        made += n_images**2 * width * (0.5 / costs.swept_per_s + 1.0 / costs.products_per_s)
        each = n_images**3 / 6 + 2 * n_images * width * classes
        share = 1.0
    else:
        each = width**3 / 6 + width * width * classes
    return made + n_shrinkages * share * each / costs.solved_per_s


def _width(make: JobMaker, names: tuple[str, ...]) -> int:
    parts = make.config.features.parts()
    return sum(parts[name].stop - parts[name].start for name in names)


def _candidates(make: JobMaker, n_inner: int) -> list[tuple[str, ...]]:
    """List the features of each model that is tried, as the run will."""
    model, parts = make.config.model, make.config.features.parts()
    if n_inner < FEW_IMAGES:
        return []
    grid = [SHRINKAGES[-1]]  # one that is given, or computed
    if model.shrinkage == AUTO:
        grid = shrinkages_for(n_inner, make.n_features)
    found, _ = list_candidates(parts, grid, make.amounts.classes, subsets=model.select_features)
    return [each.features for each in found]


def _sgd(make: JobMaker) -> StepWork:
    """Plan averaged SGD: a pass for the scale, then at most two an epoch."""
    step = StepWork("train", driver_s=make.pass_s)
    n_train, weights = make.amounts.train, make.sums_bytes
    costs, d, classes = make.costs, make.n_features, make.amounts.classes
    told = f"weights of {classes:,} classes and {d:,} values"
    seconds = n_train * d / costs.products_per_s
    _add_train_pass(make, step, Pass(MRSumMoments, seconds, weights, weights / MB, told))
    seconds = 3 * n_train * d * classes / costs.products_per_s
    epoch = Pass(MRAverageSgd, seconds, 2 * weights, 3 * weights / MB, told)
    for _ in range(2 * make.config.model.sgd_epochs):
        _add_train_pass(make, step, epoch)
    hold(step, costs.driver_mb + 6 * weights / MB, told)
    return step


def evaluate(make: JobMaker) -> StepWork:
    """Plan the evaluation."""
    amounts, costs, model = make.amounts, make.costs, 2 * make.sums_bytes
    scores = 3 * 8 * scoring.BLOCK_ROWS * amounts.classes
    lines = amounts.tested * _PREDICTION_BYTES
    n_products = amounts.tested * amounts.classes * make.n_features
    told = f"a model of {amounts.classes:,} classes and {make.n_features:,} values"
    job = make.job(
        MREvaluateModel, make.shards, make.vectors_bytes, amounts.images,
        reduces=make.reduces(1 + amounts.tested // IMAGES_A_REDUCER),
        written=lines,
        shuffled=lines,
        map_s=amounts.images * costs.record_ms / 1e3 + 2 * n_products / costs.single_per_s,
        begin_s=make.begin_s,
        task_mb=costs.model_mb + (model + scores) / MB,
        holds=told,
    )  # fmt: skip
    return StepWork("evaluate", [job], driver_mb=costs.driver_mb + model / MB, holds=told)
