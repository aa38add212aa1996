"""The drawn pictures and their odd encodings."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier

from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.images import decode
from pipeline.sample_pictures import CLASSES, draw, encode


def test_the_rotated_jpeg_decodes_to_the_upright_picture() -> None:
    pixels = draw(CLASSES[0], np.random.default_rng(1)).pixels

    difference = cv2.absdiff(decode(encode(pixels, "exif_rotated")), pixels)

    assert difference.mean() < 4


@pytest.mark.parametrize("kind", ["png", "cmyk"])
def test_odd_encodings_keep_the_picture(kind: str) -> None:
    pixels = draw(CLASSES[3], np.random.default_rng(2)).pixels

    assert cv2.absdiff(decode(encode(pixels, kind)), pixels).mean() < 6


def test_pictures_have_natural_sizes_some_of_them_portrait() -> None:
    shapes = [draw(CLASSES[i % 10], np.random.default_rng(i)).pixels.shape for i in range(40)]

    assert {shape[0] > shape[1] for shape in shapes} == {False, True}
    assert all(300 <= side <= 520 for height, width, _ in shapes for side in (height, width))


def test_all_fifty_classes_differ() -> None:
    assert len({picture_class.words for picture_class in CLASSES}) == len(CLASSES) == 50


def _top1_error(features: NDArray[np.float32], n_classes: int, n_train: int) -> float:
    """Fit on the first images of each class and score on the rest."""
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    n_images = len(features) // n_classes
    labels = np.repeat(np.arange(n_classes), n_images)
    train = np.tile(np.arange(n_images) < n_train, n_classes)
    model = RidgeClassifier(alpha=1000.0).fit(features[train], labels[train])
    return 1 - float(model.score(features[~train], labels[~train]))


def test_shape_alone_and_colour_alone_do_clearly_worse_than_both() -> None:
    spec = FeatureSpec(features=("hog", "hsv_pyramid", "lab_pixels"))
    vectors = np.array(
        [
            spec.from_image(draw(CLASSES[label], np.random.default_rng([7, label, i])).pixels)
            for label in range(10)
            for i in range(45)
        ]
    )
    hog, hsv = spec.slices()["hog"], spec.slices()["hsv_1"]

    shape, colour, both = (
        _top1_error(features, n_classes=10, n_train=30)
        for features in (vectors[:, hog], vectors[:, hsv], vectors)
    )

    assert 0.02 < both < 0.35
    assert min(shape, colour) > both + 0.1
