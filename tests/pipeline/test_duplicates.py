from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mr_jobs.lib.duplicates import DuplicatePair, GroupRow, Groups
from mr_jobs.lib.records import shard_key
from mr_jobs.lib.sequencefile import Reader
from pipeline.duplicates import Grouping


def grouped(*pairs: DuplicatePair) -> tuple[dict[str, str], Grouping]:
    """Return the group_key of each image in a group, and the grouping."""
    grouping = Grouping(lambda: pairs)
    return {row.key: row.group_key for row in grouping.rows()}, grouping


def pair(newer: str, older: str, distance: int = 2, **fields: Any) -> DuplicatePair:
    """Make a pair; the batch of an image is the number in its name."""
    batch, old_batch = (int(key.split("/")[2].partition("-")[0]) for key in (newer, older))
    kind = "near" if distance else "exact"
    made = DuplicatePair(newer, older, kind, distance, batch, old_batch, True, True)
    return made._replace(**fields)


A, B, C, D = (f"train/n1/0-{name}.jpg" for name in "abcd")
NEW, NEWER = "train/n1/1-new.jpg", "train/n1/1-newer.jpg"


def test_without_pairs_there_are_no_groups() -> None:
    groups, grouping = grouped()

    assert groups == {}
    assert not any(grouping.counts.values())


def test_in_one_batch_groups_are_what_is_connected_named_by_the_smallest_key() -> None:
    groups, grouping = grouped(pair(C, B), pair(B, A, 0), pair("train/n1/0-f.jpg", D))

    assert groups == {A: A, B: A, C: A, D: D, "train/n1/0-f.jpg": D}
    assert grouping.counts["groups"] == 2
    assert grouping.counts["images"] == 5


def test_a_row_says_how_an_image_came_to_its_group() -> None:
    rows = {row.key: row for row in Grouping(lambda: [pair(C, B, 3), pair(B, A, 0)]).rows()}

    assert rows[A][2:4] == ("first", 0)
    assert rows[B][2:4] == ("exact", 0)
    assert rows[C][2:4] == ("near", 3)


def test_a_new_image_joins_the_group_of_its_best_match_and_merges_none() -> None:
    old = [pair(B, A), pair(D, C)]

    groups, grouping = grouped(*old, pair(NEW, B, 3), pair(NEW, D, 1))

    assert groups == {A: A, B: A, C: C, D: C, NEW: C}
    assert grouping.counts["bridges"] == 1


def test_single_old_images_stay_apart_when_a_new_one_resembles_both() -> None:
    groups, grouping = grouped(pair(NEW, A, 1), pair(NEW, B, 2))

    assert groups == {A: A, NEW: A}
    assert grouping.counts["bridges"] == 1


def test_new_images_join_through_each_other() -> None:
    groups, _ = grouped(pair(NEW, A, 2), pair(NEWER, NEW, 1))

    assert groups == {A: A, NEW: A, NEWER: A}


def test_a_group_of_new_images_has_a_name_of_its_own() -> None:
    groups, _ = grouped(pair(NEWER, NEW))

    assert groups == {NEW: NEW, NEWER: NEW}


def test_exact_copies_of_an_image_are_where_it_is() -> None:
    copies = [f"train/n1/1-copy{number}.jpg" for number in range(5)]

    groups, grouping = grouped(pair(B, A, 3), *(pair(copy, B, 0) for copy in copies))

    assert groups == {A: A, B: A, **dict.fromkeys(copies, A)}
    assert grouping.counts["exact"] == 5
    assert grouping.counts["near"] == 1


def test_a_train_image_in_a_group_with_official_val_or_test_is_a_leak() -> None:
    train, val = "train/n1/0-a.jpg", "val/n1/0-a.jpg"
    rows = {row.key: row.problem for row in Grouping(lambda: [pair(val, train, 0)]).rows()}

    assert rows == {train: "leak", val: None}


