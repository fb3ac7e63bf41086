"""The layers behind functions of tensors: abs(x), x ** 2, x[:, 1:3], the mean over an axis.

``minicnn.ops`` and a ``Lambda`` make them of symbolic tensors. Keras has them as operations, which
it does not count as layers, and so they are written into files. Axes count the batch axis, which
no function takes apart.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import boolean, number
from minicnn._core.shapes import Array, Shape, sum_dtype
from minicnn._core.suggestions import did_you_mean
from minicnn.errors import ConfigError, ShapeError, shown
from minicnn.layers.base import Grads, Layer


class _Operation(Layer):
    """The parent of layers that Keras has as operations."""

    keras_module = "minicnn.layers"

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.operation = True


class ElementwiseCache(NamedTuple):
    """x and y, for ``Elementwise.backward`` and ``Power.backward``."""

    x: Array
    y: Array


Gradient = Callable[[Array, Array, Array], Array]

FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Gradient]] = {
    "absolute": (np.abs, lambda dy, x, y: dy * np.sign(x)),
    "cos": (np.cos, lambda dy, x, y: -dy * np.sin(x)),
    "exp": (np.exp, lambda dy, x, y: dy * y),
    "log": (np.log, lambda dy, x, y: dy / x),
    "log1p": (np.log1p, lambda dy, x, y: dy / (1 + x)),
    "sin": (np.sin, lambda dy, x, y: dy * np.cos(x)),
    "sqrt": (np.sqrt, lambda dy, x, y: dy / (2 * y)),
    "square": (np.square, lambda dy, x, y: dy * 2 * x),
}
"""Name -> y of x, and dx of dy, x and y."""


class Elementwise(_Operation):
    """y = f(x), number by number: absolute, cos, exp, log, log1p, sin, sqrt or square.

    The square root of 0 has an infinite gradient, and log of what is not above 0 is no number, as
    in Keras. Raises ``ConfigError`` for another name.

    >>> Elementwise("square").forward(np.array([[3.0]]))[0].tolist()
    [[9.0]]
    """

    additive = True
    any_order = True

    def __init__(self, function: str, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(function, str) or function not in FUNCTIONS:
            raise ConfigError(
                f"{self.who}: expected function as one of {', '.join(FUNCTIONS)}, got "
                f"{shown(function)}.{did_you_mean(function, FUNCTIONS)}"
            )
        self.function = function

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ElementwiseCache]:
        """y = f(x)."""
        x = self.check_input(x)
        with np.errstate(all="ignore"):
            y = np.asarray(FUNCTIONS[self.function][0](x))
        return y, ElementwiseCache(x, y)

    def backward(self, dy: Array, cache: ElementwiseCache) -> tuple[Array, Grads]:
        """dx = f'(x) * dy."""
        self.check_dy(dy, cache.y.shape)
        with np.errstate(all="ignore"):
            return np.asarray(FUNCTIONS[self.function][1](dy, cache.x, cache.y), dy.dtype), {}


class Power(_Operation):
    """y = x ** exponent; dx = exponent * x ** (exponent - 1) * dy.

    >>> Power(3).forward(np.array([[2.0]]))[0].tolist()
    [[8.0]]
    """

    additive = True
    any_order = True

    def __init__(self, exponent: float, name: str | None = None) -> None:
        super().__init__(name)
        number(self.who, "exponent", exponent)
        self.exponent = exponent

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ElementwiseCache]:
        """y = x ** exponent."""
        x = self.check_input(x)
        with np.errstate(all="ignore"):
            y = np.asarray(x**self.exponent, x.dtype)
        return y, ElementwiseCache(x, y)

    def backward(self, dy: Array, cache: ElementwiseCache) -> tuple[Array, Grads]:
        """dx = exponent * x ** (exponent - 1) * dy."""
        self.check_dy(dy, cache.y.shape)
        with np.errstate(all="ignore"):
            slope = self.exponent * cache.x ** (self.exponent - 1)
        return np.asarray(dy * slope, dy.dtype), {}


class ClipCache(NamedTuple):
    """Where x lay within the bounds, for ``Clip.backward``."""

    within: Array


