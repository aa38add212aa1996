"""Measure the search for duplicates: copies found, others taken for copies, and its time.

    python benchmarks/duplicates.py [--scale N]

Uses the photographs of ../shared/data: 200 at natural size, of which copies are made, among 3,539
others. Every kind of copy is looked for in a catalogue of its own by the job itself, inline. Crops
keep the told share of each side, at a random place. Then N made signatures (default 100,000), with
the spectrum of photographs, one in a hundred a copy of another.
"""

from __future__ import annotations

import argparse
import io
import resource
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.duplicates import DuplicatePair
from mr_jobs.lib.images import decode
from mr_jobs.lib.perceptual import signature
from mr_jobs.lib.records import CatalogRow
from mr_jobs.mr_group_duplicates import MRGroupDuplicates

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PHOTOGRAPHS = SHARED_DATA / "natural-size.tar"
OTHERS = tuple(
    SHARED_DATA / "imagenette10" / f"ILSVRC2012_img_{part}.tar" for part in ("train", "val", "test")
)
Image = NDArray[np.uint8]
Change = Callable[[Image, np.random.Generator], bytes]


def _jpeg(image: Image, quality: int) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _resized(image: Image, factor: float) -> Image:
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def _cropped(image: Image, kept: Sequence[float], rng: np.random.Generator) -> Image:
    """Keep these shares of the height and of the width."""
    height, width = round(image.shape[0] * kept[0]), round(image.shape[1] * kept[1])
    top = int(rng.integers(image.shape[0] - height + 1))
    left = int(rng.integers(image.shape[1] - width + 1))
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def _recompress(quality: int) -> Change:
    return lambda image, _: _jpeg(image, quality)


def _resize(factor: float) -> Change:
    return lambda image, _: _jpeg(_resized(image, factor), 90)


def _crop(kept: float) -> Change:
    return lambda image, rng: _jpeg(_cropped(image, (kept, kept), rng), 90)


def _any_crop(image: Image, rng: np.random.Generator) -> bytes:
    return _jpeg(_cropped(image, rng.uniform(0.8, 0.95, 2).tolist(), rng), 90)


def _all_three(image: Image, rng: np.random.Generator) -> bytes:
    cropped = _cropped(image, rng.uniform(0.8, 0.95, 2).tolist(), rng)
    return _jpeg(_resized(cropped, rng.uniform(0.4, 1.5)), int(rng.integers(30, 91)))


CHANGES: dict[str, Change] = {
    **{f"JPEG quality {quality}": _recompress(quality) for quality in (30, 50, 70, 90)},
    **{f"resized to {factor:g}": _resize(factor) for factor in (0.4, 0.6, 0.8, 1.25, 1.5)},
    **{f"crop of {kept:.0%} a side": _crop(kept) for kept in (0.95, 0.9, 0.85, 0.8)},
    "crop of 80-95% a side": _any_crop,
    "crop, resized, recompressed": _all_three,
}


def images_of(archive: Path) -> Iterator[bytes]:
    """Yield the images of a tar, and of the tars in it."""
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            content = file.read() if file else b""
            if not member.name.endswith(".tar"):
                if content:
                    yield content
                continue
            with tarfile.open(fileobj=io.BytesIO(content)) as inner:
                yield from (f.read() for f in map(inner.extractfile, inner) if f)


def signature_of(encoded: bytes) -> str:
    """Make the signature that the catalogue has."""
    return signature(decode(encoded, min_side_px=144))


def catalog_line(key: str, signature: str, batch: int = 0) -> str:
    """Write a row of the catalogue for an image that is like no other in its bytes."""
    digest = f"{abs(hash((key, batch))):064x}"
    row = CatalogRow(
        image_id=key, wnid="n", split="train", key=key, bundle=f"{batch:05d}-00000.seq", offset=0,
        length=1, bytes=1, sha256=digest, width=1, height=1, channels=3, format="jpeg",
        exif_orientation=1, repairs=None, signature=signature, status="kept", reason=None,
    )  # fmt: skip
    return row.to_line() + "\n"


