"""Run our feature job and its peers on the same images, by turns, and compare what they take.

    python -m benchmarks.peers [--images 1000] [--rounds 5] [--only NAMES] [--write docs]

Every contestant is a program of its own, start-up included; CPU is that of its whole tree of
processes. benchmarks/setup installs the peers; one that is not there gets a row that says so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from benchmarks import report
from benchmarks.metering import ROOT
from benchmarks.peers.contestants import BARE, BENCH_ENV, CONTESTANTS
from benchmarks.peers.layouts import Layouts, lay_out
from benchmarks.peers.plot import plot
from benchmarks.peers.race import HEAD, Result, race, rows, verdicts

_PACKAGES = ("numpy", "opencv-python-headless", "joblib", "mrjob")
_PEERS = ("daft", "ray", "pyspark", "scikit-image")


def versions() -> str:
    """Name the versions of what took part."""
    here = [f"{name} {metadata.version(name)}" for name in _PACKAGES]
    folders = [str(folder) for folder in BENCH_ENV.glob("lib/python3*/site-packages")]
    there = {d.metadata["Name"].lower(): d.version for d in metadata.distributions(path=folders)}
    return ", ".join(here + [f"{name} {there[name]}" for name in _PEERS if name in there])


def section(results: list[Result], layouts: Layouts, command: str) -> str:
    """Write the section of docs/benchmarks.md."""
    loads = [load for result in results for load in result.loads]
    name = f"benchmarks-{layouts.n_images}.svg"
    return "\n\n".join(
        [
            f"`{command}`, {report.today()}: {layouts.n_images:,} {layouts.what} of "
            f"{layouts.mean_kb:.0f} kB on average, from the page cache, to vectors of HOG (1,764) "
            "and an HSV histogram (128). Each is a program of its own, start-up included, with "
            "the CPU of all its processes; medians, and for ratios, pair by pair within a round, "
            "the range.",
            report.table(HEAD, rows(results, layouts.n_images)),
            *verdicts(results),
            f"{report.machine()}; {versions()}; load before a run {min(loads):.1f} to "
            f"{max(loads):.1f}. Vectors: equal to the bare loop's, or the mean cosine of HOG and "
            "of the histogram to its.",
            f"![CPU and wall time beside the bare loop]({name})",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--images", type=int, default=1000, metavar="N", help="(default: 1000)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="(default: 5)")
    parser.add_argument(
        "--slow-rounds", type=int, metavar="N", help="of Ray, PySpark, scikit-image (default: all)"
    )
    parser.add_argument(
        "--only", metavar="NAMES", help=f"separated by commas, of: {', '.join(CONTESTANTS)}"
    )
    parser.add_argument(
        "--hadoop", action="store_true", help="instead: our job beside PySpark on a cluster"
    )
    parser.add_argument("--port-base", type=int, default=23000, help="of that cluster")
    parser.add_argument("--scratch", type=Path, help="folder for the images (default: a temporary)")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write table and plot, too")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _command() -> str:
    return " ".join(["python -m benchmarks.peers", *sys.argv[1:]])


def _on_hadoop(args: argparse.Namespace) -> None:
    from benchmarks.peers.hadoop import race_on_hadoop
    from benchmarks.peers.hadoop import section as hadoop_section

    with tempfile.TemporaryDirectory(dir=args.scratch, prefix="benchmark-") as folder:
        done = race_on_hadoop(Path(folder), args.images, args.rounds, args.port_base, _say)
    text = hadoop_section(*done, _command())
    print(text)
    if args.write:
        document = ROOT / args.write / "benchmarks.md"
        report.write_section(document, f"{args.images:,} images on Hadoop", text)


def main() -> None:
    """Run the race, print the table."""
    parser = _parser()
    args = parser.parse_args()
    if args.hadoop:
        _on_hadoop(args)
        return
    names = args.only.split(",") if args.only else list(CONTESTANTS)
    if unknown := set(names) - set(CONTESTANTS):
        parser.error(f"no contestant {', '.join(sorted(unknown))}; known: {', '.join(CONTESTANTS)}")
    contestants = [CONTESTANTS[name] for name in dict.fromkeys([BARE, *names])]
    slow_rounds = args.rounds if args.slow_rounds is None else args.slow_rounds
    with tempfile.TemporaryDirectory(dir=args.scratch, prefix="benchmark-") as folder:
        layouts = lay_out(Path(folder), args.images)
        results = race(
            contestants,
            layouts,
            Path(folder),
            args.rounds,
            slow_rounds,
            _say,
        )
    text = section(results, layouts, _command())
    print(text)
    if args.write:
        folder = ROOT / args.write
        report.write_section(folder / "benchmarks.md", f"{args.images:,} images", text)
        if not results[0].fault:
            plot(results, args.images, folder / f"benchmarks-{args.images}.svg")


if __name__ == "__main__":
    main()
