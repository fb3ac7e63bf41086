"""Writing each layer in ONNX."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Padding, Pads, axis_of, windows
from minicnn.activations import SELU_ALPHA, SELU_SCALE
from minicnn.layers import (
    GELU,
    Activation,
    AlphaDropout,
    AvgPool,
    BatchNorm,
    Clip,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Elementwise,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNormalization,
    Identity,
    InputLayer,
    Layer,
    LayerNorm,
    LayerScale,
    MaxPool,
    Normalization,
    Permute,
    Power,
    Reduce,
    ReLU,
    Rescaling,
    Reshape,
    SeparableConv2D,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Softplus,
    SpatialDropout2D,
    Tanh,
    UnitNormalization,
    UpSampling2D,
    ZeroPadding2D,
)
from minicnn.layers.augmentation import RandomImages
from minicnn.layers.conv import Sliding
from minicnn.layers.registry import LAYERS
from minicnn.layers.resizing import ToSize
from minicnn.onnx import functions, normalizing, resizing
from minicnn.onnx.graph import NCHW, Flow, Graph

# Activations ---------------------------------------------------------------------------

NODES: dict[str, tuple[str, dict[str, float]]] = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
    "exponential": ("Exp", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "sigmoid": ("Sigmoid", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "hard_swish": ("HardSwish", {}),
    "tanh": ("Tanh", {}),
}
"""The activations that ONNX has as one node."""

PRODUCTS = {"silu": ("Sigmoid",), "swish": ("Sigmoid",), "mish": ("Softplus", "Tanh")}
"""The activations that are x times the output of these nodes."""


def activated(graph: Graph, name: str | Layer | None, x: Flow) -> Flow:
    """f(x) for the function of that name; activations that are layers are nodes of their own."""
    if name in NODES:
        op, attributes = NODES[name]
        return graph.on(x, op, **attributes)
    if name in PRODUCTS:
        y = x
        for op in PRODUCTS[name]:
            y = graph.on(y, op)
        return graph.on(x, "Mul", y.name)
    if name == "relu6":
        return _clipped(graph, x, 0.0, 6.0)
    if name == "gelu":
        part = graph.on(x, "Div", graph.array("root", math.sqrt(2)))
        part = graph.on(graph.on(part, "Erf"), "Add", graph.array("one", 1.0))
        return graph.on(graph.on(x, "Mul", part.name), "Mul", graph.array("half", 0.5))
    if name in ("softmax", "log_softmax"):
        op = "Softmax" if name == "softmax" else "LogSoftmax"
        return graph.on(x, op, axis=x.axes.index(len(x.shape)))
    return x


def _clipped(graph: Graph, x: Flow, low: float | None, high: float | None) -> Flow:
    bounds = {"low": low, "high": high}
    names = [graph.array(k, v) if v is not None else "" for k, v in bounds.items()]
    return graph.on(x, "Clip", *names[: 1 if high is None else 2])


def _activation(graph: Graph, layer: Activation, x: Flow) -> Flow:
    return activated(graph, layer.activation, x)


def _softmax(graph: Graph, layer: Softmax, x: Flow) -> Flow:
    return graph.on(x, "Softmax", axis=x.axes.index(axis_of(layer.who, layer.axis, x.shape)))


def _operator(graph: Graph, layer: Layer, x: Flow) -> Flow:
    """The node that the layer declares, with its parameters as further inputs."""
    declared = layer.onnx_operator
    assert declared is not None
    places = tuple(axis - 1 for axis in x.axes[1:])  # parameters have no batch axis
    params = [graph.array(n, layer.params[n].transpose(places)) for n in declared.params]
    attributes = {
        n: float(getattr(layer, argument)) for n, (argument, _) in declared.attributes.items()
    }
    return graph.on(x, declared.name, *params, **attributes)


def _relu(graph: Graph, layer: ReLU, x: Flow) -> Flow:
    """With a threshold t and a slope s: (x above t, else 0) - s * max(t - x, 0)."""
    threshold, slope = float(layer.threshold), float(layer.negative_slope)
    high = None if layer.max_value is None else float(layer.max_value)
    if threshold == 0 and slope == 0:
        return graph.on(x, "Relu") if high is None else _clipped(graph, x, 0.0, high)
    if threshold == 0:
        y = graph.on(x, "LeakyRelu", alpha=slope)
    else:
        y = graph.on(x, "ThresholdedRelu", alpha=threshold)
        if slope:
            below = graph.on(x, "Mul", graph.array("minus", -1.0))
            below = graph.on(below, "Add", graph.array("threshold", threshold))
            below = graph.on(below, "Relu")
            below = graph.on(below, "Mul", graph.array("slope", -slope))
            y = graph.on(y, "Add", below.name)
    return y if high is None else _clipped(graph, y, None, high)


# Convolutions --------------------------------------------------------------------------


def _four(pads: Pads) -> list[int]:
    (top, bottom), (left, right) = pads
    return [top, left, bottom, right]


def _slid(graph: Graph, layer: Sliding, x: Flow, name: str, kernel: Array, group: int) -> Flow:
    """A Conv of images (N, C, H, W) with a kernel (filters, C / group, kh, kw)."""
    _, strides, pads, _ = layer.windows(x.shape)
    inputs = [x.name, graph.array(name, kernel)]
    if name == "kernel" and layer.use_bias:
        inputs.append(graph.array("bias", layer.params["bias"]))
    y = graph.node(
        "Conv",
        inputs,
        kernel_shape=kernel.shape[2:],
        strides=strides,
        pads=_four(pads),
        dilations=layer.dilation,
        group=group,
    )
    return Flow(y, layer.output_shape(x.shape), NCHW)


def _conv2d(graph: Graph, layer: Conv2D, x: Flow) -> Flow:
    kernel = layer.params["kernel"].transpose(3, 2, 0, 1)
    y = _slid(graph, layer, x, "kernel", kernel, int(layer.groups))
    return activated(graph, layer.activation, y)


def _by_channel(kernel: Array) -> Array:
    """A depthwise kernel (kh, kw, C, M) as ONNX has it, (C * M, 1, kh, kw)."""
    kh, kw, c, m = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(c * m, 1, kh, kw)


def _depthwise(graph: Graph, layer: DepthwiseConv2D, x: Flow) -> Flow:
    y = _slid(graph, layer, x, "kernel", _by_channel(layer.params["kernel"]), x.shape[-1])
    return activated(graph, layer.activation, y)


def _separable(graph: Graph, layer: SeparableConv2D, x: Flow) -> Flow:
    kernel = _by_channel(layer.params["depthwise_kernel"])
    y = _slid(graph, layer, x, "depthwise_kernel", kernel, x.shape[-1])
    across = layer.params["pointwise_kernel"].transpose(3, 2, 0, 1)
    inputs = [y.name, graph.array("pointwise_kernel", across)]
    if layer.use_bias:
        inputs.append(graph.array("bias", layer.params["bias"]))
    y = y._replace(name=graph.node("Conv", inputs, kernel_shape=(1, 1)))
    return activated(graph, layer.activation, y)


def _transpose(graph: Graph, layer: Conv2DTranspose, x: Flow) -> Flow:
    """output_padding makes up for pixels that the windows leave over at the bottom and right."""
    size, strides, pads, _ = layer.windows(x.shape)
    out = layer.output_shape(x.shape)
    over = [
        out[i]
        + sum(pads[i])
        - (x.shape[i] - 1) * strides[i]
        - (size[i] - 1) * layer.dilation[i]
        - 1
        for i in (0, 1)
    ]
    inputs = [x.name, graph.array("kernel", layer.params["kernel"].transpose(3, 2, 0, 1))]
    if layer.use_bias:
        inputs.append(graph.array("bias", layer.params["bias"]))
    y = graph.node(
        "ConvTranspose",
        inputs,
        kernel_shape=size,
        strides=strides,
        pads=_four(pads),
        dilations=layer.dilation,
        output_padding=over,
    )
    return activated(graph, layer.activation, Flow(y, out, NCHW))


# Images --------------------------------------------------------------------------------


def _pool(graph: Graph, layer: MaxPool | AvgPool, x: Flow) -> Flow:
    size, strides, pads, _ = layer.windows(x.shape)
    op = "MaxPool" if type(layer) is MaxPool else "AveragePool"
    y = graph.node(op, [x.name], kernel_shape=size, strides=strides, pads=_four(pads))
    return Flow(y, layer.output_shape(x.shape), NCHW)


def _global_pool(graph: Graph, layer: GlobalAvgPool | GlobalMaxPool, x: Flow) -> Flow:
    op = "GlobalAveragePool" if type(layer) is GlobalAvgPool else "GlobalMaxPool"
    y = graph.node(op, [x.name])
    if layer.keepdims:
        return Flow(y, layer.output_shape(x.shape), NCHW)
    return Flow(graph.node("Flatten", [y], axis=1), layer.output_shape(x.shape), (0, 1))


def _sides(layer: Layer, value: Padding, x: Flow) -> Pads:
    """The pixels added to, or cut off, each side, whatever the form of the argument."""
    return windows(layer.who, (x.shape[0], x.shape[1]), (1, 1), (1, 1), value).pads


def _zero_padding(graph: Graph, layer: ZeroPadding2D, x: Flow) -> Flow:
    top, left, bottom, right = _four(_sides(layer, layer.padding, x))
    pads = graph.array("padding", (0, 0, top, left, 0, 0, bottom, right), "int64")
    return Flow(graph.node("Pad", [x.name, pads]), layer.output_shape(x.shape), NCHW)


def _cropping(graph: Graph, layer: Cropping2D, x: Flow) -> Flow:
    (top, _), (left, _) = _sides(layer, layer.cropping, x)
    h, w, _ = out = layer.output_shape(x.shape)
    inputs = [
        x.name,
        graph.array("starts", (top, left), "int64"),
        graph.array("ends", (top + h, left + w), "int64"),
        graph.array("axes", (2, 3), "int64"),
    ]
    return Flow(graph.node("Slice", inputs), out, NCHW)


def _upsampling(graph: Graph, layer: UpSampling2D, x: Flow) -> Flow:
    scales = graph.array("scales", (1, 1, *layer.factors()))
    kind = (
        {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        if layer.interpolation == "nearest"
        else {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    )
    y = graph.node("Resize", [x.name, "", scales], **kind)
    return Flow(y, layer.output_shape(x.shape), NCHW)


# The rest ------------------------------------------------------------------------------


def _nothing(graph: Graph, layer: Any, x: Flow) -> Flow:
    """For layers that act in training only."""
    return x


def _rescaling(graph: Graph, layer: Rescaling, x: Flow) -> Flow:
    for op, name, value in (("Mul", "scale", layer.scale), ("Add", "offset", layer.offset)):
        if np.any(np.not_equal(value, op == "Mul")):
            x = graph.on(x, op, graph.array(name, _by_channels(value, x)))
    return x


def _channels(graph: Graph, name: str, value: Array, x: Flow, kept: list[int]) -> str:
    """An array with numbers along the axes ``kept`` of an output, in the tensor's order."""
    shape = [x.shape[i - 1] if i in kept else 1 for i in range(1, len(x.axes))]
    places = [axis - 1 for axis in x.axes[1:]]
    full = np.broadcast_to(value.ravel(), int(np.prod(shape)))
    return graph.array(name, full.reshape(shape).transpose(places))


