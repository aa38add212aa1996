"""An explanation is a sum that comes to the decision, and points to where the image speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from models.explain import explain, spread
from models.predict import Served, serve
from mr_jobs.lib.codebooks import NO_CODEBOOKS
from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.features import FeatureSpec
from tests.models.made_model import LEARNED, PLAIN, encode, save_model
from tests.models.scored import fitted

Image = NDArray[np.uint8]
KINDS = ("lda", "ridge", "sgd")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Served]:
    folder = tmp_path_factory.mktemp("saved")
    return {
        (kind, n): serve(save_model(folder / f"{kind}{n}", kind, n_classes=n))
        for kind in KINDS
        for n in (2, 3)
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("wnid", [None, "n01", "n02"])
def test_the_sums_add_up_to_the_difference_of_the_decision_values(
    served: Any, kind: str, n_classes: int, wnid: str | None
) -> None:
    model = served[kind, n_classes]
    vector = model.vector(encode("n02", 13))

    found = explain(model, vector, wnid)

    values = np.ravel(model.estimator.decision_function(vector[None])).tolist()
    if n_classes == 2:
        values.insert(0, 0.0 if kind == "lda" else -values[0])
    decisions = dict(zip(model.estimator.classes_, values, strict=True))
    assert found.wnid == (wnid or "n02")
    rest = {name: value for name, value in decisions.items() if name != found.wnid}
    assert found.other == max(rest, key=rest.__getitem__)
    assert found.ahead == pytest.approx(decisions[found.wnid] - rest[found.other], rel=1e-12)
    assert (found.ahead > 0) == (found.wnid == "n02")
    total = found.intercept + sum(share.total for share in found.shares)
    assert total == pytest.approx(found.ahead, rel=1e-9)
    in_cells = sum(share.in_cells for share in found.shares)
    assert found.cells.sum() == pytest.approx(in_cells, rel=1e-9)
    assert [share.feature for share in found.shares] == list(PLAIN.features)


def test_what_describes_the_whole_image_is_in_no_cell(tmp_path: Path) -> None:
    model = serve(save_model(tmp_path, spec=LEARNED))

    found = explain(model, model.vector(encode("n03", 11)))

    shares = {share.feature: share for share in found.shares}
    assert shares["fisher"].in_cells == 0 != shares["fisher"].whole_image
    assert shares["patches"].whole_image == 0 != shares["patches"].in_cells
    assert shares["hsv_pyramid"].whole_image != 0 != shares["hsv_pyramid"].in_cells


def patched(colour: tuple[int, int, int], top: int, left: int, seed: int) -> Image:
    """Make grey noise with a patch of a colour, a quarter of the side wide."""
    image: Image = np.random.default_rng(seed).integers(100, 156, (96, 96, 3), np.uint8)
    image[top : top + 24, left : left + 24] = colour
    return image


@pytest.mark.parametrize(("top", "left"), [(0, 0), (12, 60), (72, 36)])
def test_the_cells_of_a_patch_are_those_that_speak(top: int, left: int) -> None:
    spec = FeatureSpec(features=("lab_pixels",), parameters={"lab_pixels": {"side_px": 16}})
    places = np.random.default_rng(5).integers(0, 73, (200, 2)).tolist()
    colours = {"n01": (200, 60, 40), "n02": (40, 60, 200)}
    train: Any = [
        (_Key(wnid), spec.from_image(patched(colour, top_px, left_px, number)))
        for number, (top_px, left_px) in enumerate(places)
        for wnid, colour in colours.items()
    ]
    info: dict[str, Any] = {"classes": [], "top_k": 1}
    model = Served(fitted(train).estimator, info, spec, NO_CODEBOOKS)

    found = explain(model, spec.from_image(patched(colours["n01"], top, left, 999)))

    assert (found.wnid, found.other) == ("n01", "n02")
    rows, columns = (slice(at // 4, at // 4 + 6) for at in (top, left))
    in_patch = found.cells[rows, columns]
    assert in_patch.sum() > 0.9 * found.cells.sum() > 0
    elsewhere = found.cells.copy()
    elsewhere[rows, columns] = 0
    assert np.abs(elsewhere).max() < 0.5 * in_patch.max()


class _Key:
    def __init__(self, wnid: str) -> None:
        self.wnid = wnid


def test_values_are_spread_over_their_regions_alone() -> None:
    values = np.array([3.0, -1.5, 0.7])
    regions = np.array([[0, 0, 0.5, 0.25], [0.1, 0.2, 0.6, 0.9], [1 / 3, 0, 2 / 3, 1]])

    cells = spread(values, regions, 24)

    fine = np.zeros((240, 240))  # of which these regions cover whole cells
    for value, region in zip(values, regions, strict=True):
        top, left, bottom, right = np.rint(region * 240).astype(int)
        fine[top:bottom, left:right] += value / ((bottom - top) * (right - left))
    expected = cv2.resize(fine, (24, 24), interpolation=cv2.INTER_AREA) * 100
    np.testing.assert_allclose(cells, expected, atol=1e-12)


def test_no_values_leave_the_cells_empty() -> None:
    assert not spread(np.zeros(0), np.zeros((0, 4)), 24).any()


def test_a_class_that_the_model_does_not_know_is_refused(served: Any) -> None:
    model = served["lda", 3]

    with pytest.raises(ConfigError, match=r"'n09' is not among the 3 classes .*: n01, n02, n03$"):
        explain(model, model.vector(encode("n01", 1)), "n09")


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([StandardScaler(), KNeighborsClassifier(1)], "StandardScaler, KNeighborsClassifier"),
        ([Normalizer(), RidgeClassifier()], "Normalizer, RidgeClassifier"),
    ],
)
def test_a_model_that_is_not_linear_is_refused(served: Any, steps: Any, named: str) -> None:
    model = served["lda", 3]
    vectors = np.stack([model.vector(encode(wnid, 1)) for wnid in ("n01", "n02", "n03")])
    other = make_pipeline(*steps).fit(vectors, ["n01", "n02", "n03"])

    with pytest.raises(ConfigError, match=f"cannot be explained: it is made of {named}"):
        explain(model._replace(estimator=other), vectors[0])
