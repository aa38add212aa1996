"""A secure cluster's credentials on the controller: made once, sealed, told without a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline import credentials as module
from pipeline import secure
from pipeline.credentials import KINDS, Credentials, password_file

PLAIN = {"cluster_secure": False, "secure_weak_shuffle_check": False, "cluster_components": []}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Credentials:
    monkeypatch.setattr(module, "_STORES", tmp_path / "credentials")
    monkeypatch.setenv(module.PASSWORD_VARIABLE, str(tmp_path / "home" / "password"))
    credentials = Credentials("one", tmp_path / "one")
    assert credentials.make()
    return credentials


def test_they_are_made_once_for_their_owner_alone(made: Credentials) -> None:
    before = made.secrets()

    assert not made.make()

    assert made.secrets() == before
    modes = {path.stat().st_mode & 0o077 for path in [made.dir, *made.dir.rglob("*")]}
    assert modes == {0}
    assert password_file().stat().st_mode & 0o777 == 0o600


def test_no_value_is_on_the_disk_in_the_clear(made: Credentials) -> None:
    content = b"".join(path.read_bytes() for path in made.dir.rglob("*") if path.is_file())

    for value in made.secrets().values():
        assert value.encode() not in content
    assert (made.dir / "vault.yml").read_bytes().startswith(b"$ANSIBLE_VAULT;")


def test_an_accounts_key_is_sealed_as_soon_as_it_arrives(made: Credentials) -> None:
    brought = made.dir / "accounts" / "analyst.keytab"
    brought.write_bytes(b"\x05\x02 a key")
    brought.chmod(0o600)

    made.take_in()

    assert not brought.exists()
    assert made.keytab("analyst") == b"\x05\x02 a key"
    with pytest.raises(ClusterError, match="no key of the account admin"):
        made.keytab("admin")


def test_rotation_renews_what_is_asked_and_what_hangs_on_it(made: Credentials) -> None:
    before, versions = made.secrets(), made.index.versions

    assert made.rotate(["store-password"]) == ["host-certificates", "store-password"]

    changed = {name for name, value in made.secrets().items() if before[name] != value}
    assert changed == {"store_password"}
    counted = {name for name, count in made.index.versions.items() if count != versions[name]}
    assert counted == {"host-certificates", "store-password"}
    assert set(made.rotate([])) == KINDS.keys() - {"kdc-master"}


@pytest.mark.parametrize(
    ("names", "says"), [(["nothing"], "no credential 'nothing'"), (["kdc-master"], "not rotate")]
)
def test_what_cannot_rotate_is_said(made: Credentials, names: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        made.rotate(names)


def test_a_revoked_account_has_no_key_and_voids_tickets(made: Credentials) -> None:
    versions = made.index.versions
    made.revoke("analyst")

    assert made.index.revoked == ["analyst"]
    with pytest.raises(ClusterError, match="analyst of cluster one is revoked"):
        made.keytab("analyst")
    for name in ("ticket-key", "service-keys", "cookie-signature"):
        assert made.index.versions[name] == versions[name] + 1
    assert "account-analyst" not in made.rotate([])
    with pytest.raises(ConfigError, match="no account 'somebody'"):
        made.revoke("somebody")


def test_a_wrong_or_open_password_file_is_told_in_a_sentence(made: Credentials) -> None:
    password_file().write_text("another\n")
    with pytest.raises(ConfigError, match="does not open with the password in"):
        made.secrets()
    password_file().chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        made.secrets()
    password_file().unlink()
    with pytest.raises(ConfigError, match="is missing"):
        made.secrets()


def test_forgotten_credentials_are_overwritten(made: Credentials, tmp_path: Path) -> None:
    linked, sealed = tmp_path / "linked", made.dir / "vault.yml"
    before = sealed.read_bytes()
    linked.hardlink_to(sealed)

    made.forget()

    assert not made.dir.exists()
    assert linked.read_bytes()[:64] != before[:64]
    made.forget()  # again: nothing to do


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"secure_weak_shuffle_check": True}, "--weak-shuffle-check goes with --secure"),
        ({"cluster_secure": True}, r"lib/native/libhadoop\.so.* or --weak-shuffle-check"),
        (
            {
                "cluster_secure": True,
                "secure_weak_shuffle_check": True,
                "cluster_components": ["hive"],
            },
            "hive: not part of the secure profile",
        ),
    ],
)
def test_a_secure_deployment_that_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], says: str
) -> None:
    monkeypatch.setattr(module, "_STORES", tmp_path / "credentials")
    monkeypatch.setenv(module.PASSWORD_VARIABLE, str(tmp_path / "password"))

    with (
        pytest.raises(ConfigError, match=says),
        secure.deploying("one", tmp_path / "one", {**PLAIN, **given}),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


def test_a_plain_deployment_needs_no_secret(tmp_path: Path) -> None:
    with secure.deploying("one", tmp_path / "one", PLAIN) as facts:
        assert facts == {}
