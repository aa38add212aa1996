"""The helpers of the notebook and the Python shell: images, queries, predictions and jobs.

cluster                   the facts of the cluster: addresses, directories
store                     the pipeline's files in its HDFS: store.list("images")
img("n01440764_10026")    an image, shown
grid("width > 400")       the first images of a condition, or of a SELECT, shown
query("SELECT …")         HiveQL on the tables of the image store
predict("n01440764_10026")  what the newest model takes it for
job("RUNNING")            the jobs on YARN in a state; without one all, by id one of them
"""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ClusterError, ConfigError, DataError
from pipeline import yarn
from pipeline.cluster import Cluster
from pipeline.config import VAR
from pipeline.get_command import id_condition
from pipeline.images import Images, cluster_of, open_images
from pipeline.index import open_index, select_rows
from pipeline.index.hiveql import read_statement
from pipeline.lab_views import Grid, Picture, Table
from pipeline.reading import Traffic, read_images
from pipeline.stores import HdfsStore, LocalStore, Store

_MOST_ROWS = 10_000
_NAME_CHARACTERS = 60
_SELECTS = ("select", "with", "from", "(")
_STATES = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED", "RUNNING", "FINISHED", "FAILED", "KILLED")
NAMES = ("img", "grid", "query", "predict", "job", "use")


