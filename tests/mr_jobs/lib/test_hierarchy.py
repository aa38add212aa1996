import itertools

import numpy as np
import pytest

from mr_jobs.lib.errors import DataError
from mr_jobs.lib.hierarchy import SynsetTree

#            entity
#          /        \
#      animal        thing
#      /    \       /     \
#    dog    cat   car     toy
#   /   \                /   \
# pug   collie        ball   teddy ← also a child of animal
LINES = """entity animal
entity thing
animal dog
animal cat
thing car
thing toy
dog pug
dog collie
toy ball
toy teddy

animal teddy
"""


@pytest.fixture
def tree() -> SynsetTree:
    return SynsetTree.from_lines(LINES.splitlines(), "wordnet.is_a.txt")


def test_the_height_is_the_longest_way_down_to_a_leaf(tree: SynsetTree) -> None:
    heights = {"entity": 3, "animal": 2, "thing": 2, "dog": 1, "toy": 1, "cat": 0, "pug": 0}

    assert {wnid: tree.height(wnid) for wnid in heights} == heights
    assert tree.max_height == 3


@pytest.mark.parametrize(
    ("truth", "guess", "cost"),
    [
        ("pug", "pug", 0),
        ("pug", "collie", 1),
        ("pug", "cat", 2),
        ("pug", "car", 3),
        ("dog", "pug", 1),  # what both have above is the dog itself
        ("ball", "teddy", 1),  # the toy is lower than anything else above both
        ("pug", "teddy", 2),  # an animal by its second parent
    ],
)
def test_a_guess_costs_the_height_of_the_lowest_common_synset(
    tree: SynsetTree, truth: str, guess: str, cost: int
) -> None:
    assert tree.cost(truth, guess) == tree.cost(guess, truth) == cost


def test_of_several_guesses_the_cheapest_counts(tree: SynsetTree) -> None:
    assert tree.least_cost("pug", ["car", "cat", "collie"]) == 1
    assert tree.least_cost("pug", ["car", "pug"]) == 0


def test_a_synset_outside_the_tree_costs_its_whole_height_unless_it_is_right(
    tree: SynsetTree,
) -> None:
    assert tree.cost("pug", "n99") == tree.cost("n99", "pug") == 3
    assert tree.cost("n99", "n99") == 0


def test_two_trees_beside_each_other_have_nothing_in_common() -> None:
    tree = SynsetTree([("a", "b"), ("a", "c"), ("x", "y"), ("y", "z")])

    assert (tree.cost("b", "c"), tree.cost("b", "z")) == (1, 2)


def test_a_trimmed_tree_has_the_classes_and_all_above_them(tree: SynsetTree) -> None:
    trimmed = tree.trimmed(["dog", "car", "n99"])

    assert trimmed.edges() == [
        ("animal", "dog"), ("entity", "animal"), ("entity", "thing"), ("thing", "car"),
    ]  # fmt: skip
    assert (trimmed.height("dog"), trimmed.max_height) == (0, 2)
    assert tree.trimmed([]).edges() == []


def test_costs_are_those_of_looking_at_all_common_synsets() -> None:
    random = np.random.default_rng(5)
    edges = [
        (f"s{parent}", f"s{child}")
        for child in range(1, 60)
        for parent in random.choice(child, min(child, int(random.integers(1, 3))), replace=False)
    ]
    tree = SynsetTree([edges[at] for at in random.permutation(len(edges))])

    def down(synset: str) -> set[str]:
        return {synset}.union(*(down(child) for parent, child in edges if parent == synset))

    def height(synset: str) -> int:
        return max((1 + height(child) for parent, child in edges if parent == synset), default=0)

    below = {f"s{number}": down(f"s{number}") for number in range(60)}
    for truth, guess in itertools.combinations([f"s{n}" for n in range(0, 60, 4)], 2):
        common = [height(synset) for synset, under in below.items() if {truth, guess} <= under]
        assert tree.cost(truth, guess) == min(common)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["a b", "b c", "c a"], "wordnet.is_a.txt: goes in a circle at or below a;"),
        (["top a", "a b", "b a"], "goes in a circle at or below a;"),
        (["a a"], "line 1 is not `parent child`, two different synsets"),
        (["a b", "a b c"], "line 2 is not `parent child`"),
    ],
)
def test_a_file_that_is_no_tree_is_refused(lines: list[str], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        SynsetTree.from_lines(lines, "wordnet.is_a.txt")


def test_an_edge_that_comes_twice_counts_once() -> None:
    assert SynsetTree([("a", "b"), ("a", "b")]).max_height == 1


def test_a_long_chain_is_no_matter() -> None:
    tree = SynsetTree((f"s{n}", f"s{n + 1}") for n in range(5000))

    assert tree.max_height == 5000
    assert len(tree.above("s5000")) == 5001
