"""What ``x + y``, ``x * 0.5``, ``x[:, 1:3]`` and the like make of symbolic tensors: layers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn.errors import ConfigError, shown
from minicnn.layers.base import Layer
from minicnn.layers.core import Rescaling
from minicnn.layers.merging import Add, Merge, Multiply, Subtract
from minicnn.layers.operations import Elementwise, Power, Slice
from minicnn.layers.symbolic import ARITHMETIC, SymbolicTensor


def _operation(
    sign: str,
    merge: type[Merge],
    scaling: Callable[[Any, bool], tuple[Any, Any]],
) -> None:
    """``scaling`` gives scale and offset for a number, and whether that stands on the left."""

    def apply(a: Any, b: Any) -> SymbolicTensor:
        tensors = [x for x in (a, b) if isinstance(x, SymbolicTensor)]
        if len(tensors) == 2:
            return operation(merge(), tensors)
        left = not isinstance(a, SymbolicTensor)
        number = _number(sign, tensors[0], a if left else b)
        if isinstance(number, float):
            return operation(Rescaling(*scaling(number, left)), tensors[0])
        scale, offset = (np.broadcast_to(x, number.shape) for x in scaling(number, left))
        return Rescaling(scale.tolist(), offset.tolist())(tensors[0])

    ARITHMETIC[sign] = apply


def _number(sign: str, tensor: SymbolicTensor, given: Any) -> Any:
    """A finite number, or an array with one for each channel; raises ``ConfigError`` for others."""
    if isinstance(given, int | float | np.number | np.ndarray | list | tuple):
        found = np.asarray(given)
        if found.dtype.kind in "iuf" and np.isfinite(found).all():
            if found.ndim == 0:
                return float(found)
            channels = tensor.shape[-1]
            if found.shape[-1] == found.size == channels and found.ndim <= tensor.ndim:
                return found.ravel().astype(float)
    raise ConfigError(
        f"{tensor!r}: expected another tensor, a finite number or one for each channel for "
        f"{sign!r}, got {shown(given)}. Merge with Add, Multiply and the like, or write a custom "
        "layer."
    )


def operation(layer: Layer, given: Any) -> SymbolicTensor:
    """What a layer makes of tensors, as an operation, which Keras does not count as a layer."""
    layer.operation = True
    return layer(given)


def _divided(a: Any, b: Any) -> SymbolicTensor:
    if isinstance(b, SymbolicTensor):
        return ARITHMETIC["*"](a, operation(Power(-1), b))
    number = _number("/", a, b)
    if not np.all(number):
        raise ConfigError(f"{a!r}: expected a finite number other than 0 for '/', got {shown(b)}.")
    return ARITHMETIC["*"](a, 1 / number)


def _raised(a: Any, b: Any) -> SymbolicTensor:
    tensor = a if isinstance(a, SymbolicTensor) else b
    if tensor is not a or isinstance(b, SymbolicTensor):
        raise ConfigError(f"{tensor!r}: expected a number as the exponent of '**', got {shown(b)}.")
    number = _number("**", a, b)
    if not isinstance(number, float):
        raise ConfigError(f"{tensor!r}: expected one exponent for '**', got {shown(b)}.")
    return operation(Power(number), a)


def fill() -> None:
    """Let tensors know what is made of them."""
    _operation("+", Add, lambda c, left: (1.0, c))
    _operation("-", Subtract, lambda c, left: (-1.0, c) if left else (1.0, -c))
    _operation("*", Multiply, lambda c, left: (c, 0.0))
    ARITHMETIC["/"] = _divided
    ARITHMETIC["**"] = _raised
    ARITHMETIC["abs"] = lambda x, _: operation(Elementwise("absolute"), x)
    ARITHMETIC["[]"] = lambda x, key: operation(Slice(key), x)
