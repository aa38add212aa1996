from collections.abc import Iterator

from models.evaluate import Evaluation, SynsetErrors
from models.predictions import Prediction
from models.report import confusion_lines, prediction_lines, submission_lines, synset_lines
from mr_jobs.lib.imagenet import ImageKey


def test_a_file_name_with_a_tab_stays_one_field() -> None:
    key = ImageKey("val", "n1", "a\tb\n.JPEG")

    _, line = prediction_lines([Prediction(key, (("n1", 1.0),))], 1)

    assert line.split("\t") == [r"a\tb\n", r"val/n1/a\tb\n.JPEG", "n1", "n1", "1"]


def test_a_submission_has_the_labels_of_the_five_best() -> None:
    best = tuple((f"n{number}", 1.0) for number in (6, 2, 4, 0, 1, 5, 3))
    labels = {f"n{number}": str(10 + number) for number in range(7)}

    lines = submission_lines([Prediction(ImageKey("val", "n1", "a.JPEG"), best)], labels)

    assert list(lines) == ["16 12 14 10 11"]


def test_lines_come_while_the_predictions_are_read() -> None:
    def endless() -> Iterator[Prediction]:
        number = 0
        while True:
            yield Prediction(ImageKey("val", "n1", f"{number}.JPEG"), (("n1", 0.5),))
            number += 1

    table, submission = prediction_lines(endless(), 1), submission_lines(endless(), {"n1": "7"})

    assert [next(table), next(table)][1] == "0\tval/n1/0.JPEG\tn1\tn1\t0.5"
    assert [next(submission), next(submission)] == ["7", "7"]


def test_the_synset_table_is_sorted_and_has_words() -> None:
    synsets = {"n2": SynsetErrors(4, 2, 1), "n1": SynsetErrors(3, 0, 0)}

    lines = list(synset_lines(Evaluation(["n1", "n2"], 2, synsets), {"n1": "tench"}))

    assert lines[1:] == ["n1\ttench\t3\t0\t0", "n2\tn2\t4\t2\t1"]


def test_the_confusion_table_has_right_images_too() -> None:
    confusion = {("n2", "n1"): 3, ("n1", "n1"): 7}

    lines = list(confusion_lines(Evaluation(["n1", "n2"], 2, confusion=confusion)))

    assert lines == ["true\tpredicted\tn_images", "n1\tn1\t7", "n2\tn1\t3"]
