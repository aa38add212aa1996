from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mr_jobs.lib.errors import ClusterError
from mr_jobs.lib.records import CatalogRow
from pipeline.config import Config
from pipeline.images import Images
from pipeline.report import collect
from pipeline.report.predictions import most_confident_mistakes
from pipeline.report.render import render
from pipeline.runs import Run
from pipeline.step import Context
from pipeline.stores import LocalStore
from tests.pipeline.made_store import MadeStore
from tests.pipeline.report.made_run import WNIDS


@pytest.fixture
def store(tmp_path: Path, jpeg: Any) -> MadeStore:
    """The images of a made run, all of them in val, and one that is broken."""
    keys = [f"val/{WNIDS[n % 6]}/val_{n:06}.JPEG" for n in range(48)]
    pictures = {key: jpeg(seed=n) for n, key in enumerate(keys)}
    made = MadeStore(tmp_path / "images", {**pictures, "val/n00000000/page.JPEG": b"<html>"})
    catalogue = max((tmp_path / "images" / "catalog").iterdir())
    *lines, last = catalogue.read_text().splitlines()
    broken = CatalogRow.from_line(last)._replace(status="quarantined", reason="not_an_image")
    catalogue.write_text("\n".join([*lines, broken.to_line(), ""]))
    (tmp_path / "images" / "duplicates").mkdir()
    (tmp_path / "images" / "duplicates" / "groups.tsv").touch()
    return made


@pytest.fixture
def collected(store: MadeStore, make_run: Callable[..., Path]) -> Callable[[], dict[str, Any]]:
    """Gather what the images of the store give, for a run that was tested on them."""
    run_dir = make_run(n_images=48, right=0.3)
    run = Run("r1", "data", "inline", {}, "")
    images = Images("made", LocalStore(store.root), None, run_dir.with_name("cache"))
    context = Context(run, Config.from_dict({}), LocalStore(run_dir.with_name("work")), images)
    context.__dict__["data"] = SimpleNamespace(has_val=True)  # of a data set there is no more

    def collect_() -> dict[str, Any]:
        collect.collect(context, run_dir)
        found: dict[str, Any] = json.loads((run_dir / "report_images.json").read_text("utf-8"))
        return found

    return collect_


def test_what_is_gathered_agrees_with_the_counts_of_the_run(cli: Any, folder_data: Any) -> None:
    data = folder_data()
    (data / "n00000000" / "zero.JPEG").write_bytes(b"")
    (data / "n00000001" / "page.JPEG").write_bytes(b"<html>")

    run_dir = Path(cli("full", "--data", data, "--runner", "inline", "--json").json()["run_dir"])

    found = json.loads((run_dir / "report_images.json").read_text("utf-8"))
    metrics = json.loads((run_dir / "metrics.json").read_text("utf-8"))
    totals: Counter[str] = Counter()
    for counts in found["splits"].values():
        totals.update(counts)
    assert totals == {name: metrics["counts"][name] for name in ("train", "val")}
    assert found["sides"] == [[32, 64, 36]]
    assert sum(n for _, _, n in found["sizes"]) == 36
    assert [len(images) for images in found["sheets"].values()] == [8, 8, 8]
    assert all("src" in image for images in found["sheets"].values() for image in images)
    assert {image["reason"] for image in found["quarantined"]} == {"empty", "not_an_image"}
    assert len(found["glyphs"]) == 3


def test_every_mistake_has_its_picture(
    collected: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    found = collected()

    surest = most_confident_mistakes(tmp_path / "r1", 24)
    assert len(surest) == 24
    assert set(found["mistakes"]) == {row.key for row in surest}
    assert all("src" in image for image in found["mistakes"].values())
    assert found["quarantined"][0]["problem"].startswith("no picture: not_an_image")


def test_gathering_again_gives_the_same(collected: Callable[[], dict[str, Any]]) -> None:
    assert collected() == collected()


def test_images_that_cannot_be_read_are_cards(
    collected: Callable[[], dict[str, Any]], store: MadeStore, tmp_path: Path
) -> None:
    for bundle in (store.root / "bundles").iterdir():
        content = bundle.read_bytes()
        bundle.write_bytes(content[:200] + bytes(len(content) - 200))

    found = collected()

    problems = [image["problem"] for images in found["sheets"].values() for image in images]
    assert all("are not those catalogued" in problem for problem in problems)
    assert found["glyphs"] == []
    assert "are not those catalogued" in render(tmp_path / "r1")


def test_a_cluster_that_is_gone_loses_the_pictures_and_not_the_run(
    collected: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise ClusterError("HDFS did not answer")

    monkeypatch.setattr(collect, "read_images", gone)

    problems = {image["problem"] for image in collected()["sheets"]["n00000000"]}

    assert problems == {"no picture: the image store did not give it"}


def test_sheets_are_limited(
    collected: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(collect, "N_SHEETS", 2)
    monkeypatch.setattr(collect, "N_A_SHEET", 3)

    found = collected()

    assert [len(images) for images in found["sheets"].values()] == [3, 3]
    assert "of 2 of 6 synsets, those with the highest top-1 error" in render(tmp_path / "r1")


def test_an_image_that_the_run_left_out_is_not_counted(cli: Any, folder_data: Any) -> None:
    where = "wnid <> 'n00000002'"
    run = ("full", "--data", folder_data(), "--runner", "inline", "--json", "--where", where)

    run_dir = Path(cli(*run).json()["run_dir"])

    found = json.loads((run_dir / "report_images.json").read_text("utf-8"))
    assert set(found["splits"]) == {"n00000000", "n00000001"}
