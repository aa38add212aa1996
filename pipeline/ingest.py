"""Bring the raw tars to where the jobs run and plan the bundles.

No image is ever unpacked: a tar inside a tar is sent as the range of bytes it is, a folder as a tar
made on the way. The plan cuts the raw tars between members, so that a bundle is at most one HDFS
block; a task then reads just its ranges.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.rawtar import RawRange, plan_line, refusal
from pipeline.hdfspath import HdfsPath
from pipeline.progress import Progress
from pipeline.rawdata import RawData, RawSource, checked_members
from pipeline.stores import LocalStore, Store

_CHUNK_BYTES = 1 << 20


@dataclass
class IngestReport:
    """What was found in the raw data: counts of members, and the plan's size."""

    images: int = 0
    raw_bytes: int = 0
    bundles: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)


class BundlePlan:
    """Cut raw tars into bundles of at most `bundle_bytes`, one split a bundle.

    Attributes
    ----------
    bundles : one list of ranges a bundle.
    """

    def __init__(self, bundle_bytes: int) -> None:
        self.bundles: list[list[RawRange]] = []
        self._bundle_bytes = bundle_bytes
        self._left = 0

    def add(self, member: RawRange) -> None:
        """Add one image; those of one tar must come in order."""
        ranges = self.bundles[-1] if self.bundles else []
        if not ranges or ranges[-1].split != member.split or member.length > self._left:
            ranges = []
            self.bundles.append(ranges)
            self._left = self._bundle_bytes
        self._left -= member.length
        last = ranges[-1] if ranges else None
        if last and (last.uri, last.wnid) == (member.uri, member.wnid):
            ranges[-1] = last._replace(
                length=member.offset + member.length - last.offset, n_images=last.n_images + 1
            )
        else:
            ranges.append(member)


def ingest(
    data: RawData, store: Store, bundle_bytes: int, progress: Progress, *, allow_damaged: bool
) -> IngestReport:
    """Put the raw tars into the store and write the plan of the bundles to `plan/`.

    Also writes `side/labels.tsv` and `side/synsets.txt` for the bundling job, and
    `side/refused.tsv`: a line a member that was left out, with its reason.

    Raises
    ------
    DataError
        If a tar is damaged, or fewer than two classes have images to train on.
    """
    report, plan, refused = IngestReport(), BundlePlan(bundle_bytes), io.StringIO()
    with TemporaryDirectory(prefix="pipeline-raw-") as folder:
        for number, source in enumerate(data.sources):
            progress.update(number, len(data.sources), "raw tars")
            with ExitStack() as stack:
                tar = _as_tar(source, store, Path(folder), stack)
                uri, shift = _send(tar, source.name, store)
                members = checked_members(
                    tar.path, tar.offset, tar.length, data.warnings, allow_damaged
                )
                _plan_source(tar, uri, shift, members, plan, report, refused)
            report.raw_bytes += tar.length
        progress.update(len(data.sources), len(data.sources), "raw tars")
    _check_classes(data, report)
    report.bundles = len(plan.bundles)
    _write_plan(plan, store)
    _write_text(store, "side/labels.tsv", (f"{i}\t{w}\n" for i, w in data.val_labels.items()))
    _write_text(store, "side/synsets.txt", (f"{wnid}\n" for wnid in data.words))
    _write_text(store, "side/refused.tsv", [refused.getvalue()])
    return report


def _as_tar(source: RawSource, store: Store, folder: Path, stack: ExitStack) -> RawSource:
    """Make a tar of a folder, with nothing in it that depends on when or by whom."""
    if source.length >= 0 or isinstance(source.path, HdfsPath):
        return source
    if isinstance(store, LocalStore):  # the bundling task reads it there
        path = Path(store.uri(f"raw/{source.name}"))
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        path = folder / "class.tar"
        stack.callback(path.unlink)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        names: set[str] = set()
        files = [path for path in source.path.rglob("*") if path.is_file()]
        for file in sorted(files, key=lambda path: (len(path.parts), path)):
            inside = "__".join(file.relative_to(source.path).parts)
            info = tarfile.TarInfo(inside if file.name in names else file.name)
            names.add(info.name)
            info.size = file.stat().st_size
            with file.open("rb") as content:
                tar.addfile(info, content)
            tar.members.clear()  # type: ignore[attr-defined]  # else it remembers them all
    return source._replace(path=path, offset=0, length=path.stat().st_size)


def _send(source: RawSource, name: str, store: Store) -> tuple[str, int]:
    """Bring a raw tar to the store; return its URI there, and what to add to its offsets."""
    if isinstance(source.path, HdfsPath):
        return str(source.path), 0
    if isinstance(store, LocalStore):
        return str(source.path.resolve()), 0
    store.write(f"raw/{name}", _chunks(source))
    return store.uri(f"raw/{name}"), -source.offset


def _chunks(source: RawSource) -> Iterator[bytes]:
    left = source.length
    with source.path.open("rb") as file:
        file.seek(source.offset)
        while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def _plan_source(
    source: RawSource,
    uri: str,
    shift: int,
    members: Iterator[tarfile.TarInfo],
    plan: BundlePlan,
    report: IngestReport,
    refused: io.StringIO,
) -> None:
    for member in members:
        if member.isdir():
            continue
        reason = refusal(member)
        if reason:
            report.refused[reason] += 1
            refused.write(f"{source.name}\t{member.name!r}\t{reason}\n")
            continue
        report.images += 1
        if source.split == "train":
            report.classes[source.wnid] += 1
        end = member.offset_data + -(-member.size // 512) * 512
        plan.add(
            RawRange(uri, member.offset + shift, end - member.offset, source.split, source.wnid, 1)
        )


def _check_classes(data: RawData, report: IngestReport) -> None:
    trained = {wnid for wnid in report.classes if not data.words or wnid in data.words}
    if len(trained) < 2:
        raise DataError(
            f"{data.root}: images of {len(trained)} known class(es) to train on; a classifier "
            "needs at least two"
        )
    for source in data.sources:
        if source.split == "train" and not report.classes[source.wnid]:
            data.warnings.append(f"class {source.wnid} has no training image")
    unknown = sorted(set(report.classes) - trained)
    if unknown:
        data.warnings.append(
            f"{', '.join(unknown[:5])}: not in LOC_synset_mapping.txt, so the images of "
            f"{len(unknown)} class(es) are quarantined"
        )


def _write_plan(plan: BundlePlan, store: Store) -> None:
    store.delete("plan")
    width = max(len(plan_line(ranges)) for ranges in plan.bundles)
    for number, ranges in enumerate(plan.bundles):
        # of one size, because Hadoop starts, and numbers, the largest input split first
        _write_text(store, f"plan/{number:05d}.json", [plan_line(ranges, width) + "\n"])


def _write_text(store: Store, name: str, lines: Iterator[str] | list[str]) -> None:
    store.write(name, (line.encode("utf-8", "backslashreplace") for line in lines))
