"""The pipeline's ticket for a secure cluster, and the cookies that the daemons give for it.

The ticket comes from the key of the account `pipeline`, which only memory ever holds in the clear,
and is for this process: its file is below the cluster's `secrets`, named in KRB5CCNAME for the
programs of Hadoop, renewed at half of its life and removed at the end. A cookie comes from one
exchange of SPNEGO by curl; Python has no well-kept package for that without a compiler.
Source: kinit(1), klist(1), and hadoop-auth's AuthenticatedURL.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

from mr_jobs.lib.errors import ClusterError
from pipeline.credentials_files import shred

ACCOUNT = "pipeline"
_TIME_S = 30
_LEAST_WAIT_S = 1.0
_RETRY_S = 5.0
_COOKIE_LEFT_S = 60.0  # a cookie with less to live is made anew
_COOKIE = "hadoop.auth"


class Keys(Protocol):
    """Who has the accounts' keys."""

    def keytab(self, account: str) -> bytes:
        """Return the key of an account."""


class SecureAccess:
    """One process' way into one secure cluster; for any number of threads."""

    def __init__(self, cluster_name: str, cluster_dir: Path, conf_dir: Path, keys: Keys) -> None:
        self._name = cluster_name
        self._launcher = cluster_dir / "bin" / "kerberos"
        self._tickets = cluster_dir / "secrets" / "tickets"
        self._conf_dir = conf_dir
        self._keys = keys
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._ends: datetime | None = None
        self._cookies: dict[str, str] = {}

    @property
    def authority(self) -> str:
        """File with the certificate of the cluster's authority."""
        return str(self._conf_dir / "ca.pem")

    def ticket(self) -> Path:
        """Return the file of a valid ticket; the first call gets it and starts to renew it.

        Raises
        ------
        ClusterError : the Kerberos server does not run, or refuses the account's key.
        """
        with self._lock:
            if self._ends is None:
                self._over.clear()
                _remove_left_over(self._tickets)
                self._renew()
                os.environ["KRB5CCNAME"] = str(self._cache)
                atexit.register(self.close)
                threading.Thread(target=self._keep, daemon=True, name="ticket").start()
            elif self._ends <= datetime.now(UTC):
                self._renew()
            return self._cache

    def cookie(self, origin: str) -> str:
        """Return the header Cookie for a daemon.

        Raises
        ------
        ClusterError : the daemon does not answer, or refuses the ticket.
        """
        with self._lock:
            known = self._cookies.get(origin)
            if known is None or _seconds_left(known) < _COOKIE_LEFT_S:
                known = self._cookies[origin] = self._negotiate(origin)
            return known

    def forget(self, origin: str, cookie: str) -> None:
        """Do not use a cookie again that a daemon has refused."""
        with self._lock:
            if self._cookies.get(origin) == cookie:
                del self._cookies[origin]

    def user(self, origin: str) -> str:
        """Return the name that a daemon knows the pipeline by."""
        return _fields(self.cookie(origin))["u"]

    def close(self) -> None:
        """Stop renewing, and remove the ticket."""
        self._over.set()
        with self._lock, suppress(OSError):
            self._ends = None
            shred(self._cache)

    @property
    def _cache(self) -> Path:
        return self._tickets / str(os.getpid())

    def _keep(self) -> None:
        """Renew the ticket at half of its life, until the end."""
        wait_s = self._half()
        while not self._over.wait(wait_s):
            try:
                with self._lock:
                    self._renew()
                wait_s = self._half()
            except (ClusterError, OSError):
                wait_s = _RETRY_S  # the one at hand is good yet; then `ticket` says what is wrong

    def _half(self) -> float:
        ends = self._ends or datetime.now(UTC)
        return max(_LEAST_WAIT_S, (ends - datetime.now(UTC)).total_seconds() / 2)

    def _renew(self) -> None:
        """Get a ticket beside the one at hand and put it into its place at once."""
        self._tickets.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._cache.with_name(f"{self._cache.name}.new")
        with _in_memory(self._keys.keytab(ACCOUNT)) as (path, descriptor):
            command = ["kinit", "-c", str(fresh), "-k", "-t", f"FILE:{path}", ACCOUNT]
            self._run(command, pass_fds=(descriptor,))
        self._ends = _end_of_ticket(self._run(["klist", "-c", str(fresh)]))
        fresh.replace(self._cache)

    def _negotiate(self, origin: str) -> str:
        """Show the ticket to a daemon and return the cookie that it gives."""
        self.ticket()
        given = self._ask(origin)
        if given is None:  # the ticket may be of before a rotation
            self._renew()
            given = self._ask(origin)
        if given is None:
            raise ClusterError(
                f"{origin} of cluster {self._name} refused the ticket of the account {ACCOUNT}; "
                "see `bin/pipeline status`, and `bin/pipeline credentials list` whether it is "
                "revoked"
            )
        return given

    def _ask(self, origin: str) -> str | None:
        command = ["curl", "--negotiate", "--user", ":", "--cacert", self.authority, "--silent"]
        command += ["--show-error", "--max-time", str(_TIME_S), "--noproxy", "*"]
        command += ["--output", os.devnull, "--cookie-jar", "-", f"{origin}/jmx?qry=none"]
        for line in self._run(command).splitlines():
            fields = line.split("\t")  # Netscape's format of cookies; an empty one is a refusal
            if len(fields) == 7 and fields[5] == _COOKIE and "e=" in fields[6]:
                return f"{_COOKIE}={fields[6]}"
        return None

    def _run(self, command: list[str], pass_fds: tuple[int, ...] = ()) -> str:
        environment = {**os.environ, "LC_ALL": "C", "KRB5CCNAME": str(self._cache)}
        try:
            done = subprocess.run(
                [self._launcher, *command],
                env=environment,
                pass_fds=pass_fds,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=2 * _TIME_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ClusterError(
                f"{command[0]} of cluster {self._name} does not work: {error}"
            ) from error
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            raise ClusterError(
                f"cluster {self._name} gives the account {ACCOUNT} no access ({said}); see "
                "`bin/pipeline status` whether its daemons run"
            )
        return done.stdout


@contextmanager
def _in_memory(content: bytes) -> Iterator[tuple[str, int]]:
    """Offer bytes as a file that is on no disk; yield its path for a child, and its descriptor."""
    descriptor = os.memfd_create("key")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}", descriptor
    finally:
        os.close(descriptor)


def _end_of_ticket(told: str) -> datetime:
    """Read from klist's answer when the ticket for tickets ends."""
    for line in told.splitlines():
        fields = line.split()
        if len(fields) == 5 and fields[4].startswith("krbtgt/"):
            local = datetime.strptime(" ".join(fields[2:4]), "%m/%d/%y %H:%M:%S")
            return local.astimezone(UTC)
    raise ClusterError(f"klist tells of no ticket: {told.strip()[:200]}")


def _fields(cookie: str) -> dict[str, str]:
    return dict(parse_qsl(cookie.partition("=")[2].strip('"')))


def _seconds_left(cookie: str) -> float:
    return int(_fields(cookie)["e"]) / 1000 - datetime.now(UTC).timestamp()


def _remove_left_over(tickets: Path) -> None:
    """Remove the tickets of processes that were killed."""
    for path in tickets.glob("*") if tickets.is_dir() else ():
        if not Path("/proc", path.name.partition(".")[0]).exists():
            with suppress(OSError):
                shred(path)