class Clip(_Operation):
    """y = x, but at least ``x_min`` and at most ``x_max``; dy where x was within, else 0.

    Either may be None. A number that is a bound lets the gradient through, as in TensorFlow.

    >>> Clip(0.0, 1.0).forward(np.array([[-1.0, 0.5, 2.0]]))[0].tolist()
    [[0.0, 0.5, 1.0]]
    """

    additive = True
    any_order = True

    def __init__(
        self, x_min: float | None = None, x_max: float | None = None, name: str | None = None
    ) -> None:
        super().__init__(name)
        for argument, value in (("x_min", x_min), ("x_max", x_max)):
            if value is not None:
                number(self.who, argument, value)
        if x_min is None and x_max is None:
            raise ConfigError(f"{self.who}: expected x_min or x_max, got neither.")
        self.x_min = x_min
        self.x_max = x_max

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ClipCache]:
        """y = min(max(x, x_min), x_max)."""
        x = self.check_input(x)
        low = None if self.x_min is None else x.dtype.type(self.x_min)
        high = None if self.x_max is None else x.dtype.type(self.x_max)
        y = np.clip(x, low, high)
        return y, ClipCache(y == x)

    def backward(self, dy: Array, cache: ClipCache) -> tuple[Array, Grads]:
        """dx = dy where x was within the bounds."""
        self.check_dy(dy, cache.within.shape)
        return np.where(cache.within, dy, dy.dtype.type(0)), {}


class ReduceCache(NamedTuple):
    """x and y with the axes kept, for ``Reduce.backward``."""

    x: Array
    y: Array


REDUCTIONS = ("max", "mean", "min", "sum")


class Reduce(_Operation):
    """The mean, sum, max or min over an axis or several, which ``keepdims`` leaves with size 1.

    Backward each number of a sum gets dy, of a mean its part; of equal maxima each gets an equal
    part, as in TensorFlow. ``axis`` counts the batch axis, 0, over which nothing is taken. Raises
    ``ShapeError`` for an axis that is not there.

    >>> Reduce("mean", (1, 2)).output_shape((8, 8, 3))
    (3,)
    """

    additive = True

    def __init__(
        self,
        function: str,
        axis: int | Sequence[int] = -1,
        keepdims: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if not isinstance(function, str) or function not in REDUCTIONS:
            raise ConfigError(
                f"{self.who}: expected function as one of {', '.join(REDUCTIONS)}, got "
                f"{shown(function)}."
            )
        axes = axis if isinstance(axis, tuple | list) else (axis,)
        if not all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in axes):
            raise ConfigError(
                f"{self.who}: expected axis as a whole number or several, from 1 on, got "
                f"{shown(axis)}: nothing is taken over the samples of a batch."
            )
        boolean(self.who, "keepdims", keepdims)
        self.function = function
        self.axis = axis
        self.keepdims = keepdims

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The axes of an array with so many, the batch axis among them."""
        given = self.axis if isinstance(self.axis, tuple | list) else (self.axis,)
        axes = tuple(int(a) + rank * (a < 0) for a in given)
        if not axes or any(not 0 < a < rank for a in axes) or len(set(axes)) < len(axes):
            raise ShapeError(
                f"{self.who}: expected axis from 1 to {rank - 1}, or from -1 down, as 0 is that of "
                f"the batch, got {self.axis}."
            )
        return axes

    def _many(self, x: Array) -> int:
        """How many numbers one is made of."""
        return int(np.prod([x.shape[a] for a in self._axes(x.ndim)]))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Without the axes, or with size 1."""
        self.check_shape((None, *input_shape))
        axes = self._axes(len(input_shape) + 1)
        kept = ((i + 1 in axes, n) for i, n in enumerate(input_shape))
        return tuple(1 if gone else n for gone, n in kept if self.keepdims or not gone)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ReduceCache]:
        """y of the numbers along the axes."""
        x = self.check_input(x)
        axes = self._axes(x.ndim)
        if self.function in ("max", "min"):
            whole = getattr(x, self.function)(axes, keepdims=True)
        else:
            many = self._many(x)
            whole = x.sum(axes, dtype=sum_dtype(x.dtype, many), keepdims=True)
            whole = np.asarray(whole / many if self.function == "mean" else whole, x.dtype)
        y = whole if self.keepdims else whole.reshape(len(x), *self.output_shape(x.shape[1:]))
        return np.asarray(y), ReduceCache(x, whole)

    def backward(self, dy: Array, cache: ReduceCache) -> tuple[Array, Grads]:
        """dx: dy for each number that it was made of."""
        x, y = cache
        self.check_dy(dy, (len(x), *self.output_shape(x.shape[1:])))
        dx = np.broadcast_to(dy.reshape(y.shape), x.shape)
        if self.function == "mean":
            dx = dx / dy.dtype.type(self._many(x))
        elif self.function != "sum":
            chosen = x == y
            many = chosen.sum(self._axes(x.ndim), keepdims=True)
            dx = dx * (chosen / many).astype(dy.dtype)
        return np.array(dx, dy.dtype), {}


