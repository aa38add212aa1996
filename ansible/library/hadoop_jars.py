#!/usr/bin/python
"""Put the jars of Hadoop, or of a program on it, into a cache that all clusters of a user share."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.class_names import renamed_classes

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
  need_native: {type: bool, default: false, description: Refuse one without the native library.}
  shuffle_check:
    {type: str, default: "", description: Java source of a class that goes before Hadoop's own.}
  compiler_pom: {type: str, default: "", description: Text of the pom.xml of its compiler.}
  renamed:
    type: dict
    default: {}
    description: Old to new name of classes that are called differently in this Hadoop.
  apart:
    type: dict
    default: {}
    description: Folder beside lib to its artifacts, which the index does not name.
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
native: {description: Whether it has Hadoop's native library., returned: success, type: bool}
"""

NATIVE = "libhadoop.so"
FIRST = "0-shuffle-check.jar"  # before all others of the class path, which is sorted
RENAMED = "0-renamed.jar"
PACKAGE = re.compile(r"^package ([\w.]+);", re.MULTILINE)
CLASS = re.compile(r"^public class (\w+)", re.MULTILINE)
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
            "need_native": {"type": "bool", "default": False},
            "shuffle_check": {"type": "str", "default": ""},
            "compiler_pom": {"type": "str", "default": ""},
            "renamed": {"type": "dict", "default": {}},
            "apart": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    args = module.params
    home = home_of(args)
    if module.check_mode:
        module.exit_json(changed=not home.is_dir(), **describe(home, args["key_jar"]))
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        changed = have(home, lambda: make(home, args))
        if args["need_native"] and not describe(home, args["key_jar"])["native"]:
            raise Failure(f"{args['tarball']} holds no lib/native/{NATIVE} of this processor")
        if args["shuffle_check"]:
            plain, home = home, checked_home(home, args["shuffle_check"])
            changed |= have(home, lambda: put_before(plain, home, args))
    except Failure as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=changed, **describe(home, args["key_jar"]))


def have(home: Path, made: Callable[[], None]) -> bool:
    """Make a distribution unless it is there; tell whether it was made."""
    with lock(home.with_name(f"{home.name}.lock")):
        missing = not home.is_dir()  # another `up` may have made it meanwhile
        if missing:
            made()
    return missing


def home_of(args: dict[str, Any]) -> Path:
    """Name a distribution after what decides its content."""
    if args["tarball"]:
        return Path(args["cache"], f"{args['name']}-apache-{args['sha512'].lower()[:12]}")
    changes = "".join(f"{args[key]}" for key in ("renamed", "apart") if args[key])
    digest = hashlib.sha256((args["pom"] + changes).encode()).hexdigest()[:12]
    return Path(args["cache"], f"{args['name']}-{args['version']}-{digest}")


def checked_home(home: Path, source: str) -> Path:
    """Name the same distribution with a class of ours before its own."""
    return home.with_name(f"{home.name}-shuffle-{hashlib.sha256(source.encode()).hexdigest()[:8]}")


def describe(home: Path, key: str) -> dict[str, Any]:
    """Tell what is in a distribution: its version by its key jar, and its class archives."""
    jar = next(iter(home.glob(f"lib/{key}-*.jar")), None)
    return {
        "home": str(home),
        "key_jar": str(jar or ""),
        "version": jar.stem.removeprefix(f"{key}-") if jar else "",
        "archives": sorted(path.name for path in home.glob("*.jsa")),
        "native": (home / "native" / NATIVE).is_file(),
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
            unpack(args["tarball"], args["sha512"], Path(scratch), made)
        else:
            resolve(args["pom"], made / "lib", args["name"])
            rename(made / "lib", args["renamed"])
            for folder, names in args["apart"].items():
                (made / folder).mkdir()
                for jar in [jar for name in names for jar in made.glob(f"lib/{name}-[0-9]*.jar")]:
                    jar.rename(made / folder / jar.name)
        if not describe(made, args["key_jar"])["version"]:
            raise Failure(f"the distribution has no {args['key_jar']} jar")
        write_index(made / f"{args['name']}.jar", sorted((made / "lib").glob("*.jar")))
        made.rename(home)


def put_before(plain: Path, home: Path, args: dict[str, Any]) -> None:
    """Compile a class and make a distribution whose class path begins with it, by hard links."""
    source = args["shuffle_check"]
    package, name = PACKAGE.search(source), CLASS.search(source)
    java = shutil.which("java", path=f"{os.environ.get('JAVA_HOME', '')}/bin:{os.environ['PATH']}")
    if package is None or name is None or java is None:
        raise Failure("the class that checks shuffled files has no name, or there is no java here")
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".making-{home.name}-") as scratch:
        made, code = Path(scratch, "home"), Path(scratch, f"{name[1]}.java")
        compiler, classes = Path(scratch, "compiler"), Path(scratch, "classes")
        (made / "lib").mkdir(parents=True)
        compiler.mkdir()
        code.write_text(source)
        resolve(args["compiler_pom"], compiler / "lib", "the compiler")
        command = [java, "-jar", *map(str, (compiler / "lib").glob("*.jar")), "-17", "-nowarn"]
        command += ["-cp", str(plain / f"{args['name']}.jar"), "-d", str(classes), str(code)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"{code.name} does not compile against {plain.name}: {done.stderr[:300]}")
        with zipfile.ZipFile(made / "lib" / FIRST, "w") as jar:
            for path in sorted(classes.rglob("*.class")):
                jar.write(path, path.relative_to(classes))
        for path in (plain / "lib").glob("*.jar"):
            os.link(path, made / "lib" / path.name)
        write_index(made / f"{args['name']}.jar", sorted((made / "lib").glob("*.jar")))
        made.rename(home)


def rename(lib: Path, names: dict[str, str]) -> None:
    """Put the classes that use an old name before their own jars, with the new name."""
    classes = dict(renamed_classes(sorted(lib.glob("*.jar")), names)) if names else {}
    if names and not classes:
        raise Failure(f"no class of {lib} knows {', '.join(names)}")
    if classes:
        with zipfile.ZipFile(lib / RENAMED, "w") as jar:
            for name, code in classes.items():
                jar.writestr(name, code)


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


def unpack(source: str, sha512: str, scratch: Path, made: Path) -> None:
    """Take jars and native library out of an Apache tarball, after its checksum was found right."""
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
            folder = made / ("native" if is_native(member.name) else "lib")
            name = Path(member.name).name
            taken = (member.isfile() and wanted(member.name)) or is_native(member.name)
            if taken and not (folder / name).exists():
                member.name = name  # the folder of the tarball goes no further
                archive.extract(member, folder, filter="data")


def is_native(member: str) -> bool:
    """Tell whether a member is Hadoop's native library, or a link that gives it its short name."""
    return re.fullmatch(rf"[^/]+/lib/native/{re.escape(NATIVE)}[\d.]*", member) is not None


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
