"""The memory of what the driver does with a row an image, on made tables: of `benchmarks.scale`.

Each path runs in a process of its own; what that process had at most counts (VmHWM), with all that
it imported. A twentieth of the images have a near duplicate.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from models.dataset import index_classes
from mr_jobs.lib.duplicates import DuplicatePair
from mr_jobs.lib.imagenet import ImageKey
from mr_jobs.lib.records import CatalogRow
from mr_jobs.lib.selection import Selection
from pipeline import catalog, duplicates
from pipeline.division import train_rows
from pipeline.images import Images
from pipeline.known import KnownImages
from pipeline.progress import Progress
from pipeline.step import Context
from pipeline.stores import LocalStore

ROOT = Path(__file__).resolve().parents[1]
N_CLASSES, TOP_K = 1000, 5
_DUPLICATES = 20  # one image of so many
_SIGNATURE = "7f" * 100


def write_tables(root: Path, n_images: int, *, located: bool) -> None:
    """Write a catalogue, pairs of duplicates and an evaluation job's output of so many images.

    Images that are `located` have an offset in a bundle, which is not there.
    """
    for folder in ("catalog", "pairs", "evaluate"):
        (root / folder).mkdir(parents=True)
    with (
        (root / "catalog" / "00000-00000.tsv").open("w") as rows,
        (root / "pairs" / "part-00000").open("w") as pairs,
        (root / "evaluate" / "part-00000").open("w") as scored,
    ):
        wnids = [f"n{number:08}" for number in range(N_CLASSES)]
        best = "\t".join(f"{wnid}\t0.123456" for wnid in wnids[:TOP_K])
        for number in range(n_images):
            key = _key(number)
            row = _row(key, number)._replace(offset=110_000 * number if located else -1)
            rows.write(f"{row.to_line()}\n")
            if number % _DUPLICATES == 1:
                pair = DuplicatePair(str(key), str(_key(number - 1)), "near", 2, 0, 0, True, True)
                pairs.write(f"{pair.to_line()}\n")
            scored.write(f"row\tval\t{number:09}.JPEG\t{key}\t{best}\n")


def _key(number: int) -> ImageKey:
    return ImageKey("train", f"n{number % N_CLASSES:08}", f"{number:09}.JPEG")


def _row(key: ImageKey, number: int) -> CatalogRow:
    known: dict[str, Any] = dict.fromkeys(CatalogRow._fields)
    known |= {"image_id": key.image_id, "wnid": key.wnid, "split": key.split, "key": str(key)}
    known |= {"bundle": "00000-00000.seq", "length": 110_000, "bytes": 109_900}
    known |= {"sha256": hashlib.sha256(str(number).encode()).hexdigest(), "format": "jpeg"}
    known |= {"width": 500, "height": 375, "channels": 3, "exif_orientation": 1}
    return CatalogRow(**known | {"signature": _SIGNATURE, "status": "kept"})


def _context(root: Path) -> Context:
    data = SimpleNamespace(seed=0, val_fraction=0.2, test_fraction=0.0)
    facts = SimpleNamespace(
        config=SimpleNamespace(data=data, duplicates=SimpleNamespace(leaks="move")),
        data=SimpleNamespace(has_val=False),
        images=_images(root),
    )
    return cast(Context, facts)


def _images(root: Path) -> Images:
    return Images("made", LocalStore(root), None, root / "cache")


def _summarise(root: Path) -> None:
    catalog.summarise(LocalStore(root), root / "run")


def _group(root: Path) -> None:
    duplicates.write_groups(LocalStore(root), "pairs")


def _divide(root: Path) -> None:
    _group(root)
    rows = catalog.rows(LocalStore(root))
    index_classes(row.wnid for row in train_rows(_context(root), rows, None))


def _known(root: Path) -> None:
    KnownImages(LocalStore(root))


def _select(root: Path) -> None:
    selected = Selection.of(row.key for row in catalog.rows(LocalStore(root)))
    selected.to_bytes()


def _index(root: Path) -> None:
    from pipeline import index

    _group(root)
    for table in ("boxes", "synsets", "refused", "predictions"):
        (root / table).mkdir()
    index.load(_images(root), "duckdb", Progress("index"))


def _evaluate(root: Path) -> None:
    from pipeline.evaluate_step import read_output

    read_output(LocalStore(root), "evaluate", root / "run", {"val": 0})


def _predictions(root: Path) -> None:
    from models.predictions import read_predictions
    from models.report import prediction_lines

    _evaluate(root)
    for _ in prediction_lines(read_predictions(root / "run" / "predictions-val.tsv"), TOP_K):
        pass


PATHS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "nothing": ("no work", lambda _: None),
    "summarise": ("total the catalogue", _summarise),
    "group": ("group duplicates", _group),
    "divide": ("divide into train and val", _divide),
    "known": ("what is stored already, for an ingest of more", _known),
    "select": ("choose images by --where", _select),
    "index": ("fill the index, DuckDB", _index),
    "evaluate": ("read the evaluation's output", _evaluate),
    "predictions": ("write predictions.tsv", _predictions),
}


def table(counts: Sequence[int], work: Path) -> Iterator[str]:
    """Yield the lines of a table: MiB by path and number of images."""
    yield f"| the driver's work, MiB | {' | '.join(f'{n:,}' for n in counts)} |"
    yield f"| --- |{' ---: |' * len(counts)}"
    for name, (told, _) in PATHS.items():
        cells = [f"{peak_mib(name, n, work):.0f}" for n in counts]
        yield f"| {told} | {' | '.join(cells)} |"


def peak_mib(name: str, n_images: int, work: Path) -> float:
    """Run one path in a process of its own, on tables of so many images."""
    root = work / f"{name}-{n_images}"
    write_tables(root, n_images, located=name == "index")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale_driver", name, str(root)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return int(done.stdout.split()[-1]) / 1024


def main() -> None:
    """Run one path here, and print the most KiB that this process had."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("path", choices=PATHS)
    parser.add_argument("root", type=Path)
    args = parser.parse_args()
    PATHS[args.path][1](args.root)
    print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main()
