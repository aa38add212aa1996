"""The numbers of a page's evaluation, worked out anew from predictions.tsv by other code."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

Row = tuple[str, str, list[tuple[str, float]]]  # key, wnid, best


def rows_of(run_dir: Path) -> list[Row]:
    """Read predictions.tsv."""
    _, *lines = (run_dir / "predictions.tsv").read_text("utf-8").splitlines()
    rows = []
    for line in lines:
        _, key, wnid, *best = line.split("\t")
        pairs = [(best[at], float(best[at + 1])) for at in range(0, len(best), 2)]
        rows.append((key, wnid, pairs))
    return rows


def wilson(errors: int, n: int) -> tuple[float, float]:
    """Solve (p - rate)² = z² p (1 - p) / n for p."""
    z2, rate = 1.959963984540054**2, errors / n
    a, b, c = 1 + z2 / n, -(2 * rate + z2 / n), rate * rate
    root = sqrt(b * b - 4 * a * c)
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))


def expected_numbers(rows: Sequence[Row], bins: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Return every number of the evaluation by its name on the page.

    Parameters
    ----------
    bins : low and high of the bins of the calibration.
    """
    numbers: dict[str, float] = {"n_images": len(rows)}
    wrong = [row for row in rows if row[2][0][0] != row[1]]
    missed = [row for row in rows if row[1] not in [wnid for wnid, _ in row[2]]]
    numbers |= {"n_top1_errors": len(wrong), "n_topk_errors": len(missed)}
    numbers |= _rate("top1_error", len(wrong), len(rows))
    numbers |= _rate("top5_error", len(missed), len(rows))
    wnids = sorted({row[1] for row in rows})
    for wnid in wnids:
        of = [row for row in rows if row[1] == wnid]
        of_wrong = [row for row in wrong if row[1] == wnid]
        key = f"synset/{wnid}"
        numbers |= {f"{key}/n_images": len(of), f"{key}/n_top1_errors": len(of_wrong)}
        numbers |= _rate(f"{key}/top1_error", len(of_wrong), len(of))
        numbers[f"{key}/topk_error"] = sum(row[1] == wnid for row in missed) / len(of)
        numbers[f"class/{wnid}/val"] = len(of)
        for best in wnids:
            n = sum(row[2][0][0] == best for row in of)
            numbers[f"confusion/{wnid}/{best}"] = n
            if n and best != wnid:
                numbers[f"confused/{wnid}/{best}"] = n
    surest = sorted(wrong, key=lambda row: (-row[2][0][1], row[0]))[:24]
    for place, (_, wnid, best_of) in enumerate(surest, 1):
        numbers[f"mistake/{place}/score"] = best_of[0][1]
        if wnid in dict(best_of):
            numbers[f"mistake/{place}/own_score"] = dict(best_of)[wnid]
    return numbers | _calibration(rows, bins)


def _rate(name: str, errors: int, n: int) -> dict[str, float]:
    low, high = wilson(errors, n)
    return {name: errors / n, f"{name}/low": low, f"{name}/high": high}


def _calibration(rows: Sequence[Row], bins: Sequence[tuple[float, float]]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    off = 0.0
    for place, (low, high) in enumerate(bins):
        last = place == len(bins) - 1
        of = [r for r in rows if low <= r[2][0][1] < high or (last and r[2][0][1] >= high)]
        numbers[f"calibration/{place}/n_images"] = len(of)
        if of:
            score = sum(row[2][0][1] for row in of) / len(of)
            right = sum(row[2][0][0] == row[1] for row in of) / len(of)
            numbers[f"calibration/{place}/mean_score"] = score
            numbers[f"calibration/{place}/accuracy"] = right
            off += len(of) * abs(score - right)
    if bins:
        numbers["calibration/expected_calibration_error"] = off / len(rows)
    return numbers
