"""What a convolution and a pooling are, apart from the layers that use them.

One small set of functions (``Kernels``), twice: ``reference`` in plain loops
is the definition, ``vectorized`` does the same with NumPy and its BLAS. Arrays
are (n, h, w, c), kernels (kh, kw, c_in, c_out), sizes and strides (height, width)
pairs, pads ((top, bottom), (left, right)). Results have the dtype of their
inputs; inputs are never written to.
"""

from typing import Protocol

from minicnn._core.shapes import Array, Pads, Pair, Shape
from minicnn.errors import ConfigError
from minicnn.kernels import reference, vectorized

__all__ = ["KERNELS", "Kernels", "check_kernels", "reference", "vectorized"]


class Kernels(Protocol):
    """The functions that a set of kernels must have."""

    def conv2d(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        strides: Pair,
        pads: Pads,
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> Array:
        """Correlate every window of x with every filter, and add the bias.

        The pixels of a window are ``dilation`` apart; strides are 1 where that is not. With
        ``groups``, channels and filters are cut into so many runs, each filter sees the channels
        of its own, and the kernel is (kh, kw, c_in / groups, c_out). x must be finite: a NaN or
        infinity may reach neighbouring outputs as well.
        """

    def conv2d_backward(
        self,
        dy: Array,
        x: Array,
        kernel: Array,
        strides: Pair,
        pads: Pads,
        need_dx: bool = True,
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> tuple[Array | None, Array, Array]:
        """(dx, dkernel, dbias); dx is None when it is not needed."""

    def conv2d_transpose(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        out: Pair,
        strides: Pair,
        pads: Pads,
        dilation: Pair = (1, 1),
    ) -> Array:
        """The dx of the convolution that makes images like x of images of size ``out``, + bias.

        The kernel is that convolution's: its c_in are channels of what comes out, its c_out x's.
        """

    def depthwise(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        strides: Pair,
        pads: Pads,
        dilation: Pair = (1, 1),
    ) -> Array:
        """Correlate each channel of x with its own filters, and add the bias.

        The kernel is (kh, kw, c, times); channel c * times + m comes of channel c, filter m.
        """

    def depthwise_backward(
        self,
        dy: Array,
        x: Array,
        kernel: Array,
        strides: Pair,
        pads: Pads,
        need_dx: bool = True,
        dilation: Pair = (1, 1),
    ) -> tuple[Array | None, Array, Array]:
        """(dx, dkernel, dbias); dx is None when it is not needed."""

    def max_pool(self, x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
        """The maximum of every window; pads count as minus infinity, NaN propagates."""

    def max_pool_backward(
        self, dy: Array, x: Array, y: Array, size: Pair, strides: Pair, pads: Pads
    ) -> Array:
        """dx: all of dy goes to the first maximum of its window in row-major order."""

    def avg_pool(self, x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
        """The mean over the real pixels of every window; pads do not count."""

    def avg_pool_backward(
        self, dy: Array, x_shape: Shape, size: Pair, strides: Pair, pads: Pads
    ) -> Array:
        """dx: every real pixel of a window gets an equal share of dy."""

    def channel_sums(self, x: Array) -> Array:
        """The sum over all axes but the last, right to the last digits of x's dtype."""

    def image_sums(self, x: Array) -> Array:
        """The sum over the pixels of each image, (N, C), likewise."""


KERNELS: dict[str, Kernels] = {"reference": reference, "vectorized": vectorized}


def check_kernels(who: str, name: str) -> str:
    """Return ``name`` if there is such a set of kernels; raise ``ConfigError`` if not."""
    if not isinstance(name, str) or name not in KERNELS:
        raise ConfigError(
            f"{who}: expected kernels to be one of {', '.join(KERNELS)}, got {name!r}."
        )
    return name
