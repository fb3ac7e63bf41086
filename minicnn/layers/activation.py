"""Activation functions as layers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn import activations
from minicnn._core.arguments import number
from minicnn._core.shapes import Array, DType, Shape, axis_of, check_axis
from minicnn._core.traits import computes_as, keeps
from minicnn.constraints import Constraint
from minicnn.initializers import Initializer
from minicnn.layers.activated import Activated, Given
from minicnn.layers.base import ExpectedShape, Grads, Layer, OnnxOperator
from minicnn.regularizers import Regularizer


class ActivationCache(NamedTuple):
    """The array for the backward pass of an activation."""

    kept: Any
    """Its output, or its input where the derivative needs that; of a layer, its cache."""


class Activation(Activated):
    """y = f(x) for the function of that name, such as "relu", "gelu" or "softmax".

    All names are in ``minicnn.activations.ACTIVATIONS``; the functions of that module can be given
    as well, those that ``Lambda`` takes, and layers that do the same in training.

    >>> Activation("relu").forward(np.array([[-1.0, 2.0]]))[0].tolist()
    [[0.0, 2.0]]
    """

    any_order = True
    additive = True
    ends_in_activation = True

    def __init__(self, activation: Given, name: str | None = None) -> None:
        super().__init__(activation, name)

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Build the layer that the activation is, if it is one."""
        super().build(input_shape, rng, dtype)
        self.build_activation(input_shape, rng)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ActivationCache]:
        """y = f(x)."""
        y, kept = self.activate(self.check_input(x))
        return y, ActivationCache(kept)

    def backward(self, dy: Array, cache: ActivationCache) -> tuple[Array, Grads]:
        """dx = dy * f'(x)."""
        if isinstance(self.activation, str):
            self.check_dy(dy, cache.kept.shape)
        return self.back_through_activation(dy, cache.kept)

    def split_activation(self) -> tuple[Layer | None, str | None]:
        """Nothing, and the activation."""
        if not keeps(self, "ends_in_activation") or isinstance(self.activation, Layer):
            return self, None
        return None, self.activation


class _Named(Activation):
    keras_name = "Activation"
    function: str

    def __init__(self, name: str | None = None) -> None:
        super().__init__(self.function, name)

    def keras_config(self) -> dict[str, Any]:
        """Keras has no layer of this name, but an Activation."""
        return {"activation": self.activation, "name": self.name}


class Sigmoid(_Named):
    """y = 1 / (1 + exp(-x)).

    >>> Sigmoid().forward(np.array([[0.0]]))[0].tolist()
    [[0.5]]
    """

    function = "sigmoid"


class Tanh(_Named):
    """y = tanh(x).

    >>> Tanh().forward(np.array([[0.0]]))[0].tolist()
    [[0.0]]
    """

    function = "tanh"


class GELU(_Named):
    """y = x * (1 + erf(x / sqrt(2))) / 2, the exact form. Hendrycks & Gimpel (2016).

    >>> GELU().forward(np.array([[1.0]]))[0].round(6).tolist()
    [[0.841345]]
    """

    function = "gelu"


class SiLU(_Named):
    """y = x / (1 + exp(-x)), also called swish. Ramachandran et al. (2017).

    >>> SiLU().forward(np.array([[1.0]]))[0].round(6).tolist()
    [[0.731059]]
    """

    function = "silu"


class Softplus(_Named):
    """y = log(1 + exp(x)).

    >>> Softplus().forward(np.array([[0.0]]))[0].round(6).tolist()
    [[0.693147]]
    """

    function = "softplus"


