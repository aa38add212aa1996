"""Where deployments of tests keep what is not in a cluster's own directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import cluster as clusters
from pipeline import playbooks


def keep_deployments_in(var: Path, patch: pytest.MonkeyPatch) -> None:
    """Keep receipts, locks and Ansible's logs out of the user's `var`."""
    patch.setattr(clusters, "RECEIPTS_DIR", var / "receipts")
    patch.setattr(clusters, "LOCKS_DIR", var / "locks")
    patch.setattr(playbooks, "LOG_DIR", var / "ansible")
