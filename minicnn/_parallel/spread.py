"""A batch computed by several ranks, each of which has its part of it."""

import math

import numpy as np

from minicnn._core.shapes import Array
from minicnn._parallel.ranks import Ranks, padded
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
        ranks.heard = None
        if len(batch.parts) == 1:
            return self.result(batch, 0)
        own = self.result(batch, ranks.number)
        lengths = [len(part) for part in batch.parts]
        made = [padded(one, max(lengths)) for one in own.predictions]
        along = ranks.told, np.array([own.loss, *own.losses], np.float64), *made
        summed, (ranks.heard, losses, *found) = ranks.summed(list(own.grads.values()), along)
        predictions = tuple(
            np.concatenate([part[:n] for part, n in zip(parts, lengths, strict=True)])
            for parts in found
        )
        loss, *others = (_sum(column) for column in losses.T.tolist())
        if not math.isfinite(loss):
            return Result(loss, predictions, {}, tuple(others))
        if own.settle is not None:
            own.settle()
        return Result(loss, predictions, dict(zip(own.grads, summed, strict=True)), tuple(others))

    def own_rows(self, n: int) -> slice:
        """Those of a batch of n samples that this rank computes."""
        return (self.rows(n) * self.ranks.count)[self.ranks.number]


def _sum(losses: list[float]) -> float:
    """In the order of ``shards.reduced``."""
    first, *others = losses
    return first + sum(others)
