"""Write a run's tables for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from models.evaluate import Evaluation
from models.predictions import Prediction


def prediction_lines(predictions: Iterable[Prediction], top_k: int) -> Iterator[str]:
    """Yield predictions.tsv: a header, then one line an image, in the order that they come in.

    Parameters
    ----------
    predictions : of a split, see `predictions.read_predictions`.
    top_k : how many classes each of them has.
    """
    header = ["image_id", "image_key", "wnid"]
    for place in range(1, top_k + 1):
        header += [f"wnid_{place}", f"score_{place}"]
    yield "\t".join(header)
    for key, best in predictions:
        fields = [key.image_id, str(key), key.wnid]
        for wnid, score in best:
            fields += [wnid, f"{score:.6g}"]
        yield "\t".join(map(printable, fields))


def submission_lines(predictions: Iterable[Prediction], labels: Mapping[str, str]) -> Iterator[str]:
    """Yield the ILSVRC devkit's classification format: up to 5 labels an image, best first.

    Parameters
    ----------
    predictions : of a split, in ascending order of file names, as `predictions.read_predictions`
        yields them and the devkit wants them.
    labels : what to write for each wnid, see `submission_labels`.
    """
    for _, best in predictions:
        yield " ".join(labels[wnid] for wnid, _ in best[:5])


def submission_labels(
    wnids: Sequence[str], ilsvrc_ids: Mapping[str, int] | None
) -> tuple[str, dict[str, str]]:
    """Return the kind of label, and the label of each wnid.

    The labels are ilsvrc_id when all synsets have one, else wnid.
    """
    if ilsvrc_ids and all(wnid in ilsvrc_ids for wnid in wnids):
        return "ilsvrc_id", {wnid: str(ilsvrc_ids[wnid]) for wnid in wnids}
    return "wnid", {wnid: wnid for wnid in wnids}


def synset_lines(evaluation: Evaluation, words: Mapping[str, str]) -> Iterator[str]:
    """Yield synsets.tsv: the errors of each synset that has labelled images, by wnid."""
    yield "wnid\twords\tn_images\tn_top1_errors\tn_topk_errors"
    for wnid, errors in sorted(evaluation.synsets.items()):
        yield "\t".join(printable(str(field)) for field in (wnid, words.get(wnid, wnid), *errors))


def confusion_lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield confusion.tsv: how many images of a synset were taken for which, right ones, too."""
    yield "true\tpredicted\tn_images"
    for row in evaluation.confusion_rows():
        yield "\t".join(printable(str(field)) for field in row)


def printable(field: str) -> str:
    r"""Return a field of a table; one with a tab, a line end or the like has escapes for these.

    >>> print(printable("a\tb"))
    a\tb
    """
    return field if field.isprintable() else field.encode("unicode_escape").decode()
