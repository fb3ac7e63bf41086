"""ONNX' operators that change shapes, and those that compute them."""

import math
from dataclasses import replace

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.errors import ModelFileError
from minicnn.layers import Concatenate, Dot
from minicnn.onnx import spatial, values
from minicnn.onnx.net import BATCH, Net, axis_within, integer, ints, number, only
from minicnn.onnx.reading import Node
from minicnn.onnx.values import Value, dense, merged, ordered, settled

SMALL = 16
"""The most numbers of a shape that is computed in the graph."""


def constant(net: Net, node: Node) -> Array:
    """The array, number or numbers."""
    if len(node.attributes) != 1 or node.inputs:
        raise ModelFileError("expected one value and no inputs.")
    (value,) = node.attributes.values()
    if isinstance(value, str):
        raise ModelFileError("expected numbers, got text.")
    if isinstance(value, np.ndarray):
        return value
    kind = "ints" if "value_int" in next(iter(node.attributes)) else "floats"
    return np.array(value, np.int64 if kind == "ints" else np.float32)


def identity(net: Net, node: Node) -> Value | Array:
    """The input, unchanged."""
    return net.array(node, 0) if net.is_array(node, 0) else net.value(node)


def dropout(net: Net, node: Node) -> Value:
    """Nothing, outside training."""
    training = net.optional(node, 2)
    if training is not None and training.any():
        raise ModelFileError("expected training_mode to be off.")
    return net.value(node)


def cast(net: Net, node: Node) -> Value | Array:
    """Between the two kinds of floating-point numbers, or of whole ones."""
    to = integer(node, "to", 0)
    if not net.is_array(node, 0):
        if to not in (1, 11):
            raise ModelFileError(f"expected float32 or float64, got ONNX' type {to}.")
        return net.value(node)
    kinds = {1: "f", 6: "i", 7: "i", 11: "f"}
    array = net.array(node, 0)
    if kinds.get(to) != array.dtype.kind:
        raise ModelFileError(f"expected numbers of the same kind, got ONNX' type {to}.")
    return array


def transpose(net: Net, node: Node) -> Value | Array:
    """Nothing is moved: only the axes stand in another order for ONNX."""
    if net.is_array(node, 0):
        array = _small(net.array(node, 0))
        return array.transpose(ints(node, "perm", list(range(array.ndim))[::-1]))
    x = settled(net.value(node))
    rank = len(x.axes)
    order = ints(node, "perm", list(range(rank))[::-1], rank)
    if sorted(order) != list(range(rank)) or order[0] != 0:
        raise ModelFileError(f"expected the batch to stay first, got perm {order}.")
    return replace(x, axes=tuple(x.axes[i] for i in order))


def _viewed(x: Value, dims: Shape) -> Value:
    """x in another shape for ONNX."""
    unviewed = replace(x, view=None)
    return unviewed if unviewed.dims == dims else replace(x, view=dims)


def flatten(net: Net, node: Node) -> Value:
    """One row an image."""
    x = net.value(node)
    axis = integer(node, "axis", 1)
    if axis not in (1, -len(x.dims)):
        raise ModelFileError(f"expected axis 1, that the images stay apart, got {axis}.")
    return _viewed(x, (math.prod(x.dims),))


