"""Duplicates on a real cluster: the groups and shards of the inline runner."""

from __future__ import annotations

import uuid
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.cluster import Cluster
from pipeline.runs import load_run
from tests.cluster import pipelines as p

pytestmark = [pytest.mark.cluster, pytest.mark.extended]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write 2 classes × 30 train and 6 val pictures; every third train one twice, smaller; and val
    pictures in train, cropped.
    """
    root = tmp_path / "data"
    rng = np.random.default_rng(0)
    for wnid in ("n00000000", "n00000001"):
        folders = {part: root / part / wnid for part in ("train", "val")}
        for folder in folders.values():
            folder.mkdir(parents=True)
        for number in range(36):
            part = "train" if number < 30 else "val"
            picture = cv2.resize(
                rng.integers(0, 256, (6, 8, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC
            )
            written = [(folders[part] / f"{wnid}_{part}_{number}.JPEG", picture)]
            if part == "val":
                crop = np.ascontiguousarray(picture[5:115, 3:150])
                written.append((folders["train"] / f"crop{number}.JPEG", crop))
            elif number % 3 == 0:
                written.append((folders["train"] / f"small{number}.JPEG", picture[::2, ::2]))
            for path, image in written:
                path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    return root


def test_groups_leaks_and_shards_are_the_same_as_without_a_cluster(
    cluster: Cluster, data: Path
) -> None:
    run_ids = [f"test-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    with p.forgotten(*run_ids):
        there = _divided(data, run_ids[0], *p.on(cluster))
        here = _divided(data, run_ids[1], "--runner", "inline")

        assert here == there
        assert here["leaked"] >= 11
        assert here["duplicates"] >= 31
        stores = (run_ids[0], cluster), (run_ids[1], None)
        groups = [p.lines(p.images_of(*where), "duplicates") for where in stores]
        assert groups[0] == groups[1]
        shards = [p.records(p.store_of(*where), "shards") for where in stores]
        assert shards[0] == shards[1]


def _divided(data: Path, run_id: str, *where: object) -> dict[str, int]:
    """Do the steps up to the shards; return what they counted."""
    p.run("ingest", data, "--config", "fast", "--run-id", run_id, *where)
    for step in ("group", "features", "split"):
        last = p.run(step, "--run-id", run_id, *where)
    run = load_run(run_id)
    assert run is not None
    grouped, divided = run.steps["group"]["counts"], last["counts"]
    names = ("leaks", "label_conflicts")
    return {
        **{name: grouped[name] for name in names},
        **{name: divided.get(name, 0) for name in ("train", "val", "test", "leaked")},
        "duplicates": grouped["exact"] + grouped["near"],
    }