def _normalization(graph: Graph, layer: Normalization, x: Flow) -> Flow:
    probe = np.zeros((1, *x.shape), layer.dtype)
    mean, deviation = layer.statistics(probe)
    kept = layer.kept(x.shape)
    names = [
        _channels(graph, name, value, x, kept)
        for name, value in (("mean", mean), ("deviation", deviation))
    ]
    if layer.invert:
        return graph.on(graph.on(x, "Mul", names[1]), "Add", names[0])
    return graph.on(graph.on(x, "Sub", names[0]), "Div", names[1])


def _layer_scale(graph: Graph, layer: LayerScale, x: Flow) -> Flow:
    gamma = _channels(graph, "gamma", layer.params["gamma"], x, [len(x.shape)])
    return graph.on(x, "Mul", gamma)


def _by_channels(value: Any, x: Flow) -> Array:
    """A number, or numbers for the channels as they broadcast over the tensor."""
    array = np.asarray(value)
    return array.reshape([-1 if axis == len(x.shape) else 1 for axis in x.axes[1:]] * array.ndim)


def _dense(graph: Graph, layer: Dense, x: Flow) -> Flow:
    kernel, bias = layer.params["kernel"], layer.params.get("bias")
    if x.order is not None:
        kernel = kernel[x.order]
    x = graph.moved(x, tuple(range(len(x.axes))))
    inputs = [x.name, graph.array("kernel", kernel)]
    biases = [] if bias is None else [graph.array("bias", bias)]
    if len(x.shape) == 1:
        y = graph.node("Gemm", inputs + biases)
    else:
        y = graph.node("MatMul", inputs)
        y = graph.node("Add", [y, *biases]) if biases else y
    flow = Flow(y, layer.output_shape(x.shape), x.axes)
    return activated(graph, layer.activation, flow)


