"""An extension of IPython: the helpers by name, `%%hql`, `%hdfs`, and `%pipeline` for commands.

The kernel of `bin/pipeline lab` loads it; elsewhere `%load_ext pipeline.lab_magic` does.
`%%hql` is jupysql's `%%sql` on the cluster's Hive, by the SQLAlchemy dialect of impyla; on a
cluster without Hive the index answers, by DuckDB.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from mr_jobs.lib.errors import ConfigError, PipelineError
from mr_jobs.lib.shown import shown_lines
from pipeline.cluster import Cluster
from pipeline.lab_files import OPTIONS, options_from
from pipeline.lab_helpers import Helpers
from pipeline.playbooks import ROOT
from pipeline.shells.statements import Statements

_ENGINE = "hive_engine"  # the variable that jupysql finds the connection by
_USE = re.compile(r"USE\s+`?(\w+)`?", re.IGNORECASE)
_CAUSE = re.compile(r"\(impala\.error\.\w+\) (?:Error while \w+ statement: )?(?:FAILED: )?([^\n]*)")


def load_ipython_extension(shell: Any) -> None:  # noqa: ANN401  # IPython has no types
    """Give an IPython shell the helpers and the magics."""
    options = options_from(os.environ.get(OPTIONS, ""))
    helpers = Helpers(options)
    shell.push(helpers.namespace(), interactive=False)
    hive, hdfs = HiveMagic(shell, helpers), HdfsMagic(helpers)
    shell.register_magic_function(hive.run, "line_cell", "hql")
    shell.register_magic_function(hdfs.run, "line_cell", "hdfs")
    shell.register_magic_function(PipelineMagic(options).run, "line", "pipeline")
    shell.set_custom_exc((PipelineError,), _show_sentence)
    os.environ.setdefault("MRJOB_CONF", str(ROOT / "mrjob.conf"))
    if helpers.cluster:
        os.environ.setdefault("HADOOP_HOME", str(helpers.cluster.dir))


def _show_sentence(
    shell: Any,  # noqa: ANN401
    kind: type[BaseException],
    error: BaseException,
    _trace: object,
    tb_offset: int | None = None,
) -> None:
    """Show an error of the pipeline as what it is: a sentence, and no programmer's mistake."""
    shell._showtraceback(kind, error, [shown_lines(str(error))])


class HiveMagic:
    """`%%hql`: statements for Hive, each ended by a semicolon; the answer of the last is shown.

    `%%hql rows <<` keeps it in a variable, as jupysql does.
    """

    def __init__(self, shell: Any, helpers: Helpers) -> None:  # noqa: ANN401
        self._shell = shell
        self._helpers = helpers
        self._database: str | None = None
        self._is_ready = False
        self._filled = ""  # the image store whose tables are known to be filled

    def run(self, line: str, cell: str | None = None) -> Any:  # noqa: ANN401
        """Do the statements of a cell, or the one of a line."""
        keep, text = (line, cell) if cell is not None else ("", line)
        statements = Statements()
        found = statements.add(text)
        if statements.rest:
            found.append(statements.rest)
        if not found:
            raise ConfigError("%%hql wants a statement, such as SHOW TABLES")
        cluster = self._helpers.cluster
        if cluster is None or cluster.hive_port is None:
            return self._by_index(found, keep)
        self._make_ready(cluster)
        answer = None
        for statement in found:
            answer = self._do(statement, keep if statement is found[-1] else "")
        return answer

    def _by_index(self, statements: list[str], keep: str) -> Any:  # noqa: ANN401
        answers = [self._helpers.query(statement) for statement in statements]
        name = keep.removesuffix("<<").strip()
        if name:
            self._shell.user_ns[name] = answers[-1]
        return None if name else answers[-1]

    def _do(self, statement: str, keep: str) -> Any:  # noqa: ANN401
        used = _USE.fullmatch(statement)
        if used:
            self._database = used[1]
            return None
        answer = self._sql("cell", keep, statement)
        return answer if getattr(answer, "keys", True) else None  # one without columns says nothing

    def _sql(self, kind: str, *text: str) -> Any:  # noqa: ANN401
        """Hand over to jupysql."""
        from IPython.core.error import UsageError

        try:
            return getattr(self._shell, f"run_{kind}_magic")("sql", *text)
        except UsageError as error:
            cause = _CAUSE.search(str(error))
            raise ConfigError(f"Hive: {cause[1] if cause else error}") from error

    def _make_ready(self, cluster: Cluster) -> None:
        """Load jupysql, once, and tell it where Hive is."""
        if self._is_ready:
            return
        if not find_spec("sql"):
            raise ConfigError("%%hql needs the extra lab: bin/setup --extra lab")
        from IPython.utils.capture import capture_output

        with capture_output(), _quiet_jupysql():
            self._shell.run_line_magic("load_ext", "sql")
        from sqlalchemy import create_engine

        engine = create_engine("impala://", creator=lambda: _Connection(cluster, self))
        self._shell.user_ns[_ENGINE] = engine
        settings = {"feedback": 0, "displaylimit": 60, "named_parameters": "disabled"}
        for name, value in settings.items():  # a colon in a text is no parameter
            self._shell.run_line_magic("config", f"SqlMagic.{name} = {value!r}")
        self._sql("line", f"{_ENGINE} --alias hive")
        self._is_ready = True

    @property
    def database(self) -> str:
        """The database to work in: of the last USE, else the image store's, else `default`."""
        if self._database:
            return self._database
        from pipeline.index import open_index
        from pipeline.index.hive_engine import database_of

        try:
            images = self._helpers.images
        except ConfigError:  # none yet, or several
            return "default"
        if images.name != self._filled:
            open_index(images, "hive").close()  # fills it if need be
            self._filled = images.name
        return database_of(images.name)


