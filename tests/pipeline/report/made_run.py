"""A saved run made by hand: tables as a run leaves them, of scores drawn by lot."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.report.thumbnails import as_uri

WNIDS = tuple(f"n0000000{number}" for number in range(6))
N_BINS = 10


def made_run(
    path: Path,
    *,
    words: Mapping[str, str] | None = None,
    n_images: int = 240,
    seed: int = 0,
    right: float = 0.6,
    file_name: str = "val_{:06}.JPEG",
    **metrics: Any,
) -> Path:
    """Write the directory of a run; `metrics` are put over those made here."""
    path.mkdir(parents=True)
    words = {wnid: f"thing {wnid[-1]}, other word" for wnid in WNIDS} | dict(words or {})
    wnids = list(words)
    rows = _predictions(wnids, n_images, seed, right, file_name)
    head = ["image_id", "image_key", "wnid"] + [
        f"{x}_{n}" for n in range(1, 6) for x in ("wnid", "score")
    ]
    lines = [head, *([r["id"], r["key"], r["wnid"], *sum(r["best"], ())] for r in rows)]
    _write_table(path / "predictions.tsv", lines)
    synsets = [
        (wnid, words[wnid], len(of), sum(r["best"][0][0] != wnid for r in of),
         sum(all(best != wnid for best, _ in r["best"]) for r in of))
        for wnid in sorted(wnids)
        if (of := [r for r in rows if r["wnid"] == wnid])
    ]  # fmt: skip
    _write_table(
        path / "synsets.tsv", [("wnid", "words", "n_images", "n_top1", "n_topk"), *synsets]
    )
    confusion = Counter((r["wnid"], r["best"][0][0]) for r in rows)
    _write_table(
        path / "confusion.tsv",
        [("true", "predicted", "n_images"), *((*pair, n) for pair, n in sorted(confusion.items()))],
    )
    made = _metrics(path, rows, synsets, words) | metrics
    _write_json(path / "metrics.json", made)
    classes = [{"class_index": n, "wnid": w, "words": words[w]} for n, w in enumerate(wnids)]
    model = {
        "classes": classes,
        "top_k": 5,
        "scores": "posterior probability",
        "submission_labels": "wnid",
    }
    _write_json(path / "model.json", model)
    _write_json(path / "report_images.json", _images(rows, wnids))
    (path / "model.joblib").touch()
    _write_manifest(path)
    return path


def _write_manifest(path: Path) -> None:
    files = {
        each.name: {"bytes": each.stat().st_size, "sha256": sha256(each.read_bytes()).hexdigest()}
        for each in sorted(path.iterdir())
    }
    parameters = {"features": {"features": ["hog", "lab_pixels"]}, "model": {"kind": "lda"}}
    versions = {"python": "3.11"}
    manifest = {"run_id": path.name, "files": files, "parameters": parameters}
    _write_json(
        path / "manifest.json", {**manifest, "versions": versions, "data_fingerprint": "f" * 64}
    )


def _predictions(
    wnids: Sequence[str], n_images: int, seed: int, right: float, file_name: str
) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_images):
        wnid = wnids[number % len(wnids)]
        scores = rng.dirichlet(np.full(len(wnids), 0.3))
        order = sorted(range(len(wnids)), key=lambda n: (-scores[n], n))
        if rng.random() < right:
            order.remove(wnids.index(wnid))
            order.insert(0, wnids.index(wnid))
        top = sorted(scores, reverse=True)[:5]
        best = [(wnids[n], f"{score:.6g}") for n, score in zip(order[:5], top, strict=True)]
        name = file_name.format(number)
        rows.append(
            {"id": name.rpartition(".")[0], "key": f"val/{wnid}/{name}", "wnid": wnid, "best": best}
        )
    return rows


def _metrics(
    path: Path, rows: list[dict[str, Any]], synsets: list[Any], words: Mapping[str, str]
) -> dict[str, Any]:
    from models.evaluate import error_interval

    n, top1, topk = len(rows), sum(s[3] for s in synsets), sum(s[4] for s in synsets)
    made: dict[str, Any] = {
        "run_id": path.name, "run_dir": str(path), "data": "/data/some things", "synthetic": False,
        "runner": "inline", "n_classes": len(words), "n_images": n,
        "counts": {
            "images": 1000, "kept": 990, "quarantined": {"empty": 4, "undecodable": 6},
            "repaired": {"cmyk": 3}, "duplicates": 2, "leaks": 1, "label_conflicts": 0,
            "refused_members": {}, "bytes": 5_000_000, "bundles": 1,
            "train": 748, "val": n, "test": 0, "leaked": 2,
        },
        "steps": [{"name": "bundle", "seconds": 1.5}, {"name": "train", "seconds": 7.25}],
        "warnings": ["there are few images"],
        "hierarchical_cost": {"top1": 0.31, "topk": 0.12, "max_height": 13},
        "by_image_size": [], "by_box_size": [],
    }  # fmt: skip
    for name, errors in (("top1", top1), ("top5", topk)):
        made[f"{name}_error"] = errors / n
        made[f"{name}_error_interval"] = list(error_interval(errors, n))
    made["calibration"] = _calibration(rows)
    candidates = [
        {
            "features": ["hog", "lab_pixels"][: k + 1], "shrinkage": 0.1,
            "top1_error": 0.5 - k / 10, "topk_error": 0.1, "negative_log_likelihood": 1.25,
        }
        for k in range(2)
    ]  # fmt: skip
    selection = {"n_images": 120, "candidates": candidates, "chosen": 1}
    made["model"] = {
        "kind": "lda", "shrinkage": 0.1, "n_train_images": 748, "n_features": 512,
        "selection": selection,
    }  # fmt: skip
    return made


def _calibration(rows: list[dict[str, Any]]) -> dict[str, Any]:
    of_bin: list[list[dict[str, Any]]] = [[] for _ in range(N_BINS)]
    for row in rows:
        of_bin[min(int(float(row["best"][0][1]) * N_BINS), N_BINS - 1)].append(row)
    bins: list[dict[str, Any]] = []
    for number, found in enumerate(of_bin):
        n = len(found)
        mean = sum(float(r["best"][0][1]) for r in found) / n if n else None
        right = sum(r["best"][0][0] == r["wnid"] for r in found) / n if n else None
        bounds = {"low": number / N_BINS, "high": (number + 1) / N_BINS}
        bins.append({**bounds, "n_images": n, "mean_score": mean, "accuracy": right})
    gaps = [b["n_images"] * abs(b["mean_score"] - b["accuracy"]) for b in bins if b["n_images"]]
    error = sum(gaps) / len(rows)
    return {
        "bins": bins, "expected_calibration_error": error, "temperature": 1.5,
        "negative_log_likelihood": None,
    }  # fmt: skip


def _images(rows: list[dict[str, Any]], wnids: Sequence[str]) -> dict[str, Any]:
    square = as_uri(np.full((12, 16, 3), 90, np.uint8))
    n = Counter(row["wnid"] for row in rows)
    return {
        "splits": {wnid: {"train": 100, "val": n[wnid]} for wnid in wnids},
        "sides": [[128, 192, 300], [192, 256, 690]],
        "sizes": [[4096, 8192, 990]],
        "mistakes": {row["key"]: {"key": row["key"], **square} for row in rows},
        "sheets": {
            wnid: [{"key": "a", **square}, {"key": "b", "problem": "no picture: gone"}]
            for wnid in wnids
        },
        "glyphs": [
            {
                "wnid": wnids[0], "key": "a", **square,
                "side_px": 48, "cell_px": 24, "signed": True,
                "cells": [[0, 0, 0.1, 0.5, 0.2, 0.1], [24, 0, 0.0, 0.0, 0.4, 0.0]],
            }
        ],
        "quarantined": [
            {
                "key": "train/x/broken.JPEG", "reason": "undecodable",
                "problem": "no picture: undecodable",
            }
        ],
    }  # fmt: skip


def _write_table(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), "utf-8", newline="\n")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), "utf-8")
