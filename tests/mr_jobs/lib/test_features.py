"""A vector is whole, finite, the same every time, and described by its spec."""

from __future__ import annotations

import hashlib
import json
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
PLAIN_NAMES = ("hog", "hsv_pyramid", "lab_pixels")  # those that need no codebook
PLAIN = FeatureSpec(features=PLAIN_NAMES)

EXTRACT_AND_HASH = """
import hashlib, sys
import cv2
from pathlib import Path
from mr_jobs.lib.features import FeatureSpec
cv2.setNumThreads(int(sys.argv[2]))
spec = FeatureSpec(features=("hog", "hsv_pyramid", "lab_pixels"))
print(hashlib.sha256(spec.extract(Path(sys.argv[1]).read_bytes()).tobytes()).hexdigest())
"""


def hash_in_a_new_process(file: Path, n_threads: int) -> str:
    command = [sys.executable, "-c", EXTRACT_AND_HASH, str(file), str(n_threads)]
    return subprocess.check_output(command, text=True, timeout=60).strip()


@pytest.mark.parametrize(
    "spec",
    [
        PLAIN,
        FeatureSpec(features=("lbp", "lab_pyramid")),
        FeatureSpec(
            features=("hog",),
            image_px=128,
            parameters={"hog": {"cell_px": 16, "block_px": 32, "stride_px": 16}},
        ),
        FeatureSpec(features=("hog",), parameters={"hog": {"map": "fourier", "n_fourier": 50}}),
        FeatureSpec(
            features=("hsv_pyramid", "lbp"),
            parameters={"hsv_pyramid": {"map": "chi2"}, "lbp": {"map": "none"}},
        ),
    ],
)
def test_a_vector_has_the_promised_length_type_and_regions(
    jpeg: MakeImage, spec: FeatureSpec
) -> None:
    vector = spec.extract(jpeg())
    regions = spec.regions()

    assert vector.shape == (spec.n_features,)
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()
    assert regions.shape == (spec.n_features, 4)
    assert (regions[:, :2] < regions[:, 2:]).all()
    assert regions.min() >= 0
    assert regions.max() <= 1


def test_values_are_multiples_of_a_4096th_so_that_sums_of_products_are_exact(
    jpeg: MakeImage,
) -> None:
    vector = PLAIN.extract(jpeg()).astype(np.float64)

    assert (vector * 4096 % 1 == 0).all()


def test_the_pieces_and_the_features_follow_each_other_without_gap() -> None:
    pieces = {**PLAIN.slices()}

    assert list(pieces) == ["hog", "hsv_1", "hsv_2", "lab_pixels"]
    assert list(PLAIN.parts()) == list(PLAIN_NAMES)
    for parts in (pieces, PLAIN.parts()):
        stops = [part.stop for part in parts.values()]
        assert [part.start for part in parts.values()] == [0, *stops[:-1]]
        assert stops[-1] == PLAIN.n_features


def test_the_order_of_the_features_is_the_order_of_the_vector(jpeg: MakeImage) -> None:
    turned = FeatureSpec(features=("lab_pixels", "hog"))

    vector, plain = turned.extract(jpeg()), PLAIN.extract(jpeg())

    for name in ("hog", "lab_pixels"):
        assert (vector[turned.parts()[name]] == plain[PLAIN.parts()[name]]).all()


def test_only_the_cells_of_a_region_change_with_its_pixels(jpeg: MakeImage) -> None:
    image = decode(jpeg(144, 144))
    changed = image.copy()
    changed[100:140, 100:140] = 255 - changed[100:140, 100:140]

    differ = PLAIN.from_image(image) != PLAIN.from_image(changed)

    _, _, bottom, right = PLAIN.regions().T * 144
    margin = 24  # HOG's votes reach into the next cell
    outside = (bottom < 100 - margin) | (right < 100 - margin)
    assert differ.any()
    assert not differ[outside].any()


