"""The transposed convolution, which makes images larger."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array, DType, Shape, pair
from minicnn.constraints import Constraint
from minicnn.errors import ConfigError
from minicnn.initializers import Initializer
from minicnn.kernels import apart
from minicnn.layers.activated import Given
from minicnn.layers.base import Grads
from minicnn.layers.conv import Conv2DCache, Sliding
from minicnn.layers.windowed import Place
from minicnn.regularizers import Regularizer


class Conv2DTranspose(Sliding):
    """Let every pixel of x add a multiple of a small kernel to an image: a ``Conv2D`` backwards.

        y_padded[n, h * stride_h + i * d_h, w * stride_w + j * d_w, f] +=
            x[n, h, w, c] * kernel[i, j, f, c], for all n, h, w, i, j, c, f
        y = activation(bias + y_padded without its padding)

    That is the dx, for dy = x, of the convolution from images of y's size to images of x's, and its
    dx is that convolution of dy. x is (N, H, W, C), the kernel (kh, kw, filters, C), y (N, H', W',
    filters). With k = (kh - 1) * d_h + 1, the pixels that a kernel with ``dilation_rate`` d reaches
    over, y's height (and width likewise) is Keras':

        padding="valid":  H' = (H - 1) * stride + max(k, stride)
        padding="same":   H' = H * stride, with the padding that ``Conv2D`` has on such an image
        output_padding p: H' = (H - 1) * stride + p + (k if "valid", k % 2 if "same")

    Raises ``ShapeError`` for inputs that are not such images, ``ConfigError`` for arguments that
    make no sense: strides and dilation_rate both above 1, ``output_padding`` not below the stride,
    or one of 0 with "same" and an even kernel, where Keras with TensorFlow fails as well.

    >>> Conv2DTranspose(8, 4, strides=2, padding="same").output_shape((16, 16, 3))
    (32, 32, 8)
    """

    additive = True
    ends_in_activation = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
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
        if padding not in ("valid", "same"):
            raise ConfigError(f"{self.who}: expected padding 'valid' or 'same', got {padding!r}.")
        self.keep_window(kernel_size, strides, padding, dilation_rate)
        self.check_apart()
        self.filters = filters
        self.output_padding = output_padding
        self._out((1, 1))

    def _arguments(self) -> tuple[Any, ...]:
        return *super()._arguments(), self.output_padding

    def _placed(self, image: Shape) -> Place:
        """The positions of the kernel on y when x is (H, W, ...), as in the convolution."""
        return self._placed_on(self._out(image))

    def _out(self, image: Shape) -> tuple[int, int]:
        """(H', W')."""
        size = pair(self.who, "kernel_size", self.kernel_size)
        strides = pair(self.who, "strides", self.strides)
        reach = tuple((k - 1) * d + 1 for k, d in zip(size, self.dilation, strict=True))
        if self.output_padding is None:
            least = (0, 0) if self.padding == "same" else reach
            more = [max(k, s) for k, s in zip(least, strides, strict=True)]
        else:
            added = pair(self.who, "output_padding", self.output_padding, least=0)
            least = tuple(k % 2 if self.padding == "same" else k for k in reach)
            more = [k + p for k, p in zip(least, added, strict=True)]
            if any(p >= s for p, s in zip(added, strides, strict=True)) or min(more) < 1:
                raise ConfigError(
                    f"{self.who}: expected output_padding below the strides {strides}"
                    f"{', and above 0 for even kernels' * (self.padding == 'same')}, "
                    f"got {self.output_padding!r}."
                )
        (h, w), (sh, sw) = image[:2], strides
        return (h - 1) * sh + more[0], (w - 1) * sw + more[1]

    def output_shape(self, input_shape: Shape) -> Shape:
        """(H', W', filters)."""
        self.check_shape((None, *input_shape))
        return *self._out(input_shape), int(self.filters)

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make ``kernel`` (kh, kw, filters, C) and ``bias`` (filters,)."""
        super().build(input_shape, rng, dtype)
        size = pair(self.who, "kernel_size", self.kernel_size)
        self.add_param("kernel", (*size, int(self.filters), input_shape[-1]), rng)
        if self.use_bias:
            self.add_param("bias", (int(self.filters),), rng)
        self.build_activation(input_shape, rng)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Conv2DCache]:
        """The transposed convolution, then the activation."""
        kernel = self.param("kernel")
        x = self.check_input(x)
        place, bias = self.place(x.shape[1:]), self.params.get("bias")
        if place.far:
            z = self._far(x, kernel, bias, place)
        else:
            _, strides, pads, _ = place.windows
            z = self.kernels.conv2d_transpose(
                x, kernel, bias, place.image, strides, pads, place.dilation
            )
        y, kept = self.activate(z)
        return y, Conv2DCache(x, kept)

    def _far(self, x: Array, kernel: Array, bias: Array | None, place: Place) -> Array:
        """The multiples of the kernel, side by side, then added up at their places."""
        out, found = (len(x), *place.image, int(self.filters)), place.windows
        wide = found.out[0] * found.size[0], found.out[1] * found.size[1]
        _, strides, pads, _ = apart.side_by_side(found)
        seen = self.kernels.conv2d_transpose(x, kernel, None, wide, strides, pads)
        z = apart.scattered(seen, out, found, place.dilation)
        return z if bias is None else z + bias

    def _backward(self, dy: Array, cache: Conv2DCache, need_dx: bool) -> tuple[Array | None, Grads]:
        """The convolution of dz is dx, and its kernel gradient, with dy = x, is dkernel."""
        x, y = cache
        image, place, dilation, far = self.place(x.shape[1:])
        self.check_dy(dy, (len(x), *image, int(self.filters)))
        dz, grads = self.back_through_activation(dy, y)
        seen, kernel = dz, self.params["kernel"]
        if far:
            seen = apart.gathered(dz, place, dilation)
            place, dilation = apart.side_by_side(place), (1, 1)
        _, strides, pads, _ = place
        dx = None
        if need_dx:
            dx = self.kernels.conv2d(seen, kernel, None, strides, pads, dilation)
        _, dkernel, _ = self.kernels.conv2d_backward(
            x, seen, kernel, strides, pads, need_dx=False, dilation=dilation
        )
        own = {"kernel": dkernel}
        if self.use_bias:
            own["bias"] = self.kernels.channel_sums(dz)
        return dx, own | grads

    def multiply_adds(self, input_shape: Shape) -> int:
        """H * W * C * filters * kh * kw."""
        h, w, c = input_shape
        kh, kw = pair(self.who, "kernel_size", self.kernel_size)
        return h * w * c * int(self.filters) * kh * kw
