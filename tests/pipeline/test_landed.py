"""Images that came through Flume are stored once, however often they were delivered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mr_jobs.lib.sequencefile import open_reader
from pipeline import data_steps
from pipeline.ledger import Ledger
from pipeline.stores import LocalStore
from tests.pipeline.landing_factory import landing_file

Land = Callable[..., dict[str, Any]]


def jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (32, 32, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1])


A, B, C = (("n01/a.JPEG", jpeg(1)), ("n01/b.JPEG", jpeg(2)), ("n02/a.JPEG", jpeg(3)))


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


@pytest.fixture
def land(cli: Any, landing: Path, own_var: Path) -> Land:
    """Write landing files by number, and ingest the folder."""

    def run(files: dict[int, list[tuple[str, bytes]]]) -> dict[str, Any]:
        for number, images in files.items():
            (landing / f"images.{number}.avro").write_bytes(landing_file(*images))
        answer = cli("ingest", landing, "--images", "s", "--runner", "inline", "--json")
        assert answer.code == 0, answer.err
        result: dict[str, Any] = answer.json()
        return result

    return run


def stored(own_var: Path) -> dict[str, bytes]:
    found: list[tuple[str, bytes]] = []
    for path in (own_var / "images" / "s" / "bundles").glob("*.seq"):
        with open_reader(path) as reader:
            for record in reader.records():
                assert isinstance(record.key, bytes)
                assert isinstance(record.value, bytes)
                found.append((record.key.decode(), record.value))
    assert len(dict(found)) == len(found)
    return dict(found)


def test_images_keep_name_class_and_bytes(land: Land, own_var: Path) -> None:
    result = land({1: [A, B, C]})

    assert (result["layout"], result["added"]) == ("Flume landing", 3)
    assert stored(own_var) == {f"train/{place}": body for place, body in (A, B, C)}


def test_landing_files_that_come_later_are_added_and_nothing_twice(land: Land) -> None:
    assert land({1: [A, B]})["added"] == 2
    assert land({})["added"] == 0
    assert land({2: [C]})["added"] == 1


def test_image_that_was_delivered_twice_is_stored_once(land: Land, own_var: Path) -> None:
    result = land({1: [A, B, A], 2: [B, C]})

    assert (result["images"], result["refused_members"]) == (3, {})
    assert len(stored(own_var)) == 3


def test_image_that_was_delivered_again_later_is_stored_once(land: Land, own_var: Path) -> None:
    land({1: [A, B]})

    assert land({2: [B, C]})["added"] == 1
    assert len(stored(own_var)) == 3


def test_other_bytes_under_a_name_that_is_taken_are_refused(land: Land, own_var: Path) -> None:
    other = (A[0], jpeg(9))

    result = land({1: [A], 2: [other]})

    assert result["refused_members"] == {"changed": 1}
    assert stored(own_var) == {f"train/{A[0]}": A[1]}


def test_image_without_a_class_is_quarantined(land: Land) -> None:
    result = land({1: [A, ("unlabelled/x.JPEG", jpeg(4))]})

    assert (result["kept"], result["quarantined"]) == (1, {"unlabelled": 1})


@pytest.mark.parametrize("killed_in", ["_bundle", "_catalog"])
def test_delivery_after_an_interruption_is_still_stored_once(
    cli: Any,
    land: Land,
    landing: Path,
    own_var: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed_in: str,
) -> None:
    step = {"_bundle": data_steps.BUNDLE, "_catalog": data_steps.CATALOG}[killed_in]

    def die(*_: object) -> dict[str, Any]:
        raise KeyboardInterrupt

    (landing / "images.1.avro").write_bytes(landing_file(A, B))
    with monkeypatch.context() as patch:
        patch.setitem(step.__dict__, "run", die)
        assert cli("ingest", landing, "--images", "s", "--runner", "inline").code == 130

    result = land({2: [B, C]})

    assert result["images"] == 3
    assert len(stored(own_var)) == 3
    states = {batch.state for batch in Ledger.load(LocalStore(own_var / "images" / "s")).batches}
    assert states == {"bundled"}
