"""Short trainings of copies: from fresh weights, at other rates, on a few images."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn._training.program import Program, at_work
from minicnn.data.fitting import Data
from minicnn.explain.statistics import without_chance
from minicnn.optimizers import Adam

STEPS = 60
"""Steps of a trial."""

WORK = 2e11
"""Multiply-adds that a trial may take: of a large network it has fewer steps and images."""

TAIL = 8
"""The steps at its end that count."""

FEW = 12
"""Images to learn by heart."""

HEART = 120
"""Steps that learning them by heart may take."""


class Trial(NamedTuple):
    """The losses of the batches, each before its step, without penalties."""

    losses: tuple[float, ...]
    start: float
    """The mean loss of the last batches before anything is learned."""

    @property
    def lowest(self) -> float:
        """The smallest loss."""
        return float(np.nan_to_num(np.array(self.losses), nan=np.inf).min())

    @property
    def end(self) -> float:
        """The mean of the last losses; infinite if the loss broke."""
        return mean_of_last(self.losses)

    @property
    def highest(self) -> float:
        """The largest loss; infinite if it broke."""
        return float(np.nan_to_num(np.array(self.losses), nan=np.inf, posinf=np.inf).max())

    def falls(self, by: float) -> bool:
        """Whether the loss has fallen by such a part."""
        return self.end < (1 - by) * self.start


def mean_of_last(losses: Sequence[float]) -> float:
    """The mean of the losses that count; infinite where one is no number."""
    end = float(np.mean(losses[-TAIL:]))
    return end if np.isfinite(end) else float("inf")


def fresh_copy(model: Model, seed: int) -> Any:
    """A copy before its first step: what is trained is drawn anew, and the optimizer begins anew.

    Layers that are not trained keep their arrays: they have been what they are from the start.
    """
    twin: Any = copy.deepcopy(model)
    if twin.optimizer.iterations == 0:
        return twin
    twin.optimizer.iterations = 0
    twin.optimizer.slots = {}
    rng, done = np.random.default_rng(seed), set()
    for node in twin.graph().nodes:
        layer = node.layer
        if id(layer) in done or not layer.learned() or layer.input_shape is None:
            continue
        done.add(id(layer))
        made = copy.deepcopy(layer)
        made.build(layer.input_shape, rng, layer.dtype)
        for arrays, new in ((layer.params, made.params), (layer.state, made.state)):
            for name, array in arrays.items():
                array[...] = new[name]
    return twin


def trial(
    model: Any, data: Data, batch_size: int, seed: int, *, quiet: bool = False, learns: bool = True
) -> tuple[float, ...]:
    """The losses of a copy that is trained for some steps; labels are prepared.

    With ``quiet`` nothing is random; unless it ``learns`` it stays as it is. The batches, and what
    is dropped, are the same for the same ``seed``.
    """
    program = _Plain(model) if quiet else Program(model)
    size, steps = _sizes(program, batch_size, STEPS)
    return _trained(program, data, size, steps, np.random.default_rng(seed), 0.0, learns)


def _sizes(program: Program, batch_size: int, steps: int) -> tuple[int, int]:
    """(images of a batch, steps), as many as the work allows."""
    each = WORK / max(3 * program.multiply_adds, 1)
    size = min(batch_size, max(8, int(each / steps)))
    return size, min(steps, max(2 * TAIL, int(each / size)))


def by_heart(model: Any, data: Data, labels: Array | None, chance: float, seed: int) -> Trial:
    """Let copies learn a few images by heart, without dropout and penalties; the best of them."""
    rng = np.random.default_rng(seed)
    few = data.part(_some(data, labels, rng))
    best: Trial | None = None
    for rate in (1e-3, 1e-2):
        twin = copy.deepcopy(model)
        twin.optimizer = Adam(rate)
        program = _Plain(twin)
        steps = _sizes(program, few.samples, HEART)[1]
        losses = _trained(program, few, few.samples, steps, rng, 0.1 * chance)
        found = Trial(losses, losses[0])
        if best is None or found.lowest < best.lowest:
            best = found
        if best.lowest < 0.3 * chance:
            break
    assert best is not None
    return best


class _Plain(Program):
    """A program in which nothing is random, and which has no penalties."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.graph = without_chance(self.graph)
        self.penalties = []


def _some(data: Data, labels: Array | None, rng: np.random.Generator) -> Array:
    """A few samples, of each class alike."""
    order = rng.permutation(data.samples)
    if labels is None:
        return order[:FEW]
    classes, at = labels[order], list[int]()
    turns = [list(order[classes == one]) for one in np.unique(classes)]
    while len(at) < FEW and any(turns):
        at += [turn.pop() for turn in turns if turn]
    return np.array(at[:FEW])


def _trained(
    program: Program,
    data: Data,
    batch_size: int,
    steps: int,
    rng: np.random.Generator,
    enough: float,
    learns: bool = True,
) -> tuple[float, ...]:
    losses, order = [], np.empty(0, np.intp)
    with at_work():
        for _ in range(steps):
            if len(order) < batch_size:
                order = rng.permutation(data.samples)
            samples, order = order[:batch_size], order[batch_size:]
            result = program.gradients(data.part(samples), 1.0, rng)
            losses.append(float(result.loss))
            if not result.grads or losses[-1] < enough:
                break
            if learns:
                program.update(result.grads)
    return tuple(losses)
