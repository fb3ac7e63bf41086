"""One picture's way through a network: every number on it, forwards and backwards."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._training.model import Model
from minicnn._training.objective import goals, objective, without_idle
from minicnn.errors import ConfigError, ShapeError, shown
from minicnn.layers.graph import Graph, Node

Position = tuple[int, ...]


class Trace:
    """All values of a graph for a batch of one, outside training, as the network computes them."""

    def __init__(self, model: Model, graph: Graph, xs: Sequence[Array]) -> None:
        self.model, self.graph = model, graph
        as_they_are = graph.reads_bytes()
        self.values: list[Array] = [
            x if same else x.astype(model.dtype, copy=False)
            for x, same in zip(xs, as_they_are, strict=True)
        ]
        """Of each number of the graph, with a batch axis of 1."""
        self.caches: list[Any] = []
        for node in graph.nodes:
            y, cache = node.layer.forward(node.taken(self.values))
            self.values.append(y)
            self.caches.append(cache)

    def name(self, number: int) -> str:
        """What makes a number of the graph."""
        place = number - self.graph.given
        return "picture" if place < 0 else self.graph.nodes[place].name

    def node(self, number: int) -> Node:
        """The node that makes a number of the graph."""
        return self.graph.nodes[number - self.graph.given]

    def inputs(self, node: Node) -> tuple[Array, ...]:
        """What a node takes, in double precision."""
        return tuple(self.values[i].astype(np.float64) for i in node.reads)

    def number_of(self, who: str, layer: Any) -> int:
        """The number that a layer makes: see ``number_of``."""
        return number_of(self.model, self.graph, who, layer)

    def position_of(self, who: str, number: int, position: Any) -> Position:
        """An index into what makes a number, without the batch axis, counted from the front."""
        shape: Shape = self.values[number].shape[1:]
        given = position if isinstance(position, Sequence | np.ndarray) else (position,)
        whole = all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in given)
        if not whole or len(given) != len(shape):
            raise ShapeError(
                f"{who}: expected a position in {self.name(number)} as {len(shape)} whole numbers, "
                f"for its output of shape {shape}, got {shown(position)}."
            )
        if not all(-n <= i < n for i, n in zip(given, shape, strict=True)):
            raise ShapeError(
                f"{who}: expected a position within the shape {shape} of {self.name(number)}, got "
                f"{tuple(map(int, given))}."
            )
        return tuple(int(i) % n for i, n in zip(given, shape, strict=True))


def check_model(who: str, model: Any) -> None:
    """Raise ``ConfigError`` unless it is a model."""
    if not hasattr(model, "arrays_of"):
        raise ConfigError(f"{who}: expected a model, got {shown(model)}.")


def number_of(model: Model, graph: Graph, who: str, layer: Any) -> int:
    """The number that a layer makes, by its name, its index in ``model.layers`` or itself.

    Of a model or Residual it is the last; so is that of a layer that is used several times.
    """
    known: Any = model
    if isinstance(layer, np.ndarray):
        layer = shown(layer)  # which no layer is called
    if isinstance(layer, int | np.integer) and not isinstance(layer, bool):
        many = max(len(known.layers), 1)
        layer = known.get_layer(index=int(layer) % many if layer < 0 else int(layer))
    if not isinstance(layer, str) and hasattr(layer, "is_graph") and layer.is_graph:
        layer = layer.name
    names = [node.name for node in graph.nodes]
    for matches in (
        lambda node: node.layer is layer or node.name == layer,
        lambda node: isinstance(layer, str) and node.name.startswith(f"{layer}."),
        lambda node: isinstance(layer, str) and node.name.endswith(f".{layer}"),
    ):
        found = [place for place, node in enumerate(graph.nodes) if matches(node)]
        if found:
            return graph.given + found[-1]
    raise ConfigError(
        f"{who}: expected one of the layers {', '.join(names[:40])}, got {shown(layer)}."
    )


class BackwardTrace(Trace):
    """The same, with the gradient of one number that the network ends in at every number."""

    def __init__(
        self, model: Model, graph: Graph, xs: Sequence[Array], of: str, dys: Sequence[Any] = ()
    ) -> None:
        super().__init__(model, graph, xs)
        self.of = of
        """What the gradients are of, in words."""
        self.dys: Sequence[Array | None] = dys
        """The gradient at each output, where it begins."""

    @cached_property
    def gradients(self) -> dict[int, Array]:
        """The gradient at each number that what it is of depends on."""
        graph, found = self.graph, {}
        dvalues: list[Any] = [None] * len(self.values)
        for i, dy in zip(graph.outputs, self.dys, strict=True):
            if dy is not None:
                dvalues[i] = dy if dvalues[i] is None else dvalues[i] + dy
        for number in reversed(range(graph.given, len(self.values))):
            node, dy = self.node(number), dvalues[number]
            if dy is None:
                continue
            dx, _ = node.layer.backward(dy, self.caches[number - graph.given])
            for i, one in zip(node.reads, dx if node.layer.merges else (dx,), strict=True):
                dvalues[i] = one if dvalues[i] is None else dvalues[i] + one
        for number, dy in enumerate(dvalues):
            if dy is not None:
                found[number] = dy
        return found

    def gradient(self, number: int) -> Array:
        """The gradient at a number, zeros where nothing depends on it."""
        return self.gradients.get(number, np.zeros(self.values[number].shape, self.model.dtype))


def before_softmax(graph: Graph) -> Graph:
    """The graph without a softmax or sigmoid at the end of an output: it ends in logits."""
    nodes, outputs = list(graph.nodes), list(graph.outputs)
    for i, number in enumerate(graph.outputs):
        node = nodes[number - graph.given]
        trunk, name = node.layer.split_activation()
        if name not in ("softmax", "sigmoid") or graph.readers()[number] != [-1]:
            continue
        if trunk is None:
            outputs[i] = node.reads[0]
        else:
            nodes[number - graph.given] = node._replace(layer=trunk)
    return without_idle(Graph(graph.given, tuple(nodes), tuple(outputs)))


def back_from_output(model: Model, xs: Sequence[Array], output: Any, who: str) -> BackwardTrace:
    """The gradient of one number of an output, before its softmax or sigmoid."""
    names = model.output_names
    name, position = next(iter(output.items())) if isinstance(output, Mapping) else (None, output)
    if name is not None and name not in names:
        raise ConfigError(f"{who}: expected one of the outputs {', '.join(names)}, got {name!r}.")
    which = 0 if name is None else names.index(name)
    trace = BackwardTrace(model, before_softmax(model.graph()), xs, "")
    number = trace.graph.outputs[which]
    if position is None:
        position = np.unravel_index(trace.values[number].argmax(), trace.values[number].shape)[1:]
    position = trace.position_of(who, number, position)
    dy = np.zeros_like(trace.values[number], model.dtype)
    dy[(0, *position)] = 1
    trace.dys = [dy if i == which else None for i in range(len(trace.graph.outputs))]
    trace.of = f"output {', '.join(map(str, position))}" + (f" of {name}" if name else "")
    return trace


def back_from_loss(model: Model, xs: Sequence[Array], label: Any, who: str) -> BackwardTrace:
    """The gradient of the loss for a label, taken together with the last activation."""
    wanted = goals(model)
    graph, losses, _ = objective(model.graph(), [goal.loss for goal in wanted])
    trace = BackwardTrace(model, graph, xs, "the loss")
    labels = [label] if len(wanted) == 1 else label
    if isinstance(labels, Mapping):
        labels = [labels[goal.name] for goal in wanted]
    dys: list[Array | None] = []
    for goal, loss, number, y, shape in zip(
        wanted, losses, graph.outputs, labels, model.output_shapes, strict=True
    ):
        if loss is None:
            dys.append(None)
            continue
        y = np.asarray(y)
        y = y[None] if y.shape in (shape, shape[:-1], (*shape[:-1], 1)) else y
        targets = loss.targets(y, shape)
        dys.append(loss.gradient(targets, trace.values[number]) * model.dtype.type(goal.weight))
    trace.dys = dys
    return trace
