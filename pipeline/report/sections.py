"""What each section of the page shows, worked out from the saved run; one that has nothing is None.

A section is a function from the run to the names that its macro in sections.html.j2 uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.evaluate import error_interval
from mr_jobs.lib.imagenet import UNLABELLED
from pipeline.report import figures
from pipeline.report.figures import Bar
from pipeline.report.flow import flow
from pipeline.report.formats import Fact, brief, bytes_text, count_fact, number, percent
from pipeline.report.saved import SavedRun, SynsetRow

N_SHOWN = 50  # synsets in a plot
N_CONFUSED = 10
N_SIZES = 16  # bins of a histogram of class sizes

View = dict[str, Any]
_LABELS = {"kind": "model", "n_features": "length of a vector", "n_train_images": "train images"}
_SPLITS = ("train", "val", "test", "leaked")


def facts(run: SavedRun) -> View:
    """Show the model, the data and the versions."""
    metrics, model = run.metrics, run.metrics["model"]
    rows = [
        count_fact("validation images", "n_images", metrics["n_images"]),
        count_fact("synsets of the model", "n_classes", metrics["n_classes"]),
    ]
    for name, value in model.items():
        if isinstance(value, list | dict) or value is None:
            continue
        label = _LABELS.get(name, name.removeprefix("n_").replace("_", " "))
        if isinstance(value, bool | str):
            rows.append(Fact(label, str(value)))
        else:
            text = f"{value:,}" if isinstance(value, int) else number(value)
            rows.append(Fact(label, text, f"model/{name}", value))
    if used := run.features:
        rows.append(Fact("features", ", ".join(used)))
    rows += [Fact("runner", str(metrics["runner"])), Fact("data", str(metrics["data"]))]
    rows += _test_facts(metrics.get("test", {}))
    if "submission_labels" in run.model:
        rows.append(Fact("labels in submission.txt", run.model["submission_labels"]))
    rows.append(Fact("fingerprint of the data", run.manifest["data_fingerprint"][:16]))
    tables = {**run.manifest["parameters"], "versions": run.manifest["versions"]}
    texts = {name: {k: _text(v) for k, v in table.items()} for name, table in tables.items()}
    return {"fact_rows": rows, "parameters": texts}


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _test_facts(test: Mapping[str, Any]) -> list[Fact]:
    rates = [key for key in test if key.endswith("_error") and test[key] is not None]
    told = [
        Fact(f"{_label(key)} of test", percent(test[key]), f"test/{key}", test[key])
        for key in rates
    ]
    return told + ([count_fact("test images", "test/n_images", test["n_images"])] if told else [])


def _label(key: str) -> str:
    return key.replace("top", "top-").replace("_error", " error")


def errors(run: SavedRun) -> list[View]:
    """Return the errors of the headline."""
    keys = [key for key in run.metrics if key.endswith("_error")]
    return [
        {
            "key": key,
            "label": _label(key),
            "rate": run.metrics[key],
            "interval": run.metrics[f"{key}_interval"],
        }
        for key in keys
        if run.metrics[key] is not None
    ]


def images(run: SavedRun) -> View | None:
    """Show where the images went."""
    counts = run.metrics["counts"]
    if not {"images", "kept", "quarantined"} <= set(counts):
        return None
    n_quarantined = sum(counts["quarantined"].values())
    parts = {split: counts.get(split, 0) for split in _SPLITS}
    parts["unselected"] = counts["kept"] - sum(parts.values())
    names = {"train": "in train", "val": "in val", "test": "in test"}
    names |= {"leaked": "taken out of train as leaks", "unselected": "not selected"}
    shown = [
        {"key": part, "n": n, "label": names[part]}
        for part, n in parts.items()
        if n or part != "unselected"
    ]
    drawn = flow(
        "flow",
        f"{counts['images']} images: {counts['kept']} kept, {n_quarantined} quarantined",
        {"images": counts["images"], "kept": counts["kept"], "quarantined": n_quarantined, **parts},
    )
    told = [
        count_fact(f"repaired: {kind.replace('_', ' ')}", f"counts/repaired/{kind}", n)
        for kind, n in counts.get("repaired", {}).items()
    ]
    for name in ("duplicates", "leaks", "label_conflicts", "bundles"):
        if name in counts:
            told.append(count_fact(name.replace("_", " "), f"counts/{name}", counts[name]))
    for reason, n in counts.get("refused_members", {}).items():
        told.append(count_fact(reason.replace("_", " "), f"counts/refused/{reason}", n))
    if "bytes" in counts:
        told.append(Fact("size", bytes_text(counts["bytes"]), "counts/bytes", counts["bytes"]))
    return {
        "counts": counts, "n_quarantined": n_quarantined, "parts_of_kept": shown,
        "image_facts": told, "figures": {"flow": drawn},
    }  # fmt: skip


def classes(run: SavedRun) -> View | None:
    """Show how many images each synset has."""
    splits: dict[str, dict[str, int]] = dict(run.images.get("splits", {}))
    n_unlabelled = sum(splits.pop(UNLABELLED, {}).values())
    if not splits:
        return None
    used = [split for split in _SPLITS if any(split in counts for counts in splits.values())]
    rows = sorted(splits.items(), key=lambda row: (-sum(row[1].values()), row[0]))
    totals = [sum(counts.values()) for _, counts in rows]
    least, most = min(totals), max(totals)
    of = f"{least:,} images each" if least == most else f"{least:,} to {most:,} images"
    told = f"{len(rows):,} synsets of {of}"
    if len(rows) <= N_SHOWN:
        labels = [brief(run.words.get(wnid, wnid)) for wnid, _ in rows]
        parts = {split: [counts.get(split, 0) for _, counts in rows] for split in used}
        drawn = figures.stacked("classes", told, labels, parts)
    else:
        drawn = figures.histogram(
            "classes", told, _size_bins(totals), "images of a synset, from", of="synsets"
        )
    more = f"; {n_unlabelled:,} more have no label" if n_unlabelled else ""
    view = {"class_rows": rows, "class_splits": used, "classes_caption": f"{told}{more}."}
    return {**view, "figures": {"classes": drawn}}


def _size_bins(totals: Sequence[int]) -> list[tuple[str, int]]:
    width = max(1, -(-(max(totals) - min(totals) + 1) // N_SIZES))
    bins = range(min(totals), max(totals) + 1, width)
    return [(f"{low:,}", sum(low <= n < low + width for n in totals)) for low in bins]


def sizes(run: SavedRun) -> View | None:
    """Show the distribution of the images' sizes."""
    sides, files = run.images.get("sides"), run.images.get("sizes")
    if not sides or not files:
        return None
    drawn = {
        "sides": figures.histogram(
            "sides", "images by their shorter side", [(f"{low}", n) for low, _, n in sides],
            "pixels, from",
        ),
        "sizes": figures.histogram(
            "sizes", "images by their file size", [(f"{low // 1024}", n) for low, _, n in files],
            "KiB, from",
        ),
    }  # fmt: skip
    return {"figures": drawn}


