"""ONNX' operators that work number by number: activations, and arithmetic with constants."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from minicnn._core.shapes import Array
from minicnn.activations import SELU_ALPHA, SELU_SCALE
from minicnn.errors import ModelFileError
from minicnn.layers import (
    ELU,
    Activation,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Layer,
    LeakyReLU,
    Multiply,
    ReLU,
    Rescaling,
    Softmax,
    Subtract,
)
from minicnn.onnx.net import Net, axis_within, integer, number, only, short
from minicnn.onnx.reading import Node
from minicnn.onnx.values import (
    Step,
    Value,
    added,
    after,
    alike,
    images,
    instead,
    merged,
    ordered,
    scaled,
    settled,
    way_between,
)

NEAR = 64.0
"""The largest bound of a Clip that can be added to x without a loss of precision that matters."""


class Erf(Layer):
    """The error function, which minicnn has as a part of gelu only."""


def activation(name: str) -> Callable[[Net, Node], Value]:
    """The operator that is the activation of that name."""
    return lambda net, node: after(net.value(node), Activation(name))


def erf(net: Net, node: Node) -> Value:
    """A part of gelu."""
    return after(net.value(node), Erf())


def relu(net: Net, node: Node) -> Value:
    """max(x, 0)."""
    return after(net.value(node), ReLU())


def thresholded_relu(net: Net, node: Node) -> Value:
    """x above ``alpha``, else 0."""
    return after(net.value(node), ReLU(threshold=number(node, "alpha", 1.0)))


def declared(cls: type[Layer]) -> Callable[[Net, Node], Value]:
    """The operator that a layer declares."""
    operator = cls.onnx_operator
    assert operator is not None

    def read(net: Net, node: Node) -> Value:
        x = settled(net.value(node)) if operator.params else net.value(node)
        params = {name: _beside(x, net.array(node, i)) for i, name in enumerate(operator.params, 1)}
        arguments = operator.arguments(**{name: array.shape for name, array in params.items()})
        for name, (argument, default) in operator.attributes.items():
            arguments[argument] = number(node, name, default)
        return after(x, cls(**arguments), params)

    return read


def _beside(x: Value, array: Array) -> Array:
    """An array that broadcasts to x, without the batch and with the axes of minicnn's array."""
    rank = len(x.dims)
    if array.ndim == rank + 1 and len(array) == 1:
        array = array[0]
    sizes = (1,) * (rank - array.ndim) + array.shape
    if len(sizes) != rank or any(n not in (1, m) for n, m in zip(sizes, x.dims, strict=True)):
        raise ModelFileError(f"expected an array that fits {x.dims}, got {array.shape}.")
    places = [x.axes.index(axis) - 1 for axis in range(1, rank + 1)]
    return array.reshape(sizes).transpose(places)


def selu(net: Net, node: Node) -> Value:
    """gamma * elu(x, alpha)."""
    alpha, gamma = number(node, "alpha", SELU_ALPHA), number(node, "gamma", SELU_SCALE)
    if _near(alpha, SELU_ALPHA) and _near(gamma, SELU_SCALE):
        return after(net.value(node), Activation("selu"))
    return scaled(after(net.value(node), ELU(alpha)), gamma, 0.0)


def hard_sigmoid(net: Net, node: Node) -> Value:
    """alpha * x + beta, from 0 to 1."""
    alpha, beta = number(node, "alpha", 0.2), number(node, "beta", 0.5)
    if _near(alpha, 1 / 6) and beta == 0.5:
        return after(net.value(node), Activation("hard_sigmoid"))
    return after(scaled(net.value(node), alpha, beta), ReLU(max_value=1.0))


def gelu(net: Net, node: Node) -> Value:
    """The exact form only."""
    only(node, approximate="none")
    return after(net.value(node), Activation("gelu"))


