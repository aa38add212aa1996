"""`bin/pipeline images`: list the image stores, or remove one."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.errors import ConfigError
from pipeline import hbase_store
from pipeline.images import add_images_options, cluster_of, images_at, names, open_images, writing
from pipeline.ledger import Ledger

if TYPE_CHECKING:
    from pipeline.arguments import Commands


def add_parser(commands: Commands) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "images",
        help="list the image stores, or remove one",
        description="List what is stored of which data, in the cluster if one is up, else on this "
        "machine; or remove one image store.",
    )
    add_images_options(parser)
    parser.add_argument("--remove", action="store_true", help="remove the one that --images names")
    parser.add_argument("--yes", metavar="NAME", help="its name, instead of typing it")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """List the image stores, or remove one."""
    if args.remove:
        return _remove(args)
    cluster = cluster_of(args)
    stores = []
    for name in names(cluster):
        images = images_at(name, cluster)
        ledger = Ledger.load(images.store)
        stores.append(
            {
                "name": name,
                "images": ledger.total("images"),
                "table": hbase_store.table_of(images),
                "batches": len(ledger.batches),
                "bundles": len(images.store.files("bundles")),
                "raw_bytes": ledger.total("raw_bytes"),
                "complete": all(batch.state == "bundled" for batch in ledger.batches),
            }
        )
    return {"where": cluster.name if cluster else "this machine", "image_stores": stores}


def _remove(args: Namespace) -> dict[str, Any]:
    if args.images is None:
        raise ConfigError("say which image store to remove: --images NAME")
    images = open_images(args)
    typed = args.yes
    if typed is None and sys.stdin.isatty():
        sys.stderr.write(f"type {images.name} to remove it: ")
        sys.stderr.flush()
        typed = sys.stdin.readline().strip()
    if typed != images.name:
        raise ConfigError(f"nothing is removed: give the image store's name, --yes {images.name}")
    with writing(images):
        hbase_store.remove(images)
        shutil.rmtree(images.cache, ignore_errors=True)
    return {"removed": images.name}


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the result as lines for people."""
    if "removed" in result:
        yield f"removed {result['removed']}"
        return
    if not result["image_stores"]:
        yield f"no image stores on {result['where']}; `bin/pipeline ingest DATA` makes one"
    for s in result["image_stores"]:
        state = "" if s["complete"] else "  (not complete: ingest again)"
        where = f"HBase's table {s['table']}" if s["table"] else f"{s['bundles']} bundles"
        yield f"{s['name']}  {s['images']} images in {where} of {s['batches']} ingests{state}"
