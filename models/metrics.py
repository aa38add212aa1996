"""Put the result of a run into one dict: metrics.json, and what `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from models.evaluate import Evaluation, error_interval
from models.train import Fit


def build_metrics(
    facts: Mapping[str, Any],
    fit: Fit,
    val: Evaluation,
    test: Evaluation | None = None,
    *,
    top_k: int = 5,
    sizes: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Build metrics.json.

    Parameters
    ----------
    facts : what the driver knows: run_id, run_dir, data, synthetic, runner, counts, steps,
        and warnings, sentences that come before those of the fit and the evaluations.
    val, test : the evaluations; an unlabelled or absent test split adds nothing.
    top_k : as in pipeline.toml; it names the key `top5_error`, also when there are fewer classes.
    sizes : the answers of the queries in `hive/evaluation`, under `by_image_size` (pixels of the
        shorter side) and `by_box_size` (percent of the image); without one it is not known.

    Returns
    -------
    dict of plain JSON values. Errors are fractions, intervals are [low, high] at 95 %, both None
    when no image has a label.
    """
    result = {
        **{name: facts.get(name) for name in ("run_id", "run_dir", "data", "synthetic", "runner")},
        **_errors(val, top_k),
        **_more(fit, val, "val", sizes),
        "n_classes": len(val.wnids),
        "n_images": val.n_images,
        "counts": dict(facts.get("counts", {})),
        "steps": list(facts.get("steps", [])),
        "model": {
            **fit.hyper_parameters,
            "n_train_images": fit.n_images,
            "n_features": fit.n_features,
        },
        "warnings": [*facts.get("warnings", []), *fit.warnings, *_warnings(val, top_k)],
    }
    if test is not None and test.n_images:
        result["test"] = {
            **_errors(test, top_k),
            **_more(fit, test, "test", sizes),
            "n_images": test.n_images,
        }
    return result


def _errors(evaluation: Evaluation, top_k: int) -> dict[str, Any]:
    counted = {1: evaluation.n_top1_errors, top_k: evaluation.n_topk_errors}
    errors: dict[str, Any] = {}
    for k, n_errors in counted.items():
        n_images = evaluation.n_images
        errors[f"top{k}_error"] = n_errors / n_images if n_images else None
        errors[f"top{k}_error_interval"] = (
            list(error_interval(n_errors, n_images)) if n_images else None
        )
    return errors


def _more(
    fit: Fit,
    evaluation: Evaluation,
    split: str,
    sizes: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    calibration = evaluation.calibration
    if calibration is not None:
        calibration = calibration | {"temperature": fit.hyper_parameters.get("temperature")}
    of_split = {
        name: [row for row in rows if row["split"] == split] for name, rows in sizes.items()
    }
    return {
        "calibration": calibration,
        "hierarchical_cost": evaluation.hierarchical_cost,
        "by_image_size": [
            {"name": _range(row, " px", last=1), **_bin(row, 1)}
            for row in of_split.get("by_image_size", [])
        ],
        "by_box_size": [
            {"name": _range(row, " %", last=0), **_bin(row, 100)}
            for row in of_split.get("by_box_size", [])
        ],
    }


def _range(row: Mapping[str, Any], unit: str, *, last: int) -> str:
    """Name a bin; `last` is how far its last value is below its upper bound."""
    low, high = row["low"], row["high"]
    if high is None:
        return f"≥ {low}{unit}"
    return f"{low} to {high - last}{unit}" if low else f"< {high}{unit}"


def _bin(row: Mapping[str, Any], parts: int) -> dict[str, Any]:
    """Count the errors of a bin; of its bounds, `parts` make one."""
    low, high, n_images = row["low"], row["high"], row["n_images"]
    return {
        "low": low / parts if parts > 1 else low,
        "high": high / parts if parts > 1 and high is not None else high,
        "n_images": n_images,
        "top1_error": row["n_top1_errors"] / n_images,
        "top1_error_interval": list(error_interval(row["n_top1_errors"], n_images)),
        "topk_error": row["n_topk_errors"] / n_images,
    }


def _warnings(val: Evaluation, top_k: int) -> list[str]:
    sentences = []
    if not val.n_images:
        sentences.append("no validation image has a label: the error is not known")
    if val.top_k < top_k:
        sentences.append(
            f"there are {len(val.wnids)} classes, so top-{top_k} means top-{val.top_k}"
        )
    if unknown := val.unknown_synsets():
        listed = ", ".join(f"{wnid} ({count})" for wnid, count in list(unknown.items())[:10])
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        sentences.append(
            f"{sum(unknown.values())} validation images are of synsets without training images "
            f"and count as errors: {listed}{more}"
        )
    return sentences
