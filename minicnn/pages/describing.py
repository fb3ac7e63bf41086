"""Layers as the page's JavaScript computes them: the kind, its numbers, its arrays.

Each class has one function that gives the steps it is made of, most of them one; ``layers.js`` has
a kind of the same name. A class that is not in the table, as every custom one, is "unknown": the
page shows what NumPy computes for the pictures that it carries.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minicnn import layers
from minicnn._core.shapes import Array, Shape, Windows, axis_of
from minicnn.layers.activation import GELU, Sigmoid, SiLU, Softplus, Tanh
from minicnn.layers.augmentation.base import RandomImages
from minicnn.layers.graph import Node


class Part(NamedTuple):
    """A step of a layer: what ``layers.js`` needs of it."""

    op: str
    shape: Shape
    """What comes out."""
    arrays: dict[str, Array]
    more: dict[str, Any]


def parts_of(node: Node) -> list[Part]:
    """The steps that a node stands for, each reading the one before; one "unknown" if need be."""
    layer: Any = node.layer
    found = WRITERS.get(type(layer))
    parts = None if found is None else found(layer, node.shape)
    if parts is None:
        return [_part("unknown", layer, node.shape)]
    return parts if isinstance(parts, list) else [parts]


def _part(
    op: str, layer: Any, shape: Any, arrays: dict[str, Array] | None = None, **more: Any
) -> Part:
    """A step that makes what the layer makes."""
    return Part(op, tuple(layer.output_shape(shape)), arrays or {}, more)


def _placed(found: Windows, dilation: Any = (1, 1)) -> dict[str, Any]:
    return {
        "size": found.size,
        "strides": found.strides,
        "pads": [before for before, _ in found.pads],
        "dilation": dilation,
    }


def _sliding(op: str) -> Callable[[Any, Any], Part]:
    def write(layer: Any, shape: Any) -> Part:
        place = layer.place(shape)
        more = _placed(place.windows, place.dilation) | {"activation": layer.activation}
        return _part(op, layer, shape, layer.params, groups=getattr(layer, "groups", 1), **more)

    return write


def _separable(layer: Any, shape: Any) -> list[Part]:
    place, out = layer.place(shape), layer.output_shape(shape)
    kernel = layer.params["depthwise_kernel"]
    between = (*out[:2], kernel.shape[2] * kernel.shape[3])
    arrays = {"kernel": layer.params["pointwise_kernel"]}
    if layer.use_bias:
        arrays["bias"] = layer.params["bias"]
    one = _placed(Windows((1, 1), (1, 1), ((0, 0), (0, 0)), out[:2]))
    return [
        Part("depthwise", between, {"kernel": kernel}, _placed(place.windows, place.dilation)),
        Part("conv2d", out, arrays, {**one, "groups": 1, "activation": layer.activation}),
    ]


def _pool(op: str) -> Callable[[Any, Any], Part]:
    return lambda layer, shape: _part(op, layer, shape, **_placed(layer.windows(shape)))


def _plain(op: str) -> Callable[[Any, Any], Part]:
    return lambda layer, shape: _part(op, layer, shape)


def _dense(layer: Any, shape: Any) -> Part:
    return _part("dense", layer, shape, layer.params, activation=layer.activation)


def _activation(layer: Any, shape: Any) -> Part:
    return _part("activation", layer, shape, activation=layer.activation)


def _relu(layer: Any, shape: Any) -> Part:
    if layer.max_value is None and not layer.negative_slope and not layer.threshold:
        return _part("activation", layer, shape, activation="relu")
    return _part(
        *("activation", layer, shape),
        activation="relu_bent",
        slope=layer.negative_slope,
        threshold=layer.threshold,
        most=layer.max_value,
    )


def _softmax(layer: Any, shape: Any) -> Part | None:
    if axis_of(layer.who, layer.axis, shape) != len(shape):
        return None
    return _part("activation", layer, shape, activation="softmax")


def _prelu(layer: Any, shape: Any) -> Part:
    alpha = np.broadcast_to(layer.params["alpha"], shape)
    return _part("prelu", layer, shape, {"alpha": alpha})


def _batchnorm(layer: Any, shape: Any) -> Part:
    axis = axis_of(layer.who, layer.axis, shape) - 1
    where = {"channels": shape[axis], "inner": int(np.prod(shape[axis + 1 :]))}
    arrays = {**layer.params, **layer.state}
    return _part("batchnorm", layer, shape, arrays, epsilon=float(layer.epsilon), **where)


def _layernorm(layer: Any, shape: Any) -> Part | None:
    axes = layer.axis if isinstance(layer.axis, tuple | list) else (layer.axis,)
    found = sorted(axis_of(layer.who, axis, shape) for axis in axes)
    if found != list(range(found[0], len(shape) + 1)):  # others do not lie side by side
        return None
    together = int(np.prod(shape[found[0] - 1 :]))
    arrays = {name: array.ravel() for name, array in layer.params.items()}
    more = {"epsilon": float(layer.epsilon), "together": together}
    return _part("layernorm", layer, shape, arrays, **more)


def _groupnorm(layer: Any, shape: Any) -> Part | None:
    if axis_of(layer.who, layer.axis, shape) != len(shape):
        return None
    groups = layer.group_count(shape)
    more = {"epsilon": float(layer.epsilon), "groups": groups}
    return _part("groupnorm", layer, shape, layer.params, **more)


def _scaled(layer: Any, shape: Any, scale: Any, offset: Any) -> Part:
    arrays = {"scale": np.ravel(scale), "offset": np.ravel(offset)}
    return _part("rescaling", layer, shape, arrays)


def _rescaling(layer: Any, shape: Any) -> Part:
    return _scaled(layer, shape, np.asarray(layer.scale, float), np.asarray(layer.offset, float))


def _normalization(layer: Any, shape: Any) -> Part | None:
    mean, deviation = layer.statistics(np.zeros((1, *shape)))
    if any(n > 1 for n in mean.shape[1:-1]):
        return None
    if layer.invert:
        return _scaled(layer, shape, deviation, mean)
    return _scaled(layer, shape, 1 / deviation, -mean / deviation)


def _layer_scale(layer: Any, shape: Any) -> Part:
    return _scaled(layer, shape, layer.params["gamma"], 0.0)


def _concatenate(layer: Any, shape: Any) -> Part:
    axis, out = axis_of(layer.who, layer.axis, shape[0]) - 1, layer.output_shape(shape)
    return _part("concatenate", layer, shape, axis=axis, inner=int(np.prod(out[axis + 1 :])))


def _padding(layer: Any, shape: Any) -> Part:
    (top, _), (left, _) = layer._sides()
    return _part("shifted", layer, shape, before=(top, left))


def _cropping(layer: Any, shape: Any) -> Part:
    (top, _), (left, _) = layer._sides()
    return _part("shifted", layer, shape, before=(-top, -left))


def _upsampling(layer: Any, shape: Any) -> Part:
    bilinear = layer.interpolation == "bilinear"
    return _part("upsampling", layer, shape, factors=layer.factors(), bilinear=bilinear)


def _permute(layer: Any, shape: Any) -> Part:
    return _part("permute", layer, shape, dims=[i - 1 for i in layer.dims])


def _scaled_add(layer: Any, shape: Any) -> Part:
    return _part("scaled_add", layer, shape, scale=layer.scale)


def _classes_of(parent: type) -> Iterator[type]:
    for cls in vars(layers).values():
        if isinstance(cls, type) and issubclass(cls, parent):
            yield cls


Writer = Callable[[Any, Any], "Part | list[Part] | None"]
WRITERS: dict[type, Writer] = {
    layers.Activation: _activation,
    **dict.fromkeys((GELU, Sigmoid, SiLU, Softplus, Tanh), _activation),
    layers.Add: _plain("add"),
    layers.Average: _plain("average"),
    layers.AvgPool: _pool("avg_pool"),
    layers.BatchNorm: _batchnorm,
    layers.Concatenate: _concatenate,
    layers.Conv2D: _sliding("conv2d"),
    layers.Conv2DTranspose: _sliding("conv2d_transpose"),
    layers.Cropping2D: _cropping,
    layers.CustomScaleLayer: _scaled_add,
    layers.Dense: _dense,
    layers.DepthwiseConv2D: _sliding("depthwise"),
    layers.ELU: lambda layer, shape: _part(
        "activation", layer, shape, activation="elu_alpha", alpha=layer.alpha
    ),
    layers.Flatten: _plain("same"),
    layers.GlobalAvgPool: _plain("global_avg_pool"),
    layers.GlobalMaxPool: _plain("global_max_pool"),
    layers.GroupNormalization: _groupnorm,
    layers.LayerNorm: _layernorm,
    layers.LayerScale: _layer_scale,
    layers.LeakyReLU: lambda layer, shape: _part(
        "activation", layer, shape, activation="leaky", slope=layer.negative_slope
    ),
    layers.Maximum: _plain("maximum"),
    layers.MaxPool: _pool("max_pool"),
    layers.Minimum: _plain("minimum"),
    layers.Multiply: _plain("multiply"),
    layers.Normalization: _normalization,
    layers.PReLU: _prelu,
    layers.Permute: _permute,
    layers.ReLU: _relu,
    layers.Rescaling: _rescaling,
    layers.Reshape: _plain("same"),
    layers.SeparableConv2D: _separable,
    layers.Softmax: _softmax,
    layers.Subtract: _plain("subtract"),
    layers.UpSampling2D: _upsampling,
    layers.ZeroPadding2D: _padding,
    # Those that act in training alone.
    **dict.fromkeys(
        (
            *(layers.InputLayer, layers.Identity, layers.Dropout, layers.SpatialDropout2D),
            *(layers.AlphaDropout, layers.GaussianNoise, *_classes_of(RandomImages)),
        ),
        _plain("same"),
    ),
}
