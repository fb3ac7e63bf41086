"""A batch in shards, and how their losses and gradients are added up.

The gradient of a batch is the sum of those of its shards, so each can be computed elsewhere: see
``minicnn._parallel.spread``. One process computes its batches whole.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.drawing import PartOfBatch
from minicnn._core.shapes import Array

SMALLEST = 2
"""Samples in a shard."""

Arrays = tuple[Array | None, ...]
"""Arrays that go together sample by sample, such as images, labels and weights; None: not given."""


class Result(NamedTuple):
    """What comes of a shard, or of a batch. Losses and gradients of shards add up to the batch's.

    There are no gradients where the loss is not a finite number.
    """

    loss: float
    predictions: tuple[Array, ...]
    """One for each output of the model."""
    grads: dict[str, Array]
    losses: tuple[float, ...] = ()
    """Those of the outputs, where there are several."""
    settle: Callable[[], None] | None = None
    """What moves the layers' state on, once the loss of the whole batch is known to be a number."""


class Batch(NamedTuple):
    """A batch that has been cut: its data, and the numbers of each shard's samples."""

    data: Arrays
    parts: list[Array]
    state: Any = None
    """That of the generator before any layer draws; None if none does, or it is not cut."""

    @property
    def samples(self) -> int:
        """How many there are in all shards."""
        return sum(map(len, self.parts))

    def of(self, number: int) -> Arrays:
        """The samples of a shard."""
        return some_of(self.data, self.parts[number])


Compute = Callable[[Arrays, float, np.random.Generator], Result]
"""(some samples, what fraction of their batch they are, what random layers draw from) -> what comes
of them."""


def some_of(data: Arrays, samples: Array | slice) -> Arrays:
    """Some of the samples.

    >>> [part.tolist() for part in some_of((np.arange(3), np.ones(3)), np.array([2, 0]))]
    [[2, 0], [1.0, 1.0]]
    """
    return tuple(None if array is None else _some(array, samples) for array in data)


def _some(array: Array, samples: Array | slice) -> Array:
    if isinstance(samples, slice) or not array.flags.c_contiguous:
        return array[samples]
    return array.take(samples, axis=0)  # the same, in half the time for small numbers


class Shards:
    """Computes the batches of a run, in so many shards (``count``), here one after another.

    Layers that draw (``random``) draw for each image what they would if the batch were not cut.
    """

    def __init__(
        self, compute: Compute, rng: np.random.Generator, count: int = 1, random: bool = False
    ) -> None:
        self.compute = compute
        self.rng = rng
        self.count = count
        self.random = random
        self.moved_by = 0
        """The shard that moves the generator on, as the whole batch would."""

    def gradients(self, data: Arrays, numbers: Array) -> Result:
        """What comes of the batch of those of the samples.

        The parameters and the data are read as they are at that moment.
        """
        batch = self.cut(data, numbers)
        return reduced([self.result(batch, i) for i in range(len(batch.parts))])

    def cut(self, data: Arrays, numbers: Array) -> Batch:
        """The batch of those of the samples; one that is too small is one shard."""
        parts = [numbers[rows] for rows in self.rows(len(numbers))]
        draws = self.random and len(parts) > 1
        return Batch(data, parts, self.rng.bit_generator.state if draws else None)

    def rows(self, n: int) -> list[slice]:
        """Where a batch of n samples is cut."""
        count = 1 if n < self.count * SMALLEST else self.count
        return [slice(n * i // count, n * (i + 1) // count) for i in range(count)]

    def result(self, batch: Batch, number: int) -> Result:
        """What comes of one shard of a batch, computed here and now."""
        part = batch.parts[number]
        fraction = len(part) / batch.samples
        return self.compute(batch.of(number), fraction, self._generator(batch, number))

    def _generator(self, batch: Batch, number: int) -> np.random.Generator:
        """What the random layers of a shard draw from."""
        if batch.state is None:
            return self.rng
        first = sum(map(len, batch.parts[:number]))
        rows = slice(first, first + len(batch.parts[number]))
        rng = self.rng if number == self.moved_by else self._drawing(batch.state)
        return PartOfBatch(rng, rows, batch.samples)

    def _drawing(self, state: Any) -> np.random.Generator:
        """A generator as that of the run was in that state."""
        bits = type(self.rng.bit_generator)(0)
        bits.state = state
        return np.random.Generator(bits)


def reduced(results: Sequence[Result]) -> Result:
    """What comes of a batch: its shards' losses and gradients added up, in the order of the shards.

    The sums are made in the gradients of the first shard.

    >>> shard = lambda loss, g: Result(loss, (np.zeros((1, 2)),), {"bias": np.array([g])})
    >>> loss, (predictions,), grads, *_ = reduced([shard(0.5, 1.0), shard(0.25, 2.0)])
    >>> loss, predictions.shape, grads["bias"].tolist()
    (0.75, (2, 2), [3.0])
    """
    first, *others = results
    if not others and math.isfinite(first.loss):
        return first
    loss = first.loss + sum(other.loss for other in others)
    grads = first.grads if math.isfinite(loss) else {}
    if grads:
        for other in others:
            for name, grad in other.grads.items():
                grads[name] += grad
    outputs = zip(*(result.predictions for result in results), strict=True)
    predictions = tuple(np.concatenate(parts) for parts in outputs)
    losses = tuple(map(sum, zip(*(result.losses for result in results), strict=True)))
    return Result(loss, predictions, grads, losses)
