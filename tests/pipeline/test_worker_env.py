"""The lock of the tasks' packages: the versions of the driver's, and all that tasks import."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
PIP = "pip"  # it installs the others on a host; the driver's environment brings its own


def locked(path: Path) -> dict[str, str]:
    """Return the versions in a lock file, by name."""
    return dict(LOCKED.findall(path.read_text()))


def imported(folder: Path) -> set[str]:
    """Return the top names of all that the modules of a folder import."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def test_tasks_have_the_versions_of_the_driver(repo_root: Path) -> None:
    driver = locked(repo_root / "requirements.txt")
    worker = locked(repo_root / "requirements-worker.txt")

    assert worker.pop(PIP)
    assert {name: driver.get(name) for name in worker} == worker


def test_all_that_tasks_import_is_locked_for_them(repo_root: Path) -> None:
    worker = locked(repo_root / "requirements-worker.txt")
    worker |= locked(repo_root / "requirements" / "hbase.txt")  # where images are rows only
    own = {path.stem for path in (repo_root / "mr_jobs").rglob("*.py")} | {"mr_jobs"}
    of_import = packages_distributions()

    others = imported(repo_root / "mr_jobs") - own - sys.stdlib_module_names
    missing = {
        name
        for name in others
        if not any(package.lower() in worker for package in of_import.get(name, [name]))
    }

    assert {"numpy", "mrjob", "cv2", "sklearn"} <= others
    assert missing == set()
