"""HBase as an image store on a real cluster: the same images, features and predictions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from mr_jobs.lib.hbase_rows import BATCH, DATA, FINGERPRINT, IMAGE_COLUMNS, VECTOR, row_key
from mr_jobs.lib.records import CatalogRow
from pipeline import catalog, hbase_store
from pipeline.cluster import Cluster
from pipeline.images import images_at
from pipeline.runs import load_run
from pipeline.sample import write_sample
from tests.cluster import pipelines as p

pytestmark = [pytest.mark.cluster, pytest.mark.landscape, pytest.mark.hbase]
_N_RANDOM = 3_000_000  # behind the end of an image: it is kept in parts

FEATURES = '[features]\nfeatures = ["hog", "hsv_pyramid", "fisher"]\n'
FEATURES += "[features.fisher]\nn_gaussians = 4\n[codebooks]\nsamples = 5_000\nrounds = 1\n"


class Both(NamedTuple):
    """Runs of the same data, one with its images in HBase and one with bundles."""

    rows: dict[str, Any]
    bundles: dict[str, Any]
    cluster: Cluster


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes and odd files, among them one that is larger than a cell."""
    root = tmp_path_factory.mktemp("data") / "sample"
    write_sample(root, n_classes=3, n_images=30, seed=5)
    return root


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("config")
    found = {}
    for store in ("hbase", "bundles"):
        found[store] = folder / f"{store}.toml"
        found[store].write_text(f'[data]\nstore = "{store}"\nbundle_mb = 1\n{FEATURES}')
    return found


@pytest.fixture(scope="module")
def both(hbase_cluster: Cluster, data: Path, configs: dict[str, Path]) -> Iterator[Both]:
    names = {store: f"{store}-{uuid.uuid4().hex[:8]}" for store in configs}
    with p.forgotten(*names.values()):
        runs = {
            store: p.run(
                "full", "--data", data, "--config", configs[store], "--run-id", name,
                "--images", name, *p.on(hbase_cluster),
            )
            for store, name in names.items()
        }  # fmt: skip
        yield Both(runs["hbase"], runs["bundles"], hbase_cluster)
        for name in names.values():
            hbase_store.remove(images_at(name, hbase_cluster))
        with place_of(names["hbase"], hbase_cluster).open() as table:
            assert not table.exists()


def place_of(name: str, cluster: Cluster) -> hbase_store.Place:
    return hbase_store.Place(f"imagenet_{name}", cluster)


def rows_of(name: str, cluster: Cluster) -> list[CatalogRow]:
    found = catalog.rows(images_at(name, cluster).store)
    bare = (row._replace(bundle="", offset=None, length=None) for row in found)
    return sorted(bare, key=lambda row: row.key)


def test_catalogue_features_and_predictions_are_those_of_bundles(both: Both) -> None:
    names = [run["run_id"] for run in (both.rows, both.bundles)]

    rows = [rows_of(name, both.cluster) for name in names]
    assert len(rows[0]) == both.bundles["counts"]["images"] > 100
    assert rows[0] == rows[1]
    vectors = [p.records(p.store_of(name, both.cluster), "features") for name in names]
    assert len(vectors[0]) == both.rows["counts"]["kept"]
    assert vectors[0] == vectors[1]
    said = [
        (Path(r["run_dir"]) / "predictions.tsv").read_bytes() for r in (both.rows, both.bundles)
    ]
    assert said[0] == said[1]
    assert both.rows["counts"]["bundles"] == 0
    assert images_at(names[0], both.cluster).store.files("bundles") == []


def test_every_family_holds_what_belongs_to_it(both: Both) -> None:
    name = both.rows["run_id"]
    vectors = dict(p.records(p.store_of(name, both.cluster), "features"))
    bundles = dict(p.records(images_at(both.bundles["run_id"], both.cluster).store, "bundles"))
    columns = [*IMAGE_COLUMNS, b"metadata:sha256", VECTOR, FINGERPRINT]
    columns.append(f"prediction:{name}".encode())

    with place_of(name, both.cluster).open() as table:
        found = dict(table.scan(b"", None, columns))
        regions = [region["start_key"] for region in table.regions()]

    assert regions == [b"", b"40", b"80", b"c0"]
    assert len(found) == len(bundles)
    n_predicted = 0
    for row in rows_of(name, both.cluster):
        cells = found[row_key(row.key)]
        assert cells[DATA] == bundles[row.key.encode()]
        assert (cells[b"metadata:sha256"], cells[BATCH]) == (row.sha256.encode(), b"00000")
        assert cells.get(VECTOR) == vectors.get(row.key.encode())
        n_predicted += columns[-1] in cells
    lines = (Path(both.rows["run_dir"]) / "predictions.tsv").read_text().splitlines()
    assert n_predicted == len(lines) - 1


def test_images_are_got_by_id_and_condition_verified_and_queried(
    both: Both, tmp_path: Path
) -> None:
    name = both.rows["run_id"]
    named = ("--images", name, *p.on(both.cluster))
    bundles = dict(p.records(images_at(both.bundles["run_id"], both.cluster).store, "bundles"))

    keys = sorted(row.key for row in rows_of(name, both.cluster))[::9]
    p.run("get", *keys, *named, "--to", tmp_path / "ids")
    where = ("--where", "split = 'val' AND status = 'kept'")
    got = p.run("get", *where, *named, "--to", tmp_path / "where")
    sound = p.run("verify", *named)
    sql = "SELECT COUNT(*) AS n FROM images WHERE offset IS NULL AND bundle LIKE '00000-%.hbase'"
    told, _ = p.end(p.start("query", sql, "--format", "csv", *named))

    for folder in ("ids", "where"):
        for path in (path for path in (tmp_path / folder).rglob("*") if path.suffix != ".tsv"):
            key = str(path.relative_to(tmp_path / folder))
            assert path.is_dir() or path.read_bytes() == bundles[key.encode()]
    assert got["images"] == both.rows["counts"]["val"]
    assert (sound["verified"], sound["differing"]) == (len(bundles), [])
    assert told.split() == ["n", str(len(bundles))]


