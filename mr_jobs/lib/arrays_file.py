"""Named arrays in one file, as a job's tasks get them."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import numpy as np


class ArraysFile:
    """A dataclass of arrays that can be a file of numpy's .npz format."""

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in fields(self)  # type: ignore[arg-type]  # a subclass is a dataclass
        }
        np.savez(content, **arrays)
        return content.getvalue()

    @classmethod
    def load(cls, path: str) -> Self:
        """Read a file that `to_bytes` made."""
        with np.load(Path(path), allow_pickle=False) as arrays:
            return cls(**arrays)
