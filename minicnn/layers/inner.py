"""What layers have in common that stand for several nodes of a network."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn.layers.base import Grads, Layer
from minicnn.layers.composite import Composite
from minicnn.layers.graph import Graph


class InnerCache(NamedTuple):
    """The nodes and their caches, and the shapes of the inputs."""

    graph: Graph
    caches: list[Any]
    shapes: tuple[tuple[int, ...], ...]


class InnerNodes(Composite, Layer):
    """A layer made of layers: ``graph(input_shape)`` gives the nodes that it stands for.

    A network has these nodes in its place; alone, its passes are theirs.
    """

    is_graph = True

    def __init__(self, name: str | None = None) -> None:
        self.begun: Sequence[Layer] = []
        """The layers that were built with this one."""
        super().__init__(name)

    @property
    def kernel_set(self) -> str | None:
        """The kernels that its layers compute with."""
        return self._kernel_set

    @kernel_set.setter
    def kernel_set(self, value: str | None) -> None:
        self._kernel_set = value
        for layer in self.sublayers:
            layer.kernel_set = value

    def unbuild(self) -> None:
        """Remove the arrays of the layers that were built with this one."""
        self.input_shape = None
        for layer in self.begun:
            layer.unbuild()

    def graph(self, input_shape: Any) -> Graph:
        """The nodes that it stands for."""
        raise TypeError(f"{self.who} defines no graph(input_shape).")

    def forward(
        self, x: Any, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, InnerCache]:
        """What the nodes make of x."""
        self.require_built()
        xs = tuple(self.check_input(one) for one in (x if self.merges else (x,)))
        shapes = tuple(one.shape[1:] for one in xs)
        graph = self.graph(shapes if self.merges else shapes[0])
        (y,), caches = graph.forward(xs, training, rng)
        return y, InnerCache(graph, caches, tuple(one.shape for one in xs))

    def backward(self, dy: Array, cache: InnerCache) -> tuple[Any, Grads]:
        """dx is the sum of all ways back to x; the gradients are those of each layer."""
        dxs, grads = cache.graph.backward((dy,), cache.caches, frozen=True)
        whole = tuple(
            np.zeros(shape, dy.dtype) if dx is None else dx
            for dx, shape in zip(dxs, cache.shapes, strict=True)
        )
        return whole if self.merges else whole[0], grads

    def next_state(self, cache: InnerCache) -> dict[str, Array]:
        """The next state of each layer."""
        return {
            f"{node.name}.{name}": array
            for node, one in zip(cache.graph.nodes, cache.caches, strict=True)
            for name, array in node.layer.next_state(one).items()
        }

    def multiply_adds(self, input_shape: Any) -> int:
        """Those of all nodes."""
        return sum(node.layer.multiply_adds(node.shape) for node in self.graph(input_shape).nodes)
