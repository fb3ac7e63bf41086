"""How a function of arrays becomes one of symbolic tensors too, and whom its errors name."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np

from minicnn._core.settings import floatx
from minicnn._core.shapes import Array
from minicnn._core.signatures import taken_arguments
from minicnn.errors import ConfigError, MiniCNNError, ShapeError, shown
from minicnn.layers.symbolic import SymbolicTensor

Function = Callable[..., Any]

SYMBOLIC: dict[str, Function] = {}
"""By name, what a function makes of symbolic tensors: layers. ``minicnn.ops.symbolic`` fills it."""


def operation(function: Function) -> Function:
    """A function of arrays that takes symbolic tensors too, if a layer does the same.

    Raises ``ConfigError`` in one line where NumPy, or no layer, can do what is asked for.
    """
    name, signature = function.__name__, inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **taken_arguments(name, signature, args, kwargs))
        if any(map(holds_tensors, bound.arguments.values())):
            bound.apply_defaults()
            return _of_tensors(name, bound.arguments)
        try:
            return function(*bound.args, **bound.kwargs)
        except MiniCNNError:
            raise
        except (TypeError, ValueError, IndexError) as error:
            kind = ShapeError if "shape" in str(error) else ConfigError
            first = next(iter(bound.arguments.values()), None)
            why = str(error).partition("\n")[0].rstrip(".")
            raise kind(f"{name}: {why}, got {shown(first)}.") from None

    return call


def holds_tensors(value: Any) -> bool:
    """Whether it is a symbolic tensor, or a list with one."""
    if isinstance(value, list | tuple):
        return any(isinstance(one, SymbolicTensor) for one in value)
    return isinstance(value, SymbolicTensor)


def _of_tensors(name: str, arguments: Mapping[str, Any]) -> Any:
    parts = [p for x in arguments.values() for p in (x if isinstance(x, list | tuple) else [x])]
    tensor = next(part for part in parts if isinstance(part, SymbolicTensor))
    return tensor.apply(name, SYMBOLIC.get(name), arguments)


def array(x: Any, dtype: Any = None) -> Array:
    """x as an array: Python's numbers in the precision of ``floatx()``, or as int32."""
    if dtype is not None or hasattr(x, "dtype"):
        return np.asarray(x, dtype)
    found = np.asarray(x)
    if found.dtype.kind == "O":
        raise ConfigError(f"expected numbers, got {shown(x)}")
    if found.dtype == np.int64 and found.size and abs(found).max() < 1 << 31:
        return found.astype(np.int32)
    return found.astype(floatx()) if found.dtype == np.float64 else found


def operand(x: Any) -> Any:
    """x as an array, but a Python number as it is: it takes the precision of the other operand."""
    return x if isinstance(x, int | float) else array(x)


def settled(y: Any, *given: Any) -> Any:
    """A result in the precision that Keras has: of whole numbers NumPy makes float64."""
    doubles = any(getattr(x, "dtype", None) == np.float64 for x in given)
    y = np.asarray(y)
    return y.astype(floatx()) if y.dtype == np.float64 and not doubles else y
