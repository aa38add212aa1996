"""The sections of the page that show images: mistakes, contact sheets, what is quarantined."""

from __future__ import annotations

from pipeline.report.formats import brief, count_fact
from pipeline.report.glyphs import drawn
from pipeline.report.predictions import most_confident_mistakes
from pipeline.report.saved import SavedRun
from pipeline.report.sections import View

N_MISTAKES = 24


def mistakes(run: SavedRun) -> View | None:
    """Show the wrong answers that the model was surest of."""
    images = run.images.get("mistakes", {})
    rows = []
    for row in most_confident_mistakes(run.path, N_MISTAKES):
        best, score = row.best[0]
        rows.append(
            {
                "image_id": row.image_id, "wnid": row.wnid, "best": best, "score": score,
                "own_score": dict(row.best).get(row.wnid), "image": images.get(row.key),
            }
        )  # fmt: skip
    return {"mistake_rows": rows} if rows else None


def sheets(run: SavedRun) -> View | None:
    """Show some images of each synset."""
    found = [(wnid, images) for wnid, images in run.images.get("sheets", {}).items() if images]
    if not found:
        return None
    n = len(run.wnids)
    note = "Some images of each synset, of all splits, drawn by lot."
    if len(found) < n:
        which = f"{len(found)} of {n} synsets, those with the highest top-1 error"
        note = f"Some images, drawn by lot, of {which}."
    return {"sheet_rows": found, "sheets_note": note}


def glyphs(run: SavedRun) -> View | None:
    """Show what the histograms of oriented gradients keep of some images."""
    found = run.images.get("glyphs")
    if not found:
        return None
    rows = [
        {
            "wnid": glyph["wnid"],
            "svg": drawn(glyph, f"HOG of an image of {brief(run.words.get(glyph['wnid'], ''))}"),
        }
        for glyph in found
    ]
    return {"glyph_rows": rows, "glyph_px": found[0]["side_px"]}


def quarantine(run: SavedRun) -> View | None:
    """Show what was taken out, and why."""
    reasons = run.metrics["counts"].get("quarantined")
    if not reasons:
        return None
    cards = run.images.get("quarantined", [])
    n = sum(reasons.values())
    which = "All of them." if len(cards) == n else f"{len(cards)} of the {n:,}."
    return {
        "reason_facts": [
            count_fact(reason.replace("_", " "), f"quarantined/{reason}", count)
            for reason, count in sorted(reasons.items())
        ],
        "quarantine_cards": cards,
        "quarantine_note": which,
    }
