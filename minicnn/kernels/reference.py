"""Convolution and pooling in plain loops, written to be read.

The first half holds the functions of the deep-learning course's notebook
"Convolutional Neural Networks: Step by Step", under their names there, with
their signatures and shapes, so that you can lay yours beside them. Three
things are mended: ``conv_backward`` with ``pad=0``, kernels and windows that
are not square (``f``, ``stride`` and ``pad`` may be pairs), and sizes that
cannot work, which raise ``ShapeError``.

The second half is the same arithmetic under the names that the layers call
(see ``minicnn.kernels``), so that a whole model can run on these loops.

Everything is computed in double precision. The second half is the definition of what
the layers compute: the fast kernels are tested against it.
"""

from collections.abc import Iterator

import numpy as np

from minicnn._core.shapes import Array, Pads, Pair, Shape, windows
from minicnn.errors import ShapeError
from minicnn.kernels.arguments import (
    Hyperparameters,
    conv_windows,
    expect_mode,
    expect_rank,
    expect_shape,
    pads_of,
    pool_windows,
    unpacked,
)
from minicnn.kernels.base import KernelSet

ConvCache = tuple[Array, Array, Array, Hyperparameters]
PoolCache = tuple[Array, Hyperparameters]


# The notebook's functions ------------------------------------------------------------


def zero_pad(X: Array, pad: int | Pair | Pads) -> Array:
    """Surround every image of a batch with zeros.

        X_pad[i, h + pad, w + pad, c] = X[i, h, w, c], and 0 around it.

    X has shape (m, n_H, n_W, n_C); ``pad`` is a number of pixels, a pair for
    height and width, or ((top, bottom), (left, right)).

    >>> zero_pad(np.ones((4, 3, 3, 2)), 2).shape
    (4, 7, 7, 2)
    """
    expect_rank("zero_pad", "X", X, 4)
    height, width = pads_of("zero_pad", pad)
    return np.pad(X, ((0, 0), height, width, (0, 0)))


def conv_single_step(a_slice_prev: Array, W: Array, b: Array) -> float:
    """Apply one filter to one window of one image.

        Z = sum over h, w, c of a_slice_prev[h, w, c] * W[h, w, c], plus b.

    ``a_slice_prev`` and W have shape (f, f, n_C_prev), b has (1, 1, 1).

    >>> conv_single_step(np.ones((2, 2, 3)), np.ones((2, 2, 3)), np.ones((1, 1, 1)))
    13.0
    """
    expect_shape("conv_single_step", "W", W, a_slice_prev.shape)
    if np.size(b) != 1:
        raise ShapeError(f"conv_single_step: expected b with one number, got shape {np.shape(b)}.")
    return float(np.sum(a_slice_prev * W) + np.asarray(b).item())


