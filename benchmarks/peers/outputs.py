"""Read what a contestant wrote, and compare it with the bare loop's vectors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.workload import N_FEATURES, N_HOG
from mr_jobs.lib.sequencefile import open_reader

Vectors = dict[str, NDArray[np.float32]]
EXACT, CLOSE, SHAPE = "exact", "close", "shape"
MIN_COSINES = (0.99, 0.995)  # see `cosines`; docs/decisions/2026-11-23-scaled-decode.md


def read_vectors(output: Path) -> Vectors:
    """Read all vectors below a folder, by name of the image.

    Files are told apart by what they are: NumPy's, Parquet, SequenceFiles, lines of JSON.
    """
    vectors: Vectors = {}
    for path in sorted(output.rglob("*")):
        if path.is_file() and path.name[0] not in "._":
            for name, vector in _read_file(path):
                name = name.rpartition("/")[2]
                if name in vectors:
                    raise ValueError(f"{name} has more than one vector")
                vectors[name] = vector
    return vectors


def _read_file(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            yield from zip(arrays["name"].tolist(), arrays["vector"], strict=True)
    elif path.suffix == ".parquet":
        with duckdb.connect() as connection:
            query = connection.execute("SELECT name, vector FROM read_parquet(?)", [str(path)])
            while rows := query.fetchmany(1000):
                yield from ((name, _vector(value)) for name, value in rows)
    elif path.read_bytes()[:3] == b"SEQ":
        with open_reader(path) as reader:
            for record in reader.records():
                assert isinstance(record.key, bytes)
                yield record.key.decode(), _vector(record.value)
    else:
        with path.open() as lines:
            for line in lines:
                name, text = map(json.loads, line.split("\t"))
                yield name, _vector(base64.b64decode(text))


def _vector(value: object) -> NDArray[np.float32]:
    """Take a vector as its bytes or as an array, whichever a library finds natural."""
    if isinstance(value, bytes):
        return np.frombuffer(value, "<f4")
    return np.asarray(value, np.float32)


def fault_of(got: Vectors, wanted: Vectors, how: str) -> str | None:
    """Say what is wrong with a contestant's vectors; None when they are right.

    Parameters
    ----------
    wanted : the bare loop's.
    how : `exact`: every vector equals the bare loop's; `close`: they are on average as like as
        decoding at a reduced scale may leave them; `shape`: only their lengths.
    """
    if got.keys() != wanted.keys():
        return f"{len(got)} vectors for {len(wanted)} images"
    if any(len(vector) != N_FEATURES for vector in got.values()):
        return f"vectors that are not of {N_FEATURES} numbers"
    if how == EXACT:
        wrong = sum(not np.array_equal(got[name], wanted[name]) for name in wanted)
        return f"{wrong} vectors differ from the bare loop's" if wrong else None
    if how == CLOSE:
        found = cosines(got, wanted)
        near = all(cosine >= least for cosine, least in zip(found, MIN_COSINES, strict=True))
        said = " and ".join(f"{cosine:.4f}" for cosine in found)
        return None if near else f"cosines of {said} to the bare loop's vectors"
    return None


def cosines(got: Vectors, wanted: Vectors) -> tuple[float, float]:
    """Return the mean cosine between the vectors of two runs: of HOG, and of the histogram."""
    ours, bare = (np.stack([vectors[name] for name in sorted(wanted)]) for vectors in (got, wanted))
    means = []
    for part in (slice(0, N_HOG), slice(N_HOG, None)):
        a, b = ours[:, part], bare[:, part]
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        means.append(float(np.mean((a * b).sum(axis=1) / np.maximum(norms, 1e-12))))
    return means[0], means[1]
