"""Draw what the contestants took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.contestants import BARE
from benchmarks.peers.race import Result

_OURS, _BARE, _PEER = "#0b6e99", "#8a8a8a", "#d9822b"


def plot(results: Sequence[Result], n_images: int, path: Path) -> None:
    """Draw CPU and wall time over the bare loop's as bars, with their ranges, on log scales."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ranked = [result for result in results if not result.fault]
    ranked.sort(key=lambda result: -result.median("wall_s"))
    bare = next(result for result in ranked if result.contestant.name == BARE)
    with mpl.rc_context({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 0.38 * len(ranked) + 1.2), layout="constrained")
        both = figure.subplots(1, 2, sharey=True)
        for axes, what, word in zip(both, ("wall_s", "cpu_s"), ("wall time", "CPU"), strict=True):
            for place, result in enumerate(ranked):
                ratios = sorted(result.ratios(bare, what))
                middle = ratios[len(ratios) // 2]
                ours, name = result.contestant.ours, result.contestant.name
                color = _OURS if ours else _BARE if name == BARE else _PEER
                axes.barh(place, middle, color=color)
                axes.hlines(place, ratios[0], ratios[-1], color="black", linewidth=1)
                axes.annotate(
                    f"{middle:.2f}",
                    (ratios[-1], place),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                )
            axes.set(xscale="log", xlabel=f"{word} ÷ bare loop's")
            axes.set_xlim(0.3, 2 * max(max(result.ratios(bare, what)) for result in ranked))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.axvline(1, color=_BARE, linewidth=0.8)
        both[0].set_yticks(range(len(ranked)), [r.contestant.title.split(" (")[0] for r in ranked])
        figure.suptitle(f"{n_images:,} images, start-up included; less is better")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
