"""The synthetic sample: layout, determinism, odd files, difficulty, and what it refuses."""

from __future__ import annotations

import hashlib
import re
import resource
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from mr_jobs.lib.errors import ConfigError, ImageError
from mr_jobs.lib.imagenet import ImageKey, read_clsloc_map, read_synset_mapping, read_val_solution
from mr_jobs.lib.images import decode, probe
from pipeline.rawdata import find_raw_data
from pipeline.sample import SampleSummary, write_sample
from pipeline.sample_pictures import CLASSES, draw, encode

SIDES = ("width", "height")
SMALL = {"n_classes": 3, "n_images": 4}


class Sample(NamedTuple):
    directory: Path
    summary: SampleSummary

    def lines(self, name: str) -> list[str]:
        return (self.directory / name).read_text().splitlines()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    directory = tmp_path_factory.mktemp("sample") / "small"
    return Sample(directory, write_sample(directory, **SMALL))


def _files(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def _images(directory: Path) -> dict[str, bytes]:
    """Read every image by key, labels from the solution file."""
    solution = (directory / "LOC_val_solution.csv").read_text().splitlines()
    labels = dict(read_val_solution(solution, "solution"))
    images = {}
    with tarfile.open(directory / "ILSVRC2012_img_train.tar") as outer:
        for member in outer:
            with tarfile.open(fileobj=outer.extractfile(member)) as inner:
                for name, content in _members(inner):
                    images[f"train/{member.name.removesuffix('.tar')}/{name}"] = content
    with tarfile.open(directory / "ILSVRC2012_img_val.tar") as tar:
        for name, content in _members(tar):
            images[f"val/{labels[name.removesuffix('.JPEG')]}/{name}"] = content
    return images


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        file = tar.extractfile(member)
        if file is not None:
            yield member.name, file.read()


def _xml_files(directory: Path) -> dict[str, ElementTree.Element]:
    with tarfile.open(directory / "ILSVRC2012_bbox.tar") as tar:
        return {
            name: ElementTree.fromstring(content)  # noqa: S314  # written by the code under test
            for name, content in _members(tar)
        }


def test_the_pipeline_reads_it_as_synthetic_ilsvrc(sample: Sample) -> None:
    data = find_raw_data(sample.directory)

    assert data.synthetic
    assert [(source.split, source.wnid) for source in data.sources] == [
        ("train", "n99000001"),
        ("train", "n99000002"),
        ("train", "n99000003"),
        ("val", ""),
    ]
    assert not data.warnings


def test_training_numbers_have_gaps_and_no_fixed_width(sample: Sample) -> None:
    names = [key.split("/")[2] for key in _images(sample.directory) if key.startswith("train/")]

    assert all(re.fullmatch(r"n9900000[1-3]_\d+\.JPEG", name) for name in names)
    numbers = [re.split(r"[_.]", name)[1] for name in names]
    assert len({len(number) for number in numbers}) > 1
    assert len(set(names)) == len(names) == 12


def test_validation_is_numbered_from_one_and_mixes_the_classes(sample: Sample) -> None:
    val = [ImageKey.parse(key) for key in _images(sample.directory) if key.startswith("val/")]

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
    images = {ImageKey.parse(key).image_id: i for key, i in _images(sample.directory).items()}
    xml = _xml_files(sample.directory)

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


def test_in_is_kept_plus_quarantined_for_the_expected_reasons(sample: Sample) -> None:
    reasons = {}
    images = _images(sample.directory)
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
    images = _images(sample.directory)
    odd = {odd.kind: images[odd.key] for odd in sample.summary.odd_images}

    assert probe(odd["png"]).format == "png"
    assert probe(odd["cmyk"]).channels == 4
    assert probe(odd["grey"]).channels == 1
    assert probe(odd["exif_rotated"]).exif_orientation == 6
    assert probe(odd["truncated"]).format == "jpeg"
    assert odd["empty"] == b""


def test_the_rotated_jpeg_decodes_to_the_upright_picture() -> None:
    pixels = draw(CLASSES[0], np.random.default_rng(1)).pixels

    difference = cv2.absdiff(decode(encode(pixels, "exif_rotated")), pixels)

    assert difference.mean() < 4


@pytest.mark.parametrize("kind", ["png", "cmyk"])
def test_odd_encodings_keep_the_picture(kind: str) -> None:
    pixels = draw(CLASSES[3], np.random.default_rng(2)).pixels

    assert cv2.absdiff(decode(encode(pixels, kind)), pixels).mean() < 6


def test_the_same_seed_gives_the_same_bytes_in_another_process(
    sample: Sample, tmp_path: Path
) -> None:
    code = "import sys, pathlib; from pipeline.sample import write_sample as w; "
    code += "w(pathlib.Path(sys.argv[1]), n_classes=3, n_images=4)"
    environment = {"OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2", "PYTHONHASHSEED": "1"}
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "again"], check=True, env=environment, timeout=60
    )

    assert _files(tmp_path / "again") == _files(sample.directory)


