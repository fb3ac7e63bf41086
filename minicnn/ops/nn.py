"""Functions of neural networks: activations, one-hot rows, cross-entropies."""

from typing import Any

import numpy as np

from minicnn import activations
from minicnn._core.settings import floatx
from minicnn._core.shapes import Array
from minicnn.layers.resizing import Resizing
from minicnn.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from minicnn.ops.dispatch import Function, array, operation


def _activation(name: str) -> Function:
    function = getattr(activations, name)

    def call(x: Any) -> Array:
        return np.asarray(function(floats(x)))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``minicnn.activations.{name}`` of an array, or of a symbolic tensor."
    return operation(call)


def floats(x: Any) -> Array:
    """x as floating-point numbers."""
    found = array(x)
    return found if found.dtype.kind == "f" else found.astype(floatx())


gelu = _activation("gelu")
hard_sigmoid = _activation("hard_sigmoid")
hard_silu = _activation("hard_silu")
hard_swish = hard_silu
relu = _activation("relu")
relu6 = _activation("relu6")
selu = _activation("selu")
sigmoid = _activation("sigmoid")
silu = _activation("silu")
softplus = _activation("softplus")
softsign = _activation("softsign")
swish = silu
tanh = _activation("tanh")


@operation
def softmax(x: Any, axis: int = -1) -> Array:
    """exp(x) over the sum of exp(x) along an axis.

    >>> softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    return activations.softmax(floats(x), axis)


@operation
def log_softmax(x: Any, axis: int = -1) -> Array:
    """The logarithm of ``softmax``.

    >>> log_softmax([1000.0, 0.0]).tolist()
    [0.0, -1000.0]
    """
    return activations.log_softmax(floats(x), axis)


@operation
def elu(x: Any, alpha: float = 1.0) -> Array:
    """x above 0, else alpha * (exp(x) - 1).

    >>> elu([2.0]).tolist()
    [2.0]
    """
    x = floats(x)
    return np.asarray(activations.elu(x, alpha), x.dtype)


@operation
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Array:
    """x above 0, else negative_slope * x.

    >>> leaky_relu([-1.0, 2.0], 0.5).tolist()
    [-0.5, 2.0]
    """
    x = floats(x)
    return np.asarray(activations.leaky_relu(x, negative_slope), x.dtype)


@operation
def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Array:
    """x / sqrt(max(sum of x ** 2, epsilon)).

    >>> l2_normalize([3.0, 4.0]).round(4).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    x = floats(x)
    squares = np.sum(x * x, axis, keepdims=True)
    return np.asarray(x / np.sqrt(np.maximum(squares, x.dtype.type(epsilon))))


@operation
def normalize(x: Any, axis: int = -1, order: int = 2, epsilon: float | None = None) -> Array:
    """x over its length along an axis, by the norm of that order.

    >>> normalize([[1.0, 3.0]], order=1).tolist()
    [[0.25, 0.75]]
    """
    x = floats(x)
    length = np.linalg.norm(x, order, axis, keepdims=True)
    return np.asarray(x / np.maximum(length, x.dtype.type(1e-7 if epsilon is None else epsilon)))


@operation
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None) -> Array:
    """Class numbers as rows with a 1; a number that is no class gives zeros.

    >>> one_hot([1, 0], 3).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    rows = array(x)[..., None] == np.arange(num_classes)
    return np.moveaxis(rows.astype(dtype or floatx()), -1, axis)


@operation
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Array, Array]:
    """(the k largest numbers of each row, their places), the largest first.

    >>> [part.tolist() for part in top_k([1.0, 5.0, 3.0], 2)]
    [[5.0, 3.0], [1, 2]]
    """
    x = array(x)
    places = np.argsort(-x, axis=-1, kind="stable")[..., :k].astype(np.int32)
    return np.take_along_axis(x, places, -1), places


@operation
def in_top_k(targets: Any, predictions: Any, k: int) -> Array:
    """Whether each class is among the k that were given the largest numbers.

    >>> in_top_k([0, 1], [[0.9, 0.1], [0.8, 0.2]], 1).tolist()
    [True, False]
    """
    rows, right = array(predictions), array(targets)
    score = np.take_along_axis(rows, right[..., None].astype(np.intp), -1)
    return np.asarray((rows > score).sum(axis=-1) < k)


@operation
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Array:
    """-(y log p + (1 - y) log(1 - p)), number by number.

    >>> binary_crossentropy([1.0], [0.5]).round(4).tolist()
    [0.6930999755859375]
    """
    return BinaryCrossentropy(from_logits).each(floats(target), floats(output))


@operation
def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Array:
    """-(sum of y log p) along an axis, for one-hot labels.

    >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4).tolist()
    [0.6930999755859375]
    """
    y, p = (np.moveaxis(floats(one), axis, -1) for one in (target, output))
    return CategoricalCrossentropy(from_logits).per_sample(y, p)


@operation
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Array:
    """-(log p of the right class), for class numbers.

    >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]]).round(4).tolist()
    [0.6930999755859375]
    """
    p, y = np.moveaxis(floats(output), axis, -1), array(target)
    y = y[..., 0] if y.ndim == p.ndim else y
    return SparseCategoricalCrossentropy(from_logits).per_sample(y.astype(np.intp), p)


@operation
def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str = "channels_last",
) -> Array:
    """Images (N, H, W, C), or one (H, W, C), brought to ``size`` = (height, width): ``Resizing``.

    >>> resize(np.zeros((2, 2, 3), "float32"), (4, 4)).shape
    (4, 4, 3)
    """
    x = floats(images)
    layer = resizing(
        size, interpolation, antialias, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_value
    )
    return layer.forward(x)[0] if x.ndim == 4 else layer.forward(x[None])[0][0]


def resizing(
    size: Any, interpolation: str, antialias: bool, crop: bool, pad: bool, fill_value: float
) -> Resizing:
    """The layer that does what ``resize`` is asked for."""
    height, width = (int(n) for n in size)
    return Resizing(
        height,
        width,
        interpolation,
        crop_to_aspect_ratio=crop,
        pad_to_aspect_ratio=pad,
        fill_value=fill_value,
        antialias=antialias,
    )
