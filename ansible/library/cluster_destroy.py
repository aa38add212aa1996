#!/usr/bin/python
"""Check, delete and prove gone the directory of one cluster; only ever by its identity."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.cluster_directory import MARK, Refusal, check_path, read_mark
from ansible.module_utils.cluster_processes import find, is_listening

DOCUMENTATION = r"""
module: cluster_destroy
short_description: Remove one cluster's directory
description:
  - O(phase=check) refuses what must not be destroyed and says what would go; changes nothing.
  - O(phase=delete) deletes the directory, its mark last, and proves that nothing is left.
options:
  phase: {type: str, choices: [check, delete], required: true, description: What to do.}
  name: {type: str, required: true, description: Name of the cluster.}
  id: {type: str, default: "", description: Identity that the directory must have; empty is any.}
  directory: {type: str, required: true, description: Directory of the cluster.}
  protected: {type: list, elements: str, default: [], description: Paths that must stay.}
  discard_unsaved: {type: bool, default: false, description: Lose the outputs of unsaved runs.}
author: ImageNet on Hadoop
"""
EXAMPLES = r"""
- cluster_destroy: {phase: check, name: imagenet, directory: /data/imagenet}
"""
RETURN = r"""
exists: {description: Whether there is such a cluster., returned: success, type: bool}
mark: {description: Its mark., returned: when it exists, type: dict}
proof: {description: What was looked at after the deletion., returned: phase=delete, type: dict}
"""


def main() -> None:
    """Check or delete."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "choices": ["check", "delete"], "required": True},
            "name": {"type": "str", "required": True},
            "id": {"type": "str", "default": ""},
            "directory": {"type": "str", "required": True},
            "protected": {"type": "list", "elements": "str", "default": []},
            "discard_unsaved": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    args = module.params
    root = Path(args["directory"])
    try:
        mark = check(args)
        if mark is None:
            module.exit_json(changed=False, exists=False)
        size_bytes = tree_size(root)
        proof = {}
        if args["phase"] == "delete" and not module.check_mode:
            proof = delete(root, mark)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    changed = args["phase"] == "delete"
    module.exit_json(changed=changed, exists=True, mark=mark, size_bytes=size_bytes, proof=proof)


def check(args: dict[str, Any]) -> dict[str, Any] | None:
    """Return the mark of the cluster to destroy, None when there is nothing; or refuse."""
    directory = args["directory"]
    check_path(directory, [*args["protected"], str(Path.home())])
    root = Path(directory)
    mark = read_mark(directory)
    if mark is None:
        if root.exists() and any(root.iterdir()):
            raise Refusal(f"{directory} has no {MARK}: it is not a cluster's, so it stays")
        # somebody deleted the directory under the daemons: the id still tells which they are
        lost = args["id"] and (args["phase"] == "delete" or find(args["id"], directory))
        return {"id": args["id"], "name": args["name"], "dir": directory} if lost else None
    if mark["name"] != args["name"]:
        raise Refusal(f"{directory} belongs to the cluster {mark['name']}, not to {args['name']}")
    if args["id"] and mark["id"] != args["id"]:
        raise Refusal(f"{directory} has the cluster id {mark['id']}, not {args['id']}: it stays")
    unsaved = sorted(path.name for path in (root / "run" / "unsaved").glob("*"))
    if unsaved and not args["discard_unsaved"]:
        raise Refusal(
            f"the outputs of {', '.join(unsaved)} are only in the cluster {args['name']}; "
            "save them first, or destroy with --discard-unsaved"
        )
    mounts = mounts_below(root)
    if mounts:
        raise Refusal(
            f"{mounts[0]} in the cluster {args['name']} is a mount point; unmount it first"
        )
    return mark


def mounts_below(root: Path) -> list[str]:
    """List the mount points inside a directory. Source: proc_pid_mountinfo(5), the fifth field."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return sorted(point for point in points if point.startswith(f"{root}/"))


def delete(root: Path, mark: dict[str, Any]) -> dict[str, Any]:
    """Delete everything on this file system, the mark last, and look at what is left."""
    left = find(mark["id"], str(root))
    if left:
        raise Refusal(f"{left[0].name} (pid {left[0].pid}) still runs; nothing was deleted")
    if root.exists():
        remove(root)
    address = str(mark.get("address", "127.0.0.1"))
    ports = {int(port): name for name, port in mark.get("ports", {}).items()}
    open_ports = sorted(port for port in ports if is_listening(address, port))
    proof = {
        "processes_left": [process.pid for process in find(mark["id"], str(root))],
        "ports_closed": sorted(set(ports) - set(open_ports)),
        "ports_open": open_ports,
        "directory_gone": not root.exists(),
    }
    if proof["processes_left"] or open_ports or root.exists():
        raise Refusal(f"{root} is deleted, but something of the cluster is left: {proof}")
    return proof


def remove(root: Path) -> None:
    """Remove a directory without crossing into another file system; its mark goes last."""
    entries = [str(path) for path in root.iterdir() if path.name != MARK]
    command = ["rm", "-rf", "--one-file-system", "--", *entries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refusal(f"{root} is not wholly deleted: {done.stderr.strip().splitlines()[-1]}")
    (root / MARK).unlink(missing_ok=True)
    root.rmdir()


def tree_size(root: Path) -> int:
    """Add up the bytes of the files under a directory."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118
            except OSError:
                continue  # a running daemon removed it meanwhile
    return total


if __name__ == "__main__":
    main()
