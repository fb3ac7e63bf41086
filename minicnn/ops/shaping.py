"""Functions that make, join, cut and turn arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.settings import floatx
from minicnn._core.shapes import Array
from minicnn._core.signatures import checked
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.ops.dispatch import Function, array, operand, operation


@checked
def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """x as an array; Python's numbers take the precision of ``floatx()``.

    >>> convert_to_tensor([1.0, 2.0]).dtype
    dtype('float32')
    """
    return x if isinstance(x, SymbolicTensor) else array(x, dtype)


@checked
def convert_to_numpy(x: Any) -> Array:
    """x as an array.

    >>> convert_to_numpy([1, 2]).tolist()
    [1, 2]
    """
    return array(x)


@operation
def cast(x: Any, dtype: Any) -> Array:
    """x as numbers of that dtype.

    >>> cast([1.7, 2.2], "int32").tolist()
    [1, 2]
    """
    return array(x).astype(dtype)


@checked
def is_tensor(x: Any) -> bool:
    """Whether it is an array or a symbolic tensor.

    >>> is_tensor(np.zeros(3)), is_tensor([0, 0])
    (True, False)
    """
    return isinstance(x, np.ndarray | SymbolicTensor)


@checked
def stop_gradient(variable: Any) -> Any:
    """x: no gradient passes through arrays here. A symbolic tensor is refused.

    >>> stop_gradient([1, 2]).tolist()
    [1, 2]
    """
    return _stop(variable)


@operation
def _stop(variable: Any) -> Array:
    return array(variable)


@checked
def shape(x: Any) -> tuple[int | None, ...]:
    """The sizes of all axes; None for the batch axis of a symbolic tensor.

    >>> shape([[1, 2, 3]])
    (1, 3)
    """
    return x.shape if isinstance(x, SymbolicTensor) else np.shape(x)


@checked
def ndim(x: Any) -> int:
    """The number of axes.

    >>> ndim([[1, 2, 3]])
    2
    """
    return len(shape(x))


@operation
def size(x: Any) -> int:
    """How many numbers there are.

    >>> size([[1, 2, 3]])
    3
    """
    return np.size(x)


# Making ----------------------------------------------------------------------------------


@checked
def zeros(shape: Any, dtype: Any = None) -> Array:
    """Zeros.

    >>> zeros((2, 3)).dtype
    dtype('float32')
    """
    return np.zeros(shape, dtype or floatx())


@checked
def ones(shape: Any, dtype: Any = None) -> Array:
    """Ones.

    >>> ones(2).tolist()
    [1.0, 1.0]
    """
    return np.ones(shape, dtype or floatx())


@checked
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Array:
    """One number, as often as the shape has room for it.

    >>> full(2, 0.5).tolist()
    [0.5, 0.5]
    """
    return np.full(shape, array(fill_value, dtype))


@checked
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Array:  # noqa: N803
    """A matrix with ones on the diagonal.

    >>> eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return np.eye(N, M, k, dtype or floatx())


@checked
def identity(n: int, dtype: Any = None) -> Array:
    """``eye(n)``.

    >>> identity(1).tolist()
    [[1.0]]
    """
    return eye(n, dtype=dtype)


@checked
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Array:
    """Numbers from ``start`` on, below ``stop``; with one number from 0 to below that.

    >>> arange(3).tolist(), arange(3).dtype
    ([0, 1, 2], dtype('int32'))
    """
    found = np.arange(start) if stop is None else np.arange(start, stop, step)
    return found.astype(dtype or ("int32" if found.dtype.kind in "iu" else floatx()))


