"""Time `bin/pipeline get` of random images: the figures of README.

    .venv/bin/python -m benchmarks.get [--name CLUSTER] [--gb 1] [--rows 1281167]

Makes an image store of random bytes in the sizes of photographs, on this machine, and in HDFS when
a running cluster is named; the catalogue is filled up with rows of images that there are not, to
the length of ILSVRC's. Prints one row a run: seconds after the program's start, of them those in
the index, seconds of the whole process, and the bytes read. Removes what it made.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.sequencefile import Writer
from pipeline.cluster import Cluster, cluster_dir
from pipeline.images import Images, images_at

ROOT = Path(__file__).resolve().parents[1]
NAME = "benchmark-get"
BUNDLE_BYTES = 120 << 20
ROWS_A_FILE = 50_000
RUNS = 3


def row_of(number: int, bundle: str, offset: int, n_bytes: int, sha256: str) -> CatalogRow:
    """Make the catalogue's row of image `number`."""
    wnid = f"n{number % 1000:08}"
    key = f"train/{wnid}/{wnid}_{number}.JPEG"
    signature = hashlib.shake_128(key.encode()).hexdigest(89)
    return CatalogRow(
        f"{wnid}_{number}", wnid, "train", key, bundle, offset, 16 + len(key) + n_bytes, n_bytes,
        sha256, 500, 375, 3, "JPEG", None, None, signature, "kept", None,
    )  # fmt: skip


def bundles(n_bundles: int) -> Iterator[tuple[str, bytes, list[CatalogRow]]]:
    """Yield (file name, content, rows) of bundles whose images have 110 kB on average."""
    rng = np.random.default_rng(0)
    noise = rng.bytes(8 << 20)
    number = 0
    for index in range(n_bundles):
        name, file, rows = f"1-{index:05}.seq", io.BytesIO(), []
        with Writer(file) as writer:
            while file.tell() < BUNDLE_BYTES:
                n_bytes = min(4 << 20, max(3000, int(rng.lognormal(11.4, 0.6))))
                start = int(rng.integers(len(noise) - n_bytes))
                content = noise[start : start + n_bytes]
                row = row_of(number, name, 0, n_bytes, hashlib.sha256(content).hexdigest())
                rows.append(row._replace(offset=writer.append(row.key.encode(), content)))
                number += 1
        yield name, file.getvalue(), rows


def fill(images: Images, n_bundles: int, n_rows: int) -> list[str]:
    """Write bundles and catalogue; return the keys of the images that are there."""
    images.store.delete("")
    keys: list[str] = []
    for name, content, rows in bundles(n_bundles):
        images.store.write(f"bundles/{name}", [content])
        lines = [f"{row.to_line()}\n".encode() for row in rows]
        images.store.write(f"catalog/{name.removesuffix('.seq')}", lines)
        keys += [row.key for row in rows]
    for first in range(len(keys), n_rows, ROWS_A_FILE):
        numbers = range(first, min(first + ROWS_A_FILE, n_rows))
        absent = (row_of(n, "2-00000.seq", 0, 110_000, "0" * 64) for n in numbers)
        images.store.write(f"catalog/2-{first}", (f"{row.to_line()}\n".encode() for row in absent))
    return keys


def timed(images: Images, *args: str) -> tuple[float, dict[str, Any]]:
    """Run `bin/pipeline get`; return the whole process's wall seconds and its result."""
    where = ["--images", NAME]
    where += ["--name", images.cluster.name] if images.cluster else ["--runner", "local"]
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        done = subprocess.run(
            [
                str(ROOT / "bin" / "pipeline"),
                "get",
                *args,
                *where,
                "--to",
                f"{folder}/out",
                "--json",
            ],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return time.monotonic() - began, json.loads(done.stdout)


def measure(images: Images, label: str, n_bundles: int, n_rows: int, n_images: int) -> None:
    """Print the rows of one image store."""
    try:
        keys = fill(images, n_bundles, n_rows)
        rng = np.random.default_rng(1)
        first = "first (makes the index)"
        chosen = [("all of a class", ["--where", "wnid = 'n00000007' AND bundle < '2'"])]
        chosen += [
            (f"{n_images} ids", [str(key) for key in rng.choice(keys, n_images, replace=False)])
            for _ in range(RUNS)
        ]
        for what, args in [(first, keys[:1]), *chosen]:
            process_s, result = timed(images, *args)
            print(
                f"| {label} | {what} | {result['seconds']:.2f} | {result['lookup_s']:.2f} "
                f"| {process_s:.2f} | {result['images']} | {result['bytes_read'] / 1e6:.1f} "
                f"| {result['extra_share']:.4%} | {result['requests']} |",
                flush=True,
            )
    finally:
        images.store.delete("")
        shutil.rmtree(images.cache, ignore_errors=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time `bin/pipeline get`.")
    parser.add_argument("--name", help="a running cluster, to measure HDFS, too")
    parser.add_argument("--gb", type=float, default=1.0, help="of bundles (default: 1)")
    parser.add_argument("--rows", type=int, default=1_281_167, help="of the catalogue")
    parser.add_argument("--images", type=int, default=100, help="to get at random (default: 100)")
    args = parser.parse_args()
    n_bundles = max(1, round(args.gb * 1e9 / BUNDLE_BYTES))
    places: list[tuple[str, Cluster | None]] = [("local", None)]
    if args.name:
        places.append(("HDFS", Cluster.load(cluster_dir(args.name))))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; {n_bundles} bundles")
    print(
        "| store | what | seconds | in the index | process | images | MB read | extra | requests |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for label, cluster in places:
        measure(images_at(NAME, cluster), label, n_bundles, args.rows, args.images)


if __name__ == "__main__":
    main()
