"""`bin/pipeline credentials`: make, list, rotate and revoke the credentials of a secure cluster."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError
from pipeline import cluster as clusters
from pipeline.cluster_mark import read_mark
from pipeline.credentials import ACCOUNTS, KINDS, Credentials, password_file
from pipeline.progress import Progress
from pipeline.scale_command import add_cluster_options

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_ACTIONS = ("init", "list", "rotate", "revoke")
_TRUSTING = (
    "cluster {name} was deployed without --secure: it believes every name that it is told, and "
    "there is no credential to {action}; a new cluster gets them by `bin/pipeline up --secure`"
)


def add_parser(commands: Commands) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "credentials",
        help="keys and passwords of a secure cluster: make, list, rotate, revoke",
        description="Make, list, rotate or revoke the credentials of a secure cluster. No value is "
        "ever printed. rotate and revoke restart the daemons; jobs that run are lost.",
    )
    parser.add_argument("action", choices=_ACTIONS, help="what to do")
    parser.add_argument(
        "account", nargs="?", metavar="ACCOUNT", help=f"to revoke: {', '.join(ACCOUNTS)}"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help=f"rotate this one, of: {', '.join(KINDS)} (default: all that can)",
    )
    parser.add_argument("--yes", metavar="NAME", help="name of the account, instead of typing it")
    add_cluster_options(parser)


def run(args: Namespace) -> dict[str, Any]:
    """Do one of the actions."""
    place = clusters.cluster_dir(args.name, args.cluster_dir)
    mark = read_mark(place)
    if args.only and args.action != "rotate":
        raise ConfigError("--only goes with `credentials rotate`")
    if args.account and args.action != "revoke":
        raise ConfigError(
            f"`credentials {args.action}` is about all accounts: leave {args.account}"
        )
    if mark and not mark.get("secure"):
        raise ConfigError(_TRUSTING.format(name=args.name, action=args.action))
    credentials = Credentials(args.name, place)
    if args.action == "init":
        made = credentials.make()
        return {"made": made, "vault_password": password_file(), "kept_in": credentials.dir}
    if args.action == "list":
        return {"cluster": args.name, "credentials": _listed(credentials)}
    if not mark:
        raise ConfigError(
            f"there is no cluster {args.name} whose credentials to {args.action}: a new cluster "
            "gets new ones by `bin/pipeline up --secure`"
        )
    if args.action == "rotate":
        return {"rotated": credentials.rotate(args.only or ()), **_deploy(args, place)}
    return _revoke(args, credentials, place)


def _revoke(args: Namespace, credentials: Credentials, place: Path) -> dict[str, Any]:
    if args.account is None:
        raise ConfigError(f"say which account to revoke: one of {', '.join(ACCOUNTS)}")
    typed = args.yes
    if typed is None and sys.stdin.isatty():
        print("type the account's name to revoke it: ", end="", file=sys.stderr, flush=True)  # noqa: T201
        typed = sys.stdin.readline().strip()
    if typed != args.account:
        raise ConfigError(f"give the name of the account to revoke: --yes {args.account}")
    credentials.revoke(args.account)
    return {"revoked": args.account, **_deploy(args, place)}


def _deploy(args: Namespace, place: Path) -> dict[str, Any]:
    """Bring what is new to the hosts, and restart what has read the old."""
    with Progress("credentials") as progress:
        up = clusters.up(args.name, directory=place, progress=progress.note)
    return {"cluster": args.name, "changed": up.changed, "seconds": round(up.seconds, 1)}


def _listed(credentials: Credentials) -> list[dict[str, str]]:
    index = credentials.index
    gone = {f"account-{account}" for account in index.revoked}
    return [
        {
            "name": name,
            "kind": kind.kind,
            "version": str(index.versions[name]),
            "made": index.made[name],
            "kept": "nowhere any more: revoked" if name in gone else kind.kept,
            "readers": "nobody" if name in gone else kind.readers,
        }
        for name, kind in KINDS.items()
    ]


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines to print."""
    if "credentials" not in result:
        width = max(map(len, result))
        yield from (f"{key:{width}}  {_word(value)}" for key, value in result.items())
        return
    for each in result["credentials"]:
        yield f"{each['name']:18} {each['kind']:14} version {each['version']}, {each['made']}"
        yield f"{'':18} kept: {each['kept']}; read by: {each['readers']}"


def _word(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
