"""A batch computed by several ranks, each of which has its part of it."""

import math

import numpy as np

from minicnn._core.shapes import Array
from minicnn._parallel.ranks import Ranks
from minicnn._parallel.shards import Arrays, Compute, Result, Shards


class Spread(Shards):
    """Computes this rank's shard of each batch, and adds up those of all.

    A batch that cannot be cut is computed whole by every rank.
    """

    def __init__(
        self, compute: Compute, rng: np.random.Generator, count: int, random: bool, ranks: Ranks
    ) -> None:
        super().__init__(compute, rng, count, random)
        self.moved_by = ranks.number
        self.ranks = ranks

    def gradients(self, data: Arrays, numbers: Array) -> Result:
        """See ``Shards``."""
        batch, ranks = self.cut(data, numbers), self.ranks
        if len(batch.parts) == 1:
            return self.result(batch, 0)
        own = self.result(batch, ranks.number)
        losses = ranks.gathered(np.array([own.loss, *own.losses]))
        lengths = [len(part) for part in batch.parts]
        predictions = tuple(ranks.rows(one, lengths) for one in own.predictions)
        loss, *others = (_sum(column) for column in losses.T.tolist())
        grads = dict[str, Array]()
        if math.isfinite(loss) and own.grads:
            summed = ranks.summed(list(own.grads.values()))
            grads = dict(zip(own.grads, summed, strict=True))
        return Result(loss, predictions, grads, tuple(others))


def _sum(losses: list[float]) -> float:
    """In the order of ``shards.reduced``."""
    first, *others = losses
    return first + sum(others)
