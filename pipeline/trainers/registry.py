"""The trainers by name; a new one is a line here."""

from __future__ import annotations

from mr_jobs.lib.errors import ConfigError
from pipeline.extras import require
from pipeline.trainers.base import Trainer
from pipeline.trainers.h2o import H2O_GBM, H2O_GLM
from pipeline.trainers.ours import SKLEARN
from pipeline.trainers.spark_logistic import SPARK_LOGISTIC

TRAINERS: dict[str, Trainer] = {
    trainer.name: trainer for trainer in (SKLEARN, SPARK_LOGISTIC, H2O_GLM, H2O_GBM)
}


def named(names: str) -> list[Trainer]:
    """Return the trainers of a list like `sklearn,spark-logistic`, each once, in its order.

    Raises
    ------
    ConfigError
        There is none of a name.
    """
    wanted = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    unknown = [name for name in wanted if name not in TRAINERS]
    if unknown or not wanted:
        told = f"there is no trainer {unknown[0]!r}" if unknown else "--trainers names none"
        raise ConfigError(f"{told}; known: {', '.join(TRAINERS)}")
    return [TRAINERS[name] for name in wanted]


def require_extra(trainer: Trainer) -> None:
    """Raise a ConfigError that says what to install unless a trainer's extra is there."""
    if trainer.extra:
        require(trainer.extra, f"the trainer {trainer.name}")