def conv_forward(
    A_prev: Array, W: Array, b: Array, hparameters: Hyperparameters
) -> tuple[Array, ConvCache]:
    """Convolve a batch of images with a set of filters.

        Z[i, h, w, c] = sum over y, x, k of
            A_prev_pad[i, stride * h + y, stride * w + x, k] * W[y, x, k, c], plus b[c]
        n_H = floor((n_H_prev + 2 * pad - f) / stride) + 1, and n_W likewise.

    A_prev has shape (m, n_H_prev, n_W_prev, n_C_prev), W (f, f, n_C_prev, n_C), b
    (1, 1, 1, n_C); ``hparameters`` holds "stride" and "pad". Returns Z of shape
    (m, n_H, n_W, n_C) and the cache for ``conv_backward``. Raises ``ShapeError``
    when the channels differ or the filter does not fit.

    >>> Z, cache = conv_forward(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)),
    ...                         np.zeros((1, 1, 1, 1)), {"stride": 1, "pad": 0})
    >>> Z[0, :, :, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    expect_rank("conv_forward", "A_prev", A_prev, 4)
    expect_rank("conv_forward", "W", W, 4)
    if A_prev.shape[3] != W.shape[2]:
        raise ShapeError(
            f"conv_forward: expected A_prev with {W.shape[2]} channels, as W {W.shape} has, "
            f"got {A_prev.shape}."
        )
    _, (stride_h, stride_w), pads, (n_H, n_W) = conv_windows("conv_forward", A_prev, W, hparameters)
    f_H, f_W, _, n_C = W.shape
    m = A_prev.shape[0]

    expect_shape("conv_forward", "b", b, (1, 1, 1, n_C))
    A_prev_pad = zero_pad(A_prev, pads)
    Z = np.zeros((m, n_H, n_W, n_C))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                top, left = h * stride_h, w * stride_w
                a_slice_prev = A_prev_pad[i, top : top + f_H, left : left + f_W, :]
                for c in range(n_C):
                    Z[i, h, w, c] = conv_single_step(a_slice_prev, W[..., c], b[..., c])
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ: Array, cache: ConvCache) -> tuple[Array, Array, Array]:
    """Carry the gradient of the loss back through ``conv_forward``.

        dA_prev_pad[window of (h, w)] += W[..., c] * dZ[i, h, w, c]
        dW[..., c]                    += A_prev_pad[window of (h, w)] * dZ[i, h, w, c]
        db[..., c]                    += dZ[i, h, w, c]

    dZ has the shape of Z. Returns dA_prev, dW and db, shaped as A_prev, W and b.

    >>> Z, cache = conv_forward(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)),
    ...                         np.zeros((1, 1, 1, 1)), {"stride": 1, "pad": 0})
    >>> dA_prev, dW, db = conv_backward(np.ones_like(Z), cache)
    >>> dA_prev[0, :, :, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    A_prev, W, b, hparameters = unpacked("conv_backward", cache, 4)
    _, (stride_h, stride_w), pads, out = conv_windows("conv_backward", A_prev, W, hparameters)
    f_H, f_W, _, n_C = W.shape
    m, n_H_prev, n_W_prev, _ = A_prev.shape
    expect_shape("conv_backward", "dZ", dZ, (m, *out, n_C))

    A_prev_pad = zero_pad(A_prev, pads)
    dA_prev_pad = np.zeros(A_prev_pad.shape)
    dW = np.zeros(W.shape)
    db = np.zeros(b.shape)
    for i in range(m):
        for h in range(out[0]):
            for w in range(out[1]):
                rows = slice(h * stride_h, h * stride_h + f_H)
                columns = slice(w * stride_w, w * stride_w + f_W)
                for c in range(n_C):
                    dA_prev_pad[i, rows, columns, :] += W[..., c] * dZ[i, h, w, c]
                    dW[..., c] += A_prev_pad[i, rows, columns, :] * dZ[i, h, w, c]
                    db[..., c] += dZ[i, h, w, c]
    # The notebook cuts the padding off with [pad:-pad], which for pad = 0 leaves nothing.
    return _inner(dA_prev_pad, pads, (n_H_prev, n_W_prev)), dW, db


def pool_forward(
    A_prev: Array, hparameters: Hyperparameters, mode: str = "max"
) -> tuple[Array, PoolCache]:
    """Take the maximum or the average of every window.

        A[i, h, w, c] = max or mean of A_prev[i, window of (h, w), c]
        n_H = floor((n_H_prev - f) / stride) + 1, and n_W likewise.

    A_prev has shape (m, n_H_prev, n_W_prev, n_C); ``hparameters`` holds "f" and
    "stride"; ``mode`` is "max" or "average". Returns A of shape (m, n_H, n_W, n_C)
    and the cache for ``pool_backward``. Raises ``ShapeError`` when the window does
    not fit, ``ConfigError`` on another mode.

    >>> A, cache = pool_forward(np.arange(16.0).reshape(1, 4, 4, 1), {"f": 2, "stride": 2})
    >>> A[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    expect_rank("pool_forward", "A_prev", A_prev, 4)
    expect_mode("pool_forward", mode)
    (f_H, f_W), (stride_h, stride_w), _, (n_H, n_W) = pool_windows(
        "pool_forward", A_prev, hparameters
    )
    m, _, _, n_C = A_prev.shape
    A = np.zeros((m, n_H, n_W, n_C))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                top, left = h * stride_h, w * stride_w
                for c in range(n_C):
                    window = A_prev[i, top : top + f_H, left : left + f_W, c]
                    A[i, h, w, c] = (
                        np.max(window) if mode == "max" else np.mean(window, dtype=float)
                    )
    return A, (A_prev, hparameters)


def create_mask_from_window(x: Array) -> Array:
    """True wherever ``x`` equals its maximum.

    >>> create_mask_from_window(np.array([[1.0, 3.0], [3.0, 2.0]])).tolist()
    [[False, True], [True, False]]
    """
    return np.asarray(x == np.max(x))


def distribute_value(dz: float, shape: Pair) -> Array:
    """Spread ``dz`` evenly over a window of ``shape``: dz / (n_H * n_W) everywhere.

    >>> distribute_value(2.0, (2, 2)).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    n_H, n_W = shape
    return np.full(shape, dz / (n_H * n_W))


def pool_backward(dA: Array, cache: PoolCache, mode: str = "max") -> Array:
    """Carry the gradient of the loss back through ``pool_forward``.

        max:      dA_prev[window of (h, w)] += mask(window) * dA[i, h, w, c]
        average:  dA_prev[window of (h, w)] += dA[i, h, w, c] / (f * f)

    dA has the shape of A; returns dA_prev with the shape of A_prev. As in the
    notebook, each of several equal maxima takes the whole gradient here; the
    layers follow Keras, where the first one does (``max_pool_backward``).

    >>> A, cache = pool_forward(np.arange(4.0).reshape(1, 2, 2, 1), {"f": 2, "stride": 2})
    >>> pool_backward(np.ones((1, 1, 1, 1)), cache, "max")[0, :, :, 0].tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    expect_mode("pool_backward", mode)
    A_prev, hparameters = unpacked("pool_backward", cache, 2)
    size, (stride_h, stride_w), _, (n_H, n_W) = pool_windows("pool_backward", A_prev, hparameters)
    f_H, f_W = size
    m, _, _, n_C = A_prev.shape
    expect_shape("pool_backward", "dA", dA, (m, n_H, n_W, n_C))
    dA_prev = np.zeros(A_prev.shape)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                rows = slice(h * stride_h, h * stride_h + f_H)
                columns = slice(w * stride_w, w * stride_w + f_W)
                for c in range(n_C):
                    da = dA[i, h, w, c]
                    if mode == "max":
                        mask = create_mask_from_window(A_prev[i, rows, columns, c])
                        dA_prev[i, rows, columns, c] += mask * da
                    else:
                        dA_prev[i, rows, columns, c] += distribute_value(da, size)
    return dA_prev


# The same arithmetic under the names that the layers call ----------------------------


def conv2d(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair,
    pads: Pads,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """``conv_forward`` for the layers, once for each group, with the kernel stretched out."""
    b = np.zeros(kernel.shape[3]) if bias is None else bias
    hparameters, parts = {"stride": strides, "pad": pads}, []
    for ins, outs in _groups(x.shape[3], kernel.shape[3], groups):
        W = _stretched(kernel[..., outs], dilation)
        parts.append(conv_forward(x[..., ins], W, b[outs].reshape(1, 1, 1, -1), hparameters)[0])
    return np.concatenate(parts, axis=3).astype(x.dtype)


def conv2d_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    need_dx: bool = True,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[Array | None, Array, Array]:
    """``conv_backward`` for the layers: of the stretched kernel the numbers, not the zeros."""
    hparameters, parts = {"stride": strides, "pad": pads}, []
    for ins, outs in _groups(x.shape[3], kernel.shape[3], groups):
        W = _stretched(kernel[..., outs], dilation)
        cache = x[..., ins], W, np.zeros((1, 1, 1, W.shape[3])), hparameters
        parts.append(conv_backward(dy[..., outs], cache))
    dx, dkernel, dbias = (np.concatenate(part, axis=3) for part in zip(*parts, strict=True))
    return (
        dx.astype(x.dtype) if need_dx else None,
        dkernel[:: dilation[0], :: dilation[1]].astype(kernel.dtype),
        dbias.reshape(-1).astype(kernel.dtype),
    )


def conv2d_transpose(
    x: Array,
    kernel: Array,
    bias: Array | None,
    out: Pair,
    strides: Pair,
    pads: Pads,
    dilation: Pair = (1, 1),
) -> Array:
    """The dx of ``conv2d_backward`` when dy is x, and the bias."""
    image = np.zeros((len(x), *out, kernel.shape[2]))
    y, _, _ = conv2d_backward(x, image, kernel, strides, pads, True, dilation)
    assert y is not None
    return (y if bias is None else y + bias).astype(x.dtype)


def depthwise(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair,
    pads: Pads,
    dilation: Pair = (1, 1),
) -> Array:
    """``conv2d`` with a group for every channel."""
    kh, kw, c, times = kernel.shape
    return conv2d(x, kernel.reshape(kh, kw, 1, c * times), bias, strides, pads, dilation, c)


def depthwise_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    need_dx: bool = True,
    dilation: Pair = (1, 1),
) -> tuple[Array | None, Array, Array]:
    """``conv2d_backward`` with a group for every channel."""
    kh, kw, c, times = kernel.shape
    flat = kernel.reshape(kh, kw, 1, c * times)
    dx, dkernel, dbias = conv2d_backward(dy, x, flat, strides, pads, need_dx, dilation, c)
    return dx, dkernel.reshape(kernel.shape), dbias


def max_pool(x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
    """The maximum of every window; the pixels added around the image never win."""
    padded = _padded(x, pads, -np.inf)
    y = np.zeros(_pooled_shape(x, size, strides, pads))
    for i, h, w, c in np.ndindex(y.shape):
        y[i, h, w, c] = np.max(padded[i, *_window(h, w, size, strides), c])
    return y.astype(x.dtype)


def max_pool_backward(
    dy: Array, x: Array, y: Array, size: Pair, strides: Pair, pads: Pads
) -> Array:
    """Hand dy of every window to its first maximum in row-major order; a NaN counts as one."""
    padded = _padded(x, pads, -np.inf)
    dx = np.zeros(padded.shape)
    for i, h, w, c in np.ndindex(dy.shape):
        rows, columns = _window(h, w, size, strides)
        first = np.unravel_index(np.argmax(padded[i, rows, columns, c]), size)
        dx[i, rows.start + first[0], columns.start + first[1], c] += dy[i, h, w, c]
    return _inner(dx, pads, x.shape[1:3]).astype(x.dtype)


def avg_pool(x: Array, size: Pair, strides: Pair, pads: Pads) -> Array:
    """The mean of the real pixels of every window; those added around the image do not count."""
    padded = _padded(x, pads, 0.0)
    real = _padded(np.ones_like(x), pads, 0.0)
    y = np.zeros(_pooled_shape(x, size, strides, pads))
    for i, h, w, c in np.ndindex(y.shape):
        window = _window(h, w, size, strides)
        y[i, h, w, c] = np.sum(padded[i, *window, c]) / np.sum(real[i, *window, c])
    return y.astype(x.dtype)


def avg_pool_backward(dy: Array, x_shape: Shape, size: Pair, strides: Pair, pads: Pads) -> Array:
    """Hand every real pixel of a window an equal part of dy."""
    real = _padded(np.ones(x_shape), pads, 0.0)
    dx = np.zeros(real.shape)
    for i, h, w, c in np.ndindex(dy.shape):
        window = _window(h, w, size, strides)
        part = dy[i, h, w, c] / np.sum(real[i, *window, c])
        dx[i, *window, c] += part * real[i, *window, c]
    return _inner(dx, pads, x_shape[1:3]).astype(dy.dtype)


def channel_sums(x: Array) -> Array:
    """The sum over all axes but the last."""
    total = np.zeros(x.shape[-1])
    for index in np.ndindex(x.shape[:-1]):
        total += x[index]
    return total.astype(x.dtype)


def image_sums(x: Array) -> Array:
    """``channel_sums`` of one image after another."""
    return np.stack([channel_sums(image) for image in x]) if len(x) else x[:, 0, 0]


# For both halves -----------------------------------------------------------------------


def _groups(c_in: int, c_out: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """The channels that each group reads, and those that it makes."""
    ins, outs = c_in // groups, c_out // groups
    for g in range(groups):
        yield slice(g * ins, (g + 1) * ins), slice(g * outs, (g + 1) * outs)


def _stretched(kernel: Array, dilation: Pair) -> Array:
    """The kernel with zeros between its numbers, which then lie ``dilation`` apart."""
    kh, kw, c_in, c_out = kernel.shape
    high, wide = (kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1
    stretched = np.zeros((high, wide, c_in, c_out), kernel.dtype)
    stretched[:: dilation[0], :: dilation[1]] = kernel
    return stretched


def _window(h: int, w: int, size: Pair, strides: Pair) -> tuple[slice, slice]:
    top, left = h * strides[0], w * strides[1]
    return slice(top, top + size[0]), slice(left, left + size[1])


def _padded(x: Array, pads: Pads, value: float) -> Array:
    around = ((0, 0), pads[0], pads[1], (0, 0))
    return np.pad(x.astype(np.float64), around, constant_values=value)


def _inner(padded: Array, pads: Pads, image: Shape) -> Array:
    (top, _), (left, _) = pads
    return padded[:, top : top + image[0], left : left + image[1], :]


def _pooled_shape(x: Array, size: Pair, strides: Pair, pads: Pads) -> Shape:
    n, height, width, c = x.shape
    return n, *windows("pooling", (height, width), size, strides, pads).out, c


REFERENCE = KernelSet(
    conv2d=conv2d,
    conv2d_backward=conv2d_backward,
    conv2d_transpose=conv2d_transpose,
    depthwise=depthwise,
    depthwise_backward=depthwise_backward,
    max_pool=max_pool,
    max_pool_backward=max_pool_backward,
    avg_pool=avg_pool,
    avg_pool_backward=avg_pool_backward,
    channel_sums=channel_sums,
    image_sums=image_sums,
)
