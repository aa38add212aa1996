"""Run Sqoop's tools on a cluster: ask a PostgreSQL database, import a table, export a directory.

A password goes to Sqoop in a file that only this user may read, and from there to the tasks among
the job's credentials: it is in no argument and in no job's settings.

Source: the Sqoop 1.4.7 user guide.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from mr_jobs.lib.errors import ConfigError, JobError
from pipeline import yarn
from pipeline.cluster import Cluster
from pipeline.cluster_mark import has_no
from pipeline.progress import Progress

NULL_IMPORTED = r"\002"  # a character that no text has: Sqoop would escape the backslash of \N
_NULL_EXPORTED = r"\\N"  # into Java's source: \N
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")  # goes into SQL
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")  # does not
_APPLICATION = re.compile(r"\b(application_\d+_\d+)\b")
_COUNTED = re.compile(r"\b(?:Retrieved|Exported) (\d+) records")
_REFUSED = re.compile(r"PSQLException: (.+)")
_ERROR = re.compile(r" ERROR [\w.$]+: (.+)")
_ROW = re.compile(r"^\| (.*) \| *$")


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database, and who asks it.

    Attributes
    ----------
    password_file : holds the password alone, readable for its owner only; None: none is needed.
    schema : where the tables are.

    Raises
    ------
    ConfigError
        A name is none, or the password file is not there, or others may read it.
    """

    host: str
    port: int
    name: str
    user: str
    password_file: Path | None = None
    schema: str = "public"

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise ConfigError(f"--host {self.host!r} is not the name or address of a host")
        for option, value in (("database", self.name), ("user", self.user)):
            if not _ACCOUNT.fullmatch(value):
                raise ConfigError(
                    f"--{option} {value!r} is not a plain name: letters, digits, _ . and -"
                )
        check_name(self.schema)
        if self.password_file:
            self._check_password_file(self.password_file)

    @property
    def url(self) -> str:
        """The address for Java's drivers."""
        return f"jdbc:postgresql://{self.host}:{self.port}/{self.name}"

    def quoted(self, table: str) -> str:
        """Return a table's name as SQL has it, with its schema."""
        return f'"{self.schema}"."{check_name(table)}"'

    @staticmethod
    def _check_password_file(path: Path) -> None:
        try:
            status = path.stat()
        except OSError as error:
            raise ConfigError(f"--password-file {path}: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise ConfigError(f"--password-file {path} is not a file of your own")
        if status.st_mode & 0o077:
            raise ConfigError(f"others may read --password-file {path}: chmod 600 {path}")


def check_name(name: str) -> str:
    """Return a name that is fit to be a table's or schema's, or raise a ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not a plain name of PostgreSQL's: letters, digits, _")
    return name


class Sqoop(AbstractContextManager["Sqoop"]):
    """Sqoop on one cluster and one database; a context, at whose end its files are gone.

    Raises
    ------
    ConfigError
        The cluster has no Sqoop.
    """

    def __init__(self, cluster: Cluster, database: Database, progress: Progress) -> None:
        if cluster.sqoop_bin is None:
            raise has_no(cluster.name, "Sqoop")
        if not cluster.sqoop_bin.is_file():
            raise ConfigError(
                f"Sqoop of cluster {cluster.name} is on its hosts; `sqoop` works with a cluster "
                "that is deployed on this machine"
            )
        self._bin, self._resourcemanager = cluster.sqoop_bin, cluster.resourcemanager_url
        self._database = database
        self._progress = progress
        self._folder = TemporaryDirectory(prefix="pipeline-sqoop-")  # only its owner may enter it

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def count(self, *selects: str) -> list[int]:
        """Ask for several counts at once, each a SELECT of one number."""
        query = "SELECT " + ", ".join(f"({select})" for select in selects)
        rows = parse_rows(self._run("eval", ["--query", query]))
        return [int(cell) for cell in rows[-1]]

    def execute(self, *statements: str) -> None:
        """Run statements that answer nothing, all of them or none."""
        self._run("eval", ["--query", "; ".join(statements)])

    def import_table(self, table: str, columns: Sequence[str], target: str) -> int:
        """Copy columns of a table or view into a new directory of HDFS as text, in one SELECT.

        Tabs between, a backslash before a tab or backslash in a text, a space for a line end.

        Returns
        -------
        How many rows Sqoop has read.
        """
        args = ["--table", check_name(table), "--columns", ",".join(columns)]
        args += ["--num-mappers", "1", "--target-dir", target]  # one SELECT sees one state
        args += ["--fields-terminated-by", r"\t", "--escaped-by", r"\\"]
        args += ["--null-string", NULL_IMPORTED, "--null-non-string", NULL_IMPORTED]
        args += ["--hive-delims-replacement", " "]
        return self._job(f"import {table}", "import", args)

    def export_directory(self, source: str, columns: Sequence[str], table: str) -> int:
        r"""Insert the lines of a directory of HDFS into a table: tabs between, `\N` for NULL.

        A task that fails may have written some of them.

        Returns
        -------
        How many rows Sqoop has written.
        """
        args = ["--table", check_name(table), "--columns", ",".join(columns)]
        args += [
            "--num-mappers",
            "1",
            "--export-dir",
            source,
            "--input-fields-terminated-by",
            r"\t",
        ]
        args += ["--input-null-string", _NULL_EXPORTED, "--input-null-non-string", _NULL_EXPORTED]
        return self._job(f"export {table}", "export", args)

    def _job(self, name: str, tool: str, args: list[str]) -> int:
        made = str(Path(self._folder.name, "made"))  # the class that Sqoop writes and compiles
        args = ["--mapreduce-job-name", f"sqoop {name}", *args, "--outdir", made, "--bindir", made]
        found = _COUNTED.findall(self._run(tool, args, ["--", "--schema", self._database.schema]))
        if not found:
            raise JobError(f"sqoop {tool}: it did not say how many rows it copied")
        return int(found[-1])

    def _run(self, tool: str, args: Sequence[str], last: Sequence[str] = ()) -> str:
        """Run a tool to its end, and return all that it said."""
        command = [str(self._bin), tool, "--connect", self._database.url]
        command += ["--username", self._database.user, *self._password(), *args, *last]
        said: list[str] = []
        application = ""
        with subprocess.Popen(
            command,
            cwd=self._folder.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    said.append(line)
                    match = _APPLICATION.search(line)
                    if match and match[1] != application:
                        application = match[1]
                        self._progress.note(f"{tool}: YARN application {application}")
                code = process.wait()
            except BaseException:
                process.kill()
                if application:  # it would go on without its client
                    yarn.kill(self._resourcemanager, application)
                raise
        text = "".join(said)
        if code or _REFUSED.search(text):
            raise self._failure(tool, text, application)
        return text

    def _password(self) -> list[str]:
        """Write the password without a line end: Sqoop would take that for a part of it."""
        if self._database.password_file is None:
            return []
        path = Path(self._folder.name, "password")
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(self._database.password_file.read_bytes().rstrip(b"\r\n"))
        return ["--password-file", path.as_uri()]

    def _failure(self, tool: str, said: str, application: str) -> ConfigError | JobError:
        refused, errors = _REFUSED.search(said), _ERROR.findall(said)
        where = f"{self._database.name} at {self._database.host}:{self._database.port}"
        if refused and not application:
            return ConfigError(f"sqoop {tool}: the database {where} refused: {refused[1].strip()}")
        told = yarn.diagnostics(self._resourcemanager, application) if application else None
        cause = refused[1] if refused else told or (errors or ["it left no reason"])[-1]
        job = f" (application {application})" if application else ""
        return JobError(f"sqoop {tool}{job} on the database {where} failed: {cause.strip()}")


def parse_rows(text: str) -> list[list[str]]:
    r"""Read the rows of the table that `sqoop eval` prints, the first one its heading.

    >>> parse_rows("---\n| a  | b  | \n---\n| 1  | 22 | \n---\n")
    [['a', 'b'], ['1', '22']]
    """
    matches = (_ROW.match(line) for line in text.splitlines())
    return [[cell.strip() for cell in match[1].split(" | ")] for match in matches if match]