def synsets(run: SavedRun) -> View | None:
    """Show the error of each synset, the highest first."""
    rows = run.worst_first()
    if not rows:
        return None
    shown = rows[:N_SHOWN]
    drawn = [
        Bar(brief(row.words), row.top1_error, error_interval(row.n_top1_errors, row.n_images))
        for row in shown
    ]
    which = f" of the {len(shown)} worst of {len(rows)} synsets" if len(rows) > len(shown) else ""
    caption = f"Top-1 error{which}, with its 95 % interval, highest first."
    return {
        "synset_rows": [_synset(row) for row in rows],
        "synsets_caption": caption,
        "figures": {"synsets": figures.bars("synsets", caption, drawn, "top-1 error", share=True)},
    }


def _synset(row: SynsetRow) -> View:
    interval = error_interval(row.n_top1_errors, row.n_images)
    rates = {"top1_error": row.top1_error, "topk_error": row.n_topk_errors / row.n_images}
    return {**row._asdict(), **rates, "interval": interval}


def confusion(run: SavedRun) -> View | None:
    """Show what was taken for what."""
    counts = run.confusion
    if not counts:
        return None
    view: View = {"confused": run.most_confused(N_CONFUSED), "figures": {}, "confusion_rows": []}
    rows = sorted({true for true, _ in counts})
    columns = [wnid for wnid in run.wnids]
    if max(len(rows), len(columns)) > N_SHOWN:
        return view
    order = sorted({*rows, *columns})
    matrix = np.array([[counts[true, best] for best in order] for true in order], np.int64)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    labels = [brief(run.words.get(wnid, wnid)) for wnid in order]
    told = f"confusion of {len(order)} synsets"
    view["figures"] = {"confusion": figures.heat_map("confusion", told, shares, labels, matrix)}
    view["confusion_columns"] = columns
    view["confusion_rows"] = [(true, [counts[true, best] for best in columns]) for true in rows]
    return view


def calibration(run: SavedRun) -> View | None:
    """Show whether scores can be taken at their word."""
    found = run.metrics.get("calibration")
    if not found:
        return None
    names = {
        "expected_calibration_error": "expected calibration error",
        "negative_log_likelihood": "mean negative log likelihood",
        "temperature": "temperature",
    }
    told = [
        Fact(label, number(found[key]), f"calibration/{key}", found[key])
        for key, label in names.items()
        if found.get(key) is not None
    ]
    drawn = figures.reliability("reliability", "share of right answers by score", found["bins"])
    return {"calibration_facts": told, "figures": {"reliability": drawn}}


def by_size(run: SavedRun) -> View | None:
    """Show the error by the size of the images and of the boxes on them."""
    titles = {
        "by_image_size": ("Top-1 error by the shorter side of the image", "pixels"),
        "by_box_size": ("Top-1 error by the share of the image that the box covers", "share"),
    }
    parts = []
    for key, (title, unit) in titles.items():
        rows = [row for row in run.metrics.get(key) or [] if row["n_images"]]
        if rows:
            drawn = [
                Bar(row["name"], row["top1_error"], row["top1_error_interval"]) for row in rows
            ]
            plot = figures.bars(
                key.replace("_", "-"), title, drawn, "top-1 error", share=True, narrow=True
            )
            parts.append({"key": key, "title": title, "unit": unit, "rows": rows, "figure": plot})
    return {"size_parts": parts} if parts else None


def hierarchy(run: SavedRun) -> View | None:
    """Show how far off in WordNet the errors are."""
    return {} if run.metrics.get("hierarchical_cost") else None


def ablation(run: SavedRun) -> View | None:
    """Show what the model was chosen from."""
    selection = run.metrics["model"].get("selection")
    return {"selection": selection} if selection and selection.get("candidates") else None


def steps(run: SavedRun) -> View | None:
    """Show the seconds of each step."""
    rows = run.metrics.get("steps")
    if not rows:
        return None
    drawn = [Bar(row["name"], row["seconds"]) for row in rows]
    total = round(sum(row["seconds"] for row in rows), 3)
    told = f"{total:.0f} seconds in {len(rows)} steps"
    return {
        "total_seconds": total,
        "figures": {"steps": figures.bars("steps", told, drawn, "seconds")},
    }


Section = Callable[[SavedRun], View | None]
