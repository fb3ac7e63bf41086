"""The layers that take several inputs, as a tuple, and give back a tuple of gradients.

Shapes broadcast against each other as NumPy's do, the batch axis aside: of two inputs of shapes
(8, 8, 16) and (16,) or (1, 1, 16) the smaller is repeated. What was repeated gets the sum of the
gradients of its copies.
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array, Shape, axis_of, sum_dtype
from minicnn._core.signatures import checked
from minicnn.errors import ShapeError
from minicnn.layers.base import Grads, Layer
from minicnn.layers.symbolic import SymbolicTensor

Arrays = tuple[Array, ...]


class MergeCache(NamedTuple):
    """The inputs, for ``Merge.backward``; zeros of their shapes where these are all it needs."""

    xs: Arrays


class Merge(Layer):
    """The parent of layers that take several inputs: y = merged(a, b, ...).

    A subclass says what it makes of arrays that broadcast, and the gradient of each.
    """

    any_order = True
    additive = True
    merges = True
    fewest = 2
    most = 1 << 16
    """How many inputs it takes."""
    needs_inputs = True
    """Whether its gradients depend on the inputs' numbers; if not, they are not kept for them."""

    def check_shapes(self, shapes: Any) -> tuple[Shape, ...]:
        """The shapes of the inputs; raises ``ShapeError`` unless there are several."""
        if not isinstance(shapes, tuple) or not all(isinstance(s, tuple) for s in shapes):
            raise ShapeError(
                f"{self.who}: expected several inputs, as a list of what other layers give, got "
                f"one of shape {shapes}. It is no layer of a row: use Model(inputs, outputs)."
            )
        if not self.fewest <= len(shapes) <= self.most:
            wanted = "two" if self.most == 2 else f"at least {self.fewest}"
            raise ShapeError(f"{self.who}: expected {wanted} inputs, got {len(shapes)}.")
        return shapes

    def output_shape(self, input_shape: Any) -> Shape:
        """The shape to which all inputs broadcast."""
        shapes = self.check_shapes(input_shape)
        rank = max(map(len, shapes))
        full = [(1,) * (rank - len(s)) + s for s in shapes]
        for sizes in zip(*full, strict=True):
            if len(set(sizes) - {1}) > 1:
                raise ShapeError(
                    f"{self.who}: expected inputs of one shape, or that broadcast to one, got "
                    f"{' and '.join(map(str, shapes))}, without the batch axis."
                )
        return tuple(map(max, zip(*full, strict=True)))

    def forward(
        self, x: Any, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Any]:
        """(y, cache) of a tuple of batches."""
        xs = self.check_inputs(x)
        kept = (
            xs if self.needs_inputs else tuple(np.broadcast_to(x.dtype.type(), x.shape) for x in xs)
        )
        return self.merged(_same_rank(xs)), MergeCache(kept)

    def backward(self, dy: Array, cache: Any) -> tuple[Any, Grads]:
        """((da, db, ...), no gradients): one for each input, of its shape."""
        xs = _same_rank(cache.xs)
        dxs = self.gradients(dy, xs)
        return tuple(_gathered(d, x.shape) for d, x in zip(dxs, cache.xs, strict=True)), {}

    def check_inputs(self, xs: Any) -> Arrays:
        """The inputs as arrays; raises ``ShapeError`` unless they fit each other."""
        if not isinstance(xs, tuple | list):
            raise ShapeError(f"{self.who}: expected a tuple of inputs, got {type(xs).__name__}.")
        arrays = tuple(self.check_input(x) for x in xs)
        if len({x.shape[:1] for x in arrays}) > 1:
            raise ShapeError(
                f"{self.who}: expected inputs of one batch size, got shapes "
                f"{' and '.join(str(x.shape) for x in arrays)}."
            )
        self.output_shape(tuple(x.shape[1:] for x in arrays))
        return arrays

    def check_shape(self, shape: Any) -> None:
        """Any: ``output_shape`` looks at all shapes together."""

    def merged(self, xs: Arrays) -> Array:
        """y, of inputs of as many axes."""
        raise TypeError(f"{self.who} defines no merged(xs).")

    def gradients(self, dy: Array, xs: Arrays) -> Sequence[Array]:
        """What y's gradient is for each input, before sums over what was repeated."""
        raise TypeError(f"{self.who} defines no gradients(dy, xs).")


