"""The products of two inputs along an axis of each."""

import math
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import boolean
from minicnn._core.shapes import Array, Shape, axis_of
from minicnn._core.signatures import checked
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.base import Grads
from minicnn.layers.merging import Arrays, Merge
from minicnn.layers.symbolic import SymbolicTensor

SHORTEST = 1e-7
"""The least length that a vector is divided by: Keras' epsilon."""


class DotCache(NamedTuple):
    """What was multiplied, and the lengths it was divided by before, if it was normalized."""

    units: Arrays
    lengths: Arrays


class Dot(Merge):
    """The sum of products of two inputs along an axis of each, image by image.

        y[n, ...] = sum over i of a[n, ..., i, ...] * b[n, ..., i, ...]

    ``axes`` are counted with the batch axis: a number for both, or a pair. The other axes of a come
    first, then those of b; of two vectors y is (N, 1). ``normalize`` divides each by its length
    along the axis first, so that y is the cosine of the angle between them.

    >>> Dot(axes=1, normalize=True)([Input((8,)), Input((8,))]).shape
    (None, 1)
    """

    any_order = False
    additive = True
    most = 2

    def __init__(
        self, axes: int | tuple[int, int], normalize: bool = False, name: str | None = None
    ) -> None:
        super().__init__(name)
        pair = isinstance(axes, tuple | list) and len(axes) == 2
        whole = [axes] if not pair else list(axes)  # type: ignore[arg-type]
        if not all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in whole):
            raise ConfigError(
                f"{self.who}: expected axes as a whole number or a pair of them, got {axes!r}."
            )
        boolean(self.who, "normalize", normalize)
        self.axes_given = axes
        self.normalize = normalize

    axes: Any = property(lambda self: self.axes_given)  # type: ignore[misc]

    def places(self, shapes: Any) -> tuple[int, int]:
        """The axis of each input, counted with the batch axis."""
        a, b = self.check_shapes(shapes)
        given = self.axes_given
        one, other = given if isinstance(given, tuple | list) else (given, given)
        return axis_of(self.who, one, a), axis_of(self.who, other, b)

    def output_shape(self, input_shape: Any) -> Shape:
        """The other axes of a, then of b."""
        (a, b), (i, j) = self.check_shapes(input_shape), self.places(input_shape)
        if a[i - 1] != b[j - 1]:
            raise ShapeError(
                f"{self.who}: expected as many numbers along the axes {self.axes_given}, got "
                f"shapes {a} and {b}, without the batch axis."
            )
        return (*a[: i - 1], *a[i:], *b[: j - 1], *b[j:]) or (1,)

    def forward(
        self, x: Any, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, DotCache]:
        """(y, cache) of two batches."""
        units = self.check_inputs(x)
        lengths: Arrays = ()
        shapes = tuple(x.shape[1:] for x in units)
        places = self.places(shapes)
        if self.normalize:
            lengths = tuple(map(_length, units, places))
            units = tuple(map(np.divide, units, lengths))
        a, b = map(_rows, units, places)
        y = a @ b.swapaxes(1, 2)
        return y.reshape(len(y), *self.output_shape(shapes)), DotCache(units, lengths)

    def backward(self, dy: Array, cache: Any) -> tuple[Any, Grads]:
        """((da, db), no gradients)."""
        units, lengths = cache
        places = self.places(tuple(x.shape[1:] for x in units))
        a, b = map(_rows, units, places)
        dy = dy.reshape(len(dy), a.shape[1], b.shape[1])
        rows = dy @ b, dy.swapaxes(1, 2) @ a
        dxs = [_unrowed(*each) for each in zip(rows, units, places, strict=True)]
        for k, length in enumerate(lengths):
            along = (dxs[k] * units[k]).sum(axis=places[k], keepdims=True)
            # What is shorter than the shortest length is not divided by its own.
            moved = np.where(length > SHORTEST, units[k] * along, 0)
            dxs[k] = (dxs[k] - moved) / length
        return tuple(dxs), {}

    def get_config(self) -> dict[str, Any]:
        """As Keras has it."""
        given = self.axes_given
        axes = list(given) if isinstance(given, tuple | list) else given
        return {"axes": axes, "normalize": self.normalize, "name": self.name}

    def argument(self, name: str) -> Any:
        """The axes are kept under another name: ``axes`` names a layer's input axes."""
        return self.axes_given if name == "axes" else super().argument(name)


def _rows(x: Array, axis: int) -> Array:
    """As (N, all other places, the numbers along the axis)."""
    moved = np.moveaxis(x, axis, -1)
    return moved.reshape(len(x), math.prod(moved.shape[1:-1]), moved.shape[-1])


def _unrowed(rows: Array, like: Array, axis: int) -> Array:
    """Rows as an array of the shape that they were taken from."""
    return np.moveaxis(rows.reshape(np.moveaxis(like, axis, -1).shape), -1, axis)


def _length(x: Array, axis: int) -> Array:
    squares = np.square(x).sum(axis=axis, keepdims=True)
    return np.asarray(np.maximum(np.sqrt(squares), SHORTEST), x.dtype)


@checked
def dot(
    inputs: Any, axes: Any = -1, normalize: bool = False, name: str | None = None
) -> SymbolicTensor:
    """``Dot(axes, normalize)(inputs)``."""
    return Dot(axes, normalize, name=name)(inputs)
