#!/usr/bin/python
"""Put the jars of Hadoop, or of a program on it, into a cache that all clusters of a user share."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hadoop_jars
short_description: Resolve the jars of Hadoop or of a program on it once
description: By Maven from a pom.xml, or Hadoop's from an Apache tarball with its sha512.
options:
  name: {type: str, default: hadoop, description: What the jars are of; names their index jar.}
  cache: {type: path, required: true, description: Directory of all distributions.}
  version: {type: str, required: true, description: Version that is wanted.}
  key_jar:
    type: str
    default: hadoop-streaming
    description: Artifact that a whole distribution has; its version is the distribution's.
  pom: {type: str, required: true, description: Text of the pom.xml.}
  tarball: {type: str, default: "", description: URL or path of an Apache tarball; empty is Maven.}
  sha512: {type: str, default: "", description: Checksum of the tarball, in hexadecimal.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- hadoop_jars: {cache: /data/cache, version: 3.4.2, pom: "{{ lookup('file', 'pom.xml') }}"}
"""
RETURN = r"""
home: {description: Directory of this distribution, with lib in it., returned: success, type: str}
version: {description: Version found in it., returned: success, type: str}
key_jar: {description: Path of the artifact O(key_jar)., returned: success, type: str}
archives: {description: Names of its class archives., returned: success, type: list}
"""

JAR_FOLDERS = ("common", "common/lib", "hdfs", "hdfs/lib", "yarn", "yarn/lib", "mapreduce")


class Failure(Exception):
    """The jars cannot be had; the message is one sentence."""


def main() -> None:
    """Resolve the jars unless the cache has them."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "hadoop"},
            "cache": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "key_jar": {"type": "str", "default": "hadoop-streaming"},
            "pom": {"type": "str", "required": True},
            "tarball": {"type": "str", "default": ""},
            "sha512": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    args = module.params
    home = home_of(args)
    if module.check_mode:
        module.exit_json(changed=not home.is_dir(), **describe(home, args["key_jar"]))
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        with lock(home.with_name(f"{home.name}.lock")):
            changed = not home.is_dir()  # another `up` may have made it meanwhile
            if changed:
                make(home, args)
    except Failure as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=changed, **describe(home, args["key_jar"]))


def home_of(args: dict[str, Any]) -> Path:
    """Name a distribution after what decides its content."""
    if args["tarball"]:
        return Path(args["cache"], f"{args['name']}-tarball-{args['sha512'].lower()[:12]}")
    digest = hashlib.sha256(args["pom"].encode()).hexdigest()[:12]
    return Path(args["cache"], f"{args['name']}-{args['version']}-{digest}")


def describe(home: Path, key: str) -> dict[str, Any]:
    """Tell what is in a distribution: its version by its key jar, and its class archives."""
    jar = next(iter(home.glob(f"lib/{key}-*.jar")), None)
    return {
        "home": str(home),
        "key_jar": str(jar or ""),
        "version": jar.stem.removeprefix(f"{key}-") if jar else "",
        "archives": sorted(path.name for path in home.glob("*.jsa")),
    }


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the only right to make one distribution; ends with the process."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make(home: Path, args: dict[str, Any]) -> None:
    """Fill a temporary directory and rename it: a distribution is there whole or not at all."""
    prefix = f".making-{home.name}-"
    for stale in home.parent.glob(f"{prefix}*"):  # of one that was killed; the lock is ours
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=prefix) as scratch:
        made = Path(scratch, "home")
        (made / "lib").mkdir(parents=True)
        if args["tarball"]:
            unpack(args["tarball"], args["sha512"], Path(scratch), made / "lib")
        else:
            resolve(args["pom"], made / "lib", args["name"])
        if not describe(made, args["key_jar"])["version"]:
            raise Failure(f"the distribution has no {args['key_jar']} jar")
        write_index(made / f"{args['name']}.jar", sorted((made / "lib").glob("*.jar")))
        made.rename(home)


def write_index(index: Path, jars: list[Path]) -> None:
    """Write a jar that holds nothing but the names of all others: a short class path.

    Source: the JAR file specification, `Class-Path` and lines of at most 72 bytes.
    """
    text = "Class-Path: " + " ".join(f"{jar.parent.name}/{jar.name}" for jar in jars)
    lines = [text[:72], *(" " + text[at : at + 71] for at in range(72, len(text), 71))]
    with zipfile.ZipFile(index, "w") as archive:
        archive.writestr(
            "META-INF/MANIFEST.MF", "\r\n".join(["Manifest-Version: 1.0", *lines, "", ""])
        )


def resolve(pom: str, lib: Path, name: str) -> None:
    """Copy the jars that a pom.xml names, and theirs, by Maven."""
    if shutil.which("mvn") is None:
        raise Failure("Maven is missing (no mvn on PATH): install it (Debian: maven)")
    (lib.parent / "pom.xml").write_text(pom)
    command = ["mvn", "-B", "-ntp", "dependency:copy-dependencies", f"-DoutputDirectory={lib}"]
    done = subprocess.run(
        command,
        cwd=lib.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
        reason = errors[0].removeprefix("[ERROR]").strip() if errors else done.stderr.strip()
        raise Failure(f"Maven could not resolve {name.capitalize()}'s jars: {reason}")


def unpack(source: str, sha512: str, scratch: Path, lib: Path) -> None:
    """Take the jars out of an Apache tarball, after its checksum was found right."""
    tarball = Path(source)
    if "://" in source:
        tarball = scratch / "hadoop.tar.gz"
        try:
            with urllib.request.urlopen(source, timeout=60) as answer, tarball.open("wb") as out:  # noqa: S310
                shutil.copyfileobj(answer, out)
        except OSError as error:
            raise Failure(f"{source} cannot be fetched: {error}") from error
    if not tarball.is_file():
        raise Failure(f"{source} does not exist")
    with tarball.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha512").hexdigest()
    if found != sha512.lower():
        raise Failure(f"{source} has sha512 {found[:16]}…, not {sha512[:16] or 'given'}…: refused")
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = Path(member.name).name
            if member.isfile() and wanted(member.name) and not (lib / name).exists():
                member.name = name  # the folder of the tarball goes no further
                archive.extract(member, lib, filter="data")


def wanted(member: str) -> bool:
    """Tell whether a member of the Apache tarball is a jar that the class path needs.

    `tools/lib` holds half a gigabyte of cloud clients: only two of its jars are used. The web pages
    of HDFS are in its tests jar, as in the Maven distribution.
    """
    _, _, inside = member.partition("/share/hadoop/")
    folder, _, name = inside.rpartition("/")
    if folder == "tools/lib":
        return name.startswith(("hadoop-streaming-", "hadoop-distcp-"))
    if folder == "yarn/timelineservice":
        return re.fullmatch(r"hadoop-yarn-server-timelineservice-[\d.]+\.jar", name) is not None
    if name.endswith("-tests.jar"):
        return folder == "hdfs" and re.fullmatch(r"hadoop-hdfs-[\d.]+-tests\.jar", name) is not None
    return folder in JAR_FOLDERS and name.endswith(".jar") and "-sources" not in name


if __name__ == "__main__":
    main()
