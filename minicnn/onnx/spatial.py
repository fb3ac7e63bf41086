"""ONNX' operators on images: convolutions, poolings, normalizations, changes of size."""

import math
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Padding, Pads, Pair, same_pads
from minicnn.errors import ModelFileError
from minicnn.layers import (
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    DepthwiseConv2D,
    GlobalAvgPool,
    GlobalMaxPool,
    LayerNorm,
    MaxPool,
    ZeroPadding2D,
)
from minicnn.onnx.graph import NCHW
from minicnn.onnx.net import Net, axis_within, integer, ints, number, only, text, two
from minicnn.onnx.reading import Node
from minicnn.onnx.values import Value, after, check_size, images, scaled, settled

NONE: Pads = ((0, 0), (0, 0))


def conv(net: Net, node: Node) -> Value:
    """A convolution; with one group a channel, a depthwise one."""
    kernel, bias = _kernel(net, node)
    x = images(net.value(node))
    filters, inside, *size = kernel.shape
    group, channels = integer(node, "group", 1), x.shape[-1]
    if inside * group != channels or filters % group:
        raise ModelFileError(
            f"expected a kernel for {channels} channels in {group} groups, got shape "
            f"{kernel.shape}."
        )
    _check_bias(bias, filters)
    strides, dilation = two(node, "strides", [1, 1]), two(node, "dilations", [1, 1])
    reach = (size[0] - 1) * dilation[0] + 1, (size[1] - 1) * dilation[1] + 1
    pads = _pads(node, x, reach, strides)
    padding = _named(x, pads, reach, strides)
    if padding is None:
        x, padding = after(x, ZeroPadding2D(pads)), "valid"
    arrays = {} if bias is None else {"bias": bias}
    where: dict[str, Any] = {
        "kernel_size": tuple(size),
        "strides": strides,
        "padding": padding,
        "dilation_rate": dilation,
        "use_bias": bias is not None,
    }
    if group == channels > 1:
        times = filters // channels
        by_channel = kernel.reshape(channels, times, *size).transpose(2, 3, 0, 1)
        layer = DepthwiseConv2D(depth_multiplier=times, **where)
        return after(x, layer, {"kernel": by_channel, **arrays})
    turned = kernel.transpose(2, 3, 1, 0)
    return after(x, Conv2D(filters, groups=group, **where), {"kernel": turned, **arrays})


