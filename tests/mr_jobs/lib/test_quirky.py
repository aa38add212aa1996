"""Odd files, the shared ones and made ones: each decodes or is refused, and none costs memory.

Memory is the peak of a process of its own (VmHWM, for ru_maxrss would begin at this one's).
"""

from __future__ import annotations

import csv
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.images import decode
from mr_jobs.lib.judge import catalog_row
from mr_jobs.lib.repair import RepairSettings

N_FILES = 43
MOST_MIB = 1024
REFUSAL_MIB = 200

MakeImage = Callable[..., bytes]
PLAIN = FeatureSpec(features=("hog", "hsv_pyramid", "lab_pixels"))

DECODED = {"decoded"}
REFUSED = {"empty", "not_an_image", "undecodable"}
OUTCOMES = {  # what `expected` says -> what may come of the file
    "decode": DECODED,
    "decode to BGR": DECODED,
    "decode to 8-bit BGR": DECODED,
    "decode, drop alpha": DECODED,
    "decode (resize up) or flag": DECODED,
    "decode; one documented rule (apply or ignore)": DECODED,
    "decode; documented rule": DECODED,
    "decode, name survives CSV/TSV/Hive": DECODED,
    "both kept, duplicate reported": DECODED,
    "features finite (no NaN)": DECODED,
    "decode or reject, same on every node": DECODED,
    "decode partly or reject; never crash": DECODED,
    "reject": REFUSED,
    "reject or flag": REFUSED,
    "reject or flag; never crash": REFUSED,
    "ignore": REFUSED,
    "ignore or reject": REFUSED,
    "reject by pixel limit": {"too_many_pixels"},
    "reject before allocating 12.9 GB": {"too_many_pixels"},
}
UPRIGHT_SHAPES = {  # the documented rule: EXIF orientation is applied
    "exif_orient6.JPEG": (368, 382),
    "exif_orient3.JPEG": (538, 717),
    "real_can_opener_orient6.JPEG": (392, 294),
    "real_Landscape_6.JPEG": (1200, 1800),
}
REPAIRS = {  # of the files that need any
    "n02105855_2933.JPEG": "format_png",
    "n01739381_1309.JPEG": "cmyk",
    "rgba_png.JPEG": "format_png",  # no pixel of it is transparent
    "palette_gif.JPEG": "format_gif",
    "png16_gray.JPEG": "bits_16,format_png",
    "png48_rgb.JPEG": "bits_16,format_png",
    "webp.JPEG": "format_webp",
    "bmp.JPEG": "format_bmp",
    "exif_orient6.JPEG": "orientation",
    "exif_orient3.JPEG": "orientation",
    "real_can_opener_orient6.JPEG": "orientation",
    "real_pil_sample_cmyk.JPEG": "cmyk",
    "real_Landscape_6.JPEG": "orientation",
    "real_12in16bit.tif.JPEG": "bits_16,format_tiff",
}
EXTRACT_ALL = """
import re, sys
from pathlib import Path
from mr_jobs.lib.errors import ImageError
from mr_jobs.lib.features import FeatureSpec
PLAIN = FeatureSpec(features=("hog", "hsv_pyramid", "lab_pixels"))
n_extracted = 0
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        PLAIN.extract(path.read_bytes())
        n_extracted += 1
    except ImageError:
        pass
peak_kib = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(n_extracted, int(peak_kib) // 1024)
"""