def test_another_seed_gives_other_pictures(sample: Sample, tmp_path: Path) -> None:
    write_sample(tmp_path / "other", **SMALL, seed=1)

    assert not set(_images(tmp_path / "other").values()) & (
        set(_images(sample.directory).values()) - {b""}
    )


def test_more_images_leave_the_present_ones_as_they_are(sample: Sample, tmp_path: Path) -> None:
    write_sample(tmp_path / "more", n_classes=3, n_images=12)

    before, after = _images(sample.directory), _images(tmp_path / "more")

    assert before.items() <= after.items()
    assert len(after) == 3 * (12 + 6)


def test_more_classes_leave_the_present_training_images_as_they_are(
    sample: Sample, tmp_path: Path
) -> None:
    write_sample(tmp_path / "more", n_classes=5, n_images=4)

    before, after = _images(sample.directory), _images(tmp_path / "more")

    assert {k: v for k, v in before.items() if k.startswith("train/")}.items() <= after.items()
    assert set(before.values()) <= set(after.values())


def test_tar_members_tell_nothing_of_who_made_them_and_when(sample: Sample) -> None:
    for name in ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_bbox.tar"):
        with tarfile.open(sample.directory / name) as tar:
            headers = {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar}
        assert headers == {(1_340_000_000, 0, 0, "", "")}


def test_the_text_says_synthetic_and_lists_odd_files_and_checksums(sample: Sample) -> None:
    text = (sample.directory / "SYNTHETIC.txt").read_text()

    assert text.startswith("This data set is synthetic")
    assert "n_classes = 3\nn_images = 4\nseed = 0\n" in text
    assert all(odd.key in text for odd in sample.summary.odd_images)
    told = {line[66:]: line[:64] for line in text.splitlines() if re.match("[0-9a-f]{64}  ", line)}
    assert told | {"SYNTHETIC.txt": ""} == _files(sample.directory) | {"SYNTHETIC.txt": ""}


def test_a_complete_sample_is_left_alone(sample: Sample) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample.directory.rglob("*")}

    again = write_sample(sample.directory, **SMALL)

    assert sample.summary.created
    assert again == sample.summary._replace(created=False)
    assert {path: path.stat().st_mtime_ns for path in sample.directory.rglob("*")} == before


def test_a_sample_of_other_parameters_is_not_replaced(sample: Sample) -> None:
    with pytest.raises(ConfigError, match="does not hold the sample of 3 classes, 4 images"):
        write_sample(sample.directory, **SMALL, seed=1)


def test_a_directory_of_the_users_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(ConfigError, match="is not empty"):
        write_sample(tmp_path, **SMALL)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sample").write_text("")

    with pytest.raises(ConfigError, match="is a file"):
        write_sample(tmp_path / "sample", **SMALL)


def test_the_current_directory_is_not_replaced_under_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match="current directory"):
        write_sample(Path(), **SMALL)


