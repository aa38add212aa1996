"""How the pipeline speaks to a cluster's daemons by HTTP: as they are, or with TLS and a ticket.

A plain cluster trusts the name that it is told. To a secure one (`pipeline/secure_access.py`) every
request goes over TLS by the cluster's own authority, with the cookie that a daemon gave for a
ticket. Which of the two it is, an address tells: those of secure clusters are known here as soon as
the cluster's facts are loaded.
"""

from __future__ import annotations

import getpass
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

_UNAUTHORIZED = 401


class Access(Protocol):
    """What a secure cluster wants of those who ask it."""

    @property
    def authority(self) -> str:
        """File with the certificate of the cluster's authority."""

    def cookie(self, origin: str) -> str:
        """Return the header Cookie for a daemon, `https://host:port`."""

    def forget(self, origin: str, cookie: str) -> None:
        """Do not use a cookie again that a daemon has refused."""

    def user(self, origin: str) -> str:
        """Return the name that a daemon knows the pipeline by."""


_ACCESS: dict[str, Access] = {}  # by origin


def register(origins: list[str], access: Access) -> None:
    """Make known that these addresses are a secure cluster's."""
    for origin in origins:
        _ACCESS[_origin(origin)] = access


def unregister(access: Access) -> None:
    """Forget the addresses of a cluster that is gone."""
    for origin in [origin for origin, known in _ACCESS.items() if known is access]:
        del _ACCESS[origin]


def user_name(url: str) -> str:
    """Return the name that the daemon at an address knows the pipeline by."""
    access = _ACCESS.get(_origin(url))
    return access.user(_origin(url)) if access else getpass.getuser()


def user_query(url: str) -> dict[str, str]:
    """Return the query parameters that say who asks; a secure cluster would not believe them."""
    return {} if _origin(url) in _ACCESS else {"user.name": getpass.getuser()}


def headers(url: str) -> dict[str, str]:
    """Return the headers that prove who asks the daemon at an address."""
    access = _ACCESS.get(_origin(url))
    return {"Cookie": access.cookie(_origin(url))} if access else {}


def refused(url: str, sent: dict[str, str], status: int) -> bool:
    """Tell whether a daemon refused these headers only for their age; `headers` makes new ones."""
    access = _ACCESS.get(_origin(url))
    if access is None or status != _UNAUTHORIZED:
        return False
    access.forget(_origin(url), sent["Cookie"])
    return True


def session(url: str) -> requests.Session:
    """Return a session for the cluster of an address; for other addresses of that cluster, too."""
    made = requests.Session()
    made.trust_env = False  # the cluster is never behind the user's proxy
    access = _ACCESS.get(_origin(url))
    if access:
        made.verify = access.authority
        made.auth = _Cookies()
    return made


def connect(url: str, timeout_s: float, cluster_url: str | None = None) -> HTTPConnection:
    """Return a connection to an address, of the cluster that `cluster_url` is of."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port
    if address.scheme != "https":
        return HTTPConnection(host, port, timeout=timeout_s)
    import ssl  # a plain cluster needs none

    access = _ACCESS.get(_origin(cluster_url or url))
    context = ssl.create_default_context(cafile=access.authority if access else None)
    return HTTPSConnection(host, port, timeout=timeout_s, context=context)


class _Cookies(AuthBase):
    """Puts a daemon's cookie to each request; once more with a new one where it was refused."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        found = headers(str(request.url))
        request.headers.update(found)
        if found:
            request.register_hook("response", self._again)  # type: ignore[no-untyped-call]
        return request

    def _again(self, answer: requests.Response, **options: Any) -> requests.Response:  # noqa: ANN401
        request = answer.request
        sent = {"Cookie": str(request.headers.get("Cookie", ""))}
        tried = getattr(request, "tried_again", False)
        if tried or not refused(str(request.url), sent, answer.status_code):
            return answer
        again = request.copy()
        again.headers.update(headers(str(request.url)))
        again.tried_again = True  # type: ignore[attr-defined]
        _ = answer.content  # so that the connection is free
        renewed: requests.Response = answer.connection.send(again, **options)
        renewed.history.append(answer)
        return renewed


def _origin(url: str) -> str:
    address = urlsplit(url)
    return f"{address.scheme}://{address.netloc}"
