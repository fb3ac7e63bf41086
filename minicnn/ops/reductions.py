"""Functions that make fewer numbers of many: sums, means, maxima, products of matrices."""

import builtins
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn.ops.dispatch import Function, array, operation, settled


def _over_axes(name: str, function: Function) -> Function:
    def call(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = array(x)
        axis = tuple(axis) if isinstance(axis, list) else axis
        return settled(function(x, axis=axis, keepdims=keepdims), x)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``numpy.{function.__name__}`` over an axis, several in a tuple, or all."
    return operation(call)


all = _over_axes("all", np.all)
amax = _over_axes("amax", np.max)
amin = _over_axes("amin", np.min)
any = _over_axes("any", np.any)
max = _over_axes("max", np.max)
mean = _over_axes("mean", np.mean)
median = _over_axes("median", np.median)
min = _over_axes("min", np.min)
prod = _over_axes("prod", np.prod)
std = _over_axes("std", np.std)
sum = _over_axes("sum", np.sum)
var = _over_axes("var", np.var)


@operation
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the largest number, as int32; of equal ones the first.

    >>> argmax([[1, 5, 2], [7, 0, 0]], axis=1).tolist()
    [1, 0]
    """
    return np.asarray(np.argmax(array(x), axis, keepdims=keepdims), np.int32)


@operation
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The place of the smallest number, as int32; of equal ones the first.

    >>> argmin([[1, 5, 2], [7, 0, 0]], axis=1).tolist()
    [0, 1]
    """
    return np.asarray(np.argmin(array(x), axis, keepdims=keepdims), np.int32)


@operation
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """The mean, each number counted by its weight.

    >>> float(average([1.0, 3.0], weights=[3.0, 1.0]))
    1.5
    """
    x = array(x)
    return settled(np.average(x, axis, None if weights is None else array(weights)), x)


@operation
def cumsum(x: Any, axis: int | None = None) -> Any:
    """Sums of the numbers so far.

    >>> cumsum([1, 2, 3]).tolist()
    [1, 3, 6]
    """
    return np.cumsum(array(x), axis)


@operation
def cumprod(x: Any, axis: int | None = None) -> Any:
    """Products of the numbers so far.

    >>> cumprod([1, 2, 3]).tolist()
    [1, 2, 6]
    """
    return np.cumprod(array(x), axis)


@operation
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))), which does not overflow.

    >>> round(float(logsumexp([1000.0, 1000.0])), 3)
    1000.693
    """
    x = array(x)
    top = x.max(axis, keepdims=True)
    y = np.log(np.exp(x - top).sum(axis, keepdims=True)) + top
    return settled(y if keepdims else np.squeeze(y, axis), x)


@operation
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The length of vectors, or of matrices: ``numpy.linalg.norm``.

    >>> float(norm([3.0, 4.0]))
    5.0
    """
    x = array(x)
    return settled(np.linalg.norm(x, ord, axis, keepdims), x)


def _product(name: str, function: Function) -> Function:
    def call(x1: Any, x2: Any) -> Any:
        x1, x2 = array(x1), array(x2)
        return settled(function(x1, x2), x1, x2)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``numpy.{function.__name__}(x1, x2)``."
    return operation(call)


cross = _product("cross", np.cross)
dot = _product("dot", np.dot)
matmul = _product("matmul", np.matmul)
outer = _product("outer", np.outer)


@operation
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sum of products over some axes of both.

    >>> float(tensordot([1.0, 2.0], [3.0, 4.0], 1))
    11.0
    """
    return np.tensordot(array(x1), array(x2), axes)


def einsum(subscripts: str, *operands: Any) -> Any:
    """Sums of products in Einstein's notation.

    >>> einsum("ij,j->i", [[1.0, 2.0]], [3.0, 4.0]).tolist()
    [11.0]
    """
    return _einsum(subscripts, list(operands))


def _einsum_of(subscripts: str, operands: Any) -> Array:
    return np.asarray(np.einsum(subscripts, *builtins.map(array, operands)))


_einsum_of.__name__ = "einsum"
_einsum = operation(_einsum_of)
