"""`bin/pipeline verify`: read every image of an image store again and hold it to the catalogue.

A job reads the bundles and makes a line a bundle (mr_jobs/lib/audit.py); the same figures are made
of the catalogue's rows. Only where the two differ is a bundle looked at image by image. Memory
follows the number of bundles, and the rows of a few of them.
"""

from __future__ import annotations

import io
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from mr_jobs.lib.audit import Figures, Stored, stored_images
from mr_jobs.lib.errors import BundleError, ClusterError, IncompleteError, JobError
from mr_jobs.lib.hbase_rows import SUFFIX
from mr_jobs.lib.records import NULL, CatalogRow
from mr_jobs.mr_verify_bundles import MRVerifyBundles
from pipeline import catalog, hbase_store
from pipeline.audit import KINDS, Audit, Differences
from pipeline.images import Images, add_images_options, open_images, writing
from pipeline.job_arguments import JobSpec
from pipeline.jobs import run_job
from pipeline.progress import Progress
from pipeline.stores import Store
from pipeline.verify_rows import audits_of_rows, images_of_place

if TYPE_CHECKING:
    from pipeline.arguments import Commands

_WORK = "work/verify"
_TASK_BYTES = 1 << 29
_ROWS_AT_ONCE = 200_000  # of the catalogue, of the bundles that are looked at together
_SHOWN = 10  # images at most, of each kind, of a bundle, to people


def add_parser(commands: Commands) -> None:
    """Add the command `verify`."""
    parser = commands.add_parser(
        "verify",
        help="read every image again and hold it to the catalogue (bit-rot audit)",
        description="Read every image of an image store again and hold its bytes and its place to "
        "the catalogue; name what is missing, added, changed or damaged. Exit code 5 when "
        "something is.",
    )
    add_images_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run(args: Namespace) -> dict[str, Any]:
    """Verify an image store.

    Returns
    -------
    images: its name; bundles: how many, or places in HBase; table: of its rows in HBase, or None;
    verified, bytes: of the images that could be read; differing: of
    each bundle that is not as catalogued its name, the byte and the sentence of its first damage
    (None when it can be read), and missing, added, changed and moved images with their numbers.

    Raises
    ------
    IncompleteError
        If a bundle differs from the catalogue; the result says how.
    """
    images = open_images(args)
    runner = "hadoop" if images.cluster else args.runner or "local"
    with Progress("verify") as progress, writing(images):
        result = verify(images, runner, progress)
    if result["differing"]:
        raise IncompleteError(_complaint(result), result)
    return result


def verify(images: Images, runner: str, progress: Progress) -> dict[str, Any]:
    """Read an image store's bundles and its catalogue, and compare them."""
    store = images.store
    catalogued: dict[str, Figures] = defaultdict(Figures)
    for row in catalog.rows(store):
        catalogued[row.bundle].add(_stored(row))
    place = hbase_store.place_of(images)
    if place:
        audits = audits_of_rows(images, place, catalogued, runner, progress)
    else:
        sizes = _sizes(store)
        audits = _audits(images, sizes, catalogued, runner, progress)
        if set(audits) != set(sizes):
            raise JobError(f"verify: {len(audits)} bundles of {len(sizes)} were read; run it again")
    expected = {name: catalogued.get(name, Figures()) for name in {*audits, *catalogued}}
    odd = [
        name
        for name, figures in sorted(expected.items())
        if name not in audits or audits[name].problem or audits[name].figures != figures
    ]
    counts = {name: figures.n_images for name, figures in expected.items()}
    stored = partial(images_of_place, place) if place else partial(_images_of, store)
    differing = [
        each
        for group in _groups(odd, counts)
        for each in _compared(store, stored, group, audits, progress)
    ]
    return {
        "images": images.name,
        "bundles": len(audits),
        "table": place and place.table,
        "verified": sum(audit.figures.n_images for audit in audits.values()),
        "bytes": sum(audit.figures.n_bytes for audit in audits.values()),
        "differing": differing,
    }


def _stored(row: CatalogRow) -> Stored:
    return Stored(row.key, row.offset, row.bytes, row.sha256)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _sizes(store: Store) -> dict[str, int]:
    """Return the bytes of each bundle by its name."""
    sizes = {}
    for path in store.files("bundles"):
        with store.open(path) as file:
            sizes[_name(path)] = file.seek(0, io.SEEK_END)
    return sizes