def test_a_quarantined_image_makes_no_leak_and_no_conflict() -> None:
    train, val = "train/n1/0-a.jpg", "val/n2/0-a.jpg"
    pairs = [pair(val, train, 0, newer_kept=False)]

    assert [row.problem for row in Grouping(lambda: pairs).rows()] == [None, None]


def test_different_labels_in_a_group_conflict_but_no_label_is_none() -> None:
    other, unlabelled = "train/n2/0-b.jpg", "test/unlabelled/0-t.jpg"
    rows = {
        row.key: row.problem
        for row in Grouping(lambda: [pair(other, A, 0), pair(unlabelled, C, 0)]).rows()
    }

    assert rows == {
        A: "label_conflict",
        other: "label_conflict",
        C: "leak",
        unlabelled: None,
    }


KEYS = [f"train/n{number % 2}/{number // 6}-{number}.jpg" for number in range(18)]
AGES = {key: (int(key.split("/")[2].split("-")[0]), key) for key in KEYS}


@st.composite
def some_pairs(draw: st.DrawFn) -> list[DuplicatePair]:
    """Draw pairs among images of three batches."""
    couples = draw(
        st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS)), max_size=25, unique=True)
    )
    made = {}
    for one, other in couples:
        older, newer = sorted((one, other), key=AGES.__getitem__)
        if older != newer:
            made[newer, older] = pair(newer, older, draw(st.integers(1, 4)))
    return list(made.values())


@given(pairs=some_pairs(), order=st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_adding_a_batch_moves_no_old_image(pairs: list[DuplicatePair], order: Any) -> None:
    sides: dict[str, str] = {}
    for batch in range(3):
        known = [found for found in pairs if found.newer_batch <= batch]
        order.shuffle(known)
        lines = [row.to_line() for row in Grouping(lambda known=known: known).rows()]  # type: ignore[misc]
        groups = Groups.from_lines(lines, move_leaks=True)
        keys = [key for key in KEYS if AGES[key][0] <= batch]
        now = {key: shard_key(key, 0, 0.3, 0.3, groups) for key in keys}

        assert sides.items() <= now.items()
        sides = now
        for key, group_key in groups.group_of.items():  # a group is on one side
            assert sides[key].split("\t")[:2] == sides[group_key].split("\t")[:2]


def _picture(seed: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC), np.uint8)


def _encode(image: NDArray[np.uint8], quality: int = 90) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.fixture
def leaky_data(tmp_path: Path) -> Path:
    """Write pictures: two of val are in train, one as a crop, and one of train has two labels."""
    root = tmp_path / "data"
    for number, wnid in enumerate(("n00000000", "n00000001")):
        for part, seeds in (("train", range(12)), ("val", range(50, 55))):
            folder = root / part / wnid
            folder.mkdir(parents=True)
            for seed in seeds:
                picture = _picture(100 * number + seed)
                (folder / f"{wnid}_{part}_{seed}.JPEG").write_bytes(_encode(picture))
    val, train = root / "val" / "n00000000", root / "train" / "n00000000"
    (train / "same.JPEG").write_bytes((val / "n00000000_val_50.JPEG").read_bytes())
    crop = np.ascontiguousarray(_picture(51)[6:115, 4:150])
    (train / "crop.JPEG").write_bytes(_encode(crop, 60))
    (root / "train" / "n00000001" / "other.JPEG").write_bytes(_encode(_picture(3), 50))
    return root


def test_a_planted_leak_is_reported_and_moved_out_of_train(cli: Any, leaky_data: Path) -> None:
    answer = cli("full", "--data", leaky_data, "--runner", "inline", "--keep", "--json")

    assert answer.code == 0, answer.err
    counts = answer.json()["counts"]
    assert "2 train images are in val or test, too" in answer.err
    assert (counts["train"], counts["val"], counts["leaked"]) == (25, 10, 2)
    assert counts["kept"] == 37
    assert (counts["leaks"], counts["label_conflicts"], counts["duplicates"]) == (2, 1, 3)
    leaks = cli("duplicates", "--leaks")
    assert leaks.out.splitlines() == [
        "train/n00000000/crop.JPEG  leak",
        f"  val/n00000000/n00000000_val_51.JPEG  near {_near(leaks.out)}",
        "train/n00000000/same.JPEG  leak",
        "  val/n00000000/n00000000_val_50.JPEG  exact",
    ]
    conflicts = json.loads(cli("duplicates", "--conflicts", "--format", "json").out)
    assert [row["key"] for row in conflicts] == [
        "train/n00000000/n00000000_train_3.JPEG",
        "train/n00000001/other.JPEG",
    ]


