"""What ``x + y``, ``x * 0.5`` and the like make of symbolic tensors: layers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn.errors import ConfigError, shown
from minicnn.layers.base import Layer
from minicnn.layers.core import Rescaling
from minicnn.layers.merging import Add, Merge, Multiply, Subtract
from minicnn.layers.symbolic import ARITHMETIC, SymbolicTensor


def _operation(
    sign: str,
    merge: type[Merge] | None,
    scaling: Callable[[float, bool], tuple[float, float] | None],
) -> None:
    """``scaling`` gives scale and offset for a number, and whether that stands on the left."""

    def apply(a: Any, b: Any) -> SymbolicTensor:
        tensors = [x for x in (a, b) if isinstance(x, SymbolicTensor)]
        if len(tensors) == 2 and merge is not None:
            return _called(merge(), tensors)
        number = b if isinstance(a, SymbolicTensor) else a
        plain = isinstance(number, int | float | np.integer | np.floating)
        line = scaling(float(number), number is a) if plain and np.isfinite(number) else None
        if line is None:
            raise ConfigError(
                f"{tensors[0]!r}: expected another tensor or a finite number for {sign!r}, got "
                f"{shown(number)}. Merge with Add, Multiply and the like, or write a custom layer."
            )
        return _called(Rescaling(*line), tensors[0])

    ARITHMETIC[sign] = apply


def _called(layer: Layer, given: Any) -> SymbolicTensor:
    layer.operation = True
    return layer(given)


def fill() -> None:
    """Let tensors know what ``+``, ``-``, ``*`` and ``/`` make of them."""
    _operation("+", Add, lambda c, left: (1.0, c))
    _operation("-", Subtract, lambda c, left: (-1.0, c) if left else (1.0, -c))
    _operation("*", Multiply, lambda c, left: (c, 0.0))
    _operation("/", None, lambda c, left: None if left or not c else (1 / c, 0.0))
