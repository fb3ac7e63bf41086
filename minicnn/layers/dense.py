"""The fully connected layer."""

from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array, DType, Shape
from minicnn._parallel.threads import product
from minicnn.constraints import Constraint
from minicnn.initializers import Initializer
from minicnn.layers.activated import Given
from minicnn.layers.base import Grads
from minicnn.layers.weighted import Weighted
from minicnn.regularizers import Regularizer

LONG = 4096
"""The rows whose products BLAS adds up in single precision, in blocks."""

SHORT = 256
SMALL_KERNEL = 4096
"""The same for a kernel of fewer numbers: OpenBLAS multiplies small matrices without blocks."""


class DenseCache(NamedTuple):
    """The arrays for ``Dense.backward``."""

    x: Array
    y: Any
    """The output or input of the activation, as its backward pass needs it, if there is one."""


class Dense(Weighted):
    """y = activation(x @ kernel + bias), along the last axis.

    x is (N, ..., features), the kernel (features, units), y (N, ..., units).
    Raises ``ShapeError`` when the last axis is not the one it was built for,
    ``ConfigError`` for arguments that make no sense.

    >>> Dense(6, activation="softmax").output_shape((64,))
    (6,)
    """

    axes = ("...", "features")
    additive = True
    ends_in_activation = True

    def __init__(
        self,
        units: int,
        activation: Given = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        kernel_constraint: str | Constraint | None = None,
        bias_constraint: str | Constraint | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(activation, use_bias, name)
        self.keep(locals())
        whole_number(self.who, "units", units)
        self.units = units

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's, with ``units`` for its last axis."""
        self.check_shape((None, *input_shape))
        return *input_shape[:-1], int(self.units)

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make ``kernel`` (features, units) and ``bias`` (units,)."""
        super().build(input_shape, rng, dtype)
        self.add_param("kernel", (input_shape[-1], int(self.units)), rng)
        if self.use_bias:
            self.add_param("bias", (int(self.units),), rng)
        self.build_activation(input_shape, rng)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, DenseCache]:
        """The product, then the activation."""
        kernel = self.param("kernel")
        x = self.check_input(x)
        z = product(x, kernel)
        if self.use_bias:
            z += self.params["bias"]
        y, kept = self.activate(z)
        return y, DenseCache(x, kept)

    def backward(self, dy: Array, cache: DenseCache) -> tuple[Array, Grads]:
        """dx = dz @ kernel.T, dkernel = x.T @ dz, dbias = the sum of dz."""
        dz, grads = self._dz(dy, cache)
        return self.image_gradient(dz), self._grads(dz, cache) | grads

    def param_grads(self, dy: Array, cache: DenseCache) -> Grads:
        """The gradients of kernel and bias, at half the cost of ``backward``."""
        dz, grads = self._dz(dy, cache)
        return self._grads(dz, cache) | grads

    def _dz(self, dy: Array, cache: DenseCache) -> tuple[Array, Grads]:
        self.check_dy(dy, (*cache.x.shape[:-1], int(self.units)))
        return self.back_through_activation(dy, cache.y)

    def _grads(self, dz: Array, cache: DenseCache) -> Grads:
        grads = {"kernel": self.kernel_gradient(dz, cache.x)}
        if self.use_bias:
            grads["bias"] = self.kernels.channel_sums(dz.reshape(-1, dz.shape[-1]))
        return grads

    def image_gradient(self, dz: Array) -> Array:
        """dx = dz @ kernel.T."""
        return product(dz, self.params["kernel"].T)

    def kernel_gradient(self, dz: Array, x: Array) -> Array:
        """dkernel = x.T @ dz."""
        rows, x = dz.reshape(-1, dz.shape[-1]), x.reshape(-1, x.shape[-1])
        long = LONG if x.shape[1] * rows.shape[1] >= SMALL_KERNEL else SHORT
        if len(rows) <= long:
            kernel = product(x.T, rows)
        else:
            kernel = np.zeros((x.shape[1], rows.shape[1]))
            for piece in (slice(i, i + long) for i in range(0, len(rows), long)):
                kernel += product(x[piece].T, rows[piece])
        return kernel.astype(rows.dtype, copy=False)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Features * units, for every place along the other axes."""
        return int(np.prod(input_shape)) * int(self.units)