def softmax(net: Net, node: Node) -> Value:
    """Along one axis; before version 13 along all axes from there on."""
    x = settled(net.value(node))
    rank = len(x.axes)
    axis = axis_within(integer(node, "axis", -1 if node.opset >= 13 else 1), rank)
    if node.opset < 13 and axis != rank - 1:
        raise ModelFileError(f"expected the last axis, got {axis} of {rank}.")
    if node.op == "Softmax":
        return after(x, Softmax(x.axes[axis] if x.axes[axis] != rank - 1 else -1))
    if x.axes[axis] != rank - 1:
        rest = iter(range(1, rank - 1))
        x = ordered(x, (0, *(rank - 1 if i == axis else next(rest) for i in range(1, rank))))
    return after(x, Activation("log_softmax"))


def clip(net: Net, node: Node) -> Value:
    """min(max(x, low), high), made of ReLUs."""
    x = net.value(node)
    low, high = (_bound(net, node, i, name) for i, name in ((1, "min"), (2, "max")))
    last = x.last
    if low is not None and high is not None and low > high:
        raise ModelFileError(f"expected bounds in their order, got {low} and {high}.")
    if low is None and high is None:
        return x
    if low == 0:
        return after(x, ReLU(max_value=high))
    if low is None and isinstance(last, ReLU | LeakyReLU) and high is not None:
        threshold = last.threshold if isinstance(last, ReLU) else 0.0
        if getattr(last, "max_value", None) is None and high >= threshold:
            return instead(x, ReLU(high, last.negative_slope, threshold))
    if max(abs(low or 0), abs(high or 0)) > NEAR:
        raise ModelFileError(f"expected bounds of at most {NEAR:g}, got {low} and {high}.")
    if low is None:
        return scaled(after(scaled(x, -1.0, high or 0.0), ReLU()), -1.0, high or 0.0)
    top = None if high is None else high - low
    return scaled(after(scaled(x, 1.0, -low), ReLU(max_value=top)), 1.0, low)


def _bound(net: Net, node: Node, i: int, name: str) -> float | None:
    found = net.optional(node, i)
    if found is not None and found.size != 1:
        raise ModelFileError(f"expected {name} as one number, got {found.size}.")
    value = number(node, name, math.inf) if found is None else float(found.item())
    return None if abs(value) > 3.4e38 else value


def add(net: Net, node: Node) -> Value:
    """The sum of two values, or with a constant."""
    if net.is_array(node, 0) or net.is_array(node, 1):
        x, c = _with_constant(net, node)
        return scaled(x, 1.0, c) if isinstance(c, float) else _channels(x, None, c)
    return added(net.value(node, 0), net.value(node, 1))


def sub(net: Net, node: Node) -> Value:
    """x - constant, constant - x, or the difference of two values."""
    if net.is_array(node, 0) or net.is_array(node, 1):
        x, c = _with_constant(net, node)
        if net.is_array(node, 0):
            x = scaled(x, -1.0, 0.0)
            return scaled(x, 1.0, c) if isinstance(c, float) else _channels(x, None, c)
        return scaled(x, 1.0, -c) if isinstance(c, float) else _channels(x, None, -c)
    return merged(Subtract(), [net.value(node, 0), net.value(node, 1)])


def mul(net: Net, node: Node) -> Value:
    """By a constant, of two values, or an activation that is x times a function of x."""
    if net.is_array(node, 0) or net.is_array(node, 1):
        x, c = _with_constant(net, node)
        return scaled(x, c, 0.0) if isinstance(c, float) else _channels(x, c, None)
    return _product(net.value(node, 0), net.value(node, 1))


def div(net: Net, node: Node) -> Value:
    """x / constant."""
    x, c = _with_constant(net, node)
    if net.is_array(node, 0) or not np.all(c):
        raise ModelFileError("expected a division by constants other than 0.")
    return scaled(x, 1 / c, 0.0) if isinstance(c, float) else _channels(x, 1 / c, None)


def extreme(cls: type[Layer]) -> Callable[[Net, Node], Value]:
    """The operator that a merging layer is: max, min or mean of several values."""

    def read(net: Net, node: Node) -> Value:
        values = [net.value(node, i) for i in range(len(node.inputs))]
        return values[0] if len(values) == 1 else merged(cls(), values)

    return read


def neg(net: Net, node: Node) -> Value:
    """-x."""
    return scaled(net.value(node), -1.0, 0.0)


