"""What layers with a kernel have in common: its start, the bias, the activation."""

import copy

import numpy as np

from minicnn import activations, initializers
from minicnn.initializers import Initializer
from minicnn.layers.base import Layer
from minicnn.regularizers import Regularizer
from minicnn.shapes import Array, DType, Shape


class Weighted(Layer):
    """A layer that computes y = activation(something linear in x and its kernel, + bias)."""

    def __init__(
        self,
        activation: activations.NameOrFunction | None,
        use_bias: bool,
        kernel_initializer: str | Initializer,
        bias_initializer: str | Initializer,
        kernel_regularizer: str | Regularizer | None,
        bias_regularizer: str | Regularizer | None,
        name: str | None,
    ) -> None:
        super().__init__(name)
        initializers.get(self.who, "kernel_initializer", kernel_initializer)
        initializers.get(self.who, "bias_initializer", bias_initializer)
        self.activation = activations.name_of(self.who, activation)
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.kernel_regularizer = kernel_regularizer
        self.bias_regularizer = bias_regularizer
        self.regularizers_of({"kernel": kernel_regularizer, "bias": bias_regularizer})

    def make_params(
        self, kernel_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Draw ``kernel`` and, with ``use_bias``, a ``bias`` for the kernel's last axis."""
        kernel = initializers.get(self.who, "kernel_initializer", self.kernel_initializer)
        self.params = {"kernel": kernel(kernel_shape, rng, dtype)}
        if self.use_bias:
            bias = initializers.get(self.who, "bias_initializer", self.bias_initializer)
            self.params["bias"] = bias(kernel_shape[-1:], rng, dtype)

    def activate(self, z: Array) -> tuple[Array, Array | None]:
        """(y, what the cache keeps): y or z, as the activation's gradient wants, else None."""
        if self.activation is None:
            return z, None
        return activations.get(self.who, self.activation).activate(z)

    def back_through_activation(self, dy: Array, kept: Array | None) -> Array:
        """The gradient with respect to z, from what ``activate`` kept."""
        if kept is None:
            return dy
        return activations.get(self.who, self.activation).gradient(dy, kept)

    def split_activation(self) -> tuple[Layer | None, str | None]:
        """The same layer without the activation, and the activation."""
        linear = copy.copy(self)
        linear.activation = None
        return linear, self.activation
