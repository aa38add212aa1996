"""The facts of a run: pipeline.toml, with a default and a check for each key."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from models.settings import ModelSettings
from mr_jobs.job import ROOT
from mr_jobs.lib.duplicates import DuplicateSettings
from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.features.base import is_integer

CONFIG_FILE = ROOT / "pipeline.toml"
CONFIGS = ROOT / "configs"
VAR = ROOT / "var"
STORES = ("bundles", "hbase")
_TABLES = ("data", "repair", "duplicates", "features", "codebooks", "model", "passes")


@dataclass(frozen=True)
class DataSettings:
    """The table [data]: shares are fractions of the images, `bundle_mb` is 2^20 bytes.

    `store` says what a new image store keeps its images in: `bundles`, or rows of `hbase`.

    Raises
    ------
    ConfigError
        A value that does not fit; the sentence names it.
    """

    val_fraction: float = 0.2
    test_fraction: float = 0.0
    seed: int = 0
    bundle_mb: int = 128
    store: str = STORES[0]

    def __post_init__(self) -> None:
        shares = (self.val_fraction, self.test_fraction)
        if not all(isinstance(s, int | float) and 0 <= s < 1 for s in shares) or sum(shares) >= 1:
            raise ConfigError(
                "pipeline.toml: [data] val_fraction and test_fraction are shares from 0, below 1 "
                f"together, not {shares}"
            )
        if self.store not in STORES:
            raise ConfigError(
                f"pipeline.toml: [data] store is {' or '.join(STORES)}, not {self.store!r}"
            )
        for name, least in (("seed", 0), ("bundle_mb", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(
                    f"pipeline.toml: [data] {name} is a whole number from {least}, not {value!r}"
                )


@dataclass(frozen=True)
class CodebookSettings:
    """The table [codebooks]: how those of learned features are learned.

    Parameters
    ----------
    samples : local descriptors to learn from, for each feature.
    rounds : passes over them, each a round of k-means or an expectation step.

    Raises
    ------
    ConfigError
        A value that does not fit; the sentence names it.
    """

    samples: int = 100_000
    rounds: int = 5

    def __post_init__(self) -> None:
        for name, least in (("samples", 1000), ("rounds", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(
                    f"pipeline.toml: [codebooks] {name} is a whole number from {least}, "
                    f"not {value!r}"
                )


@dataclass(frozen=True)
class PassSettings:
    """The table [passes]: where sums over descriptors and vectors are made.

    Parameters
    ----------
    here_mb : a pass over at most so many MB (2^20 bytes) is made in the pipeline's own process,
        sooner than a job starts; over more by a job. With 0 it is always a job. The sums are the
        same.

    Raises
    ------
    ConfigError
        A value that does not fit; the sentence names it.
    """

    here_mb: int = 128

    def __post_init__(self) -> None:
        if not is_integer(self.here_mb, 0, 1 << 20):
            raise ConfigError(
                "pipeline.toml: [passes] here_mb is a whole number of MB from 0, not "
                f"{self.here_mb!r}"
            )


@dataclass(frozen=True)
class Config:
    """All facts of a run."""

    data: DataSettings
    duplicates: DuplicateSettings
    features: FeatureSpec
    codebooks: CodebookSettings
    model: ModelSettings
    passes: PassSettings

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain JSON values, table by table."""
        features = self.features.to_dict()
        return {
            "data": asdict(self.data),
            "repair": features.pop("repair"),
            "duplicates": asdict(self.duplicates),
            "features": features,
            "codebooks": asdict(self.codebooks),
            "model": self.model.to_dict(),
            "passes": asdict(self.passes),
        }

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> Config:
        """Build a config from tables; what is missing is default."""
        if unknown := sorted(set(tables) - set(_TABLES)):
            raise ConfigError(
                f"pipeline.toml: no table {', '.join(unknown)}; known: {', '.join(_TABLES)}"
            )
        if "repair" in tables.get("features", {}):
            raise ConfigError(
                "pipeline.toml: repair is a table of its own, not a key of [features]"
            )
        return cls(
            _settings(DataSettings, "data", tables),
            DuplicateSettings.from_dict(tables.get("duplicates", {})),
            FeatureSpec.from_dict(
                {**tables.get("features", {}), "repair": tables.get("repair", {})}
            ),
            _settings(CodebookSettings, "codebooks", tables),
            ModelSettings.from_dict(tables.get("model", {})),
            _settings(PassSettings, "passes", tables),
        )

    @classmethod
    def load(cls, path: Path = CONFIG_FILE) -> Config:
        """Read a TOML file.

        Raises
        ------
        ConfigError
            If it is missing, is not TOML, or holds a key or value that does not fit.
        """
        try:
            with path.open("rb") as file:
                tables = tomllib.load(file)
        except FileNotFoundError as error:
            raise ConfigError(f"no such configuration file: {path}") from error
        except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or nested to hurt
            raise ConfigError(f"{path}: not TOML: {error}") from error
        return cls.from_dict(tables)


def find_config(name: str) -> Path:
    """Return the file of a configuration: a path, or the name of one in configs/.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    named = CONFIGS / f"{name}.toml"
    if "/" not in name and named.exists():
        return named
    if Path(name).exists():
        return Path(name)
    known = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.toml")))
    raise ConfigError(f"no such configuration file: {name}; by name there are {known}")


Settings = TypeVar("Settings", DataSettings, CodebookSettings, PassSettings)


def _settings(kind: type[Settings], name: str, tables: Mapping[str, Any]) -> Settings:
    table = dict(tables.get(name, {}))
    known = [field.name for field in fields(kind)]
    if unknown := sorted(set(table) - set(known)):
        raise ConfigError(
            f"pipeline.toml: [{name}] has no {', '.join(unknown)}; known: {', '.join(known)}"
        )
    return kind(**table)


def fingerprint(facts: object) -> str:
    """Return 16 hex digits that change with the facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
