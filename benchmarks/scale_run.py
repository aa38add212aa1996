"""One run of `benchmarks.scale`: the job on so many images, with this process as its driver."""

from __future__ import annotations

import argparse
import json
import os
import tarfile
import threading
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import requests

from mr_jobs.lib.codebooks import Codebooks
from mr_jobs.lib.features import FeatureSpec
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.rawtar import Plan
from mr_jobs.lib.sequencefile import Writer
from mr_jobs.mr_bundle_images import MRBundleImages
from mr_jobs.mr_extract_features import MRExtractFeatures
from pipeline.cluster import Cluster, cluster_dir
from pipeline.config import Config, find_config
from pipeline.job_arguments import JobSpec
from pipeline.jobs import run_job
from pipeline.progress import Progress
from pipeline.stores import HdfsStore, LocalStore, Store

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = ROOT.parent / "shared" / "data" / "imagenette10" / "ILSVRC2012_img_val.tar"
A_BUNDLE = 10_000
CLASSES = 10
_SAMPLE_S = 0.05
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_TASKS = (b"--mapper", b"--reducer", b"YarnChild", b"MRAppMaster")


def pictures() -> list[bytes]:
    """Return a thousand photographs of 224 pixels, or made pictures."""
    if PHOTOGRAPHS.is_file():
        with tarfile.open(PHOTOGRAPHS) as tar:
            files = (tar.extractfile(member) for member in tar.getmembers() if member.isfile())
            return [file.read() for file in files if file]
    made = []
    rng = np.random.default_rng(0)
    for _ in range(100):
        coarse = rng.integers(0, 256, (56, 75, 3), np.uint8)
        picture = cv2.resize(coarse, (300, 224), interpolation=cv2.INTER_CUBIC)
        made.append(cv2.imencode(".jpg", picture)[1].tobytes())
    return made


def write_bundle(path: Path, images: Sequence[bytes], n: int) -> None:
    """Write a bundle of so many images, the given ones again and again under names of their own."""
    with path.open("wb") as file, Writer(file) as writer:
        for number, content in enumerate(islice(cycle(images), n)):
            key = ImageKey("train", f"n{number % CLASSES:08}", f"{number}.JPEG")
            writer.append(str(key).encode(), content)


