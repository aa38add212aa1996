"""The passes over the training images that a model is made from, wherever the images are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from models.dataset import NO_CLASS, Block, Pairs, blocks
from mr_jobs.descent import Descent, Start
from mr_jobs.lib.errors import DataError
from mr_jobs.lib.moments import Moments
from mr_jobs.lib.records import held_out_from, place
from mr_jobs.lib.sums import Sums
from mr_jobs.lib.trials import Candidates, Centres, Trials
from mr_jobs.vectors_job import HELD_OUT, INNER

_HELD_OUT_FROM = held_out_from(0.0, 0.0)


class Passes(Protocol):
    """Each method is one pass over the training images; what it returns does not grow with them.

    The images have two parts, `inner` and `held_out`, a sixth, for choosing among models.
    """

    def moments(self, *, diagonal: bool = False) -> dict[str, Moments]:
        """Return the moments of each part that has images."""

    def fourth_powers(self, centres: Centres) -> float:
        """Return the sum of `Centres.fourth_powers` over all images."""

    def try_out(self, candidates: Candidates, top_k: int) -> Trials:
        """Try candidates on the part `held_out`."""

    def descend(self, start: Start, loss: str, alpha: float, *, held_out: bool) -> Start:
        """Do an epoch over the part `inner`, or over all images; return where it came to."""


class InMemory:
    """Passes over images that are at hand in this process.

    Parameters
    ----------
    train : gives the training images anew with each call, always in the same order.
    class_index : of every synset among them, see `dataset.index_classes`.
    """

    def __init__(self, train: Pairs, class_index: Mapping[str, int]) -> None:
        self._train = train
        self._class_index = class_index

    def moments(self, *, diagonal: bool = False) -> dict[str, Moments]:
        """Sum up each part."""
        found: dict[str, Moments] = {}
        for part in (INNER, HELD_OUT):
            for block in self._blocks(part):
                if part not in found:
                    found[part] = Moments.empty(
                        len(self._class_index),
                        block.X.shape[1],
                        found[INNER].pivot if INNER in found else block.X.mean(0, np.float64),
                        diagonal=diagonal,
                    )
                found[part].add(block.X, block.y)
        return found

    def fourth_powers(self, centres: Centres) -> float:
        """Sum up the fourth powers."""
        return sum(centres.fourth_powers(block.X, block.y) for block in self._blocks())

    def try_out(self, candidates: Candidates, top_k: int) -> Trials:
        """Count the candidates' errors."""
        trials = Trials.none(candidates)
        for block in self._blocks(HELD_OUT):
            trials.add(candidates, block.X, block.y, top_k)
        return trials

    def descend(self, start: Start, loss: str, alpha: float, *, held_out: bool) -> Start:
        """Do an epoch, as one task."""
        descent = Descent(start, len(self._class_index), loss, alpha)
        n = 0
        for block in self._blocks(None if held_out else INNER):
            descent.add(block.X, block.y)
            n += len(block.y)
        sums: Sums = {name: array.reshape(-1) for name, array in descent.to_sums()}
        return start.after(sums) if n else start

    def _blocks(self, part: str | None = None) -> list[Block] | map[Block]:
        pairs = (
            pair
            for pair in self._train()
            if part is None or (part == HELD_OUT) == (place(str(pair[0]), 0) >= _HELD_OUT_FROM)
        )
        return map(self._checked, blocks(pairs, self._class_index))

    @staticmethod
    def _checked(block: Block) -> Block:
        if (block.y == NO_CLASS).any():
            stray = block.keys[int(np.argmin(block.y))]
            raise DataError(f"the training image {stray} is of none of the model's synsets")
        return block
