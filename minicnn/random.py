"""Keras' random numbers, drawn by NumPy's generators: the same distributions, not the same bits.

``seed`` is a whole number, which gives the same array each time, a ``SeedGenerator``, which goes
on, or None: then ``minicnn.utils.set_random_seed`` decides.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.random_seed import generator
from minicnn._core.settings import floatx
from minicnn._core.shapes import Array
from minicnn._core.signatures import checked
from minicnn._keras.public_names import asked
from minicnn.errors import ConfigError, shown

__all__ = [
    "SeedGenerator",
    "beta",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]

__getattr__ = asked("random")


class SeedGenerator:
    """A source of random numbers that goes on from draw to draw.

    >>> seeds = SeedGenerator(3)
    >>> first, second = uniform((2,), seed=seeds), uniform((2,), seed=seeds)
    >>> bool((first != second).all())
    True
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        if seed is not None:
            whole_number("SeedGenerator", "seed", seed, least=0)
        self.seed = seed
        self.name = name
        self.rng = generator(seed)

    def next(self) -> int:
        """A new seed each time, as a whole number."""
        return int(self.rng.integers(1 << 62))


def _drawn_by(who: str, seed: Any) -> np.random.Generator:
    if isinstance(seed, SeedGenerator):
        return seed.rng
    if seed is None:
        return generator(None)
    whole_number(who, "seed", seed, least=0)
    return np.random.default_rng(int(seed))


def _sizes(who: str, shape: Any) -> tuple[int, ...]:
    if np.ndim(shape) and None in shape:
        raise ConfigError(
            f"{who}: expected sizes, got {shown(shape)} of a symbolic tensor. In a network numbers "
            "are drawn by layers: GaussianNoise, Dropout, or a custom one: docs/write_your_own.md."
        )
    try:
        return tuple(int(n) for n in ([shape] if np.ndim(shape) == 0 else shape))
    except (TypeError, ValueError):
        raise ConfigError(
            f"{who}: expected shape as a tuple of sizes, got {shown(shape)}."
        ) from None


@checked
def uniform(
    shape: Sequence[int],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: Any = None,
) -> Array:
    """Numbers from ``minval`` to ``maxval``, each as likely; whole ones for a dtype of these.

    >>> uniform((2, 3), seed=0).shape
    (2, 3)
    """
    rng, sizes = _drawn_by("random.uniform", seed), _sizes("random.uniform", shape)
    kind = np.dtype(dtype or floatx())
    if kind.kind in "iu":
        return rng.integers(int(minval), int(maxval), sizes).astype(kind)
    return rng.uniform(minval, maxval, sizes).astype(kind)


@checked
def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Any = None,
) -> Array:
    """Numbers of a normal distribution.

    >>> bool(abs(normal((1000,), mean=3.0, seed=0).mean() - 3) < 0.1)
    True
    """
    rng, sizes = _drawn_by("random.normal", seed), _sizes("random.normal", shape)
    return rng.normal(mean, stddev, sizes).astype(dtype or floatx())


@checked
def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Any = None,
) -> Array:
    """Numbers of a normal distribution, none of them two deviations or more from the mean.

    >>> bool((abs(truncated_normal((1000,), seed=0)) < 2).all())
    True
    """
    rng, sizes = _drawn_by("random.truncated_normal", seed), _sizes("truncated_normal", shape)
    z = rng.standard_normal(sizes)
    while (far := np.abs(z) >= 2).any():
        z = np.where(far, rng.standard_normal(sizes), z)
    return (mean + stddev * z).astype(dtype or floatx())


@checked
def gamma(shape: Sequence[int], alpha: Any, dtype: str | None = None, seed: Any = None) -> Array:
    """Numbers of a gamma distribution of shape ``alpha`` and scale 1: x^(alpha-1) exp(-x).

    >>> bool(abs(gamma((4000,), alpha=2.0, seed=0).mean() - 2) < 0.1)
    True
    """
    rng, sizes = _drawn_by("random.gamma", seed), _sizes("random.gamma", shape)
    return rng.gamma(_positive("random.gamma", "alpha", alpha), size=sizes).astype(
        dtype or floatx()
    )


@checked
def beta(
    shape: Sequence[int], alpha: Any, beta: Any, dtype: str | None = None, seed: Any = None
) -> Array:
    """Numbers from 0 to 1 of a beta distribution, as mixes of two images are drawn.

    >>> bool(abs(beta((4000,), 1.0, 3.0, seed=0).mean() - 0.25) < 0.02)
    True
    """
    rng, sizes = _drawn_by("random.beta", seed), _sizes("random.beta", shape)
    first, second = (
        _positive("random.beta", name, value) for name, value in (("alpha", alpha), ("beta", beta))
    )
    return rng.beta(first, second, sizes).astype(dtype or floatx())


def _positive(who: str, name: str, value: Any) -> Any:
    if not np.all(np.asarray(value) > 0):
        raise ConfigError(f"{who}: expected {name} above 0, got {shown(value)}.")
    return value


@checked
def randint(
    shape: Sequence[int], minval: int, maxval: int, dtype: str = "int32", seed: Any = None
) -> Array:
    """Whole numbers from ``minval`` on, below ``maxval``.

    >>> bool(randint((100,), 0, 3, seed=0).max() == 2)
    True
    """
    rng = _drawn_by("random.randint", seed)
    return rng.integers(minval, maxval, _sizes("random.randint", shape)).astype(dtype)


@checked
def categorical(logits: Any, num_samples: int, dtype: str = "int32", seed: Any = None) -> Array:
    """Class numbers of each row's distribution softmax(logits): (N, classes) -> (N, samples).

    >>> categorical([[0.0, 50.0]], 4, seed=0).tolist()
    [[1, 1, 1, 1]]
    """
    rng, z = _drawn_by("random.categorical", seed), np.asarray(logits, np.float64)
    whole_number("random.categorical", "num_samples", num_samples)
    # The largest of logits with Gumbel noise is a draw of their softmax.
    noisy = z[:, None] + rng.gumbel(size=(len(z), num_samples, z.shape[-1]))
    return np.asarray(noisy.argmax(axis=-1), dtype)


@checked
def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Array:
    """A copy of x in another order along ``axis``.

    >>> sorted(shuffle([1, 2, 3], seed=0).tolist())
    [1, 2, 3]
    """
    return np.asarray(_drawn_by("random.shuffle", seed).permutation(np.asarray(x), axis=axis))


@checked
def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Array:
    """x with a part ``rate`` of its numbers set to 0 and the others divided by 1 - rate.

    >>> sorted(set(dropout(np.ones(100), 0.5, seed=0).tolist()))
    [0.0, 2.0]
    """
    number("random.dropout", "rate", rate, least=0, below=1)
    x = np.asarray(inputs)
    x = x if x.dtype.kind == "f" else x.astype(floatx())
    kept = _drawn_by("random.dropout", seed).random(x.shape if noise_shape is None else noise_shape)
    return np.asarray(np.where(kept >= rate, x / x.dtype.type(1 - rate), x.dtype.type(0)), x.dtype)
