"""Run contestants by turns, check what they wrote, and make rows of what they took."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import report
from benchmarks.metering import Usage, measure
from benchmarks.peers.contestants import BARE, ENVIRONMENT, HOW_TO_INSTALL, Contestant
from benchmarks.peers.layouts import Layouts
from benchmarks.peers.outputs import CLOSE, EXACT, Vectors, cosines, fault_of, read_vectors

Say = Callable[[str], None]


@dataclass
class Result:
    """What a contestant took, by round; `fault` is why it is not ranked, if it is not."""

    contestant: Contestant
    usages: dict[int, Usage] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    fault: str | None = None
    vectors: str = ""

    def median(self, what: str) -> float:
        """Return the median of a field of `Usage`."""
        return float(statistics.median(getattr(usage, what) for usage in self.usages.values()))

    def ratios(self, bare: Result, what: str) -> list[float]:
        """Divide by what the bare loop took in the same round."""
        return [
            getattr(usage, what) / getattr(bare.usages[number], what)
            for number, usage in self.usages.items()
        ]


def race(
    contestants: Sequence[Contestant],
    layouts: Layouts,
    scratch: Path,
    rounds: int,
    slow_rounds: int,
    say: Say,
) -> list[Result]:
    """Let every contestant run once a round, the bare loop, which has to be one, first."""
    results = [Result(contestant) for contestant in contestants]
    results.sort(key=lambda result: result.contestant.name != BARE)
    wanted: Vectors = {}
    for result in results:
        if not result.contestant.is_installed():
            result.fault = HOW_TO_INSTALL
    for number in range(rounds):
        for result in results:
            contestant = result.contestant
            if result.fault or (contestant.slow and number >= slow_rounds):
                continue
            output = scratch / "output"
            result.loads.append(report.load())
            usage = measure(contestant.command(layouts, output), env=ENVIRONMENT)
            result.usages[number] = usage
            say(
                f"round {number + 1}  {contestant.name:14}{usage.wall_s:8.2f} s wall"
                f"{usage.cpu_s:8.2f} s CPU{usage.peak_mib:7.0f} MiB  load {result.loads[-1]:.1f}"
            )
            judge(result, usage, output, wanted)
            shutil.rmtree(output, ignore_errors=True)
            if result.fault:
                say(f"         {contestant.name}: {result.fault}")
            if results[0].fault:
                return results  # nothing to compare with
    return results


def judge(result: Result, usage: Usage, output: Path, wanted: Vectors) -> None:
    """Check what a contestant wrote; the first output of the bare loop is the measure."""
    if usage.exit_code:
        result.fault = f"ended with {usage.exit_code}: {_reason(usage.said)}"
        return
    try:
        got = read_vectors(output)
    except (OSError, ValueError) as error:
        result.fault = f"its vectors cannot be read: {error}"
        return
    if not wanted:
        wanted |= got
    how = result.contestant.check
    result.fault = fault_of(got, wanted, how)
    if how == CLOSE and not result.fault:
        result.vectors = "cosine {:.4f} and {:.4f}".format(*cosines(got, wanted))
    else:
        result.vectors = "equal" if how == EXACT else "other values"


def _reason(said: str) -> str:
    """Return the last line that speaks of an error, else the last."""
    lines = said.strip().splitlines() or ["it said nothing"]
    errors = [line for line in lines if "Error" in line or "Exception" in line]
    return (errors or lines)[-1].strip()[:200]


HEAD = (
    "program",
    "CPU, ms an image",
    "CPU ÷ bare loop",
    "wall, s",
    "wall ÷ bare loop",
    "peak, MiB",
    "rounds",
    "vectors",
)


def rows(results: Iterable[Result], n_images: int) -> list[list[str]]:
    """Make the table's rows: the bare loop, then the fastest first, last those not ranked."""
    results = list(results)
    bare = results[0]
    ranked = [result for result in results[1:] if not result.fault]
    ranked.sort(key=lambda result: result.median("wall_s"))
    made = []
    for result in [bare, *ranked] if not bare.fault else []:
        title = result.contestant.title
        made.append(
            [
                f"**{title}**" if result.contestant.ours else title,
                f"{result.median('cpu_s') / n_images * 1e3:.2f}",
                spread(result.ratios(bare, "cpu_s")),
                f"{result.median('wall_s'):.2f}",
                spread(result.ratios(bare, "wall_s")),
                f"{result.median('peak_mib'):.0f}",
                str(len(result.usages)),
                result.vectors,
            ]
        )
    for result in results:
        if result.fault:
            made.append([result.contestant.title, *["-"] * (len(HEAD) - 2), result.fault])
    return made


def spread(ratios: Sequence[float]) -> str:
    """Write a median and its range.

    >>> spread([1.5, 1.0, 1.25])
    '1.25 (1.00-1.50)'
    """
    median = f"{statistics.median(ratios):.2f}"
    return median if len(ratios) == 1 else f"{median} ({min(ratios):.2f}-{max(ratios):.2f})"


def verdicts(results: Sequence[Result]) -> list[str]:
    """Say who is ahead, and what a second process brings."""
    ranked = [result for result in results if not result.fault]
    ours = {result.contestant.name: result for result in ranked if result.contestant.ours}
    peers = [r for r in ranked if not r.contestant.ours and r.contestant.name != BARE]
    said = []
    if "local" in ours and peers:
        for what, word in (("cpu_s", "CPU"), ("wall_s", "wall time")):
            best = min(peers, key=lambda peer: peer.median(what))
            pairs = [
                usage_of(ours["local"], number, what) / usage_of(best, number, what)
                for number in best.usages
                if number in ours["local"].usages
            ]
            said.append(
                f"Local runner beside the best peer in {word}, {best.contestant.title}: "
                f"{spread(pairs)} of its {word}."
            )
    if {"local", "local-1"} <= ours.keys():
        pairs = [
            usage_of(ours["local-1"], number, "wall_s") / usage_of(ours["local"], number, "wall_s")
            for number in ours["local"].usages
            if number in ours["local-1"].usages
        ]
        said.append(f"Processes on every core beside one: {spread(pairs)} times as fast.")
    return said


def usage_of(result: Result, number: int, what: str) -> float:
    """Return a field of what a result took in a round."""
    return float(getattr(result.usages[number], what))
