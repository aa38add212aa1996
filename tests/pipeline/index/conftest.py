"""A small image store with its tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.images import Images
from tests.pipeline.index.small_tables import local_images, small_tables


@pytest.fixture
def images(tmp_path: Path) -> Images:
    return local_images(tmp_path, small_tables())
