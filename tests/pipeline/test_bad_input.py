"""Bad input gets one clear sentence and an exit code of its own; nothing is lost."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest


def _inline(cli: Any, data: Path, *more: str | Path) -> Any:
    return cli("full", "--data", data, "--runner", "inline", *more)


def _one_sentence(answer: Any, code: int, *parts: str) -> None:
    assert answer.code == code, answer.err
    assert "Traceback" not in answer.err
    last = answer.err.splitlines()[-1]
    for part in parts:
        assert part in last


def _train_tar(root: Path, classes: dict[str, list[tuple[str, bytes]]]) -> Path:
    """Write ILSVRC2012_img_train.tar: a tar of one tar per wnid."""
    root.mkdir(exist_ok=True)
    outer = root / "ILSVRC2012_img_train.tar"
    with tarfile.open(outer, "w") as tar:
        for wnid, members in classes.items():
            inner = root / f"{wnid}.tar"
            with tarfile.open(inner, "w") as inner_tar:
                for name, content in members:
                    file = root / "member"
                    file.write_bytes(content)
                    inner_tar.add(file, name)
            tar.add(inner, inner.name)
            inner.unlink()
    (root / "member").unlink(missing_ok=True)
    return outer


@pytest.fixture
def two_classes(jpeg: Any) -> dict[str, list[tuple[str, bytes]]]:
    return {
        wnid: [(f"{wnid}_{i}.JPEG", jpeg(seed=100 * k + i)) for i in range(8)]
        for k, wnid in enumerate(("n00000001", "n00000002"))
    }


def test_no_such_data_directory(cli: Any, tmp_path: Path) -> None:
    _one_sentence(_inline(cli, tmp_path / "nowhere"), 2, "no such data directory", "--data")


def test_a_train_tar_cut_in_the_middle(cli: Any, tmp_path: Path, two_classes: Any) -> None:
    tar = _train_tar(tmp_path / "data", two_classes)
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size * 2 // 3])

    _one_sentence(_inline(cli, tar.parent), 5, "cut off", "at byte", "--allow-damaged")


def test_the_images_before_the_cut_are_used_on_request(
    cli: Any, tmp_path: Path, two_classes: Any
) -> None:
    two_classes["n00000003"] = two_classes["n00000002"]
    tar = _train_tar(tmp_path / "data", two_classes)
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size * 8 // 10])

    answer = _inline(cli, tar.parent, "--allow-damaged")

    assert answer.code == 0, answer.err
    assert "cut off" in answer.out


def test_hostile_members_are_refused_and_counted_and_nothing_is_written(
    cli: Any, tmp_path: Path, two_classes: Any, jpeg: Any
) -> None:
    two_classes["n00000001"].append(("../../evil.JPEG", jpeg(seed=7)))
    tar = _train_tar(tmp_path / "data", two_classes)
    _add_special_members(tar)

    answer = _inline(cli, tar.parent, "--json")

    assert answer.code == 0, answer.err
    counts = answer.json()["counts"]
    assert counts["images"] == 16
    assert sum(counts["refused_members"].values()) == 1
    assert not list(tmp_path.rglob("evil*"))


def test_data_of_which_every_image_is_refused_says_so(cli: Any, tmp_path: Path, jpeg: Any) -> None:
    data = {"n00000001": [("../../evil.JPEG", jpeg(seed=7))]}
    tar = _train_tar(tmp_path / "data", data)

    answer = _inline(cli, tar.parent)

    assert answer.code == 5
    assert f"{tar.parent}: holds no image that can be stored (1 refused" in answer.err
    assert "Traceback" not in answer.err


def _add_special_members(tar: Path) -> None:
    with tarfile.open(tar, "a") as outer:
        for kind in (tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"special-{kind!r}.tar")
            info.type = kind
            info.linkname = "/etc/passwd"
            outer.addfile(info)


def test_a_synset_unknown_to_the_mapping_is_quarantined(
    cli: Any, tmp_path: Path, two_classes: Any, jpeg: Any
) -> None:
    two_classes["n99999999"] = [("n99999999_1.JPEG", jpeg(seed=5))]
    tar = _train_tar(tmp_path / "data", two_classes)
    (tar.parent / "LOC_synset_mapping.txt").write_text("n00000001 one\nn00000002 two\n")

    answer = _inline(cli, tar.parent, "--json")

    assert answer.json()["counts"]["quarantined"] == {"unknown_synset": 1}
    assert any("n99999999" in warning for warning in answer.json()["warnings"])


def test_a_validation_image_without_a_label_is_quarantined(cli: Any, folder_data: Any) -> None:
    train = folder_data()
    data = train.parent / "tree"
    (data / "val").mkdir(parents=True)
    train.rename(data / "train")
    for number, name in enumerate(("v1", "v2")):
        source = data / "train" / "n00000000" / f"n00000000_{number}.JPEG"
        shutil.copy(source, data / "val" / f"{name}.JPEG")
    (data / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nv1,n00000000 1 2 3 4 \n")

    answer = _inline(cli, data, "--json")

    assert answer.json()["counts"]["quarantined"] == {"unlabelled": 1}
    assert answer.json()["counts"]["val"] == 1


def test_an_empty_class_is_named(cli: Any, folder_data: Any) -> None:
    data = folder_data()
    (data / "n00000009").mkdir()

    answer = _inline(cli, data)

    assert answer.code == 0, answer.err
    assert "warning      class n00000009 has no training image" in answer.out


def test_one_class_only(cli: Any, folder_data: Any) -> None:
    _one_sentence(_inline(cli, folder_data(n_classes=1)), 5, "needs at least two")


def test_a_class_whose_images_all_fail_to_decode_leaves_one(cli: Any, folder_data: Any) -> None:
    data = folder_data(n_classes=2)
    for path in (data / "n00000001").iterdir():
        path.write_bytes(b"<html>")

    _one_sentence(_inline(cli, data), 5, "two synsets or more")


def test_a_bundle_with_a_flipped_byte_is_named_with_the_offset(
    cli: Any, folder_data: Any, own_var: Path
) -> None:
    data = ("--data", folder_data(), "--runner", "inline", "--images", "s")
    assert cli("ingest", "--run-id", "r1", *data).code == 0
    bundle = own_var / "images" / "s" / "bundles" / "00000-00000.seq"
    content = bytearray(bundle.read_bytes())
    content[97] ^= 0x40  # in the length of the first record, behind the header of 96 bytes
    bundle.write_bytes(content)

    answer = cli("full", "--run-id", "r1")

    _one_sentence(answer, 5, "00000-00000.seq", "at byte")


def test_a_model_whose_bytes_changed_is_refused(cli: Any, folder_data: Any) -> None:
    data = folder_data()
    run_dir = Path(_inline(cli, data, "--json").json()["run_dir"])
    with (run_dir / "model.joblib").open("ab") as file:
        file.write(b"x")

    answer = cli("predict", run_dir, data / "n00000000" / "n00000000_0.JPEG")

    _one_sentence(answer, 5, "sha256 differs")


def test_an_unknown_key_in_the_configuration(cli: Any, folder_data: Any, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text("[data]\nval_share = 0.1\n")

    answer = _inline(cli, folder_data(), "--config", config)

    _one_sentence(answer, 2, "[data] has no val_share", "val_fraction")


def test_going_on_with_other_data_is_refused(cli: Any, folder_data: Any) -> None:
    _inline(cli, folder_data(), "--run-id", "r1")

    answer = _inline(cli, folder_data(name="other"), "--run-id", "r1")

    _one_sentence(answer, 2, "began with --data")


def test_a_run_id_cannot_leave_the_runs_directory(cli: Any) -> None:
    _one_sentence(cli("full", "--run-id", "../x"), 2, "not a run id")


def test_a_step_on_hadoop_without_a_cluster_says_what_to_do(
    cli: Any, folder_data: Any, tmp_path: Path
) -> None:
    answer = cli("ingest", "--data", folder_data(), "--cluster-dir", tmp_path / "none")

    _one_sentence(answer, 3, "bin/pipeline up")


def test_data_in_hdfs_needs_the_hadoop_runner(cli: Any) -> None:
    answer = cli("full", "--data", "hdfs:///imagenet/nowhere", "--runner", "inline")

    _one_sentence(answer, 2, "hdfs:///imagenet/nowhere", "--runner hadoop")