@checked
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None
) -> Array:
    """So many numbers from ``start`` to ``stop``, as far from each other.

    >>> linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.linspace(start, stop, num, endpoint, dtype=dtype or floatx())


@operation
def zeros_like(x: Any, dtype: Any = None) -> Array:
    """Zeros, as many as x has numbers.

    >>> zeros_like([1.0, 2.0]).tolist()
    [0.0, 0.0]
    """
    return np.zeros_like(array(x), dtype)


@operation
def ones_like(x: Any, dtype: Any = None) -> Array:
    """Ones, as many as x has numbers.

    >>> ones_like([1.0, 2.0]).tolist()
    [1.0, 1.0]
    """
    return np.ones_like(array(x), dtype)


# Turning, joining, cutting ---------------------------------------------------------------


@operation
def reshape(x: Any, newshape: Any) -> Array:
    """The numbers of x, in their order, in another shape; the batch axis is one of its sizes.

    >>> reshape(np.arange(6), (3, -1)).shape
    (3, 2)
    """
    return np.reshape(array(x), newshape)


@operation
def transpose(x: Any, axes: Any = None) -> Array:
    """The axes in another order, or in the reverse.

    >>> transpose(np.zeros((2, 3, 4)), (0, 2, 1)).shape
    (2, 4, 3)
    """
    return np.transpose(array(x), axes)


@operation
def squeeze(x: Any, axis: Any = None) -> Array:
    """Without the axes of size 1, or without those that ``axis`` says.

    >>> squeeze(np.zeros((2, 1, 3, 1)), axis=1).shape
    (2, 3, 1)
    """
    return np.squeeze(array(x), tuple(axis) if isinstance(axis, list) else axis)


@operation
def expand_dims(x: Any, axis: Any) -> Array:
    """With a new axis of size 1.

    >>> expand_dims([1, 2], 0).shape
    (1, 2)
    """
    return np.expand_dims(array(x), tuple(axis) if isinstance(axis, list) else axis)


@operation
def concatenate(xs: Sequence[Any], axis: int = 0) -> Array:
    """One behind the other along an axis.

    >>> concatenate([[1], [2, 3]]).tolist()
    [1, 2, 3]
    """
    return np.concatenate([array(x) for x in xs], axis)


@operation
def stack(x: Sequence[Any], axis: int = 0) -> Array:
    """One behind the other along a new axis.

    >>> stack([[1, 2], [3, 4]], axis=1).tolist()
    [[1, 3], [2, 4]]
    """
    return np.stack([array(one) for one in x], axis)


@operation
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Array]:
    """The parts along an axis, in a list.

    >>> [part.tolist() for part in unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]
    """
    return list(np.moveaxis(array(x), axis, 0))


@operation
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Cut along an axis: into so many parts, or before these places.

    >>> [part.tolist() for part in split([1, 2, 3, 4], 2)]
    [[1, 2], [3, 4]]
    """
    return np.split(array(x), indices_or_sections, axis)


@operation
def tile(x: Any, repeats: Any) -> Array:
    """x as often as ``repeats`` says along each axis.

    >>> tile([1, 2], 2).tolist()
    [1, 2, 1, 2]
    """
    return np.tile(array(x), repeats)


@operation
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Array:
    """Each part as often as ``repeats`` says.

    >>> repeat([1, 2], 2).tolist()
    [1, 1, 2, 2]
    """
    return np.repeat(array(x), repeats, axis)


@operation
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Array:
    """With so many numbers more before and behind each axis.

    >>> pad([1, 2], (1, 0)).tolist()
    [0, 1, 2]
    """
    options = {} if constant_values is None else {"constant_values": constant_values}
    padded: Array = np.pad(array(x), pad_width, mode, **options)  # type: ignore[call-overload]
    return padded


@operation
def take(x: Any, indices: Any, axis: int | None = None) -> Array:
    """The parts at these places.

    >>> take([5, 6, 7], [2, 0]).tolist()
    [7, 5]
    """
    return np.asarray(np.take(array(x), indices, axis))


@operation
def flip(x: Any, axis: Any = None) -> Array:
    """The other way round along an axis, or along all.

    >>> flip([1, 2, 3]).tolist()
    [3, 2, 1]
    """
    return np.flip(array(x), axis)


@operation
def roll(x: Any, shift: Any, axis: Any = None) -> Array:
    """Shifted along an axis; what leaves at one end comes in at the other.

    >>> roll([1, 2, 3], 1).tolist()
    [3, 1, 2]
    """
    return np.roll(array(x), shift, axis)


@operation
def slice(inputs: Any, start_indices: Any, shape: Any) -> Array:
    """A block of that shape, from these places on.

    >>> slice(np.arange(9).reshape(3, 3), (1, 1), (2, 1)).tolist()
    [[4], [7]]
    """
    x = array(inputs)
    for axis, (start, length) in enumerate(zip(start_indices, shape, strict=True)):
        x = np.moveaxis(np.moveaxis(x, axis, 0)[start : start + length], 0, axis)
    return x


def _plain(name: str, function: Function) -> Function:
    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        return function(array(x), *map(operand, args), **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``numpy.{name}``."
    return operation(call)


argsort = _plain("argsort", np.argsort)
broadcast_to = _plain("broadcast_to", np.broadcast_to)
diag = _plain("diag", np.diag)
moveaxis = _plain("moveaxis", np.moveaxis)
ravel = _plain("ravel", np.ravel)
sort = _plain("sort", np.sort)
swapaxes = _plain("swapaxes", np.swapaxes)
take_along_axis = _plain("take_along_axis", np.take_along_axis)
trace = _plain("trace", np.trace)
tril = _plain("tril", np.tril)
triu = _plain("triu", np.triu)