def _same_rank(xs: Arrays) -> Arrays:
    """The inputs with as many axes each, those that are missing of size 1 behind the batch."""
    rank = max(x.ndim for x in xs)
    return tuple(x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:]) for x in xs)


def _gathered(d: Array, shape: Shape) -> Array:
    """The sum of a gradient over the axes along which an input of that shape was repeated."""
    if d.shape == shape:
        return d
    full = shape[:1] + (1,) * (d.ndim - len(shape)) + shape[1:]
    axes = tuple(i for i, (n, m) in enumerate(zip(d.shape, full, strict=True)) if n != m)
    precise = sum_dtype(d.dtype, math.prod(d.shape[i] for i in axes))
    return np.asarray(d.sum(axis=axes, dtype=precise).reshape(shape), d.dtype)


class Add(Merge):
    """y = a + b + ...; each input gets dy.

    >>> Add()([Input((4,)), Input((4,))]).shape
    (None, 4)
    """

    needs_inputs = False

    def merged(self, xs: Arrays) -> Array:
        """The sum."""
        return reduce(np.add, xs)

    def gradients(self, dy: Array, xs: Arrays) -> Sequence[Array]:
        """Dy, for each."""
        return [dy] * len(xs)


class Subtract(Merge):
    """y = a - b, of two inputs; da = dy, db = -dy.

    >>> Subtract()([Input((4,)), Input((4,))]).shape
    (None, 4)
    """

    needs_inputs = False
    most = 2

    def merged(self, xs: Arrays) -> Array:
        """The difference."""
        return np.subtract(*xs)

    def gradients(self, dy: Array, xs: Arrays) -> Sequence[Array]:
        """Dy and -dy."""
        return [dy, -dy]


class Multiply(Merge):
    """y = a * b * ...; da = dy * b * ..., the product of the others.

    >>> Multiply()([Input((8, 8, 4)), Input((1, 1, 4))]).shape
    (None, 8, 8, 4)
    """

    def merged(self, xs: Arrays) -> Array:
        """The product."""
        return reduce(np.multiply, xs)

    def gradients(self, dy: Array, xs: Arrays) -> Sequence[Array]:
        """Dy times the product of the others."""
        return [reduce(np.multiply, [dy, *xs[:i], *xs[i + 1 :]]) for i in range(len(xs))]


class Average(Merge):
    """y = (a + b + ...) / n; each of the n inputs gets dy / n.

    >>> Average()([Input((4,)), Input((4,))]).shape
    (None, 4)
    """

    needs_inputs = False

    def merged(self, xs: Arrays) -> Array:
        """The mean."""
        return np.asarray(reduce(np.add, xs) / len(xs))

    def gradients(self, dy: Array, xs: Arrays) -> Sequence[Array]:
        """Dy / n, for each."""
        return [dy / len(xs)] * len(xs)


class _Extreme(Merge):
    """The parent of Maximum and Minimum, taken of two at a time from the left.

    Of equal numbers the one that came first gets the gradient, as in TensorFlow.
    """

    def choose(self, a: Array, b: Array) -> Array:
        """The larger, or the smaller, of each pair."""
        raise TypeError(f"{self.who} defines no choose(a, b).")

    def merged(self, xs: Arrays) -> Array:
        """The extreme."""
        return reduce(self.choose, xs)

    def gradients(self, dy: Array, xs: Arrays) -> Sequence[Array]:
        """Dy where the input was chosen, else 0."""
        best, free, dxs = self.merged(xs), np.ones(dy.shape, bool), []
        for x in xs:
            won = free & (x == best)
            free &= ~won
            dxs.append(np.where(won, dy, dy.dtype.type(0)))
        return dxs


class Maximum(_Extreme):
    """y = max(a, b, ...), number by number; the input that was the largest gets dy.

    >>> Maximum()([Input((4,)), Input((4,))]).shape
    (None, 4)
    """

    def choose(self, a: Array, b: Array) -> Array:
        """The larger."""
        return np.maximum(a, b)


