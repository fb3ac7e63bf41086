"""The kinds of convolution, each made of plain ones (``convolution.py``).

*Dilated*, by d: pixels that are no multiple of d apart never meet in a window. So an image is cut
into d * d smaller ones, its phases, of every d-th pixel each; among these it is a plain
convolution. In one dimension, with d = 2,

    (p q r s t u)   becomes   (p r t) and (q s u).

*In groups*: one convolution after another, each with its channels. Where these are few, some
groups are computed in one, with a kernel that is 0 where a channel is not of the filter's group.

*Transposed*: the backward pass of another convolution, dy to dx. With stride 1 it is itself a
convolution, of the kernel turned around; otherwise each pixel adds its part to a window.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from minicnn._core.shapes import Array, Pads, Pair, Shape
from minicnn._parallel.threads import shards
from minicnn.kernels.vectorized import workspace
from minicnn.kernels.vectorized.by_channel import depthwise, depthwise_backward
from minicnn.kernels.vectorized.convolution import (
    Trace,
    convolve,
    convolve_backward,
    pixels_of,
    scatter,
    turned,
)
from minicnn.kernels.vectorized.strips import geometry, methods_for_dx

PLAIN = (1, 1)
NONE = ((0, 0), (0, 0))

ENOUGH = 8
"""Channels from which on a group is multiplied by itself: with fewer, most of the time goes into
copying them, and it is quicker to multiply some zeros."""


def conv2d(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair,
    pads: Pads,
    dilation: Pair = PLAIN,
    groups: int = 1,
) -> Array:
    """See ``Kernels.conv2d``."""
    kernel = kernel.astype(np.result_type(x, kernel), copy=False)
    if groups > 1 and kernel.shape[2] == 1:
        return depthwise(x, _by_channel(kernel, groups), bias, strides, pads, dilation)
    if groups > 1:
        times = _at_once(kernel, groups)
        wide, parts = _merged(kernel, groups, times), []
        for ins, outs in _groups(x.shape[3], kernel.shape[3], groups // times):
            some = None if bias is None else bias[outs]
            parts.append(conv2d(x[..., ins], wide[..., outs], some, strides, pads, dilation))
        return _side_by_side(parts)
    if dilation == PLAIN:
        return convolve(x, kernel, bias, strides, pads)[0]
    small, _ = _sizes(x.shape, kernel.shape, pads, dilation)
    y = convolve(_phases(x, _before(pads), small, dilation), kernel, bias, PLAIN, NONE)[0]
    oh, ow = (
        n + sum(p) - (k - 1) * d
        for n, p, k, d in zip(x.shape[1:3], pads, kernel.shape, dilation, strict=False)
    )
    return _joined(y, (len(x), oh, ow, kernel.shape[3]), (0, 0), dilation)


def conv2d_backward(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    need_dx: bool = True,
    dilation: Pair = PLAIN,
    groups: int = 1,
) -> tuple[Array | None, Array, Array]:
    """See ``Kernels.conv2d_backward``."""
    wide = kernel.astype(np.result_type(dy, x, kernel), copy=False)
    if groups > 1 and kernel.shape[2] == 1:
        dx, dkernel, dbias = depthwise_backward(
            dy, x, _by_channel(wide, groups), strides, pads, need_dx, dilation
        )
        dkernel = dkernel.reshape(kernel.shape)
    elif groups > 1:
        dx, dkernel, dbias = _backward_in_groups(
            dy, x, wide, strides, pads, need_dx, dilation, groups
        )
    elif dilation == PLAIN:
        dx, dkernel, dbias = convolve_backward(
            dy, x, Trace(dy, None), wide, strides, pads, need_dx=need_dx
        )
    else:
        small, places = _sizes(x.shape, kernel.shape, pads, dilation)
        dys = _phases(dy, (0, 0), places, dilation)
        xs = _phases(x, _before(pads), small, dilation)
        dx, dkernel, dbias = convolve_backward(
            dys, xs, Trace(dys, None), wide, PLAIN, NONE, need_dx=need_dx
        )
        dx = None if dx is None else _joined(dx, x.shape, _before(pads), dilation)
    return dx, dkernel.astype(kernel.dtype, copy=False), dbias


def _backward_in_groups(
    dy: Array,
    x: Array,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    need_dx: bool,
    dilation: Pair,
    groups: int,
) -> tuple[Array | None, Array, Array]:
    times = _at_once(kernel, groups)
    wide, dxs, dkernels, dbiases = _merged(kernel, groups, times), [], [], []
    for ins, outs in _groups(x.shape[3], kernel.shape[3], groups // times):
        dx, dkernel, dbias = conv2d_backward(
            dy[..., outs], x[..., ins], wide[..., outs], strides, pads, need_dx, dilation
        )
        dxs.append(dx)
        dkernels.append(dkernel)
        dbiases.append(dbias)
    dkernel = _diagonal(np.concatenate(dkernels, axis=3), kernel.shape, groups, times)
    return (
        _side_by_side([dx for dx in dxs if dx is not None]) if need_dx else None,
        dkernel.reshape(kernel.shape),
        np.concatenate(dbiases),
    )


def conv2d_transpose(
    x: Array,
    kernel: Array,
    bias: Array | None,
    out: Pair,
    strides: Pair,
    pads: Pads,
    dilation: Pair = PLAIN,
) -> Array:
    """See ``Kernels.conv2d_transpose``."""
    kernel = kernel.astype(np.result_type(x, kernel), copy=False)
    shape = (len(x), *out, kernel.shape[2])
    if dilation != PLAIN:
        small, places = _sizes(shape, kernel.shape, pads, dilation)
        xs = _phases(x, (0, 0), places, dilation)
        y = conv2d_transpose(xs, kernel, bias, small, PLAIN, NONE)
        return _joined(y, shape, _before(pads), dilation)
    place = geometry(shape[1:], kernel.shape, strides, pads)
    ways = methods_for_dx(place)
    way = min(ways, key=lambda way: ways[way])
    if way == "gather":
        return convolve(x, turned(kernel), bias, PLAIN, place.transposed().pads)[0]
    y = workspace.empty(shape, kernel.dtype)
    row = None if bias is None else np.tile(bias, shape[2])
    load = pixels_of(x, None)

    def work(first: int, last: int) -> None:
        scatter(load, y, kernel, place, first, last)
        if row is not None:
            y[first:last].reshape(-1, len(row))[...] += row

    shards(len(x), work, len(x) * ways[way])
    return y


def _groups(c_in: int, c_out: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """The channels that each group reads, and those that it makes."""
    ins, outs = c_in // groups, c_out // groups
    for g in range(groups):
        yield slice(g * ins, (g + 1) * ins), slice(g * outs, (g + 1) * outs)


def _by_channel(kernel: Array, channels: int) -> Array:
    """The kernel for ``depthwise`` where every group is one channel: a view."""
    return kernel.reshape(*kernel.shape[:2], channels, -1)


def _at_once(kernel: Array, groups: int) -> int:
    """How many groups to compute in one, so that they have enough channels together."""
    most = max(1, ENOUGH // kernel.shape[2])
    return max(times for times in range(1, most + 1) if groups % times == 0)


def _merged(kernel: Array, groups: int, times: int) -> Array:
    """The kernel of fewer groups: so many in one, and zeros between the channels of different."""
    if times == 1:
        return kernel
    kh, kw, ins, filters = kernel.shape
    wide = np.zeros((kh, kw, times * ins, filters), kernel.dtype)
    diagonal = _diagonal(wide, kernel.shape, groups, times)
    diagonal[...] = kernel.reshape(diagonal.shape)
    return wide


def _diagonal(wide: Array, kernel: Shape, groups: int, times: int) -> Array:
    """Where in the kernel of merged groups the numbers of each one are: a view."""
    kh, kw, ins, filters = kernel
    blocks = wide.reshape(kh, kw, times, ins, groups // times, times, filters // groups)
    diagonal: Array = np.einsum("yxtigto->yxigto", blocks)
    return diagonal


def _before(pads: Pads) -> Pair:
    return pads[0][0], pads[1][0]


def _sizes(image: Shape, kernel: Shape, pads: Pads, dilation: Pair) -> tuple[Pair, Pair]:
    """The size of the phases of padded images, and that of their convolution."""
    high = -(-(image[1] + sum(pads[0])) // dilation[0])
    wide = -(-(image[2] + sum(pads[1])) // dilation[1])
    return (high, wide), (high - kernel[0] + 1, wide - kernel[1] + 1)


def _phases(image: Array, before: Pair, small: Pair, dilation: Pair) -> Array:
    """The phases of images, one after another, each of size ``small`` with zeros around it."""
    shape = (len(image), *dilation, *small, image.shape[3])
    phases = workspace.empty(shape, image.dtype)
    phases[...] = 0
    for pixels, phase in _pairs(image, phases, before, dilation):
        phase[...] = pixels
    return phases.reshape(-1, *shape[3:])


def _joined(phases: Array, shape: Shape, before: Pair, dilation: Pair) -> Array:
    """Images of that shape from their phases."""
    image = workspace.empty(shape, phases.dtype)
    apart = phases.reshape(len(image), *dilation, *phases.shape[1:])
    for pixels, phase in _pairs(image, apart, before, dilation):
        pixels[...] = phase
    return image


def _pairs(
    image: Array, phases: Array, before: Pair, dilation: Pair
) -> Iterator[tuple[Array, Array]]:
    """For each phase two views of the same pixels: in the images and in (n, dh, dw, ...).

    ``before`` is how many pixels of padding phases have on top and at the left, counted in
    pixels of the image; so the image's first pixel of phase i is (i - before) modulo the dilation.
    """
    (top, left), (dh, dw) = before, dilation
    for i, j in np.ndindex(dilation):
        pixels = image[:, (i - top) % dh :: dh, (j - left) % dw :: dw]
        row, column = -((i - top) // dh), -((j - left) // dw)
        _, h, w, _ = pixels.shape
        yield pixels, phases[:, i, j, row : row + h, column : column + w]


def _side_by_side(parts: Sequence[Array]) -> Array:
    """The channels of images, group after group."""
    first = parts[0]
    shape = (*first.shape[:3], sum(part.shape[3] for part in parts))
    return np.concatenate(parts, axis=3, out=workspace.empty(shape, first.dtype))
