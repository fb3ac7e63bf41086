"""Statistics of every layer on one batch: activations, gradients, weights and the next step.

    activations      mean, standard deviation, the share of zeros, the share of dead units
    flow             the norm of the gradient of the loss at what it gives, or, where that is
                     normalized, behind the normalization: before it, scales are of no account
    weight           the norm of its kernels, or of its arrays where it has no kernels
    gradient         the norm of their gradients
    update           how far the next step moves them: |new - old| / |old|

A unit (a channel of a map, a number of a vector) is dead if it is 0 at every place of every sample.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._training.model import Model
from minicnn._training.objective import objective
from minicnn._training.program import Program, at_work
from minicnn.data.fitting import Data
from minicnn.layers import BatchNorm, InputLayer, LayerNorm, ReLU
from minicnn.layers.graph import Graph, Node
from minicnn.optimizers import Optimizer

RELUS = ("relu", "relu6")
"""The activations that can die: they are 0, and so is their slope, below 0."""


class LayerRow(NamedTuple):
    """One layer on one batch; NaN for what it has not."""

    layer: str
    mean: float
    std: float
    zeros: float
    """The share of zeros among what it gives."""
    dead: float
    """The share of units that are 0 for every sample; NaN for a layer that does not end in ReLU."""
    flow: float
    gradient: float
    weight: float
    update: float
    learns: bool
    """Whether it has kernels to learn."""


class Pass(NamedTuple):
    """Forward and backward pass of a batch."""

    loss: float
    """Without penalties."""
    rows: tuple[LayerRow, ...]

    def learning(self) -> list[LayerRow]:
        """The layers that have kernels to learn, in running order."""
        return [row for row in self.rows if row.learns]


def layer_statistics(model: Model, data: Data, optimizer: Optimizer | None = None) -> Pass:
    """One pass over a batch whose labels are prepared; the model stays as it is.

    The batch is computed as in training, but nothing is dropped or moved at random. ``optimizer``
    is the one whose next step is measured; it stays as it is too.
    """
    program = Program(model)
    graph, losses, _ = objective(model.graph(), [goal.loss for goal in program.goals])
    graph = without_chance(graph)
    with at_work():
        values: list[Any] = [
            x if same else x.astype(model.dtype, copy=False)
            for x, same in zip(data.xs, graph.reads_bytes(), strict=True)
        ]
        caches, made = [], []
        for step in graph.steps(values, True, None):
            caches.append(step.cache)
            made.append(_activations(step.node, step.made))
        dvalues: list[Any] = [None] * len(values)
        total = 0.0
        for number, loss, goal, y, weights in zip(
            graph.outputs, losses, program.goals, data.ys, data.weights, strict=True
        ):
            if loss is None:
                continue
            more = () if weights is None else (weights,)
            total += float(loss(y, values[number], *more)) * goal.weight
            dz = loss.gradient(y, values[number], *more) * model.dtype.type(goal.weight)
            dvalues[number] = dz if dvalues[number] is None else dvalues[number] + dz
        grads, flows = _gradients(graph, dvalues, caches)
        steps = _steps(program, grads, optimizer)
    rows = tuple(
        LayerRow(node.name, *one, flow, *_weights(node, grads, steps))
        for node, one, flow in zip(graph.nodes, made, flows, strict=True)
        if not isinstance(node.layer, InputLayer)
    )
    return Pass(total, rows)


def without_chance(graph: Graph) -> Graph:
    """The graph in which what is random (dropout, augmentation) computes as outside training."""
    nodes = [node._replace(training=False) if is_random(node) else node for node in graph.nodes]
    return replace(graph, nodes=tuple(nodes))


def is_random(node: Node) -> bool:
    """Whether a node computes something else each time in training."""
    return bool(getattr(node.layer, "random", False))


def ends_in_relu(layer: Any) -> bool:
    """Whether what a layer gives has a flat side at 0."""
    if isinstance(layer, ReLU):
        return layer.negative_slope == 0
    return layer.split_activation()[1] in RELUS


def _activations(node: Node, y: Array) -> tuple[float, float, float, float]:
    """Mean, standard deviation, share of zeros, share of dead units."""
    nothing = y == 0
    dead = float("nan")
    if ends_in_relu(node.layer):
        dead = float(nothing.reshape(-1, y.shape[-1]).all(axis=0).mean())
    return float(y.mean()), float(y.std()), float(nothing.mean()), dead


def _gradients(
    graph: Graph, dvalues: list[Any], caches: Sequence[Any]
) -> tuple[dict[str, Array], list[float]]:
    """Those of what is trained, by the names in ``model.params``, and what each node was given."""
    grads: dict[str, Array] = {}
    flows: dict[int, float] = {}
    for step in graph.steps_back(dvalues, caches, need_dx=False):
        flows[id(step.node)] = _norm([step.taken])
        learned = step.node.layer.learned()
        for key, grad in step.cache.items():
            full = f"{step.node.name}.{key}"
            if full in grads:
                grads[full] = grads[full] + grad
            elif key in learned:
                grads[full] = grad
    readers, found = graph.readers(), []
    for number, node in enumerate(graph.nodes, graph.given):
        ahead = [graph.nodes[place] for place in readers[number] if place >= 0]
        if len(ahead) == 1 and isinstance(ahead[0].layer, BatchNorm | LayerNorm):
            (node,) = ahead
        found.append(flows.get(id(node), float("nan")))
    return grads, found


def _steps(
    program: Program, grads: dict[str, Array], optimizer: Optimizer | None
) -> dict[str, Array]:
    """By how much the optimizer's next step would move each parameter."""
    if optimizer is None:
        return {}
    optimizer = copy.deepcopy(optimizer)
    grads = dict(grads)
    for name, param, regularizer in program.penalties:
        if name in grads:
            grads[name] = grads[name] + regularizer.gradient(param)
    params = {name: program.params[name].copy() for name in grads}
    optimizer.step(params, grads)
    return {name: moved - program.params[name] for name, moved in params.items()}


def _weights(
    node: Node, grads: dict[str, Array], steps: dict[str, Array]
) -> tuple[float, float, float, bool]:
    """The norms of gradients and weights, the relative step, whether there are kernels."""
    learned = node.layer.learned()
    kernels = [key for key, array in learned.items() if array.ndim > 1]
    counted = kernels or list(learned)

    def norm(found: dict[str, Array]) -> float:
        names = [f"{node.name}.{key}" for key in counted]
        return _norm(found[name] for name in names if name in found)

    size = _norm(learned[key] for key in counted)
    update = norm(steps) / size if size > 0 else float("nan")
    return norm(grads), size, update, bool(kernels)


def _norm(arrays: Iterable[Array]) -> float:
    """The root of the sum of all squares; NaN of nothing."""
    squares = [_square(array) for array in arrays]
    return float(np.sqrt(sum(squares))) if squares else float("nan")


def _square(array: Array) -> float:
    found = float(np.vdot(array, array))
    if np.isinf(found):  # the squares are too large for single precision
        array = array.astype(np.float64)
        found = float(np.vdot(array, array))
    return found
