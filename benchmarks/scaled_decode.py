"""Compare models of vectors from reduced decodes with models of vectors from full ones.

Each image of imagenette10 is tested once, by cross-validation. Its photographs are 224 × 224, so
that a feature's `image_px` decides how much the decoder reduces them, and how many times image_px
is left: the margin.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from models.dataset import index_classes
from models.settings import ModelSettings
from models.train import fit
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.images import decode, probe, reduction

Right = NDArray[np.bool_]  # by image: is its synset the predicted one?
CELLS_PX = {110: 11, 96: 12, 88: 11, 80: 10, 64: 8}  # of HOG, by image_px
FEATURES = (("hog", "hsv_pyramid"), ("hog", "hsv_pyramid", "lab_pixels", "lbp"))
WAYS = ("full", "reduced")


class Photograph(NamedTuple):
    """An image with its synset, and the file's bytes."""

    key: ImageKey
    encoded: bytes


def photographs(folder: Path) -> list[Photograph]:
    """Read the training and validation images of a data set as ILSVRC ships it."""
    found = []
    with tarfile.open(folder / "ILSVRC2012_img_train.tar") as tar:
        for name, content in _members(tar):
            with tarfile.open(fileobj=io.BytesIO(content)) as inner:
                wnid = Path(name).stem
                found += [Photograph(ImageKey("train", wnid, n), e) for n, e in _members(inner)]
    with (folder / "LOC_val_solution.csv").open() as file:
        wnids = {row[0]: row[1].split()[0] for row in csv.reader(file)}
    with tarfile.open(folder / "ILSVRC2012_img_val.tar") as tar:
        for name, encoded in _members(tar):
            found.append(Photograph(ImageKey("train", wnids[Path(name).stem], name), encoded))
    return found


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        if file := tar.extractfile(member):
            yield member.name, _read(file)


def _read(file: IO[bytes]) -> bytes:
    with file:
        return file.read()


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each row of `a`, of shape (n, d), to that of `b`."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / np.maximum(norms, 1e-12))


def cross_validate(
    spec: FeatureSpec,
    vectors: dict[str, NDArray[np.float32]],
    keys: list[ImageKey],
    n_folds: int,
) -> dict[tuple[str, str], Right]:
    """Return which images are right, by how the training and how the test images were decoded."""
    wnids = np.array([key.wnid for key in keys])
    classes = index_classes(wnids.tolist())
    fold_of = np.random.default_rng(0).permutation(len(keys)) % n_folds
    right = {(a, b): np.zeros(len(keys), bool) for a in WAYS for b in WAYS}
    for fold in range(n_folds):
        test = fold_of == fold
        for trained in WAYS:
            train = np.flatnonzero(~test)
            pairs = [(keys[i], vectors[trained][i]) for i in train]
            model = fit(pairs.__iter__, classes, ModelSettings(), spec.parts()).estimator
            for tested in WAYS:
                right[trained, tested][test] = model.predict(vectors[tested][test]) == wnids[test]
    return right


def compared(right: Right, full: Right) -> str:
    """Say by how much the error differs from that of full decodes, and how sure that is."""
    worse, better = int((full & ~right).sum()), int((right & ~full).sum())
    p = binomtest(worse, worse + better).pvalue if worse + better else 1.0  # McNemar's, exact
    points = 100 * (worse - better) / len(full)
    return f"{points:+6.2f} ({worse:3} worse, {better:3} better, p {p:.2f})"


def print_accuracy(folder: Path, n_folds: int) -> None:
    """Print a line for each spec, and the mean over the specs with its standard error."""
    if not folder.is_dir():
        raise SystemExit(f"--accuracy needs photographs with labels: no {folder}")
    images = photographs(folder)
    keys = [image.key for image in images]
    decoded = [decode(image.encoded) for image in images]
    print(f"{len(images)} photographs, {n_folds} folds; top-1 error in points, LDA")
    for features in FEATURES:
        print(f"\n{', '.join(features)}")
        lost: dict[tuple[str, str], list[NDArray[np.int_]]] = {}
        for image_px, cell_px in CELLS_PX.items():
            hog = {"cell_px": cell_px, "block_px": 2 * cell_px, "stride_px": 2 * cell_px}
            spec = FeatureSpec(features=features, image_px=image_px, parameters={"hog": hog})
            vectors = {
                "full": np.stack([spec.from_image(image) for image in decoded]),
                "reduced": np.stack([spec.extract(image.encoded) for image in images]),
            }
            right = cross_validate(spec, vectors, keys, n_folds)
            factor = reduction(probe(images[0].encoded), image_px)
            near = ", ".join(
                f"{name} {cosines(*(vectors[way][:, part] for way in WAYS)).mean():.4f}"
                for name, part in spec.parts().items()
            )
            full = right["full", "full"]
            print(
                f"  1/{factor} to {224 // factor} px, image_px {image_px}, margin "
                f"{224 / factor / image_px:.2f}: error {100 * (1 - full.mean()):.2f}; cosine {near}"
            )
            for way, found in right.items():
                if way != ("full", "full"):
                    lost.setdefault(way, []).append(full.astype(int) - found)
                    told = f"trained {way[0]}, tested {way[1]}"
                    print(f"    {told:32}{compared(found, full)}", flush=True)
        for (trained, tested), losses in lost.items():
            of_image = np.mean(losses, axis=0)
            error = of_image.std(ddof=1) / len(of_image) ** 0.5
            print(
                f"  mean, trained {trained}, tested {tested}: "
                f"{100 * of_image.mean():+.2f} ± {100 * error:.2f} points"
            )
