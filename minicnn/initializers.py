"""How the numbers of a layer start, under Keras' names and with its distributions.

An initializer is called with a shape, the model's generator and a dtype. One with a ``seed`` leaves
that generator alone and draws the same numbers at every call. The fans that most of them look at
are, for a kernel (kh, kw, c_in, c_out),

    fan_in = kh * kw * c_in,  fan_out = kh * kw * c_out.

Numbers are drawn in double precision and then rounded, so that a float32 and a
float64 model of one seed start alike.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from minicnn._core.arguments import number
from minicnn._core.config import Configurable, by_name, exported, find
from minicnn._core.custom_objects import get_custom_objects
from minicnn._core.shapes import Array, DType, Shape
from minicnn._keras.descriptions import FunctionName
from minicnn._keras.public_names import asked
from minicnn.errors import ConfigError, shown

__getattr__ = asked("initializers")

TRUNCATED_STDDEV = 0.87962566103423978
"""The standard deviation of a unit normal cut off at two standard deviations."""


_left_unset = ContextVar("_left_unset", default=False)


@contextmanager
def left_unset() -> Iterator[None]:
    """A context in which initializers draw nothing; their arrays take no memory and are read-only.

    A layer that is built so knows its shapes; a file's arrays replace them once their shapes are
    checked.

    >>> with left_unset():
    ...     Ones()((1_000_000, 1_000_000), np.random.default_rng(0)).shape
    (1000000, 1000000)
    """
    token = _left_unset.set(True)
    try:
        yield
    finally:
        _left_unset.reset(token)


class Initializer(Configurable):
    """Something that fills a new array."""

    keras_module = "keras.initializers"

    seed: int | None = None
    """The seed of an initializer that draws, or None for the model's generator."""

    def __call__(
        self, shape: Shape, rng: np.random.Generator, dtype: DType | type | str = "float32"
    ) -> Array:
        """A new array of ``shape`` and ``dtype``, drawn from ``rng`` if there is no seed.

        >>> GlorotUniform()((3, 3, 1, 8), np.random.default_rng(0)).shape
        (3, 3, 1, 8)
        """
        if _left_unset.get():
            return np.broadcast_to(np.zeros((), dtype), shape)
        if self.seed is not None:
            rng = np.random.default_rng(self.seed)
        return self.draw(shape, rng).astype(dtype)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        """The numbers, in double precision."""
        raise TypeError(f"{type(self).__name__} defines no draw(shape, rng).")


class Zeros(Initializer):
    """All 0.

    >>> Zeros()((2,), np.random.default_rng(0)).tolist()
    [0.0, 0.0]
    """

    aliases = ("zero",)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        return np.zeros(shape)


class Ones(Initializer):
    """All 1.

    >>> Ones()((2,), np.random.default_rng(0)).tolist()
    [1.0, 1.0]
    """

    aliases = ("one",)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        return np.ones(shape)


class Constant(Initializer):
    """All ``value``.

    >>> Constant(0.5)((2,), np.random.default_rng(0)).tolist()
    [0.5, 0.5]
    """

    def __init__(self, value: float = 0.0) -> None:
        number("Constant", "value", value)
        self.value = value

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        return np.full(shape, float(self.value))


class Identity(Initializer):
    """The unit matrix times ``gain``: for a kernel of two axes, of which one may be longer.

    >>> initializers.Identity(2.0)((2, 3), np.random.default_rng(0)).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """

    aliases = ("IdentityInitializer",)

    def __init__(self, gain: float = 1.0) -> None:
        number("Identity", "gain", gain)
        self.gain = gain

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        if len(shape) != 2:
            raise ConfigError(
                f"Identity: expected a shape of two axes, as that of a Dense kernel, got {shape}."
            )
        return self.gain * np.eye(*shape)


