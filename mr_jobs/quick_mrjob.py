"""Import mrjob in half the time: import this module before it.

mrjob wants two functions of `distutils`. setuptools puts its own in the place of Python's, which
loads most of setuptools: a tenth of a second for every job and task. Python 3.12 has none, and then
setuptools' has to do, whatever the environment says.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def python_distutils() -> Iterator[None]:
    """Let `distutils` be Python's own for a while, if there is one."""
    hack = sys.modules.get("_distutils_hack")
    if sys.version_info >= (3, 12):
        importlib.import_module("_distutils_hack").add_shim()
        yield
        return
    if hack is None or "distutils" in sys.modules:
        yield
        return
    hack.remove_shim()
    try:
        yield
    finally:
        hack.add_shim()
        for name in [name for name in sys.modules if name.partition(".")[0] == "distutils"]:
            del sys.modules[name]


with python_distutils():
    import mrjob.job  # noqa: F401
