from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mr_jobs import mr_group_duplicates
from mr_jobs.lib.duplicates import DuplicatePair
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.perceptual import signature
from mr_jobs.lib.records import CatalogRow
from mr_jobs.mr_group_duplicates import MRGroupDuplicates

Write = Callable[..., Path]


def picture(seed: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (240, 180), interpolation=cv2.INTER_CUBIC))


def crop_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[8:170, 12:235])


def catalogued(
    key: str,
    image: NDArray[np.uint8] | None,
    content: str = "",
    *,
    batch: int = 0,
    quarantined: bool = False,
) -> CatalogRow:
    split, wnid, name = key.split("/")
    return CatalogRow(
        image_id=name.rpartition(".")[0], wnid=wnid, split=split, key=key,
        bundle=f"{batch:05d}-00000.seq", offset=0, length=1, bytes=1,
        sha256=hashlib.sha256((content or key).encode()).hexdigest(), width=240, height=180,
        channels=3, format="jpeg", exif_orientation=1, repairs=None,
        signature=None if image is None else signature(image),
        status="quarantined" if quarantined else "kept", reason="odd" if quarantined else None,
    )  # fmt: skip


@pytest.fixture
def catalog(tmp_path: Path) -> Write:
    """Write rows of a catalogue into as many files."""

    def make(*rows: CatalogRow, n_files: int = 1) -> Path:
        folder = tmp_path / f"catalog-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for number in range(n_files):
            lines = "".join(f"{row.to_line()}\n" for row in rows[number::n_files])
            (folder / f"{number:05d}-00000.tsv").write_text(lines)
        return folder

    return make


def pairs_of(result: Any) -> list[DuplicatePair]:
    return sorted(set(map(DuplicatePair.from_line, result.lines)))


def told(result: Any) -> list[tuple[str, str, str]]:
    return [(pair.newer, pair.older, pair.kind) for pair in pairs_of(result)]


MIXED: Sequence[CatalogRow] = (
    *(catalogued(f"train/n1/{seed}.jpg", picture(seed)) for seed in range(20)),
    *(catalogued(f"val/n1/{seed}.jpg", crop_of(picture(seed))) for seed in range(0, 20, 4)),
    catalogued("train/n2/0.jpg", picture(0), "train/n1/0.jpg"),
)


def test_an_empty_catalogue_has_no_duplicates(run_job: Any, catalog: Write) -> None:
    result = run_job(MRGroupDuplicates, catalog())

    assert result.lines == []


def test_equal_bytes_are_paired_with_the_oldest_of_them(run_job: Any, catalog: Write) -> None:
    rows = [
        catalogued("train/n1/b.jpg", picture(1), "same", batch=0),
        catalogued("train/n1/a.jpg", picture(1), "same", batch=1),
        catalogued("train/n1/c.jpg", picture(1), "same", batch=0),
        catalogued("train/n1/d.jpg", picture(2)),
    ]

    result = run_job(MRGroupDuplicates, catalog(*rows))

    assert pairs_of(result) == [
        DuplicatePair("train/n1/a.jpg", "train/n1/b.jpg", "exact", 0, 1, 0, True, True),
        DuplicatePair("train/n1/c.jpg", "train/n1/b.jpg", "exact", 0, 0, 0, True, True),
    ]
    assert result.counters == {"read": 4, "exact": 2, "compared": 2}


def test_many_equal_images_make_one_pair_each(run_job: Any, catalog: Write) -> None:
    rows = [catalogued(f"train/n1/{i:04}.jpg", picture(0), "same") for i in range(1000)]

    result = run_job(MRGroupDuplicates, catalog(*rows))

    assert len(result.lines) == 999
    assert result.counters["compared"] == 1


def test_a_crop_is_found_and_unrelated_images_are_not(run_job: Any, catalog: Write) -> None:
    result = run_job(MRGroupDuplicates, catalog(*MIXED))

    assert told(result) == [
        ("train/n2/0.jpg", "train/n1/0.jpg", "exact"),
        *((f"val/n1/{i}.jpg", f"train/n1/{i}.jpg", "near") for i in (0, 12, 16, 4, 8)),
    ]


def test_with_exact_only_nothing_else_is_found(run_job: Any, catalog: Write) -> None:
    result = run_job(MRGroupDuplicates, catalog(*MIXED), args=("--exact-only",))

    assert told(result) == [("train/n2/0.jpg", "train/n1/0.jpg", "exact")]
    assert result.counters == {"read": 26, "exact": 1}


