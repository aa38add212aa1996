"""Ask a daemon's web interface, on this machine or near it, past any proxy."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

ANSWER_S = 3.0


def get(url: str) -> dict[str, Any]:
    """Read a JSON document.

    Raises
    ------
    OSError : nobody answers, or with an error; ValueError : the answer is not JSON.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310
    with opener.open(request, timeout=ANSWER_S) as answer:
        return json.load(answer)