class RandomNormal(Initializer):
    """Normal with the given mean and standard deviation.

    >>> draw = RandomNormal(mean=1.0, stddev=0.1, seed=0)
    >>> x = draw((100, 100), np.random.default_rng())
    >>> round(float(x.mean()), 2), round(float(x.std()), 2)
    (1.0, 0.1)
    """

    aliases = ("normal",)

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        number("RandomNormal", "mean", mean)
        number("RandomNormal", "stddev", stddev, least=0)
        self.mean = mean
        self.stddev = stddev
        self.seed = _seed("RandomNormal", seed)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        return rng.normal(self.mean, self.stddev, shape)


class TruncatedNormal(Initializer):
    """Normal, drawn again wherever it fell more than two ``stddev`` from the mean.

    >>> x = TruncatedNormal(stddev=0.5, seed=0)((100, 100), np.random.default_rng())
    >>> bool(np.abs(x).max() <= 1)
    True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        number("TruncatedNormal", "mean", mean)
        number("TruncatedNormal", "stddev", stddev, least=0)
        self.mean = mean
        self.stddev = stddev
        self.seed = _seed("TruncatedNormal", seed)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        return self.mean + self.stddev * _truncated_normal(shape, rng)


class RandomUniform(Initializer):
    """Uniform between ``minval`` and ``maxval``.

    >>> x = RandomUniform(0.0, 2.0, seed=0)((100, 100), np.random.default_rng())
    >>> round(float(x.min()), 2), round(float(x.max()), 2)
    (0.0, 2.0)
    """

    aliases = ("uniform",)

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        number("RandomUniform", "minval", minval)
        number("RandomUniform", "maxval", maxval)
        self.minval = minval
        self.maxval = maxval
        self.seed = _seed("RandomUniform", seed)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        return rng.uniform(self.minval, self.maxval, shape)


class VarianceScaling(Initializer):
    """Zero mean and variance scale / fan, with fan_in, fan_out or their mean as the fan.

    ``distribution`` is "uniform" (limit sqrt(3 * scale / fan)), "untruncated_normal",
    or "truncated_normal", whose stddev is divided by 0.8796 to make up for the cut.
    Glorot & Bengio (2010), He et al. (2015) and LeCun et al. (1998) are special cases.

    >>> x = VarianceScaling(2.0, "fan_out", seed=0)((3, 3, 30, 50), np.random.default_rng())
    >>> round(float(x.var() * 3 * 3 * 50), 1)
    2.0
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        number("VarianceScaling", "scale", scale, above=0)
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ConfigError(
                f"VarianceScaling: expected mode fan_in, fan_out or fan_avg, got {mode!r}."
            )
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ConfigError(
                "VarianceScaling: expected distribution truncated_normal, untruncated_normal "
                f"or uniform, got {distribution!r}."
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.seed = _seed(type(self).__name__, seed)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return rng.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return rng.normal(0.0, math.sqrt(variance), shape)
        return math.sqrt(variance) / TRUNCATED_STDDEV * _truncated_normal(shape, rng)


class _Scaled(VarianceScaling):
    settings: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self.settings, seed)


