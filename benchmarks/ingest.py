"""Ingest at ILSVRC's scale: 1,281,167 tiny images of 1,000 classes into a cluster's HDFS.

Makes an outer tar of 1,000 inner tars (about 8 GB) unless it is there, reads it with GNU tar, which
is the limit, ingests it, and prints images/s, the share of the limit, the driver's peak memory and
the NameNode's objects. The streaming part is the step `ingest`; the other steps are jobs.

    bin/pipeline up && .venv/bin/python -m benchmarks.ingest --work DIR
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import cv2
import numpy as np

from pipeline import cluster as clusters
from pipeline.__main__ import main as pipeline_main
from pipeline.runs import load_run
from pipeline.steps import IMAGE_STEPS

IMAGES, CLASSES = 1_281_167, 1000
_SIDE_PX = 64
_MIB = 1 << 20


def class_tar(number: int, images: int) -> bytes:
    """Make the tar of one class: a smooth pattern with noise for each image, about 5 kB."""
    rng = np.random.default_rng(number)
    noise = rng.integers(0, 56, (_SIDE_PX + images, _SIDE_PX, 3), np.uint8)
    wnid, parts = f"n{number:08d}", []
    for index in range(images):
        pattern = rng.integers(0, 200, (4, 4, 3), np.uint8)
        image = cv2.resize(pattern, (_SIDE_PX, _SIDE_PX)) + noise[index : index + _SIDE_PX]
        content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 93])[1].tobytes()
        info = tarfile.TarInfo(f"{wnid}_{index}.JPEG")
        info.size = len(content)
        parts += [info.tobuf(tarfile.USTAR_FORMAT), content, bytes(-len(content) % 512)]
    return b"".join([*parts, bytes(1024)])


def make_tar(path: Path, images: int, classes: int) -> None:
    """Write the outer tar, whole or not at all."""
    counts = [images // classes + (n < images % classes) for n in range(classes)]
    part = path.with_suffix(".part")
    with ProcessPoolExecutor() as pool, part.open("wb") as file:
        for number, inner in enumerate(pool.map(class_tar, range(classes), counts)):
            info = tarfile.TarInfo(f"n{number:08d}.tar")
            info.size = len(inner)
            file.write(info.tobuf(tarfile.USTAR_FORMAT) + inner + bytes(-len(inner) % 512))
        file.write(bytes(1024))
    part.rename(path)


def forget_cached(path: Path) -> None:
    """Let the kernel forget the file's pages, so that the next reader needs the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def tar_seconds(path: Path) -> float:
    """Time GNU tar reading every byte of the outer tar to nowhere."""
    began = time.monotonic()
    # a pipe, since tar does not read at all when it sees /dev/null
    with (
        subprocess.Popen(["tar", "-xOf", path], stdout=subprocess.PIPE) as tar,
        Path(os.devnull).open("wb") as nowhere,
    ):
        subprocess.run(["cat"], stdin=tar.stdout, stdout=nowhere, check=True)
    return time.monotonic() - began


def namenode_objects(webhdfs_url: str) -> dict[str, int]:
    """Ask a NameNode for its files and directories, and its blocks."""
    url = f"{webhdfs_url}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystem"
    with build_opener(ProxyHandler({})).open(url, timeout=30) as answer:
        bean = json.load(answer)["beans"][0]
    return {"files": bean["FilesTotal"], "blocks": bean["BlocksTotal"]}


def run_command(*args: str) -> tuple[float, int]:
    """Run a command of the pipeline in a process of its own; return seconds and peak bytes."""
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        sys.stdout = sys.stderr
        os._exit(pipeline_main(list(args)))
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(args)} failed")
    return time.monotonic() - began, usage.ru_maxrss * 1024


def main() -> None:
    """Run the benchmark and print a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="directory for the data")
    parser.add_argument("--name", default=clusters.DEFAULT_NAME, help="a cluster that is up")
    parser.add_argument("--cluster-dir", type=Path, help="its directory")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--classes", type=int, default=CLASSES)
    parser.add_argument("--streaming-only", action="store_true", help="leave the jobs out")
    args = parser.parse_args()
    data: Path = args.work / f"tiny-{args.images}"
    data.mkdir(parents=True, exist_ok=True)
    outer = data / "ILSVRC2012_img_train.tar"
    if not outer.exists():
        make_tar(outer, args.images, args.classes)
    cluster = clusters.Cluster.load(clusters.cluster_dir(args.name, args.cluster_dir))
    facts: dict[str, Any] = {"images": args.images, "raw_mib": outer.stat().st_size // _MIB}
    facts["load"] = os.getloadavg()[0]
    forget_cached(outer)
    facts["tar_cold_s"] = tar_seconds(outer)
    facts["tar_warm_s"] = tar_seconds(outer)
    before = namenode_objects(cluster.webhdfs_url)
    forget_cached(outer)
    run_id = f"bench-{os.getpid()}"
    given = ["--data", str(data), "--name", args.name, "--run-id", run_id]
    given += ["--cluster-dir", str(args.cluster_dir)] if args.cluster_dir else []
    given += ["--only"] if args.streaming_only else []
    facts["all_s"], peak = run_command("ingest", *given)
    facts["driver_peak_mib"] = peak // _MIB
    after = namenode_objects(cluster.webhdfs_url)
    facts["namenode_objects"] = sum(after.values()) - sum(before.values())
    run = load_run(run_id)
    for step in ("ingest",) if args.streaming_only else IMAGE_STEPS:
        facts[f"{step}_s"] = run.steps[step]["seconds"] if run else None
    facts["images_per_s"] = args.images / facts["ingest_s"]
    facts["share_of_limit"] = facts["tar_cold_s"] / facts["ingest_s"]
    for name, value in facts.items():
        print(f"{name:20} {value:.2f}" if isinstance(value, float) else f"{name:20} {value}")


if __name__ == "__main__":
    main()
