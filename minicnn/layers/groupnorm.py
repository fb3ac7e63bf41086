"""Normalization of groups of channels, and of vectors to length 1."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.shapes import Array, DType, Shape, axis_of, check_axis, sum_dtype
from minicnn.constraints import Constraint
from minicnn.errors import ConfigError, ShapeError
from minicnn.initializers import Initializer
from minicnn.layers.base import ExpectedShape, Grads, Layer
from minicnn.regularizers import Regularizer

SHORTEST = 1e-12
"""The least norm that is divided by, as in Keras."""


class GroupNormalizationCache(NamedTuple):
    """The arrays for ``GroupNormalization.backward``, all with the channels last."""

    x_hat: Array
    """The normalized input, (N, 1, places, C)."""
    inverse_deviation: Array
    """(N, 1, 1, C)."""
    shape: Shape
    """The shape of x."""


class GroupNormalization(Layer):
    """Bring each group of channels of each image to mean 0 and variance 1, then scale and shift.

        x_hat = (x - mean) / sqrt(variance + epsilon),   y = gamma * x_hat + beta

    ``axis`` has the channels, which fall into ``groups`` groups of neighbours; -1 makes each
    channel a group (instance normalization). Mean and (biased) variance are taken over a group's
    channels and all other axes of one image, in training and outside it; gamma and beta have a
    number for each channel. ``center`` and ``scale`` say whether there is a beta and a gamma.
    Raises ``ShapeError`` for channels that do not fall into so many groups. Wu & He (2018);
    numbers as in Keras.

    >>> layer = GroupNormalization(groups=2, epsilon=1e-12)
    >>> layer.build((4,), np.random.default_rng(0), "float64")
    >>> layer.forward(np.array([[1.0, 3.0, 10.0, 20.0]]))[0].round(4).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    axis_argument = "axis"
    additive = True

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: str | Initializer = "zeros",
        gamma_initializer: str | Initializer = "ones",
        beta_regularizer: str | Regularizer | None = None,
        gamma_regularizer: str | Regularizer | None = None,
        beta_constraint: str | Constraint | None = None,
        gamma_constraint: str | Constraint | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.keep(locals())
        if groups != -1 or isinstance(groups, bool):
            whole_number(self.who, "groups", groups)
        check_axis(self.who, axis)
        number(self.who, "epsilon", epsilon, above=0)
        self.groups = groups
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale

    def expected_shape(self) -> ExpectedShape:
        """Any number of axes before it is built; then as many, with as many channels."""
        if self.input_shape is None:
            return ("...",)
        channels = axis_of(self.who, self.axis, self.input_shape)
        return tuple(n if i == channels else f"axis {i}" for i, n in enumerate(self.input_shape, 1))

    def group_count(self, input_shape: Shape) -> int:
        """The number of groups; raises ``ShapeError`` if channels would be left over."""
        channels = input_shape[axis_of(self.who, self.axis, input_shape) - 1]
        groups = channels if self.groups == -1 else self.groups
        if channels % groups:
            raise ShapeError(
                f"{self.who}: expected channels that fall into {groups} equal groups, "
                f"got {channels}. Give it groups that divide {channels}."
            )
        return groups

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's; raises ``ShapeError`` if its channels do not fall into the groups."""
        self.check_shape((None, *input_shape))
        self.group_count(input_shape)
        return input_shape

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make gamma and beta, a number for each channel."""
        super().build(input_shape, rng, dtype)
        channels = input_shape[axis_of(self.who, self.axis, input_shape) - 1]
        if self.scale:
            self.add_param("gamma", (channels,), rng)
        if self.center:
            self.add_param("beta", (channels,), rng)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, GroupNormalizationCache]:
        """y, each group of each image normalized by its statistics."""
        self.require_built()
        x = self.check_input(x)
        groups, rows = self.group_count(x.shape[1:]), self._rows(x)
        x_hat = rows - self._means(rows, groups)
        variance = self._means(np.square(x_hat), groups)
        inverse_deviation = 1 / np.sqrt(variance + float(self.epsilon))
        x_hat *= inverse_deviation
        y = x_hat * self.params["gamma"] if self.scale else x_hat.copy()
        if self.center:
            y += self.params["beta"]
        return self._restored(y, x.shape), GroupNormalizationCache(
            x_hat, inverse_deviation, x.shape
        )

    def backward(self, dy: Array, cache: GroupNormalizationCache) -> tuple[Array, Grads]:
        """The gradient also flows through mean and variance.

        dx = (g - mean of g - x_hat * mean of g * x_hat) / deviation, with g = gamma * dy
        """
        x_hat, inverse_deviation, shape = cache
        self.check_dy(dy, shape)
        groups, dy = self.group_count(shape[1:]), self._rows(dy)
        g = dy * self.params["gamma"] if self.scale else dy
        dx = x_hat * -self._means(g * x_hat, groups)
        dx += g
        dx -= self._means(g, groups)
        dx *= inverse_deviation
        sums = {"gamma": dy * x_hat, "beta": dy}
        grads = {name: self.kernels.channel_sums(sums[name]) for name in self.params}
        return self._restored(dx, shape), grads

    def _rows(self, x: Array) -> Array:
        """x as (N, 1, places, C)."""
        last = np.moveaxis(x, axis_of(self.who, self.axis, x.shape[1:]), -1)
        return last.reshape(len(x), 1, int(np.prod(last.shape[1:-1])), last.shape[-1])

    def _restored(self, rows: Array, shape: Shape) -> Array:
        """The array of this shape that ``_rows`` made the rows of."""
        axis = axis_of(self.who, self.axis, shape[1:])
        others = shape[:axis] + shape[axis + 1 :]
        return np.moveaxis(rows.reshape(*others, shape[axis]), -1, axis)

    def _means(self, x: Array, groups: int) -> Array:
        """(N, 1, 1, C): for each channel the mean of its group."""
        n, _, places, channels = x.shape
        sums = self.kernels.image_sums(x) / places
        means = sums.reshape(n, groups, channels // groups).mean(axis=2)
        return np.repeat(means, channels // groups, axis=1)[:, None, None]

    def multiply_adds(self, input_shape: Shape) -> int:
        """Three for each number: in the variance, the normalization, the scale and shift."""
        return 3 * int(np.prod(input_shape))


class UnitNormalizationCache(NamedTuple):
    """The arrays for ``UnitNormalization.backward``."""

    y: Array
    norm: Array


class UnitNormalization(Layer):
    """Bring the numbers of each image along ``axis``, one or several axes, to length 1.

        y = x / norm,   norm = sqrt(sum of x * x)

    A norm below 1e-12 counts as 1e-12, so that zeros stay zeros. Raises ``ShapeError`` for inputs
    without such axes. Numbers as in Keras.

    >>> UnitNormalization().forward(np.array([[3.0, 4.0]]))[0].tolist()
    [[0.6, 0.8]]
    """

    axis_argument = "axis"
    additive = True

    def __init__(self, axis: int | Sequence[int] = -1, name: str | None = None) -> None:
        super().__init__(name)
        axes = axis if isinstance(axis, tuple | list) else (axis,)
        if not axes:
            raise ConfigError(f"{self.who}: expected axis as one or several axes, got {axis!r}.")
        for each in axes:
            check_axis(self.who, each)
        self.axis = axis

    def axes_of(self, input_shape: Shape) -> tuple[int, ...]:
        """The axes of a batch, in order, along which the numbers are of one vector."""
        given = self.axis if isinstance(self.axis, Sequence) else (self.axis,)
        return tuple(sorted({axis_of(self.who, axis, input_shape) for axis in given}))

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's; raises ``ShapeError`` if it has no such axes."""
        self.check_shape((None, *input_shape))
        self.axes_of(input_shape)
        return input_shape

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, UnitNormalizationCache]:
        """y, of length 1."""
        x = self.check_input(x)
        norm = np.maximum(np.sqrt(self._sums(np.square(x))), x.dtype.type(SHORTEST))
        y = x / norm
        return y, UnitNormalizationCache(y, norm)

    def backward(self, dy: Array, cache: UnitNormalizationCache) -> tuple[Array, Grads]:
        """dx = (dy - y * sum of dy * y) / norm; dx = dy / norm where the norm is a fixed 1e-12."""
        y, norm = cache
        self.check_dy(dy, y.shape)
        varies = norm > dy.dtype.type(SHORTEST)
        return (dy - y * self._sums(dy * y) * varies) / norm, {}

    def _sums(self, x: Array) -> Array:
        axes = self.axes_of(x.shape[1:])
        dtype = sum_dtype(x.dtype, int(np.prod([x.shape[axis] for axis in axes])))
        sums = x.sum(axis=axes, keepdims=True, dtype=dtype)
        return np.asarray(sums, x.dtype)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Two for each number: in the sum of squares, and the division."""
        return 2 * int(np.prod(input_shape))
