"""What functions of arrays make of symbolic tensors: layers that do the same.

Each has the arguments of the function of its name. Axes count the batch axis, which stays as it is.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn.activations import ACTIVATIONS
from minicnn.errors import ConfigError, shown
from minicnn.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from minicnn.layers.arithmetic import operation
from minicnn.layers.core import Permute, Reshape
from minicnn.layers.groupnorm import UnitNormalization
from minicnn.layers.merging import Concatenate, Maximum, Merge, Minimum
from minicnn.layers.operations import FUNCTIONS, Clip, Elementwise, Power, Reduce, Slice
from minicnn.layers.spatial import ZeroPadding2D
from minicnn.layers.symbolic import ARITHMETIC, SymbolicTensor
from minicnn.ops.dispatch import SYMBOLIC
from minicnn.ops.nn import resizing

Tensor = SymbolicTensor


def _activation(name: str) -> Callable[[Any], Tensor]:
    return lambda x: (ReLU() if name == "relu" else Activation(name))(x)


def _log_softmax(x: Tensor, axis: int) -> Tensor:
    if axis not in (-1, x.ndim - 1):
        raise ConfigError(f"log_softmax: expected the last axis of a tensor, got axis={axis}.")
    return Activation("log_softmax")(x)


def _elementwise(name: str) -> Callable[[Any], Tensor]:
    return lambda x: operation(Elementwise(name), x)


def _extreme(merge: type[Merge]) -> Callable[[Any, Any], Tensor]:
    def call(x1: Any, x2: Any) -> Tensor:
        if isinstance(x1, Tensor) and isinstance(x2, Tensor):
            return operation(merge(), [x1, x2])
        tensor, other = (x1, x2) if isinstance(x1, Tensor) else (x2, x1)
        number = _number(merge.__name__.lower(), other)
        return operation(Clip(number) if merge is Maximum else Clip(None, number), tensor)

    return call


def _number(who: str, value: Any) -> float:
    if np.ndim(value) or np.asarray(value).dtype.kind not in "iuf":
        raise ConfigError(f"{who}: expected a tensor and a number, or two, got {shown(value)}.")
    return float(value)


def _clip(x: Tensor, x_min: Any, x_max: Any) -> Tensor:
    low, high = (None if bound is None else _number("clip", bound) for bound in (x_min, x_max))
    return operation(Clip(low, high), x)


# Over axes -------------------------------------------------------------------------------


def _reduce(name: str) -> Callable[..., Tensor]:
    return lambda x, axis, keepdims: operation(Reduce(name, _axes(name, axis), keepdims), x)


def _axes(who: str, axis: Any) -> Any:
    if axis is None:
        raise ConfigError(
            f"{who}: expected the axis of a tensor, from 1 on or from -1 down, got None, which "
            "would mix the samples of a batch."
        )
    return tuple(axis) if isinstance(axis, list) else axis


def _variance(x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    mean = operation(Reduce("mean", _axes("var", axis), keepdims=True), x)
    squares = operation(Elementwise("square"), x - mean)
    return operation(Reduce("mean", _axes("var", axis), keepdims), squares)


def _deviation(x: Tensor, axis: Any, keepdims: bool) -> Tensor:
    return operation(Elementwise("sqrt"), _variance(x, axis, keepdims))


def _unit(x: Tensor, axis: Any, epsilon: float) -> Tensor:
    return UnitNormalization(_axes("l2_normalize", axis))(x)


def _normalized(x: Tensor, axis: Any, order: int, epsilon: Any) -> Tensor:
    if order != 2:
        raise ConfigError(f"normalize: expected order=2 for a tensor, got {shown(order)}.")
    return UnitNormalization(_axes("normalize", axis))(x)


# Shapes ----------------------------------------------------------------------------------


def _reshape(x: Tensor, newshape: Any) -> Tensor:
    sizes = list(newshape) if isinstance(newshape, Sequence) else [newshape]
    if not sizes or sizes[0] not in (-1, None) or len(sizes) < 2 or None in sizes[1:]:
        raise ConfigError(
            "reshape: expected -1 first, for the batch axis, and sizes behind it, got "
            f"{shown(newshape)}."
        )
    return Reshape(tuple(sizes[1:]))(x)


def _squeeze(x: Tensor, axis: Any) -> Tensor:
    given = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else np.ravel(axis)
    gone = {int(i) + x.ndim * (i < 0) for i in given}
    if any(not 0 < i < x.ndim or x.shape[i] != 1 for i in gone):
        raise ConfigError(f"squeeze: expected an axis of size 1 of {x.shape}, got {shown(axis)}.")
    key = tuple(0 if i in gone else slice(None) for i in range(x.ndim))
    return operation(Slice(key), x) if gone else x


def _expand_dims(x: Tensor, axis: Any) -> Tensor:
    rank = x.ndim + len(np.ravel(axis))
    new = {int(i) + rank * (i < 0) for i in np.ravel(axis)}
    if any(not 0 < i < rank for i in new):
        raise ConfigError(
            f"expand_dims: expected an axis from 1 to {rank - 1} or from -1 down, as the batch "
            f"stays first, got {shown(axis)}."
        )
    return operation(Slice(tuple(None if i in new else slice(None) for i in range(rank))), x)


def _transpose(x: Tensor, axes: Any) -> Tensor:
    order = [a % x.ndim for a in axes] if axes is not None else []
    if not order or order[0] != 0:
        raise ConfigError(
            f"transpose: expected axes that begin with 0, the batch axis, got {shown(axes)}."
        )
    return Permute(tuple(order[1:]))(x)


def _flip(x: Tensor, axis: Any) -> Tensor:
    turned = {int(i) % x.ndim for i in np.ravel(_axes("flip", axis))}
    key = tuple(slice(None, None, -1) if i in turned else slice(None) for i in range(x.ndim))
    return operation(Slice(key), x)


def _stack(x: Sequence[Any], axis: int) -> Tensor:
    return Concatenate(axis)([_expand_dims(one, axis) for one in x])


def _pad(x: Tensor, pad_width: Any, mode: str, constant_values: Any) -> Tensor:
    sides = [list(map(int, side)) for side in pad_width] if np.ndim(pad_width) == 2 else []
    outer = [sum(side) for side in (sides[:1] + sides[-1:])]
    if len(sides) != 4 or any(outer) or str(mode).lower() != "constant" or constant_values:
        raise ConfigError(
            "pad: expected zeros around the height and width of images, [[0, 0], [top, bottom], "
            f"[left, right], [0, 0]], got {shown(pad_width)}, {shown(mode)}."
        )
    return ZeroPadding2D((tuple(sides[1]), tuple(sides[2])))(x)


def _cast(x: Tensor, dtype: Any) -> Tensor:
    if np.dtype(dtype).kind != "f":
        raise ConfigError(
            f"cast: expected floating-point numbers of a tensor, got {shown(dtype)}: whole numbers "
            "have no gradient."
        )
    return x


def _resize(
    images: Any,
    size: Any,
    interpolation: str,
    antialias: bool,
    crop_to_aspect_ratio: bool,
    pad_to_aspect_ratio: bool,
    fill_value: float,
    **others: Any,
) -> Tensor:
    return resizing(
        size, interpolation, antialias, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_value
    )(images)


SYMBOLIC |= {
    "add": lambda x1, x2: ARITHMETIC["+"](x1, x2),
    "subtract": lambda x1, x2: ARITHMETIC["-"](x1, x2),
    "multiply": lambda x1, x2: ARITHMETIC["*"](x1, x2),
    "divide": lambda x1, x2: ARITHMETIC["/"](x1, x2),
    "true_divide": lambda x1, x2: ARITHMETIC["/"](x1, x2),
    "power": lambda x1, x2: ARITHMETIC["**"](x1, x2),
    "negative": lambda x: -x,
    "reciprocal": lambda x: operation(Power(-1), x),
    "rsqrt": lambda x: operation(Power(-0.5), x),
    "maximum": _extreme(Maximum),
    "minimum": _extreme(Minimum),
    "clip": _clip,
    **{name: _elementwise(name) for name in FUNCTIONS},
    "abs": _elementwise("absolute"),
    **{name: _reduce(name) for name in ("max", "mean", "min", "sum")},
    "amax": _reduce("max"),
    "amin": _reduce("min"),
    "var": _variance,
    "std": _deviation,
    "l2_normalize": _unit,
    "normalize": _normalized,
    "concatenate": lambda xs, axis: Concatenate(axis)(xs),
    "stack": _stack,
    **{name: _activation(name) for name in ACTIVATIONS},
    "softmax": lambda x, axis: Softmax(axis)(x),
    "log_softmax": _log_softmax,
    "elu": lambda x, alpha: ELU(alpha)(x),
    "leaky_relu": lambda x, negative_slope: LeakyReLU(negative_slope)(x),
    "resize": _resize,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _expand_dims,
    "transpose": _transpose,
    "flip": _flip,
    "pad": _pad,
    "cast": _cast,
}
