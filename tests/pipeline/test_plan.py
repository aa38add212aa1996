"""`bin/pipeline plan`: what it shows, what it refuses, and that it counts as the run then does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.features import FeatureSpec
from pipeline import plan_calibration, plan_cluster
from pipeline.plan_calibration import Calibration, calibrate
from pipeline.plan_data import Encoded
from pipeline.runs import load_run

SMALL = """
[features]
features = ["hog", "hsv_pyramid"]
image_px = 48
"""
GIVEN = ("--nodes", 10, "--cores-per-node", 8, "--memory-per-node-mb", 32_768)
STEPS = ["ingest", "bundle", "catalog", "group", "codebook", "features", "split", "train",
         "evaluate", "index", "save"]  # fmt: skip


@pytest.fixture(scope="module")
def measured() -> dict[str, Calibration]:
    """What was measured in one test serves the others."""
    return {}


@pytest.fixture
def plan(
    cli: Any,
    folder_data: Any,
    tmp_path: Path,
    measured: dict[str, Calibration],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """Plan for small data, with short vectors, on a cluster that does not have to be there."""

    def once(images: Sequence[Encoded], spec: FeatureSpec) -> Calibration:
        if "costs" not in measured:
            measured["costs"] = calibrate(images, spec)
        return measured["costs"]

    monkeypatch.setattr(plan_calibration, "calibrate", once)
    config = tmp_path / "plan.toml"
    config.write_text(SMALL)
    data = folder_data()

    def run(*args: object) -> Any:
        there = () if {"--check", "--runner"} & set(args) else ("--cluster-dir", tmp_path / "none")
        what = () if "--check" in args else ("--data", data, "--config", config)
        return cli("plan", *what, *there, *args)

    return run


def test_a_line_a_step_and_totals_are_shown(plan: Any) -> None:
    answer = plan()

    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0].startswith("data       36 images, ")
    assert "of 3 synsets: 29 to train on, 7 to test; " in lines[0]
    assert "features (measured on 36)" in lines[1]
    assert lines[2].startswith("runs on    this machine, as it would be deployed: ")
    named = [line.removeprefix("+ ").split()[0] for line in lines[5:18]]
    assert named == ["deploy", *STEPS, "destroy"]
    assert lines[-2].startswith("total ")
    assert lines[-1].startswith("namenode ")


def test_the_result_is_one_json_object(plan: Any) -> None:
    result = plan("--runner", "inline", "--json").json()

    assert [step["step"] for step in result["steps"]] == STEPS
    assert (result["amounts"]["images"], result["amounts"]["classes"]) == (36, 3)
    assert result["totals"]["namenode_objects"] == 0
    assert result["refused"] == []


def test_tasks_bytes_and_images_are_those_of_the_run(plan: Any, cli: Any, tmp_path: Path) -> None:
    config, data = tmp_path / "plan.toml", tmp_path / "data"
    done = cli(
        "full", "--data", data, "--config", config, "--runner", "inline", "--run-id", "r", "--keep"
    )
    assert done.code == 0, done.err

    planned = plan("--runner", "inline", "--json").json()

    run = load_run("r")
    assert run is not None
    steps = {step["step"]: step for step in planned["steps"]}
    assert planned["amounts"]["images"] == run.steps["bundle"]["counts"]["bundled"]
    assert planned["amounts"]["bundles"] == run.steps["bundle"]["bundles"]
    assert steps["bundle"]["maps"] == run.steps["bundle"]["bundles"]
    features = sorted((run.dir / "work" / "features").glob("part-*"))
    assert steps["features"]["maps"] == len(features)
    n_bytes = sum(path.stat().st_size for path in features)
    assert steps["features"]["written_bytes"] == pytest.approx(n_bytes, rel=0.1)
    bundles = sum(path.stat().st_size for path in tmp_path.glob("var/images/*/bundles/*"))
    assert steps["bundle"]["written_bytes"] == pytest.approx(bundles, rel=0.1)


def test_a_plan_is_compared_with_a_finished_run(plan: Any, cli: Any, tmp_path: Path) -> None:
    config, data = tmp_path / "plan.toml", tmp_path / "data"
    cli("full", "--data", data, "--config", config, "--runner", "inline", "--run-id", "r")

    answer = plan("--check", "r", "--json")

    check = answer.json()["check"]
    assert check["run_id"] == "r"
    assert {"step", "planned", "measured", "ratio"} == set(check["steps"][0])
    assert check["measured"] == pytest.approx(sum(step["measured"] for step in check["steps"]))
    assert check["within"] == (abs(check["ratio"] - 1) <= check["tolerance"])
    assert "run r: seconds planned and measured, and their ratio" in plan("--check", "r").out


def test_a_run_that_is_not_there_cannot_be_compared_with(plan: Any) -> None:
    answer = plan("--check", "nobody")

    assert answer.code == 2
    assert "run nobody is not there; `bin/pipeline runs` lists them" in answer.err


def test_data_that_are_not_there_are_planned_for_by_their_numbers(plan: Any) -> None:
    numbers = ("--images", "14_197_122", "--bytes", "1.3e12", "--classes", 1000)

    result = plan(*numbers, "--nodes", 100, "--json").json()

    amounts, steps = result["amounts"], {step["step"]: step for step in result["steps"]}
    assert amounts["images"] == amounts["train"] + amounts["tested"] == 14_197_122
    assert amounts["bundles"] == steps["bundle"]["maps"]
    assert 1.3e12 / (128 << 20) < amounts["bundles"] < 1.2 * 1.3e12 / (128 << 20)
    assert result["cluster"]["nodes"] == 100
    assert result["totals"]["stored_bytes"] > 3 * 1.3e12
    assert 2 * amounts["bundles"] < result["totals"]["namenode_objects"] < 10 * amounts["bundles"]
    assert [step["step"] for step in result["steps"]] == STEPS  # nothing is deployed
    (note,) = result["notes"]
    assert note.startswith("some keys of duplicates will hold more than 20,000 images, ")


def test_numbers_of_data_go_together(plan: Any) -> None:
    answer = plan("--images", 1000)

    assert answer.code == 2
    assert "--images, --bytes and --classes go together" in answer.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--images", 2e7, "--bytes", 2e12, "--classes", 1e6, *GIVEN),
            "evaluate: a task needs",
        ),
        (("--container-mb", 200, *GIVEN), "and a container has 200 MiB; raise "),
        (("--replication", 11, *GIVEN), "replication 11 needs as many nodes, and there are 10; "),
        (
            ("--images", 2e7, "--bytes", 2e12, "--classes", 1e3, "--disk-per-node-gb", 500, *GIVEN),
            "the disks must hold ",
        ),
    ],
    ids=["task", "container", "replication", "disk"],
)
def test_what_can_never_be_granted_is_refused(
    plan: Any, options: tuple[object, ...], told: str
) -> None:
    answer = plan(*options)

    assert answer.code == 3
    sentences = [line for line in answer.err.splitlines() if line.startswith("pipeline plan: ")]
    assert any(told in sentence for sentence in sentences), answer.err
    assert answer.out.startswith("data ")  # the plan is shown all the same


def test_a_task_larger_than_any_container_is_refused_for_good(plan: Any) -> None:
    numbers = ("--images", 2e7, "--bytes", 2e12, "--classes", 2e6)

    answer = plan(*numbers, *GIVEN, "--json")

    assert answer.code == 3
    largest = answer.json()["cluster"]["max_container_mb"]
    assert f"no container of YARN is larger than {largest:,} MiB" in answer.err
    assert "train: the driver needs" in answer.err


def test_the_deployments_own_figures_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_cluster, "_machine_cores", lambda: 2)
    monkeypatch.setattr(plan_cluster, "_machine_mb", lambda: 24_000)

    found = plan_cluster.as_deployed()

    assert (found.nodes, found.cores, found.containers, found.container_mb) == (1, 2, 3, 1024)
    assert (found.max_container_mb, found.replication) == (3072, 1)
    assert found.block_bytes == 128 << 20


def test_a_cluster_that_is_up_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "mapreduce.map.memory.mb": "1536",
        "mapreduce.job.maps": "1",
        "mapreduce.job.ubertask.enable": "false",
        "mapreduce.job.ubertask.maxmaps": "9",
        "mapreduce.job.ubertask.maxreduces": "1",
        "yarn.nodemanager.resource.cpu-vcores": "4",
        "yarn.scheduler.maximum-allocation-mb": "6144",
        "dfs.replication": "2",
        "dfs.blocksize": "134217728",
    }
    node = {"state": "RUNNING", "usedMemoryMB": 1536, "availMemoryMB": 4608}

    def answer(url: str) -> dict[str, Any]:
        if url.endswith("/ws/v1/cluster/nodes"):
            return {"nodes": {"node": [node, node, {"state": "LOST"}]}}
        return {"properties": [{"key": key, "value": value} for key, value in settings.items()]}

    monkeypatch.setattr(plan_cluster, "_get", answer)
    cluster: Any = type(
        "Up", (), {"name": "mine", "resourcemanager_url": "", "historyserver_url": ""}
    )

    found = plan_cluster.asked(cluster)

    assert found.told == "cluster mine, asked"
    assert (found.nodes, found.containers, found.vcores, found.slots) == (2, 4, 8, 7)
    assert (found.container_mb, found.max_container_mb, found.uber_maps) == (1536, 6144, 0)


def test_json_of_a_refusal_holds_its_sentences(plan: Any) -> None:
    answer = plan("--replication", 11, *GIVEN, "--json")

    assert answer.code == 3
    (sentence,) = json.loads(answer.out)["refused"]
    assert sentence in answer.err
