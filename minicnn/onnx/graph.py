"""An ONNX graph while it is written, and the tensors that flow through it.

minicnn's images are (N, H, W, C), ONNX's are (N, C, H, W). A ``Flow`` remembers which axis of
the layer's array each axis of the tensor is, so that a tensor is transposed where a node needs
its axes in another order, and nowhere else.
"""

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.errors import ConfigError

Axes = tuple[int, ...]
NCHW: Axes = (0, 3, 1, 2)
"""The axes of an image (N, H, W, C) in ONNX's order."""


def package(who: str) -> Any:
    """The ``onnx`` package; raises ``ConfigError`` where it is not installed."""
    try:
        importlib.import_module("onnx.checker")
        return importlib.import_module("onnx")
    except ImportError:
        raise ConfigError(
            f"{who}: expected the package onnx, got none. Install it with: pip install onnx."
        ) from None


def same_order(axes: Axes, shape: Shape) -> bool:
    """Whether the numbers of an image have the same order in memory with its axes in that order.

    >>> same_order(NCHW, (8, 8, 3)), same_order(NCHW, (1, 1, 3))
    (False, True)
    """
    long = [axis for axis in axes[1:] if shape[axis - 1] > 1]
    return long == sorted(long)


def row_order(axes: Axes, shape: Shape) -> Array:
    """The index of the number at each place of an image whose axes are in that order."""
    places = np.arange(int(np.prod(shape))).reshape(shape)
    return places.transpose([axis - 1 for axis in axes[1:]]).ravel()


class Flow(NamedTuple):
    """A tensor on its way from one layer to the next."""

    name: str
    shape: Shape
    """The shape of the layer's output, without the batch axis."""
    axes: Axes
    """Which axis of the layer's output each axis of the tensor is; 0 is the batch."""
    order: Array | None = None
    """Of a flat image whose numbers are in another order: the index of the number at each place."""


class Graph:
    """Nodes and arrays, named after the layers that they come from."""

    def __init__(self, onnx: Any, taken: Sequence[str]) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []
        self.layer = ""
        """The layer that is being written."""
        self._names = {*taken, "input", "output"}
        """Names that are taken: first those of the inputs and outputs."""
        self._transposed: dict[tuple[str, Axes], str] = {}

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node; returns the name of its output, which is also the node's.

        The first node of a layer has the layer's name, others ``<layer>.<op>``.
        """
        name = self.layer if self.layer not in self._names else f"{self.layer}.{op.lower()}"
        name = self._free(name)
        helper = self.onnx.helper
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def on(self, x: Flow, op: str, *inputs: str, **attributes: Any) -> Flow:
        """The output of a node that keeps the tensor's shape."""
        return x._replace(name=self.node(op, [x.name, *inputs], **attributes))

    def array(self, name: str, value: Any, dtype: str = "float32") -> str:
        """Add an array called ``<layer>.<name>``; returns its name."""
        name = self._free(f"{self.layer}.{name}")
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(np.asarray(value).astype(dtype))
        array = array.reshape(np.shape(value))
        self.arrays.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def moved(self, x: Flow, axes: Axes) -> Flow:
        """The tensor with its axes in that order; each transposition is written once."""
        if x.axes == axes:
            return x
        key = x.name, axes
        if key not in self._transposed:
            permutation = [x.axes.index(axis) for axis in axes]
            self._transposed[key] = self._transpose(x.name, permutation)
        return x._replace(name=self._transposed[key], axes=axes)

    def in_order(self, x: Flow) -> Flow:
        """The tensor with its numbers in the order in which the layer's output has them."""
        axes = tuple(range(len(x.axes)))
        return x._replace(axes=axes) if same_order(x.axes, x.shape) else self.moved(x, axes)

    def shaped(self, x: Flow, shape: Shape) -> Flow:
        """The tensor, whose numbers are in order, in another shape."""
        name = self.reshaped(self.in_order(x).name, (0, *shape))
        return Flow(name, shape, tuple(range(len(shape) + 1)))

    def reshaped(self, name: str, sizes: Sequence[int]) -> str:
        """A tensor with other sizes: 0 keeps one as it is, -1 has the rest."""
        return self.node("Reshape", [name, self.array("shape", sizes, "int64")])

    def end(self, names: Sequence[str], outputs: Sequence[str]) -> None:
        """Call the last tensors by the names of the outputs."""
        read = {name for node in self.nodes for name in node.input}
        for name, output in zip(names, outputs, strict=True):
            made = [node for node in self.nodes if name in node.output]
            if made and name not in read and list(names).count(name) == 1:
                made[0].output[0] = output
                continue
            node = self.onnx.helper.make_node(
                "Identity", [name], [output], name=self._free("identity")
            )
            self.nodes.append(node)

    def _transpose(self, name: str, permutation: Sequence[int]) -> str:
        made = self._free(f"{name}.transposed")
        helper = self.onnx.helper
        self.nodes.append(
            helper.make_node("Transpose", [name], [made], name=made, perm=list(permutation))
        )
        return made

    def _free(self, name: str) -> str:
        free, i = name, 0
        while free in self._names:
            i += 1
            free = f"{name}_{i}"
        self._names.add(free)
        return free
