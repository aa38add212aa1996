"""The codebooks of learned features: one file for all of a run, with what they were learned for."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.npz import read_npz
from mr_jobs.lib.plain_files import parse_json

_FACTS = "facts"
_ANEW = "learn them anew with `bin/pipeline codebook`"


class Shaped(Protocol):
    """A learned feature, as far as its codebook goes."""

    def codebook_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the codebook's arrays, by name."""


class Codebooks(dict[str, dict[str, NDArray[np.float32]]]):
    """Named float32 arrays by feature; `facts` says what they were learned for."""

    def __init__(
        self,
        arrays: Mapping[str, Mapping[str, NDArray[np.float32]]] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__({name: dict(of_one) for name, of_one in (arrays or {}).items()})
        self.facts = dict(facts or {})

    def to_bytes(self) -> bytes:
        """Write NumPy's .npz format; the facts are JSON in an array of bytes."""
        arrays = {
            f"{feature}.{name}": array
            for feature, of_one in self.items()
            for name, array in of_one.items()
        }
        facts = json.dumps(self.facts, sort_keys=True).encode()
        file = io.BytesIO()
        np.savez(file, **{_FACTS: np.frombuffer(facts, np.uint8)}, **arrays)  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> Codebooks:
        """Read what `to_bytes` wrote; `name` is for the error.

        Raises
        ------
        DataError
            If it is no such file. Nothing is unpickled.
        """
        try:
            found = read_npz(content)
            facts = dict(parse_json(found.pop(_FACTS).tobytes()))
            arrays: dict[str, dict[str, NDArray[np.float32]]] = {}
            for key, array in found.items():
                feature, dot, array_name = key.partition(".")
                if array.dtype.kind != "f":
                    raise ValueError(f"{key} is not of numbers")
                if dot:
                    arrays.setdefault(feature, {})[array_name] = array
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{name} is not a file of codebooks ({error}); {_ANEW}") from error
        return cls(arrays, facts)

    @classmethod
    def load(cls, path: Path) -> Codebooks:
        """Read a file, see `from_bytes`."""
        return cls.from_bytes(path.read_bytes(), str(path))

    def digest(self) -> str:
        """Return 16 hex digits that change with every value; empty for no codebook."""
        if not self:
            return ""
        digest = hashlib.sha256()
        for feature in sorted(self):
            for name, array in sorted(self[feature].items()):
                little = np.ascontiguousarray(array, "<f4")
                digest.update(f"{feature}.{name}{little.shape}".encode())
                digest.update(little.tobytes())
        return digest.hexdigest()[:16]

    def check(self, facts: Mapping[str, Any], features: Mapping[str, Shaped]) -> None:
        """Raise a DataError unless these are codebooks of the learned features.

        Parameters
        ----------
        facts : what a codebook of the features depends on, see `FeatureSpec.codebook_facts`.
        features : the learned features by name.
        """
        if missing := sorted(set(features) - set(self)):
            raise DataError(f"there is no codebook for {', '.join(missing)}; {_ANEW}")
        for name, feature in features.items():
            learned_for = {**self.facts, "features": self.facts.get("features", {}).get(name)}
            wanted = {**facts, "features": facts["features"][name]}
            if learned_for != wanted:
                differing = ", ".join(_differing(learned_for, wanted))
                raise DataError(
                    f"the codebook of {name} does not match the features: it was learned with "
                    f"{differing}; {_ANEW}"
                )
            shapes = {key: array.shape for key, array in self[name].items()}
            if shapes != feature.codebook_shapes():
                raise DataError(f"the codebook of {name} is damaged: its shapes differ; {_ANEW}")
            if not all(np.isfinite(array).all() for array in self[name].values()):
                raise DataError(f"the codebook of {name} holds NaN or infinity; {_ANEW}")


def _differing(was: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Say in which values two nested mappings differ."""
    found = []
    for key in sorted({*was, *wanted}):
        a, b = was.get(key), wanted.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differing(a, b)
        elif a != b:
            found.append(f"{key} {a} (here {b})")
    return found


NO_CODEBOOKS = Codebooks()
