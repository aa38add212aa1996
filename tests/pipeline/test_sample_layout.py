"""The tars and lists of the synthetic sample, as ILSVRC has them."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import pytest

from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.imagenet import ImageKey, read_clsloc_map, read_synset_mapping, read_val_solution
from mr_jobs.lib.images import decode, probe
from pipeline.sample import write_sample
from tests.pipeline.sample_reader import SMALL, Sample, read_annotations, read_images

SIDES = ("width", "height")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    directory = tmp_path_factory.mktemp("sample") / "small"
    return Sample(directory, write_sample(directory, **SMALL))


def test_training_numbers_have_gaps_and_no_fixed_width(sample: Sample) -> None:
    names = [key.split("/")[2] for key in read_images(sample.directory) if key.startswith("train/")]

    assert all(re.fullmatch(r"n9900000[1-3]_\d+\.JPEG", name) for name in names)
    numbers = [re.split(r"[_.]", name)[1] for name in names]
    assert len({len(number) for number in numbers}) > 1
    assert len(set(names)) == len(names) == 12


def test_validation_is_numbered_from_one_and_mixes_the_classes(sample: Sample) -> None:
    val = [ImageKey.parse(key) for key in read_images(sample.directory) if key.startswith("val/")]

    assert [key.image_id for key in val] == [f"ILSVRC2012_val_{i + 1:08d}" for i in range(15)]
    labels = [key.wnid for key in val]
    assert labels != sorted(labels)
    assert sorted(labels) == sorted(["n99000001", "n99000002", "n99000003"] * 5)


def test_the_solution_is_shuffled_and_in_kaggles_form(sample: Sample) -> None:
    header, *rows = sample.lines("LOC_val_solution.csv")

    assert header == "ImageId,PredictionString"
    assert rows != sorted(rows)
    assert len(rows) == 15
    group = r"(n9900000\d \d+ \d+ \d+ \d+ )"
    assert all(re.fullmatch(rf"ILSVRC2012_val_\d{{8}},{group}+", row) for row in rows)


def test_the_devkits_ids_are_not_the_order_of_sorted_wnids(sample: Sample) -> None:
    words = read_synset_mapping(sample.lines("LOC_synset_mapping.txt"), "mapping")
    ids = read_clsloc_map(sample.lines("devkit/data/map_clsloc.txt"), "map")

    assert list(words) == sorted(words) == sorted(ids)
    assert sorted(ids.values()) == [1, 2, 3]
    assert [ids[wnid] for wnid in sorted(ids)] != [1, 2, 3]
    assert words["n99000001"] == "synthetic reddish disc"


def test_the_ground_truth_agrees_with_the_solution(sample: Sample) -> None:
    labels = dict(read_val_solution(sample.lines("LOC_val_solution.csv"), "solution"))
    ids = read_clsloc_map(sample.lines("devkit/data/map_clsloc.txt"), "map")

    truth = sample.lines("devkit/data/ILSVRC2012_validation_ground_truth.txt")

    assert [int(line) for line in truth] == [ids[labels[image_id]] for image_id in sorted(labels)]


def test_boxes_are_those_of_the_solution_and_lie_in_the_upright_picture(sample: Sample) -> None:
    solution = dict(row.split(",") for row in sample.lines("LOC_val_solution.csv")[1:])
    images = {ImageKey.parse(key).image_id: i for key, i in read_images(sample.directory).items()}
    xml = read_annotations(sample.directory)

    assert sum(name.startswith("val/") for name in xml) == 15
    assert any(name.startswith("train/n99000001/n99000001_") for name in xml)
    for name, annotation in xml.items():
        image_id = annotation.findtext("filename") or ""
        width, height = (int(annotation.findtext(f"size/{side}", "")) for side in SIDES)
        boxes = [[int(c.text or "") for c in box] for box in annotation.iter("bndbox")]
        assert all(0 <= b[0] < b[2] < width and 0 <= b[1] < b[3] < height for b in boxes)
        if name.startswith("val/"):
            wnid = annotation.findtext("object/name")
            groups = [" ".join(map(str, [wnid, *box])) for box in boxes]
            assert solution[image_id].strip() == " ".join(groups)
        try:
            assert decode(images[image_id]).shape == (height, width, 3)
        except ImageError:
            assert image_id in {ImageKey.parse(o.key).image_id for o in sample.summary.odd_images}


def test_tar_members_tell_nothing_of_who_made_them_and_when(sample: Sample) -> None:
    for name in ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_bbox.tar"):
        with tarfile.open(sample.directory / name) as tar:
            headers = {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar}
        assert headers == {(1_340_000_000, 0, 0, "", "")}


def test_more_images_leave_the_present_ones_as_they_are(sample: Sample, tmp_path: Path) -> None:
    write_sample(tmp_path / "more", n_classes=3, n_images=12)

    before, after = read_images(sample.directory), read_images(tmp_path / "more")

    assert before.items() <= after.items()
    assert len(after) == 3 * (12 + 6)


def test_more_classes_leave_the_present_training_images_as_they_are(
    sample: Sample, tmp_path: Path
) -> None:
    write_sample(tmp_path / "more", n_classes=5, n_images=4)

    before, after = read_images(sample.directory), read_images(tmp_path / "more")

    assert {k: v for k, v in before.items() if k.startswith("train/")}.items() <= after.items()
    assert set(before.values()) <= set(after.values())


def test_in_is_kept_plus_quarantined_for_the_expected_reasons(sample: Sample) -> None:
    reasons = {}
    images = read_images(sample.directory)
    for key, encoded in images.items():
        try:
            decode(encoded)
        except ImageError as error:
            reasons[key] = error.reason

    summary = sample.summary
    assert reasons == {odd.key: odd.reason for odd in summary.odd_images if odd.reason}
    assert summary.n_quarantined == len(reasons) == 2
    assert summary.n_train + summary.n_val == len(images) == 27


def test_the_odd_files_are_what_they_are_said_to_be(sample: Sample) -> None:
    images = read_images(sample.directory)
    odd = {odd.kind: images[odd.key] for odd in sample.summary.odd_images}

    assert probe(odd["png"]).format == "png"
    assert probe(odd["cmyk"]).channels == 4
    assert probe(odd["grey"]).channels == 1
    assert probe(odd["exif_rotated"]).exif_orientation == 6
    assert probe(odd["truncated"]).format == "jpeg"
    assert odd["empty"] == b""
