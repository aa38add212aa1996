from models.evaluate import Evaluation, Prediction, SynsetErrors
from models.report import prediction_lines, submission_lines, synset_lines
from mr_jobs.lib.imagenet import ImageKey


def test_a_file_name_with_a_tab_stays_one_field() -> None:
    key = ImageKey("val", "n1", "a\tb\n.JPEG")
    evaluation = Evaluation(["n1"], 1, [Prediction(key, ((0, 1.0),))])

    _, line = prediction_lines(evaluation)

    assert line.split("\t") == [r"a\tb\n", r"val/n1/a\tb\n.JPEG", "n1", "n1", "1"]


def test_a_submission_is_in_the_order_of_file_names_with_five_labels() -> None:
    wnids = [f"n{number}" for number in range(7)]
    best = tuple((label, 1.0) for label in range(7))
    names = ["b.JPEG", "a.JPEG", "a_2.JPEG"]
    predictions = [
        Prediction(ImageKey("val", "n1", name), best[place:] + best[:place])
        for place, name in enumerate(names)
    ]

    lines = list(submission_lines(Evaluation(wnids, 7, predictions), wnids))

    assert lines == ["n1 n2 n3 n4 n5", "n2 n3 n4 n5 n6", "n0 n1 n2 n3 n4"]


def test_the_synset_table_is_sorted_and_has_words() -> None:
    synsets = {"n2": SynsetErrors(4, 2, 1), "n1": SynsetErrors(3, 0, 0)}

    lines = list(synset_lines(Evaluation(["n1", "n2"], 2, synsets=synsets), {"n1": "tench"}))

    assert lines[1:] == ["n1\ttench\t3\t0\t0", "n2\tn2\t4\t2\t1"]
