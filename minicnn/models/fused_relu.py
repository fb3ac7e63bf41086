"""A sum of two arrays and a ReLU in one pass."""

from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as
from minicnn.kernels import Rectifier, Then
from minicnn.layers.activation import Activation, LeakyReLU, ReLU
from minicnn.layers.base import Grads
from minicnn.layers.graph import Unit

NAMED = {"relu": Then(True), "relu6": Then(True, 6.0), "leaky_relu": Then(True, slope=0.2)}
"""What activations of these names do."""


class FusedReLUCache(NamedTuple):
    """What ``FusedReLU.backward`` needs."""

    y: Array | None
    """None where there is no ReLU."""


class FusedReLU:
    """y = relu(x + other), or one of the two, in one pass.

    With ``adds`` it takes (x, other). With ``over_x`` y is written over x, which nobody else needs;
    the gradient is written over y.
    """

    params: dict[str, Array] = {}  # noqa: RUF012 - nothing is ever put into it
    state: dict[str, Array] = {}  # noqa: RUF012
    additive = True
    replays = True

    def __init__(
        self, kernels: Rectifier, first: Unit, then: Then, adds: bool, over_x: bool
    ) -> None:
        self.kernels = kernels
        self.first = first
        """The Add, or the ReLU if there is none."""
        self.then = then
        self.merges = adds
        self.over_x = over_x
        self.stands_for: tuple[str, ...] = ()
        """The names of the nodes that it computes."""

    @property
    def who(self) -> str:
        """The first layer, as errors name it."""
        return self.first.who

    def learned(self) -> dict[str, Array]:
        """Nothing."""
        return {}

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

    def next_state(self, cache: FusedReLUCache) -> dict[str, Array]:
        """There is none."""
        return self.state

    def output_shape(self, input_shape: Any) -> Any:
        """That of x."""
        return input_shape[0] if self.merges else input_shape

    def multiply_adds(self, input_shape: Any) -> int:
        """None."""
        return 0

    def split_activation(self) -> tuple[Unit | None, str | None]:
        """The node itself: its activation is no loss's."""
        return self, None


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
