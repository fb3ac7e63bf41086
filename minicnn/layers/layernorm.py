"""Layer normalization."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.shapes import Array, DType, Shape, axis_of, check_axis
from minicnn.constraints import Constraint
from minicnn.errors import ConfigError
from minicnn.initializers import Initializer
from minicnn.kernels import Rows
from minicnn.layers.base import ExpectedShape, Grads, Layer
from minicnn.regularizers import Regularizer


class LayerNormCache(NamedTuple):
    """The arrays for ``LayerNorm.backward``."""

    x_hat: Array
    """The normalized input, with the numbers that were normalized together in a row."""
    inverse_deviation: Array
    shape: Shape
    """The shape of x."""


class CompiledCache(NamedTuple):
    """The same of kernels that normalize by themselves, and compute x_hat anew."""

    rows: Rows
    shape: Shape


class LayerNorm(Layer):
    """Bring the numbers of each image to mean 0 and variance 1, then scale and shift them.

        x_hat = (x - mean) / sqrt(variance + epsilon),   y = gamma * x_hat + beta

    Mean and (biased) variance are taken over ``axis``, one or several, of each image by
    itself, in training and outside it; gamma and beta have the shape of those axes.
    ``center`` and ``scale`` say whether there is a beta and a gamma. Raises
    ``ShapeError`` for inputs without such axes. Ba et al. (2016); numbers as in Keras.

    >>> layer = LayerNorm(epsilon=1e-12)
    >>> layer.build((3,), np.random.default_rng(0), "float64")
    >>> layer.forward(np.array([[1.0, 2.0, 3.0]]))[0].round(4).tolist()
    [[-1.2247, 0.0, 1.2247]]
    """

    axis_argument = "axis"
    keras_name = "LayerNormalization"
    additive = True

    _parsed: tuple[Any, tuple[int, ...]] | None = None

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
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
        axes = axis if isinstance(axis, tuple | list) else (axis,)
        if not axes:
            raise ConfigError(f"{self.who}: expected axis as one or several axes, got {axis!r}.")
        for each in axes:
            check_axis(self.who, each)
        number(self.who, "epsilon", epsilon, above=0)
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale

    def expected_shape(self) -> ExpectedShape:
        """Any number of axes before it is built; then as many, the normalized ones as they were."""
        if self.input_shape is None:
            return ("...",)
        axes = self._axes(self.input_shape)
        return tuple(n if i in axes else f"axis {i}" for i, n in enumerate(self.input_shape, 1))

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's; raises ``ShapeError`` if it has no such axes."""
        self.check_shape((None, *input_shape))
        self._axes(input_shape)
        return input_shape

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make gamma and beta, in the shape of the normalized axes."""
        super().build(input_shape, rng, dtype)
        axes = self._axes(input_shape)
        self._parsed = (self.axis, len(input_shape)), axes
        shape = tuple(input_shape[axis - 1] for axis in axes)
        if self.scale:
            self.add_param("gamma", shape, rng)
        if self.center:
            self.add_param("beta", shape, rng)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, LayerNormCache | CompiledCache]:
        """y, each image normalized by its statistics."""
        self.require_built()
        x = self.check_input(x)
        rows, kernels = self._rows(x), self.kernels.layer_normalization
        if kernels and x.dtype == self.dtype and rows.shape[1] <= kernels.longest:
            gamma, beta = self.params.get("gamma"), self.params.get("beta")
            y, kept = kernels.normalize(rows, gamma, beta, float(self.epsilon))
            return self._restored(y, x.shape), CompiledCache(kept, x.shape)
        x_hat = rows - rows.mean(axis=1, keepdims=True)
        variance = np.square(x_hat).mean(axis=1, keepdims=True)
        inverse_deviation = 1 / np.sqrt(variance + float(self.epsilon))
        x_hat *= inverse_deviation
        y = x_hat * self.params["gamma"].ravel() if self.scale else x_hat.copy()
        if self.center:
            y += self.params["beta"].ravel()
        return self._restored(y, x.shape), LayerNormCache(x_hat, inverse_deviation, x.shape)

    def backward(self, dy: Array, cache: LayerNormCache | CompiledCache) -> tuple[Array, Grads]:
        """The gradient also flows through mean and variance.

        dx = (g - mean of g - x_hat * mean of g * x_hat) / deviation, with g = gamma * dy
        """
        self.check_dy(dy, cache.shape)
        dy = self._rows(dy)
        if isinstance(cache, CompiledCache):
            assert self.kernels.layer_normalization is not None
            dx, dgamma, dbeta = self.kernels.layer_normalization.backward(
                dy, cache.rows, self.params.get("gamma")
            )
            made = {"gamma": dgamma, "beta": dbeta}
            grads = {name: made[name].reshape(p.shape) for name, p in self.params.items()}
            return self._restored(dx, cache.shape), grads
        x_hat, inverse_deviation, shape = cache
        g = dy * self.params["gamma"].ravel() if self.scale else dy
        dx = x_hat * -(g * x_hat).mean(axis=1, keepdims=True)
        dx += g
        dx -= g.mean(axis=1, keepdims=True)
        dx *= inverse_deviation
        sums = {"gamma": dy * x_hat, "beta": dy}
        grads = {
            name: self.kernels.channel_sums(sums[name]).reshape(array.shape)
            for name, array in self.params.items()
        }
        return self._restored(dx, shape), grads

    def _axes(self, input_shape: Shape) -> tuple[int, ...]:
        """The normalized axes of a batch in their order, counted from the front."""
        if self._parsed is not None and self._parsed[0] == (self.axis, len(input_shape)):
            return self._parsed[1]
        given = self.axis if isinstance(self.axis, Sequence) else (self.axis,)
        axes = sorted(axis_of(self.who, axis, input_shape) for axis in given)
        if len(set(axes)) < len(axes):
            raise ConfigError(f"{self.who}: expected axis without repetition, got {self.axis!r}.")
        return tuple(axes)

    def _rows(self, x: Array) -> Array:
        """The numbers that are normalized together, in a row; one row after another."""
        axes = self._axes(x.shape[1:])
        together = np.moveaxis(x, axes, range(-len(axes), 0))
        return together.reshape(-1, int(np.prod([x.shape[axis] for axis in axes])))

    def _restored(self, rows: Array, shape: Shape) -> Array:
        """The array of this shape that ``_rows`` made the rows of."""
        axes = self._axes(shape[1:])
        rest = [n for axis, n in enumerate(shape) if axis not in axes]
        together = rows.reshape(*rest, *(shape[axis] for axis in axes))
        return np.moveaxis(together, range(-len(axes), 0), axes)

    def multiply_adds(self, input_shape: Shape) -> int:
        """Three for each number: in the variance, the normalization, the scale and shift."""
        return 3 * int(np.prod(input_shape))