def test_predict_reads_rows_by_a_job(both: Both, tmp_path: Path) -> None:
    run_id = both.rows["run_id"]

    p.run(
        "predict", run_id, "--images", run_id, "--output", tmp_path / "rows.tsv",
        *p.on(both.cluster),
    )  # fmt: skip
    p.run(
        "predict", run_id, "--images", both.bundles["run_id"], "--output", tmp_path / "bundles.tsv",
        *p.on(both.cluster),
    )  # fmt: skip

    assert (tmp_path / "rows.tsv").read_bytes() == (tmp_path / "bundles.tsv").read_bytes()


def test_a_task_killed_while_it_puts_images_changes_nothing(
    both: Both, data: Path, configs: dict[str, Path]
) -> None:
    name = f"killed-{uuid.uuid4().hex[:8]}"
    named = ("--images", name, "--run-id", name, *p.on(both.cluster))
    with p.forgotten(name):
        try:
            p.run("ingest", data, "--only", "--config", configs["hbase"], *named)
            process = p.start("bundle", *named)
            p.kill(p.wait_until_there(lambda: p.tasks(both.cluster.dir, "mr_put_images.py")))
            _, err = p.end(process)
            p.run("catalog", *named)

            assert "tried once more" in err
            assert rows_of(name, both.cluster) == rows_of(both.rows["run_id"], both.cluster)
            assert p.run("verify", "--images", name, *p.on(both.cluster))["differing"] == []
        finally:
            hbase_store.remove(images_at(name, both.cluster))


def test_jobs_of_this_machine_use_the_same_hbase(
    both: Both, data: Path, configs: dict[str, Path], tmp_path: Path
) -> None:
    name = f"here-{uuid.uuid4().hex[:8]}"
    here = ("--images", name, "--runner", "local")
    with p.forgotten(name):
        try:
            p.run(
                "ingest",
                data,
                "--config",
                configs["hbase"],
                "--run-id",
                name,
                *here,
                *p.on(both.cluster),
            )
            got = p.run("get", "--where", "split = 'train'", *here, "--to", tmp_path / "out")
            sound = p.run("verify", *here)

            assert sound["differing"] == []
            run = load_run(name)
            assert run is not None
            rows = catalog.rows(images_at(run.images, None).store)
            bare = (row._replace(bundle="", offset=None, length=None) for row in rows)
            of_cluster = rows_of(both.rows["run_id"], both.cluster)
            assert got["images"] == sum(row.split == "train" for row in of_cluster)
            assert sorted(bare, key=lambda row: row.key) == of_cluster
        finally:
            hbase_store.remove(images_at(name, None))


def test_an_image_of_many_cells_comes_back_whole(
    both: Both, jpeg: Any, configs: dict[str, Path], tmp_path: Path
) -> None:
    name = f"large-{uuid.uuid4().hex[:8]}"
    named = ("--images", name, *p.on(both.cluster))
    content = {}
    for number in range(4):
        path = tmp_path / "data" / f"n0000000{number % 2}" / f"{number}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = _N_RANDOM * number * 2  # to 18 MB, more than HBase's own limit for a value
        content[path] = jpeg(200, 200, seed=number) + np.random.default_rng(number).bytes(size)
        path.write_bytes(content[path])
    with p.forgotten(name):
        try:
            p.run(
                "ingest", tmp_path / "data", "--config", configs["hbase"], "--run-id", name, *named
            )
            p.run("get", "--where", "split = 'train'", *named, "--to", tmp_path / "out")

            for path, encoded in content.items():
                out = tmp_path / "out" / "train" / path.relative_to(tmp_path / "data")
                assert out.read_bytes() == encoded
            assert p.run("verify", *named)["differing"] == []
        finally:
            hbase_store.remove(images_at(name, both.cluster))


def test_a_row_that_is_changed_or_deleted_is_named(both: Both) -> None:
    name = both.rows["run_id"]
    keys = [row.key for row in rows_of(name, both.cluster)[:2]]
    named = ("--images", name, *p.on(both.cluster))
    hbase = place_of(name, both.cluster)
    with hbase.open() as table:
        before = table.rows([row_key(key) for key in keys], IMAGE_COLUMNS)
        table.put([(row_key(keys[0]), {DATA: before[row_key(keys[0])][DATA] + b"x"})])
        hbase_store.shell(
            both.cluster, f"delete '{hbase.table}', '{row_key(keys[1]).decode()}', 'image:data'"
        )

        found = p.end(p.start("verify", *named), code=5)
        table.put([(row, dict(cells)) for row, cells in before.items()])

    assert f"changed  {keys[0]}" in found[0]
    assert f"missing  {keys[1]}" in found[0]
    assert p.run("verify", *named)["differing"] == []


def test_bench_store_measures_both(both: Both) -> None:
    result = p.run("bench-store", "--images", 60, *p.on(both.cluster))

    assert result["same_rows"]
    for store in ("bundles", "hbase"):
        figures = result[store]
        assert figures["put_images_s"] > 0
        assert figures["disk_bytes"] > result["bytes"]
        assert figures["gets_s"] > 0
    assert not images_at("bench-hbase", both.cluster).store.exists("")
