"""Tables of Hive over what Sqoop has imported: in a database of their own beside an image store's.

Sqoop 1.4.7 would call Hive's old command line with classes that Hive 4 no longer has; so the
project's own definitions, `hive/imported`, take the files.
"""

from __future__ import annotations

from mr_jobs.lib.errors import ConfigError, DataError
from pipeline.images import Images
from pipeline.index.definitions import LOCATION, Table
from pipeline.index.hive_engine import HiveEngine


class ImportedTables(HiveEngine):
    """The imported tables of an image store, in Hive.

    Raises
    ------
    ConfigError
        The image store's cluster has no Hive.
    """

    def __init__(self, images: Images) -> None:
        if images.cluster and images.cluster.hive_port is None:
            name = images.cluster.name
            raise ConfigError(
                f"sqoop import needs Hive, and cluster {name} has none; add it with "
                f"`bin/pipeline up --name {name} --with hive`"
            )
        super().__init__(images)
        self.database = f"{self.database}_imported"

    def take(self, table: Table, uri: str, n_rows: int) -> int:
        """Put a table over a directory in place of the one of that name; return its rows.

        Raises
        ------
        DataError
            Hive does not see as many rows as were imported, or rows without their first column;
            then the table of that name is left as it was.
        """
        self._do(f"CREATE DATABASE IF NOT EXISTS {self.database}")
        name, fresh = f"{self.database}.{table.name}", f"{self.database}.{table.name}__new"
        key = table.columns[0].name
        self._do(f"DROP TABLE IF EXISTS {fresh}")
        self._do(
            table.ddl[table.ddl.index("CREATE") :]
            .strip()
            .rstrip(";")
            .replace(f" TABLE {table.name} ", f" TABLE {fresh} ", 1)
            .replace(f"{LOCATION}/{table.directory}", uri)
        )
        ((found, keyed),) = self._rows(f"SELECT COUNT(*), COUNT({key}) FROM {fresh}")  # noqa: S608
        if not found == keyed == n_rows:
            self._do(f"DROP TABLE {fresh}")
            raise DataError(
                f"sqoop import {table.name}: {n_rows} rows were imported, Hive sees {found}, "
                f"{keyed} of them with {key}; see {uri}"
            )
        self._do(f"DROP TABLE IF EXISTS {name}")  # an external one: its files stay
        self._do(f"ALTER TABLE {fresh} RENAME TO {name}")
        return int(found)
