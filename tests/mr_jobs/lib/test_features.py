"""A vector is whole, finite, the same every time, and described by its spec."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mr_jobs.lib.errors import ConfigError, ImageError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.images import decode
from mr_jobs.lib.repair import RepairSettings

MakeImage = Callable[..., bytes]

EXTRACT_AND_HASH = """
import hashlib, sys
import cv2
from pathlib import Path
from mr_jobs.lib.features import FeatureSpec
cv2.setNumThreads(int(sys.argv[2]))
print(hashlib.sha256(FeatureSpec().extract(Path(sys.argv[1]).read_bytes()).tobytes()).hexdigest())
"""


def hash_in_a_new_process(file: Path, n_threads: int) -> str:
    command = [sys.executable, "-c", EXTRACT_AND_HASH, str(file), str(n_threads)]
    return subprocess.check_output(command, text=True, timeout=60).strip()


def test_a_vector_has_the_promised_length_and_type(jpeg: MakeImage) -> None:
    for spec in (
        FeatureSpec(),
        FeatureSpec(hsv_grids=(), lab_px=0),
        FeatureSpec(image_px=144, hog_cell_px=24, hog_block_px=48, hog_stride_px=24, hog_bins=18),
    ):
        vector = spec.extract(jpeg())

        assert vector.shape == (spec.n_features,)
        assert vector.dtype == np.float32


def test_the_parts_follow_each_other_without_gap() -> None:
    parts = FeatureSpec().slices()

    assert list(parts) == ["hog", "hsv_1", "hsv_2", "hsv_4", "lab"]
    stops = [part.stop for part in parts.values()]
    assert [part.start for part in parts.values()] == [0, *stops[:-1]]
    assert stops[-1] == FeatureSpec().n_features


def test_each_part_is_what_it_is_called(jpeg: MakeImage) -> None:
    spec = FeatureSpec()
    grey = spec.extract(jpeg(mode="L"))
    parts = spec.slices()

    lab = grey[parts["lab"]].reshape(8, 8, 3)
    colours = grey[parts["hsv_1"]].reshape(8, 4, 4)
    assert np.abs(lab[..., 1:] - 128 / 255).max() < 0.01  # no colour
    assert colours[1:].sum() + colours[:, 1:].sum() == 0  # neither hue nor saturation
    assert grey[parts["hog"]].max() > 0


@pytest.mark.parametrize("colour", ["black", "white", "red"])
def test_a_constant_image_gives_finite_values(colour: str) -> None:
    bgr = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (0, 0, 255)}[colour]

    vector = FeatureSpec().from_image(np.full((20, 30, 3), bgr, np.uint8))

    assert np.isfinite(vector).all()
    assert (vector[FeatureSpec().slices()["hog"]] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_an_image_of_any_shape_has_finite_features(jpeg: MakeImage, size: tuple[int, int]) -> None:
    assert np.isfinite(FeatureSpec().extract(jpeg(*size))).all()


def test_the_vector_of_a_small_image_is_that_of_its_pixels(jpeg: MakeImage) -> None:
    encoded = jpeg()

    assert (FeatureSpec().extract(encoded) == FeatureSpec().from_image(decode(encoded))).all()


def test_reduced_decoding_keeps_the_vector_close(jpeg: MakeImage) -> None:
    encoded = jpeg(1200, 900)
    spec = FeatureSpec()

    reduced, full = spec.extract(encoded), spec.from_image(decode(encoded))

    assert (reduced != full).any()
    for part in spec.slices().values():
        a, b = reduced[part], full[part]
        assert a @ b > 0.99 * np.linalg.norm(a) * np.linalg.norm(b)


def test_an_image_rotated_by_exif_equals_the_rotated_image(jpeg: MakeImage) -> None:
    turned = jpeg(60, 40, format="PNG", orientation=6)
    image = decode(jpeg(60, 40, format="PNG"))

    expected = FeatureSpec().from_image(
        np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), np.uint8)
    )

    assert (FeatureSpec().extract(turned) == expected).all()


def test_the_bytes_are_the_same_in_every_process_with_any_number_of_threads(
    jpeg: MakeImage, tmp_path: Path
) -> None:
    encoded = jpeg(640, 480)
    file = tmp_path / "image"
    file.write_bytes(encoded)
    spec = FeatureSpec()

    spec.extract(jpeg(seed=1))  # what came before leaves no trace
    here = hashlib.sha256(spec.extract(encoded).tobytes()).hexdigest()

    assert [here, here] == [hash_in_a_new_process(file, n_threads) for n_threads in (1, 4)]


def test_an_image_is_neither_changed_nor_kept(jpeg: MakeImage) -> None:
    image = decode(jpeg())
    image.setflags(write=False)

    first = FeatureSpec().from_image(image)
    kept = first.copy()
    FeatureSpec().from_image(decode(jpeg(seed=1)))

    assert (first == kept).all()


def test_more_pixels_than_the_spec_allows_are_refused(jpeg: MakeImage) -> None:
    with pytest.raises(ImageError, match="too_many_pixels"):
        FeatureSpec(max_image_px=100).extract(jpeg())


def test_a_spec_survives_json_and_toml_types() -> None:
    spec = FeatureSpec(image_px=96, hsv_bins=(4, 2, 2), hsv_grids=(1, 3), hog_signed=False)

    assert FeatureSpec.from_dict(spec.to_dict()) == spec
    assert FeatureSpec.from_dict({"hsv_grids": [1]}) == FeatureSpec(hsv_grids=(1,))


def test_the_fingerprint_names_the_parameters() -> None:
    specs = [FeatureSpec(), FeatureSpec(lab_px=0), FeatureSpec(hog_signed=False)]

    assert len({spec.fingerprint() for spec in specs}) == 3
    assert FeatureSpec.from_dict({}).fingerprint() == FeatureSpec().fingerprint()
    assert len(FeatureSpec().fingerprint()) == 16


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"image_px": 4}, "image_px is 4"),
        ({"image_px": "128"}, "image_px is '128'"),
        ({"image_px": 128.0}, "image_px is 128.0"),
        ({"lab_px": True}, "lab_px is True"),
        ({"lab_px": -1}, "lab_px is -1"),
        ({"image_px": 48, "lab_px": 49}, "lab_px is 49"),
        ({"hog_bins": 1}, "hog_bins is 1"),
        ({"hog_signed": 1}, "hog_signed is 1"),
        ({"hog_block_px": 36}, "hog_block_px is 36"),
        ({"hog_block_px": 256}, "hog_block_px is 256"),
        ({"hog_stride_px": 13}, "hog_stride_px is 13"),
        ({"hsv_bins": [8, 4]}, "hsv_bins"),
        ({"hsv_bins": [181, 4, 4]}, "hsv_bins is 181"),
        ({"hsv_bins": "844"}, "hsv_bins is '844'"),
        ({"hsv_grids": 4}, "hsv_grids is 4"),
        ({"hsv_grids": [0]}, "hsv_grids is 0"),
        ({"hsv_grids": [2, 2]}, "only once"),
        ({"hsv_grids": [64]}, "values"),
        ({"max_image_px": 0}, "max_image_px is 0"),
        ({"hog_cells": 16}, "hog_cells"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        FeatureSpec.from_dict(values)


def test_a_vector_is_that_of_the_repaired_image(jpeg: Callable[..., bytes]) -> None:
    cut = jpeg(300, 200)[:-600]
    lenient = FeatureSpec(repair=RepairSettings(min_decoded_share=0.3))

    vector = FeatureSpec.from_dict(lenient.to_dict()).extract(cut)

    assert (vector == lenient.from_image(lenient.decode(cut))).all()
    with pytest.raises(ImageError):
        FeatureSpec().extract(cut)