def _near(text: str) -> str:
    return text.split("near ")[1].split()[0]


def test_leaks_are_trained_on_where_the_settings_keep_them(
    cli: Any, leaky_data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "keep.toml"
    config.write_text((tmp_path / "small.toml").read_text() + '[duplicates]\nleaks = "keep"\n')

    counts = cli(
        "full", "--data", leaky_data, "--runner", "inline", "--config", config, "--json"
    ).json()["counts"]

    assert (counts["train"], counts["val"], counts["leaked"]) == (27, 10, 0)
    assert counts["leaks"] == 2


def test_duplicates_lists_all_groups_as_a_table_of_the_wanted_form(
    cli: Any, leaky_data: Path
) -> None:
    cli("full", "--data", leaky_data, "--runner", "inline", "--keep")

    told = json.loads(cli("duplicates", "--format", "json").out)
    rows = list(csv.DictReader(io.StringIO(cli("duplicates", "list", "--format", "csv").out)))

    assert (told["groups"], told["exact"], told["near"]) == (3, 1, 2)
    assert [*rows[0]] == list(GroupRow._fields)
    assert len(rows) == 6
    assert "groups of images that are the same" in cli("duplicates").out


def test_without_an_official_division_duplicates_are_on_one_side(
    cli: Any, folder_data: Callable[..., Path], own_var: Path
) -> None:
    data = folder_data(n_classes=2, n_images=0)
    for number, folder in enumerate(sorted(data.iterdir())):
        for seed in range(20):
            for name, quality in (("a", 90), ("z", 40)):
                encoded = _encode(_picture(number * 50 + seed), quality)
                (folder / f"{name}{seed}.JPEG").write_bytes(encoded)

    answer = cli("full", "--data", data, "--runner", "inline", "--json")

    counts = answer.json()["counts"]
    assert counts["duplicates"] == 40
    assert counts["train"] % 2 == counts["val"] % 2 == 0
    assert counts["val"] > 0


def test_a_second_ingest_moves_no_image_of_the_first(
    cli: Any, folder_data: Callable[..., Path], own_var: Path
) -> None:
    data = folder_data(n_classes=2, n_images=0)
    folders = sorted(data.iterdir())
    for seed in range(24):
        (folders[seed % 2] / f"m{seed}.JPEG").write_bytes(_encode(_picture(seed)))
    cli("full", "--data", data, "--runner", "inline", "--keep", "--run-id", "r1")
    before = _shard_keys(own_var)
    for seed in range(0, 24, 2):  # copies whose keys sort before and after, and what is new
        (folders[seed % 2] / f"a{seed}.JPEG").write_bytes(_encode(_picture(seed), 40))
        (folders[1 - seed % 2] / f"z{seed}.JPEG").write_bytes(_encode(_picture(seed)[4:, 3:], 60))
        (folders[seed % 2] / f"n{seed}.JPEG").write_bytes(_encode(_picture(seed + 500)))

    answer = cli("full", "--run-id", "r1", "--keep", "--json")

    assert answer.json()["counts"]["duplicates"] == 24
    after = _shard_keys(own_var)
    assert len(after) == 60
    assert before < after


def _shard_keys(own_var: Path) -> set[object]:
    folder = own_var / "runs" / "r1" / "work" / "shards"
    keys: set[object] = set()
    for path in folder.glob("part-*"):
        with path.open("rb") as file:
            keys |= {record.key for record in Reader(file, path.name).records()}
    return keys
