"""Which steps of a run go on side by side on a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import Cluster
from pipeline.config import Config, find_config
from pipeline.full import side_by_side
from pipeline.images import images_at
from pipeline.runs import load_run
from pipeline.step import Context
from pipeline.stores import LocalStore


@pytest.fixture
def groups_of(cli: Any, folder_data: Any, own_var: Path) -> Any:
    """Return the names of steps by groups, for a configuration, on a cluster or not."""
    assert cli("ingest", folder_data(), "--runner", "inline", "--run-id", "r1").code == 0
    run = load_run("r1")
    assert run
    nowhere, url = own_var / "nothing", "http://127.0.0.1:1"
    cluster = Cluster(
        "c", "c-1", own_var, 21000, "3.4.2", nowhere, nowhere, nowhere, nowhere,
        url, url, url, url, nowhere, nowhere,
    )  # fmt: skip

    def names(config: str | None, *, on_cluster: bool) -> list[set[str]]:
        images = images_at(run.images, None)
        context = Context(
            run,
            Config.load(find_config(config)) if config else Config.load(),
            LocalStore(own_var),
            replace(images, cluster=cluster) if on_cluster else images,
        )
        return [{step.name for step in group} for group in side_by_side(context)]

    return names


def test_features_without_a_codebook_do_not_wait_for_the_duplicates(groups_of: Any) -> None:
    groups = groups_of("fast", on_cluster=True)

    assert {"group", "codebook", "features"} in groups
    assert {"split"} in groups


def test_what_needs_each_other_stays_in_order(groups_of: Any) -> None:
    for groups in (groups_of(None, on_cluster=True), groups_of("fast", on_cluster=False)):
        assert [len(group) for group in groups] == [1] * len(groups)
