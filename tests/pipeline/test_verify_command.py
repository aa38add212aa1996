"""`bin/pipeline verify`: what rotted, went or came in an image store is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.sequencefile import open_reader
from tests.pipeline.bundles import rewrite, write


@pytest.fixture
def stored(cli: Any, folder_data: Any, own_var: Path) -> Path:
    """Ingest 36 images into an image store; return its directory."""
    answer = cli("ingest", folder_data(), "--runner", "inline", "--images", "mine")
    assert answer.code == 0, answer.err
    return own_var / "images" / "mine"


@pytest.fixture
def verify(cli: Any) -> Callable[..., Any]:
    return lambda *args: cli("verify", "--runner", "inline", *args)


def the_bundle(stored: Path) -> Path:
    (path,) = (stored / "bundles").glob("*.seq")
    return path


def the_table(stored: Path) -> Path:
    return max((stored / "catalog").glob("*.tsv"), key=lambda path: path.stat().st_size)


def records_of(path: Path) -> list[Any]:
    with open_reader(path) as reader:
        return list(reader.records())


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_sound_image_store_is_verified_to_the_last_byte(
    cli: Any, stored: Path, runner: str
) -> None:
    answer = cli("verify", "--images", "mine", "--runner", runner)

    assert answer.code == 0, answer.err
    assert answer.out.startswith("verified   36 images, ")
    assert "in 1 bundles of mine" in answer.out
    assert not (stored / "work" / "verify").exists()


def test_one_flipped_bit_is_found_and_its_image_named(verify: Any, stored: Path) -> None:
    path = the_bundle(stored)
    record = records_of(path)[20]
    content = bytearray(path.read_bytes())
    content[record.offset + record.length - 9] ^= 0x10
    path.write_bytes(content)

    answer = verify("--json")

    assert answer.code == 5
    (differing,) = answer.json()["differing"]
    assert differing["changed"] == [{"key": record.key.decode(), "offset": record.offset}]
    assert (differing["n_missing"], differing["n_added"], differing["n_moved"]) == (0, 0, 0)
    assert answer.json()["verified"] == 36
    assert "Traceback" not in answer.err
    assert record.key.decode() in answer.err.splitlines()[-1]


def test_a_removed_record_is_named(verify: Any, stored: Path) -> None:
    path = the_bundle(stored)
    record = records_of(path)[5]
    rewrite(path, lambda key, value: key != record.key)

    answer = verify()

    assert answer.code == 5
    assert f"missing  {record.key.decode()} at byte {record.offset}" in answer.out
    assert "1 missing, 30 moved" in answer.out
    assert "put the bundle back from a copy" in answer.err.splitlines()[-1]


def test_an_added_record_is_named(verify: Any, stored: Path) -> None:
    path = the_bundle(stored)
    n_bytes = path.stat().st_size
    key = b"train/n00000000/extra.JPEG"
    pairs = [*(record[:2] for record in records_of(path)), (key, b"x")]
    write(path, pairs)

    answer = verify()

    assert answer.code == 5
    assert f"added    {key.decode()} at byte {n_bytes}" in answer.out


def test_a_cut_bundle_is_named_by_the_byte_and_the_others_are_verified(
    cli: Any, verify: Any, folder_data: Any, stored: Path, tmp_path: Path
) -> None:
    more = folder_data(n_classes=4, name="more") / "n00000003"
    more.rename(tmp_path / "data" / more.name)
    again = cli("ingest", tmp_path / "data", "--runner", "inline", "--images", "mine")
    assert again.code == 0, again.err
    first, second = sorted((stored / "bundles").glob("*.seq"))
    last = records_of(first)[-1]
    first.write_bytes(first.read_bytes()[:-10])

    answer = verify("--json")

    assert answer.code == 5
    result = answer.json()
    assert result["verified"] == 35 + len(records_of(second))
    (differing,) = result["differing"]
    assert (differing["bundle"], differing["damaged_at"]) == (first.name, last.offset)
    assert differing["missing"] == [{"key": last.key.decode(), "offset": last.offset}]


def test_images_that_damage_keeps_from_being_read_are_missing(verify: Any, stored: Path) -> None:
    path = the_bundle(stored)
    records = records_of(path)
    content = bytearray(path.read_bytes())
    content[records[30].offset] ^= 0x40
    path.write_bytes(content)

    answer = verify("--json")

    (differing,) = answer.json()["differing"]
    assert differing["n_missing"] == 6
    assert differing["damaged_at"] == records[30].offset


def test_a_bundle_that_is_gone_is_named_with_its_images(verify: Any, stored: Path) -> None:
    path = the_bundle(stored)
    path.unlink()

    answer = verify("--json")

    assert answer.code == 5
    (differing,) = answer.json()["differing"]
    assert differing["n_missing"] == 36
    assert "no such file" in differing["problem"]
    assert path.name in answer.err.splitlines()[-1]


def test_a_lost_row_of_the_catalogue_is_named(verify: Any, stored: Path) -> None:
    table = the_table(stored)
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(rows[:-1]))

    answer = verify()

    assert answer.code == 5
    assert f"added    {rows[-1].split(chr(9))[3]} at byte" in answer.out


def test_a_row_that_is_there_twice_is_named(verify: Any, stored: Path) -> None:
    table = the_table(stored)
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*rows, rows[0]]))

    answer = verify()

    assert answer.code == 5
    assert f"missing  {rows[0].split(chr(9))[3]} at byte" in answer.out


def test_verifying_needs_an_image_store(verify: Any) -> None:
    answer = verify()

    assert answer.code == 2
    assert "image stores" in answer.err
