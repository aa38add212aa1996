"""Find the Hadoop that is installed here: its program, configuration and streaming jar."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mr_jobs.lib.errors import ConfigError

_HDP = "usr/hdp"
_CONF = "etc/hadoop/conf"
# Below the home of Apache's tarball, of HDP by `current` and by version, of CDH.
_JARS = (
    "share/hadoop/tools/lib",
    "../hadoop-mapreduce-client",
    "../hadoop-mapreduce",
    "lib/hadoop-mapreduce",
)
_VERSION = re.compile(r"^Hadoop (\d+)\.(\d+)(\S*)", re.MULTILINE)
_OLDEST = 3
_LONGEST_S = 60


@dataclass(frozen=True)
class Hadoop:
    """An installed Hadoop; `version` is that of its client."""

    program: Path
    conf_dir: Path
    streaming_jar: Path
    version: str


def find_hadoop(problems: list[str], root: Path = Path("/")) -> Hadoop | None:
    """Find the installed Hadoop: by HADOOP_HOME, as HDP's tree, or on PATH.

    The configuration is HADOOP_CONF_DIR, else that of its home, else /etc/hadoop/conf.

    Parameters
    ----------
    problems : a sentence is added for each thing that is missing or too old.
    root : below it HDP's tree and /etc/hadoop/conf are looked for.

    Returns
    -------
    What was found, if nothing is missing.
    """
    home, program = _program(os.environ, root, problems)
    conf_dir = _conf_dir(os.environ, home, root, problems)
    if program is None or home is None:
        return None
    jar = _streaming_jar(home, problems)
    version = _version(program, conf_dir, problems)
    if conf_dir is None or jar is None or version is None:
        return None
    return Hadoop(program, conf_dir, jar, version)


def write_launcher(hadoop: Hadoop, folder: Path) -> Path:
    """Write a program that is Hadoop's with this configuration, for all that starts it."""
    path, part = folder / "hadoop", folder / f".hadoop.{os.getpid()}"
    conf_dir, program = shlex.quote(str(hadoop.conf_dir)), shlex.quote(str(hadoop.program))
    part.write_text(f'#!/bin/sh\nHADOOP_CONF_DIR={conf_dir} exec {program} "$@"\n', "utf-8")
    part.chmod(0o755)
    part.rename(path)
    return path


def _program(
    environ: Mapping[str, str], root: Path, problems: list[str]
) -> tuple[Path | None, Path | None]:
    """Return Hadoop's home and its program."""
    if given := environ.get("HADOOP_HOME"):
        program = Path(given, "bin", "hadoop")
        if _is_program(program):
            return Path(given), program
        problems.append(f"HADOOP_HOME is {given}, where no bin/hadoop is; correct it or unset it")
        return None, None
    places = [root / _HDP / "current" / "hadoop-client"]
    versions = (path for path in (root / _HDP).glob("[0-9]*") if path.is_dir())
    places += [path / "hadoop" for path in sorted(versions, key=_by_numbers, reverse=True)]
    for home in places:
        if _is_program(home / "bin" / "hadoop"):
            return home, home / "bin" / "hadoop"
    if found := shutil.which("hadoop", path=environ.get("PATH")):
        return Path(found).resolve().parents[1], Path(found)
    tried = ", ".join(("HADOOP_HOME (not set)", str(root / _HDP), "hadoop on PATH"))
    problems.append(f"no Hadoop is installed here; tried {tried}: set HADOOP_HOME")
    return None, None


def _by_numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name)]


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _conf_dir(
    environ: Mapping[str, str], home: Path | None, root: Path, problems: list[str]
) -> Path | None:
    if given := environ.get("HADOOP_CONF_DIR"):
        if (Path(given) / "core-site.xml").is_file():
            return Path(given).absolute()
        problems.append(
            f"HADOOP_CONF_DIR is {given}, where no core-site.xml is; correct it or unset it"
        )
        return None
    places = [*([home / "etc" / "hadoop"] if home else []), root / _CONF]
    for place in places:
        if (place / "core-site.xml").is_file():
            return place.absolute()
    tried = ", ".join(("HADOOP_CONF_DIR (not set)", *map(str, places)))
    problems.append(
        f"no configuration of a cluster is here, a directory with core-site.xml; tried {tried}: "
        "set HADOOP_CONF_DIR"
    )
    return None


def _streaming_jar(home: Path, problems: list[str]) -> Path | None:
    for folder in _JARS:
        found = (home / folder).glob("hadoop-streaming*.jar")
        jars = [jar for jar in found if not jar.stem.endswith(("-sources", "-tests", "-javadoc"))]
        if jars:
            return min(jars, key=lambda jar: (len(jar.name), jar.name)).resolve()
    problems.append(
        f"no hadoop-streaming*.jar belongs to {home}; tried {', '.join(_JARS)} there: install "
        "Hadoop's tools"
    )
    return None


def _version(program: Path, conf_dir: Path | None, problems: list[str]) -> str | None:
    """Return what the program says; it must be Hadoop 3."""
    try:
        said = client([str(program), "version"], conf_dir)
    except ConfigError as error:
        problems.append(str(error))
        return None
    found = _VERSION.search(said)
    if found is None:
        problems.append(f"`{program} version` does not say `Hadoop` and a version: {said[:80]!r}")
        return None
    version = f"{found[1]}.{found[2]}{found[3]}"
    if int(found[1]) < _OLDEST:
        problems.append(f"{program} is of Hadoop {version}; {_OLDEST}.0 or newer is needed")
        return None
    return version


def client(command: list[str], conf_dir: Path | None) -> str:
    """Return the standard output of a program of Hadoop.

    Raises
    ------
    ConfigError
        It cannot be started, fails, or does not end in time; with its last words.
    """
    environ = {**os.environ, **({"HADOOP_CONF_DIR": str(conf_dir)} if conf_dir else {})}
    told = f"`{shlex.join(command)}`"
    try:
        done = subprocess.run(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST_S,
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"{told} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(f"{told} did not end within {_LONGEST_S} s") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise ConfigError(f"{told} failed: {lines[-1].strip()}")
    return done.stdout
