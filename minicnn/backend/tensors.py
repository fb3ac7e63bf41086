"""Keras 2's functions of tensors, where Keras 3 has them under another name or with others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn import ops, random
from minicnn._core.settings import floatx
from minicnn._core.shapes import Array
from minicnn._core.signatures import checked
from minicnn.errors import ConfigError, shown
from minicnn.layers import ReLU, UpSampling2D, ZeroPadding2D
from minicnn.layers.symbolic import SymbolicTensor


@checked
def variable(
    value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None
) -> Array:
    """An array of its own.

    >>> variable([1.0, 2.0]).tolist()
    [1.0, 2.0]
    """
    return np.array(value, dtype or floatx())


@checked
def constant(
    value: Any, dtype: str | None = None, shape: Any = None, name: str | None = None
) -> Array:
    """An array of these numbers, repeated where ``shape`` says so.

    >>> constant(0.5, shape=(2,)).tolist()
    [0.5, 0.5]
    """
    found = np.array(value, dtype or floatx())
    return found if shape is None else np.array(np.broadcast_to(found, shape))


@checked
def zeros(shape: Any, dtype: str | None = None, name: str | None = None) -> Array:
    """Zeros.

    >>> zeros(2).tolist()
    [0.0, 0.0]
    """
    return ops.zeros(shape, dtype)


@checked
def ones(shape: Any, dtype: str | None = None, name: str | None = None) -> Array:
    """Ones.

    >>> ones(2).tolist()
    [1.0, 1.0]
    """
    return ops.ones(shape, dtype)


@checked
def cast_to_floatx(x: Any) -> Any:
    """The numbers in the precision of ``floatx()``.

    >>> cast_to_floatx([1, 2]).dtype
    dtype('float32')
    """
    return ops.cast(x, floatx())


@checked
def eval(x: Any) -> Array:
    """The numbers of an array: they are there already.

    >>> eval([1.0]).tolist()
    [1.0]
    """
    if isinstance(x, SymbolicTensor):
        raise ConfigError(
            f"eval: expected an array, got {x!r}. Give numbers to a model: "
            "Model(inputs, outputs).predict(x)."
        )
    return np.asarray(x)


@checked
def set_value(x: Any, value: Any) -> None:
    """Put numbers in the place of those of an array.

    >>> x = zeros(2)
    >>> set_value(x, [1, 2])
    >>> x.tolist()
    [1.0, 2.0]
    """
    if hasattr(x, "assign"):
        x.assign(value)
        return
    if not isinstance(x, np.ndarray):
        raise ConfigError(
            f"set_value: expected an array, got {shown(x)}. Of an optimizer write "
            f"model.optimizer.learning_rate = {shown(value)}."
        )
    x[...] = value


@checked
def batch_get_value(tensors: Sequence[Any]) -> list[Array]:
    """The numbers of each array.

    >>> batch_get_value([[1.0]])[0].tolist()
    [1.0]
    """
    return [eval(x) for x in tensors]


@checked
def batch_set_value(tuples: Sequence[tuple[Any, Any]]) -> None:
    """``set_value`` of each pair."""
    for x, value in tuples:
        set_value(x, value)


@checked
def count_params(x: Any) -> int:
    """How many numbers there are.

    >>> count_params(np.zeros((2, 3)))
    6
    """
    return int(np.size(x))


@checked
def dtype(x: Any) -> str:
    """The name of an array's dtype.

    >>> dtype(zeros(2))
    'float32'
    """
    return floatx() if isinstance(x, SymbolicTensor) else str(ops.convert_to_tensor(x).dtype)


@checked
def is_keras_tensor(x: Any) -> bool:
    """Whether it is what ``Input`` or a layer called on it gave.

    >>> is_keras_tensor(np.zeros(2))
    False
    """
    return isinstance(x, SymbolicTensor)


@checked
def argmax(x: Any, axis: int = -1) -> Any:
    """The place of the largest number along an axis.

    >>> int(argmax([1, 3, 2]))
    1
    """
    return ops.argmax(x, axis)


@checked
def argmin(x: Any, axis: int = -1) -> Any:
    """The place of the smallest number along an axis.

    >>> int(argmin([1, 3, 2]))
    0
    """
    return ops.argmin(x, axis)


@checked
def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Each number at least ``min_value`` and at most ``max_value``.

    >>> clip([-1.0, 9.0], 0, 1).tolist()
    [0.0, 1.0]
    """
    return ops.clip(x, min_value, max_value)


