"""The common base of layers with a kernel: the activation after it, and the bias."""

import copy

from minicnn._core.traits import keeps
from minicnn.layers.activated import Activated, Given
from minicnn.layers.base import Layer


class Weighted(Activated):
    """A layer that computes y = activation(something linear in x and its kernel, + bias)."""

    def __init__(self, activation: Given, use_bias: bool, name: str | None) -> None:
        super().__init__(activation, name)
        self.use_bias = use_bias

    def split_activation(self) -> tuple[Layer | None, str | None]:
        """The same layer without the activation, and the activation, if that has a name."""
        if not keeps(self, "ends_in_activation") or isinstance(self.activation, Layer):
            return self, None
        linear = copy.copy(self)
        vars(linear)["activation"] = None
        return linear, self.activation
