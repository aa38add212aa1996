import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.tally import UNIT, Tally, bins_of, fraction, read_numbers


def test_a_tally_read_back_from_its_lines_is_the_same() -> None:
    tally = Tally()
    tally.count("val", "n1", ["n2", "n1"])
    tally.count("val", "n1", ["n2", "n3"])
    tally.calibrate("val", False, 0.1, 2.5)

    again = Tally()
    for name, numbers in tally.lines():
        again.add(name, read_numbers(numbers))

    assert again.sums == tally.sums
    assert tally.sums["val", "synset", "n1"] == [2, 2, 1]
    assert tally.sums["val", "likelihood"] == [1, 5 * UNIT // 2]


def test_fractions_add_up_to_the_same_in_any_order() -> None:
    scores = [0.1, 1e-12, 0.7, 0.3, 1.0, 1e-5] * 50
    forwards, backwards = Tally(), Tally()
    for score in scores:
        forwards.calibrate("val", True, score, score)
    for score in reversed(scores):
        backwards.calibrate("val", True, score, score)

    assert forwards.sums == backwards.sums
    total = sum(total for _, _, total in bins_of(forwards.of_split("val", "bin")))
    assert fraction(total, 300) == pytest.approx(sum(scores) / 300, abs=1e-12)


def test_a_split_has_its_own_sums() -> None:
    tally = Tally()
    tally.count("val", "n1", ["n1"])
    tally.count("test", "n1", ["n2"])

    assert tally.of_split("val", "synset") == {("n1",): [1, 0, 0]}
    assert tally.of_split("test", "confusion") == {("n1", "n2"): [1]}
    assert tally.of_split("train", "synset") == {}


def test_sums_of_different_lengths_do_not_add_up() -> None:
    tally = Tally()
    tally.add(("val", "cost"), (1, 2, 3))

    with pytest.raises(DataError, match="the sums val cost do not fit together"):
        tally.add(("val", "cost"), (1, 2))
    with pytest.raises(DataError, match=r"not a sum: '1 2\.5'"):
        read_numbers("1 2.5")
