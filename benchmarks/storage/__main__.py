"""Write and read the same records by our SequenceFiles and by peers, by turns.

    python -m benchmarks.storage [--records 2000] [--rounds 15] [--write docs]

Every peer is a process that lives through all rounds, so that imports and Java's compiler are
warm; the page cache is warm, too. Peers that are not installed get a row that says how.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import report
from benchmarks.metering import ROOT
from benchmarks.peers.contestants import BENCH_ENV, HOW_TO_INSTALL
from mr_jobs.lib.errors import PipelineError
from pipeline.cluster import jars

JAVA = Path(__file__).with_name("SequenceFileSpeed.java")
VERBS = ("read", "write")
WARM_UPS = 5
TITLES = {
    "ours": "**this project, SequenceFile**",
    "java": "Java, SequenceFile",
    "tarfile": "tarfile",
    "gnu-tar": "GNU tar (read through a pipe, written from files)",
    "webdataset": "WebDataset",
}


@dataclass
class Peer:
    """A way to keep records, its process, and what it took: (wall, CPU) seconds by round."""

    name: str
    command: list[str] = field(default_factory=list)
    fault: str | None = None
    taken: dict[str, list[tuple[float, float]]] = field(
        default_factory=lambda: {verb: [] for verb in VERBS}
    )
    process: subprocess.Popen[str] | None = None

    def do(self, verb: str) -> tuple[float, float, int, int]:
        """Let the process write or read once; return wall, CPU, records and bytes of values."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{verb}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise RuntimeError("it ended: see above")
        return float(answer[0]), float(answer[1]), int(answer[2]), int(answer[3])


def peers(folder: Path, n_records: int) -> list[Peer]:
    """Return the peers, those that are not installed with the reason."""
    worker = ["-m", "benchmarks.storage.worker"]
    made = []
    for name in ("ours", "tarfile", "gnu-tar", "webdataset"):
        bench = name == "webdataset"
        python = str(BENCH_ENV / "bin" / "python") if bench else sys.executable
        peer = Peer(name, [python, *worker, name, str(folder), str(n_records)])
        if bench and not list(BENCH_ENV.glob("lib/python3*/site-packages/webdataset")):
            peer.fault = HOW_TO_INSTALL
        made.append(peer)
    java = Peer("java")
    if shutil.which("java") is None:
        java.fault = "not installed: run bin/setup"
    else:
        try:
            path = f"{jars(lambda _: None)}/*"
            java.command = ["java", "-Xmx1g", "-cp", path, str(JAVA)]
            java.command += [str(folder / "ours"), str(folder / "java")]
        except PipelineError as error:
            java.fault = f"no jars of Hadoop: {error}"
    return [made[0], java, *made[1:]]


@contextlib.contextmanager
def running(peer: Peer) -> Iterator[None]:
    """Run a peer's process until the end of the block."""
    peer.process = subprocess.Popen(
        peer.command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with contextlib.suppress(BrokenPipeError), peer.process:  # it ends with its input
        yield


def race(all_peers: list[Peer], rounds: int, wanted: tuple[int, int]) -> None:
    """Let each peer write and read by turns; `wanted` are the records and their bytes."""
    with contextlib.ExitStack() as stack:
        for number in range(WARM_UPS + rounds):
            for verb in VERBS:
                for peer in all_peers:
                    if peer.fault:
                        continue
                    if peer.process is None:
                        stack.enter_context(running(peer))
                    try:
                        wall, cpu, n_records, n_bytes = peer.do(verb)
                    except (OSError, RuntimeError) as error:
                        peer.fault = f"failed: {error}"
                        continue
                    if n_bytes != wanted[1] or (peer.name != "gnu-tar" and n_records != wanted[0]):
                        peer.fault = f"{n_bytes} bytes of {n_records} records"
                    elif number >= WARM_UPS:
                        peer.taken[verb].append((wall, cpu))


def rows(all_peers: list[Peer], megabytes: float) -> Iterator[list[str]]:
    """Make the table's rows."""
    ours = all_peers[0]
    for peer in all_peers:
        cells = [TITLES[peer.name]]
        for verb in VERBS:
            if peer.fault:
                cells += ["-"] * 3
                continue
            walls, cpus = zip(*peer.taken[verb], strict=True)
            pairs = zip(ours.taken[verb], peer.taken[verb], strict=True)
            times = statistics.median(theirs[0] / mine[0] for mine, theirs in pairs)
            cells += [f"{megabytes / statistics.median(walls):,.0f}"]
            cells += [f"{megabytes / statistics.median(cpus):,.0f}", f"{times:.2f}"]
        yield [*cells, peer.fault or ""]


HEAD = (
    "format",
    *(
        name
        for verb in VERBS
        for name in (f"{verb}, MB/s", f"{verb}, MB/s of CPU", f"{verb}, times slower than ours")
    ),
    "",
)


def main() -> None:
    """Run the race, print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.storage", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--records", type=int, default=2000, metavar="N", help="(default: 2000)")
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="(default: 15)")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the table, too")
    args = parser.parse_args()
    from benchmarks.storage.worker import make_records

    lengths = [len(value) for _, value in make_records(args.records)]
    before = report.load()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        all_peers = peers(Path(folder), args.records)
        race(all_peers, args.rounds, (len(lengths), sum(lengths)))
    text = "\n\n".join(
        [
            f"`{' '.join(['python -m benchmarks.storage', *sys.argv[1:]])}`, {report.today()}: "
            f"{len(lengths):,} records of 20-100 kB, {sum(lengths) / 1e6:.0f} MB, page cache and "
            f"compilers warm, by turns; medians of {args.rounds} rounds.",
            report.table(HEAD, rows(all_peers, sum(lengths) / 1e6)),
            f"{report.machine()}; load before {before:.1f}.",
        ]
    )
    print(text)
    if args.write:
        report.write_section(ROOT / args.write / "benchmarks.md", "Storage", text)


if __name__ == "__main__":
    main()