def _audits(
    images: Images,
    sizes: Mapping[str, int],
    catalogued: Mapping[str, Figures],
    runner: str,
    progress: Progress,
) -> dict[str, Audit]:
    """Run the job; return what it says of each bundle."""
    store, lists, output = images.store, f"{_WORK}/lists", f"{_WORK}/audits"
    store.delete(_WORK)
    if not sizes:
        return {}
    for number, lines in enumerate(_lists(store, sizes)):
        store.write(f"{lists}/{number:05d}.tsv", lines)
    spec = JobSpec(
        name="verify",
        job=MRVerifyBundles,
        inputs=[store.uri(lists)],
        store=store,
        output=output,
        args=["--webhdfs", images.cluster.webhdfs_url] if images.cluster else [],
        counter="verified",
        total=sum(figures.n_images for figures in catalogued.values()),
    )
    run_job(spec, runner, images.name, progress, images.cluster)
    audits = {}
    for path in store.files(output):
        with store.open(path) as file:
            for line in file:
                name, *figures, at, problem = line.decode().rstrip("\n").split("\t")
                audits[name] = Audit(
                    Figures.from_fields(*figures),
                    None if at == NULL else int(at),
                    None if problem == NULL else problem,
                )
    store.delete(_WORK)
    return audits


def _lists(store: Store, sizes: Mapping[str, int]) -> Iterator[list[bytes]]:
    """Yield the lines of one task's list of bundles after the other."""
    lines: list[bytes] = []
    n_bytes = 0
    for name, size in sizes.items():
        if lines and n_bytes + size > _TASK_BYTES:
            yield lines
            lines, n_bytes = [], 0
        lines.append(f"{store.uri(f'bundles/{name}')}\t{size}\n".encode())
        n_bytes += size
    yield lines


def _groups(names: Iterable[str], counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Cut a list of bundles into groups of few enough rows to hold at once."""
    group: list[str] = []
    n_rows = 0
    for name in names:
        if group and n_rows + counts[name] > _ROWS_AT_ONCE:
            yield group
            group, n_rows = [], 0
        group.append(name)
        n_rows += counts[name]
    if group:
        yield group


def _compared(
    store: Store,
    stored: Callable[[str], Iterable[Stored]],
    names: list[str],
    audits: Mapping[str, Audit],
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """Say of each bundle what is not as catalogued."""
    rows: dict[str, list[Stored]] = {name: [] for name in names}
    for row in catalog.rows(store):
        if row.bundle in rows:
            rows[row.bundle].append(_stored(row))
    for name in names:
        progress.note(f"{name} differs from the catalogue; reading it image by image")
        audit = audits.get(name)
        problem = audit.problem if audit else f"{store.uri(f'bundles/{name}')}: no such file"
        if not audit and name.endswith(SUFFIX):
            problem = None  # a place is nothing without rows
        found: dict[str, Any] = {
            "bundle": name,
            "damaged_at": audit.damaged_at if audit else None,
            "problem": problem,
        }
        differences = Differences(rows.pop(name))
        if audit:
            differences.compare(stored(name))
        yield found | differences.told()


def _images_of(store: Store, name: str) -> Iterator[Stored]:
    """Yield the images of a bundle as far as it can be read, behind damage too."""
    path = f"bundles/{name}"
    try:
        with store.open(path) as file:
            yield from stored_images(file, store.uri(path), on_damage=lambda _: None)
    except (BundleError, ClusterError):
        return  # the job's sentence says what is wrong


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that say to people what came of it."""
    yield (
        f"verified   {result['verified']} images, {result['bytes']} bytes, "
        + (
            f"in table {result['table']} of {result['images']}"
            if result["table"]
            else f"in {result['bundles']} bundles of {result['images']}"
        )
    )
    for each in result["differing"]:
        yield f"differs    {_told(each)}"
        for kind in KINDS:
            for image in each[kind][:_SHOWN]:
                at = "" if image["offset"] is None else f" at byte {image['offset']}"
                yield f"  {kind:8} {image['key']}{at}"
            if each[f"n_{kind}"] > _SHOWN:
                yield f"  {kind:8} and {each[f'n_{kind}'] - _SHOWN} more"


def _told(each: dict[str, Any]) -> str:
    numbers = ", ".join(f"{each[f'n_{kind}']} {kind}" for kind in KINDS if each[f"n_{kind}"])
    return f"{each['bundle']}: " + "; ".join(filter(None, [each["problem"], numbers]))


def _complaint(result: dict[str, Any]) -> str:
    told = [_told(each) for each in result["differing"]]
    what = "places in HBase" if result["table"] else "bundles"
    share = f"{len(told)} of {result['bundles']} {what}"
    first = next((image["key"] for kind in KINDS for image in result["differing"][0][kind]), None)
    named = f", first {first}" if first else ""
    more = f" (and {len(told) - 1} more {what})" if len(told) > 1 else ""
    return (
        f"not as catalogued: {share}: {told[0]}{named}{more}; "
        + ("" if result["table"] else "put the bundle back from a copy, or ")
        + "ingest the data into a new image store"
    )