class Minimum(_Extreme):
    """y = min(a, b, ...), number by number; the input that was the smallest gets dy.

    >>> Minimum()([Input((4,)), Input((4,))]).shape
    (None, 4)
    """

    def choose(self, a: Array, b: Array) -> Array:
        """The smaller."""
        return np.minimum(a, b)


class CustomScaleLayer(Merge):
    """y = a + scale * b, as InceptionResNetV2 of keras.applications adds its branches.

    >>> CustomScaleLayer(0.1)([Input((4,)), Input((4,))]).shape
    (None, 4)
    """

    needs_inputs = False
    keras_module = "minicnn.layers"
    most = 2

    def __init__(self, scale: float, name: str | None = None) -> None:
        super().__init__(name)
        number(self.who, "scale", scale)
        self.scale = scale

    def merged(self, xs: Arrays) -> Array:
        """a + scale * b."""
        return np.asarray(xs[0] + xs[1] * xs[1].dtype.type(self.scale))

    def gradients(self, dy: Array, xs: Arrays) -> Sequence[Array]:
        """Dy and scale * dy."""
        return [dy, dy * dy.dtype.type(self.scale)]


class Concatenate(Merge):
    """The inputs one behind the other along ``axis``, which counts the batch axis: -1 is the last.

    Backward each gets its part of dy. Raises ``ShapeError`` for inputs that differ along another
    axis.

    >>> Concatenate()([Input((8, 8, 3)), Input((8, 8, 5))]).shape
    (None, 8, 8, 8)
    """

    axis_argument = "axis"
    needs_inputs = False
    fewest = 1

    def __init__(self, axis: int = -1, name: str | None = None) -> None:
        super().__init__(name)
        whole_number(self.who, "axis", axis, least=-64)
        self.axis = axis

    def output_shape(self, input_shape: Any) -> Shape:
        """The sizes along ``axis`` added up; the others must be the same."""
        shapes = self.check_shapes(input_shape)
        first, at = shapes[0], axis_of(self.who, self.axis, shapes[0]) - 1
        others = {(len(s), *s[:at], *s[at + 1 :]) for s in shapes}
        if len(others) > 1:
            raise ShapeError(
                f"{self.who}: expected inputs that are alike but for axis {self.axis}, got "
                f"{' and '.join(map(str, shapes))}, without the batch axis."
            )
        return (*first[:at], sum(s[at] for s in shapes), *first[at + 1 :])

    def merged(self, xs: Arrays) -> Array:
        """All behind each other."""
        return np.concatenate(xs, axis_of(self.who, self.axis, xs[0].shape[1:]))

    def gradients(self, dy: Array, xs: Arrays) -> Sequence[Array]:
        """The parts of dy."""
        at = axis_of(self.who, self.axis, xs[0].shape[1:])
        return np.split(dy, np.cumsum([x.shape[at] for x in xs])[:-1], at)


# Keras' functions ----------------------------------------------------------------------------


@checked
def add(inputs: Any, name: str | None = None) -> SymbolicTensor:
    """``Add()(inputs)``."""
    return Add(name=name)(inputs)


@checked
def subtract(inputs: Any, name: str | None = None) -> SymbolicTensor:
    """``Subtract()(inputs)``."""
    return Subtract(name=name)(inputs)


@checked
def multiply(inputs: Any, name: str | None = None) -> SymbolicTensor:
    """``Multiply()(inputs)``."""
    return Multiply(name=name)(inputs)


@checked
def average(inputs: Any, name: str | None = None) -> SymbolicTensor:
    """``Average()(inputs)``."""
    return Average(name=name)(inputs)


@checked
def maximum(inputs: Any, name: str | None = None) -> SymbolicTensor:
    """``Maximum()(inputs)``."""
    return Maximum(name=name)(inputs)


@checked
def minimum(inputs: Any, name: str | None = None) -> SymbolicTensor:
    """``Minimum()(inputs)``."""
    return Minimum(name=name)(inputs)


@checked
def concatenate(inputs: Any, axis: int = -1, name: str | None = None) -> SymbolicTensor:
    """``Concatenate(axis)(inputs)``."""
    return Concatenate(axis, name=name)(inputs)
