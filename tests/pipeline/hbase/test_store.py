"""An image store in HBase does what one of bundles does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.hbase_rows import FINGERPRINT, VECTOR, row_key
from mr_jobs.lib.sequencefile import open_reader
from pipeline import extras
from tests.hbase_gateway import Gateway
from tests.pipeline.hbase.made import TABLE, catalogued, placeless, write_mark

pytestmark = pytest.mark.hbase


def features(work: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted((work / "features").glob("part-*")):
        with open_reader(path) as reader:
            for record in reader.records():
                assert isinstance(record.key, bytes)
                assert isinstance(record.value, bytes)
                found[record.key.decode()] = record.value
    return found


def test_images_and_their_rows_are_those_of_bundles_but_for_the_place(
    cli: Any, stored: Path, folder_data: Any, gateway: Gateway, tmp_path: Path, own_var: Path
) -> None:
    answer = cli("ingest", tmp_path / "data", "--runner", "inline", "--images", "bundles")
    assert answer.code == 0, answer.err

    rows = catalogued(stored)
    others = catalogued(own_var / "images" / "bundles")
    assert len(rows) == 36
    assert list(map(placeless, rows)) == list(map(placeless, others))
    assert not (stored / "raw").exists()
    assert list((stored / "bundles").glob("*.seq")) == []
    for row in rows:
        cells = gateway.tables[TABLE][row_key(row.key)]
        original = tmp_path / "data" / row.wnid / row.key.rpartition("/")[2]
        assert cells[b"image:data"] == original.read_bytes()
        assert cells[b"metadata:sha256"] == row.sha256.encode()
        assert (cells[b"metadata:status"], cells[b"metadata:reason"]) == (b"kept", rb"\N")
        assert row.bundle == f"00000-{row_key(row.key)[:2].decode()}.hbase"


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_features_and_predictions_are_those_of_bundles(
    cli: Any, folder_data: Any, options: tuple[object, ...], gateway: Gateway, own_var: Path,
    runner: str,
) -> None:  # fmt: skip
    data = folder_data()
    named = ("--data", data, "--keep", "--runner", runner)
    in_hbase = cli("full", *options, *named, "--run-id", "rows", "--json")
    assert in_hbase.code == 0, in_hbase.err
    in_bundles = cli("full", *named, "--images", "b", "--run-id", "bundles", "--json")
    assert in_bundles.code == 0, in_bundles.err

    vectors = {run: features(own_var / "runs" / run / "work") for run in ("rows", "bundles")}
    assert len(vectors["rows"]) == 36
    assert vectors["rows"] == vectors["bundles"]
    for key, value in vectors["rows"].items():
        cells = gateway.tables[TABLE][row_key(key)]
        assert cells[VECTOR] == value
        assert len(cells[FINGERPRINT]) == 16
    saved = [own_var / "saved" / run / "predictions.tsv" for run in ("rows", "bundles")]
    predicted = [path.read_text().splitlines() for path in saved]
    assert sorted(predicted[0]) == sorted(predicted[1])
    noted = [cells for cells in gateway.tables[TABLE].values() if b"prediction:rows" in cells]
    assert len(noted) == len(predicted[0]) - 1
    first = predicted[0][1].split("\t")
    cells = gateway.tables[TABLE][row_key(first[1].replace("val/", "train/", 1))]
    wnid, score = json.loads(cells[b"prediction:rows"])[0]
    assert (wnid, f"{score:.6g}") == (first[3], first[4])


def test_a_later_ingest_adds_rows_and_leaves_the_others_alone(
    cli: Any, stored: Path, options: tuple[object, ...], gateway: Gateway, tmp_path: Path
) -> None:
    before = {row: dict(cells) for row, cells in gateway.tables[TABLE].items()}
    new = tmp_path / "data" / "n00000000" / "n00000000_new.JPEG"
    new.write_bytes(next((tmp_path / "data" / "n00000001").iterdir()).read_bytes())
    gateway.calls.clear()

    answer = cli("ingest", tmp_path / "data", *options, "--json")

    assert answer.code == 0, answer.err
    assert answer.json()["added"] == 1
    after = gateway.tables[TABLE]
    (row,) = set(after) - set(before)
    assert row == row_key(f"train/n00000000/{new.name}")
    assert after[row][b"metadata:batch"] == b"00001"
    assert all(after[row] == cells for row, cells in before.items())
    assert cli("verify", "--runner", "inline").code == 0


def test_calls_that_fail_are_made_again_and_change_nothing(
    cli: Any, folder_data: Any, options: tuple[object, ...], gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("mr_jobs.hbase.TASK_WAITS_S", (0.0, 0.0, 0.0))
    gateway.failures = 3

    answer = cli("ingest", folder_data(), *options, "--json")

    assert answer.code == 0, answer.err
    assert gateway.failures == 0
    assert (answer.json()["images"], answer.json()["kept"]) == (36, 36)


def test_removing_the_image_store_removes_the_table(
    cli: Any, stored: Path, gateway: Gateway
) -> None:
    listed = cli("images", "--runner", "inline")
    assert "36 images in HBase's table imagenet_mine of 1 ingests" in listed.out

    answer = cli("images", "--remove", "--images", "mine", "--yes", "mine", "--runner", "inline")

    assert answer.code == 0, answer.err
    assert gateway.tables == {}
    assert not stored.exists()


def test_a_table_that_a_lost_image_store_left_is_made_anew(
    cli: Any, folder_data: Any, options: tuple[object, ...], gateway: Gateway
) -> None:
    gateway.tables[TABLE] = {b"00/old": {b"metadata:batch": b"00000"}}

    answer = cli("ingest", folder_data(), *options)

    assert answer.code == 0, answer.err
    assert len(gateway.tables[TABLE]) == 36


def test_an_image_store_stays_what_it_is(
    cli: Any, stored: Path, tmp_path: Path, config: Path
) -> None:
    named = ("--images", "mine", "--runner", "inline")

    answer = cli("ingest", tmp_path / "data", *named)

    assert answer.code == 2
    assert "image store mine holds rows of HBase" in answer.err


def test_predict_reads_rows_and_notes_what_it_says(
    cli: Any, folder_data: Any, options: tuple[object, ...], gateway: Gateway
) -> None:
    data = folder_data()
    full = cli("full", *options, "--data", data, "--keep", "--run-id", "rows")
    assert full.code == 0, full.err

    answer = cli("predict", "rows", "--images", "mine", "--runner", "inline", "--json")

    assert answer.code == 0, answer.err
    assert answer.json()["predicted"] == 36
    assert all(b"prediction:rows" in cells for cells in gateway.tables[TABLE].values())


def test_without_the_component_the_sentence_says_what_to_do(
    cli: Any, folder_data: Any, config: Path, tmp_path: Path
) -> None:
    pytest.importorskip("happybase")
    mark = write_mark(tmp_path / "there")
    named = ("--config", config, "--cluster-dir", mark, "--runner", "inline")

    answer = cli("ingest", folder_data(), *named)

    assert answer.code == 2
    assert "needs a cluster with HBase: bin/pipeline up --with hbase" in answer.err


def test_without_the_extra_the_sentence_says_what_to_install(
    cli: Any, folder_data: Any, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.MODULES, "hbase", "no_such_module_is_installed")

    answer = cli("ingest", folder_data(), "--config", config, "--runner", "inline")

    assert answer.code == 2
    assert 'store = "hbase" needs the extra hbase: bin/setup --extra hbase' in answer.err


def test_a_condition_leaves_its_images_to_the_features(
    cli: Any, folder_data: Any, options: tuple[object, ...], gateway: Gateway
) -> None:
    data = folder_data()
    assert cli("ingest", data, *options, "--run-id", "rows").code == 0
    for step in ("group", "codebook"):
        assert cli(step, "--run-id", "rows").code == 0
    chosen = {f"train/n0000000{number}/n0000000{number}_7.JPEG" for number in range(2)}

    where = "image_id LIKE '%_7' AND wnid < 'n00000002'"
    answer = cli("features", "--run-id", "rows", "--where", where, "--json")

    assert answer.code == 0, answer.err
    assert answer.json()["counts"]["featurized"] == 2
    with_vector = {row for row, cells in gateway.tables[TABLE].items() if VECTOR in cells}
    assert with_vector == {row_key(key) for key in chosen}


def test_tasks_with_another_python_are_refused(
    cli: Any, folder_data: Any, config: Path, tmp_path: Path
) -> None:
    pytest.importorskip("happybase")
    facts = {"hbase_host": "127.0.0.1", "hbase_thrift_port": 1, "python_bin": "/none/bin/python"}
    mark = write_mark(tmp_path / "there", **facts)
    named = ("--config", config, "--cluster-dir", mark, "--runner", "inline")

    answer = cli("ingest", folder_data(), *named)

    assert answer.code == 2
    assert "works where all of the cluster is on this machine" in answer.err