def test_an_empty_directory_is_filled_and_its_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    write_sample(tmp_path / "empty", n_classes=2, n_images=2)
    write_sample(tmp_path / "a/b", n_classes=2, n_images=2)

    assert _files(tmp_path / "empty") == _files(tmp_path / "a/b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "empty"]


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", n_classes=2, n_images=2)
    tar = tmp_path / "sample" / "ILSVRC2012_img_val.tar"
    tar.write_bytes(tar.read_bytes()[:-1])

    with pytest.raises(ConfigError, match=r"img_val\.tar is missing or was changed; remove"):
        write_sample(tmp_path / "sample", n_classes=2, n_images=2)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"n_classes": 1}, "2 to 50 classes, not 1"),
        ({"n_classes": 51}, "2 to 50 classes, not 51"),
        ({"n_images": 1}, "at least 2 training images per class, not 1"),
        ({"seed": -1}, "0 or more, not -1"),
    ],
)
def test_parameters_out_of_range_are_refused(
    parameters: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        write_sample(tmp_path / "sample", **parameters)

    assert not list(tmp_path.iterdir())


@contextmanager
def _files_no_larger_than(n_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        _files_no_larger_than(300_000),
        pytest.raises(ConfigError, match=r"cannot be written to .*; free some space"),
    ):
        write_sample(tmp_path / "sample", **SMALL)

    assert not list(tmp_path.iterdir())


def test_the_remains_of_a_killed_run_are_cleared_away(tmp_path: Path) -> None:
    code = "import os, pathlib, sys; from pipeline.sample import write_sample as w; "
    code += (
        "w(pathlib.Path(sys.argv[1]), n_images=20, progress=lambda line: os.kill(os.getpid(), 9))"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "sample"], timeout=60)
    assert killed.returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == [".sample.sample-partial"]

    write_sample(tmp_path / "sample", **SMALL)

    assert [path.name for path in tmp_path.iterdir()] == ["sample"]
    assert find_raw_data(tmp_path / "sample").synthetic


def test_two_runs_at_once_write_one_sample(sample: Sample, tmp_path: Path) -> None:
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(write_sample(tmp_path / "s", **SMALL)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(summary.created for summary in made) == [False, False, True]
    assert _files(tmp_path / "s") == _files(sample.directory)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_progress_ends_with_the_last_image(tmp_path: Path) -> None:
    lines: list[str] = []

    write_sample(tmp_path / "sample", n_classes=10, n_images=6, progress=lines.append)

    assert lines == ["sample: 100/110 images drawn", "sample: 110/110 images drawn"]


def test_pictures_have_natural_sizes_some_of_them_portrait() -> None:
    shapes = [draw(CLASSES[i % 10], np.random.default_rng(i)).pixels.shape for i in range(40)]

    assert {shape[0] > shape[1] for shape in shapes} == {False, True}
    assert all(300 <= side <= 520 for height, width, _ in shapes for side in (height, width))


def test_all_fifty_classes_differ() -> None:
    assert len({picture_class.words for picture_class in CLASSES}) == len(CLASSES) == 50


def _describe(pixels: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
    small = np.asarray(cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_AREA))
    hog = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)
    shape = np.asarray(hog.compute(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))).ravel()
    hsv = [cv2.cvtColor(small, cv2.COLOR_BGR2HSV)]
    colour = cv2.calcHist(hsv, [0, 1, 2], None, [16, 4, 4], [0, 180, 0, 256, 0, 256]).ravel()
    return shape, np.sqrt(colour / colour.sum())


def test_shape_alone_and_colour_alone_do_clearly_worse_than_both() -> None:
    labels = np.repeat(np.arange(10), 40)
    described = [
        _describe(draw(CLASSES[label], np.random.default_rng([7, label, i])).pixels)
        for i, label in enumerate(labels)
    ]
    shape, colour = (np.array(column) for column in zip(*described, strict=True))
    train = np.arange(len(labels)) % 40 < 26

    def error(features: NDArray[Any]) -> float:
        features = (features - features.mean(0)) / (features.std(0) + 1e-9)
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5)
        model.fit(features[train], labels[train])
        return 1 - float(model.score(features[~train], labels[~train]))

    both = error(np.hstack([shape, colour * 3]))

    assert 0.05 < both < 0.35
    assert error(shape) > both + 0.1
    assert error(colour) > both + 0.1