def test_each_part_is_what_it_is_called(jpeg: MakeImage) -> None:
    spec = PLAIN
    grey = spec.extract(jpeg(mode="L"))
    parts = spec.slices()

    lab = grey[parts["lab_pixels"]].reshape(8, 8, 3)
    colours = grey[parts["hsv_1"]].reshape(8, 4, 4)
    assert np.abs(lab[..., 1:] - 128 / 255).max() < 0.01  # no colour
    assert colours[1:].sum() + colours[:, 1:].sum() == 0  # neither hue nor saturation
    assert grey[parts["hog"]].max() > 0


@pytest.mark.parametrize("colour", ["black", "white", "red"])
def test_a_constant_image_gives_finite_values(colour: str) -> None:
    bgr = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (0, 0, 255)}[colour]

    vector = PLAIN.from_image(np.full((20, 30, 3), bgr, np.uint8))

    assert np.isfinite(vector).all()
    assert (vector[PLAIN.slices()["hog"]] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_an_image_of_any_shape_has_finite_features(jpeg: MakeImage, size: tuple[int, int]) -> None:
    assert np.isfinite(PLAIN.extract(jpeg(*size))).all()


def test_the_vector_of_a_small_image_is_that_of_its_pixels(jpeg: MakeImage) -> None:
    encoded = jpeg()

    assert (PLAIN.extract(encoded) == PLAIN.from_image(decode(encoded))).all()


def detailed_jpeg(width_px: int, height_px: int, seed: int) -> bytes:
    """Make a JPEG with as much detail at every scale down to a pixel of 512 a row."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height_px, width_px, 3))
    for octave in range(2, 10):
        shape = (2**octave * height_px // width_px + 2, 2**octave, 3)
        coarse = random.standard_normal(shape)
        coarse += 2 * coarse.mean(axis=2, keepdims=True)  # more light and dark than colour
        picture += cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    levels = np.clip(128 + 50 / picture.std() * picture, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


@pytest.mark.parametrize("size_px", [(300, 290), (500, 375), (560, 520), (660, 600), (1200, 900)])
def test_reduced_decoding_keeps_the_vector_close(size_px: tuple[int, int]) -> None:
    spec = FeatureSpec(features=(*PLAIN_NAMES, "lbp"))
    images = [detailed_jpeg(*size_px, seed) for seed in range(3)]

    reduced = np.stack([spec.extract(encoded) for encoded in images])
    full = np.stack([spec.from_image(decode(encoded)) for encoded in images])

    assert (reduced != full).any(axis=1).all()
    # nearer than photographs, which are noisy: a reduction to less than image_px would be outside
    tolerances = {"hog": 0.997, "hsv_pyramid": 0.996, "lab_pixels": 0.999, "lbp": 0.98}
    for name, part in spec.parts().items():
        a, b = reduced[:, part], full[:, part]
        cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert cosines.mean() > tolerances[name], name


def test_an_image_rotated_by_exif_equals_the_rotated_image(jpeg: MakeImage) -> None:
    turned = jpeg(60, 40, format="PNG", orientation=6)
    image = decode(jpeg(60, 40, format="PNG"))

    expected = PLAIN.from_image(np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), np.uint8))

    assert (PLAIN.extract(turned) == expected).all()


def test_the_bytes_are_the_same_in_every_process_with_any_number_of_threads(
    jpeg: MakeImage, tmp_path: Path
) -> None:
    encoded = jpeg(640, 480)
    file = tmp_path / "image"
    file.write_bytes(encoded)
    spec = PLAIN

    spec.extract(jpeg(seed=1))  # what came before leaves no trace
    here = hashlib.sha256(spec.extract(encoded).tobytes()).hexdigest()

    assert [here, here] == [hash_in_a_new_process(file, n_threads) for n_threads in (1, 4)]


def test_an_image_is_neither_changed_nor_kept(jpeg: MakeImage) -> None:
    image = decode(jpeg())
    image.setflags(write=False)

    first = PLAIN.from_image(image)
    kept = first.copy()
    PLAIN.from_image(decode(jpeg(seed=1)))

    assert (first == kept).all()


def test_more_pixels_than_the_spec_allows_are_refused(jpeg: MakeImage) -> None:
    with pytest.raises(ImageError, match="too_many_pixels"):
        FeatureSpec(PLAIN_NAMES, max_image_px=100).extract(jpeg())


def test_a_spec_survives_json_and_toml_types() -> None:
    spec = FeatureSpec(
        features=("hsv_pyramid", "hog"),
        image_px=96,
        parameters={"hsv_pyramid": {"bins": (4, 2, 2), "grids": (1, 3)}, "hog": {"signed": False}},
    )

    assert FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert FeatureSpec.from_dict({}) == FeatureSpec()
    assert FeatureSpec.from_dict({"hog": {}}) == FeatureSpec()


def test_the_fingerprint_names_the_parameters() -> None:
    specs = [
        FeatureSpec(),
        PLAIN,
        FeatureSpec(features=tuple(reversed(PLAIN_NAMES))),
        FeatureSpec(features=PLAIN_NAMES, parameters={"hog": {"signed": True}}),
        FeatureSpec(features=PLAIN_NAMES, image_px=96),
    ]

    assert len({spec.fingerprint() for spec in specs}) == len(specs)
    assert FeatureSpec.from_dict({}).fingerprint() == FeatureSpec().fingerprint()
    assert len(FeatureSpec().fingerprint()) == 16


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"image_px": 4}, "image_px is 4"),
        ({"image_px": "128"}, "image_px is '128'"),
        ({"image_px": 128.0}, "image_px is 128.0"),
        ({"max_image_px": 0}, "max_image_px is 0"),
        ({"features": []}, "at least one"),
        ({"features": "hog"}, "list"),
        ({"features": ["hog", "hog"]}, "only once"),
        ({"features": ["hig"]}, "'hig'; known: hog"),
        ({"hog_cells": 16}, "hog_cells"),
        ({"hog": {"cells": 16}}, "hog has no parameter cells"),
        ({"hog": 16}, "hog is a table"),
        ({"lab_pixels": {"side_px": True}}, "lab_pixels.side_px is True"),
        ({"lab_pixels": {"side_px": 0}}, "side_px is 0"),
        ({"image_px": 48, "lab_pixels": {"side_px": 49}}, "side_px is 49"),
        ({"hog": {"n_bins": 1}}, "hog.n_bins is 1"),
        ({"hog": {"signed": 1}}, "hog.signed is 1"),
        ({"hog": {"block_px": 36}}, "block_px is 36"),
        ({"hog": {"block_px": 256}}, "block_px is 256"),
        ({"hog": {"stride_px": 13}}, "stride_px is 13"),
        ({"hog": {"map": "wave"}}, "hog.map is 'wave'"),
        ({"hsv_pyramid": {"bins": [8, 4]}}, "three integers"),
        ({"hsv_pyramid": {"bins": [181, 4, 4]}}, "bins is \\[181"),
        ({"hsv_pyramid": {"bins": "844"}}, "bins is '844'"),
        ({"hsv_pyramid": {"grids": 4}}, "grids is 4"),
        ({"hsv_pyramid": {"grids": [0]}}, "grids is \\[0\\]"),
        ({"hsv_pyramid": {"grids": [2, 2]}}, "only once"),
        ({"hsv_pyramid": {"grids": [64]}}, "values"),
        ({"patches": {"coding": "hard"}}, "patches.coding"),
        ({"patches": {"side_px": 200}}, "patches.side_px is 200"),
        ({"patches": {"grid": 99}}, "patches.grid is 99"),
        ({"fisher": {"cells_px": [8, 8]}}, "only once"),
        ({"fisher": {"cells_px": [64]}}, "cells_px is \\[64\\]"),
        ({"fisher": {"n_components": 129}}, "n_components is 129"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        FeatureSpec.from_dict(values)


def test_a_vector_is_that_of_the_repaired_image(jpeg: Callable[..., bytes]) -> None:
    cut = jpeg(300, 200)[:-600]
    lenient = FeatureSpec(PLAIN_NAMES, repair=RepairSettings(min_decoded_share=0.3))

    vector = FeatureSpec.from_dict(lenient.to_dict()).extract(cut)

    assert (vector == lenient.from_image(lenient.decode(cut))).all()
    with pytest.raises(ImageError):
        PLAIN.extract(cut)
