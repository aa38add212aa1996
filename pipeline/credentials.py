"""The credentials of a secure cluster that its controller keeps, encrypted by Ansible Vault.

One directory a cluster, `var/credentials/<name>-<digest>`, for its owner alone: `vault.yml` with
the secrets and `accounts/` with the accounts' keys, both encrypted; `index.json` with names,
versions and dates, never a value. The vault's own password is in a file outside this project.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.credentials_authority import new_authority
from pipeline.credentials_files import check_private, read_private, shred, write_private
from pipeline.playbooks import ROOT

ACCOUNTS = ("pipeline", "analyst", "admin")
PASSWORD_VARIABLE = "IMAGENET_VAULT_PASSWORD_FILE"  # noqa: S105  # the name of a variable
_STORES = ROOT / "var" / "credentials"
_ACCOUNT = "account-"


@dataclass(frozen=True)
class Kind:
    """What a credential is: `kept` is where, `readers` who can read it."""

    kind: str
    kept: str
    readers: str


_HERE = "this OS user with the vault's password"
_SERVER = "the OS user of the Kerberos server, on its host"
_DAEMONS = "the OS user of the daemons, on their hosts"
KINDS: dict[str, Kind] = {
    "kdc-master": Kind("password", "vault; secrets/kdc/stash", f"{_HERE}; {_SERVER}"),
    "ticket-key": Kind("Kerberos key", "secrets/kdc/principal", _SERVER),
    "service-keys": Kind("keytabs", "secrets/keytabs/ of each host; secrets/kdc/", _DAEMONS),
    **{
        f"{_ACCOUNT}{name}": Kind(
            "keytab", "accounts/ here, encrypted; secrets/kdc/", f"{_HERE}; {_SERVER}"
        )
        for name in ACCOUNTS
    },
    "authority": Kind("private key", "vault", _HERE),
    "host-certificates": Kind(
        "private keys", "hosts/ here and secrets/host.p12, by store-password", _DAEMONS
    ),
    "store-password": Kind("password", "vault; secrets/hadoop.jceks", f"{_HERE}; {_DAEMONS}"),
    "cookie-signature": Kind("signing key", "vault; secrets/", f"{_HERE}; {_DAEMONS}"),
}
# tickets, and cookies given for them, outlive an account unless what they are made with is new
_REVOKING = ("ticket-key", "service-keys", "cookie-signature")
_FIXED = ("kdc-master",)  # opens the Kerberos database, which goes with the cluster


@dataclass
class Index:
    """What may be told of a cluster's credentials: `made` holds UTC times, `versions` counts."""

    cluster: str
    dir: str
    versions: dict[str, int] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)


