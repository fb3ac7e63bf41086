"""A model's graph as the steps that the page's JavaScript computes."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, DType
from minicnn.errors import ConfigError
from minicnn.layers import InputLayer
from minicnn.layers.graph import Graph
from minicnn.pages.describing import Part, parts_of


class Step(NamedTuple):
    """A step of the page's network."""

    part: Part
    name: str
    kind: str
    """The layer's class."""
    reads: tuple[int, ...]
    """The numbers of what it takes: 0 is the picture, n what the n-th step makes."""


class Network(NamedTuple):
    """The steps in running order, and which of the graph's numbers each makes."""

    graph: Graph
    steps: list[Step]
    made: dict[int, int]
    """The graph's number -> the step's, of steps that end a node."""
    output: int

    def numbers(self, most: int) -> int:
        """The numbers of all maps, of at most so many of a layer; rows of numbers come whole."""
        shapes = [step.part.shape for step in self.steps]
        return sum(math.prod(s[:-1]) * (min(s[-1], most) if len(s) == 3 else s[-1]) for s in shapes)

    def computed(self, image: Array, dtype: DType, every: bool) -> Iterator[tuple[int, Array]]:
        """(step's number, what NumPy gives), of all steps or of those that the page does not know.

        Nothing is computed where the page knows every step.
        """
        if not every and all(step.part.op != "unknown" for step in self.steps):
            return
        values: list[Any] = [np.asarray(image[None], dtype)]
        for number, step in enumerate(self.graph.steps(values, False, None), 1):
            place = self.made.get(number)
            if place is not None and (every or self.steps[place - 1].part.op == "unknown"):
                yield place, np.asarray(step.made[0])


def network_of(graph: Graph) -> Network:
    """The nodes of a graph as steps, without those that only give the picture on."""
    steps: list[Step] = []
    at, made = {0: 0}, {}
    for number, node in enumerate(graph.nodes, 1):
        reads = tuple(at[i] for i in node.reads)
        if type(node.layer) is InputLayer:
            at[number] = reads[0]
            continue
        parts = parts_of(node)
        for i, part in enumerate(parts, 1):
            name = node.name if len(parts) == 1 else f"{node.name}, step {i} of {len(parts)}"
            steps.append(Step(part, name, type(node.layer).__name__, reads))
            reads = (len(steps),)
        at[number] = made[number] = len(steps)
    output = at[graph.outputs[0]]
    if output == 0:
        raise ConfigError("explain_page: expected a model that computes something, got its input.")
    return Network(graph, steps, made, output)
