"""The common base of layers with a kernel: the activation after it, and the bias."""

import copy

from minicnn import activations
from minicnn._core.shapes import Array
from minicnn._core.traits import keeps
from minicnn.layers.base import Layer


class Weighted(Layer):
    """A layer that computes y = activation(something linear in x and its kernel, + bias)."""

    passes = Layer.passes | {"activate", "back_through_activation"}

    def __init__(
        self, activation: activations.NameOrFunction | None, use_bias: bool, name: str | None
    ) -> None:
        super().__init__(name)
        self.activation = activations.name_of(self.who, activation)
        self.use_bias = use_bias

    def activate(self, z: Array) -> tuple[Array, Array | None]:
        """(y, the activation's part of the cache: y or z, as its gradient needs, or None)."""
        if self.activation is None:
            return z, None
        return activations.get(self.who, self.activation).activate(z)

    def back_through_activation(self, dy: Array, kept: Array | None) -> Array:
        """The gradient with respect to z, from the part that ``activate`` returned."""
        if kept is None:
            return dy
        return activations.get(self.who, self.activation).gradient(dy, kept)

    def split_activation(self) -> tuple[Layer | None, str | None]:
        """The same layer without the activation, and the activation."""
        if not keeps(self, "ends_in_activation"):
            return self, None
        linear = copy.copy(self)
        vars(linear)["activation"] = None
        return linear, self.activation
