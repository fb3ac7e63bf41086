"""Convolution."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.console import warn_once
from minicnn._core.shapes import (
    Array,
    DType,
    Padding,
    Pair,
    Shape,
    Windows,
    check_padding,
    pair,
    windows,
)
from minicnn.constraints import Constraint
from minicnn.errors import ConfigError, ShapeError
from minicnn.initializers import Initializer
from minicnn.kernels import apart
from minicnn.layers.activated import Given
from minicnn.layers.base import Grads
from minicnn.layers.weighted import Weighted
from minicnn.layers.windowed import Place, Windowed
from minicnn.regularizers import Regularizer


class Sliding(Weighted, Windowed):
    """The base class of convolutions: the positions of the kernel, and the backward pass."""

    passes = Weighted.passes | {"_backward", "seen", "unseen"}

    def keep_window(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: Padding,
        dilation_rate: int | Sequence[int],
    ) -> None:
        """Check and store the arguments; raises ``ConfigError`` for those that make no sense."""
        pair(self.who, "kernel_size", kernel_size)
        pair(self.who, "strides", strides)
        pair(self.who, "dilation_rate", dilation_rate)
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = check_padding(self.who, padding)
        self.dilation_rate = dilation_rate

    def check_apart(self) -> None:
        """Raise ``ConfigError`` if both strides and dilation are above 1."""
        dilation = pair(self.who, "dilation_rate", self.dilation_rate)
        if max(pair(self.who, "strides", self.strides)) > 1 and max(dilation) > 1:
            raise ConfigError(
                f"{self.who}: expected strides or dilation_rate to be 1, "
                f"got strides {self.strides!r} and dilation_rate {self.dilation_rate!r}."
            )

    @property
    def dilation(self) -> Pair:
        """How far apart the pixels of a window are, down and across; 1 where there is but one."""
        size = pair(self.who, "kernel_size", self.kernel_size)
        down, across = pair(self.who, "dilation_rate", self.dilation_rate)
        return down if size[0] > 1 else 1, across if size[1] > 1 else 1

    def _arguments(self) -> tuple[Any, ...]:
        return self.kernel_size, self.strides, self.padding, self.dilation_rate

    def _placed(self, image: Shape) -> Place:
        return self._placed_on((image[0], image[1]))

    def _placed_on(self, image: Pair) -> Place:
        size = pair(self.who, "kernel_size", self.kernel_size)
        strides = pair(self.who, "strides", self.strides)
        dilation = self.dilation
        found = windows(self.who, image, size, strides, self.padding, dilation)
        return Place(image, found, dilation, apart.far(image, found, dilation))

    def seen(self, x: Array) -> tuple[Array, Windows, Pair]:
        """x with the kernel's positions and dilation, or the pixels that it sees, side by side."""
        _, found, dilation, far = self.place(x.shape[1:])
        if not far:
            return x, found, dilation
        return apart.gathered(x, found, dilation), apart.side_by_side(found), (1, 1)

    def unseen(self, dx: Array | None, x: Array) -> Array | None:
        """The gradient of x from that of the result of ``seen``."""
        _, found, dilation, far = self.place(x.shape[1:])
        if dx is None or not far:
            return dx
        return apart.scattered(dx, x.shape, found, dilation)

    def backward(self, dy: Array, cache: Any) -> tuple[Array, Grads]:
        """dx, and the gradients of kernel and bias."""
        dx, grads = self._backward(dy, cache, need_dx=True)
        assert dx is not None
        return dx, grads

    def param_grads(self, dy: Array, cache: Any) -> Grads:
        """The gradients of kernel and bias; a first layer need not compute dx, half of the work."""
        return self._backward(dy, cache, need_dx=False)[1]

    def _backward(self, dy: Array, cache: Any, need_dx: bool) -> tuple[Array | None, Grads]:
        raise TypeError(f"{self.who} defines no _backward(dy, cache, need_dx).")


def Convolution2D(*args: Any, **kwargs: Any) -> "Conv2D":  # noqa: N802 - as in Keras
    """``Conv2D`` under the name it had in Keras 1, where rows and columns stood apart.

    Three numbers are filters, rows and columns; of a third one that is not, say ``strides=``.

    >>> Convolution2D(8, (3, 5)).kernel_size
    (3, 5)
    """
    if len(args) > 2 and all(isinstance(n, int | np.integer) for n in args[1:3]):
        warn_once("Convolution2D", "Convolution2D: (n, r, c) is Conv2D(n, (r, c)) today.")
        args = (args[0], args[1:3], *args[3:])
    return Conv2D(*args, **kwargs)


