#!/usr/bin/python
"""Bring the distributions from this machine to the hosts: packed once, sent once, fanned out."""

from __future__ import annotations

import hashlib
import http.server
import os
import secrets
import shutil
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: cluster_package
short_description: Pack, offer and unpack the distributions of a cluster
description:
  - O(phase=pack), on the controller, makes one tar file of O(sources), unless it is there.
  - O(phase=look) tells whether a host has the package already.
  - O(phase=serve), on the host that the tar file was sent to, offers it to the others over HTTP at
    an address that nobody can guess, until all have it or two minutes have passed.
  - O(phase=unpack) takes it from there, checks it, and unpacks it into the directory's C(dist).
options:
  phase: {type: str, choices: [pack, look, serve, unpack], required: true, description: What to do.}
  directory: {type: path, required: true, description: Directory of packages, or of the cluster.}
  sources: {type: list, elements: path, default: [], description: Directories to pack.}
  archives: {type: list, elements: str, default: [], description: Class archives that go with them.}
  digest: {type: str, default: "", description: Of what the package must hold.}
  sha256: {type: str, default: "", description: Of the tar file.}
  address: {type: str, default: "", description: Address to offer it at.}
  downloads: {type: int, default: 0, description: How many hosts take it.}
  url: {type: str, default: "", description: Where it is offered.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- cluster_package: {phase: unpack, directory: /data/imagenet, url: "http://…", sha256: …, digest: …}
"""
RETURN = r"""
path: {description: The tar file., returned: phase=pack, type: str}
digest: {description: Of the names and sizes of what is in it., returned: phase=pack, type: str}
sha256: {description: Of the tar file., returned: phase=pack, type: str}
present: {description: Whether the host has it., returned: phase=look, type: bool}
url: {description: Where it is offered., returned: phase=serve, type: str}
"""

TAR = "package.tar"
MARK = ".package"
KEPT = 3
CHUNK = 1 << 20
IDLE_S = 120
ANSWER_S = 60
ARCHIVE = ".jsa"


class Failure(Exception):
    """The package cannot be had; the message is one sentence."""


def main() -> None:
    """Do one phase."""
    module = AnsibleModule(
        argument_spec={
            "phase": {
                "type": "str",
                "choices": ["pack", "look", "serve", "unpack"],
                "required": True,
            },
            "directory": {"type": "path", "required": True},
            "sources": {"type": "list", "elements": "path", "default": []},
            "archives": {"type": "list", "elements": "str", "default": []},
            "digest": {"type": "str", "default": ""},
            "sha256": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "downloads": {"type": "int", "default": 0},
            "url": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    args = module.params
    if module.check_mode and args["phase"] in ("serve", "unpack"):
        module.exit_json(changed=True, url="")
    try:
        result = PHASES[args["phase"]](args)
    except (Failure, OSError, tarfile.TarError) as error:
        module.fail_json(msg=f"the package of distributions: {error}")
    module.exit_json(**result)


def pack(args: dict[str, Any]) -> dict[str, Any]:
    """Make the tar file, with class archives as far as they are there.

    Those do not count for its identity: a host that has the jars does not need them.
    """
    root = Path(args["directory"])
    root.mkdir(parents=True, exist_ok=True)
    files = [file for source in args["sources"] for file in files_of(Path(source), args)]
    digest = digest_of(name for name in files if not name[0].endswith(ARCHIVE))
    target = root / f"{digest_of(files)}.tar"
    changed = not target.exists()
    if changed:
        made = root / f".making-{os.getpid()}"
        with tarfile.open(made, mode="w") as tar:
            for name, path in files:
                tar.add(path, arcname=name, recursive=False, filter=anonymous)
        made.rename(target)
    target.touch()
    for old in sorted(root.glob("*.tar"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink()
    with target.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {"changed": False, "path": str(target), "digest": digest, "sha256": sha256}


def files_of(source: Path, args: dict[str, Any]) -> list[tuple[str, Path]]:
    """List the files below a directory with their names in the package; locks stay here."""
    found = []
    for path in sorted(source.rglob("*")):
        foreign = path.suffix == ARCHIVE and path.name not in args["archives"]
        if path.is_file() and not foreign and path.suffix not in (".lock", ".xml"):
            found.append((f"{source.name}/{path.relative_to(source)}", path))
    return found


def digest_of(files: Iterator[tuple[str, Path]] | list[tuple[str, Path]]) -> str:
    """Name a list of files: their directories are named after their content already."""
    lines = (f"{name} {path.stat().st_size}\n" for name, path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who packed it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def look(args: dict[str, Any]) -> dict[str, Any]:
    """Compare the mark of what was unpacked."""
    mark = Path(args["directory"], "dist", MARK)
    there = mark.read_text() if mark.is_file() else ""
    return {"changed": False, "present": there == args["digest"]}


def serve(args: dict[str, Any]) -> dict[str, Any]:
    """Offer the tar file from a process of its own, whose place is the cluster's directory."""
    folder = Path(args["directory"], "tmp")
    path = f"/{secrets.token_urlsafe(24)}"
    file = (folder / TAR).open("rb")
    server = Server((args["address"], 0), file, path, args["downloads"])
    url = f"http://{args['address']}:{server.server_address[1]}{path}"
    if os.fork() == 0:
        os.setsid()
        os.chdir(folder)
        with Path(os.devnull).open("r+b") as nothing:
            for number in range(3):
                os.dup2(nothing.fileno(), number)
        try:
            server.offer()
        finally:
            (folder / TAR).unlink(missing_ok=True)
            os._exit(0)
    return {"changed": True, "url": url}


class Server(http.server.ThreadingHTTPServer):
    """Gives one file to those who know its path, so many times."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], file: BinaryIO, path: str, downloads: int) -> None:
        super().__init__(address, Handler)
        self.file, self.path = file, path
        self.size = os.fstat(file.fileno()).st_size
        self.left = threading.Semaphore(0)
        self.downloads = downloads

    def offer(self) -> None:
        """Serve until all have it, or nobody came for two minutes."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        for _ in range(self.downloads):
            if not self.left.acquire(timeout=IDLE_S):
                break


class Handler(http.server.BaseHTTPRequestHandler):
    """One download."""

    server: Server

    def do_GET(self) -> None:  # the library's name
        """Send the file."""
        if not secrets.compare_digest(self.path, self.server.path):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(self.server.size))
        self.end_headers()
        at = 0
        while at < self.server.size:
            at += os.sendfile(
                self.connection.fileno(), self.server.file.fileno(), at, self.server.size - at
            )
        self.server.left.release()

    def log_message(self, *_: object) -> None:
        """Say nothing: there is no log."""


