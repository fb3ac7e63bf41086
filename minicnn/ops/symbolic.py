"""What functions of arrays make of symbolic tensors: a layer that does the same.

Each has the arguments of the function of its name. Axes count the batch axis, which stays as it is.
"""

from collections.abc import Callable, Sequence
from typing import Any

from minicnn.activations import ACTIVATIONS
from minicnn.errors import ConfigError, shown
from minicnn.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from minicnn.layers.core import Permute, Reshape
from minicnn.layers.merging import Concatenate, Maximum, Merge, Minimum
from minicnn.layers.symbolic import ARITHMETIC, SymbolicTensor
from minicnn.ops.dispatch import SYMBOLIC
from minicnn.ops.nn import resizing


def _activation(name: str) -> Callable[[Any], SymbolicTensor]:
    return lambda x: (ReLU() if name == "relu" else Activation(name))(x)


def _log_softmax(x: SymbolicTensor, axis: int) -> SymbolicTensor:
    if axis not in (-1, x.ndim - 1):
        raise ConfigError(f"log_softmax: expected the last axis of a tensor, got axis={axis}.")
    return Activation("log_softmax")(x)


def _extreme(merge: type[Merge], name: str) -> Callable[[Any, Any], SymbolicTensor]:
    def call(x1: Any, x2: Any) -> SymbolicTensor:
        if isinstance(x1, SymbolicTensor) and isinstance(x2, SymbolicTensor):
            return merge()([x1, x2])
        tensor, other = (x1, x2) if isinstance(x1, SymbolicTensor) else (x2, x1)
        if merge is Maximum and isinstance(other, int | float) and other == 0:
            return ReLU()(tensor)
        raise ConfigError(f"{name}: expected two tensors, got {shown(other)} as one of them.")

    return call


def _resize(
    images: Any,
    size: Any,
    interpolation: str,
    antialias: bool,
    crop_to_aspect_ratio: bool,
    pad_to_aspect_ratio: bool,
    fill_value: float,
    **others: Any,
) -> SymbolicTensor:
    return resizing(
        size, interpolation, antialias, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_value
    )(images)


def _reshape(x: SymbolicTensor, newshape: Any) -> SymbolicTensor:
    sizes = list(newshape) if isinstance(newshape, Sequence) else [newshape]
    if not sizes or sizes[0] not in (-1, None) or len(sizes) < 2 or None in sizes[1:]:
        raise ConfigError(
            "reshape: expected -1 first, for the batch axis, and sizes behind it, got "
            f"{shown(newshape)}."
        )
    return Reshape(tuple(sizes[1:]))(x)


def _transpose(x: SymbolicTensor, axes: Any) -> SymbolicTensor:
    order = [a % x.ndim for a in axes] if axes is not None else []
    if not order or order[0] != 0:
        raise ConfigError(
            f"transpose: expected axes that begin with 0, the batch axis, got {shown(axes)}."
        )
    return Permute(tuple(order[1:]))(x)


SYMBOLIC |= {
    "add": lambda x1, x2: ARITHMETIC["+"](x1, x2),
    "subtract": lambda x1, x2: ARITHMETIC["-"](x1, x2),
    "multiply": lambda x1, x2: ARITHMETIC["*"](x1, x2),
    "divide": lambda x1, x2: ARITHMETIC["/"](x1, x2),
    "true_divide": lambda x1, x2: ARITHMETIC["/"](x1, x2),
    "negative": lambda x: -x,
    "maximum": _extreme(Maximum, "maximum"),
    "minimum": _extreme(Minimum, "minimum"),
    "concatenate": lambda xs, axis: Concatenate(axis)(xs),
    **{name: _activation(name) for name in ACTIVATIONS},
    "softmax": lambda x, axis: Softmax(axis)(x),
    "elu": lambda x, alpha: ELU(alpha)(x),
    "leaky_relu": lambda x, negative_slope: LeakyReLU(negative_slope)(x),
    "log_softmax": _log_softmax,
    "resize": _resize,
    "reshape": _reshape,
    "transpose": _transpose,
}
