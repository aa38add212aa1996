"""Import the project's Ansible modules as Ansible does: their shared code under its own package."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import ansible.module_utils

ANSIBLE_DIR = Path(__file__).parents[2] / "ansible"
SHARED = str(ANSIBLE_DIR / "module_utils")

if SHARED not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(SHARED)


@pytest.fixture
def library() -> Callable[[str], ModuleType]:
    """Load a module of `ansible/library` by name."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, ANSIBLE_DIR / "library" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def shared() -> Callable[[str], ModuleType]:
    """Load a module of `ansible/module_utils` by name."""
    return lambda name: importlib.import_module(f"ansible.module_utils.{name}")
