"""What the documents point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
# `bin/check`, `mr_jobs/lib/hog.py`, `docs/decisions/`; no patterns, placeholders or run results
CODE_PATH = re.compile(
    r"`((?:ansible|benchmarks|bin|docs|hive|mr_jobs|models|pipeline|tests)/[\w./-]+)[` ]"
)


def missing_in(document: Path, text: str) -> list[str]:
    """Return the relative links and the paths in code type that lead nowhere."""
    links = [name for name in LINK.findall(text) if not (document.parent / name).exists()]
    paths = [
        name
        for name in CODE_PATH.findall(text)
        if not name.startswith("models/saved") and not (ROOT / name).exists()
    ]
    return links + paths


def test_a_promise_of_a_file_that_is_not_there_is_found() -> None:
    text = (
        "[a](bin/check) [b](docs/none.md#x) `bin/none --help` `bin/setup --help` `models/saved/1`"
    )

    assert missing_in(ROOT / "README.md", text) == ["docs/none.md", "bin/none"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    assert missing_in(document, document.read_text(encoding="utf-8")) == []