class HdfsMagic:
    """`%hdfs ls /`, or a line each in a cell of `%%hdfs`: what `bin/pipeline shell hdfs` does."""

    def __init__(self, helpers: Helpers) -> None:
        self._helpers = helpers

    def run(self, line: str, cell: str | None = None) -> None:
        """Do the commands."""
        from pipeline.shells.console import run_lines
        from pipeline.shells.hdfs import HdfsShell

        cluster = self._helpers.cluster
        if cluster is None:
            raise ConfigError("%hdfs needs a cluster; start it with `bin/pipeline up`")
        run_lines(HdfsShell(cluster, sys.stdout), [line, *(cell or "").splitlines()])


class _Connection:
    """A connection of impyla whose sessions, one a cursor, begin in the magic's database."""

    def __init__(self, cluster: Cluster, magic: HiveMagic) -> None:
        from pipeline.index.hive_engine import connection_to

        self._connection = connection_to(cluster)
        self._magic = magic

    def cursor(self, **options: Any) -> Any:  # noqa: ANN401
        """Open a session."""
        from pipeline.index.hive_engine import SETTINGS

        given = options.pop("configuration", None) or {}
        settings = SETTINGS | {"use:database": self._magic.database} | given
        return self._connection.cursor(configuration=settings, **options)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._connection, name)


@contextmanager
def _quiet_jupysql() -> Iterator[None]:
    """Let jupysql be imported: it tells nobody, and does without Spark's remote client.

    That one's import fails in another way than jupysql expects, for want of pandas.
    """
    os.environ["PLOOMBER_STATS_ENABLED"] = "false"
    os.environ["PLOOMBER_VERSION_CHECK_DISABLED"] = "true"
    absent = "pyspark.sql.connect"
    hidden = absent not in sys.modules
    if hidden:
        sys.modules[absent] = None  # type: ignore[assignment]  # an import of it finds nothing
    try:
        yield
    finally:
        if hidden:
            del sys.modules[absent]


class PipelineMagic:
    """`%pipeline COMMAND …`: a command of `bin/pipeline` on this notebook's cluster."""

    def __init__(self, options: Any) -> None:  # noqa: ANN401
        self._options = options

    def run(self, line: str) -> None:
        """Run a command, and print what it says while it goes.

        Raises
        ------
        ConfigError
            It failed; its own sentence is printed above.
        """
        words = self._with_cluster(shlex.split(line))
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                for text in process.stdout or ():
                    sys.stdout.write(text)
            except KeyboardInterrupt:
                process.wait()  # it was interrupted, too, and tidies up
                raise
        if process.returncode:
            raise ConfigError(f"pipeline {words[0]} ended with exit code {process.returncode}")

    def _with_cluster(self, words: list[str]) -> list[str]:
        """Add the options that name the cluster, where a command takes them."""
        from pipeline.arguments import build_parser

        options = ["--name", str(self._options.name)]
        if self._options.cluster_dir:
            options += ["--cluster-dir", str(self._options.cluster_dir)]
        if self._options.cluster:
            options = ["--cluster", self._options.cluster]
        try:
            _, unknown = build_parser().parse_known_args([*words, *options])
        except SystemExit as error:  # its parser has printed why
            raise ConfigError("that is no command; `%pipeline --help` lists them") from error
        return words if options[0] in unknown else [*words, *options]
