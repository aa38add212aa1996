from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.report.render import render
from tests.pipeline.report.made_run import made_run
from tests.pipeline.report.reading_pages import Page


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("saved") / "r1")


@pytest.fixture(scope="module")
def page_text(run_dir: Path) -> str:
    return render(run_dir)


@pytest.fixture(scope="module")
def page(page_text: str) -> Page:
    return Page(page_text)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a made run under a name."""

    def make(name: str = "r1", **options: object) -> Path:
        return made_run(tmp_path / name, **options)  # type: ignore[arg-type]  # as made_run's

    return make