def conv_transpose(net: Net, node: Node) -> Value:
    """A transposed convolution; pixels that ``pads`` remove are cropped unless it is "same"."""
    kernel, bias = _kernel(net, node)
    x = images(net.value(node))
    channels, filters, kh, kw = kernel.shape
    only(node, auto_pad="NOTSET", group=1)
    if channels != x.shape[-1]:
        raise ModelFileError(f"expected a kernel for {x.shape[-1]} channels, got {channels}.")
    _check_bias(bias, filters)
    strides, dilation = two(node, "strides", [1, 1]), two(node, "dilations", [1, 1])
    over = two(node, "output_padding", [0, 0], least=0)
    pads = _pads(node, x, (kh, kw), strides)
    reach = (kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1
    full = [(x.shape[i] - 1) * strides[i] + over[i] + reach[i] for i in (0, 1)]

    def layer(padding: str, output_padding: Pair | None) -> Conv2DTranspose:
        return Conv2DTranspose(
            filters,
            (kh, kw),
            strides,
            padding,
            output_padding,
            dilation,
            use_bias=bias is not None,
        )

    check_size((*full, filters))
    arrays = {"kernel": kernel.transpose(2, 3, 1, 0)} | ({} if bias is None else {"bias": bias})
    for padding in ("valid", "same"):
        found = layer(padding, None)
        out = found.output_shape(x.shape)[:2]
        if found.windows(x.shape).pads == pads and all(
            out[i] == full[i] - sum(pads[i]) for i in (0, 1)
        ):
            return after(x, found, arrays)
    y = after(x, layer("valid", over), arrays)
    return y if pads == NONE else after(y, Cropping2D(pads))


def _kernel(net: Net, node: Node) -> tuple[Array, Array | None]:
    kernel = net.array(node, 1)
    if kernel.ndim != 4 or not kernel.size:
        raise ModelFileError(
            f"expected a kernel of 4 axes, for images, got shape {kernel.shape[:8]}."
        )
    ints(node, "kernel_shape", list(kernel.shape[2:]), 2)
    only(node, kernel_shape=list(kernel.shape[2:]))
    return kernel, net.optional(node, 2)


def _check_bias(bias: Array | None, filters: int) -> None:
    if bias is not None and bias.shape != (filters,):
        raise ModelFileError(f"expected a bias of shape {(filters,)}, got {bias.shape}.")


def _pads(node: Node, x: Value, reach: Pair, strides: Pair) -> Pads:
    """The pixels added on each side."""
    auto = text(node, "auto_pad", "NOTSET")
    if auto == "NOTSET":
        top, left, bottom, right = ints(node, "pads", [0] * 4, 4)
        if min(top, left, bottom, right) < 0:
            raise ModelFileError("expected pads of 0 or more.")
        return (top, bottom), (left, right)
    if any(ints(node, "pads", [])):
        raise ModelFileError(f"expected pads or auto_pad = {auto!r:.60}, got both.")
    if auto == "VALID":
        return NONE
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise ModelFileError(f"expected an auto_pad that ONNX has, got {auto!r:.60}.")
    down, across = (same_pads(x.shape[i], reach[i], strides[i]) for i in (0, 1))
    return (down, across) if auto == "SAME_UPPER" else (down[::-1], across[::-1])


def _named(x: Value, pads: Pads, reach: Pair, strides: Pair) -> str | None:
    """The word for such a padding; None if there is none."""
    if pads == NONE:
        return "valid"
    same = tuple(same_pads(x.shape[i], reach[i], strides[i]) for i in (0, 1))
    return "same" if pads == same else None


def pool(net: Net, node: Node) -> Value:
    """The maximum or the mean of windows."""
    x = images(net.value(node))
    size, strides = two(node, "kernel_shape", None), two(node, "strides", [1, 1])
    only(node, dilations=[1, 1])
    pads = _pads(node, x, size, strides)
    h, w, c = x.shape
    check_size((h + sum(pads[0]), w + sum(pads[1]), c))
    rest = [(n + sum(p) - k) % s for n, p, k, s in zip((h, w), pads, size, strides, strict=True)]
    if integer(node, "ceil_mode", 0) and any(rest):
        raise ModelFileError("ceil_mode makes a window that lies partly outside the image.")
    padding: Padding = _named(x, pads, size, strides) or pads
    if node.op == "MaxPool":
        return after(x, MaxPool(size, strides, padding))
    if pads != NONE and integer(node, "count_include_pad", 0):
        x, padding = after(x, ZeroPadding2D(pads)), "valid"
    return after(x, AvgPool(size, strides, padding))


def global_pool(net: Net, node: Node) -> Value:
    """The maximum or the mean of whole images."""
    layer = GlobalAvgPool if node.op == "GlobalAveragePool" else GlobalMaxPool
    return after(images(net.value(node)), layer(keepdims=True))


def reduce(net: Net, node: Node) -> Value:
    """The same, over axes that are named."""
    axes = net.numbers(node, 1, "axes") or []
    x = settled(net.value(node))
    wanted = {axis_within(axis, len(x.axes)) for axis in axes}
    x = _sides(x, wanted)
    keepdims = bool(integer(node, "keepdims", 1))
    if len(wanted) != 2:
        raise ModelFileError("expected height and width, both.")
    layer = GlobalAvgPool if node.op == "ReduceMean" else GlobalMaxPool
    return after(x, layer(keepdims=keepdims), axes=None if keepdims else (0, 1))


def _sides(x: Value, axes: set[int]) -> Value:
    """Images of which ONNX's axes of these numbers are height or width."""
    x = settled(x)
    if len(x.shape) == 3 and {x.axes[axis] for axis in axes} <= {1, 2}:
        return x
    x = images(x)
    if not {NCHW[axis] for axis in axes} <= {1, 2}:
        raise ModelFileError("expected no axes but height and width.")
    return x


def _by_side(x: Value, pairs: dict[int, Pair]) -> Pads:
    """Pairs by ONNX's axes as ((top, bottom), (left, right))."""
    by_axis = {x.axes[axis]: pair for axis, pair in pairs.items()}
    return by_axis.get(1, (0, 0)), by_axis.get(2, (0, 0))


def pad(net: Net, node: Node) -> Value:
    """Zeros, or another number, around images."""
    x = settled(net.value(node))
    rank = len(x.axes)
    only(node, mode="constant")
    given = net.optional(node, 2)
    value = number(node, "value", 0.0) if given is None else float(given.ravel()[:1].sum())
    pads = net.numbers(node, 1, "pads") or []
    axes = net.numbers(node, 3) if len(node.inputs) > 3 and node.inputs[3] else list(range(rank))
    if axes is None or len(pads) != 2 * len(axes) or min(pads, default=0) < 0:
        raise ModelFileError("expected pixels around images: numbers of 0 or more for each side.")
    if not math.isfinite(value) or (given is not None and given.size != 1):
        raise ModelFileError("expected one finite number around images.")
    sides = zip(pads[: len(axes)], pads[len(axes) :], strict=True)
    padded = [(axis, side) for axis, side in zip(axes, sides, strict=True) if side != (0, 0)]
    pairs = {axis_within(axis, rank): side for axis, side in padded}
    if len(pairs) < len(padded):
        raise ModelFileError("expected each axis once.")
    if not pairs:
        return x
    x = _sides(x, set(pairs))
    x = after(scaled(x, 1.0, -value), ZeroPadding2D(_by_side(x, pairs)))
    return scaled(x, 1.0, value)


def cut(net: Net, node: Node) -> Value:
    """The inside of images: Slice with steps of 1."""
    x = settled(net.value(node))
    starts, ends = net.numbers(node, 1) or [], net.numbers(node, 2) or []
    axes = net.numbers(node, 3)
    axes = list(range(len(starts))) if axes is None else axes
    steps = net.numbers(node, 4) or [1] * len(starts)
    lengths = {len(starts), len(ends), len(axes), len(steps)}
    if not starts or len(lengths) > 1 or set(steps) - {1}:
        raise ModelFileError("expected a start, an end and a step of 1 for each axis.")
    pairs = {}
    for axis, start, end in zip(axes, starts, ends, strict=True):
        axis = axis_within(axis, len(x.axes))
        first, last, _ = slice(start, end).indices(x.dims[axis - 1])
        if axis in pairs or first >= last:
            raise ModelFileError("expected each axis once, and something to be left of it.")
        pairs[axis] = first, x.dims[axis - 1] - last
    x = _sides(x, set(pairs))
    return after(x, Cropping2D(_by_side(x, pairs)))


def batch_norm(net: Net, node: Node) -> Value:
    """Normalization by the moving statistics."""
    x = settled(net.value(node))
    only(node, training_mode=0, spatial=1)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    arrays = {name: net.array(node, i) for i, name in enumerate(names, 1)}
    if any(array.shape != x.dims[:1] for array in arrays.values()):
        raise ModelFileError(f"expected arrays of shape {x.dims[:1]}.")
    axis = x.axes[1] if x.axes[1] != len(x.shape) else -1
    layer = BatchNorm(axis, number(node, "momentum", 0.9), number(node, "epsilon", 1e-5))
    return after(x, layer, arrays)


def layer_norm(net: Net, node: Node) -> Value:
    """Normalization of each image over its last axes."""
    x = settled(net.value(node))
    only(node, stash_type=1)
    first = axis_within(integer(node, "axis", -1), len(x.axes))
    gamma, beta = net.array(node, 1), net.optional(node, 2)
    if any(a is not None and a.shape != x.dims[first - 1 :] for a in (gamma, beta)):
        raise ModelFileError(f"expected arrays of shape {x.dims[first - 1 :]}.")
    given = x.axes[first:]
    axes = sorted(given)
    turned = [given.index(axis) for axis in axes]
    arrays = {"gamma": gamma} | ({} if beta is None else {"beta": beta})
    layer = LayerNorm(
        -1 if axes == [len(x.shape)] else tuple(axes),
        number(node, "epsilon", 1e-5),
        center=beta is not None,
    )
    return after(x, layer, {name: np.transpose(a, turned) for name, a in arrays.items()})
