"""What is in HBase is got, verified and judged anew as what is in bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mr_jobs.lib.hbase_rows import row_key
from tests.hbase_gateway import Gateway
from tests.pipeline.hbase.made import TABLE

pytestmark = pytest.mark.hbase


def test_get_gives_the_bytes_by_id_and_by_condition(cli: Any, stored: Path, tmp_path: Path) -> None:
    chosen = ("n00000001_3", "train/n00000002/n00000002_11.JPEG")
    one = cli("get", *chosen, "--runner", "inline", "--to", tmp_path / "out", "--json")
    assert one.code == 0, one.err
    where = ("--where", "wnid = 'n00000000'")
    many = cli("get", *where, "--runner", "inline", "--to", tmp_path / "many.tar", "--json")
    assert many.code == 0, many.err

    for wnid, number in (("n00000001", 3), ("n00000002", 11)):
        name = f"{wnid}/{wnid}_{number}.JPEG"
        original = (tmp_path / "data" / name).read_bytes()
        assert (tmp_path / "out" / "train" / name).read_bytes() == original
    assert (one.json()["images"], many.json()["images"]) == (2, 12)
    assert one.json()["extra_share"] == 0.0


def test_an_image_that_is_gone_or_changed_is_named_and_not_delivered(
    cli: Any, stored: Path, gateway: Gateway, tmp_path: Path
) -> None:
    rows = gateway.tables[TABLE]
    keys = [f"train/n00000000/n00000000_{n}.JPEG" for n in range(3)]
    del rows[row_key(keys[0])]
    rows[row_key(keys[1])][b"image:data"] += b"x"

    answer = cli("get", *keys, "--runner", "inline", "--to", tmp_path / "out", "--json")

    assert answer.code == 5
    assert answer.json()["images"] == 1
    assert f"HBase has no row {row_key(keys[0]).decode()}" in answer.err
    assert "its bytes in HBase are not those catalogued" in answer.err


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_sound_table_is_verified(cli: Any, stored: Path, runner: str) -> None:
    answer = cli("verify", "--runner", runner)

    assert answer.code == 0, answer.err
    assert answer.out.startswith("verified   36 images, ")
    assert "in table imagenet_mine of mine" in answer.out


def test_verify_names_what_is_missing_added_changed_and_damaged(
    cli: Any, stored: Path, gateway: Gateway
) -> None:
    rows = gateway.tables[TABLE]
    keys = [f"train/n00000000/n00000000_{n}.JPEG" for n in range(4)]
    added = "train/n00000000/new.JPEG"
    rows[row_key(added)] = dict(rows[row_key(keys[0])])
    del rows[row_key(keys[1])]
    rows[row_key(keys[2])][b"image:data"] += b"x"
    del rows[row_key(keys[3])][b"image:data"]
    rows[b"00/no/image"] = {b"metadata:batch": b"00000"}

    answer = cli("verify", "--runner", "inline")

    assert answer.code == 5
    for line in (
        f"  added    {added}",
        f"  missing  {keys[1]}",
        f"  changed  {keys[2]}",
        f"  missing  {keys[3]}",
    ):
        assert line in answer.out.splitlines()
    assert "not the row of an image: b'00/no/image'" in answer.out
    assert f"the row {row_key(keys[3])!r} of table imagenet_mine holds no image" in answer.out
    assert "put the bundle back" not in answer.err


def test_a_table_that_vanished_is_named(
    cli: Any, stored: Path, gateway: Gateway, tmp_path: Path
) -> None:
    gateway.tables.clear()

    answer = cli("get", "n00000001_3", "--runner", "inline", "--to", tmp_path / "out")

    assert answer.code == 5
    assert "has no table imagenet_mine" in answer.err


def test_new_verdicts_go_into_the_rows(
    cli: Any, folder_data: Any, options: tuple[object, ...], gateway: Gateway, config: Path
) -> None:
    data = folder_data()
    (data / "n00000000" / "broken.JPEG").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    assert cli("ingest", data, *options).code == 0
    strict = config.with_name("strict.toml")
    strict.write_text(config.read_text().replace("image_px", "max_image_px = 100\nimage_px"))

    retry = ("--apply", "--config", strict, "--images", "mine", "--runner", "inline")
    answer = cli("quarantine", "retry", *retry)

    assert answer.code == 0, answer.err
    found = {cells[b"metadata:reason"] for cells in gateway.tables[TABLE].values()}
    assert len(found) == 2
    assert rb"\N" not in found


def test_large_images_are_kept_in_parts_and_come_back_whole(
    cli: Any, folder_data: Any, options: tuple[object, ...], gateway: Gateway, tmp_path: Path
) -> None:
    data = folder_data()
    small = next((data / "n00000000").iterdir()).read_bytes()
    padding = np.random.default_rng(1).bytes(2_500_000)
    large = data / "n00000000" / "large.JPEG"
    large.write_bytes(small + padding)  # behind the end of the image, where decoders do not look

    answer = cli("ingest", data, *options, "--json")
    assert answer.code == 0, answer.err
    got = cli("get", "large", "--runner", "inline", "--to", tmp_path / "out")

    assert got.code == 0, got.err
    assert (tmp_path / "out/train/n00000000/large.JPEG").read_bytes() == large.read_bytes()
    cells = gateway.tables[TABLE][row_key("train/n00000000/large.JPEG")]
    assert b"image:data" not in cells
    assert [len(cells[b"image:%05d" % n]) for n in range(3)] == [
        1 << 20,
        1 << 20,
        len(large.read_bytes()) - (2 << 20),
    ]
    assert cli("verify", "--runner", "inline").code == 0
