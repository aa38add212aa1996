"""What one image costs: measured on some of the images, with the functions that the jobs call.

CPU time of this process counts, of one thread, as in a task. What a step does to an image of the
size at hand is timed; what training does depends on the length of the vectors and the number of
classes alone, so there the speed of its three kinds of products is measured.
"""

from __future__ import annotations

import binascii
import io
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import cv2
import numpy as np

from mr_jobs.lib.codebooks import Codebooks
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.features.base import Square, Vector
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.judge import catalog_row
from mr_jobs.lib.learning import round_of
from mr_jobs.lib.nearness import Entries, near_pairs
from mr_jobs.lib.perceptual import PARTS, bands, is_flat
from mr_jobs.lib.records import CatalogRow, encode_vector, shard_key
from mr_jobs.lib.sequencefile import Reader, Writer
from mr_jobs.one_thread import one_thread
from pipeline.plan_data import Encoded
from pipeline.plan_speeds import begun, speeds

_ENTRIES = (512, 4096)  # of a band, to tell what grows with their number from what with its square
_TASK = "mr_jobs.mr_extract_features"
_MODEL = "mr_jobs.mr_evaluate_model, joblib, sklearn.pipeline, sklearn.discriminant_analysis"
_DRIVER = "pipeline.train_step, models.train, pipeline.report.collect"
_NOWHERE = ("calibration", 0, 0)
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Calibration:
    """Costs of an image, of a kind of product, and of a process that has done nothing yet.

    Attributes
    ----------
    images : how many were measured.
    *_ms : CPU of an image, in milliseconds: to write and read its record (`record`), for its row of
        the catalogue, for the keys and lines by which duplicates are found, for its descriptors,
        for its vector, and to pass a vector through a shuffle; of `learn`, a round over the
        descriptors of one image; of `row`, a pass of the driver over the catalogue.
    entry_ms, pair_ms : CPU of an image's entry under a key of duplicates, and of two of them.
    row_bytes, band_bytes, descriptor_bytes : a row of the catalogue, all lines of an image in the
        shuffle of duplicates, and one descriptor of each learned feature.
    entries, descriptors : of an image, on average.
    largest_bytes : of a decoded image.
    products_per_s, single_per_s, solved_per_s, swept_per_s : multiplications in a second: adding
        outer products of vectors, weights times vectors in single precision, solving equations, and
        a matrix that is read from memory times one vector.
    task_mb, driver_mb : of a process that has only begun.
    model_mb, model_s : of one that is ready to load a model; how much CPU more that takes.
    """

    images: int
    record_ms: float
    catalog_ms: float
    group_ms: float
    descriptors_ms: float
    learn_ms: float
    features_ms: float
    shuffle_ms: float
    entry_ms: float
    pair_ms: float
    row_bytes: float
    band_bytes: float
    descriptor_bytes: float
    entries: float
    descriptors: float
    largest_bytes: int
    products_per_s: float
    single_per_s: float
    solved_per_s: float
    swept_per_s: float
    task_mb: float
    driver_mb: float
    model_mb: float
    model_s: float
    row_ms: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures as plain JSON values."""
        return asdict(self)


def calibrate(images: Sequence[Encoded], spec: FeatureSpec) -> Calibration:
    """Measure what images cost, in some ten seconds.

    Parameters
    ----------
    images : of the data.
    spec : how they are decoded, and what is computed of them.

    Raises
    ------
    DataError
        None of them can be decoded.
    """
    cv2.setNumThreads(1)
    with one_thread():
        return _calibrate(images, spec)


def _calibrate(images: Sequence[Encoded], spec: FeatureSpec) -> Calibration:
    keys = [str(ImageKey(i.split, i.wnid, f"{n}.JPEG")) for n, i in enumerate(images)]
    records = list(zip(keys, [image.content for image in images], strict=True))
    record_ms = _ms(_through_bundle, [records]) / len(records)
    for key, content in records[:3]:  # what is made at first use, and kept
        catalog_row(key, _NOWHERE, content, spec)
    made: list[CatalogRow] = []
    catalog_ms = _ms(lambda r: made.append(catalog_row(r[0], _NOWHERE, r[1], spec)), records)
    kept = {row.key for row in made if row.status == "kept"}
    usable = [content for key, content in records if key in kept]
    if not usable:
        raise DataError("none of the images can be decoded; `bin/pipeline doctor` looks at them")
    compared = [row for row in made if row.signature and not is_flat(row.signature)]
    signatures = [row.signature for row in compared if row.signature]
    rows = [row.to_line() for row in made]
    lines = [line for row in rows for line in _band_lines(row)]
    codebooks, descriptors_ms, learn_ms, n_descriptors = _descriptors(usable, spec)
    vectors: list[Vector] = []
    return Calibration(
        images=len(images),
        record_ms=record_ms,
        catalog_ms=catalog_ms,
        group_ms=_ms(_band_lines, rows),
        descriptors_ms=descriptors_ms,
        learn_ms=learn_ms,
        features_ms=_ms(lambda content: vectors.append(spec.extract(content, codebooks)), usable),
        shuffle_ms=_ms(lambda vector: _through_shuffle(keys[0], vector), vectors),
        **_nearness(signatures),
        row_bytes=sum(map(len, rows)) / len(rows) + 1,
        band_bytes=sum(map(len, lines)) / len(made),
        descriptor_bytes=sum(4.0 * f.descriptor_length() for f in spec.learned().values()),
        entries=(len(PARTS) + len(bands(signatures[0])[0])) * len(signatures) / len(made)
        if signatures
        else 0.0,
        descriptors=n_descriptors,
        largest_bytes=max(map(_decoded_bytes, made)),
        **speeds(),
        task_mb=begun(_TASK)[0],
        driver_mb=begun(_DRIVER)[0],
        model_mb=begun(_MODEL)[0],
        model_s=max(0.0, begun(_MODEL)[1] - begun(_TASK)[1]),
        row_ms=_ms(_in_driver, rows),
    )


def _ms(function: Callable[[_Item], object], items: Iterable[_Item]) -> float:
    """Return the milliseconds of CPU that a call takes on average; 0 without items."""
    items = list(items)
    began = time.process_time()
    for item in items:
        function(item)
    return 1e3 * (time.process_time() - began) / max(len(items), 1)


def _through_bundle(records: Sequence[tuple[str, bytes]]) -> None:
    file = io.BytesIO()
    with Writer(file) as writer:
        for key, content in records:
            writer.append(key.encode(), content)
    for _ in Reader(file, "calibration").records():
        pass


def _band_lines(line: str) -> list[str]:
    """Return what `mr_group_duplicates` makes of a row of the catalogue."""
    row = CatalogRow.from_line(line)
    if not row.signature or is_flat(row.signature):
        return []
    wholes, parts = bands(row.signature)
    value = f"{0:08d} {row.key}\t{row.signature}"
    return [f"band {band:04x}\t{value}\t0" for band in (*wholes, *parts)]


def _in_driver(line: str) -> None:
    """Do what the driver does with a row of the catalogue in each of its passes."""
    shard_key(CatalogRow.from_line(line).key, 0, 0.2, 0.0)


def _through_shuffle(key: str, vector: Vector) -> None:
    """Do to a vector what the two ends of a shuffle do."""
    line = binascii.b2a_base64(encode_vector(vector), newline=False).decode()
    shard_key(key, 0, 0.2, 0.0)
    binascii.a2b_base64(line)


def _descriptors(
    images: Sequence[bytes], spec: FeatureSpec
) -> tuple[Codebooks, float, float, float]:
    """Return made codebooks, milliseconds for descriptors and for a round, and their number."""
    learned = spec.learned()
    random = np.random.default_rng(0)
    made = {
        name: {
            array: np.abs(random.standard_normal(shape)).astype(np.float32) + np.float32(0.1)
            for array, shape in feature.codebook_shapes().items()
        }
        for name, feature in learned.items()
    }
    codebooks = Codebooks(made, spec.codebook_facts())
    if not learned:
        return codebooks, 0.0, 0.0, 0.0
    found: list[list[np.ndarray]] = []

    def describe(content: bytes) -> None:
        square = Square(spec.decode(content), spec.image_px)
        found.append([feature.descriptors(square) for feature in learned.values()])

    descriptors_ms = _ms(describe, images)
    rounds = [round_of(feature, made[name]) for name, feature in learned.items()]

    def learn(of_image: list[np.ndarray]) -> None:
        for one, rows in zip(rounds, of_image, strict=True):
            one.add(rows)

    learn_ms = _ms(learn, found)
    return codebooks, descriptors_ms, learn_ms, float(len(found[0][0]))


def _nearness(signatures: Sequence[str]) -> dict[str, float]:
    """Time the comparison of entries; return `entry_ms` and `pair_ms`."""
    if not signatures:
        return {"entry_ms": 0.0, "pair_ms": 0.0}
    _compared_s(signatures, _ENTRIES[0])  # makes tables that are kept
    few, many = (_compared_s(signatures, n) for n in _ENTRIES)
    n, m = _ENTRIES  # few = a n + b n², many = a m + b m²
    pair_s = max(0.0, (many / m - few / n) / (m - n))
    return {"entry_ms": 1e3 * max(0.0, few / n - pair_s * n), "pair_ms": 1e3 * pair_s}


def _compared_s(signatures: Sequence[str], n_entries: int) -> float:
    """Return the seconds of one comparison of so many entries, two thirds of them parts."""
    entries = Entries()
    per_image = -(-n_entries // len(signatures))
    for text in signatures:
        if len(entries) < n_entries:
            entries.add(
                0, text, [-1 if part % 3 == 0 else part % len(PARTS) for part in range(per_image)]
            )
    began = time.process_time()
    for _ in near_pairs(entries, 4):
        pass
    return time.process_time() - began


def _decoded_bytes(row: CatalogRow) -> int:
    if row.status != "kept" or not row.width or not row.height:
        return 0
    return 3 * row.width * row.height
