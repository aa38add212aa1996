"""`bin/pipeline ui`: the addresses of a cluster's web pages, and whether they answer."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ClusterError, ConfigError, IncompleteError
from pipeline.images import cluster_of
from pipeline.scale_command import add_cluster_options

if TYPE_CHECKING:
    from pipeline.arguments import Commands


class SilentPageError(IncompleteError):
    """A page of the cluster does not answer; the others are in `result`."""

    exit_code = ClusterError.exit_code


def add_parser(commands: Commands) -> None:
    """Add the command `ui`."""
    from pipeline.existing import add_existing_options

    parser = commands.add_parser(
        "ui",
        help="the addresses of the cluster's web pages, and whether they answer",
        description="Print the web pages of the cluster's daemons, of what runs on it and of its "
        "notebook server: where, what for, and whether they answer. The exit code is 3 if one does "
        "not.",
    )
    add_cluster_options(parser)
    add_existing_options(parser)
    parser.set_defaults(runner=None)


def run(args: Namespace) -> dict[str, Any]:
    """Find and ask the pages.

    Returns
    -------
    name: of the cluster; pages: name, url, what, ok, says of each.

    Raises
    ------
    SilentPageError
        One does not answer.
    """
    from pipeline.web_uis import checked, pages

    cluster = cluster_of(args)
    if cluster is None:
        raise ConfigError(f"there is no cluster {args.name}; start it with `bin/pipeline up`")
    result: dict[str, Any] = {"name": cluster.name, "pages": checked(cluster, list(pages(cluster)))}
    silent = [page["name"] for page in result["pages"] if not page["ok"]]
    if silent:
        raise SilentPageError(
            f"{', '.join(silent)} of cluster {cluster.name}: no answer; `bin/pipeline status` says "
            "why, and `bin/pipeline up` starts what is missing",
            result,
        )
    return result


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield a line a page."""
    widths = [max(len(page[key]) for page in result["pages"]) for key in ("name", "url", "says")]
    for page in result["pages"]:
        cells = [page[key].ljust(n) for key, n in zip(("name", "url", "says"), widths, strict=True)]
        yield "  ".join([*cells, page["what"]])
