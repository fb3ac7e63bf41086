"""A batch computed by several ranks, each of which has its part of it."""

import math

import numpy as np

from minicnn._core.shapes import Array
from minicnn._parallel.ranks import Ranks
from minicnn._parallel.shards import Arrays, Result, Shards


class Spread:
    """Computes this rank's shard of each batch, and adds up those of all: see ``Workers``.

    A batch that cannot be cut is computed whole by every rank.
    """

    def __init__(self, shards: Shards, ranks: Ranks) -> None:
        self.shards = shards
        self.shards.moved_by = ranks.number
        self.ranks = ranks

    def start(self) -> None:
        """See ``Workers.start``: there is nothing to do."""

    def gradients(self, data: Arrays, numbers: Array) -> Result:
        """See ``Workers.gradients``."""
        batch, ranks = self.shards.cut(data, numbers), self.ranks
        if len(batch.parts) == 1:
            return self.shards.result(batch, 0)
        own = self.shards.result(batch, ranks.number)
        losses = ranks.gathered(np.array([own.loss, *own.losses]))
        lengths = [len(part) for part in batch.parts]
        predictions = tuple(ranks.rows(one, lengths) for one in own.predictions)
        loss, *others = (_sum(column) for column in losses.T.tolist())
        grads = dict[str, Array]()
        if math.isfinite(loss) and own.grads:
            summed = ranks.summed(list(own.grads.values()))
            grads = dict(zip(own.grads, summed, strict=True))
        return Result(loss, predictions, grads, tuple(others))

    def close(self) -> None:
        """See ``Workers.close``: there is nothing to do."""


def _sum(losses: list[float]) -> float:
    """In the order of ``shards.reduced``."""
    first, *others = losses
    return first + sum(others)
