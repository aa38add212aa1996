"""`bin/pipeline lab`: JupyterLab preset to a cluster, with the notebooks to begin with."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ClusterError, ConfigError
from pipeline.extras import require
from pipeline.images import add_images_options, cluster_of

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_PORT = 8888
_DESCRIPTION = """\
Start JupyterLab for this cluster and print its address. It listens on the loopback address alone
and opens with its token only. Its kernel knows the cluster: %%hql asks Hive, img(id), grid(query),
query(hql), predict(id) and job(status) show, %pipeline runs a command. Ctrl-C ends it with its
kernels; the notebooks stay.
"""


def add_parser(commands: Commands) -> None:
    """Add the command `lab`."""
    parser = commands.add_parser(
        "lab", help="JupyterLab with five notebooks, preset to the cluster",
        description=_DESCRIPTION,
    )  # fmt: skip
    parser.add_argument(
        "--dir", type=Path, metavar="DIR",
        help="folder of the notebooks; those that it lacks are copied into it (default: "
        "var/lab/<cluster>/work)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=_PORT, metavar="N",
        help="port to listen on, or the next that is free (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--execute", nargs="*", metavar="NOTEBOOK",
        help="run these notebooks, or all, from top to bottom instead, and keep what they print",
    )  # fmt: skip
    add_images_options(parser)
    parser.set_defaults(json=False, owns_terminal=True)


def run(args: Namespace) -> dict[str, Any]:
    """Serve notebooks until Ctrl-C, or run some.

    Raises
    ------
    ConfigError
        JupyterLab is not installed, or does not start.
    DataError
        A cell of a notebook failed.
    """
    require("lab", "lab")
    from pipeline.lab_files import copy_notebooks, lab_dir, write_kernel

    if args.port not in range(1, 65486):
        raise ConfigError(f"lab: --port is a number from 1 to 65485, not {args.port}")
    cluster = cluster_of(args)
    place = lab_dir(cluster.name if cluster else "local")
    work = (args.dir or place / "work").absolute()
    names = copy_notebooks(work)
    variables = write_kernel(place / "server", args)
    if args.execute is not None:
        from pipeline.lab_execute import execute

        return {"executed": execute(args.execute or names, work, variables, _say)}
    where = f"cluster {cluster.name}" if cluster else "this machine, without a cluster"
    _serve(place / "server", work, variables, args.port, where)
    return {}


def _serve(server: Path, work: Path, variables: dict[str, str], port: int, where: str) -> None:
    from pipeline.lab_server import running_lab

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    _say(f"lab: starting JupyterLab for {where}")
    try:
        with running_lab(server, work, variables, port) as lab:
            _say(f"notebooks  {os.path.relpath(work)}")
            _say("open this in a browser; Ctrl-C here ends it, and its kernels:")
            _say(f"  {lab.link}")
            code = lab.process.wait()
    except KeyboardInterrupt:
        _say("\nlab: ended; the notebooks stay")
        return
    if code:
        raise ClusterError(f"JupyterLab ended with exit code {code}; see {server / 'log'}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
