"""Speak to the daemons of a secure cluster from its own hosts: by its authority and its signature.

A host has the secret with which all daemons sign the cookies of those who have shown a ticket. A
cookie made from it needs no ticket, so that the cluster's own checks need no Kerberos program.
Source: hadoop-auth, org.apache.hadoop.security.authentication.util.{AuthToken,Signer}.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import time
import urllib.request
from pathlib import Path

VALID_S = 300
# of the cookie: the ResourceManager's handler, which also takes delegation tokens, has its own
KINDS = ("kerberos", "kerberos-dt")


class Secure:
    """What the checks need of one cluster; of a plain cluster nothing."""

    directory: Path | None = None


def use(directory: str) -> None:
    """Remember the directory of the cluster that is going to be asked."""
    Secure.directory = Path(directory)


def handlers() -> list[urllib.request.BaseHandler]:
    """Return what trusts the cluster's authority, if it has one."""
    authority = Secure.directory / "conf" / "ca.pem" if Secure.directory else None
    if authority is None or not authority.is_file():
        return []
    return [urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(authority)))]


def cookies(user: str = "hdfs") -> list[str]:
    """Return the values of the header Cookie to try, one after the other."""
    secret = Secure.directory / "secrets" / "cookie-signature" if Secure.directory else None
    if secret is None or not secret.is_file():
        return []
    return [_cookie(secret.read_bytes(), user, kind) for kind in KINDS]


def _cookie(secret: bytes, user: str, kind: str) -> str:
    expires_ms = int((time.time() + VALID_S) * 1000)
    text = f"u={user}&p={user}&t={kind}&e={expires_ms}"
    signature = base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()
    return f'hadoop.auth="{text}&s={signature}"'
