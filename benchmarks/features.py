"""Measure features a second on one core, as a ratio to a bare loop in the same run.

    python -m benchmarks.features [--images N] [--rounds N]
    python -m benchmarks.features --accuracy [--folds N]

Uses the photographs of ../shared/data where they are, else made pictures of the same sizes. CPU
seconds of this process count, so other work on the machine matters little; the best round counts.
With `--accuracy` it compares models of reduced decodes with models of full ones, on photographs.
"""

from __future__ import annotations

import argparse
import tarfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks.scaled_decode import print_accuracy
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.images import decode, probe

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = {  # name -> archive of photographs, and the size of pictures made in its place
    "natural size": (SHARED_DATA / "natural-size.tar", (500, 375)),
    "224 px": (SHARED_DATA / "imagenette10" / "ILSVRC2012_img_val.tar", (224, 224)),
}
HOG = {"cell_px": 16, "block_px": 32, "stride_px": 16}
HSV = {"bins": [8, 4, 4], "grids": [1]}
SPEC = FeatureSpec.from_dict(
    {"features": ["hog", "hsv_pyramid"], "image_px": 128, "hog": HOG, "hsv_pyramid": HSV}
)
_bare_hog = cv2.HOGDescriptor((128, 128), (32, 32), (16, 16), (16, 16), 9)


def bare_loop(encoded: bytes) -> object:
    """Compute the same features as a user's script would, from a full decode."""
    image = np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR))
    square = cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
    hog = np.ravel(_bare_hog.compute(cv2.cvtColor(square, cv2.COLOR_BGR2GRAY)))
    hsv = cv2.cvtColor(square, cv2.COLOR_BGR2HSV)
    histogram = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 4], [0, 180, 0, 256, 0, 256]).ravel()
    return np.concatenate([hog, histogram / histogram.sum()])


STEPS: dict[str, Callable[[bytes], object]] = {
    "bare loop": bare_loop,
    "bare cv2.imdecode": lambda encoded: cv2.imdecode(np.frombuffer(encoded, np.uint8), 1),
    "probe": probe,
    "decode in full": decode,
    "decode as extract does": SPEC.decode,
    "features from a full decode": lambda encoded: SPEC.from_image(decode(encoded)),
    "extract": SPEC.extract,
}


def load(archive: Path, size_px: tuple[int, int], n_images: int) -> tuple[list[bytes], str]:
    """Return encoded images, and what they are."""
    if archive.is_file():
        with tarfile.open(archive) as tar:
            files = (tar.extractfile(member) for member in tar if member.isfile())
            images = [file.read() for file in islice(files, n_images) if file is not None]
        return images, "photographs"
    rng = np.random.default_rng(0)
    images = []
    for _ in range(n_images):
        coarse = rng.integers(0, 256, (size_px[1] // 4, size_px[0] // 4, 3), np.uint8)
        picture = cv2.resize(coarse, size_px, interpolation=cv2.INTER_CUBIC)
        images.append(cv2.imencode(".jpg", picture)[1].tobytes())
    return images, "made pictures"


def best_seconds(step: Callable[[bytes], object], images: list[bytes], n_rounds: int) -> float:
    """Return the CPU seconds an image, of the best round."""
    rounds = []
    for _ in range(n_rounds):
        start = time.process_time()
        for encoded in images:
            step(encoded)
        rounds.append(time.process_time() - start)
    return min(rounds) / len(images)


def closeness(images: list[bytes]) -> str:
    """Compare the vectors of reduced decodes with those of full ones, part by part."""
    pairs = [(SPEC.extract(encoded), SPEC.from_image(decode(encoded))) for encoded in images]
    reduced = [(a, b) for a, b in pairs if (a != b).any()]
    if not reduced:
        return "no image is large enough to be decoded at a reduced size"
    means = []
    for name, part in SPEC.slices().items():
        cosines = [a[part] @ b[part] / _norms(a[part], b[part]) for a, b in reduced]
        means.append(f"{name} {np.mean(cosines):.4f}")
    return f"{len(reduced)} of {len(pairs)} decoded reduced; cosine to full: {', '.join(means)}"


def _norms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a) * np.linalg.norm(b)) or 1.0


def main() -> None:
    """Print one table for each set of images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=200, help="images of each set (default: 200)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, best counts (default: 3)")
    parser.add_argument("--accuracy", action="store_true", help="compare errors, not speed")
    parser.add_argument("--folds", type=int, default=5, help="of --accuracy (default: 5)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.accuracy:
        print_accuracy(SHARED_DATA / "imagenette10", args.folds)
        return
    print(f"opencv {cv2.__version__}, {SPEC.n_features} features, one core")
    for name, (archive, size_px) in SETS.items():
        images, what = load(archive, size_px, args.images)
        print(f"\n{name}: {len(images)} {what}")
        bare_s = None
        for step_name, step in STEPS.items():
            seconds = best_seconds(step, images, args.rounds)
            bare_s = bare_s or seconds
            print(
                f"  {step_name:28}{seconds * 1e3:7.2f} ms {1 / seconds:8.0f} images/s/core"
                f" {seconds / bare_s:6.2f} x bare"
            )
        print(f"  {closeness(images)}")


if __name__ == "__main__":
    main()
