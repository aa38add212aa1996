from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.selection import Selection

KEYS = [f"train/n{i % 50:08}/ü {i}.JPEG" for i in range(5000)]


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_it_holds_what_was_selected_and_nothing_else(tmp_path: Path) -> None:
    path = _written(tmp_path / "selection", Selection.of(KEYS[::2]).to_bytes())

    selection = Selection.load(path)

    assert [key for key in KEYS if key in selection] == KEYS[::2]


def test_the_file_is_eight_bytes_an_image_in_ascending_order() -> None:
    content = Selection.of(["b", "a", "a"]).to_bytes()

    hashes = sorted(hashlib.sha256(key.encode()).digest()[:8] for key in ("a", "b"))
    assert content == b"".join(each[::-1] for each in hashes)


def test_nothing_can_be_selected(tmp_path: Path) -> None:
    selection = Selection.load(_written(tmp_path / "selection", Selection.of([]).to_bytes()))

    assert len(selection) == 0
    assert KEYS[0] not in selection


def test_the_digest_is_of_the_set_of_keys() -> None:
    digest = Selection.of(KEYS).digest()

    assert Selection.of(KEYS[::-1] + KEYS[:9]).digest() == digest
    assert Selection.of(KEYS[1:]).digest() != digest


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(Selection.of(KEYS).to_bytes()[:-3], id="cut off"),
        pytest.param(np.arange(9, dtype="<u8")[::-1].tobytes(), id="not in order"),
        pytest.param(bytes(16), id="twice the same"),
    ],
)
def test_a_file_that_is_no_selection_is_refused(tmp_path: Path, content: bytes) -> None:
    path = _written(tmp_path / "selection", content)

    with pytest.raises(DataError, match="not a selection of images"):
        Selection.load(path)
