"""Ask a daemon's web interface, on this machine or near it, past any proxy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from ansible.module_utils import secure_http

ANSWER_S = 3.0


def get(url: str) -> dict[str, Any]:
    """Read a JSON document.

    Raises
    ------
    OSError : nobody answers, or with an error; ValueError : the answer is not JSON.
    """
    return json.loads(fetch(urllib.request.Request(url, headers={"Accept": "application/json"})))  # noqa: S310


def fetch(
    request: urllib.request.Request, user: str = "hdfs", timeout_s: float = ANSWER_S
) -> bytes:
    """Send a request, to a secure cluster's daemon as a user of it, and return the answer's body.

    Raises
    ------
    OSError : nobody answers, or with an error.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *secure_http.handlers())
    cookies = secure_http.cookies(user) if request.type == "https" else []
    for cookie in cookies[:-1]:
        request.add_header("Cookie", cookie)
        try:
            with opener.open(request, timeout=timeout_s) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code not in (401, 403):
                raise
    if cookies:
        request.add_header("Cookie", cookies[-1])
    with opener.open(request, timeout=timeout_s) as answer:
        return answer.read()
