from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.audit import Figures, Stored
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hbase_rows import BATCH, DATA, SaltRange, place_of, row_key
from mr_jobs.lib.rawtar import Plan, RawRange
from mr_jobs.mr_put_images import MRPutImages
from mr_jobs.mr_verify_rows import MRVerifyRows
from tests.hbase_gateway import Gateway, serving

pytestmark = pytest.mark.hbase
IMAGES = {f"train/n01/{n}.JPEG": b"%d" % n * (n + 1) for n in range(40)}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    pytest.importorskip("happybase")
    with serving() as gateway:
        gateway.tables[b"t"] = {}
        yield gateway


@pytest.fixture
def plans(make_tar: Any, tmp_path: Path) -> list[Path]:
    """Two plans of a tar each, with half of the images."""
    paths = []
    names = list(IMAGES)
    for number, some in enumerate((names[:15], names[15:])):
        tar = make_tar(f"{number}.tar", *((k.rpartition("/")[2], IMAGES[k]) for k in some))
        whole = RawRange(str(tar), 0, tar.stat().st_size, "train", "n01", len(some))
        paths.append(tmp_path / f"plan-{number}.json")
        paths[-1].write_text(Plan([whole], {}).to_line())
    return paths


def options(gateway: Gateway) -> tuple[str, ...]:
    return ("--hbase", f"127.0.0.1:{gateway.port}/t")


def ranges(tmp_path: Path, *salts: SaltRange) -> Path:
    path = tmp_path / "salts.tsv"
    path.write_text("".join(each.to_line() for each in salts))
    return path


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_every_image_is_a_row_with_its_bytes_and_batch(
    run_job: Any, plans: list[Path], gateway: Gateway, runner: str
) -> None:
    args = (*options(gateway), "--batch", "00004")
    result = run_job(MRPutImages, *plans, runner=runner, args=args)

    assert gateway.tables[b"t"] == {
        row_key(key): {DATA: encoded, BATCH: b"00004"} for key, encoded in IMAGES.items()
    }
    assert result.counters == {"bundled": 40}
    assert b"".join(result.files) == b""


def test_putting_twice_changes_nothing(run_job: Any, plans: list[Path], gateway: Gateway) -> None:
    run_job(MRPutImages, *plans, args=options(gateway))
    before = {row: dict(cells) for row, cells in gateway.tables[b"t"].items()}

    result = run_job(MRPutImages, *reversed(plans), args=options(gateway))

    assert gateway.tables[b"t"] == before
    assert result.counters == {"bundled": 40}


def test_a_tar_that_changed_since_its_plan_fails(
    run_job: Any, plans: list[Path], gateway: Gateway
) -> None:
    tar = plans[0].with_name("0.tar")
    tar.write_bytes(tar.read_bytes()[:5000])

    with pytest.raises(DataError, match="it changed"):
        run_job(MRPutImages, plans[0], args=options(gateway))


def test_an_address_that_is_none_is_refused(run_job: Any, plans: list[Path]) -> None:
    pytest.importorskip("happybase")
    with pytest.raises(DataError, match="not the address of a table"):
        run_job(MRPutImages, *plans, args=("--hbase", "nowhere"))


def test_the_figures_of_every_place_are_those_of_its_images(
    run_job: Any, plans: list[Path], gateway: Gateway, tmp_path: Path
) -> None:
    run_job(MRPutImages, *plans, args=options(gateway))
    expected: dict[str, Figures] = {}
    for key, encoded in IMAGES.items():
        stored = Stored(key, None, len(encoded), hashlib.sha256(encoded).hexdigest())
        expected.setdefault(place_of(key, "00000").bundle, Figures()).add(stored)

    whole = ranges(tmp_path, SaltRange(0, 255, None))
    result = run_job(MRVerifyRows, whole, args=options(gateway))

    lines = {"\t".join((name, *found.to_fields(), r"\N")) for name, found in expected.items()}
    assert set(result.lines) == lines
    assert result.counters == {"verified": 40, "salts": 256}


def test_an_empty_table_has_no_places(run_job: Any, gateway: Gateway, tmp_path: Path) -> None:
    whole = ranges(tmp_path, SaltRange(0, 9, None), SaltRange(10, 255, None))

    result = run_job(MRVerifyRows, whole, args=options(gateway))

    assert result.lines == []
    assert result.counters == {"salts": 256}


def test_a_row_without_an_image_is_told_and_the_others_are_read(
    run_job: Any, plans: list[Path], gateway: Gateway, tmp_path: Path
) -> None:
    run_job(MRPutImages, *plans, args=options(gateway))
    key = next(iter(IMAGES))
    del gateway.tables[b"t"][row_key(key)][DATA]

    whole = ranges(tmp_path, SaltRange(0, 255, None))
    result = run_job(MRVerifyRows, whole, args=options(gateway))

    (line,) = [line for line in result.lines if not line.endswith(r"\N")]
    assert line.startswith(place_of(key, "00000").bundle)
    assert line.endswith("holds no image")
    assert result.counters == {"verified": 39, "damaged_rows": 1, "salts": 256}
