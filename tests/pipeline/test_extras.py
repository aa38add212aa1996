"""What is optional is not needed, and asking for it says what to install."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import metadata

import pytest

from mr_jobs.lib.errors import ConfigError
from pipeline import extras


def test_every_extra_of_the_package_has_a_module_to_look_for() -> None:
    named = metadata("imagenet-on-hadoop").get_all("Provides-Extra")

    assert {*extras.MODULES, "dev"} == set(named or ())


@pytest.mark.parametrize("extra", extras.MODULES)
def test_a_missing_extra_says_how_to_install_it(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.MODULES, extra, "no_such_module_is_installed")

    with pytest.raises(ConfigError, match=f"it needs the extra {extra}: bin/setup --extra {extra}"):
        extras.require(extra, "it")


def test_the_command_line_imports_no_extra_and_nothing_slow() -> None:
    modules = [*sorted(extras.MODULES.values()), "sqlglot", "duckdb", "sklearn", "scipy"]
    code = (
        "import sys; from pipeline.arguments import build_parser; import pipeline.commands; "
        f"build_parser(); print(*[name for name in {modules!r} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
