"""Batch normalization."""

import copy
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.parts import Gather, moments_of_all
from minicnn._core.shapes import Array, DType, Shape, axis_of, check_axis
from minicnn.constraints import Constraint
from minicnn.initializers import Initializer
from minicnn.kernels import Channels, Moments
from minicnn.kernels.base import Join
from minicnn.layers.base import ExpectedShape, Grads, Layer
from minicnn.regularizers import Regularizer


class BatchNormCache(NamedTuple):
    """For ``BatchNorm.backward``; ``mean`` and ``variance`` are None outside training."""

    x_hat: Array
    """The normalized input, with the channels last."""
    inverse_deviation: Array
    mean: Array | None
    variance: Array | None
    samples: int
    """How many numbers of a channel mean and variance are of."""


class CompiledCache(NamedTuple):
    """The same of kernels that normalize by themselves: x, from which they compute x_hat anew."""

    x: Array
    channels: Channels
    mean: Array | None
    variance: Array | None
    samples: int


class BatchNorm(Layer):
    """Bring each channel to mean 0 and variance 1, then scale and shift it.

        x_hat = (x - mean) / sqrt(variance + epsilon),   y = gamma * x_hat + beta

    In training, mean and (biased) variance are the batch's over all axes but
    ``axis``, and the moving ones follow: new = momentum * old + (1 - momentum) * batch
    (the reverse of PyTorch's momentum). Outside training, and when ``trainable`` is
    False, the moving ones are used. ``center`` and ``scale`` say whether there is a
    beta and a gamma. Ioffe & Szegedy (2015); numbers as in Keras.

    >>> layer = BatchNorm()
    >>> layer.build((3,), np.random.default_rng(0), "float64")
    >>> y, cache = layer.forward(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), training=True)
    >>> y.mean(axis=0).tolist()
    [0.0, 0.0, 0.0]
    """

    axis_argument = "axis"
    keras_name = "BatchNormalization"
    joins_parts = True
    gather: Gather | None = None
    """What tells other parts of a batch of this one, where it is cut: see ``joined``."""

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
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
        check_axis(self.who, axis)
        number(self.who, "momentum", momentum, least=0, most=1)
        number(self.who, "epsilon", epsilon, above=0)
        self.axis = axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale

    def expected_shape(self) -> ExpectedShape:
        """Any number of axes before it is built; then as many, with the same channels."""
        if self.input_shape is None:
            return ("...",)
        axis = self._channel_axis(self.input_shape)
        return tuple(n if i == axis else f"axis {i + 1}" for i, n in enumerate(self.input_shape))

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's; raises ``ShapeError`` if it has no such axis."""
        self.check_shape((None, *input_shape))
        self._channel_axis(input_shape)
        return input_shape

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make gamma, beta, moving_mean and moving_variance, one number each per channel."""
        super().build(input_shape, rng, dtype)
        channels = input_shape[self._channel_axis(input_shape)]
        if self.scale:
            self.add_param("gamma", (channels,), rng)
        if self.center:
            self.add_param("beta", (channels,), rng)
        self.add_state("moving_mean", (channels,), rng)
        self.add_state("moving_variance", (channels,), rng, "ones")

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, BatchNormCache | CompiledCache]:
        """y, normalized by the batch in training and by the moving statistics outside it."""
        self.require_built()
        x = self._channels_last(self.check_input(x))
        if self.kernels.normalization and x.dtype == self.dtype:
            cache = self.compiled_cache(x, training)
            y = self.kernels.normalization.normalize(x, cache.channels)
            return self._restored(y), cache
        mean = variance = None
        count = x.size // x.shape[-1]
        if training and self.trainable:
            mean = self.kernels.channel_sums(x) / count
            centred = x - mean
            variance = self.kernels.channel_sums(np.square(centred)) / count
            if self.gather is not None:
                mean, variance, count = moments_of_all(self.gather, mean, variance, count)
                centred = x - mean
            used = variance
        else:
            centred = x - self.state["moving_mean"]
            used = self.state["moving_variance"]
        inverse_deviation = 1 / np.sqrt(used + float(self.epsilon))
        x_hat = centred
        x_hat *= inverse_deviation
        y = x_hat * self.params["gamma"] if self.scale else x_hat.copy()
        if self.center:
            y += self.params["beta"]
        return self._restored(y), BatchNormCache(x_hat, inverse_deviation, mean, variance, count)

    def backward(self, dy: Array, cache: BatchNormCache | CompiledCache) -> tuple[Array, Grads]:
        """The gradient also flows through the batch's mean and variance, in training.

        dx = gamma / deviation * (dy - mean of dy - x_hat * mean of dy * x_hat)
        """
        dy = self._channels_last(dy)
        self.check_dy(dy, cache[0].shape)
        if isinstance(cache, CompiledCache):
            assert self.kernels.normalization is not None
            made = self.kernels.normalization.backward(
                dy, cache.x, cache.channels, batch=cache.mean is not None, join=self.join(cache)
            )
            assert made.dx is not None
            return self._restored(made.dx), self.named(made.dscale, made.dshift)
        x_hat, inverse_deviation, mean, _, count = cache
        sum_dy = self.kernels.channel_sums(dy)
        sum_dy_x_hat = self.kernels.channel_sums(dy * x_hat)
        factor = inverse_deviation * self.params["gamma"] if self.scale else inverse_deviation
        if mean is None:
            dx = dy * factor
        else:
            of_x_hat, of_all = self.joined_sums(sum_dy_x_hat, sum_dy)
            dx = x_hat * (-of_x_hat / count)
            dx += dy
            dx -= of_all / count
            dx *= factor
        return self._restored(dx), self.named(sum_dy_x_hat, sum_dy)

    def joined(self, gather: Gather) -> "BatchNorm":
        """The layer for one part of a batch: with mean, variance and sums of all parts.

        The gradients of gamma and beta are those of the part, which add up.
        """
        twin = copy.copy(self)
        vars(twin)["gather"] = gather
        return twin

    def joined_sums(self, dgamma: Array, dbeta: Array) -> tuple[Array, Array]:
        """Both sums, of all parts of the batch."""
        if self.gather is None:
            return dgamma, dbeta
        found = self.gather(np.stack([dgamma, dbeta]).astype(np.float64)).sum(axis=0)
        return found[0].astype(dgamma.dtype), found[1].astype(dbeta.dtype)

    def join(self, cache: CompiledCache) -> Join | None:
        """What makes the means of all parts of the batch from such sums; None if it is whole."""
        if self.gather is None or cache.mean is None:
            return None

        def means(dgamma: Array, dbeta: Array) -> tuple[Array, Array]:
            of_x_hat, of_all = self.joined_sums(dgamma, dbeta)
            return of_x_hat / cache.samples, of_all / cache.samples

        return means

    def named(self, dgamma: Array, dbeta: Array) -> Grads:
        """The gradients of those of gamma and beta that there are."""
        grads = {"gamma": dgamma} if self.scale else {}
        return grads | {"beta": dbeta} if self.center else grads

    def compiled_cache(
        self, x: Array, training: bool, noted: Moments | None = None
    ) -> CompiledCache:
        """What happens to each channel of x, for kernels that normalize by themselves.

        ``noted`` may have mean and variance already.
        """
        mean = variance = None
        count = x.size // x.shape[-1]
        if training and self.trainable:
            assert self.kernels.normalization is not None
            moments = self.kernels.normalization.moments if noted is None else noted.of
            mean, variance = moments(x)
            if self.gather is not None:
                mean, variance, count = moments_of_all(self.gather, mean, variance, count)
            used = mean, variance
        else:
            used = self.state["moving_mean"], self.state["moving_variance"]
        inverse_deviation = 1 / np.sqrt(used[1] + float(self.epsilon))
        scale = inverse_deviation * self.params["gamma"] if self.scale else inverse_deviation
        shift = self.params["beta"] if self.center else np.zeros_like(scale)
        channels = Channels(used[0], inverse_deviation, scale, shift)
        return CompiledCache(x, channels, mean, variance, count)

    def next_state(self, cache: Any) -> dict[str, Array]:
        """The moving statistics, one step nearer to the batch's."""
        if cache.mean is None or cache.variance is None:
            return self.state
        old, keep, new = self.state, float(self.momentum), 1 - float(self.momentum)
        return {
            "moving_mean": keep * old["moving_mean"] + new * cache.mean,
            "moving_variance": keep * old["moving_variance"] + new * cache.variance,
        }

    def _channel_axis(self, input_shape: Shape) -> int:
        """Which axis of one input holds the channels, counted from the front."""
        return axis_of(self.who, self.axis, input_shape) - 1

    def _channels_last(self, x: Array) -> Array:
        return np.moveaxis(x, self._channel_axis(x.shape[1:]) + 1, -1)

    def _restored(self, x: Array) -> Array:
        assert self.input_shape is not None
        return np.moveaxis(x, -1, self._channel_axis(self.input_shape) + 1)

    def multiply_adds(self, input_shape: Shape) -> int:
        """One for each number: outside training the layer is one scale and one shift."""
        return int(np.prod(input_shape))
