"""The tree of synsets, and what a wrong guess costs in it.

ILSVRC2010 asks, beside whether a guess is right, how far off it is: a guess costs the height of the
lowest synset that is above both the guess and the truth, of several guesses the least (readme of
the ILSVRC2010 devkit). Its hierarchy is trimmed to the classes and all that is above them; the
height of a synset is the longest way down to a leaf of it. A synset may have several parents, as in
WordNet; then the lowest of all common synsets counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from mr_jobs.lib.errors import DataError

Edge = tuple[str, str]  # parent, child


class SynsetTree:
    """A hierarchy of synsets.

    Parameters
    ----------
    edges : (parent, child), in any order; one that comes twice counts once.
    name : what to call the tree in an error, such as its file.

    Raises
    ------
    DataError
        A synset is above itself.
    """

    def __init__(self, edges: Iterable[Edge], name: str = "the synset tree") -> None:
        self._parents: dict[str, set[str]] = {}
        for parent, child in edges:
            self._parents.setdefault(parent, set())
            self._parents.setdefault(child, set()).add(parent)
        self._height = self._measure(name)
        self._above: dict[str, frozenset[str]] = {}

    @classmethod
    def from_lines(cls, lines: Iterable[str], name: str) -> SynsetTree:
        """Read `wordnet.is_a.txt`: a parent and its child a line, with a space between.

        Raises
        ------
        DataError
            A line is not that, or a synset is above itself.
        """
        return cls(read_edges(lines, name), name)

    @cached_property
    def max_height(self) -> int:
        """The height of the highest synset, in edges."""
        return max(self._height.values(), default=0)

    def edges(self) -> list[Edge]:
        """Return all edges, sorted."""
        return sorted((p, child) for child, parents in self._parents.items() for p in parents)

    def trimmed(self, wnids: Iterable[str]) -> SynsetTree:
        """Return the part that is made of some synsets and all that is above them."""
        kept = frozenset().union(*(self.above(wnid) for wnid in wnids))
        return SynsetTree((parent, child) for parent, child in self.edges() if child in kept)

    def height(self, wnid: str) -> int:
        """Return the length of the longest way down to a leaf, in edges."""
        return self._height[wnid]

    def above(self, wnid: str) -> frozenset[str]:
        """Return a synset with all that are above it; nothing for one that is not in the tree."""
        if wnid not in self._above:
            found, left = set[str](), [wnid] if wnid in self._parents else []
            while left:
                found.add(synset := left.pop())
                left += self._parents[synset] - found
            self._above[wnid] = frozenset(found)
        return self._above[wnid]

    def cost(self, truth: str, guess: str) -> int:
        """Return what a guess costs: 0 if it is right, else the height of what both have above.

        Two synsets with nothing above both, as one that is not in the tree, cost `max_height`.

        >>> SynsetTree([("animal", "dog"), ("animal", "cat"), ("dog", "poodle")]).cost("cat", "dog")
        2
        """
        if guess == truth:
            return 0
        common = self.above(truth) & self.above(guess)
        return min((self._height[synset] for synset in common), default=self.max_height)

    def least_cost(self, truth: str, guesses: Sequence[str]) -> int:
        """Return what the cheapest of one or more guesses costs."""
        return min(self.cost(truth, guess) for guess in guesses)

    def _measure(self, name: str) -> dict[str, int]:
        """Find all heights, from the leaves up."""
        waiting = dict.fromkeys(self._parents, 0)  # children that have no height yet
        for parents in self._parents.values():
            for parent in parents:
                waiting[parent] += 1
        ready = [synset for synset, n in waiting.items() if not n]
        height = dict.fromkeys(ready, 0)
        for synset in ready:  # grows on the way
            for parent in self._parents[synset]:
                height[parent] = max(height.get(parent, 0), height[synset] + 1)
                waiting[parent] -= 1
                if not waiting[parent]:
                    ready.append(parent)
        if len(ready) < len(self._parents):
            stuck = min(synset for synset, n in waiting.items() if n)
            raise DataError(
                f"{name}: goes in a circle at or below {stuck}; fetch it again, or take it out of "
                "the data directory"
            )
        return height


def read_edges(lines: Iterable[str], name: str) -> Iterator[Edge]:
    """Read the edges of `wordnet.is_a.txt`; empty lines are passed over.

    Raises
    ------
    DataError
        A line is not a parent and a child.

    >>> list(read_edges(["n01 n02", "", "n01 n03"], "wordnet.is_a.txt"))
    [('n01', 'n02'), ('n01', 'n03')]
    """
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2 or fields[0] == fields[1]:
            raise DataError(f"{name}: line {number} is not `parent child`, two different synsets")
        yield fields[0], fields[1]
