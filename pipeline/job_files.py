"""What a job needs in HDFS before it starts, sent by WebHDFS: mrjob would start a JVM a file."""

from __future__ import annotations

import gzip
import hashlib
import io
import py_compile
import sys
import tarfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from mrjob.fs.hadoop import HadoopFilesystem

from mr_jobs.job import ROOT
from pipeline.cluster_mark import Cluster
from pipeline.stores import HdfsStore

_CODE_NAME = "mr_jobs"
_CODE_DIR = "code"  # in HDFS; not below /tmp, where others could put code of theirs


class WebHdfsFilesystem(HadoopFilesystem):  # type: ignore[misc]  # mrjob ships no types
    """HDFS as mrjob writes to it while it prepares a job, without the three commands a job."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__([str(cluster.hadoop_bin)])
        self._version = cluster.hadoop_version
        self._store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, "/")

    def get_hadoop_version(self) -> str:
        """Return the version that the cluster's mark names."""
        return self._version

    def mkdir(self, path: str) -> None:
        """Do nothing: WebHDFS makes directories as it writes files."""

    def put(self, src: str, path: str) -> None:
        """Send a local file."""
        source = Path(src)
        self._store.send(urlsplit(path).path, source, 0, source.stat().st_size)


def code_archive(cluster: Cluster) -> str:
    """Return the URI of the archive of `mr_jobs` in HDFS, for the option `--archives`.

    It is sent once for each state of the code. All may read it, so that YARN unpacks it once on
    each node for all jobs (visibility PUBLIC of its distributed cache).
    """
    content = packed(ROOT / _CODE_NAME)
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs(_CODE_DIR))
    name = f"{_CODE_NAME}-{hashlib.sha256(content).hexdigest()[:16]}.tar.gz"
    if not store.exists(name):
        store.write(name, [content])
    return f"{store.uri(name)}#{_CODE_NAME}"


@cache
def packed(package: Path) -> bytes:
    """Pack a package as a tar.gz, the same bytes for the same code.

    Modules are compiled beforehand and marked as valid (PEP 552, unchecked hash): a task's node
    might not be able to write the results down, and would then compile anew for each task.
    """
    content = io.BytesIO()
    with (
        TemporaryDirectory() as scratch,
        gzip.GzipFile(fileobj=content, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for path in sorted(package.rglob("*")):
            if path.is_dir() or "__pycache__" in path.parts:
                continue
            name = path.relative_to(package)
            _add(tar, str(name), path.read_bytes())
            if path.suffix == ".py":
                compiled = Path(scratch, "module.pyc")
                py_compile.compile(
                    str(path),
                    str(compiled),
                    dfile=str(Path(package.name) / name),
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
                cached = (
                    name.parent / "__pycache__" / f"{name.stem}.{sys.implementation.cache_tag}.pyc"
                )
                _add(tar, str(cached), compiled.read_bytes())
    return content.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # of the year 1970, by nobody: the same bytes each time
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
