"""Run a job of Mahout on a cluster: matrices go to it and come back as SequenceFiles of vectors."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from mr_jobs.lib.errors import ConfigError, DataError, JobError
from mr_jobs.lib.sequencefile import Reader, Writer
from mr_jobs.lib.vector_writable import (
    Cluster,
    decode_cluster,
    decode_vector,
    encode_kluster,
    encode_vectors,
)
from pipeline import cluster_mark, yarn
from pipeline.progress import Progress
from pipeline.stores import Store
from pipeline.task_sizes import count_tasks

_APPLICATION = re.compile(r"Submitted application (application_\d+_\d+)")
_WRONG = re.compile(r"(?:\w+\.)+\w*(?:Exception|Error)\b.*")
_CHUNK_BYTES = 1 << 20
_ROWS_WORTH_A_TASK = 20_000  # as of our own passes over vectors


@dataclass(frozen=True)
class Matrix:
    """A matrix in HDFS, a record a row: its directory in a store, and its size."""

    name: str
    n_rows: int
    n_columns: int
    n_bytes: int


def require(cluster: cluster_mark.Cluster | None) -> cluster_mark.Cluster:
    """Return a cluster on which Mahout's jobs can be started from here.

    Raises
    ------
    ConfigError
        There is no cluster, or it has no Mahout, or none that can be used from this machine.
    """
    if cluster is None:
        raise ConfigError("Mahout's jobs run on YARN only: the run needs --runner hadoop")
    if cluster.mahout_bin is None:
        raise ConfigError(
            f"the cluster {cluster.name} has no Mahout; "
            f"add it with `bin/pipeline up --name {cluster.name} --with mahout`"
        )
    if not cluster.mahout_bin.is_file():
        raise ConfigError(
            f"{cluster.mahout_bin} is not on this machine: on a cluster of several hosts Mahout is "
            "started on the hosts only"
        )
    return cluster


def write_matrix(store: Store, name: str, blocks: Iterable[NDArray[np.float32]]) -> Matrix:
    """Write blocks of rows as one SequenceFile of numbered vectors, in constant memory.

    Parameters
    ----------
    name : directory in the store.
    blocks : float32 of shape (n, d), the same d each.

    Raises
    ------
    DataError
        There is no row, or their lengths differ.
    """
    size = [0, 0, 0]

    def written() -> Iterator[bytes]:
        pieces = _Pieces()
        with Writer(
            cast(BinaryIO, pieces), key_class="IntWritable", value_class="VectorWritable"
        ) as writer:
            for block in blocks:
                if size[1] not in (0, block.shape[1]):
                    raise DataError(f"{name}: rows of {size[1]} and {block.shape[1]} numbers")
                size[1] = block.shape[1]
                for encoded in encode_vectors(block):
                    writer.append(size[0], encoded)
                    size[0] += 1
                if len(pieces.content) >= _CHUNK_BYTES:
                    yield pieces.take()
        yield pieces.take()

    file = f"{name}/part-00000"
    store.write(file, written())
    if not size[0]:
        raise DataError(f"{store.uri(name)}: there is no row to give to Mahout")
    return Matrix(name, size[0], size[1], store.size(file))


def write_clusters(store: Store, name: str, centres: NDArray[np.floating[Any]]) -> None:
    """Write the clusters that k-means starts from, centres of shape (k, d), as a directory."""
    pieces = _Pieces()
    with Writer(cast(BinaryIO, pieces), key_class="Text", value_class="Kluster") as writer:
        for number, centre in enumerate(np.asarray(centres, np.float64)):
            writer.append(str(number), encode_kluster(Cluster(number, 0, centre)))
    store.write(f"{name}/part-00000", [pieces.take()])


def read_vectors(store: Store, files: Sequence[str]) -> dict[int, NDArray[np.float64]]:
    """Read numbered vectors, float64 of shape (d,) each, by their numbers.

    Raises
    ------
    DataError
        A file is none of numbered vectors.
    """
    found: dict[int, NDArray[np.float64]] = {}
    for key, value in _records(store, files, "VectorWritable"):
        found[int(key)] = decode_vector(value)
    return found


def read_clusters(store: Store, files: Sequence[str]) -> list[Cluster]:
    """Read the clusters that k-means left, by their numbers."""
    found = [decode_cluster(value) for _, value in _records(store, files, "ClusterWritable")]
    return sorted(found, key=lambda cluster: cluster.number)


def task_settings(cluster: cluster_mark.Cluster, matrix: Matrix, least_rows: int = 1) -> list[str]:
    """Cut a matrix into map tasks of at least so many rows; return settings NAME=VALUE.

    One task alone runs inside its application master, and several side by side.
    """
    slots = yarn.task_slots(cluster.resourcemanager_url)
    n_tasks = count_tasks(matrix.n_rows, matrix.n_bytes, slots, worth=_ROWS_WORTH_A_TASK)
    n_tasks = max(1, min(n_tasks, matrix.n_rows // max(2 * least_rows, 1)))
    settings = [f"mapreduce.input.fileinputformat.split.maxsize={ceil(matrix.n_bytes / n_tasks)}"]
    settings += ["mapreduce.job.ubertask.enable=false"] if n_tasks > 1 else []
    return settings + ([f"mapreduce.job.queuename={cluster.queue}"] if cluster.queue else [])


def run_mahout(  # what a job is made of
    cluster: cluster_mark.Cluster,
    program: str,
    settings: Sequence[str],
    args: Sequence[str],
    log: Path,
    progress: Progress,
) -> list[str]:
    """Run a program of Mahout to its end; return the ids of its YARN applications.

    Parameters
    ----------
    cluster : one that `require` has let pass.
    program : ssvd, kmeans or a Java class.
    settings : Hadoop's, NAME=VALUE.
    log : file that gets what the program says.

    Raises
    ------
    JobError
        It failed; the sentence holds Java's complaint.
    """
    options = [word for setting in settings for word in ("-D", setting)]
    command = [str(cluster.mahout_bin), program, *options, *args]
    log.parent.mkdir(parents=True, exist_ok=True)
    applications: list[str] = []
    wrong = None
    with (
        log.open("w", buffering=1, encoding="utf-8") as told,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", env={**os.environ},
        ) as client,
    ):  # fmt: skip
        try:
            for line in client.stdout or ():
                told.write(line)
                complaint = _WRONG.search(line)
                wrong = complaint.group(0) if complaint else wrong
                if found := _APPLICATION.search(line):
                    applications.append(found.group(1))
                    progress.note(f"{program}, job {len(applications)}: {found.group(1)}")
        except BaseException:
            client.terminate()  # what it has begun would go on without it
            for application in applications[-1:]:
                yarn.kill(cluster.resourcemanager_url, application)
            raise
    if client.returncode:
        raise JobError(_complaint(cluster, program, applications, wrong, log))
    return applications


def _complaint(
    cluster: cluster_mark.Cluster,
    program: str,
    applications: Sequence[str],
    wrong: str | None,
    log: Path,
) -> str:
    told = yarn.diagnostics(cluster.resourcemanager_url, applications[-1]) if applications else None
    cause = told or wrong or "it left no reason"
    return f"Mahout's {program} failed: {cause}; all that it said is in {log}"


def _records(
    store: Store, files: Sequence[str], value_class: str
) -> Iterator[tuple[str | int, bytes]]:
    for name in files:
        with closing(store.open(name)) as file:
            reader = Reader(file, store.uri(name))
            if reader.value_class != value_class:
                raise DataError(
                    f"{store.uri(name)}: holds {reader.value_class}, not {value_class}; "
                    "is it an output of Mahout?"
                )
            for record in reader.records():
                yield cast("str | int", record.key), cast(bytes, record.value)


class _Pieces:
    """A file to write to, whose content is taken away piece by piece."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes) -> int:
        self.content += data
        return len(data)

    def take(self) -> bytes:
        taken, self.content = bytes(self.content), bytearray()
        return taken


def output(store: Store, *names: str) -> list[str]:
    """Return the files of the first of these directories that is there.

    Raises
    ------
    JobError
        There is none: Mahout reports some failures in words alone.
    """
    for name in names:
        if store.exists(name):
            return store.files(name)
    raise JobError(f"{store.uri(names[0])}: Mahout left no output, and did not say that it failed")
