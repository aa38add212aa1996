"""Files that are small and want to be large, and settings nested to hurt, are one sentence."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from mr_jobs.lib.errors import ConfigError, DataError, ImageError
from mr_jobs.lib.images import MAX_SCANS, probe
from mr_jobs.lib.rawtar import Plan, RawRange
from mr_jobs.lib.repair import decode_repaired
from mr_jobs.mr_bundle_images import MRBundleImages
from pipeline import annotation_files
from pipeline.annotation_files import annotation_files as files_of
from pipeline.config import Config
from pipeline.layouts import AnnotationSource
from pipeline.layouts import labels as label_files
from pipeline.layouts.labels import read_mat
from pipeline.voc import BoxFault, parse_voc
from tests.pipeline.tar_factory import regular, tar


def _jpeg(side_px: int, *, progressive: bool = True) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (side_px, side_px, 3), np.uint8)
    Image.fromarray(noise).save(file, "JPEG", progressive=progressive, quality=30)
    return file.getvalue()


def _with_scans(encoded: bytes, n: int) -> bytes:
    """Repeat the last scan, which refines what is refined already."""
    start, end = encoded.rfind(b"\xff\xda"), encoded.rfind(b"\xff\xd9")
    return encoded[:end] + encoded[start:end] * n + encoded[end:]


@pytest.mark.parametrize("progressive", [True, False])
def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded(progressive: bool) -> None:
    encoded = _with_scans(_jpeg(64, progressive=progressive), MAX_SCANS)

    with pytest.raises(ImageError, match="too_many_scans"):
        decode_repaired(encoded, probe(encoded))


def test_a_jpeg_of_many_scans_cut_off_or_without_an_end_is_refused() -> None:
    encoded = _with_scans(_jpeg(64), MAX_SCANS).removesuffix(b"\xff\xd9")

    with pytest.raises(ImageError, match="too_many_scans"):
        decode_repaired(encoded, probe(encoded))


def test_scans_of_a_thumbnail_and_behind_the_end_do_not_count() -> None:
    plain = _jpeg(64)
    thumbnail = b"\xff\xda" * 2000
    segment = b"\xff\xe5" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    encoded = plain[:2] + segment + plain[2:] + b"\xff\xda" * 2000

    decoded = decode_repaired(encoded, probe(encoded))

    assert (decoded.image == decode_repaired(plain, probe(plain)).image).all()


def test_a_job_quarantines_it_and_goes_on(cli: Any, folder_data: Any) -> None:
    data = folder_data()
    (data / "n00000000" / "scans.JPEG").write_bytes(_with_scans(_jpeg(64), MAX_SCANS))

    answer = cli("full", "--data", data, "--runner", "inline", "--json")

    assert answer.code == 0, answer.err
    assert answer.json()["counts"]["quarantined"] == {"too_many_scans": 1}


def test_compressed_annotations_that_grow_without_end_are_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotation_files, "_ALWAYS_BYTES", 1 << 16)
    path = tmp_path / "bomb.tar.gz"
    member = tar(regular("a.bin", b"\0" * (8 << 20)), regular("b.xml", b"<annotation/>"))
    path.write_bytes(gzip.compress(member))
    assert path.stat().st_size < 1 << 14

    with pytest.raises(DataError, match="over 200 times its size"):
        list(files_of(AnnotationSource(path, "tar"), [], allow_damaged=False))
    warnings: list[str] = []
    list(files_of(AnnotationSource(path, "tar"), warnings, allow_damaged=True))
    assert "over 200 times its size" in warnings[0]


def test_a_devkits_file_that_grows_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "meta.mat"
    savemat(path, {"synsets": np.zeros(4 << 20, np.uint8)}, do_compression=True)
    assert path.stat().st_size < 1 << 16
    monkeypatch.setattr(label_files, "_MAX_INFLATED_BYTES", 1 << 20)

    with pytest.raises(DataError, match="grows too large"):
        read_mat(path, "ILSVRC2012_ID", "words")


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_sum_of_many_compressed_elements_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(label_files, "_MAX_INFLATED_BYTES", 1 << 20)
    element = zlib.compress(b"\0" * (600 << 10))
    header = b"MATLAB".ljust(124) + struct.pack(f"{order}H", 0x0100)
    header += b"IM" if order == "<" else b"MI"
    path = tmp_path / "meta.mat"
    path.write_bytes(header + 2 * (struct.pack(f"{order}II", 15, len(element)) + element))

    with pytest.raises(DataError, match="grows too large"):
        read_mat(path, "ILSVRC2012_ID", "words")


def test_a_label_file_of_any_size_is_refused(
    cli: Any, folder_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = folder_data()
    monkeypatch.setattr(label_files, "_MAX_LABELS_BYTES", 1000)
    (data / "LOC_synset_mapping.txt").write_text("n00000000 x\n" * 100)

    answer = cli("ingest", data, "--runner", "inline")

    assert answer.code == 5
    assert "too large" in answer.err


@pytest.mark.parametrize(
    "text",
    [
        b"a = " + b"[" * 50_000,
        b"[data]\nseed = " + b"9" * 5000,
        b'x = "\xff"',
        b"\x00",
        b"{" * 50_000,
    ],
)
def test_a_configuration_that_is_nested_to_hurt_is_one_sentence(
    tmp_path: Path, text: bytes
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text)

    with pytest.raises(ConfigError, match="not TOML"):
        Config.load(path)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><annotation>&b;', "doctype"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotation/>', "doctype"),
        (b'<?xml version="1.0"?><!-- --><!DOCTYPE x []><annotation/>', "doctype"),
        (b"<annotation>&xxe;</annotation>", "not_xml"),
        (b"<annotation>" + b"<a>" * 150_000, "not_xml"),
        ("<!DOCTYPE x [<!ENTITY a 'a'>]><annotation/>".encode("utf-16"), "not_utf8"),
        (b'<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE x+AD4-<annotation/>', "not_xml"),
        (b"<annotation>" + b"x" * (1 << 20), "too_large"),
    ],
)  # fmt: skip
def test_xml_that_grows_or_reads_files_is_refused(encoded: bytes, reason: str) -> None:
    with pytest.raises(BoxFault, match=reason):
        list(parse_voc(encoded))


@pytest.mark.parametrize(
    "encoded",
    [
        b"<annotation>" + b"<a>" * 140_000 + b"</a>" * 140_000 + b"</annotation>",
        b"<annotation " + b" ".join(b'a%d="1"' % n for n in range(80_000)) + b"/>",
        b"<annotation " + b" ".join(b'xmlns:a%d="1"' % n for n in range(50_000)) + b"/>",
        b'<annotation xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="/etc/passwd"/>'
        b"</annotation>",
    ],
)
def test_deep_and_wide_xml_costs_no_more_than_its_size(encoded: bytes) -> None:
    assert list(parse_voc(encoded)) == []


@pytest.mark.parametrize("kind", ["svg", "mvg", "msl", "ps", "text"])
def test_programs_for_imagemagick_under_an_images_name_never_reach_it(kind: str) -> None:
    programs = {
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "mvg": b"push graphic-context\nfill 'url(https://x\"|touch pwned\")'",
        "msl": b'<?xml version="1.0"?><image><read filename="/etc/passwd"/></image>',
        "ps": b"%!PS\n(/etc/passwd)(r)file",
        "text": b"text:/etc/passwd",
    }

    with pytest.raises(ImageError, match="not_an_image"):
        probe(programs[kind])


def test_a_query_cannot_read_or_write_files(cli: Any, folder_data: Any, tmp_path: Path) -> None:
    data = folder_data()
    assert cli("ingest", data, "--runner", "inline", "--images", "s").code == 0
    for query in (
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM `/etc/passwd`",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT getenv('HOME')",
        f"COPY images TO '{tmp_path / 'out'}'",
        f"ATTACH '{tmp_path / 'out'}'",
        "INSTALL httpfs",
        "SELECT 1; DROP TABLE images",
    ):
        answer = cli("query", query, "--images", "s")
        assert answer.code == 2, query
        assert "root:" not in answer.out + answer.err
    where = "key IN (SELECT content FROM read_text('/etc/passwd'))"
    assert cli("get", "--where", where, "--images", "s", "--to", tmp_path / "got").code == 2
    assert not (tmp_path / "out").exists()


def test_links_pipes_and_devices_in_a_data_set_are_not_read(
    cli: Any, folder_data: Any, tmp_path: Path
) -> None:
    data = folder_data()
    secret = tmp_path / "secret"
    shutil.copy(data / "n00000000" / "n00000000_0.JPEG", secret)
    (data / "n00000000" / "link.JPEG").symlink_to(secret)
    (data / "n00000000" / "zero.JPEG").symlink_to("/dev/zero")
    (data / "LOC_synset_mapping.txt").symlink_to("/etc/passwd")
    (data / "n00000009").symlink_to(tmp_path)
    os.mkfifo(data / "n00000000" / "pipe.JPEG")
    os.mkfifo(data / "LOC_val_solution.csv")
    os.mkfifo(data / "ILSVRC2012_img_val.tar")

    answer = cli("ingest", data, "--runner", "inline", "--images", "s", "--json")

    assert answer.code == 0, answer.err
    images = cli("query", "SELECT COUNT(*) AS n FROM images", "--format", "json", "--images", "s")
    assert images.json() == [{"n": 36}]
    assert "is a link out of the data set" in answer.err


@pytest.mark.parametrize("becomes", ["nothing", "shorter", "folder"])
def test_a_file_that_vanishes_or_changes_before_it_is_read_fails_the_job_with_its_name(
    run_bundling: Any, tmp_path: Path, becomes: str
) -> None:
    path = tmp_path / "photo.JPEG"
    if becomes == "shorter":
        path.write_bytes(b"x")
    elif becomes == "folder":
        path.mkdir()

    with pytest.raises(DataError, match=r"photo\.JPEG: (cannot be read|an image is cut short)"):
        run_bundling(RawRange(str(path), 0, 100, "train", "n1", 1, "file", "photo.JPEG"))


@pytest.fixture
def run_bundling(tmp_path: Path) -> Any:
    """Run the job that makes bundles, here, on a plan of one range."""

    def run(raw: RawRange) -> None:
        (tmp_path / "plan").write_text(f"{Plan([raw], {}).to_line()}\n")
        job = MRBundleImages(["-r", "inline", "--no-output", str(tmp_path / "plan")])
        job.sandbox()
        with job.make_runner() as runner:
            runner.run()

    return run
