"""Use a secure cluster as one of its accounts, with a ticket of its own, as a person would."""

from __future__ import annotations

import os
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from pipeline.cluster import Cluster
from pipeline.credentials import Credentials


class Account:
    """An account's ticket in a directory of the test; without a name nobody's."""

    def __init__(self, cluster: Cluster, place: Path, name: str | None = None) -> None:
        self.cluster, self.place, self.name = cluster, place, name
        self.keytab = place / f"{name}.keytab"
        self.cache = place / f"{name}.ticket"

    def log_in(self) -> subprocess.CompletedProcess[str]:
        """Get a ticket from the account's key in the vault, or from the key that is kept."""
        assert self.name
        if not self.keytab.exists():
            key = Credentials(self.cluster.name, self.cluster.dir).keytab(self.name)
            self.keytab.touch(0o600)
            self.keytab.write_bytes(key)
        return self.kerberos("kinit", "-kt", str(self.keytab), self.name)

    def kerberos(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of Kerberos."""
        return self._run(str(self.cluster.dir / "bin" / "kerberos"), *command)

    def hadoop(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of Hadoop."""
        return self._run(str(self.cluster.hadoop_bin), *command)

    def streaming(
        self, source: str, target: str, mapper: str, *settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a streaming job with one reducer that copies."""
        words = [word for setting in settings for word in ("-D", setting)]
        return self.hadoop(
            *("jar", str(self.cluster.streaming_jar), *words, "-input", source, "-output", target),
            *("-mapper", mapper, "-reducer", "cat"),
        )

    def status(self, url: str) -> int:
        """Ask a web interface by curl with this ticket; return the status of the answer."""
        authority = str(self.cluster.conf_dir / "ca.pem")
        done = self.kerberos(
            *("curl", "--silent", "--negotiate", "--user", ":", "--cacert", authority),
            *("--output", os.devnull, "--write-out", "%{http_code}", url),
        )
        return int(done.stdout)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.place,
            env={**os.environ, "KRB5CCNAME": str(self.cache)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


def anonymous_status(cluster: Cluster, url: str) -> int:
    """Ask a web interface without any ticket; return the status of the answer."""
    context = ssl.create_default_context(cafile=str(cluster.conf_dir / "ca.pem"))
    try:
        with urllib.request.urlopen(url, timeout=20, context=context) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
