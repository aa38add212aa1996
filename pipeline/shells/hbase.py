"""HBase's own shell, a Ruby console in a JVM, with a history of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from mr_jobs.lib.errors import ConfigError
from mr_jobs.lib.shown import shown_lines
from pipeline.cluster import Cluster
from pipeline.cluster_mark import has_no
from pipeline.shells import console

_HISTORY = "HBASE_SHELL_HISTORY"
_SETTINGS = f"""\
require 'irb/ext/save-history'
IRB.conf[:SAVE_HISTORY] = 1000
IRB.conf[:HISTORY_FILE] = ENV['{_HISTORY}']
"""
_BANNER = """\
HBase of cluster {name}; its shell is Ruby, and takes some seconds to start
  list                                          the tables
  create 'hello', 'cf'                          one, with a column family
  put 'hello', 'row1', 'cf:word', 'elephant'    a cell
  scan 'hello', {{LIMIT => 3}}                    some rows
  get 'hello', 'row1'                           one row
  disable 'hello'; drop 'hello'
help lists all, Ctrl-D leaves"""


def launcher_of(cluster: Cluster) -> Path:
    """Return HBase's launcher in a cluster; a ConfigError if it has no HBase."""
    if cluster.hbase_bin is None:
        raise has_no(cluster.name, "HBase")
    return cluster.hbase_bin


def converse(cluster: Cluster) -> None:
    """Become HBase's shell; does not return."""
    launcher = launcher_of(cluster)
    history = console.history_file("hbase")
    settings = console.HISTORIES / "hbase.irbrc"
    settings.write_text(_SETTINGS, "utf-8")
    sys.stdout.write(_BANNER.format(name=cluster.name) + "\n")
    sys.stdout.flush()
    variables = {"IRBRC": str(settings), _HISTORY: str(history)}
    os.execve(launcher, [str(launcher), "shell"], {**os.environ, **variables})  # noqa: S606


def run_lines(cluster: Cluster, lines: Iterable[str]) -> None:
    """Do what lines say, up to the first that fails.

    Raises
    ------
    ConfigError
        HBase refused one; the sentence says why, without the trace of its Ruby.
    """
    with subprocess.Popen(
        [str(launcher_of(cluster)), "shell", "-n"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as shell:
        _, said = shell.communicate("".join(f"{line.rstrip()}\n" for line in lines))
    if shell.returncode:
        why = next(iter(said.splitlines()), "it says nothing").removeprefix("RuntimeError: ")
        raise ConfigError(f"HBase: {why.rstrip('!')}; see `bin/pipeline status` if it is not well")
    sys.stderr.write(shown_lines(said))