class GlorotUniform(_Scaled):
    """Uniform within sqrt(6 / (fan_in + fan_out)): Keras' default for kernels.

    >>> x = GlorotUniform(seed=0)((200, 100), np.random.default_rng())
    >>> round(float(np.abs(x).max()), 2)
    0.14
    """

    settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of variance 2 / (fan_in + fan_out).

    >>> x = GlorotNormal(seed=0)((200, 100), np.random.default_rng())
    >>> round(float(x.std()), 2)
    0.08
    """

    settings = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform within sqrt(6 / fan_in), meant for ReLU.

    >>> x = HeUniform(seed=0)((200, 100), np.random.default_rng())
    >>> round(float(np.abs(x).max()), 2)
    0.17
    """

    settings = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of variance 2 / fan_in, meant for ReLU.

    >>> x = HeNormal(seed=0)((200, 100), np.random.default_rng())
    >>> round(float(x.std()), 2)
    0.1
    """

    settings = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform within sqrt(3 / fan_in).

    >>> x = LecunUniform(seed=0)((200, 100), np.random.default_rng())
    >>> round(float(np.abs(x).max()), 2)
    0.12
    """

    settings = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of variance 1 / fan_in.

    >>> x = LecunNormal(seed=0)((200, 100), np.random.default_rng())
    >>> round(float(x.std()), 2)
    0.07
    """

    settings = (1.0, "fan_in", "truncated_normal")


class Orthogonal(Initializer):
    """An orthogonal matrix (all axes but the last make its rows) times ``gain``.

    Saxe et al. (2014). The matrix comes from the QR decomposition of a normal one,
    with the signs of R's diagonal moved into Q, so that all are equally likely.

    >>> q = Orthogonal(seed=0)((3, 3), np.random.default_rng(), "float64")
    >>> np.allclose(q @ q.T, np.eye(3))
    True
    """

    aliases = ("OrthogonalInitializer",)

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        number("Orthogonal", "gain", gain)
        self.gain = gain
        self.seed = _seed("Orthogonal", seed)

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:  # noqa: D102
        if len(shape) < 2:
            raise ConfigError(f"Orthogonal: expected a shape of two axes or more, got {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return np.asarray(self.gain * (q if rows >= columns else q.T).reshape(shape))


def fans(shape: Shape) -> tuple[float, float]:
    """(fan_in, fan_out) of a kernel: how many numbers come into and go out of one unit.

    >>> fans((3, 3, 16, 32)), fans((400, 10))
    ((144, 288), (400, 10))
    """
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    pixels = math.prod(shape[:-2])
    return pixels * shape[-2], pixels * shape[-1]


def _seed(who: str, seed: int | None) -> int | None:
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if seed is not None and not (whole and seed >= 0):
        raise ConfigError(
            f"{who}: expected seed as a whole number of 0 or more, or None, got {seed!r}."
        )
    return seed


def _truncated_normal(shape: Shape, rng: np.random.Generator) -> Array:
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values


_BY_NAME = by_name(exported(Initializer, globals(), "get").values())

# Keras has each class under its name in snake case as well.
zeros, ones, constant, identity, orthogonal = Zeros, Ones, Constant, Identity, Orthogonal
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
# And of old.
zero, one, normal, uniform = Zeros, Ones, RandomNormal, RandomUniform
random_normal, truncated_normal, random_uniform = RandomNormal, TruncatedNormal, RandomUniform
variance_scaling = VarianceScaling
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal


class _FromFunction(Initializer):
    """What a function of the shape gives, as Keras takes one: ``f(shape, dtype=None)``.

    Raises ``ConfigError`` for numbers of another shape.

    >>> _FromFunction(lambda shape, dtype=None: np.full(shape, 2))((2,), np.random.default_rng(0))
    array([2., 2.], dtype=float32)
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        typed = "dtype" in inspect.signature(self.function).parameters
        made = np.asarray(self.function(shape, **({"dtype": "float32"} if typed else {})))
        if made.shape != tuple(shape) or made.dtype.kind not in "biuf":
            name = getattr(self.function, "__name__", "function")
            raise ConfigError(f"{name}: expected numbers of shape {shape}, got {shown(made)}.")
        return made.astype(np.float64)


def get(who: str, argument: str, value: Any) -> Initializer:
    """The initializer that ``value`` names; raises ``ConfigError`` when there is none.

    >>> get("Dense", "kernel_initializer", "he_normal")
    HeNormal()
    """
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        value = FunctionName(value.get("config"))
    custom: Any = get_custom_objects().get(value) if isinstance(value, str) else value
    of_function = callable(custom) and not isinstance(custom, Initializer | type)
    if of_function and not hasattr(custom, "stands_for"):
        return _FromFunction(custom)
    return find(who, argument, value, Initializer, _BY_NAME)
