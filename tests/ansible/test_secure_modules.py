"""What the secure profile's own modules leave on a host, and what they refuse."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Library = Callable[[str], ModuleType]


@pytest.fixture
def jars(library: Library) -> Any:
    return library("hadoop_jars")


def tarball(path: Path, *, native: bool) -> dict[str, Any]:
    """Write a small tarball in the layout of Apache's; return the arguments that name it."""
    members = {"share/hadoop/tools/lib/hadoop-streaming-3.4.2.jar": b"jar"}
    if native:
        members["lib/native/libhadoop.so.1.0.0"] = b"\x7fELF"
        members["lib/native/libhdfs.so"] = b"\x7fELF"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"hadoop-3.4.2/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("hadoop-3.4.2/lib/native/libhadoop.so")
        link.type, link.linkname = tarfile.SYMTYPE, "libhadoop.so.1.0.0"
        archive.addfile(link)
    return {
        **{"name": "hadoop", "key_jar": "hadoop-streaming", "cache": str(path.parent / "cache")},
        **{"version": "3.4.2", "pom": "<project/>", "tarball": str(path)},
        "sha512": hashlib.sha512(path.read_bytes()).hexdigest(),
    }


@pytest.mark.parametrize("native", [True, False])
def test_the_native_library_of_a_tarball_is_kept_beside_the_jars(
    jars: Any, tmp_path: Path, native: bool
) -> None:
    args = tarball(tmp_path / "hadoop.tar.gz", native=native)
    home = jars.home_of(args)
    home.parent.mkdir()

    jars.make(home, args)

    found = jars.describe(home, "hadoop-streaming")
    assert found["native"] == native
    if native:
        assert sorted(os.listdir(home / "native")) == ["libhadoop.so", "libhadoop.so.1.0.0"]  # noqa: PTH208


def test_another_class_before_hadoops_is_another_distribution(jars: Any, tmp_path: Path) -> None:
    plain = tmp_path / "hadoop-3.4.2-abc"
    assert jars.checked_home(plain, "one") != jars.checked_home(plain, "two") != plain


def test_kerberos_programs_that_cannot_be_had_are_a_sentence(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools: Any = library("kerberos_tools")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(tools.Failure, match="apt-get to fetch them: install krb5-kdc"):
        tools.make(tmp_path / "kerberos")
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    with pytest.raises(tools.Failure, match=r"by apt-get \(E: no network\): install krb5-kdc"):
        tools.run(["apt-get", "download"], tmp_path)


def test_a_host_is_known_by_a_certificate_of_the_clusters_authority(
    library: Library, tmp_path: Path
) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import pkcs12

    from pipeline.credentials_authority import new_authority

    certificates: Any = library("secure_certificates")
    pem, key = new_authority("one")
    authority = x509.load_pem_x509_certificate(pem.encode())

    store = certificates.issue("localhost", authority, {"authority_key": key, "password": "pass"})

    _, certificate, _ = pkcs12.load_key_and_certificates(store, b"pass")
    assert certificate is not None
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert certificate.not_valid_after_utc <= authority.not_valid_after_utc


def test_what_is_shredded_is_overwritten_and_gone(
    shared: Callable[[str], Any], tmp_path: Path
) -> None:
    module = shared("secure_shred")
    secrets = tmp_path / "secrets"
    (secrets / "keytabs").mkdir(parents=True)
    module.write_private(secrets / "keytabs" / "nn.keytab", b"a key of many bytes")
    assert (secrets / "keytabs" / "nn.keytab").stat().st_mode & 0o777 == 0o600
    outside, linked = tmp_path / "outside", tmp_path / "linked"
    outside.write_bytes(b"not ours")
    (secrets / "link").symlink_to(outside)
    linked.hardlink_to(secrets / "keytabs" / "nn.keytab")

    assert module.shred_tree(secrets) == 2

    assert not secrets.exists()
    assert linked.read_bytes() != b"a key of many bytes"
    assert outside.read_bytes() == b"not ours"


def test_a_principals_name_cannot_be_a_command(library: Library, tmp_path: Path) -> None:
    realm: Any = library("kerberos_realm")

    with pytest.raises(realm.Failure, match="is not the name of a principal"):
        realm.checked("nn/host\ndelprinc -force pipeline")
    launcher = tmp_path / "kerberos"
    launcher.write_text("#!/bin/sh\necho 'kadmin.local: no database' >&2\nexit 1\n")
    launcher.chmod(0o755)
    with pytest.raises(realm.Failure, match=r"kadmin\.local failed: kadmin\.local: no database"):
        realm.run(str(launcher), ["kadmin.local"], "listprincs\n")