def unpack(args: dict[str, Any]) -> dict[str, Any]:
    """Download, check and unpack; directories that are there already stay."""
    root = Path(args["directory"])
    dist = root / "dist"
    dist.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root / "tmp", prefix="package-") as scratch:
        tar = Path(scratch, TAR)
        found = download(args["url"], tar)
        if found != args["sha256"]:
            raise Failure(f"{args['url']} has sha256 {found[:16]}…, not {args['sha256'][:16]}…")
        with tarfile.open(tar) as archive:  # of the host's Python, which may know no filters
            archive.extractall(scratch, members=[*checked(archive)])  # noqa: S202
        tar.unlink()
        for path in Path(scratch).iterdir():
            if not (dist / path.name).exists():
                path.rename(dist / path.name)
    (dist / MARK).write_text(args["digest"])
    return {"changed": True}


def checked(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members, all of which must be files below the place they are unpacked in."""
    for member in archive:
        if not member.isfile() or member.name.startswith("/") or ".." in Path(member.name).parts:
            raise Failure(f"it holds {member.name}, which is no file in it")
        yield member


def download(url: str, target: Path) -> str:
    """Fetch a file past any proxy and return its sha256."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_S) as answer, target.open("wb") as out:
            shutil.copyfileobj(answer, out, CHUNK)
    except (OSError, ValueError) as error:
        raise Failure(f"{url.rpartition('/')[0]} does not give it: {error}") from error
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


PHASES = {"pack": pack, "look": look, "serve": serve, "unpack": unpack}

if __name__ == "__main__":
    main()
