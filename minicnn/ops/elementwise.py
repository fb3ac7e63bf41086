"""Functions that NumPy has too, number by number, of one array and of two."""

from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn.ops.dispatch import Function, array, operand, operation, settled


def _of_one(name: str, function: Function) -> Function:
    def call(x: Any) -> Any:
        x = array(x)
        return settled(function(x), x)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``numpy.{function.__name__}(x)``, number by number, in the precision of x."
    return operation(call)


def _of_two(name: str, function: Function) -> Function:
    def call(x1: Any, x2: Any) -> Any:
        x1, x2 = operand(x1), operand(x2)
        if isinstance(x1, int | float) and isinstance(x2, int | float):
            x1 = array(x1)
        return settled(function(x1, x2), x1, x2)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``numpy.{function.__name__}(x1, x2)``; the shapes broadcast."
    return operation(call)


abs = _of_one("abs", np.abs)
absolute = _of_one("absolute", np.abs)
arccos = _of_one("arccos", np.arccos)
arccosh = _of_one("arccosh", np.arccosh)
arcsin = _of_one("arcsin", np.arcsin)
arcsinh = _of_one("arcsinh", np.arcsinh)
arctan = _of_one("arctan", np.arctan)
arctanh = _of_one("arctanh", np.arctanh)
ceil = _of_one("ceil", np.ceil)
conj = _of_one("conj", np.conj)
cos = _of_one("cos", np.cos)
cosh = _of_one("cosh", np.cosh)
exp = _of_one("exp", np.exp)
expm1 = _of_one("expm1", np.expm1)
floor = _of_one("floor", np.floor)
imag = _of_one("imag", np.imag)
isfinite = _of_one("isfinite", np.isfinite)
isinf = _of_one("isinf", np.isinf)
isnan = _of_one("isnan", np.isnan)
log = _of_one("log", np.log)
log10 = _of_one("log10", np.log10)
log1p = _of_one("log1p", np.log1p)
log2 = _of_one("log2", np.log2)
logical_not = _of_one("logical_not", np.logical_not)
negative = _of_one("negative", np.negative)
real = _of_one("real", np.real)
reciprocal = _of_one("reciprocal", lambda x: 1 / x)
rsqrt = _of_one("rsqrt", lambda x: 1 / np.sqrt(x))
sign = _of_one("sign", np.sign)
sin = _of_one("sin", np.sin)
sinh = _of_one("sinh", np.sinh)
sqrt = _of_one("sqrt", np.sqrt)
square = _of_one("square", np.square)
tan = _of_one("tan", np.tan)
trunc = _of_one("trunc", np.trunc)

add = _of_two("add", np.add)
arctan2 = _of_two("arctan2", np.arctan2)
divide = _of_two("divide", np.divide)
equal = _of_two("equal", np.equal)
floor_divide = _of_two("floor_divide", np.floor_divide)
greater = _of_two("greater", np.greater)
greater_equal = _of_two("greater_equal", np.greater_equal)
less = _of_two("less", np.less)
less_equal = _of_two("less_equal", np.less_equal)
logical_and = _of_two("logical_and", np.logical_and)
logical_or = _of_two("logical_or", np.logical_or)
logical_xor = _of_two("logical_xor", np.logical_xor)
maximum = _of_two("maximum", np.maximum)
minimum = _of_two("minimum", np.minimum)
mod = _of_two("mod", np.mod)
multiply = _of_two("multiply", np.multiply)
not_equal = _of_two("not_equal", np.not_equal)
power = _of_two("power", np.power)
subtract = _of_two("subtract", np.subtract)
true_divide = _of_two("true_divide", np.divide)


@operation
def round(x: Any, decimals: int = 0) -> Array:
    """Each number rounded to so many decimals, halves to the even one.

    >>> round([0.5, 1.5, 2.4]).tolist()
    [0.0, 2.0, 2.0]
    """
    return np.round(array(x), decimals)


@operation
def clip(x: Any, x_min: Any, x_max: Any) -> Array:
    """Each number at least ``x_min`` and at most ``x_max``.

    >>> clip([-2.0, 0.5, 3.0], 0, 1).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.clip(array(x), x_min, x_max)


@operation
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0.

    >>> divide_no_nan([1.0, 2.0], [0.0, 4.0]).tolist()
    [0.0, 0.5]
    """
    a, b = np.broadcast_arrays(array(x1), array(x2))
    return settled(np.divide(a, b, out=np.zeros(b.shape), where=b != 0), x1, x2)


@operation
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where ``condition`` holds, else x2; without these two the places where it holds.

    >>> where([True, False], [1, 1], [2, 2]).tolist()
    [1, 2]
    """
    if x1 is None and x2 is None:
        return np.where(condition)
    return np.where(condition, operand(x1), operand(x2))
