"""Write a run's tables for people and for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.evaluate import Evaluation, Prediction

_SHOWN_SYNSETS = 1000


def prediction_lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield predictions.tsv: a header, then one line an image, sorted by image_id."""
    header = ["image_id", "image_key", "wnid"]
    for place in range(1, evaluation.top_k + 1):
        header += [f"wnid_{place}", f"score_{place}"]
    yield "\t".join(header)
    for key, best in sorted(evaluation.predictions, key=lambda p: (p.key.image_id, p.key)):
        fields = [key.image_id, str(key), key.wnid]
        for label, score in best:
            fields += [evaluation.wnids[label], f"{score:.6g}"]
        yield "\t".join(map(_printable, fields))


def submission_lines(evaluation: Evaluation, labels: Sequence[str]) -> Iterator[str]:
    """Yield the ILSVRC devkit's classification format.

    One line an image in ascending order of file names, up to 5 labels, best first.

    Parameters
    ----------
    labels : what to write for each class_index, see `submission_labels`.
    """

    def by_file_name(prediction: Prediction) -> tuple[str, str]:
        return prediction.key.file_name, str(prediction.key)

    for _, best in sorted(evaluation.predictions, key=by_file_name):
        yield " ".join(labels[label] for label, _ in best[:5])


def submission_labels(
    wnids: Sequence[str], ilsvrc_ids: Mapping[str, int] | None
) -> tuple[str, list[str]]:
    """Return the kind of label and the label of each class_index.

    The labels are ilsvrc_id when all synsets have one, else wnid.
    """
    if ilsvrc_ids and all(wnid in ilsvrc_ids for wnid in wnids):
        return "ilsvrc_id", [str(ilsvrc_ids[wnid]) for wnid in wnids]
    return "wnid", list(wnids)


def synset_lines(evaluation: Evaluation, words: Mapping[str, str]) -> Iterator[str]:
    """Yield synsets.tsv: the errors of each synset that has labelled images, by wnid."""
    yield "wnid\twords\tn_images\tn_top1_errors\tn_topk_errors"
    for wnid, errors in sorted(evaluation.synsets.items()):
        yield "\t".join(_printable(str(field)) for field in (wnid, words.get(wnid, wnid), *errors))


def _printable(field: str) -> str:
    return field if field.isprintable() else field.encode("unicode_escape").decode()


def report_lines(
    metrics: Mapping[str, Any],
    evaluation: Evaluation,
    words: Mapping[str, str],
    submission_label: str,
) -> Iterator[str]:
    """Yield report.md.

    Parameters
    ----------
    metrics : of `metrics.build_metrics`.
    evaluation : of the validation split.
    words : synset words by wnid.
    submission_label : the kind of label in submission.txt.
    """
    if metrics.get("synthetic"):
        yield "**SYNTHETIC DATA: these pictures were drawn by this program. The errors below say "
        yield "that the pipeline works, and nothing about photographs.**"
        yield ""
    yield f"# Run {metrics['run_id']}"
    yield ""
    yield from _table(("fact", "value"), _facts(metrics, submission_label))
    yield from _section("Warnings", [f"- {sentence}" for sentence in metrics["warnings"]])
    yield from _section("Images", _images(metrics["counts"]))
    yield from _section("Synsets", _synsets(evaluation, words))
    yield from _section("Most confused", _confusions(evaluation, words))
    seconds = [(step["name"], f"{step['seconds']:.1f}") for step in metrics["steps"]]
    yield from _section("Seconds", list(_table(("step", "seconds"), seconds)) if seconds else [])


def _facts(metrics: Mapping[str, Any], submission_label: str) -> Iterator[tuple[str, str]]:
    yield "data", f"{metrics['data']}{' (synthetic)' if metrics.get('synthetic') else ''}"
    yield "runner", str(metrics["runner"])
    for name in (key for key in metrics if key.endswith("_error")):
        yield _error_name(name), _rate(metrics[name], metrics[f"{name}_interval"])
    for name in (key for key in metrics.get("test", {}) if key.endswith("_error")):
        test = metrics["test"]
        label = f"{_error_name(name)}, {test['n_images']} test images"
        yield label, _rate(test[name], test[f"{name}_interval"])
    yield "validation images", str(metrics["n_images"])
    yield "synsets in the model", str(metrics["n_classes"])
    for name, value in metrics["model"].items():
        if not isinstance(value, list):
            yield (
                name.removeprefix("n_").replace("_", " "),
                f"{value:g}" if isinstance(value, float) else str(value),
            )
    yield "labels in submission.txt", submission_label


def _error_name(key: str) -> str:
    return key.replace("top", "top-").replace("_error", " error")


def _rate(rate: float | None, interval: Sequence[float] | None) -> str:
    if rate is None or interval is None:
        return "not known"
    return f"{rate:.2%} (95 % interval {interval[0]:.2%} to {interval[1]:.2%})"


def _images(counts: Mapping[str, Any]) -> list[str]:
    lines = []
    quarantined = counts.get("quarantined", {})
    if {"images", "kept"} <= set(counts) and isinstance(quarantined, Mapping):
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(quarantined.items()))
        lines.append(
            f"{counts['images']} images = {counts['kept']} kept + {sum(quarantined.values())} "
            f"quarantined{f' ({reasons})' if reasons else ''}"
        )
        if repaired := counts.get("repaired"):
            kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(repaired.items()))
            lines.append(f"repairs of kept images: {kinds}")
        lines.append("")
    rows = [
        (name.replace("_", " "), str(value))
        for name, value in counts.items()
        if not isinstance(value, Mapping)
    ]
    return lines + (list(_table(("images", "count"), rows)) if rows else [])


def _synsets(evaluation: Evaluation, words: Mapping[str, str]) -> list[str]:
    rows = [
        (wnid, words.get(wnid, wnid), str(n), f"{top1 / n:.1%}", f"{topk / n:.1%}")
        for wnid, (n, top1, topk) in sorted(evaluation.synsets.items())
    ]
    head = ("wnid", "words", "images", "top-1 error", f"top-{evaluation.top_k} error")
    lines = list(_table(head, rows[:_SHOWN_SYNSETS])) if rows else []
    if len(rows) > _SHOWN_SYNSETS:
        lines.append(f"{len(rows) - _SHOWN_SYNSETS} more are in synsets.tsv.")
    return lines


def _confusions(evaluation: Evaluation, words: Mapping[str, str]) -> list[str]:
    rows = [
        (f"{words.get(true, true)} ({true})", f"{words.get(best, best)} ({best})", str(count))
        for true, best, count in evaluation.most_confused()
    ]
    return list(_table(("is", "was taken for", "images"), rows)) if rows else []


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"## {title}"
        yield ""
        yield from lines


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_printable(field).replace('|', '&#124;') for field in row)} |"
