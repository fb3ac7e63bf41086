"""Convolution, and in the same pass over the cache what follows it: bias, ReLU, pooling.

``convolve`` and ``convolve_backward`` take a ``Tail`` that says what follows. With a pool, the
large image between the convolution and the pool never leaves the cache: forward keeps of it
which pixel won each window, and backward spreads the gradient of a few images at a
time just before it is multiplied.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array, DType, Pads, Pair, Shape
from minicnn._parallel.threads import shards
from minicnn.kernels.base import PLAIN, Scale, Tail
from minicnn.kernels.vectorized import pooling, workspace
from minicnn.kernels.vectorized.strips import (
    BLOCK_BYTES,
    Cut,
    Geometry,
    Load,
    band,
    blocks,
    cut_for,
    fold,
    frame,
    geometry,
    in_strips,
    methods_for_dx,
    product_cost,
    runs,
    scatter_cost,
    strip_cost,
    strip_for,
)
from minicnn.kernels.vectorized.sums import Sum, pixel_sums

SPARSE = 16
"""From how many pixels in a pooling window it is quicker to gather the patches of the winners
than to multiply all patches with a gradient that is nearly all zeros."""


SUMS_BYTES = 8_000_000
"""How large the shards' gradients of a kernel may be together, if there are more than two."""


class Trace(NamedTuple):
    """What the backward pass needs of the forward pass, besides x."""

    y: Array
    kept: Array | None
    """Which pixel won each window (see ``pooling.max_of``), or for ReLU before averaging where
    the convolution was above 0."""


