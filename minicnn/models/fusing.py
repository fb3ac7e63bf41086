"""The planner: which layers of a model are computed together.

``fused`` looks at a list of layers, once before a run, and puts one ``FusedConv`` where a
convolution, the ReLU after it and the pooling after that stand in a row. The layers stay as they
are and keep their arrays; the node only goes through the image once instead of three times, if
the model's kernels are capable of that (``KernelSet.fusion``). At the head of a model it also
takes in the ``Rescaling``, so that bytes become numbers a few images at a time.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as, keeps
from minicnn.kernels import PLAIN, Fusion, Scale, Tail
from minicnn.layers.activation import Activation, ReLU
from minicnn.layers.base import Grads, Layer
from minicnn.layers.chain import Node
from minicnn.layers.conv import Conv2D
from minicnn.layers.core import Input, Rescaling
from minicnn.layers.pooling import AvgPool, MaxPool


class FusedConvCache(NamedTuple):
    """What ``FusedConv.backward`` needs."""

    x: Array
    trace: Any


class FusedConv:
    """Rescaling, convolution, ReLU and pooling in one node; the arrays are the convolution's."""

    state: dict[str, Array] = {}  # noqa: RUF012 - nothing is ever put into it
    additive = True
    reads_bytes = True

    def __init__(self, fusion: Fusion, conv: Conv2D, tail: Tail, scale: Scale | None) -> None:
        self.fusion = fusion
        self.conv = conv
        self.tail = tail
        self.scale = scale

    @property
    def who(self) -> str:
        """The convolution, as errors name it."""
        return self.conv.who

    @property
    def name(self) -> str | None:
        """The convolution's name."""
        return self.conv.name

    @property
    def params(self) -> dict[str, Array]:
        """The convolution's parameters."""
        return self.conv.params

    def learned(self) -> dict[str, Array]:
        """Those of the convolution's that training changes."""
        return self.conv.learned()

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, FusedConvCache]:
        """The output of the last of the layers."""
        place = self.conv.windows(x.shape[1:])
        kernel, bias = self.conv.param("kernel"), self.conv.params.get("bias")
        y, trace = self.fusion.convolve(
            x, kernel, bias, place.strides, place.pads, self.tail, self.scale, training
        )
        return y, FusedConvCache(x, trace)

    def backward(self, dy: Array, cache: FusedConvCache) -> tuple[Array, Grads]:
        """dx, and the gradients of kernel and bias."""
        dx, grads = self._backward(dy, cache, need_dx=True)
        assert dx is not None
        return dx, grads

    def param_grads(self, dy: Array, cache: FusedConvCache) -> Grads:
        """The gradients of kernel and bias alone."""
        return self._backward(dy, cache, need_dx=False)[1]

    def _backward(
        self, dy: Array, cache: FusedConvCache, need_dx: bool
    ) -> tuple[Array | None, Grads]:
        place = self.conv.windows(cache.x.shape[1:])
        dx, dkernel, dbias = self.fusion.convolve_backward(
            dy,
            cache.x,
            cache.trace,
            self.conv.params["kernel"],
            place.strides,
            place.pads,
            self.tail,
            self.scale,
            need_dx,
        )
        return dx, {"kernel": dkernel, "bias": dbias} if self.conv.use_bias else {"kernel": dkernel}

    def next_state(self, cache: FusedConvCache) -> dict[str, Array]:
        """There is none."""
        return self.state

    def split_activation(self) -> tuple[Node | None, str | None]:
        """The node itself: its activation is no loss's."""
        return self, None


def fused(layers: Sequence[Layer]) -> list[Node]:
    """The nodes that compute what the layers do, one after another.

    A layer whose class derives from a library's is fused like that one, as long as it has the
    passes of that class.
    """
    nodes, i, scale = _head(layers)
    while i < len(layers):
        layer = layers[i]
        i += 1
        if not _can_be_fused(layer):
            nodes.append(layer)
            continue
        assert layer.kernels.fusion is not None
        tail, taken = _tail(layer, layers[i : i + 2])
        nodes.append(FusedConv(layer.kernels.fusion, layer, tail, scale))
        i, scale = i + taken, None
    return nodes


def _head(layers: Sequence[Layer]) -> tuple[list[Node], int, Scale | None]:
    """The first nodes, how many layers they are, and the scale of a convolution right after them.

    As long as layers read bytes they come before the Input, which makes numbers of bytes; a
    convolution that is fused does that itself.
    """
    if not layers or not computes_as(layers[0], Input):
        return [], 0, None
    first = 1
    while first < len(layers) and keeps(layers[first], "reads_bytes"):
        first += 1
    bytes_read: list[Node] = list(layers[1:first])
    after: Sequence[Layer | None] = [*layers[first : first + 2], None, None]
    if _can_be_fused(after[0]):
        return bytes_read, first, None
    scaling = after[0]
    if computes_as(scaling, Rescaling) and _can_be_fused(after[1]):
        return bytes_read, first + 1, Scale(float(scaling.scale), float(scaling.offset))
    return [*bytes_read, layers[0]], first, None


def _can_be_fused(layer: Layer | None) -> TypeGuard[Conv2D]:
    return (
        computes_as(layer, Conv2D)
        and layer.kernels.fusion is not None
        and layer.activation in (None, "linear", "relu")
        and (layer.groups, layer.dilation) == (1, (1, 1))
        and not (layer.input_shape is not None and layer.place(layer.input_shape).far)
    )


def _tail(conv: Conv2D, following: Sequence[Layer]) -> tuple[Tail, int]:
    """What of the next layers can be computed with the convolution, and how many they are."""
    relu, taken = conv.activation == "relu", 0
    if not relu and following and _is_relu(following[0]):
        relu, taken = True, 1
    pool = following[taken] if taken < len(following) else None
    if computes_as(pool, MaxPool) or computes_as(pool, AvgPool):
        assert pool.input_shape is not None
        place = pool.windows(pool.input_shape)
        if place.size == place.strides and place.pads == ((0, 0), (0, 0)):
            kind = "max" if isinstance(pool, MaxPool) else "avg"
            return Tail(relu, kind, place.size), taken + 1
    return PLAIN._replace(relu=relu), taken


def _is_relu(layer: Layer) -> bool:
    if computes_as(layer, ReLU):
        return (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0, 0)
    return computes_as(layer, Activation) and layer.activation == "relu"
