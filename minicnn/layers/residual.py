"""Layers with a shortcut around them."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from minicnn._core.shapes import DType, Shape
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.base import Layer
from minicnn.layers.building import build_layer, check_new, name_layer
from minicnn.layers.graph import Graph, Node, put
from minicnn.layers.inner import InnerNodes
from minicnn.layers.merging import Add
from minicnn.layers.registry import described, with_layers

_ADD = Add()
_NO_LAYER = "add"
"""What the sum at the end of a Residual is called; it has no arrays."""


class Residual(InnerNodes):
    """Layers whose output is added to their input, or to the output of a shortcut.

        y = layers(x) + x        or        y = layers(x) + shortcut(x)

    and backward dx = the sum of the gradients through both. With it ResNets and MobileNets are
    written as a Sequential. Where the layers change the shape, the shortcut must do so too: a 1x1
    convolution with the same strides. Parameters are called ``<layer>.<param>``, as in
    ``conv2d_1.kernel``. Raises ``ShapeError`` when the two branches end in different shapes. He et
    al. (2016). Keras has no such layer, but ``Add`` in its functional models, and files have that.

    >>> block = Residual([Conv2D(8, 3, padding="same"), ReLU(), Conv2D(8, 3, padding="same")])
    >>> block.output_shape((16, 16, 8))
    (16, 16, 8)
    >>> smaller = Residual([Conv2D(16, 3, strides=2, padding="same")], [Conv2D(16, 1, strides=2)])
    >>> smaller.output_shape((16, 16, 8))
    (8, 8, 16)
    """

    keras_module = "minicnn.layers"
    additive = True
    layers: Sequence[Layer] = ()
    shortcut: Sequence[Layer] | None = None

    def __init__(
        self,
        layers: Sequence[Layer],
        shortcut: Sequence[Layer] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        taken: set[str | None] = set()
        for argument, given in (("layers", layers), ("shortcut", shortcut)):
            if given is None and argument == "shortcut":
                continue
            if not isinstance(given, Sequence) or not all(isinstance(x, Layer) for x in given):
                raise ConfigError(
                    f"{self.who}: expected {argument} as a list of layers, got {given!r}."
                )
            for layer in given:
                name_layer(self.who, layer, taken)
                taken.add(layer.name)
        if not layers:
            raise ConfigError(f"{self.who}: expected layers, got none.")
        check_new(self.who, [*layers, *(shortcut or ())], set())
        self.layers = list(layers)
        self.shortcut = None if shortcut is None else list(shortcut)

    @property
    def sublayers(self) -> Sequence[Layer]:  # type: ignore[override]
        """The layers, then those of the shortcut."""
        return *self.layers, *(self.shortcut or ())

    def __copy__(self) -> Self:
        """A copy whose layers are copies, with the same arrays."""
        twin = object.__new__(type(self))
        vars(twin).update(self.__getstate__())
        vars(twin)["layers"] = [copy.copy(layer) for layer in self.layers]
        if self.shortcut is not None:
            vars(twin)["shortcut"] = [copy.copy(layer) for layer in self.shortcut]
        return twin

    # The passes ------------------------------------------------------------------------

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of both branches."""
        self.check_shape((None, *input_shape))
        ends = [_ends(way, input_shape)[-1] for way in (self.layers, self.shortcut or ())]
        if ends[0] != ends[1]:
            remedy = (
                " Let the shortcut end in the same shape."
                if self.shortcut
                else " Give it a shortcut, such as [Conv2D(filters, 1, strides=...)]."
            )
            raise ShapeError(
                f"{self.who}: expected layers that end in the shape {ends[1]} of the way around "
                f"them, got {ends[0]}.{remedy}"
            )
        return ends[0]

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Build both branches."""
        super().build(input_shape, rng, dtype)
        self.begun = [layer for layer in self.sublayers if not layer.built]
        for way in (self.layers, self.shortcut or ()):
            for layer, shape in zip(way, _ends(way, input_shape), strict=False):
                build_layer(self.who, layer, shape, rng, self.dtype, self.kernel_set)

    def graph(self, input_shape: Shape) -> Graph:
        """The nodes that it stands for: those of both branches, and an Add at the end."""
        nodes: list[Node] = []
        ends = []
        for way in (self.layers, self.shortcut or ()):
            at = 0
            for layer, shape in zip(way, _ends(way, input_shape), strict=False):
                at = put(nodes, 1, layer, (at,), str(layer.name), shape)[0]
            ends.append(at)
        added = (self.output_shape(input_shape),) * 2
        add = copy.copy(_ADD)
        add.kernel_set = self.kernel_set
        nodes.append(Node(add, tuple(ends), _NO_LAYER, added))
        return Graph(1, tuple(nodes), (len(nodes),))

    def get_config(self) -> dict[str, Any]:
        """The layers as they are described in a file."""
        shortcut = None if self.shortcut is None else [described(x) for x in self.shortcut]
        layers = [described(layer) for layer in self.layers]
        return {"layers": layers, "shortcut": shortcut, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make it from the result of ``get_config``, or from layers already made from that."""
        return cls(**with_layers(config))


def _ends(layers: Sequence[Layer], shape: Shape) -> list[Shape]:
    """The shapes before, between and after the layers."""
    shapes = [shape]
    for layer in layers:
        shapes.append(layer.output_shape(shapes[-1]))
    return shapes
