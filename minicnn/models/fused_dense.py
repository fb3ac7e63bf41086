"""A fully connected layer whose bias and activation are one pass."""

from typing import Any, NamedTuple, cast

import numpy as np

from minicnn._core.shapes import Array
from minicnn._core.traits import computes_as
from minicnn.activations import softmax_gradient
from minicnn.kernels import DenseKernels
from minicnn.layers.base import Grads
from minicnn.layers.dense import Dense
from minicnn.layers.graph import Node, Unit
from minicnn.models.fused_layer import FusedLayer


class FusedDenseCache(NamedTuple):
    """What ``FusedDense.backward`` needs."""

    x: Array
    y: Array | None
    """The output of the activation, if there is one."""


class FusedDense(FusedLayer[Dense]):
    """y = activation(x @ kernel + bias) of rows x; the arrays are the layer's."""

    additive = True
    replays = True
    fresh_dx = True
    """Whether dx is an array that nobody else has."""

    def __init__(self, kernels: DenseKernels, dense: Dense) -> None:
        super().__init__(dense)
        self.kernels = kernels

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, FusedDenseCache]:
        """The product, the bias and the activation."""
        x, kernel = self.layer.check_input(x), self.layer.param("kernel")
        activation: Any = self.layer.activation or "linear"
        y = self.kernels.forward(x, kernel, self.layer.params.get("bias"), activation)
        return y, FusedDenseCache(x, None if activation == "linear" else y)

    def backward(self, dy: Array, cache: FusedDenseCache) -> tuple[Array, Grads]:
        """dx, and the gradients of kernel and bias."""
        dz, grads = self._backward(dy, cache)
        return self.layer.image_gradient(dz), grads

    def param_grads(self, dy: Array, cache: FusedDenseCache) -> Grads:
        """The gradients of kernel and bias alone."""
        return self._backward(dy, cache)[1]

    def _backward(self, dy: Array, cache: FusedDenseCache) -> tuple[Array, Grads]:
        y = cache.y
        if y is not None and self.layer.activation == "softmax":
            dy, y = softmax_gradient(dy, y), None
        dz, dbias = self.kernels.backward(dy, y)
        grads = {"kernel": self.layer.kernel_gradient(dz, cache.x)}
        return dz, grads | {"bias": dbias} if self.layer.use_bias else grads

    def split_activation(self) -> tuple[Unit | None, str | None]:
        """The same without its activation, which may belong to a loss."""
        linear, name = self.layer.split_activation()
        if name is None:
            return self, None
        return FusedDense(self.kernels, cast(Dense, linear)), name


def can_be_fused(node: Node) -> bool:
    """Whether a node is a Dense of rows, with kernels for it."""
    layer = node.layer
    return (
        computes_as(layer, Dense)
        and layer.kernels.dense is not None
        and layer.activation in (None, "linear", "relu", "softmax")
        and len(node.shape) == 1
    )
