"""A sum of two arrays and a ReLU in one pass."""

from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as
from minicnn.kernels import Rectifier, Then
from minicnn.layers.activation import Activation, LeakyReLU, ReLU
from minicnn.layers.base import Grads, Layer
from minicnn.layers.graph import Unit
from minicnn.models.fused_layer import FusedLayer

NAMED = {"relu": Then(True), "relu6": Then(True, 6.0), "leaky_relu": Then(True, slope=0.2)}
"""What activations of these names do."""


class FusedReLUCache(NamedTuple):
    """What ``FusedReLU.backward`` needs."""

    y: Array | None
    """None where there is no ReLU."""


class FusedReLU(FusedLayer[Layer]):
    """y = relu(x + other), or one of the two, in one pass: the layer is the Add, or else the ReLU.

    With ``adds`` it takes (x, other). With ``over_x`` y is written over x, which nobody else needs;
    the gradient is written over y.
    """

    additive = True
    replays = True

    def __init__(
        self, kernels: Rectifier, first: Layer, then: Then, adds: bool, over_x: bool
    ) -> None:
        super().__init__(first)
        self.kernels = kernels
        self.then = then
        self.merges = adds
        self.over_x = over_x

    def forward(
        self, x: Any, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, FusedReLUCache]:
        """The output of the last of the layers."""
        x, other = x if self.merges else (x, None)
        x = x if x.dtype.char in "fd" else x.astype(np.float64)
        y = self.kernels.rectify(x, self.then, other, x if self.over_x else None)
        return y, FusedReLUCache(y if self.then.relu else None)

    def backward(self, dy: Array, cache: FusedReLUCache) -> tuple[Any, Grads]:
        """The gradient of the sum, which is that of both."""
        dx = dy if cache.y is None else self.kernels.backward(dy, cache.y, self.then)
        return ((dx, dx) if self.merges else dx), {}

    def param_grads(self, dy: Array, cache: FusedReLUCache) -> Grads:
        """There are none."""
        return {}


def then_of(layer: Unit) -> Then | None:
    """What a ReLU does, if a layer is one, with a slope or a limit but not both."""
    if computes_as(layer, LeakyReLU):
        return Then(True, slope=float(layer.negative_slope))
    if computes_as(layer, ReLU):
        limited = layer.max_value is not None
        if layer.threshold or layer.max_value == 0 or (limited and layer.negative_slope):
            return None
        most = float(layer.max_value) if layer.max_value is not None else np.inf
        return Then(True, most, float(layer.negative_slope))
    if computes_as(layer, Activation) and isinstance(layer.activation, str):
        return NAMED.get(layer.activation)
    return None