def reshape(net: Net, node: Node) -> Value | Array:
    """Another shape for each image."""
    sizes = net.numbers(node, 1, "shape") or []
    if net.is_array(node, 0):
        return _small(net.array(node, 0)).reshape(sizes)
    x = net.value(node)
    total, batch, rest = math.prod(x.dims), sizes[:1], sizes[1:]
    if 0 in sizes and integer(node, "allowzero", 0):
        raise ModelFileError("expected sizes above 0.")
    rest = [x.dims[i] if n == 0 and i < len(x.dims) else n for i, n in enumerate(rest)]
    known = math.prod(n for n in rest if n != -1)
    if rest.count(-1) == 1 and batch != [-1] and known > 0 and total % known == 0:
        rest = [total // known if n == -1 else n for n in rest]
    apart = batch in ([BATCH], [0], [-1]) or batch == [net.batch]
    if not rest or not apart or min(rest) < 1 or math.prod(rest) != total:
        raise ModelFileError(
            f"expected a shape of {total} numbers with the batch first, got "
            f"{[n if n != BATCH else 'N' for n in sizes]}."
        )
    return _viewed(x, tuple(rest))


def squeeze(net: Net, node: Node) -> Value | Array:
    """Axes of size 1 taken away."""
    axes = net.numbers(node, 1, "axes")
    if net.is_array(node, 0):
        return _small(net.array(node, 0)).squeeze(None if axes is None else tuple(axes))
    x = net.value(node)
    rank = len(x.dims) + 1
    gone = [axis_within(axis, rank) for axis in axes or []]
    if not gone or any(x.dims[axis - 1] != 1 for axis in gone) or len(set(gone)) == rank - 1:
        raise ModelFileError("expected axes of size 1, some of several.")
    return _viewed(x, tuple(n for i, n in enumerate(x.dims, 1) if i not in gone))


def unsqueeze(net: Net, node: Node) -> Value | Array:
    """New axes of size 1."""
    axes = net.numbers(node, 1, "axes") or []
    if net.is_array(node, 0):
        array = _small(net.array(node, 0))
        if axes not in ([0], [-1]) or array.ndim:
            raise ModelFileError("expected one number as a row of one.")
        return array.reshape(1)
    x = net.value(node)
    rank = len(x.dims) + 1 + len(axes)
    new = {axis_within(axis, rank) for axis in axes}
    if len(new) != len(axes) or rank > 8:
        raise ModelFileError("expected different axes.")
    sizes = iter(x.dims)
    return _viewed(x, tuple(1 if i in new else next(sizes) for i in range(1, rank)))


def shape(net: Net, node: Node) -> Array:
    """The sizes, with the placeholder for the batch's."""
    sizes = [BATCH, *net.value(node).dims]
    end = integer(node, "end", len(sizes))
    return np.array(sizes[integer(node, "start", 0) : end], np.int64)


def gather(net: Net, node: Node) -> Array:
    """Some sizes of a shape."""
    only(node, axis=0)
    sizes, places = _small(net.array(node, 0)), _small(net.array(node, 1))
    return np.asarray(sizes[places])


def concat(net: Net, node: Node) -> Value | Array:
    """Values one behind another, or sizes in a row."""
    constant = [net.is_array(node, i) for i in range(len(node.inputs))]
    if not any(constant):
        return _concatenated(net, node)
    if not all(constant):
        raise ModelFileError("expected values or constants to be concatenated, got both.")
    parts = [_small(net.array(node, i)) for i in range(len(node.inputs))]
    if integer(node, "axis", 0) not in (0, -1) or any(part.ndim != 1 for part in parts):
        raise ModelFileError("expected the sizes of a shape in a row.")
    return _small(np.concatenate(parts))


def _concatenated(net: Net, node: Node) -> Value:
    xs = [settled(net.value(node, i)) for i in range(len(node.inputs))]
    xs = [xs[0], *(ordered(x, xs[0].axes) for x in xs[1:] if len(x.axes) == len(xs[0].axes))]
    if len(xs) < len(node.inputs):
        raise ModelFileError("expected values of as many axes.")
    axis = xs[0].axes[axis_within(integer(node, "axis", 0), len(xs[0].axes))]
    return xs[0] if len(xs) == 1 else merged(Concatenate(axis), xs)


def constant_of_shape(net: Net, node: Node) -> Array:
    """A few equal numbers, such as the pads of the axes that have none."""
    sizes = net.numbers(node, 0) or []
    value = node.attributes.get("value", np.zeros(1, np.float32))
    if len(sizes) != 1 or not 0 <= sizes[0] <= SMALL or np.size(value) != 1:
        raise ModelFileError("expected a row of a few numbers.")
    return np.full(sizes[0], np.ravel(value)[0])


def cut(net: Net, node: Node) -> Value | Array:
    """Some sizes of a shape, or the inside of images."""
    if not net.is_array(node, 0):
        return spatial.cut(net, node)
    array = _small(net.array(node, 0))
    starts, ends = net.numbers(node, 1), net.numbers(node, 2)
    axes, steps = net.numbers(node, 3) or [0], net.numbers(node, 4) or [1]
    if not starts or not ends or (len(starts), len(ends), axes) != (1, 1, [0]):
        raise ModelFileError("expected one part of a shape.")
    return array[starts[0] : ends[0] : steps[0]]


def _small(array: Array) -> Array:
    if array.size > SMALL or array.ndim > 2 or array.dtype.kind != "i":
        raise ModelFileError("expected the sizes of a shape, got another constant.")
    return array


def gemm(net: Net, node: Node) -> Value:
    """alpha * x @ kernel + beta * bias."""
    only(node, transA=0)
    x, kernel, bias = net.value(node), net.array(node, 1), net.optional(node, 2)
    alpha, beta = number(node, "alpha", 1.0), number(node, "beta", 1.0)
    if len(x.dims) != 1 or kernel.ndim != 2 or kernel.dtype.kind != "f" or not kernel.size:
        raise ModelFileError("expected rows of numbers, and a kernel of 2 axes.")
    if integer(node, "transB", 0):
        kernel = kernel.T
    units = kernel.shape[1]
    if bias is not None:
        if bias.size != 1 and bias.shape not in ((units,), (1, units)):
            raise ModelFileError(f"expected a bias of shape {(units,)}, got {bias.shape}.")
        bias = np.broadcast_to(bias.ravel() * beta, (units,))
    return dense(x, kernel * alpha if alpha != 1 else kernel, bias)


def matmul(net: Net, node: Node) -> Value:
    """x @ kernel, or the product of two matrices of each image."""
    if not net.is_array(node, 1):
        a, b = (settled(net.value(node, i)) for i in range(2))
        if not len(a.shape) == len(b.shape) == 2:
            raise ModelFileError("expected a product with a kernel, or of matrices of each image.")
        return merged(Dot((2, 1)), [ordered(a, values.identity(a.shape)), b])
    kernel = net.array(node, 1)
    if kernel.ndim != 2 or kernel.dtype.kind != "f" or not kernel.size:
        raise ModelFileError(f"expected a kernel of 2 axes, got shape {kernel.shape}.")
    return dense(net.value(node), kernel)
