"""Convolution."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn.activations import NameOrFunction
from minicnn.errors import ConfigError
from minicnn.initializers import Initializer
from minicnn.layers.base import Grads
from minicnn.layers.weighted import Weighted
from minicnn.regularizers import Regularizer
from minicnn.shapes import Array, DType, Padding, Shape, Windows, check_padding, pair, windows


class Conv2DCache(NamedTuple):
    """What ``Conv2D.backward`` needs."""

    x: Array
    y: Array | None
    """What the way back through the activation needs, if there is one: its output or input."""


class Conv2D(Weighted):
    """Slide ``filters`` small kernels over an image.

        y[n, h, w, f] = activation(bias[f] + sum over i, j, c of
            x_padded[n, h * stride_h + i, w * stride_w + j, c] * kernel[i, j, c, f])

    x is (N, H, W, C), the kernel (kh, kw, C, filters), y (N, H', W', filters).
    Backward, each output's gradient dz goes to all that made it (kernels/reference.py):

        dkernel[i, j, c, f] = sum over n, h, w of dz[n, h, w, f] * the pixel that met it
        dbias[f] = sum over n, h, w of dz[n, h, w, f];   dx = the sum of dz * kernel, likewise

    ``padding`` is "valid" (none), "same" (H' = ceil(H / stride), the odd pixel at
    the bottom and right, as in Keras), or a number of pixels of zeros, a pair of
    them or ((top, bottom), (left, right)), which Keras does not have. Raises
    ``ShapeError`` for inputs that are not such images or that the kernel does not
    fit, ``ConfigError`` for arguments that make no sense.

    >>> Conv2D(8, 4, padding="same").output_shape((64, 64, 3))
    (64, 64, 8)
    """

    axes = ("H", "W", "C")

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: Padding = "valid",
        activation: NameOrFunction | None = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            name,
        )
        if not isinstance(filters, int | np.integer) or filters < 1:
            raise ConfigError(
                f"{self.who}: expected filters as a whole number of at least 1, got {filters!r}."
            )
        pair(self.who, "kernel_size", kernel_size)
        pair(self.who, "strides", strides)
        check_padding(self.who, padding)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding

    def windows(self, image: Shape) -> Windows:
        """Where the kernel goes on an image (H, W, ...)."""
        return windows(
            self.who,
            (image[0], image[1]),
            pair(self.who, "kernel_size", self.kernel_size),
            pair(self.who, "strides", self.strides),
            self.padding,
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H', W', filters)."""
        self.check_shape((None, *input_shape))
        return *self.windows(input_shape).out, int(self.filters)

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make ``kernel`` (kh, kw, C, filters) and ``bias`` (filters,)."""
        super().build(input_shape, rng, dtype)
        shape = (*self.windows(input_shape).size, input_shape[-1], int(self.filters))
        self.make_params(shape, rng, dtype)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Conv2DCache]:
        """The convolution, then the activation."""
        kernel = self.param("kernel")
        x = self.check_input(x)
        _, strides, pads, _ = self.windows(x.shape[1:])
        z = self.kernels.conv2d(x, kernel, self.params.get("bias"), strides, pads)
        y, kept = self.activate(z)
        return y, Conv2DCache(x, kept)

    def backward(self, dy: Array, cache: Conv2DCache) -> tuple[Array, Grads]:
        """dx, and the gradients of kernel and bias."""
        dx, grads = self._backward(dy, cache, need_dx=True)
        assert dx is not None
        return dx, grads

    def param_grads(self, dy: Array, cache: Conv2DCache) -> Grads:
        """The gradients of kernel and bias; dx, half of the work, is not asked of a first layer."""
        return self._backward(dy, cache, need_dx=False)[1]

    def _backward(self, dy: Array, cache: Conv2DCache, need_dx: bool) -> tuple[Array | None, Grads]:
        x, y = cache
        _, strides, pads, out = self.windows(x.shape[1:])
        self.check_dy(dy, (len(x), *out, int(self.filters)))
        dz = self.back_through_activation(dy, y)
        dx, dkernel, dbias = self.kernels.conv2d_backward(
            dz, x, self.params["kernel"], strides, pads, need_dx
        )
        return dx, {"kernel": dkernel, "bias": dbias} if self.use_bias else {"kernel": dkernel}

    def multiply_adds(self, input_shape: Shape) -> int:
        """H' * W' * filters * kh * kw * C."""
        (kh, kw), _, _, (oh, ow) = self.windows(input_shape)
        return oh * ow * int(self.filters) * kh * kw * input_shape[-1]
