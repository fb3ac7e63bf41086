"""Short trainings of copies: from fresh weights, at other rates, on a few images."""

import copy
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn._training.objective import goals, objective
from minicnn._training.program import Program, at_work
from minicnn.data.fitting import Data
from minicnn.optimizers import Adam

STEPS = 40
"""Steps of a trial."""

TAIL = 8
"""The steps at its end that count."""

FEW = 12
"""Images to learn by heart."""

HEART = 120
"""Steps that learning them by heart may take."""


class Trial(NamedTuple):
    """The losses of the batches, each before its step, without penalties."""

    losses: tuple[float, ...]

    @property
    def start(self) -> float:
        """The first loss."""
        return self.losses[0]

    @property
    def end(self) -> float:
        """The mean of the last losses; infinite if the loss broke."""
        end = float(np.mean(self.losses[-TAIL:]))
        return end if np.isfinite(end) else float("inf")

    @property
    def highest(self) -> float:
        """The largest loss; infinite if it broke."""
        return float(np.nan_to_num(np.array(self.losses), nan=np.inf, posinf=np.inf).max())

    def falls(self, by: float) -> bool:
        """Whether the loss has fallen by such a part."""
        return self.end < (1 - by) * self.start


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


def trial(model: Any, data: Data, batch_size: int, seed: int) -> Trial:
    """Train a copy for some steps; labels are prepared."""
    rng = np.random.default_rng(seed)
    return _trained(Program(model), data, batch_size, STEPS, rng, 0.0)


def by_heart(model: Any, data: Data, labels: Array | None, chance: float, seed: int) -> Trial:
    """Let copies learn a few images by heart, without dropout and penalties; the best of them."""
    rng = np.random.default_rng(seed)
    few = data.part(_some(data, labels, rng))
    best: Trial | None = None
    for rate in (1e-3, 1e-2):
        twin = copy.deepcopy(model)
        twin.optimizer = Adam(rate)
        program = _Plain(twin)
        found = _trained(program, few, few.samples, HEART, rng, 0.1 * chance)
        if best is None or found.end < best.end:
            best = found
        if best.end < 0.3 * chance:
            break
    assert best is not None
    return best


class _Plain(Program):
    """A program in which nothing is random, and which has no penalties."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        graph = objective(model.graph(), [goal.loss for goal in goals(model)]).graph
        nodes = [
            node._replace(training=False) if getattr(node.layer, "random", False) else node
            for node in graph.nodes
        ]
        self.graph = replace(graph, nodes=tuple(nodes))
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
) -> Trial:
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
            program.update(result.grads)
    return Trial(tuple(losses))