def _with_constant(net: Net, node: Node) -> tuple[Value, float | Array]:
    """x and a number, or one for each of its channels."""
    first = 1 if net.is_array(node, 0) else 0
    x, c = net.value(node, first), net.array(node, 1 - first)
    if c.ndim > len(x.dims) + 1 or c.dtype.kind != "f":
        raise ModelFileError("expected a constant that fits, of floating-point numbers.")
    if c.size == 1:
        return x, short(c.item()) if c.dtype == np.float32 else float(c.item())
    x = settled(x)
    axis = [i + len(x.axes) - c.ndim for i, n in enumerate(c.shape) if n > 1]
    if len(axis) == 1 and axis[0] > 0 and c.size == x.dims[axis[0] - 1]:
        if len(x.shape) == 3 and x.axes[axis[0]] != 3:
            x = images(x)
        if x.axes[axis[0]] == len(x.shape):
            return x, c.ravel()
    raise ModelFileError(f"expected one number, or one for each channel, got shape {c.shape}.")


def _channels(x: Value, scale: Array | None, offset: Array | None) -> Value:
    """x * scale + offset, channel by channel: the bias of the layer before, or a layer."""
    last, step = x.last, x.step
    linear = Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D
    if offset is not None and step is not None and type(last) in linear:
        assert last is not None
        if not last.get_config()["use_bias"]:
            layer = type(last).from_config(last.get_config() | {"use_bias": True, "name": None})
            return instead(x, layer, {**step.arrays, "bias": offset})
    return scaled(x, 1.0 if scale is None else scale, 0.0 if offset is None else offset)


def _product(a: Value, b: Value) -> Value:
    """x * sigmoid(x) and similar functions."""
    if a.dims != b.dims:
        return merged(Multiply(), [a, b])
    a, b = alike(a, b)
    found = way_between(a, b)
    if found is None:
        return merged(Multiply(), [a, b])
    start, to_a, to_b = found
    if len(to_a) > len(to_b):
        a, b, to_a, to_b = b, a, to_b, to_a
    kinds = [_kind(step) for step in to_b]
    if not to_a and tuple(kinds) in PRODUCTS:
        return after(a, Activation(PRODUCTS[tuple(kinds)]))
    factors = [_kind(step) for step in to_a]
    if kinds == ["rescaling", "erf", "rescaling"] and factors in ([], ["rescaling"]):
        # (factor * x + shift) * (outer + outer * erf(u / sqrt(2))), with u = inner * x + at
        factor, shift = _line(to_a[0]) if to_a else (1.0, 0.0)
        inner, at = (math.sqrt(2) * number for number in _line(to_b[0]))
        outer, offset = _line(to_b[2])
        times = factor / inner if inner else 0.0
        if _near(outer, offset) and times and abs(shift - times * at) <= 1e-6 * (1 + abs(shift)):
            x = replace(start, axes=a.axes, view=a.view)
            u = a if _near(times, 1) else scaled(x, 1.0 if _near(inner, 1) else inner, at)
            times = 1.0 if _near(times, 1) else times
            return scaled(after(u, Activation("gelu")), 2 * outer * times, 0.0)
    if any(isinstance(step.layer, Erf) for step in (*to_a, *to_b)):
        raise ModelFileError("expected the error function (Erf) only as a part of gelu.")
    return merged(Multiply(), [a, b])


PRODUCTS = {
    ("sigmoid",): "silu",
    ("hard_sigmoid",): "hard_silu",
    ("softplus", "tanh"): "mish",
}
"""The activations that are x times one of these functions of x."""


def _kind(step: Step) -> str:
    layer = step.layer
    return (
        str(layer.activation or "")
        if isinstance(layer, Activation)
        else type(layer).__name__.lower()
    )


def _line(step: Step) -> tuple[float, float]:
    layer = step.layer
    assert isinstance(layer, Rescaling)
    if isinstance(layer.scale, Sequence) or isinstance(layer.offset, Sequence):
        raise ModelFileError("expected one number for all channels, got one for each.")
    return layer.scale, layer.offset


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6)
