"""The image stores whose images are rows of a table of HBase: which they are, and their tables.

Such a store has the file `hbase.json` beside its ledger; the rest of its directory is that of any
other but for `bundles/`. What a row holds is in mr_jobs/lib/hbase_rows.py.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mr_jobs.hbase import TASK_WAITS_S, USER_WAITS_S, Table
from mr_jobs.lib.errors import ClusterError, ConfigError, DataError
from mr_jobs.lib.hbase_rows import FAMILIES, IMAGE, METADATA, Address, split_keys, table_name
from pipeline import extras
from pipeline.cluster_mark import Cluster
from pipeline.images import Images
from pipeline.ledger import Ledger

FILE = "hbase.json"
STORE = 'store = "hbase"'  # in pipeline.toml, under [data]
REGIONS = 4  # of a new table; HBase splits those that grow beyond 10 GB
MOB_BYTES = 100 << 10  # larger values are kept in files of their own, which no compaction rewrites
_SHELL_S = 300


@dataclass(frozen=True)
class Place:
    """Where the images of a store are: a table, and the cluster that has it."""

    table: str
    cluster: Cluster

    @property
    def address(self) -> Address:
        """How to reach the table, here and in the tasks."""
        host, port = self.cluster.hbase_host, self.cluster.hbase_thrift_port
        assert host is not None  # noqa: S101  # see `require_hbase`
        assert port is not None  # noqa: S101
        return Address(host, port, self.table)

    def open(self, waits_s: Sequence[float] = USER_WAITS_S) -> Table:
        """Connect to the table; close it."""
        return Table(self.address, waits_s)


def table_of(images: Images) -> str | None:
    """Return the name of an image store's table, whether there is HBase or not."""
    return table_name(images.name) if images.store.exists(FILE) else None


def place_of(images: Images) -> Place | None:
    """Return the table of an image store; None for a store of bundles.

    Raises
    ------
    ConfigError
        The cluster has no HBase any more, or the extra is not installed.
    DataError
        The file that says where it is does not.
    """
    if not images.store.exists(FILE):
        return None
    with images.store.open(FILE) as file:
        text = file.read()
    try:
        told = json.loads(text)
        table, directory = str(told["table"]), told["cluster"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(
            f"{images.store.uri(FILE)}: does not say where the images are ({error})"
        ) from error
    if table != table_name(images.name):
        raise DataError(f"{images.store.uri(FILE)}: names the table of another image store")
    cluster = images.cluster or Cluster.load(Path(str(directory)))
    require_hbase(cluster)
    return Place(table, cluster)


def is_other(images: Images, wanted: str) -> bool:
    """Say whether an image store holds its images in something else than the settings say."""
    return images.store.exists(FILE) != (wanted == "hbase")


def choose(images: Images, wanted: str, find_cluster: Callable[[], Cluster | None]) -> None:
    """Let a new image store be what the settings say, and refuse to change one that is there.

    Parameters
    ----------
    wanted : `store` of the settings.
    find_cluster : finds the cluster whose HBase it is when the jobs run on this machine.

    Raises
    ------
    ConfigError
        The image store is of the other kind, or there is no HBase.
    """
    other = is_other(images, wanted)
    if other and Ledger.load(images.store).batches:
        has = "bundles" if wanted == "hbase" else "rows of HBase"
        raise ConfigError(
            f'image store {images.name} holds {has}, and [data] store is "{wanted}": give another '
            "one with --images, or set store in pipeline.toml to what it holds"
        )
    if wanted != "hbase":
        images.store.delete(FILE)  # of an ingest that did not come to anything
        return
    cluster = images.cluster or find_cluster()
    if cluster is None:
        raise ConfigError(_missing("it"))
    require_hbase(cluster)
    if other:
        told = {
            "table": table_name(images.name),
            "cluster": None if images.cluster else str(cluster.dir),
        }
        images.store.write(FILE, [json.dumps(told).encode()])


def _missing(what: str) -> str:
    return f"{STORE}: {what} needs a cluster with HBase: bin/pipeline up --with hbase"


def require_hbase(cluster: Cluster) -> None:
    """Raise a ConfigError unless a cluster has HBase, and this machine what asks it."""
    if cluster.hbase_thrift_port is None:
        raise ConfigError(_missing(f"cluster {cluster.name} has none, and it"))
    if cluster.python_bin and not Path(cluster.python_bin).exists():
        raise ConfigError(
            f"{STORE} works where all of the cluster is on this machine: the tasks of "
            f"{cluster.name} have a Python of their own, without the extra hbase"
        )
    extras.require("hbase", STORE)


def make_table(place: Place, *, fresh: bool) -> bool:
    """Create an image store's table; return whether it was made now.

    Parameters
    ----------
    fresh : no batch is in it yet, so that one that is there was left by a store that is gone, or by
        a bundling that was interrupted; it goes.

    Raises
    ------
    DataError
        It should be there, and is not.
    """
    with place.open(TASK_WAITS_S) as table:
        if fresh:
            table.drop()
        elif table.exists():
            return False
        else:
            raise DataError(
                f"HBase has no table {place.table} any more, which held the images; remove the "
                "image store with `bin/pipeline images --remove`, and ingest the data anew"
            )
    shell(place.cluster, create_statement(place.table))
    return True


def create_statement(table: str, n_regions: int = REGIONS) -> str:
    """Return what creates a table, in the words of HBase's shell; Thrift has none for it."""
    options = {
        IMAGE: f"IS_MOB => true, MOB_THRESHOLD => {MOB_BYTES}",
        METADATA: "DATA_BLOCK_ENCODING => 'FAST_DIFF'",  # many small cells a row
    }
    families = [
        f"{{{', '.join(filter(None, [f'NAME => {name!r}, VERSIONS => 1', options.get(name)]))}}}"
        for name in FAMILIES
    ]
    return f"create {table!r}, {', '.join(families)}, SPLITS => {split_keys(n_regions)!r}"


def shell(cluster: Cluster, *statements: str) -> str:
    """Run statements in HBase's shell; return what it printed.

    Raises
    ------
    ClusterError
        It failed; the sentence has its last line.
    """
    program = str(cluster.hbase_bin)
    try:
        done = subprocess.run(
            [program, "shell", "-n"],
            input="".join(f"{statement}\n" for statement in statements),
            capture_output=True,
            text=True,
            timeout=_SHELL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"HBase's shell {program} does not work: {error}") from error
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        why = (said or (done.stderr or done.stdout).strip().splitlines() or ["no reason"])[0]
        raise ClusterError(f"HBase's shell: {statements[0].split(',')[0]} failed: {why.strip()}")
    return done.stdout


def remove(images: Images) -> None:
    """Remove an image store with its table; a table that is gone with its cluster is no error."""
    try:
        place = place_of(images)
    except (ClusterError, ConfigError):
        if images.cluster:
            raise
        place = None
    if place:
        with place.open() as table:
            table.drop()
    images.store.delete("")


def described(place: Place) -> dict[str, Any]:
    """Return what to tell people of a table."""
    host, port, table = place.address
    return {"table": table, "thrift": f"{host}:{port}"}