def extract_all(folder: Path) -> tuple[int, int]:
    """Run all files of a folder through a new process; return how many passed and its peak MiB."""
    command = [sys.executable, "-c", EXTRACT_ALL, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    n_extracted, mib = done.stdout.split()
    return int(n_extracted), int(mib)


def outcome_of(encoded: bytes) -> str:
    try:
        vector = PLAIN.extract(encoded)
    except ImageError as error:
        return error.reason
    assert np.isfinite(vector).all()
    return "decoded"


@pytest.fixture(scope="module")
def quirky_dir(shared_dir: Path) -> Path:
    return shared_dir / "data" / "quirky"


@pytest.fixture(scope="module")
def expected_outcomes(quirky_dir: Path) -> dict[str, set[str]]:
    with (quirky_dir / "MANIFEST.tsv").open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"]: OUTCOMES[row["expected"]] for row in rows}


def test_every_file_decodes_or_is_refused_as_the_manifest_expects(
    quirky_dir: Path, expected_outcomes: dict[str, set[str]]
) -> None:
    outcomes = {
        name: outcome_of((quirky_dir / "images" / name).read_bytes()) for name in expected_outcomes
    }

    assert len(outcomes) == N_FILES
    assert {n: o for n, o in outcomes.items() if o not in expected_outcomes[n]} == {}


def test_decoding_in_full_refuses_the_same_files_for_the_same_reasons(
    quirky_dir: Path, expected_outcomes: dict[str, set[str]]
) -> None:
    for name in expected_outcomes:
        encoded = (quirky_dir / "images" / name).read_bytes()
        try:
            decode(encoded)
            outcome = "decoded"
        except ImageError as error:
            outcome = error.reason

        assert (name, outcome) == (name, outcome_of(encoded))


def test_every_repair_is_named(quirky_dir: Path, expected_outcomes: dict[str, set[str]]) -> None:
    rows = [
        catalog_row(f"train/n01/{name}", ("b", 0, 0), content, FeatureSpec())
        for name in expected_outcomes
        for content in [(quirky_dir / "images" / name).read_bytes()]
    ]

    assert {row.key.split("/")[2]: row.repairs for row in rows if row.repairs} == REPAIRS


def test_the_share_of_the_truncated_photograph_decides_whether_it_is_kept(quirky_dir: Path) -> None:
    encoded = (quirky_dir / "images" / "truncated_body.JPEG").read_bytes()  # 60 % of its bytes

    kept = FeatureSpec(PLAIN.features, repair=RepairSettings(min_decoded_share=0.6)).extract(
        encoded
    )

    assert np.isfinite(kept).all()
    with pytest.raises(ImageError, match=r"ends after 61\.9% of its rows"):
        FeatureSpec(PLAIN.features, repair=RepairSettings(min_decoded_share=0.65)).extract(encoded)


def test_photographs_with_an_exif_orientation_come_upright(quirky_dir: Path) -> None:
    images = quirky_dir / "images"

    shapes = {name: decode((images / name).read_bytes()).shape[:2] for name in UPRIGHT_SHAPES}

    assert shapes == UPRIGHT_SHAPES


def test_exact_duplicates_have_equal_vectors(quirky_dir: Path) -> None:
    a, b = (quirky_dir / "images" / f"exact_duplicate_{which}.JPEG" for which in "ab")

    assert (PLAIN.extract(a.read_bytes()) == PLAIN.extract(b.read_bytes())).all()


def test_no_file_makes_a_process_use_more_than_a_gibibyte(quirky_dir: Path) -> None:
    _, mib = extract_all(quirky_dir / "images")

    assert mib < MOST_MIB


def test_48_megapixel_photographs_stay_within_a_gibibyte(jpeg: MakeImage, tmp_path: Path) -> None:
    for name, progressive in (("baseline", False), ("progressive", True)):
        encoded = jpeg(8000, 6000, orientation=6, progressive=progressive, quality=30)
        (tmp_path / name).write_bytes(encoded)

    n_extracted, mib = extract_all(tmp_path)

    assert n_extracted == 2
    assert mib < MOST_MIB


def test_a_jpeg_that_claims_300_megapixel_costs_no_memory(jpeg: MakeImage, tmp_path: Path) -> None:
    encoded = bytearray(jpeg())
    at = encoded.index(b"\xff\xc0") + 5  # height and width in the frame header
    encoded[at : at + 4] = struct.pack(">HH", 15_000, 20_000)
    (tmp_path / "image").write_bytes(encoded)

    assert outcome_of(bytes(encoded)) == "too_many_pixels"
    assert extract_all(tmp_path)[1] < REFUSAL_MIB


def test_a_png_chunk_that_claims_a_gigabyte_costs_no_memory(
    jpeg: MakeImage, tmp_path: Path
) -> None:
    encoded = bytearray(jpeg(format="PNG"))
    at = encoded.index(b"IDAT") - 4
    encoded[at : at + 4] = struct.pack(">I", 2**30)
    (tmp_path / "image").write_bytes(encoded)

    assert outcome_of(bytes(encoded)) == "undecodable"
    assert extract_all(tmp_path)[1] < REFUSAL_MIB
