#!/usr/bin/python
"""Have MIT Kerberos' programs, server included, without root: installed, or Debian's unpacked."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: kerberos_tools
short_description: Have the programs of a Kerberos server and of its clients
description:
  - Programs that are installed are taken, unless they are to be sent to other hosts.
  - Else Debian's packages are downloaded by apt-get and unpacked by dpkg-deb into the cache.
options:
  cache: {type: path, required: true, description: Directory of all distributions.}
  portable: {type: bool, default: false, description: Other hosts get them, too.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- kerberos_tools: {cache: /data/cache}
"""
RETURN = r"""
home: {description: Directory with bin and lib; empty if installed., returned: success, type: str}
"""

PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit", "klist", "kdestroy")
PACKAGES = ("krb5-kdc", "krb5-admin-server", "krb5-user")
# what they need beside the C library: their own libraries, and those of the server's event loop
NEEDED = re.compile(
    r"(krb5-(kdc|admin-server|user)|lib(krb5|k5|kadm5|kdb5|gss|verto(?!-glib)|ev\d|ss\d|com-err|keyutils)\S*)"
)
ADVICE = "install krb5-kdc, krb5-admin-server and krb5-user, which needs root"


class Failure(Exception):
    """The programs cannot be had; the message is one sentence."""


def main() -> None:
    """Look for the programs, then in the cache, then fetch them."""
    module = AnsibleModule(
        argument_spec={
            "cache": {"type": "path", "required": True},
            "portable": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    if shutil.which("curl") is None:
        module.fail_json(
            msg="curl is missing, which answers the web interfaces' Kerberos: install it"
        )
    installed = all(shutil.which(program, path=path) for program in PROGRAMS)
    if installed and not module.params["portable"]:
        module.exit_json(changed=False, home="")
    home = Path(module.params["cache"], f"kerberos-{release()}-{platform.machine()}")
    changed = not home.is_dir()
    if changed and not module.check_mode:
        home.parent.mkdir(parents=True, exist_ok=True)
        try:
            with home.with_name(f"{home.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not home.is_dir():  # another `up` may have made it meanwhile
                    make(home)
        except Failure as failure:
            module.fail_json(msg=str(failure))
    module.exit_json(changed=changed, home=str(home))


def release() -> str:
    """Name the distribution whose packages these are."""
    found = platform.freedesktop_os_release()
    return f"{found.get('ID', 'linux')}{found.get('VERSION_ID', '')}"


def make(home: Path) -> None:
    """Unpack the packages into one bin and one lib, in a temporary directory that is renamed."""
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Failure(f"Kerberos' programs are missing, and {program} to fetch them: {ADVICE}")
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".making-{home.name}-") as scratch:
        root, made = Path(scratch, "root"), Path(scratch, "home")
        run(["apt-get", "download", *closure()], Path(scratch))
        for package in sorted(Path(scratch).glob("*.deb")):
            run(["dpkg-deb", "-x", str(package), str(root)], Path(scratch))
        for folder in ("usr/bin", "usr/sbin", "bin", "sbin"):
            move(root / folder, made / "bin")
        for folder in ("usr/lib", "lib"):
            for libraries in (root / folder).glob("*-linux-*"):
                move(libraries, made / "lib")
        lacking = [program for program in PROGRAMS if not (made / "bin" / program).is_file()]
        if lacking:
            raise Failure(f"Debian's packages hold no {lacking[0]}: {ADVICE}")
        made.rename(home)


def closure() -> list[str]:
    """Name the packages, and those that they need, of this system's release."""
    flags = ("suggests", "recommends", "conflicts", "breaks", "replaces", "enhances")
    command = ["apt-cache", "depends", "--recurse", *(f"--no-{flag}" for flag in flags), *PACKAGES]
    lines = run(command, Path("/")).splitlines()
    return sorted({line for line in lines if NEEDED.fullmatch(line)})


def move(source: Path, target: Path) -> None:
    """Move what is in a directory into another one."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir() if source.is_dir() else ():
        if not (target / entry.name).exists():
            entry.rename(target / entry.name)


def run(command: list[str], directory: Path) -> str:
    """Run a program and return what it says, or fail with its last complaint."""
    done = subprocess.run(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        reason = (said or done.stderr.splitlines() or ["no reason given"])[0]
        raise Failure(f"Kerberos' packages cannot be fetched by {command[0]} ({reason}): {ADVICE}")
    return done.stdout


if __name__ == "__main__":
    main()