def _batch_norm(graph: Graph, layer: BatchNorm, x: Flow) -> Flow:
    axis = axis_of(layer.who, layer.axis, x.shape)
    if x.axes[1] != axis:
        x = graph.moved(x, (0, axis, *(i for i in range(1, len(x.axes)) if i != axis)))
    arrays = {
        "gamma": np.ones(x.shape[axis - 1]),
        "beta": np.zeros(x.shape[axis - 1]),
        **layer.params,
        **layer.state,
    }
    names = [graph.array(name, array) for name, array in arrays.items()]
    return graph.on(
        x,
        "BatchNormalization",
        *names,
        epsilon=float(layer.epsilon),
        momentum=float(layer.momentum),
    )


def _layer_norm(graph: Graph, layer: LayerNorm, x: Flow) -> Flow:
    """ONNX normalizes over the last axes; the layer's axes are moved there."""
    given = layer.axis if isinstance(layer.axis, tuple | list) else (layer.axis,)
    axes = sorted(axis_of(layer.who, axis, x.shape) for axis in given)
    first = len(x.axes) - len(axes)
    if sorted(x.axes[first:]) != axes:
        x = graph.moved(x, (*(i for i in range(len(x.axes)) if i not in axes), *axes))
    shape = tuple(x.shape[axis - 1] for axis in axes)
    turned = [axes.index(axis) for axis in x.axes[first:]]
    arrays = {"gamma": np.ones(shape)} | layer.params
    names = [graph.array(name, array.transpose(turned)) for name, array in arrays.items()]
    return graph.on(x, "LayerNormalization", *names, axis=first, epsilon=float(layer.epsilon))


