"""What JupyterLab gets of a cluster: a work folder, a kernel that knows it, and a token.

var/lab/<cluster>/work/       the notebooks; stays
var/lab/<cluster>/server/     all else: token, kernel, settings, log; only its owner can read it
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from pipeline.config import VAR
from pipeline.playbooks import ROOT

LABS = VAR / "lab"
NOTEBOOKS = ROOT / "docs" / "notebooks"
OPTIONS = "PIPELINE_LAB"  # the variable that tells a kernel which cluster it is for
KERNEL = "python3"
_OPTION_NAMES = (
    *("name", "cluster_dir", "images", "runner"),
    *("cluster", "hdfs_dir", "queue", "python"),
)


def lab_dir(name: str) -> Path:
    """Return the directory of the lab of a cluster, by the cluster's name."""
    return LABS / (re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "local")


def running_servers(name: str) -> list[str]:
    """Return the addresses of a cluster's notebook servers that run."""
    return [str(info["url"]) for info in server_infos(lab_dir(name) / "server")]


def server_infos(server: Path) -> list[dict[str, Any]]:
    """Return what the notebook servers of a lab wrote of themselves: url, pid, port, root_dir."""
    found = []
    for path in sorted((server / "runtime").glob("jpserver-*.json")):
        try:
            info = json.loads(path.read_text("utf-8"))
            os.kill(int(info["pid"]), 0)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of one that was killed, or is half written
        found.append(info)
    return found


def copy_notebooks(work: Path) -> list[str]:
    """Copy the notebooks that the folder lacks; those that are there are the user's. Name all."""
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    for path in paths:
        if not (work / path.name).exists():
            shutil.copyfile(path, work / path.name)
    return [path.name for path in paths]


def options_of(args: Namespace) -> str:
    """Write the options that name a cluster and an image store, for the environment of a kernel."""
    values = {name: getattr(args, name, None) for name in _OPTION_NAMES}
    if values["cluster_dir"]:
        values["cluster_dir"] = str(Path(values["cluster_dir"]).absolute())
    return json.dumps(values)


def options_from(text: str) -> Namespace:
    """Read what `options_of` wrote; from "" the options of no command line."""
    values = dict.fromkeys(_OPTION_NAMES) | (json.loads(text) if text else {})
    values["name"] = values["name"] or "imagenet"
    values["cluster_dir"] = Path(values["cluster_dir"]) if values["cluster_dir"] else None
    return Namespace(**values)


def write_kernel(server: Path, args: Namespace) -> dict[str, str]:
    """Write a kernel of this interpreter with the helpers loaded, and a private place for Jupyter.

    Returns
    -------
    The variables by which Jupyter finds it and keeps to that place.
    """
    server.mkdir(mode=0o700, parents=True, exist_ok=True)
    server.chmod(0o700)
    kernel = server / "share" / "kernels" / KERNEL
    kernel.mkdir(parents=True, exist_ok=True)
    # -P: a folder named `models` beside a notebook is not ours
    start = [sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {
        "argv": [*start, "--ext", "pipeline.lab_magic", "--IPKernelApp.ignore_cwd=True"],
        "display_name": f"Python, cluster {args.name}",
        "language": "python",
        "env": {OPTIONS: options_of(args), "IPYTHONDIR": str(server / "ipython")},
    }
    (kernel / "kernel.json").write_text(json.dumps(spec, indent=1), "utf-8")
    return {
        "JUPYTER_PATH": str(server / "share"),
        "JUPYTER_CONFIG_DIR": str(server / "config"),
        "JUPYTER_DATA_DIR": str(server / "data"),
        "JUPYTER_RUNTIME_DIR": str(server / "runtime"),
        "PLOOMBER_STATS_ENABLED": "false",  # jupysql tells nobody that it is used
        "PATH": f"{ROOT / 'bin'}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
    }


def write_token(server: Path) -> Path:
    """Write a new token that opens the notebook server, for its owner's eyes only; mode 0600."""
    path = server / "token"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_hex(24))
    return path
