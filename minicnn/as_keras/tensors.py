"""Arrays that scripts take for TensorFlow's tensors."""

from typing import Any

import numpy as np

from minicnn._core.shapes import Array

__all__ = ["Number", "Tensor", "TensorShape", "numpy_function", "tensor"]


class TensorShape(tuple[int | None, ...]):
    """A tuple with the methods of TensorFlow's.

    >>> TensorShape((2, 3)).as_list()
    [2, 3]
    """

    def as_list(self) -> list[int | None]:
        """The sizes."""
        return list(self)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self)

    ndims = rank


class Tensor(np.ndarray):
    """An array with the methods of a tensor; its parts are such arrays, too.

    >>> t = tensor(np.arange(3))
    >>> t[1].numpy(), (t + 1).numpy()
    (array(1), array([1, 2, 3]))
    """

    def numpy(self) -> Array:
        """The plain array."""
        return np.asarray(self)

    eval = numpy

    @property
    def shape(self) -> Any:
        """The sizes, with the methods of TensorFlow's."""
        return TensorShape(super().shape)

    @shape.setter
    def shape(self, sizes: Any) -> None:
        np.ndarray.shape.__set__(self, sizes)  # type: ignore[attr-defined]

    def get_shape(self) -> Any:
        """The shape."""
        return TensorShape(self.shape)

    def set_shape(self, shape: Any) -> None:
        """Nothing: an array has its shape."""

    def __getitem__(self, index: Any) -> Any:
        return tensor(super().__getitem__(index))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions make arrays of tensors, as of TensorFlow's: with values to hash."""
        return _plain(super().__array_function__(func, types, args, kwargs))

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return np.asarray(array).view(Tensor)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return np.asarray(value)[()]
    return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value


class Number(float):
    """A number with the method of a tensor, as a metric's result and a loss are.

    >>> Number(0.5).numpy(), Number(0.5) + 1
    (0.5, 1.5)
    """

    def numpy(self) -> float:
        """The plain number."""
        return float(self)


def tensor(value: Any) -> Any:
    """What is an array or a number as a ``Tensor``; tuples, lists and dictionaries likewise."""
    if isinstance(value, tuple | list):
        return type(value)(map(tensor, value))
    if isinstance(value, dict):
        return {name: tensor(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value).view(Tensor)
    return value


def numpy_function(name: str) -> Any:
    """NumPy's function of that name, also one of its linalg or fft, which gives tensors; or None.

    >>> numpy_function("fliplr")(np.array([[1, 2]])).numpy().tolist(), numpy_function("no_such")
    ([[2, 1]], None)
    """
    places = (np, np.linalg, np.fft)
    function = next((getattr(p, name) for p in places if callable(getattr(p, name, None))), None)
    if function is None:
        return None

    def call(*arguments: Any, **options: Any) -> Any:
        options.pop("name", None)
        return tensor(function(*arguments, **options))

    call.__name__ = name
    return call