@checked
def sqrt(x: Any) -> Any:
    """The square root, of numbers below 0 that of 0.

    >>> sqrt([-1.0, 4.0]).tolist()
    [0.0, 2.0]
    """
    return ops.sqrt(ops.maximum(x, 0.0))


@checked
def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """One behind the other along an axis.

    >>> concatenate([[1], [2, 3]]).tolist()
    [1, 2, 3]
    """
    return ops.concatenate(tensors, axis)


@checked
def expand_dims(x: Any, axis: int = -1) -> Any:
    """With a new axis of size 1.

    >>> expand_dims([1, 2]).shape
    (2, 1)
    """
    return ops.expand_dims(x, axis)


@checked
def flatten(x: Any) -> Any:
    """All numbers in one row, also those of different images.

    >>> flatten(np.zeros((2, 3))).shape
    (6,)
    """
    return ops.reshape(x, (-1,))


@checked
def batch_flatten(x: Any) -> Any:
    """The numbers of each image in one row.

    >>> batch_flatten(np.zeros((2, 3, 4))).shape
    (2, 12)
    """
    return ops.reshape(x, (-1, int(np.prod(ops.shape(x)[1:]))))  # type: ignore[arg-type]


@checked
def gather(reference: Any, indices: Any) -> Any:
    """The parts at these places along the first axis.

    >>> gather([5, 6, 7], [2, 0]).tolist()
    [7, 5]
    """
    return ops.take(reference, indices, 0)


@checked
def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x above ``threshold``, at most ``max_value``, else alpha * (x - threshold).

    >>> relu([-2.0, 0.5, 9.0], alpha=0.5, max_value=6).tolist()
    [-1.0, 0.5, 6.0]
    """
    layer = ReLU(max_value, alpha, threshold)
    if isinstance(x, SymbolicTensor):
        return layer(x)
    return layer.forward(ops.convert_to_tensor(x))[0]


@checked
def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each part ``rep`` times along an axis.

    >>> repeat_elements([1, 2], 2, 0).tolist()
    [1, 1, 2, 2]
    """
    return ops.repeat(x, rep, axis)


@checked
def repeat(x: Any, n: int) -> Any:
    """(N, D) becomes (N, n, D).

    >>> repeat(np.zeros((2, 3)), 4).shape
    (2, 4, 3)
    """
    return ops.repeat(ops.expand_dims(x, 1), n, 1)


@checked
def reshape(x: Any, shape: Any) -> Any:
    """The numbers in another shape.

    >>> reshape([1, 2, 3, 4], (2, 2)).tolist()
    [[1, 2], [3, 4]]
    """
    return ops.reshape(x, shape)


@checked
def reverse(x: Any, axes: Any) -> Any:
    """The other way round along the axes.

    >>> reverse([1, 2], 0).tolist()
    [2, 1]
    """
    return ops.flip(x, tuple(axes) if isinstance(axes, list) else axes)


@checked
def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str = "channels_last",
    interpolation: str = "nearest",
) -> Any:
    """Images larger by whole factors: ``UpSampling2D``.

    >>> resize_images(np.zeros((1, 2, 2, 3)), 2, 3, "channels_last").shape
    (1, 4, 6, 3)
    """
    return _by_layer(UpSampling2D((height_factor, width_factor), interpolation), x)


@checked
def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: Any = None) -> Any:
    """Images with zeros around them: ``ZeroPadding2D``.

    >>> spatial_2d_padding(np.zeros((1, 2, 2, 3))).shape
    (1, 4, 4, 3)
    """
    return _by_layer(ZeroPadding2D(padding), x)


def _by_layer(layer: Any, x: Any) -> Any:
    return layer(x) if isinstance(x, SymbolicTensor) else layer.forward(np.asarray(x))[0]


@checked
def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Array:
    """``minicnn.random.normal``.

    >>> random_normal((2, 3)).shape
    (2, 3)
    """
    return random.normal(shape, mean, stddev, dtype, seed)


@checked
def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None
) -> Array:
    """``minicnn.random.uniform``.

    >>> random_uniform((2, 3)).shape
    (2, 3)
    """
    return random.uniform(shape, minval, maxval, dtype, seed)


@checked
def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None
) -> Array:
    """``minicnn.random.truncated_normal``.

    >>> truncated_normal((2, 3)).shape
    (2, 3)
    """
    return random.truncated_normal(shape, mean, stddev, dtype, seed)
