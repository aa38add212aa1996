"""The receipt of a destroyed cluster: what went, and the proof that nothing is left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.playbooks import Playbook


def write_receipt(
    folder: Path, name: str, place: Path, began: datetime, done: Playbook, missing: Sequence[str]
) -> Path | None:
    """Write into `folder` what was destroyed and what was looked at afterwards.

    Returns None when there was nothing to destroy.
    """
    hosts = {
        host: {
            "id": result["mark"]["id"],
            "size_bytes": result["size_bytes"],
            "stopped": done.result("cluster_daemons").get(host, {}).get("stopped", []),
            **result["proof"],
        }
        for host, result in done.result("cluster_destroy").items()
        if result.get("exists")
    }
    if not hosts:
        return None
    ended = datetime.now(UTC)
    receipt = {
        "name": name,
        "dir": str(place),
        "began": began.isoformat(timespec="seconds"),
        "seconds": round((ended - began).total_seconds(), 1),
        "hosts": hosts,
        **({"not_reached_and_left_as_they_are": list(missing)} if missing else {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ended.strftime('%Y%m%dT%H%M%SZ')}-{name}.json"
    path.write_text(json.dumps(receipt, indent=2) + "\n")
    return path
