"""The helpers of the notebook and the Python shell: images, grids, queries, predictions."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mr_jobs.lib.errors import ConfigError, DataError
from pipeline import images as image_stores
from pipeline import yarn
from pipeline.lab_files import options_from
from pipeline.lab_helpers import Helpers
from pipeline.lab_views import Picture, Table
from tests.pipeline.conftest import Answer
from tests.pipeline.made_store import MadeStore

HOSTILE = "train/n1/<script>a\x1b[2J.JPEG"


def png(blue: int, width_px: int = 20) -> bytes:
    image = np.full((10, width_px, 3), (blue, 0, 0), np.uint8)
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.fixture
def local() -> Namespace:
    options = options_from("")
    options.runner = "local"
    return options


@pytest.fixture
def helpers(own_var: Path, local: Namespace) -> Helpers:
    """Give the helpers a store of eight blue images, the last with a hostile name, and no image."""
    pictures = {f"train/n1/a_{n}.JPEG": png(30 * n) for n in range(7)}
    pictures |= {HOSTILE: png(200), "val/n2/none.JPEG": b"no image at all"}
    MadeStore(image_stores.LOCAL / "small", pictures)
    return Helpers(local)


def test_img_is_an_image_by_its_id_or_key_with_its_bytes_and_pixels(helpers: Helpers) -> None:
    picture = helpers.img("a_3")

    assert picture.encoded == png(90)
    assert picture.row.key == "train/n1/a_3.JPEG"
    assert picture.pixels().shape == (10, 20, 3)
    assert picture.pixels()[0, 0].tolist() == [0, 0, 90]  # red, green, blue
    assert helpers.img("train/n1/a_3.JPEG").encoded == picture.encoded


def test_an_unknown_image_is_a_sentence(helpers: Helpers) -> None:
    with pytest.raises(ConfigError, match="no image nope in the image store small"):
        helpers.img("nope")


def test_a_picture_is_shown_small_enough(helpers: Helpers) -> None:
    wide = Picture(helpers.img("a_1").row, png(1, width_px=2000))

    shown = cv2.imdecode(np.frombuffer(wide._repr_png_() or b"", np.uint8), cv2.IMREAD_COLOR)

    assert shown is not None
    assert shown.shape == (2, 384, 3)


def test_what_is_no_image_is_shown_as_text_alone(helpers: Helpers) -> None:
    picture = helpers.img("none")

    assert picture._repr_png_() is None
    assert repr(picture).startswith("val/n2/none.JPEG: no image, ")


def test_grid_takes_a_condition_or_a_select_in_its_order(helpers: Helpers) -> None:
    assert len(helpers.grid("split = 'train'", most=5)) == 5
    found = helpers.grid("SELECT image_id FROM images WHERE split = 'train' ORDER BY key DESC", 2)

    assert [picture.row.image_id for picture in found] == ["a_6", "a_5"]
    with pytest.raises(ConfigError, match="neither a column image_id nor key"):
        helpers.grid("SELECT wnid FROM images")


def test_names_from_outside_are_text_and_nothing_else(helpers: Helpers) -> None:
    grid = helpers.grid("wnid IN ('n1', 'n2')", most=20)
    page = grid._repr_html_()

    assert "<script>" not in page
    assert "\x1b" not in page + repr(grid)
    assert "&lt;script&gt;a\\x1b[2J" in page
    assert page.count("<img ") == 8
    assert "no picture: " in page


def test_query_is_a_table_of_text_or_html(helpers: Helpers) -> None:
    table = helpers.query("SELECT wnid, COUNT(*) AS n FROM images GROUP BY wnid ORDER BY wnid")

    assert table.columns == ["wnid", "n"]
    assert list(table) == [("n1", 8), ("n2", 1)]
    assert table.column("n") == [8, 1]
    assert repr(table) == "wnid  n\n----  -\nn1    8\nn2    1\n(2 rows)"
    assert "<td>n1</td><td>8</td>" in table._repr_html_()


def test_a_long_table_is_shown_in_part_and_a_hostile_one_harmlessly() -> None:
    table = Table(["<b>"], [[f"<i>{n}\x1b"] for n in range(70)])

    assert repr(table).endswith("(60 rows; 10 more)")
    assert "<p>10 more rows</p>" in table._repr_html_()
    assert "<i>" not in table._repr_html_()
    assert "<b>" not in table._repr_html_()


def test_one_of_several_image_stores_is_chosen_by_name(helpers: Helpers) -> None:
    MadeStore(image_stores.LOCAL / "other", {"train/n1/b_1.JPEG": png(7)})

    helpers.use("other")

    assert helpers.img("b_1").encoded == png(7)
    with pytest.raises(ConfigError, match="no image store third on this machine; there: other, sm"):
        helpers.use("third")
    assert helpers.img("b_1").encoded == png(7)


def test_without_a_model_predict_says_how_to_make_one(helpers: Helpers) -> None:
    with pytest.raises(ConfigError, match="no saved model of the image store small; `bin/pipelin"):
        helpers.predict("a_1")


def test_predict_takes_the_newest_model_of_the_image_store(
    cli: Callable[..., Answer], folder_data: Callable[..., Path], local: Namespace
) -> None:
    data = folder_data(n_classes=2, n_images=12)
    answer = cli("full", "--data", data, "--runner", "inline", "--keep")
    assert answer.code == 0, answer.err
    helpers = Helpers(local)

    table = helpers.predict("n00000001_3")

    assert table.columns == ["wnid", "words", "score"]
    assert table.column("wnid")[0] == "n00000001"
    assert helpers.predict(helpers.img("n00000001_3"))[0] == table[0]
    with pytest.raises(DataError, match="n00000001_3"):
        helpers.predict(Picture(helpers.img("n00000001_3").row, b"broken"))


def test_jobs_without_a_cluster_are_a_sentence(helpers: Helpers) -> None:
    with pytest.raises(ConfigError, match="there is none; start one with `bin/pipeline up`"):
        helpers.job()


class OnYarn(Helpers):
    """Helpers of a cluster with jobs."""

    class _Cluster:
        resourcemanager_url = "http://127.0.0.1:9"

    cluster = _Cluster()  # type: ignore[assignment]


def test_jobs_are_newest_first_with_their_state(
    local: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = {"state": "FINISHED", "finalStatus": "SUCCEEDED", "progress": 100.0, "elapsedTime": 1500}
    apps = [app | {"id": f"a{n}", "name": f"job {n}", "startedTime": n} for n in (1, 3, 2)]
    monkeypatch.setattr(yarn, "applications", lambda _, state: apps if not state else [])

    assert OnYarn(local).job().column("id") == ["a3", "a2", "a1"]
    assert OnYarn(local).job().column("seconds") == [1.5, 1.5, 1.5]
    assert len(OnYarn(local).job("running")) == 0
    with pytest.raises(ConfigError, match="job: 'sleeping' is no state of YARN's: NEW, "):
        OnYarn(local).job("sleeping")