class Tasks(threading.Thread):
    """Looks at a job's tasks on this machine: memory of each at most, and their CPU time.

    Parameters
    ----------
    cluster : whose tasks they are, below its directory; None for descendants of this process.
    """

    def __init__(self, cluster: Cluster | None) -> None:
        super().__init__(daemon=True)
        self.python_kib = 0
        self._cluster = cluster
        self._over = threading.Event()
        self._ticks: dict[int, int] = {}
        self._java: set[int] = set()

    def run(self) -> None:
        """Look until `stop`."""
        while not self._over.wait(_SAMPLE_S):
            self._look()

    def stop(self) -> None:
        """Look for the last time."""
        self._over.set()
        self.join()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the tasks, as far as they were seen."""
        return sum(self._ticks.values()) / _TICKS_PER_S

    @property
    def java_s(self) -> float:
        """CPU seconds of those that are JVMs."""
        return sum(self._ticks[pid] for pid in self._java) / _TICKS_PER_S

    def _look(self) -> None:
        for path in Path("/proc").glob("[0-9]*"):
            pid = int(path.name)
            try:
                command = (path / "cmdline").read_bytes()
                if not any(mark in command for mark in _TASKS) or not self._is_ours(path):
                    continue
                fields = (path / "stat").read_text().rpartition(")")[2].split()
                kib = (path / "status").read_text().partition("VmHWM:")[2].split()
            except OSError:  # it has ended
                continue
            self._ticks[pid] = int(fields[11]) + int(fields[12])
            if b"java" in command.partition(b"\0")[0]:
                self._java.add(pid)
            elif kib and b"bash" not in command.partition(b"\0")[0]:
                self.python_kib = max(self.python_kib, int(kib[0]))

    def _is_ours(self, process: Path) -> bool:
        if self._cluster:
            return (process / "cwd").readlink().is_relative_to(self._cluster.dir)
        pid = int(process.name)
        while pid > 1 and pid != os.getpid():
            stat = Path(f"/proc/{pid}/stat").read_text()
            pid = int(stat.rpartition(")")[2].split()[1])
        return pid == os.getpid()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the job once in this process, which is its driver."""
    work, n_images = Path(args.work), args.measure
    cluster = cluster_of(args)
    store = _store(work, cluster)
    spec = Config.load(find_config(args.config)).features
    books = work / "codebooks.npz"
    if not books.exists():
        books.write_bytes(_made_codebooks(spec).to_bytes())
    in_bundle = min(n_images, args.in_bundle)
    bundle = f"bundle-{in_bundle}"
    if not (work / bundle).exists():
        write_bundle(work / bundle, pictures(), in_bundle)
    if cluster:
        store.send(bundle, work / bundle, 0, (work / bundle).stat().st_size)
    inputs = [store.uri(bundle)] * -(-n_images // args.in_bundle)
    features = json.dumps(spec.to_dict(), separators=(",", ":"))
    job = JobSpec(
        name="scale",
        job=MRExtractFeatures,
        inputs=inputs,
        store=store,
        output=f"vectors-{n_images}",
        args=["--features", features, "--codebooks", str(books)],
        jobconf=args.jobconf or [],
        total=n_images,
    )
    objects = _objects(cluster)
    tasks = Tasks(cluster)
    if not args.unwatched:
        tasks.start()
    cpu, began = sum(os.times()[:4]), time.monotonic()
    result = run_job(job, args.runner, "scale", Progress("scale"), cluster)
    wall_s = time.monotonic() - began
    if not args.unwatched:
        tasks.stop()
    own_s = sum(os.times()[:4]) - cpu
    made = {
        "images": n_images,
        "featurized": result.counters["featurized"],
        "wall_s": wall_s,
        "cpu_s": own_s + tasks.cpu_s if cluster else own_s,
        "java_s": tasks.java_s,
        "task_mib": tasks.python_kib / 1024,
        "container_mib": max((fact["peak_mb"] or 0 for fact in result.facts), default=0),
        "driver_mib": _peak_mib(),
        "objects": _objects(cluster) - objects,
        "maps": max((fact["maps"] or 0 for fact in result.facts), default=0)
        or len(store.files(job.output)),
    }
    store.delete(job.output)
    return made


def _made_codebooks(spec: FeatureSpec) -> Codebooks:
    """Make codebooks of the right shapes: what they hold makes no difference to the time."""
    rng = np.random.default_rng(0)
    made = {
        name: {
            array: (np.abs(rng.standard_normal(shape)) + 0.1).astype(np.float32)
            for array, shape in feature.codebook_shapes().items()
        }
        for name, feature in spec.learned().items()
    }
    return Codebooks(made, spec.codebook_facts())


def cluster_of(args: argparse.Namespace) -> Cluster | None:
    """Return the cluster of the runner hadoop."""
    if args.runner != "hadoop":
        return None
    return Cluster.load(cluster_dir(args.name, args.cluster_dir))


def _store(work: Path, cluster: Cluster | None) -> Store:
    if cluster is None:
        return LocalStore(work)
    return HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs("benchmark-scale"))


def _objects(cluster: Cluster | None) -> int:
    """Count the NameNode's files, directories and blocks."""
    if cluster is None:
        return 0
    url = f"{cluster.webhdfs_url}/jmx?qry=Hadoop:service=NameNode,name=FSNamesystem"
    session = requests.Session()
    session.trust_env = False
    (bean,) = session.get(url, timeout=10).json()["beans"]
    return int(bean["FilesTotal"]) + int(bean["BlocksTotal"])


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure_empty(args: argparse.Namespace) -> dict[str, float]:
    """Run the bundling job on plans of nothing, a task each."""
    work, cluster = Path(args.work), cluster_of(args)
    store = _store(work, cluster)
    store.delete("plans")
    for number in range(args.tasks):
        store.write(f"plans/{number:05}.json", [Plan([], {}).to_line().encode() + b"\n"])
    inputs, conf = [store.uri("plans")], args.jobconf or []
    job = JobSpec("fixed", MRBundleImages, inputs, store, "nothing", jobconf=conf)
    began = time.monotonic()
    run_job(job, args.runner, "fixed", Progress("fixed"), cluster)
    wall_s = time.monotonic() - began
    store.delete("nothing")
    return {"wall_s": wall_s}