def find_pairs(lines: Iterable[str], *, runner: str = "inline") -> list[DuplicatePair]:
    """Run the job on rows of a catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder, "catalog.tsv")
        catalog.write_text("".join(lines))
        output = Path(folder, "pairs")
        args = ["-r", runner, "--local-tmp-dir", folder, "--output-dir", str(output), str(catalog)]
        with MRGroupDuplicates(args).make_runner() as job:
            job.run()
        files = sorted(output.glob("part-*"))
        lines = (line for file in files for line in file.read_text().splitlines())
        return [DuplicatePair.from_line(line) for line in lines]


class Found(NamedTuple):
    """How many copies were found as such, and how many pairs are no copies."""

    right: int
    wrong: int
    copies: int

    @property
    def recall(self) -> float:
        """The share of the copies that was found."""
        return self.right / self.copies

    @property
    def precision(self) -> float:
        """The share of copies in what was found."""
        return self.right / max(self.right + self.wrong, 1)

    def __str__(self) -> str:
        return (
            f"recall {self.recall:.3f}  precision {self.precision:.3f}  "
            f"({self.right} of {self.copies} copies, {self.wrong} wrong pairs)"
        )


def measure(originals: Sequence[str], copies: Sequence[str], others: Sequence[str]) -> Found:
    """Look for copies, the i-th of the i-th original."""
    groups = {"photo": originals, "copy": copies, "other": others}
    lines = (
        catalog_line(f"train/{name}/{number:05d}", text)
        for name, texts in groups.items()
        for number, text in enumerate(texts)
    )
    right: set[tuple[str, str]] = set()
    wrong: set[tuple[str, str]] = set()
    for pair in find_pairs(lines):
        (_, a, m), (_, b, n) = pair.newer.split("/"), pair.older.split("/")
        (right if m == n and {a, b} == {"photo", "copy"} else wrong).add((pair.newer, pair.older))
    return Found(len(right), len(wrong), len(copies))


def made_signatures(n_images: int) -> Iterator[str]:
    """Make signatures of small fields of colour whose spectrum falls off as that of photographs."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(*np.mgrid[:48, :48])
    amplitude = 60 / np.maximum(frequency, 0.5) ** 1.2
    for _ in range(n_images):
        field = cv2.idct(rng.normal(size=(48, 48)) * amplitude * 24)
        grey = np.clip(field + 128, 0, 255).astype(np.uint8)
        yield signature(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))


def scale(n_images: int) -> None:
    """Time the job on made signatures."""
    texts = list(made_signatures(n_images))
    lines = [catalog_line(f"train/n/{number:07d}", text) for number, text in enumerate(texts)]
    n_copies = n_images // 100
    lines += [
        catalog_line(f"train/m/{number:07d}", texts[number * 7]) for number in range(n_copies)
    ]
    began = time.monotonic()
    pairs = {(pair.newer, pair.older) for pair in find_pairs(lines)}
    seconds = time.monotonic() - began
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"\n{len(lines)} signatures, one process: {seconds:.0f} s, {len(lines) / seconds:.0f} "
        f"images/s, {len(pairs)} pairs of {n_copies} copies, at most {peak_mib} MiB"
    )


def main() -> None:
    """Print a line a kind of copy, then the time at scale."""
    parser = argparse.ArgumentParser(description="Measure the search for duplicates.")
    parser.add_argument("--scale", type=int, default=100_000, metavar="N", help="made signatures")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    encoded = list(images_of(PHOTOGRAPHS)) if PHOTOGRAPHS.is_file() else []
    photographs = [decode(image) for image in encoded]
    if photographs:
        small = [decode(image, min_side_px=144) for image in encoded]
        began = time.process_time()
        originals = [signature(image) for image in small]
        each_ms = (time.process_time() - began) / len(small) * 1e3
        print(f"a signature takes {each_ms:.2f} ms of one core")
        others = [signature_of(image) for archive in OTHERS for image in images_of(archive)]
        print(f"{len(originals)} photographs among {len(others)} others\n")
        for name, change in CHANGES.items():
            rng = np.random.default_rng(1)
            copies = [signature_of(change(photograph, rng)) for photograph in photographs]
            print(f"{name:28}{measure(originals, copies, others)}", flush=True)
    else:
        print(f"no photographs: {PHOTOGRAPHS} is absent")
    if args.scale:
        scale(args.scale)


if __name__ == "__main__":
    main()