def test_quarantined_images_take_part_by_their_bytes_alone(run_job: Any, catalog: Write) -> None:
    rows = [
        catalogued("quarantine/unlabelled/a.jpg", picture(1), "same", quarantined=True),
        catalogued("quarantine/unlabelled/b.jpg", picture(2), quarantined=True),
        catalogued("train/n1/a.jpg", picture(1), "same"),
        catalogued("train/n1/b.jpg", picture(2)),
        catalogued("train/n1/c.jpg", crop_of(picture(1))),
    ]

    result = run_job(MRGroupDuplicates, catalog(*rows))

    assert told(result) == [
        ("train/n1/a.jpg", "quarantine/unlabelled/a.jpg", "exact"),
        ("train/n1/c.jpg", "train/n1/a.jpg", "near"),
    ]
    assert [pair.older_kept for pair in pairs_of(result)] == [False, True]


def test_flat_images_are_no_duplicates_of_each_other(run_job: Any, catalog: Write) -> None:
    rows = [
        catalogued(f"train/n1/{level}.jpg", np.full((60, 60, 3), level, np.uint8))
        for level in range(0, 250, 10)
    ]

    result = run_job(MRGroupDuplicates, catalog(*rows))

    assert result.lines == []
    assert result.counters == {"read": 25, "flat": 25}


def test_the_pairs_are_the_same_on_both_runners_and_however_the_rows_are_filed(
    run_job: Any, catalog: Write
) -> None:
    inline = run_job(MRGroupDuplicates, catalog(*MIXED))
    local = run_job(MRGroupDuplicates, catalog(*reversed(MIXED), n_files=3), runner="local")

    assert pairs_of(inline) == pairs_of(local)
    assert inline.counters == local.counters


def test_a_new_batch_changes_no_pair_of_the_old_ones(run_job: Any, catalog: Write) -> None:
    new = [catalogued(f"train/a/{s}.jpg", crop_of(picture(s)), batch=1) for s in range(20)]

    old = pairs_of(run_job(MRGroupDuplicates, catalog(*MIXED)))
    both = pairs_of(run_job(MRGroupDuplicates, catalog(*MIXED, *new)))

    assert [pair for pair in both if pair.newer_batch == 0] == old
    assert {pair.newer for pair in both if pair.newer_batch == 1} == {row.key for row in new}


def test_a_band_of_too_many_images_is_capped_and_counted(
    run_job: Any, catalog: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mr_group_duplicates, "MAX_BAND", 30)
    rows = [catalogued(f"train/n1/{i:03}.jpg", picture(0), f"content {i}") for i in range(60)]

    result = run_job(MRGroupDuplicates, catalog(*rows))

    assert result.counters["bands_capped"] > 0
    assert result.counters["band_images_skipped"] >= 30 * result.counters["bands_capped"]
    assert {pair.kind for pair in pairs_of(result)} == {"near"}


def test_a_line_that_is_no_row_fails_the_job(run_job: Any, catalog: Write) -> None:
    folder = catalog(catalogued("train/n1/a.jpg", picture(0)))
    (folder / "00000-00001.tsv").write_text("train/n1/b.jpg\tcut short\n")

    with pytest.raises(DataError, match="cut short"):
        run_job(MRGroupDuplicates, folder)


def test_of_copied_photographs_95_percent_are_found_and_99_percent_of_the_found_are_copies(
    shared_dir: Path,
) -> None:
    from benchmarks import duplicates as benchmark

    photographs = [
        cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
        for image in benchmark.images_of(benchmark.PHOTOGRAPHS)
    ]
    others = [benchmark.signature_of(image) for image in benchmark.images_of(benchmark.OTHERS[1])]
    changes = list(benchmark.CHANGES.values())
    rng = np.random.default_rng(0)
    copies = [
        benchmark.signature_of(changes[number % len(changes)](np.asarray(photograph), rng))
        for number, photograph in enumerate(photographs)
    ]
    originals = [signature(np.asarray(photograph, np.uint8)) for photograph in photographs]

    found = benchmark.measure(originals, copies, others)

    assert len(copies) == 200
    assert len(others) == 1000
    assert found.recall >= 0.95
    assert found.precision >= 0.99
