"""Headless Chromium by its debugging protocol: open a page, wait for something on it, look at it.

    .venv/bin/python -m tests.cluster.landscape.browser URL FILE.png JAVASCRIPT [WIDTH HEIGHT]

takes a picture of a page as soon as an expression of JavaScript is true there.
Source: the Chrome DevTools Protocol.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_START_S, _PAGE_S, _POLL_S = 60, 120, 0.2


class Page:
    """A page of a browser."""

    def __init__(self, address: str) -> None:
        import websocket

        self._socket: Any = websocket.create_connection(
            address, timeout=_PAGE_S, suppress_origin=True
        )
        self._number = 0

    def open(self, url: str) -> None:
        """Go to an address."""
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression; None while the page is another one."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found.get("result", {}).get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + _PAGE_S
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"not true in {_PAGE_S} s: {expression}"
            time.sleep(_POLL_S)

    def picture(self) -> bytes:
        """Return what is to be seen, a PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """Leave the page."""
        self._socket.close()

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        call = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(call))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result


@contextmanager
def browser(width_px: int = 1280, height_px: int = 800) -> Iterator[Page]:
    """Start Chromium with a profile of its own, and give its page; skip a test without it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs chromium: bin/setup --browser")
    with _profile() as profile:
        process = subprocess.Popen(
            [
                program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--hide-scrollbars", "--remote-debugging-port=0", f"--user-data-dir={profile}",
                f"--window-size={width_px},{height_px}", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            page = Page(_address(Path(profile) / "DevToolsActivePort", process))
            try:
                yield page
            finally:
                page.close()
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def _profile() -> Iterator[str]:
    """Have a folder for a profile; what the browser started may write there after its end."""
    folder = tempfile.mkdtemp(prefix="browser-")
    try:
        yield folder
    finally:
        deadline = time.monotonic() + _START_S
        while Path(folder).exists():
            shutil.rmtree(folder, ignore_errors=time.monotonic() < deadline)


def _address(port_file: Path, process: subprocess.Popen[bytes]) -> str:
    """Return the address of the first page, which the browser tells on the port it wrote."""
    import requests

    deadline = time.monotonic() + _START_S
    while True:
        assert process.poll() is None, "chromium ended"
        assert time.monotonic() < deadline, "chromium did not start"
        if port_file.exists() and (lines := port_file.read_text().splitlines()):
            tabs = requests.get(f"http://127.0.0.1:{lines[0]}/json", timeout=_START_S).json()
            pages = [tab for tab in tabs if tab["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(_POLL_S)


if __name__ == "__main__":
    url, file, expression, *size = sys.argv[1:]
    with browser(*map(int, size)) as seen:
        seen.open(url)
        seen.wait_for(expression)
        Path(file).write_bytes(seen.picture())
