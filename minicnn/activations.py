"""Activation functions and their derivatives, by Keras' names.

Most derivatives can be written in y = f(x) alone, so a layer need remember only
its output: for the sigmoid, dx = dy * y * (1 - y). Those of functions that fall and
then rise (gelu, silu, mish, hard_silu) need x itself, and say so (``of_input``).
Nothing here overflows, but for ``exponential``, whose infinity is the right answer.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minicnn._core.shapes import Array, sum_dtype
from minicnn._core.suggestions import did_you_mean
from minicnn._keras.public_names import asked
from minicnn.errors import ConfigError, shown

__all__ = [
    "ACTIVATIONS",
    "Function",
    "NameOrFunction",
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "name_of",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

__getattr__ = asked("activations")

NameOrFunction: TypeAlias = str | Callable[[Array], Array]
"""An argument ``activation``: "relu", or the function ``relu`` itself."""

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""With these, ``selu`` keeps mean 0 and variance 1 as they are (Klambauer et al., 2017)."""


def linear(x: Array) -> Array:
    """x itself."""
    return x


def relu(x: Array) -> Array:
    """max(x, 0).

    >>> relu(np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return np.asarray(np.maximum(x, 0))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow for large negative x.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


def tanh(x: Array) -> Array:
    """The hyperbolic tangent.

    >>> tanh(np.array([0.0])).tolist()
    [0.0]
    """
    return np.asarray(np.tanh(x))


def softmax(x: Array, axis: int = -1) -> Array:
    """exp(x) / sum of exp(x) along ``axis``, shifted by the maximum so nothing overflows.

    >>> softmax(np.array([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(e / _along(e, axis))


def softmax_gradient(dy: Array, y: Array, axis: int = -1) -> Array:
    """The gradient through softmax: dx = y * (dy - sum of dy * y)."""
    return np.asarray(y * (dy - _along(dy * y, axis)))


def _along(x: Array, axis: int) -> Array:
    """The sums along an axis, which stays, with length 1."""
    last = axis in (-1, x.ndim - 1)
    sums = x.sum(axis, dtype=sum_dtype(x.dtype, 1 if last else x.shape[axis]), keepdims=True)
    return np.asarray(sums, x.dtype)


def log_softmax(x: Array, axis: int = -1) -> Array:
    """x - log(sum of exp(x)) along ``axis``: the logarithm of ``softmax``, never minus infinity.

    >>> log_softmax(np.array([0.0, -1000.0])).tolist()
    [0.0, -1000.0]
    """
    shifted = x - x.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(_along(np.exp(shifted), axis)))


def log_softmax_gradient(dy: Array, y: Array) -> Array:
    """The gradient through log_softmax: dx = dy - exp(y) * sum of dy."""
    return np.asarray(dy - np.exp(y) * np.sum(dy, axis=-1, keepdims=True))


def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """x above 0, else negative_slope * x.

    >>> leaky_relu(np.array([-1.0, 2.0])).tolist()
    [-0.2, 2.0]
    """
    return np.where(x > 0, x, negative_slope * x)


def leaky_relu_gradient(dy: Array, y: Array, negative_slope: float = 0.2) -> Array:
    """The gradient through leaky_relu: dy where y > 0, else negative_slope * dy."""
    return np.where(y > 0, dy, negative_slope * dy)


def relu6(x: Array) -> Array:
    """max(x, 0), but at most 6.

    >>> relu6(np.array([-1.0, 2.0, 9.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return np.asarray(np.clip(x, 0, 6))


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x above 0, else alpha * (exp(x) - 1). Clevert et al. (2016).

    >>> elu(np.array([-1000.0, 2.0])).tolist()
    [-1.0, 2.0]
    """
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_gradient(dy: Array, y: Array, alpha: float = 1.0) -> Array:
    """The gradient through elu: dy where y > 0, else dy * (y + alpha)."""
    return np.where(y > 0, dy, dy * (y + alpha))


def selu(x: Array) -> Array:
    """1.0507 * elu(x, alpha=1.6733). Klambauer et al. (2017).

    >>> selu(np.array([-1000.0, 1.0])).round(4).tolist()
    [-1.7581, 1.0507]
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def selu_gradient(dy: Array, y: Array) -> Array:
    """The gradient through selu: dy * (y + 1.7581) where y < 0, else 1.0507 * dy."""
    return np.where(y < 0, dy * (y + SELU_SCALE * SELU_ALPHA), SELU_SCALE * dy)


def exponential(x: Array) -> Array:
    """exp(x), which is infinite where no number is large enough.

    >>> exponential(np.array([0.0, 1000.0])).tolist()
    [1.0, inf]
    """
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(x))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)).

    >>> softplus(np.array([-1000.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def softsign(x: Array) -> Array:
    """x / (1 + |x|).

    >>> softsign(np.array([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """
    return np.asarray(x / (1 + np.abs(x)))


def hard_sigmoid(x: Array) -> Array:
    """relu6(x + 3) / 6: a straight line from -3 to 3, as in Keras 3 and PyTorch.

    >>> hard_sigmoid(np.array([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return relu6(x + 3) / 6


def hard_silu(x: Array) -> Array:
    """x * hard_sigmoid(x), also called hard_swish. Howard et al. (2019).

    >>> hard_silu(np.array([-4.0, 1.5, 4.0])).tolist()
    [-0.0, 1.125, 4.0]
    """
    return np.asarray(x * hard_sigmoid(x))


def hard_silu_gradient(dy: Array, x: Array) -> Array:
    """The gradient through hard_silu: dy * (s + x / 6 between the corners), s = hard_sigmoid(x)."""
    s = hard_sigmoid(x)
    return np.asarray(dy * (s + x / 6 * ((s > 0) & (s < 1))))


def silu(x: Array) -> Array:
    """x * sigmoid(x), also called swish. Ramachandran et al. (2017).

    >>> silu(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [-0.0, 0.0, 1000.0]
    """
    return np.asarray(x * sigmoid(x))


def silu_gradient(dy: Array, x: Array) -> Array:
    """The gradient through silu: dy * s * (1 + x * (1 - s)) with s = sigmoid(x)."""
    s = sigmoid(x)
    return np.asarray(dy * s * (1 + x * (1 - s)))


def mish(x: Array) -> Array:
    """x * tanh(softplus(x)). Misra (2019).

    >>> mish(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [-0.0, 0.0, 1000.0]
    """
    return np.asarray(x * np.tanh(softplus(x)))


def mish_gradient(dy: Array, x: Array) -> Array:
    """The gradient through mish: dy * (t + x * sigmoid(x) * (1 - t * t)), t = tanh(softplus(x))."""
    t = np.tanh(softplus(x))
    return np.asarray(dy * (t + x * sigmoid(x) * (1 - t * t)))


def gelu(x: Array) -> Array:
    """x * (1 + erf(x / sqrt(2))) / 2: x times the chance that a normal number is below x.

    Hendrycks & Gimpel (2016); the exact form, which is Keras' default too.

    >>> gelu(np.array([-1000.0, 1.0, 1000.0])).round(6).tolist()
    [-0.0, 0.841345, 1000.0]
    """
    return np.asarray(x * _normal_cdf(x))


def gelu_gradient(dy: Array, x: Array) -> Array:
    """The gradient through gelu: dy * (cdf(x) + x * exp(-x * x / 2) / sqrt(2 pi))."""
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return np.asarray(dy * (_normal_cdf(x) + x * density))


def _normal_cdf(x: Array) -> Array:
    return np.asarray(0.5 * (1 + erf(x / math.sqrt(2))))


def erf(x: Array) -> Array:
    """2 / sqrt(pi) * the integral of exp(-t * t) from 0 to x, exact to the last digit but one.

    Below 1, x * T(x * x) / U(x * x); above, 1 - exp(-x * x) * P(x) / Q(x); from 6 on it
    is 1 in double precision. The polynomials are those of S. L. Moshier's Cephes library
    (ndtr.c), after Cody (1969); all their numbers are positive, so nothing cancels and
    they serve in single precision too.

    >>> erf(np.array([-10.0, 0.0, 0.5])).round(6).tolist()
    [-1.0, 0.0, 0.5205]
    """
    size = np.minimum(np.abs(x), 6.0)
    square = size * size
    small = size * _polynomial(square, ERF_T) / _polynomial(square, ERF_U)
    large = 1 - np.exp(-square) * _polynomial(size, ERF_P) / _polynomial(size, ERF_Q)
    return np.asarray(np.copysign(np.where(size < 1, small, large), x))


# fmt: off
ERF_T = (
    9.60497373987051638749, 90.0260197203842689217, 2232.00534594684319226,
    7003.32514112805075473, 55592.3013010394962768,
)
ERF_U = (
    1.0, 33.5617141647503099647, 521.357949780152679795, 4594.32382970980127987,
    22629.0000613890934246, 49267.3942608635921086,
)
ERF_P = (
    2.46196981473530512524e-10, 0.564189564831068821977, 7.46321056442269912687,
    48.6371970985681366614, 196.520832956077098242, 526.445194995477358631,
    934.528527171957607540, 1027.55188689515710272, 557.535335369399327526,
)
ERF_Q = (
    1.0, 13.2281951154744992508, 86.7072140885989742329, 354.937778887819891062,
    975.708501743205489753, 1823.90916687909736289, 2246.33760818710981792,
    1656.66309194161350182, 557.535340817727675546,
)
# fmt: on


def _polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """The polynomial in x, its highest power first; NumPy's would return float64."""
    y = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        y *= x
        y += coefficient
    return y


swish, hard_swish = silu, hard_silu


class Function(NamedTuple):
    """An activation function and its derivative."""

    forward: Callable[[Array], Array]
    gradient: Callable[[Array, Array], Array]
    """(dy, y) -> dx; with ``of_input``, (dy, x) -> dx."""
    of_input: bool = False
    """Whether the derivative is written in x, because y does not tell it."""

    def activate(self, x: Array) -> tuple[Array, Array]:
        """(y, the argument of ``gradient``)."""
        y = self.forward(x)
        return y, (x if self.of_input else y)


ACTIVATIONS: dict[str, Function] = {
    "linear": Function(linear, lambda dy, y: dy),
    "relu": Function(relu, lambda dy, y: dy * (y > 0)),
    "leaky_relu": Function(leaky_relu, leaky_relu_gradient),
    "relu6": Function(relu6, lambda dy, y: dy * ((y > 0) & (y < 6))),
    "elu": Function(elu, elu_gradient),
    "selu": Function(selu, selu_gradient),
    "exponential": Function(exponential, lambda dy, y: dy * y),
    "gelu": Function(gelu, gelu_gradient, of_input=True),
    "silu": Function(silu, silu_gradient, of_input=True),
    "swish": Function(silu, silu_gradient, of_input=True),
    "mish": Function(mish, mish_gradient, of_input=True),
    "softplus": Function(softplus, lambda dy, y: dy * -np.expm1(-y)),
    "softsign": Function(softsign, lambda dy, y: dy * (1 - np.abs(y)) ** 2),
    "sigmoid": Function(sigmoid, lambda dy, y: dy * y * (1 - y)),
    "hard_sigmoid": Function(hard_sigmoid, lambda dy, y: dy / 6 * ((y > 0) & (y < 1))),
    "hard_silu": Function(hard_silu, hard_silu_gradient, of_input=True),
    "hard_swish": Function(hard_silu, hard_silu_gradient, of_input=True),
    "tanh": Function(tanh, lambda dy, y: dy * (1 - y * y)),
    "softmax": Function(softmax, softmax_gradient),
    "log_softmax": Function(log_softmax, log_softmax_gradient),
}


def name_of(who: str, activation: NameOrFunction | None) -> str | None:
    """The name under which an activation is kept, for its name or one of the functions here.

    None stays None. Raises ``ConfigError`` for any other.

    >>> name_of("Dense", relu), name_of("Dense", "swish"), name_of("Dense", None)
    ('relu', 'swish', None)
    """
    name = _known(activation)
    if activation is None or name is not None:
        return name
    raise ConfigError(
        f"{who}: expected activation to be one of {', '.join(ACTIVATIONS)}, a function, a layer or "
        f"None, got {shown(activation)}.{did_you_mean(activation, ACTIVATIONS)}"
    )


def is_custom(activation: Any) -> bool:
    """Whether it is a function that is not known by a name.

    >>> is_custom(relu), is_custom("relu"), is_custom(lambda x: x * 2)
    (False, False, True)
    """
    return callable(activation) and _known(activation) is None


def _known(activation: Any) -> str | None:
    if isinstance(activation, str):
        return activation if activation in ACTIVATIONS else None
    for name, function in ACTIVATIONS.items():
        if activation is function.forward or getattr(activation, "activation", "") == name:
            return name
    return None


def get(who: str, activation: NameOrFunction | None) -> Function:
    """The activation of that name; None is linear. Raises ``ConfigError`` as ``name_of`` does.

    >>> get("Dense", "relu").forward is relu
    True
    """
    return ACTIVATIONS[name_of(who, activation) or "linear"]