def _reshape(graph: Graph, layer: Reshape, x: Flow) -> Flow:
    return graph.shaped(x, layer.output_shape(x.shape))


def _permute(graph: Graph, layer: Permute, x: Flow) -> Flow:
    """No node: only the names of the axes change."""
    dims = (0, *layer.dims)
    axes = tuple(dims.index(axis) for axis in x.axes)
    return x._replace(shape=layer.output_shape(x.shape), axes=axes)


_IDLE: list[type] = [
    AlphaDropout,
    Dropout,
    GaussianNoise,
    Identity,
    InputLayer,
    SpatialDropout2D,
    *(cls for cls in LAYERS.values() if issubclass(cls, RandomImages)),
]

_NUMBER_BY_NUMBER: dict[type, Callable[[Graph, Any, Flow], Flow]] = {
    **dict.fromkeys(_IDLE, _nothing),
    **dict.fromkeys((Activation, Sigmoid, Tanh, GELU, SiLU, Softplus), _activation),
    **{cls: _operator for cls in LAYERS.values() if cls.onnx_operator},
    Clip: functions.clip,
    Elementwise: functions.elementwise,
    LayerScale: _layer_scale,
    Normalization: _normalization,
    Power: functions.power,
    ReLU: _relu,
    Rescaling: _rescaling,
    Softmax: _softmax,
}

FREE = frozenset(_NUMBER_BY_NUMBER)
"""The layers that take a tensor with its axes in any order, and leave them in it."""

WRITERS: dict[type, Callable[[Graph, Any, Flow], Flow]] = {
    **_NUMBER_BY_NUMBER,
    **{cls: resizing.to_size for cls in LAYERS.values() if issubclass(cls, ToSize)},
    AvgPool: _pool,
    BatchNorm: _batch_norm,
    Conv2D: _conv2d,
    Conv2DTranspose: _transpose,
    Cropping2D: _cropping,
    Dense: _dense,
    DepthwiseConv2D: _depthwise,
    GlobalAvgPool: _global_pool,
    GlobalMaxPool: _global_pool,
    GroupNormalization: normalizing.group_norm,
    LayerNorm: _layer_norm,
    MaxPool: _pool,
    Permute: _permute,
    Reduce: functions.reduce,
    Reshape: _reshape,
    SeparableConv2D: _separable,
    Slice: functions.cut,
    UnitNormalization: normalizing.unit_norm,
    UpSampling2D: _upsampling,
    ZeroPadding2D: _zero_padding,
}