class ReLU(Layer):
    """y = x above ``threshold``, else negative_slope * (x - threshold); at most ``max_value``.

    With the defaults, y = max(x, 0). The gradient at the corners is that of the
    flat side, as in Keras. All three arguments must be 0 or more, and
    ``max_value`` at least ``threshold``.

    >>> ReLU(max_value=6).forward(np.array([[-1.0, 2.0, 9.0]]))[0].tolist()
    [[0.0, 2.0, 6.0]]
    """

    any_order = True
    additive = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        number(self.who, "negative_slope", negative_slope, least=0)
        number(self.who, "threshold", threshold, least=0)
        if max_value is not None:
            number(self.who, "max_value", max_value, least=threshold)
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ActivationCache]:
        """y, piece by piece linear in x."""
        x = self.check_input(x)
        if self.threshold == 0.0 and self.negative_slope == 0.0:
            y = activations.relu(x)
        else:
            below = float(self.negative_slope) * (x - float(self.threshold))
            y = np.where(x > float(self.threshold), x, below)
        if self.max_value is not None:
            y = np.minimum(y, float(self.max_value))
        return y, ActivationCache(y)

    def backward(self, dy: Array, cache: ActivationCache) -> tuple[Array, Grads]:
        """dx = dy where x lies between threshold and max_value, negative_slope * dy below."""
        y = cache.kept
        self.check_dy(dy, y.shape)
        rising = y > float(self.threshold)
        if self.max_value is not None:
            rising &= y < float(self.max_value)
        dx = dy * rising
        if self.negative_slope:
            dx += dy * (float(self.negative_slope) * (y <= float(self.threshold)))
        return dx, {}


class LeakyReLU(Layer):
    """y = x above 0, else negative_slope * x; ``negative_slope`` is 0 or more.

    The activation named "leaky_relu" has another slope, 0.2, as in Keras.

    >>> LeakyReLU().forward(np.array([[-1.0, 2.0]]))[0].tolist()
    [[-0.3, 2.0]]
    """

    any_order = True
    additive = True
    onnx_operator = OnnxOperator("LeakyRelu", {"alpha": ("negative_slope", 0.01)})

    def __init__(self, negative_slope: float = 0.3, name: str | None = None) -> None:
        super().__init__(name)
        number(self.who, "negative_slope", negative_slope, least=0)
        self.negative_slope = negative_slope

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ActivationCache]:
        """y, a line with a bend at 0."""
        y = activations.leaky_relu(self.check_input(x), float(self.negative_slope))
        return y, ActivationCache(y)

    def backward(self, dy: Array, cache: ActivationCache) -> tuple[Array, Grads]:
        """dx = dy where y > 0, else negative_slope * dy."""
        y = cache.kept
        self.check_dy(dy, y.shape)
        return activations.leaky_relu_gradient(dy, y, float(self.negative_slope)), {}


class PReLUCache(NamedTuple):
    """What ``PReLU.backward`` needs."""

    x: Array


def _shared_along(alpha: Shape) -> dict[str, Any]:
    return {"shared_axes": [axis for axis, n in enumerate(alpha, 1) if n == 1] or None}


