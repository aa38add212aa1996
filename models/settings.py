"""The facts of a model that a user chooses: the table [model] of pipeline.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mr_jobs.descent import LOSSES
from mr_jobs.lib.errors import ConfigError

KINDS = ("lda", "ridge", "sgd")
AUTO, LEDOIT_WOLF = "auto", "ledoit-wolf"


@dataclass(frozen=True)
class ModelSettings:
    """The table [model] of pipeline.toml.

    Parameters
    ----------
    kind : lda, ridge or sgd.
    shrinkage : for lda and ridge: 0 keeps the covariance, 1 keeps its mean variance only; for
        ridge it is the penalty alpha = n · shrinkage / (1 - shrinkage). "auto" chooses it on a
        sixth of the training images; "ledoit-wolf" computes it, for lda.
    select_features : for lda and ridge, whether a model without some features is taken where it is
        better by more than a standard error on that sixth.
    sgd_loss : log_loss, hinge or modified_huber.
    sgd_alpha : L2 penalty of sgd.
    sgd_epochs : the most passes of sgd over the training images.
    top_k : how many best classes are counted, written and shown.

    Raises
    ------
    ConfigError
        A value that does not fit; the sentence names it.
    """

    kind: str = "lda"
    shrinkage: float | str = AUTO
    select_features: bool = True
    sgd_loss: str = "log_loss"
    sgd_alpha: float = 0.1
    sgd_epochs: int = 5
    top_k: int = 5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise _bad("kind", self.kind, "lda, ridge or sgd")
        self._check_shrinkage()
        if not isinstance(self.select_features, bool):
            raise _bad("select_features", self.select_features, "true or false")
        if self.sgd_loss not in LOSSES:
            raise _bad("sgd_loss", self.sgd_loss, f"one of {', '.join(LOSSES)}")
        if not _is_number(self.sgd_alpha) or not self.sgd_alpha > 0:
            raise _bad("sgd_alpha", self.sgd_alpha, "a number above 0")
        for name in ("sgd_epochs", "top_k"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise _bad(name, value, "a whole number from 1")

    def _check_shrinkage(self) -> None:
        named = [AUTO] if self.kind == "ridge" else [AUTO, LEDOIT_WOLF]
        if self.shrinkage in named or (_is_number(self.shrinkage) and self._in_range()):
            return
        limits = "between 0 and 1" if self.kind == "ridge" else "from 0 to 1"
        names = " or ".join(f'"{name}"' for name in named)
        raise _bad("shrinkage", self.shrinkage, f"{names} or a number {limits}")

    def _in_range(self) -> bool:
        shrinkage = float(self.shrinkage)
        return 0 < shrinkage < 1 or (self.kind != "ridge" and shrinkage in (0, 1))

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> ModelSettings:
        """Build settings from the table's values; what is missing is default."""
        known = [key.name for key in fields(cls)]
        if unknown := sorted(set(table) - set(known)):
            raise ConfigError(
                f"pipeline.toml: [model] has no {', '.join(unknown)}; known: {', '.join(known)}"
            )
        return cls(**table)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bad(name: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"pipeline.toml: [model] {name} = {value!r} has to be {wanted}")
