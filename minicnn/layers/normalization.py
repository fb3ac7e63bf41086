"""Layers that shift and scale channels, by given numbers or by learned ones."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import boolean, check_array, number, whole_number
from minicnn._core.shapes import Array, DType, Shape, axis_of
from minicnn._keras.modules import KerasModule
from minicnn.data.arrays import numbers
from minicnn.errors import ConfigError, DataError, ShapeError
from minicnn.layers.base import ExpectedShape, Grads, Layer

__getattr__ = KerasModule(__name__, "layers.normalization").__getattr__
"""For the other names that Keras has in a module of this name."""

SMALLEST = 1e-7
"""The least deviation that is divided by, as in Keras."""


class NormalizationCache(NamedTuple):
    """What dy is multiplied by."""

    factor: Array


class Normalization(Layer):
    """Inputs shifted and scaled to mean 0 and variance 1 by statistics of the data.

        y = (x - mean) / max(sqrt(variance), 1e-7)

    with a mean and a variance for each place along ``axis`` (counted with the batch axis; a number,
    several, or None for one of all). They are given as arguments, or taken from data by ``adapt``
    once the layer is built; until then they are 0 and 1. ``invert`` undoes it: y = x * deviation +
    mean. Nothing is learned. Raises ``ConfigError`` for one of mean and variance without the other.

    >>> layer = Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])
    >>> layer.build((2,), np.random.default_rng(0), "float64")
    >>> layer.forward(np.array([[3.0, 5.0]]))[0].tolist()
    [[1.0, 1.0]]
    """

    axis_argument = "axis"
    additive = True

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        for one in axis if isinstance(axis, tuple | list) else () if axis is None else (axis,):
            whole_number(self.who, "axis", one, least=-64)
        if (mean is None) != (variance is None):
            raise ConfigError(f"{self.who}: expected mean and variance together, got one of them.")
        for argument, value in (("mean", mean), ("variance", variance)):
            for one in np.ravel(np.asarray([] if value is None else value, object)):
                number(self.who, argument, one, least=0 if argument == "variance" else None)
        boolean(self.who, "invert", invert)
        self.axis = axis
        self.mean = mean.tolist() if isinstance(mean, np.ndarray) else mean
        self.variance = variance.tolist() if isinstance(variance, np.ndarray) else variance
        self.invert = invert

    def kept(self, input_shape: Shape) -> list[int]:
        """The axes, from 1, along which each place has statistics of its own."""
        given: Any = self.axis if isinstance(self.axis, tuple | list) else [self.axis]
        return sorted({axis_of(self.who, a, input_shape) for a in given if a is not None})

    def _shape(self, input_shape: Shape) -> Shape:
        """The shape of the statistics as they are stored."""
        return tuple(input_shape[i - 1] for i in self.kept(input_shape))

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's; raises ``ShapeError`` if the statistics do not fit it."""
        self.check_shape((None, *input_shape))
        shape = self._shape(input_shape)
        for argument in (self.mean, self.variance):
            if argument is not None and np.size(argument) not in (1, int(np.prod(shape))):
                raise ShapeError(
                    f"{self.who}: expected mean and variance of shape {shape}, got "
                    f"{np.shape(argument)}."
                )
        return input_shape

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make mean, variance and count as state, unless they were given as arguments."""
        super().build(input_shape, rng, dtype)
        if self.mean is None:
            self.add_state("mean", self._shape(input_shape), rng)
            self.add_state("variance", self._shape(input_shape), rng, "ones")
            self.add_state("count", (), rng)

    def adapt(self, data: Any) -> None:
        """Take mean and variance from arrays of inputs, such as the images to train on.

        A layer that is not built is built for them. Raises ``DataError`` for what is no array of
        numbers, ``ConfigError`` if they were given as arguments.
        """
        x = numbers(self.who, "data", data)
        if self.mean is not None:
            raise ConfigError(f"{self.who}: expected no mean and variance with adapt, got both.")
        if not len(x):
            raise DataError(f"{self.who}: expected data, got none (shape {x.shape}).")
        if not self.built:
            self.build(x.shape[1:], np.random.default_rng(0), self.dtype)
        self.check_shape(x.shape)
        kept = self.kept(x.shape[1:])
        others = tuple(i for i in range(x.ndim) if i not in kept)
        self.state["mean"][...] = x.mean(axis=others, dtype=np.float64)
        self.state["variance"][...] = x.var(axis=others, dtype=np.float64)

    def expected_shape(self) -> ExpectedShape:
        """Any; once built, as many numbers along ``axis``."""
        if self.input_shape is None:
            return ("...",)
        kept = self.kept(self.input_shape)
        return tuple(n if i in kept else f"axis {i}" for i, n in enumerate(self.input_shape, 1))

    def statistics(self, x: Array) -> tuple[Array, Array]:
        """(mean, deviation), with axes of 1 where they broadcast."""
        self.require_built()
        mean = self.state["mean"] if self.mean is None else np.asarray(self.mean, x.dtype)
        variance = (
            self.state["variance"] if self.variance is None else np.asarray(self.variance, x.dtype)
        )
        kept = self.kept(x.shape[1:])
        shape = tuple(n if i in kept else 1 for i, n in enumerate(x.shape))
        full = [np.broadcast_to(v.ravel(), int(np.prod(shape))) for v in (mean, variance)]
        mean, variance = (v.reshape(shape).astype(x.dtype) for v in full)
        return mean, np.maximum(np.sqrt(variance), x.dtype.type(SMALLEST))

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, NormalizationCache]:
        """The same in training and outside."""
        x = self.check_input(x)
        mean, deviation = self.statistics(x)
        if self.invert:
            return x * deviation + mean, NormalizationCache(deviation)
        return (x - mean) / deviation, NormalizationCache(1 / deviation)

    def backward(self, dy: Array, cache: NormalizationCache) -> tuple[Array, Grads]:
        """Dx = dy / deviation, or dy * deviation."""
        check_array(self.who, dy)
        return dy * cache.factor, {}

    def multiply_adds(self, input_shape: Shape) -> int:
        """One for each number."""
        return int(np.prod(input_shape))


class LayerScaleCache(NamedTuple):
    """The input."""

    x: Array


class LayerScale(Layer):
    """A learned factor for each channel: y = gamma * x.

    dx = gamma * dy, and dgamma = the sum of dy * x over all axes but the last. ``gamma`` begins at
    ``init_values``, small, so that a deep network begins as a shallow one. ``projection_dim`` is
    the number of channels. ConvNeXt has it, and keras.applications' files. Touvron et al. (2021).

    >>> LayerScale(1e-6, 8).output_shape((4, 4, 8))
    (4, 4, 8)
    """

    keras_module = "minicnn.layers"
    additive = True

    def __init__(self, init_values: float, projection_dim: int, name: str | None = None) -> None:
        super().__init__(name)
        number(self.who, "init_values", init_values)
        whole_number(self.who, "projection_dim", projection_dim, least=1)
        self.init_values = init_values
        self.projection_dim = projection_dim

    def expected_shape(self) -> ExpectedShape:
        """As many channels as were said."""
        return ("...", self.projection_dim)

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make gamma, a number for each channel."""
        super().build(input_shape, rng, dtype)
        start = {"class_name": "Constant", "config": {"value": float(self.init_values)}}
        self.add_param("gamma", (self.projection_dim,), rng, start)  # type: ignore[arg-type]

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, LayerScaleCache]:
        """Gamma * x."""
        x = self.check_input(x)
        return x * self.param("gamma"), LayerScaleCache(x)

    def backward(self, dy: Array, cache: LayerScaleCache) -> tuple[Array, Grads]:
        """(gamma * dy, the sum of dy * x)."""
        self.check_dy(dy, cache.x.shape)
        products = (dy * cache.x).reshape(-1, dy.shape[-1])
        return dy * self.params["gamma"], {"gamma": products.sum(axis=0)}

    def multiply_adds(self, input_shape: Shape) -> int:
        """One for each number."""
        return int(np.prod(input_shape))