class Credentials:
    """The credentials of one cluster, by its name and directory."""

    def __init__(self, name: str, place: Path) -> None:
        digest = uuid.uuid5(uuid.NAMESPACE_URL, str(place)).hex[:8]
        self.dir = _STORES / f"{name}-{digest}"
        self._name, self._place = name, place

    @property
    def exists(self) -> bool:
        """Whether they were made."""
        return (self.dir / "index.json").is_file()

    @property
    def index(self) -> Index:
        """What may be told of them.

        Raises
        ------
        ConfigError : there are none, or the index is damaged.
        """
        if not self.exists:
            raise ConfigError(
                f"cluster {self._name} has no credentials; `bin/pipeline credentials init` or "
                "`bin/pipeline up --secure` makes them"
            )
        path = self.dir / "index.json"
        try:
            return Index(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"{path} cannot be read as an index of credentials: {error}"
            ) from error

    def make(self) -> bool:
        """Make what is missing; tell whether that was all of it."""
        if self.exists:
            self.secrets()  # the password opens the vault, or nothing goes on
            return False
        make_password_file()
        for folder in (_STORES, self.dir, self.dir / "accounts"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        index = Index(self._name, str(self._place))
        values: dict[str, str] = {}
        for name in KINDS:
            _renew(name, index, values)
        self._save(index, values)
        return True

    def secrets(self) -> dict[str, str]:
        """Return the secrets by their names in the role `secure`."""
        found: dict[str, str] = json.loads(self._decrypt(self.dir / "vault.yml"))
        return found

    def keytab(self, account: str) -> bytes:
        """Return the key of an account, as the file that Kerberos' programs read.

        Raises
        ------
        ClusterError : the account is revoked, or no deployment has made its key yet.
        """
        if account in self.index.revoked:
            raise ClusterError(f"the account {account} of cluster {self._name} is revoked")
        path = self.dir / "accounts" / f"{account}.keytab.vault"
        if not path.is_file():
            raise ClusterError(
                f"there is no key of the account {account} in {path.parent}; `bin/pipeline up` "
                f"of cluster {self._name} brings it"
            )
        return self._decrypt(path)

    def variables(self) -> dict[str, Any]:
        """Return the playbooks' variables: where the secrets are, never one of them."""
        index = self.index
        return {
            "secure_store": str(self.dir),
            "secure_versions": index.versions,
            "secure_revoked": index.revoked,
        }

    def take_in(self) -> None:
        """Encrypt the accounts' keys that a deployment has brought."""
        for path in sorted((self.dir / "accounts").glob("*.keytab")):
            sealed = path.with_name(f"{path.name}.vault")
            write_private(sealed, _vault().encrypt(path.read_bytes()))
            shred(path)

    def rotate(self, names: Iterable[str]) -> list[str]:
        """Make new values of some credentials; the next deployment brings them to the hosts.

        Returns
        -------
        All that are renewed: a new password of the key stores needs new key stores.
        """
        wanted = set(names) or {name for name in KINDS if name not in _FIXED}
        unknown = sorted(wanted - KINDS.keys())
        if unknown:
            raise ConfigError(
                f"there is no credential {unknown[0]!r}; choose of: {', '.join(KINDS)}"
            )
        if wanted & set(_FIXED):
            raise ConfigError(
                "kdc-master opens the Kerberos database of this one cluster and does not rotate: "
                "destroy the cluster and deploy it again for a new one"
            )
        index, values = self.index, self.secrets()
        gone = {f"{_ACCOUNT}{account}" for account in index.revoked}
        if wanted & {"authority", "store-password"}:
            wanted.add("host-certificates")
        renewed = sorted(wanted - gone)
        for name in renewed:
            _renew(name, index, values)
        self._save(index, values)
        return renewed

    def revoke(self, account: str) -> None:
        """Note that an account may do nothing any more, and forget its key."""
        if account not in ACCOUNTS:
            raise ConfigError(f"there is no account {account!r}; there are {', '.join(ACCOUNTS)}")
        index = self.index
        if account not in index.revoked:
            index.revoked.append(account)
        values = self.secrets()
        for name in _REVOKING:
            _renew(name, index, values)
        self._save(index, values)
        for path in (self.dir / "accounts").glob(f"{account}.keytab*"):
            shred(path)

    def forget(self) -> None:
        """Overwrite and remove all of it, once the cluster is gone."""
        if self.dir.is_dir():
            for path in self.dir.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    shred(path)
            shutil.rmtree(self.dir)

    def _save(self, index: Index, values: dict[str, str]) -> None:
        write_private(self.dir / "vault.yml", _vault().encrypt(json.dumps(values).encode()))
        write_private(self.dir / "index.json", json.dumps(asdict(index), indent=1).encode())

    def _decrypt(self, path: Path) -> bytes:
        from ansible.errors import AnsibleError

        sealed = read_private(path)
        try:
            opened: bytes = _vault().decrypt(sealed)
        except AnsibleError as error:
            raise ConfigError(
                f"{path} does not open with the password in {password_file()}: put the right one "
                f"there, or name its file in {PASSWORD_VARIABLE}"
            ) from error
        return opened


def password_file() -> Path:
    """Name the file with the vault's password."""
    given = os.environ.get(PASSWORD_VARIABLE)
    return Path(given) if given else Path.home() / ".config/imagenet-on-hadoop/vault-password"


def make_password_file() -> Path:
    """Make the vault's password unless there is one; for its owner alone."""
    path = password_file()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, f"{secrets.token_urlsafe(32)}\n".encode())
    check_private(path)
    return path


def _vault() -> Any:  # noqa: ANN401  # Ansible ships no types
    from ansible.parsing.vault import (
        VaultLib,
        VaultSecret,
    )  # 0.3 s that a plain cluster need not pay

    password = read_private(password_file()).strip()
    if not password:
        raise ConfigError(f"{password_file()} is empty; it holds the password of the vault")
    return VaultLib([("default", VaultSecret(password))])


def _renew(name: str, index: Index, values: dict[str, str]) -> None:
    """Draw a new value of a credential, or count up the version of one that others draw."""
    if name == "authority":
        values["authority"], values["authority_key"] = new_authority(index.cluster)
    elif name in ("kdc-master", "store-password", "cookie-signature"):
        key = "kdc_master_password" if name == "kdc-master" else name.replace("-", "_")
        values[key] = secrets.token_urlsafe(32)
    index.versions[name] = index.versions.get(name, 0) + 1
    index.made[name] = datetime.now(UTC).isoformat(timespec="seconds")