def convolve(
    x: Array,
    kernel: Array,
    bias: Array | None,
    strides: Pair,
    pads: Pads,
    tail: Tail = PLAIN,
    scale: Scale | None = None,
    training: bool = False,
) -> tuple[Array, Trace]:
    """(y, trace); outside training the trace remembers only y."""
    place = geometry(x.shape[1:], kernel.shape, strides, pads)
    (oh, ow), (ph, pw), c_out = place.out, tail.size, kernel.shape[-1]
    cut = cut_for(place, kernel.itemsize)
    wide, width = band(kernel, cut, strides[1]), cut.strips * cut.strip
    pixels = pixels_of(x, scale)
    y = workspace.empty((len(x), oh // ph, ow // pw, c_out), kernel.dtype)
    kept = _kept(tail, y, (len(x), oh, ow, c_out)) if training else None
    # max(z + b) = max(z) + b and relu(max(z)) = max(relu(z)), to the bit: both come last, on less.
    early = tail.pool != "max"
    finish = _finish(bias, tail.relu, width if early else ow // pw, (c_out, kernel.dtype))

    def work(first: int, last: int) -> None:
        whole = width == ow and not tail.pool
        scratch = None if whole else _scratch(cut, last - first, (oh, width, c_out), kernel.dtype)
        for block in blocks(pixels, place, cut, kernel.dtype, first, last):
            group = block.group
            if block.begins:
                z = y[group] if scratch is None else scratch[: group.stop - group.start]
            out = z[block.within, block.rows].reshape(len(block.columns), -1)
            np.matmul(block.columns, wide, out=out)
            if block.images.stop < group.stop or block.rows.stop < oh:
                continue
            if early:
                finish(z)
            if scratch is not None:
                pool(z[:, :, :ow], group)

    def pool(z: Array, group: slice) -> None:
        if tail.pool == "max":
            pooling.max_of(z, tail.size, y[group], None if kept is None else kept[group])
            finish(y[group])
            return
        if kept is not None:
            np.greater(z, 0, out=kept[group])
        if tail.pool:
            pooling.mean_of(z, tail.size, y[group])
        else:
            y[group] = z

    cost = oh * strip_cost(kernel.shape, strides[1], ow, cut.strip) + oh * ow * c_out
    shards(len(x), work, len(x) * cost)
    return y, Trace(y, kept)


def _finish(
    bias: Array | None, relu: bool, width: int, filters: tuple[int, DType]
) -> Callable[[Array], None]:
    """Adds the bias and takes the ReLU, in place, of images so wide."""
    c_out, dtype = filters
    row = width * c_out
    # Whole rows of biases, and of zeros: with a single number np.maximum does not use SIMD.
    zeros = np.zeros(row, dtype)
    biases = None if bias is None else (zeros.reshape(-1, c_out) + bias).reshape(row)

    def finish(z: Array) -> None:
        rows = z.reshape(-1, row)
        if biases is not None:
            np.add(rows, biases, out=rows)
        if relu:
            np.maximum(rows, zeros, out=rows)

    return finish


def _scratch(cut: Cut, n: int, shape: Shape, dtype: DType) -> Array:
    return np.empty((min(cut.group, n), *shape), dtype)


def _kept(tail: Tail, y: Array, z_shape: Shape) -> Array | None:
    if tail.pool == "max":
        return workspace.empty(y.shape, pooling.index_type(tail.size))
    if tail.pool and tail.relu:
        return workspace.empty(z_shape, np.dtype(bool))
    return None


def convolve_backward(
    dy: Array,
    x: Array,
    trace: Trace,
    kernel: Array,
    strides: Pair,
    pads: Pads,
    tail: Tail = PLAIN,
    scale: Scale | None = None,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array]:
    """(dx, dkernel, dbias); dx is None when it is not needed.

    The gradient dz of the convolution is made for a few images at a time, and with it

        dkernel = columns.T @ dz                columns those of x;
        dx      = columns of dz @ the kernel turned around, with stride 1.

    When the columns of dz are there, dkernel may come from them as well, turned around:
    columns.T @ x. The other method to dx, and the one for other strides, is to add dz @ kernel.T
    back to where each window was. ``backward_method`` chooses by cost.
    """
    place = geometry(x.shape[1:], kernel.shape, strides, pads)
    load, pixels = _gradient(dy, trace, tail), pixels_of(x, scale)
    dx = workspace.empty(x.shape, kernel.dtype) if need_dx else None
    method, cost = backward_method(place, need_dx)
    if method == "both" and (scale is not None or x.dtype != kernel.dtype):
        method = "gather"
    sparse = method == "alone" and tail.pool == "max" and math.prod(tail.size) >= SPARSE

    def work(first: int, last: int) -> tuple[Array, Array]:
        if sparse:
            return _from_winners(dy, pixels, trace, kernel, place, tail, first, last)
        if dx is not None and method == "scatter":
            scatter(load, dx, kernel, place, first, last)
        elif dx is not None:
            shared = x if method == "both" else None
            sums = _from_columns_of_dz(load, dx, kernel, place, shared, first, last)
            if method == "both":
                return sums
        return _from_columns_of_x(load, pixels, kernel, place, first, last)

    parts = shards(len(x), work, len(x) * cost, most_sums(kernel.nbytes))
    dkernel, dbias = parts[0]
    for more, biases in parts[1:]:
        dkernel, dbias = dkernel + more, dbias + biases
    if dx is not None and scale is not None:
        dx *= scale.scale
    return dx, dkernel, dbias.astype(dkernel.dtype)


def most_sums(kernel_bytes: int) -> int:
    """Into how many shards a batch is cut at most, as each has a gradient of the whole kernel."""
    return max(2, SUMS_BYTES // max(kernel_bytes, 1))


@lru_cache(maxsize=1024)
def backward_method(place: Geometry, need_dx: bool) -> tuple[str, float]:
    """The cheapest method to dx and dkernel, and about how many nanoseconds it takes an image.

    "both" makes the columns of dz and takes both from them; "gather" makes those of dz for
    dx and those of x for dkernel; "scatter" makes only those of x, and so does "alone",
    which leaves out dx.
    """
    (kh, _, c_in, c_out), (oh, ow), stride = place.kernel, place.out, place.strides[1]
    alone = oh * strip_cost(place.kernel, stride, ow, strip_for(place.kernel, stride, ow))
    alone += oh * ow * c_out
    if not need_dx:
        return "alone", alone
    methods = methods_for_dx(place)
    costs = {method: cost + alone for method, cost in methods.items()}
    if "gather" in methods:
        back = place.transposed()
        cut = cut_for(back, 4)
        product = product_cost(kh * cut.reach * c_out, cut.strip * c_in)
        costs["both"] = methods["gather"] + back.out[0] * cut.strips * product + oh * ow * c_out
    method = min(costs, key=lambda method: costs[method])
    return method, costs[method]


def pixels_of(x: Array, scale: Scale | None) -> Load:
    """Loads the images that the convolution sees."""

    def load(images: slice, out: Array) -> None:
        if scale is None:
            np.copyto(out, x[images], casting="same_kind")
            return
        np.multiply(x[images], scale.scale, out=out, dtype=out.dtype)
        if scale.offset:
            out += scale.offset

    return load


def _gradient(dy: Array, trace: Trace, tail: Tail) -> Load:
    """Loads the gradient of the convolution's output, back through pool and ReLU."""
    y, kept = trace

    def load(images: slice, out: Array) -> None:
        part = dy[images]
        if tail.pool == "avg":
            pooling.spread_mean(part, tail.size, out, None if kept is None else kept[images])
            return
        if not tail.pool:
            np.multiply(part, y[images] > 0, out=out) if tail.relu else np.copyto(out, part)
            return
        assert kept is not None
        if tail.relu:
            part = part * (y[images] > 0)
        pooling.spread_to_winners(part, kept[images], tail.size, out)

    return load


def _from_columns_of_x(
    load: Load, pixels: Load, kernel: Array, place: Geometry, first: int, last: int
) -> tuple[Array, Array]:
    """(dkernel, dbias) of some images: dkernel = columns.T @ dz, block by block."""
    cut, (kh, _, c_in, c_out) = cut_for(place, kernel.itemsize), kernel.shape
    dband = Sum((kh * cut.reach * c_in, cut.strip * c_out), kernel.dtype)
    dbias = np.zeros(c_out)
    dz = _scratch(cut, last - first, (*place.out, c_out), kernel.dtype)
    for block in blocks(pixels, place, cut, kernel.dtype, first, last):
        if block.begins:
            part = dz[: block.group.stop - block.group.start]
            load(block.group, part)
            dbias += pixel_sums(part.reshape(1, -1, c_out))[0]
        dband.add(block.columns.T @ in_strips(part[block.within, block.rows], cut))
    return fold(dband.result(), kernel.shape, cut, place.strides[1]), dbias


def _from_columns_of_dz(
    load: Load,
    dx: Array,
    kernel: Array,
    place: Geometry,
    x: Array | None,
    first: int,
    last: int,
) -> tuple[Array, Array]:
    """Fill dx of some images; given x, also sum up (dkernel, dbias), turned around and back."""
    back = place.transposed()
    _, w, c_in = place.image
    cut = cut_for(back, kernel.itemsize)
    wide = band(turned(kernel), cut, 1)
    whole = cut.strips * cut.strip == w
    dband = Sum(wide.shape, kernel.dtype)
    dbias = np.zeros(kernel.shape[-1])
    for block in blocks(load, back, cut, kernel.dtype, first, last):
        target = dx[block.images, block.rows]
        if whole:
            np.matmul(block.columns, wide, out=target.reshape(len(block.columns), -1))
        else:
            surplus = (block.columns @ wide).reshape(*target.shape[:2], -1, c_in)
            target[...] = surplus[:, :, :w]
        if x is not None:
            dband.add(block.columns.T @ in_strips(x[block.images, block.rows], cut))
            if block.begins:
                dbias += pixel_sums(block.padded.reshape(1, -1, len(dbias)))[0]
    return turned(fold(dband.result(), back.kernel, cut, 1)), dbias


def turned(kernel: Array) -> Array:
    """The kernel that takes dy to dx: turned around, c_in and c_out exchanged."""
    return np.ascontiguousarray(kernel[::-1, ::-1].swapaxes(2, 3))


def scatter(load: Load, dx: Array, kernel: Array, place: Geometry, first: int, last: int) -> None:
    """Fill dx of some images, adding dz @ kernel.T back to the pixels of each window by strips."""
    cut = cut_for(place, kernel.itemsize, scatter_cost)
    back = band(kernel, cut, place.strides[1]).T
    # Strips overlap; those that are so many apart do not.
    phases = -(-cut.reach // (cut.strip * place.strides[1]))
    kh, c_out = kernel.shape[0], kernel.shape[-1]
    dz = _scratch(cut, last - first, (*place.out, c_out), kernel.dtype)
    padded, inner, windows = frame(place, cut, len(dz), kernel.dtype)
    for group in runs(first, last, cut.group):
        m = group.stop - group.start
        load(group, dz[:m])
        padded[:m] = 0
        for images in runs(0, m, cut.images):
            for rows in runs(0, place.out[0], cut.rows):
                target = windows[images, rows]
                part = (in_strips(dz[images, rows], cut) @ back).reshape(target.shape)
                for i in range(kh):
                    for phase in range(phases):
                        target[:, :, phase::phases, i] += part[:, :, phase::phases, i]
        dx[group] = inner[:m]


def _from_winners(
    dy: Array,
    pixels: Load,
    trace: Trace,
    kernel: Array,
    place: Geometry,
    tail: Tail,
    first: int,
    last: int,
) -> tuple[Array, Array]:
    """(dkernel, dbias) from the patches of the winners alone: only these have a gradient."""
    kh, kw, c_in, c_out = kernel.shape
    (ph, pw), (sh, sw) = tail.size, place.strides
    (top, bottom), (left, right) = place.pads
    h, w, _ = place.image
    high, wide = top + h + bottom, left + w + right
    _, rows, cols, _ = trace.y.shape
    # In pixels of a padded image: from a window's first patch to that of each of its pixels
    # (and none, for a window of NaN), and from the image's to each window's.
    down, along = np.divmod(np.arange(ph * pw + 1) % (ph * pw), pw)
    steps = down * (sh * wide) + along * sw
    corners = (np.arange(rows) * (ph * sh * wide))[:, None] + np.arange(cols) * (pw * sw)
    taps = np.arange(kh)[:, None] * wide
    run = kw * c_in
    group = max(1, BLOCK_BYTES // max(rows * cols * c_out * kh * run * kernel.itemsize, 1))

    dkernel = np.zeros((c_out, kh, run), kernel.dtype)
    dbias = np.zeros(c_out)
    # One image at least, so that there is a first pixel to start from.
    padded = np.zeros((max(1, min(group, last - first)), high, wide, c_in), kernel.dtype)
    # Each kw pixels in a row, from any pixel on, as one element to be picked.
    stretches = np.ndarray(
        (padded.size // c_in - kw + 1,),
        f"V{run * kernel.itemsize}",
        padded,
        strides=(c_in * kernel.itemsize,),
    )
    for images in runs(first, last, group):
        m = images.stop - images.start
        pixels(images, padded[:m, top : top + h, left : left + w])
        dz = dy[images] * (trace.y[images] > 0) if tail.relu else dy[images]
        assert trace.kept is not None
        at = steps[trace.kept[images]]
        at += corners[:, :, None]
        at += (np.arange(m) * (high * wide))[:, None, None, None]
        at = at.reshape(-1, c_out).T  # filter by filter
        patches = stretches[(at[:, None] + taps).reshape(-1)].view(kernel.dtype)
        weights = np.ascontiguousarray(dz.reshape(-1, c_out).T)
        dkernel += np.matmul(weights[:, None, None, :], patches.reshape(c_out, kh, -1, run))[
            :, :, 0
        ]
        dbias += weights.sum(axis=1)
    return np.ascontiguousarray(np.moveaxis(dkernel, 0, -1).reshape(kernel.shape)), dbias
