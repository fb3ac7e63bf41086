"""Depthwise convolution, alone and followed by one over the channels."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array, DType, Padding, Shape
from minicnn.constraints import Constraint
from minicnn.initializers import Initializer
from minicnn.layers.activated import Given
from minicnn.layers.base import Grads
from minicnn.layers.conv import Conv2DCache, Sliding
from minicnn.regularizers import Regularizer


class DepthwiseConv2D(Sliding):
    """Slide ``depth_multiplier`` (M) small kernels over each channel by itself.

        y[n, h, w, c * M + m] = activation(bias[c * M + m] + sum over i, j of
            x_padded[n, h * stride_h + i * d_h, w * stride_w + j * d_w, c] * kernel[i, j, c, m])

    x is (N, H, W, C), the kernel (kh, kw, C, M), y (N, H', W', C * M); ``padding`` and
    ``dilation_rate`` (d) are as in ``Conv2D``, but strides may be above 1 along with it. Backward
    as there, channel by channel. Raises ``ShapeError`` for inputs that are not such images or that
    the kernel does not fit, ``ConfigError`` for arguments that make no sense.

    >>> DepthwiseConv2D(3, padding="same", depth_multiplier=2).output_shape((32, 32, 8))
    (32, 32, 16)
    """

    additive = True
    ends_in_activation = True

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: Padding = "valid",
        depth_multiplier: int = 1,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: Given = None,
        use_bias: bool = True,
        depthwise_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        depthwise_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        depthwise_constraint: str | Constraint | None = None,
        bias_constraint: str | Constraint | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(activation, use_bias, name)
        self.keep(locals())
        whole_number(self.who, "depth_multiplier", depth_multiplier)
        self.keep_window(kernel_size, strides, padding, dilation_rate)
        self.depth_multiplier = depth_multiplier

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H', W', C * depth_multiplier)."""
        self.check_shape((None, *input_shape))
        return *self.windows(input_shape).out, input_shape[-1] * int(self.depth_multiplier)

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make ``kernel`` (kh, kw, C, depth_multiplier) and ``bias`` (C * depth_multiplier,)."""
        super().build(input_shape, rng, dtype)
        c, times = input_shape[-1], int(self.depth_multiplier)
        size = self.windows(input_shape).size
        self.add_param("kernel", (*size, c, times), rng, prefix="depthwise")
        if self.use_bias:
            self.add_param("bias", (c * times,), rng)
        self.build_activation(input_shape, rng)

    @property
    def replays(self) -> bool:  # type: ignore[override]
        """See ``Layer``: not of an activation, nor where pixels are copied side by side."""
        where = self._place
        return self.activation is None and where is not None and not where[1].far

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Conv2DCache]:
        """The convolution of each channel, then the activation."""
        kernel = self.param("kernel")
        x = self.check_input(x)
        seen, (_, strides, pads, _), dilation = self.seen(x)
        bias = self.params.get("bias")
        z = self.kernels.depthwise(seen, kernel, bias, strides, pads, dilation)
        y, kept = self.activate(z)
        return y, Conv2DCache(x, kept)

    def _backward(self, dy: Array, cache: Conv2DCache, need_dx: bool) -> tuple[Array | None, Grads]:
        x, y = cache
        seen, (_, strides, pads, _), dilation = self.seen(x)
        self.check_dy(dy, (len(x), *self.output_shape(x.shape[1:])))
        dz, grads = self.back_through_activation(dy, y)
        dx, dkernel, dbias = self.kernels.depthwise_backward(
            dz, seen, self.params["kernel"], strides, pads, need_dx, dilation
        )
        dx = self.unseen(dx, x)
        own = {"kernel": dkernel, "bias": dbias} if self.use_bias else {"kernel": dkernel}
        return dx, own | grads

    def multiply_adds(self, input_shape: Shape) -> int:
        """H' * W' * C * depth_multiplier * kh * kw."""
        (kh, kw), _, _, (oh, ow) = self.windows(input_shape)
        return oh * ow * input_shape[-1] * int(self.depth_multiplier) * kh * kw


class SeparableConv2DCache(NamedTuple):
    """The arrays for ``SeparableConv2D.backward``."""

    x: Array
    between: Array
    """The output of the depthwise convolution."""
    y: Any
    """The output or input of the activation, as its backward pass needs it, if there is one."""


class SeparableConv2D(Sliding):
    """A convolution in two steps: along the image channel by channel, then across the channels.

        between = DepthwiseConv2D(kernel_size, ...)(x), without bias
        y[n, h, w, f] = activation(bias[f] + sum over c of between[n, h, w, c] * pointwise[c, f])

    x is (N, H, W, C), y (N, H', W', filters), ``depthwise_kernel`` (kh, kw, C, M) with M the
    ``depth_multiplier``, ``pointwise_kernel`` (1, 1, C * M, filters). It takes about a
    kh * kw-th of the work of a ``Conv2D`` with many filters (Chollet 2017, "Xception"). Raises
    what ``DepthwiseConv2D`` raises.

    >>> SeparableConv2D(16, 3, padding="same").output_shape((32, 32, 8))
    (32, 32, 16)
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
        depth_multiplier: int = 1,
        activation: Given = None,
        use_bias: bool = True,
        depthwise_initializer: str | Initializer = "glorot_uniform",
        pointwise_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        depthwise_regularizer: str | Regularizer | None = None,
        pointwise_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        depthwise_constraint: str | Constraint | None = None,
        pointwise_constraint: str | Constraint | None = None,
        bias_constraint: str | Constraint | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(activation, use_bias, name)
        self.keep(locals())
        whole_number(self.who, "filters", filters)
        whole_number(self.who, "depth_multiplier", depth_multiplier)
        self.keep_window(kernel_size, strides, padding, dilation_rate)
        self.filters = filters
        self.depth_multiplier = depth_multiplier

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H', W', filters)."""
        self.check_shape((None, *input_shape))
        return *self.windows(input_shape).out, int(self.filters)

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make ``depthwise_kernel``, ``pointwise_kernel`` and ``bias`` (filters,)."""
        super().build(input_shape, rng, dtype)
        c, times, filters = input_shape[-1], int(self.depth_multiplier), int(self.filters)
        size = self.windows(input_shape).size
        self.add_param("depthwise_kernel", (*size, c, times), rng, prefix="depthwise")
        self.add_param("pointwise_kernel", (1, 1, c * times, filters), rng, prefix="pointwise")
        if self.use_bias:
            self.add_param("bias", (filters,), rng)
        self.build_activation(input_shape, rng)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, SeparableConv2DCache]:
        """Both convolutions, then the activation."""
        kernel = self.param("depthwise_kernel")
        x = self.check_input(x)
        seen, (_, strides, pads, _), dilation = self.seen(x)
        between = self.kernels.depthwise(seen, kernel, None, strides, pads, dilation)
        across, bias = self.params["pointwise_kernel"], self.params.get("bias")
        z = self.kernels.conv2d(between, across, bias, (1, 1), ((0, 0), (0, 0)))
        y, kept = self.activate(z)
        return y, SeparableConv2DCache(x, between, kept)

    def _backward(
        self, dy: Array, cache: SeparableConv2DCache, need_dx: bool
    ) -> tuple[Array | None, Grads]:
        x, between, y = cache
        seen, (_, strides, pads, _), dilation = self.seen(x)
        self.check_dy(dy, (len(x), *self.output_shape(x.shape[1:])))
        dz, grads = self.back_through_activation(dy, y)
        dbetween, dpointwise, dbias = self.kernels.conv2d_backward(
            dz, between, self.params["pointwise_kernel"], (1, 1), ((0, 0), (0, 0))
        )
        assert dbetween is not None
        dx, ddepthwise, _ = self.kernels.depthwise_backward(
            dbetween, seen, self.params["depthwise_kernel"], strides, pads, need_dx, dilation
        )
        dx = self.unseen(dx, x)
        own = {"depthwise_kernel": ddepthwise, "pointwise_kernel": dpointwise}
        return dx, (own | {"bias": dbias} if self.use_bias else own) | grads

    def multiply_adds(self, input_shape: Shape) -> int:
        """H' * W' * C * depth_multiplier * (kh * kw + filters)."""
        (kh, kw), _, _, (oh, ow) = self.windows(input_shape)
        channels = input_shape[-1] * int(self.depth_multiplier)
        return oh * ow * channels * (kh * kw + int(self.filters))