class Helpers:
    """The helpers for one cluster and one of its image stores.

    Parameters
    ----------
    options : what `images.add_images_options` declares.
    """

    def __init__(self, options: Namespace) -> None:
        self._options = options

    @cached_property
    def cluster(self) -> Cluster | None:
        """The cluster; None: this machine alone."""
        return cluster_of(self._options)

    @property
    def store(self) -> Store:
        """All that the pipeline writes, in the cluster's HDFS or on this machine."""
        cluster = self.cluster
        if cluster is None:
            return LocalStore(VAR)
        return HdfsStore(cluster.webhdfs_url, cluster.fs_uri, cluster.in_hdfs())

    @cached_property
    def images(self) -> Images:
        """The image store: the one of --images, or the only one."""
        return open_images(self._options)

    def use(self, images: str) -> None:
        """Take the images from this image store from now on; a ConfigError if there is none."""
        found = open_images(Namespace(**{**vars(self._options), "images": images}))
        self.__dict__["images"] = found  # in place of the cached one

    def query(self, hql: str, engine: str | None = None) -> Table:
        """Ask the tables of the image store: a SELECT, SHOW TABLES, or DESCRIBE TABLE.

        Parameters
        ----------
        hql : HiveQL that reads.
        engine : `hive` or `duckdb`; None: Hive where the cluster has it.

        Returns
        -------
        The first 10,000 rows.
        """
        with open_index(self.images, engine) as found:
            answer = found.query(read_statement(hql))
            return Table(answer.columns, list(islice(answer.rows, _MOST_ROWS)))

    def img(self, image: str) -> Picture:
        """Return an image by its id or whole key: shown, and with `row`, `encoded`, `pixels()`.

        Raises
        ------
        ConfigError
            There is none of that name.
        """
        found = self._pictures([image], 1)
        if not found:
            raise ConfigError(f"no image {image} in the image store {self.images.name}")
        return found[0]

    def grid(self, query: str, most: int = 12) -> Grid:
        """Return the first images of a condition, such as `width > 400`, or of a SELECT of ids."""
        if not query.lstrip().lower().startswith(_SELECTS):
            rows = list(islice(select_rows(self.images, query, engine="duckdb"), most))
            return Grid(self._read(rows))
        found = self.query(query, "duckdb")
        name = next((name for name in ("key", "image_id") if name in found.columns), None)
        if name is None:
            raise ConfigError("grid: the SELECT has neither a column image_id nor key")
        return Grid(self._pictures(found.column(name)[:most], most))

    def predict(self, image: str | Picture, run: str | None = None) -> Table:
        """Name what is on an image, with a saved model.

        Parameters
        ----------
        image : its id, or a picture of `img`.
        run : id of a saved run; None: the newest on this image store.
        """
        from models.predict import ImageFile, predict, serve  # scikit-learn takes a second

        picture = image if isinstance(image, Picture) else self.img(image)
        served = serve(self._saved(run))
        file = ImageFile(picture.row.key, lambda: picture.encoded)
        (found,) = predict(served, [file])
        if found.error:
            raise DataError(f"{picture.row.key}: {found.error}")
        columns = ["wnid", "words", "score"]
        return Table(columns, [(*each[:2], round(each.score, 4)) for each in found.best])

    def job(self, status: str | None = None) -> Table:
        """List the jobs of the cluster's YARN, newest first.

        Parameters
        ----------
        status : RUNNING, ACCEPTED, FINISHED, FAILED or KILLED; None: all; or the id of one, of
            which the table has all that YARN tells.
        """
        if self.cluster is None:
            raise ConfigError(
                "job() is of a cluster's YARN, and there is none; start one with `bin/pipeline up`"
            )
        url = self.cluster.resourcemanager_url
        if status and status.lower().startswith(("application_", "job_")):
            found = yarn.application(url, status.lower().replace("job_", "application_"))
            if not found:
                raise ConfigError(f"YARN knows no {status}")
            return Table(["what", "is"], [(name, str(value)) for name, value in found.items()])
        if status and status.upper() not in _STATES:
            raise ConfigError(f"job: {status!r} is no state of YARN's: {', '.join(_STATES)}")
        apps = yarn.applications(url, (status or "").upper())
        if apps is None:
            raise ClusterError(f"YARN does not answer at {url}; see `bin/pipeline status`")
        return Table(
            ["id", "name", "state", "ended", "progress", "started", "seconds"],
            [_row(app) for app in sorted(apps, key=lambda app: -int(app["startedTime"]))],
        )

    def namespace(self) -> dict[str, Any]:
        """Return the helpers by the names that a person calls them."""
        return {
            "cluster": self.cluster,
            "store": self.store,
            **{name: getattr(self, name) for name in NAMES},
        }

    def _pictures(self, ids: list[str], most: int) -> list[Picture]:
        """Return images by their ids or keys, in that order."""
        if not ids:
            return []
        rows = list(select_rows(self.images, id_condition(ids), engine="duckdb"))
        order = {name: place for place, name in enumerate(ids)}
        rows.sort(key=lambda row: order.get(row.key, order.get(row.image_id, len(ids))))
        return self._read(rows[:most])

    def _read(self, rows: list[Any]) -> list[Picture]:
        found = {each.row.key: each for each in read_images(self.images, rows, Traffic())}
        for each in found.values():
            if each.problem:
                raise DataError(f"{each.row.key}: {each.problem}")
        return [Picture(row, found[row.key].encoded) for row in rows]

    def _saved(self, run: str | None) -> Path:
        """Return the directory of a saved run: that of an id, or the newest on the image store."""
        from pipeline.report_command import saved_run
        from pipeline.runs import all_runs

        if run:
            return saved_run(run)
        mine = [each for each in all_runs() if each.images == self.images.name and each.finished]
        if not mine:
            raise ConfigError(
                f"no saved model of the image store {self.images.name}; `bin/pipeline full` makes "
                "one, and `bin/pipeline runs` lists them"
            )
        return saved_run(max(mine, key=lambda each: each.created).run_id)


def _row(app: dict[str, Any]) -> tuple[Any, ...]:
    started = datetime.fromtimestamp(int(app["startedTime"]) / 1000, UTC).astimezone()
    return (
        app["id"],
        str(app["name"])[:_NAME_CHARACTERS],
        app["state"],
        app["finalStatus"],
        f"{float(app['progress']):.0f} %",
        started.strftime("%H:%M:%S"),
        round(int(app["elapsedTime"]) / 1000, 1),
    )