class SliceCache(NamedTuple):
    """The shape of x, for ``Slice.backward``."""

    shape: Shape


class Slice(_Operation):
    """y = x[key], as NumPy has it; what is not taken has no gradient.

    ``key`` is what stands between the brackets, with [start, stop, step] or a slice for a:b:c; the
    batch axis comes whole. Raises ``ShapeError`` for what is not there.

    >>> Slice((slice(None), slice(1, 3), "...", 0)).output_shape((8, 8, 3))
    (2, 8)
    """

    additive = True

    def __init__(self, key: Any, name: str | None = None) -> None:
        super().__init__(name)
        parts = tuple(key) if isinstance(key, tuple | list) else (key,)
        self.key = tuple(map(self._plain, parts))

    def _plain(self, part: Any) -> Any:
        """A part of the key as JSON can hold it."""
        if part is Ellipsis or part is None or (isinstance(part, str) and part == "..."):
            return None if part is None else "..."
        if isinstance(part, slice):
            part = (part.start, part.stop, part.step)
        several = isinstance(part, tuple | list)
        numbers = [i for i in part if i is not None] if several else [part]
        whole = all(isinstance(i, int | np.integer) and not isinstance(i, bool) for i in numbers)
        if not whole or (several and (len(part) != 3 or part[2] == 0)):
            raise ConfigError(
                f"{self.who}: expected whole numbers, a:b:c, ... and None within [], got "
                f"{shown(part)}."
            )
        return tuple(None if i is None else int(i) for i in part) if several else int(part)

    def _index(self, rank: int) -> tuple[Any, ...]:
        """What NumPy takes for an array of so many axes."""
        index = [
            slice(*part) if isinstance(part, tuple) else Ellipsis if part == "..." else part
            for part in self.key
        ]
        if index[0] is Ellipsis:
            used = sum(part is not None for part in index[1:])
            index[0:1] = [slice(None)] * max(rank - used, 0)
        if not index or index[0] != slice(None):
            raise ShapeError(
                f"{self.who}: expected [:, ...], as the first axis is that of the batch, got the "
                f"key {self.key}."
            )
        return tuple(index)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of what is taken."""
        self.check_shape((None, *input_shape))
        x = np.broadcast_to(np.zeros((), np.int8), (1, *input_shape))
        try:
            found: Shape = x[self._index(x.ndim)].shape[1:]
        except IndexError as error:
            raise ShapeError(f"{self.who}: {error}, of an input of {tuple(input_shape)}.") from None
        if 0 in found:
            raise ShapeError(f"{self.who}: nothing is left of an input of {tuple(input_shape)}.")
        return found

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, SliceCache]:
        """x[key]."""
        x = self.check_input(x)
        self.output_shape(x.shape[1:])
        return np.asarray(x[self._index(x.ndim)]), SliceCache(x.shape)

    def backward(self, dy: Array, cache: SliceCache) -> tuple[Array, Grads]:
        """dy where x was taken, else 0."""
        self.check_dy(dy, (cache.shape[0], *self.output_shape(cache.shape[1:])))
        dx = np.zeros(cache.shape, dy.dtype)
        dx[self._index(dx.ndim)] = dy
        return dx, {}
