"""Extras: programs that some commands need and the pipeline itself does not.

Nothing of an extra is imported before `require` has seen that it is there.
"""

from __future__ import annotations

from importlib.util import find_spec

from mr_jobs.lib.errors import ConfigError

# The module that shows that an extra of setup.py is installed.
MODULES = {"hbase": "happybase", "spark": "pyspark", "h2o": "h2o", "lab": "jupyterlab"}


def is_installed(extra: str) -> bool:
    """Say whether an extra is installed."""
    return find_spec(MODULES[extra]) is not None


def require(extra: str, what: str) -> None:
    """Raise a ConfigError that says what to install unless an extra is there.

    Parameters
    ----------
    extra : one of `MODULES`.
    what : what needs it, as a user would name it.
    """
    if not is_installed(extra):
        raise ConfigError(f"{what} needs the extra {extra}: bin/setup --extra {extra}")
