from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mr_jobs.lib.audit import Figures, Stored
from mr_jobs.lib.sequencefile import open_reader
from mr_jobs.mr_verify_bundles import MRVerifyBundles

IMAGES = [(f"train/n01/{number}.JPEG", bytes([number]) * 500) for number in range(6)]


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., Path]:
    """Write a list of bundles."""

    def make(*bundles: Path, name: str = "00000.tsv") -> Path:
        path = tmp_path / "lists" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{bundle}\t{bundle.stat().st_size}\n" for bundle in bundles))
        return path

    return make


def figures_of(path: Path) -> list[str]:
    figures = Figures()
    with open_reader(path) as reader:
        for record in reader.records():
            key, value = record.key, record.value
            assert isinstance(key, bytes)
            assert isinstance(value, bytes)
            sha256 = hashlib.sha256(value).hexdigest()
            figures.add(Stored(key.decode(), record.offset, len(value), sha256))
    return list(figures.to_fields())


def test_no_bundles_give_no_lines(run_job: Any, listed: Any) -> None:
    assert run_job(MRVerifyBundles, listed()).lines == []


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_every_bundle_gives_its_figures(
    run_job: Any, bundle: Any, listed: Any, runner: str
) -> None:
    paths = [bundle(*IMAGES[:2], name="a.seq"), bundle(*IMAGES[2:], name="b.seq")]
    empty = bundle(name="c.seq")

    result = run_job(MRVerifyBundles, listed(*paths), listed(empty, name="1.tsv"), runner=runner)

    found = sorted(line.split("\t") for line in result.lines)
    assert found == [[path.name, *figures_of(path), r"\N", r"\N"] for path in (*paths, empty)]
    assert found[0][1:3] == ["2", "1000"]
    assert result.counters == {"verified": 6}


def test_a_damaged_bundle_is_told_by_the_byte_and_the_others_are_read(
    run_job: Any, bundle: Any, listed: Any
) -> None:
    cut, whole = bundle(*IMAGES[:3], name="cut.seq"), bundle(*IMAGES[3:], name="whole.seq")
    with open_reader(cut) as reader:
        last = list(reader.records())[-1]
    cut.write_bytes(cut.read_bytes()[: last.offset + 100])

    result = run_job(MRVerifyBundles, listed(cut, whole))

    lines = {line.split("\t")[0]: line.split("\t")[1:] for line in result.lines}
    assert lines["cut.seq"][0] == "2"
    assert lines["cut.seq"][3] == str(last.offset)
    assert lines["cut.seq"][4].endswith(f"cut off after 92 at byte {last.offset}")
    assert lines["whole.seq"] == [*figures_of(whole), r"\N", r"\N"]
    assert result.counters == {"verified": 5, "damaged_bundles": 1}


def test_a_bundle_that_is_gone_is_told(run_job: Any, bundle: Any, listed: Any) -> None:
    path = bundle(*IMAGES, name="gone.seq")
    lists = listed(path)
    path.unlink()

    result = run_job(MRVerifyBundles, lists)

    assert result.lines[0].startswith("gone.seq\t0\t0\t")
    assert "cannot be read" in result.lines[0]


def test_one_flipped_bit_of_an_image_changes_the_digest(
    run_job: Any, bundle: Any, listed: Any
) -> None:
    path = bundle(*IMAGES)
    before = run_job(MRVerifyBundles, listed(path)).lines
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    after = run_job(MRVerifyBundles, listed(path)).lines

    assert before[0].split("\t")[:3] == after[0].split("\t")[:3]
    assert before[0].split("\t")[3] != after[0].split("\t")[3]
