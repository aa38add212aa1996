"""The packages that tasks import, of the driver's versions, for hosts that have none of them.

`requirements-worker.txt` names them with hashes, see bin/lock. A host of our own installs the
wheels into an environment of its own; on a cluster of somebody else nothing is installed, and each
job brings the packages in an archive.
"""

from __future__ import annotations

import compileall
import hashlib
import platform
import py_compile
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from mr_jobs.lib.errors import ConfigError
from pipeline.cluster_mark import Cluster
from pipeline.config import VAR
from pipeline.playbooks import ROOT
from pipeline.stores import HdfsStore

LOCK = ROOT / "requirements-worker.txt"
CACHE = VAR / "cache"
ARCHIVE_NAME = "worker"  # directory of the packages in a task's working directory
# Python runs it before all else: of another minor, it would say that NumPy is broken.
_SITE = """\
import sys

if sys.version_info[:2] != {wanted}:
    sys.exit("wrong Python: tasks have %s, their packages are for {wanted[0]}.{wanted[1]}; "
             "name one that every host has with --python" % sys.version.split()[0])
"""


def wheels(progress: Callable[[str], None]) -> Path:
    """Return a directory with a wheel of each package, and a `requirements.txt` of their hashes.

    It is made once for each state of the lock and is complete in itself: `pip install --no-index
    --find-links DIR --require-hashes -r DIR/requirements.txt` needs no network; pip itself is there
    too, as a wheel that Python runs as it is (`python DIR/pip-*.whl/pip`). The hashes of what
    is downloaded are checked against the lock; a wheel that is built here, since its package has
    none, has another hash than its source, so `requirements.txt` names that. The wheels are for
    this machine's Python and platform.

    Parameters
    ----------
    progress : called with a line when there is something to wait for.

    Raises
    ------
    ConfigError
        pip cannot get or build one of them.
    """
    place = CACHE / f"wheels-{digest()}"
    if place.is_dir():
        return place
    progress("getting the wheels of the tasks' packages, once")
    CACHE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=CACHE, prefix="wheels-") as scratch:
        made = Path(scratch, "wheels")
        # As bin/setup does: built by the setuptools of the lock, whose hash somebody has checked.
        pip("wheel", "--no-deps", "--require-hashes", "--no-build-isolation", "--use-pep517",
            "--wheel-dir", made, "--requirement", LOCK)  # fmt: skip
        packages = [wheel for wheel in sorted(made.glob("*.whl")) if not _is_pip(wheel)]
        lines = [_requirement(wheel) for wheel in packages]
        (made / "requirements.txt").write_text("".join(lines))
        _move(made, place)
    return place


def archive(cluster: Cluster, progress: Callable[[str], None]) -> str:
    """Return the URI in HDFS of the archive of the packages, for the option `--archives`.

    It is made once on this machine, and sent once into a cluster's HDFS directory. A task finds the
    packages with `worker` in its PYTHONPATH.

    Raises
    ------
    ConfigError
        The packages cannot be got or installed.
    ClusterError
        HDFS refuses it.
    """
    name = f"{ARCHIVE_NAME}-{digest()}.tar.gz"
    store = HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs("code"))
    if not store.exists(name):
        path = packed(progress)
        size = path.stat().st_size
        progress(f"sending the tasks' packages, {size // 1_000_000} MB, into HDFS, once")
        store.send(f".{name}.part", path, 0, size)
        store.rename(f".{name}.part", name)
    return f"{store.uri(name)}#{ARCHIVE_NAME}"


def packed(progress: Callable[[str], None]) -> Path:
    """Return a tar.gz of the installed packages, compiled, without their tests; it is made once.

    Modules are compiled for the reason of `job_files.packed`.
    """
    place = CACHE / f"{ARCHIVE_NAME}-{digest()}.tar.gz"
    if place.is_file():
        return place
    from_wheels = wheels(progress)
    progress("packing the tasks' packages, once")
    with TemporaryDirectory(dir=CACHE, prefix="worker-") as scratch:
        installed, made = Path(scratch, "installed"), Path(scratch, "made.tar.gz")
        pip("install", "--no-index", "--find-links", from_wheels, "--no-deps", "--require-hashes",
            "--no-compile", "--target", installed,
            "--requirement", from_wheels / "requirements.txt")  # fmt: skip
        for tests in [*installed.rglob("tests")]:
            shutil.rmtree(tests)
        (installed / "sitecustomize.py").write_text(_site())
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(
            installed, stripdir=installed, prependdir=ARCHIVE_NAME, quiet=2, invalidation_mode=mode
        )
        with tarfile.open(made, "w:gz", compresslevel=6) as tar:
            for path in sorted(installed.iterdir()):
                tar.add(path, path.name, filter=_nobodys)
        _move(made, place)
    return place


def digest() -> str:
    """Identify the packages: the lock, and the Python and platform that they are for."""
    of = [LOCK.read_text(), platform.python_version(), sysconfig.get_platform(), _site()]
    return hashlib.sha256("\0".join(of).encode()).hexdigest()[:16]


def default_python() -> str:
    """Name the interpreter that tasks need on a cluster of somebody else: the driver's minor."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _site() -> str:
    return _SITE.format(wanted=sys.version_info[:2])


def pip(*args: object) -> None:
    """Run the driver's pip to its end."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run(
        [*command, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise ConfigError(
            f"the tasks' packages could not be prepared ({said[-1].strip()}): `pip {args[0]}` of "
            f"{LOCK.name} has to work on this machine; correct pip's settings or network, and run "
            "the same command again"
        )


def _is_pip(wheel: Path) -> bool:
    return wheel.name.startswith("pip-")


def _requirement(wheel: Path) -> str:
    """Return the line that asks for exactly this wheel; PEP 427: NAME-VERSION-TAGS.whl."""
    name, version, *_ = wheel.name.split("-")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def _move(made: Path, place: Path) -> None:
    """Give what is complete its name, unless another process was first with the same."""
    with suppress(FileExistsError, OSError):
        made.rename(place)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