class Conv2DCache(NamedTuple):
    """The arrays for ``Conv2D.backward``."""

    x: Array
    y: Any
    """The output or input of the activation, as its backward pass needs it, if there is one."""


class Conv2D(Sliding):
    """Slide ``filters`` small kernels over an image.

        y[n, h, w, f] = activation(bias[f] + sum over i, j, c of
            x_padded[n, h * stride_h + i, w * stride_w + j, c] * kernel[i, j, c, f])

    x is (N, H, W, C), the kernel (kh, kw, C, filters), y (N, H', W', filters).
    Backward, each output's gradient dz goes to all that made it (kernels/reference.py):

        dkernel[i, j, c, f] = sum over n, h, w of dz[n, h, w, f] * the pixel that met it
        dbias[f] = sum over n, h, w of dz[n, h, w, f];   dx = the sum of dz * kernel, likewise

    ``padding`` is "valid" (none), "same" (H' = ceil(H / stride), the odd pixel at the bottom and
    right, as in Keras), or a number of pixels of zeros, a pair of them or ((top, bottom), (left,
    right)), which Keras does not have. With ``dilation_rate`` d the pixels of a window are d apart
    (h + i * d). ``groups`` cuts channels and filters into so many groups; a filter sees the
    channels of its group, and the kernel is (kh, kw, C / groups, filters). Raises ``ShapeError``
    for inputs that are not such images, that the kernel does not fit or that do not fall into
    groups, ``ConfigError`` for arguments that make no sense, as strides and dilation_rate both
    above 1, which Keras does not take either.

    >>> Conv2D(8, 4, padding="same").output_shape((64, 64, 3))
    (64, 64, 8)
    >>> Conv2D(8, 3, dilation_rate=2, groups=4).output_shape((64, 64, 8))
    (60, 60, 8)
    """

    additive = True
    ends_in_activation = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: Padding = "valid",
        dilation_rate: int | Sequence[int] = (1, 1),
        groups: int = 1,
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
        whole_number(self.who, "filters", filters)
        whole_number(self.who, "groups", groups)
        if filters % groups:
            raise ConfigError(
                f"{self.who}: expected filters that fall into {groups} equal groups, got {filters}."
            )
        self.keep_window(kernel_size, strides, padding, dilation_rate)
        self.check_apart()
        self.filters = filters
        self.groups = groups

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H', W', filters)."""
        self.check_shape((None, *input_shape))
        if input_shape[-1] % self.groups:
            raise ShapeError(
                f"{self.who}: expected channels that fall into {self.groups} equal groups, "
                f"got input of shape (N, {', '.join(map(str, input_shape))})."
            )
        return *self.windows(input_shape).out, int(self.filters)

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make ``kernel`` (kh, kw, C / groups, filters) and ``bias`` (filters,)."""
        super().build(input_shape, rng, dtype)
        channels, filters = input_shape[-1] // int(self.groups), int(self.filters)
        size = self.windows(input_shape).size
        self.add_param("kernel", (*size, channels, filters), rng)
        if self.use_bias:
            self.add_param("bias", (filters,), rng)
        self.build_activation(input_shape, rng)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Conv2DCache]:
        """The convolution, then the activation."""
        kernel = self.param("kernel")
        x = self.check_input(x)
        seen, (_, strides, pads, _), dilation = self.seen(x)
        bias = self.params.get("bias")
        z = self.kernels.conv2d(seen, kernel, bias, strides, pads, dilation, self.groups)
        y, kept = self.activate(z)
        return y, Conv2DCache(x, kept)

    def _backward(self, dy: Array, cache: Conv2DCache, need_dx: bool) -> tuple[Array | None, Grads]:
        x, y = cache
        seen, (_, strides, pads, out), dilation = self.seen(x)
        self.check_dy(dy, (len(x), *out, int(self.filters)))
        dz, grads = self.back_through_activation(dy, y)
        dx, dkernel, dbias = self.kernels.conv2d_backward(
            dz, seen, self.params["kernel"], strides, pads, need_dx, dilation, self.groups
        )
        dx = self.unseen(dx, x)
        own = {"kernel": dkernel, "bias": dbias} if self.use_bias else {"kernel": dkernel}
        return dx, own | grads

    def multiply_adds(self, input_shape: Shape) -> int:
        """H' * W' * filters * kh * kw * C / groups."""
        (kh, kw), _, _, (oh, ow) = self.windows(input_shape)
        return oh * ow * int(self.filters) * kh * kw * (input_shape[-1] // int(self.groups))