class PReLU(Layer):
    """y = x above 0, else alpha * x, with an alpha that is learned for each place of an image.

    Along ``shared_axes``, counted from 1 as there is the batch before them, one alpha serves all
    places: ``shared_axes=[1, 2]`` learns one for each channel. Raises ``ConfigError`` for axes that
    make no sense, ``ShapeError`` for inputs without them. He et al. (2015); numbers as in Keras.

    >>> layer = PReLU(initializers.Constant(0.5), shared_axes=[1])
    >>> layer.build((2, 3), np.random.default_rng(0), "float64")
    >>> layer.params["alpha"].shape
    (1, 3)
    >>> layer.forward(np.array([[[-4.0, 0.0, 2.0]] * 2]))[0][0, 0].tolist()
    [-2.0, 0.0, 2.0]
    """

    axis_argument = "shared_axes"
    additive = True
    onnx_operator = OnnxOperator("PRelu", params=("alpha",), arguments=_shared_along)

    def __init__(
        self,
        alpha_initializer: str | Initializer = "Zeros",
        alpha_regularizer: str | Regularizer | None = None,
        alpha_constraint: str | Constraint | None = None,
        shared_axes: int | Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.keep(locals())
        axes: Any = () if shared_axes is None else shared_axes
        self._axes = tuple(axes) if isinstance(axes, tuple | list) else (axes,)
        for axis in self._axes:
            check_axis(self.who, axis)
        self.shared_axes = shared_axes

    def expected_shape(self) -> ExpectedShape:
        """Any number of axes before it is built; then as many, the same but along shared ones."""
        if self.input_shape is None:
            return ("...",)
        shared = self._shared(self.input_shape)
        return tuple(f"axis {i}" if i in shared else n for i, n in enumerate(self.input_shape, 1))

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's; raises ``ShapeError`` if it has no such axes."""
        self.check_shape((None, *input_shape))
        self._shared(input_shape)
        return input_shape

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make alpha, in the input's shape with 1 along the shared axes."""
        super().build(input_shape, rng, dtype)
        shared = self._shared(input_shape)
        shape = tuple(1 if i in shared else n for i, n in enumerate(input_shape, 1))
        self.add_param("alpha", shape, rng)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, PReLUCache]:
        """y, two lines that meet at 0."""
        alpha = self.param("alpha")
        x = self.check_input(x)
        return np.where(x > 0, x, alpha * x), PReLUCache(x)

    def backward(self, dy: Array, cache: PReLUCache) -> tuple[Array, Grads]:
        """dx = dy where x > 0, else dy * alpha; dalpha = the sum of dy * x where x < 0."""
        x, alpha = cache.x, self.param("alpha")
        self.check_dy(dy, x.shape)
        each = dy * np.minimum(x, 0)
        axes = (0, *(i for i, n in enumerate(alpha.shape, 1) if n == 1))
        dalpha = each.sum(axis=axes, dtype=np.float64).reshape(alpha.shape)
        return np.where(x > 0, dy, dy * alpha), {"alpha": dalpha.astype(alpha.dtype)}

    def _shared(self, input_shape: Shape) -> set[int]:
        if self.shared_axes is None:
            return set()
        axes = (
            self.shared_axes if isinstance(self.shared_axes, tuple | list) else (self.shared_axes,)
        )
        return {axis_of(self.who, axis, input_shape) for axis in axes}


class ELU(Layer):
    """y = x above 0, else alpha * (exp(x) - 1); ``alpha`` is 0 or more. Clevert et al. (2016).

    >>> ELU(alpha=0.5).forward(np.array([[-1000.0, 2.0]]))[0].tolist()
    [[-0.5, 2.0]]
    """

    any_order = True
    additive = True
    onnx_operator = OnnxOperator("Elu", {"alpha": ("alpha", 1.0)})

    def __init__(self, alpha: float = 1.0, name: str | None = None) -> None:
        super().__init__(name)
        number(self.who, "alpha", alpha, least=0)
        self.alpha = alpha

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ActivationCache]:
        """y, which is never below -alpha."""
        y = activations.elu(self.check_input(x), float(self.alpha))
        return y, ActivationCache(y)

    def backward(self, dy: Array, cache: ActivationCache) -> tuple[Array, Grads]:
        """dx = dy where y > 0, else dy * (y + alpha)."""
        y = cache.kept
        self.check_dy(dy, y.shape)
        return activations.elu_gradient(dy, y, float(self.alpha)), {}


class Softmax(Layer):
    """y = exp(x) / sum of exp(x) along ``axis``.

    >>> Softmax().forward(np.array([[1.0, 1.0]]))[0].tolist()
    [[0.5, 0.5]]
    """

    axis_argument = "axis"
    additive = True

    def __init__(self, axis: int = -1, name: str | None = None) -> None:
        super().__init__(name)
        check_axis(self.who, axis)
        self.axis = axis

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's; raises ``ShapeError`` if it has no such axis."""
        axis_of(self.who, self.axis, input_shape)
        return input_shape

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, ActivationCache]:
        """y, whose sum along the axis is 1."""
        x = self.check_input(x)
        self.output_shape(x.shape[1:])
        y = activations.softmax(x, self.axis)
        return y, ActivationCache(y)

    def backward(self, dy: Array, cache: ActivationCache) -> tuple[Array, Grads]:
        """dx = y * (dy - sum of dy * y)."""
        self.check_dy(dy, cache.kept.shape)
        return activations.softmax_gradient(dy, cache.kept, self.axis), {}

    def split_activation(self) -> tuple[Layer | None, str | None]:
        """Nothing, and the softmax, if it runs over the last axis."""
        splits = self.axis == -1 and computes_as(self, Softmax)
        return (None, "softmax") if splits else (self, None)
