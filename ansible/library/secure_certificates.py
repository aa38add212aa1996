#!/usr/bin/python
"""Issue the certificates of a cluster's hosts by the cluster's own authority, on the controller."""

from __future__ import annotations

import base64
import ipaddress
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.secure_shred import shred, write_private

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        NoEncryption,
        load_pem_private_key,
        pkcs12,
    )
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:
    MISSING = str(error)
else:
    MISSING = ""

DOCUMENTATION = r"""
module: secure_certificates
short_description: Key stores of a cluster's hosts and the trust store of its authority
description: A host gets a new key when its wanted version, its address or the authority differs.
options:
  directory: {type: path, required: true, description: The controller's private directory.}
  authority: {type: str, required: true, description: Certificate of the authority, PEM.}
  authority_key: {type: str, required: true, description: Its key, PEM.}
  password: {type: str, required: true, description: Password of the key stores.}
  version: {type: int, required: true, description: Wanted version of the hosts' keys.}
  hosts: {type: list, elements: str, required: true, description: Addresses of the hosts.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- secure_certificates: {directory: /store, hosts: [localhost], version: 1, ...}
"""
RETURN = r"""
stores: {description: Key store of each host in base64., returned: success, type: dict}
authorities: {description: The trust store in base64., returned: success, type: str}
"""

DAYS = 398
KEY_BITS = 3072


def main() -> None:
    """Issue what is missing."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "authority": {"type": "str", "required": True},
            "authority_key": {"type": "str", "required": True, "no_log": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "version": {"type": "int", "required": True},
            "hosts": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    args = module.params
    if MISSING:
        module.fail_json(msg=f"certificates need the package cryptography: {MISSING}")
    root = Path(args["directory"])
    authority = x509.load_pem_x509_certificate(args["authority"].encode())
    fingerprint = authority.fingerprint(hashes.SHA256()).hex()
    wanted = {"version": args["version"], "authority": fingerprint}
    state = root / "issued.json"
    issued = json.loads(state.read_text()) if state.is_file() else {}
    changed = False
    if issued.get("authority") != fingerprint or not (root / "authorities.p12").is_file():
        changed = True
        if not module.check_mode:
            root.mkdir(parents=True, exist_ok=True)
            root.chmod(0o700)
            write_private(root / "authorities.p12", trust(authority))
    for host in sorted(set(args["hosts"])):
        if issued.get(host) == wanted:
            continue
        changed = True
        if not module.check_mode:
            path = root / f"{host}.p12"
            if path.exists():
                shred(path)
            write_private(path, issue(host, authority, args))
            issued.update({host: wanted, "authority": fingerprint})
            write_private(state, json.dumps(issued, indent=1).encode())
    if module.check_mode:
        module.exit_json(changed=changed, stores={}, authorities="")
    stores = {host: encoded(root / f"{host}.p12") for host in args["hosts"]}
    module.exit_json(changed=changed, stores=stores, authorities=encoded(root / "authorities.p12"))


def encoded(path: Path) -> str:
    """Return a file's content in base64."""
    return base64.b64encode(path.read_bytes()).decode()


def trust(authority: Any) -> bytes:  # noqa: ANN401  # of a package that may be missing
    """Make a trust store that Java reads without a password: what is in it is public."""
    entry = pkcs12.PKCS12Certificate(authority, b"authority")
    return pkcs12.serialize_java_truststore([entry], NoEncryption())


def issue(host: str, authority: Any, args: dict[str, Any]) -> bytes:  # noqa: ANN401
    """Make a key and its certificate for a host, in a key store."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(min(now + timedelta(days=DAYS), authority.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName([general_name(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
        .sign(load_pem_private_key(args["authority_key"].encode(), None), hashes.SHA256())
    )
    return pkcs12.serialize_key_and_certificates(
        b"host", key, certificate, [authority], BestAvailableEncryption(args["password"].encode())
    )


def general_name(host: str) -> Any:  # noqa: ANN401
    """Return a host's name or address as certificates hold it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


if __name__ == "__main__":
    main()
