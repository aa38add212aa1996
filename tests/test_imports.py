"""The rules of the whole tree that no linter knows."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 300
PACKAGES = ("mr_jobs", "models", "pipeline")
FOLDERS = (*PACKAGES, "ansible", "benchmarks", "tests")
# The worker side is shipped to tasks: `mr_jobs.lib` has nothing to talk to a network with.
MAY_IMPORT = {
    "mr_jobs.lib": {"mr_jobs.lib"},
    "mr_jobs": {"mr_jobs"},
    "models": {"mr_jobs", "models"},
    "pipeline": {"mr_jobs", "models", "pipeline"},
}
LIB_PACKAGES = {"numpy", "scipy", "cv2", "PIL", "wand"}
NETWORK_MODULES = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "xmlrpc", "asyncio"}
KILL_BY_NAME = re.compile(r"\b(pkill|killall)\b")


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "saved" not in path.parts:
                yield path


def layer_of(module: str) -> str:
    """Return the most special key of MAY_IMPORT that the module is in, or ""."""
    fitting = [layer for layer in MAY_IMPORT if f"{module}.".startswith(f"{layer}.")]
    return max(fitting, key=len, default="")


def imports_of(source: str, module: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of everything a module imports, nested ones too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *filter(None, [node.module])])
            # `from mr_jobs import lib` imports mr_jobs.lib, as far as anyone can see from here
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def faults_of(source: str, module: str) -> list[str]:
    """Return what a module imports against the rule, one sentence each."""
    layer = layer_of(module)
    faults = []
    for line, name in imports_of(source, module):
        top = name.partition(".")[0]
        if top in PACKAGES:
            forbidden = not any(f"{name}.".startswith(f"{x}.") for x in MAY_IMPORT[layer])
        elif layer == "mr_jobs.lib":
            forbidden = top in NETWORK_MODULES or top not in LIB_PACKAGES | sys.stdlib_module_names
        else:
            forbidden = top == "ansible_runner" and layer != "pipeline"
        if forbidden:
            faults.append(f"{module}:{line}: {layer} may not import {name}")
    return faults


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mr_jobs.lib.hog", "import numpy.linalg, cv2\nfrom PIL import Image\nimport struct"),
        ("mr_jobs.lib.hog", "from mr_jobs.lib.errors import ImageError\nfrom . import color"),
        ("mr_jobs.job", "from mrjob.job import MRJob\nfrom mr_jobs.lib import errors"),
        ("models.train", "import sklearn, mr_jobs.job\nfrom models.linear import dress"),
        ("pipeline.steps", "import hdfs, models.train\nfrom mr_jobs import job"),
    ],
)
def test_the_rule_allows_what_lies_below(module: str, source: str) -> None:
    assert faults_of(source, module) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mr_jobs.lib.hog", "import mrjob"),
        ("mr_jobs.lib.hog", "import sklearn.linear_model"),
        ("mr_jobs.lib.hog", "from urllib import request"),
        ("mr_jobs.lib.hog", "from .. import job"),
        ("mr_jobs.lib.hog", "from mr_jobs.job import ImageJob"),
        ("mr_jobs.job", "def f():\n    from pipeline import steps"),
        ("mr_jobs.job", "import models"),
        ("models.train", "from pipeline.config import Config"),
        ("models.train", "import ansible_runner"),
    ],
)
def test_the_rule_finds_what_lies_above(module: str, source: str) -> None:
    assert len(faults_of(source, module)) == 1


def test_every_module_imports_from_the_layers_below_it_only() -> None:
    paths = list(sources(*PACKAGES))

    assert paths
    assert [fault for p in paths for fault in faults_of(p.read_text(), module_name(p))] == []


def test_no_python_file_is_longer_than_300_lines() -> None:
    lengths = {module_name(p): len(p.read_text().splitlines()) for p in sources(*FOLDERS)}

    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_nothing_ends_processes_by_name() -> None:
    scripts = [*ROOT.glob("bin/*"), *ROOT.glob(".ci/*"), *ROOT.glob("ansible/**/*.y*ml")]
    templates = ROOT.glob("ansible/**/*.j2")
    paths = [*scripts, *templates, *sources(*FOLDERS)]

    assert [
        str(path.relative_to(ROOT))
        for path in paths
        if path != Path(__file__) and KILL_BY_NAME.search(path.read_text())
    ] == []
