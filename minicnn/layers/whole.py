"""A function of a whole batch, followed number by number: what a custom loss is made of.

In a network a function of tensors says nothing about the batch axis. A loss may: it may take sums
over all that a batch holds. Here the batch is one sample, of shape (N, ...), so that axis 0 is an
axis like the others. The function is called once a batch; what it does becomes nodes, whose
backward passes are their own, as in ``Lambda``.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.errors import ConfigError
from minicnn.kernels import choose
from minicnn.layers.base import Grads
from minicnn.layers.building import build_layer
from minicnn.layers.core import Identity, InputLayer, Reshape
from minicnn.layers.graph import Graph
from minicnn.layers.lambdas import nodes_between
from minicnn.layers.merging import Merge
from minicnn.layers.operations import Reduce
from minicnn.layers.symbolic import ARITHMETIC, SymbolicTensor

OVER_ALL = ("max", "mean", "min", "sum", "amax", "amin", "var", "std")
"""Functions that take all axes where none is said."""

COMPARED: dict[str, Callable[[Array, Any], Array]] = {
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
}


CONSTANT = {"ones_like": 1, "zeros_like": 0}
"""Functions of shapes alone."""

BATCHES: dict[str, Callable[..., "WholeTensor"]] = {}
"""Functions of whole batches alone, by name: ``minicnn.losses.traced`` fills it."""


class Followed(NamedTuple):
    """What a function made of a batch."""

    value: Array
    backward: Callable[[Array], Array]
    """The gradient of what it took, from that of the value."""


def follow(who: str, function: Callable[[Any], Any], x: Array) -> Followed:
    """Call a function of a batch, and keep what its backward pass needs.

    Raises ``ConfigError`` for what no layer here does.
    """
    journey = Journey(x.dtype)
    found = function(journey.tensor(x))
    if not isinstance(found, WholeTensor):
        return Followed(np.asarray(found, x.dtype), lambda dy: np.zeros_like(x))
    end = Identity()(found.inner)
    nodes, output = nodes_between(who, journey.inputs, end)
    rng = np.random.default_rng(0)  # for layers without arrays
    kernels = choose(who, dtype=x.dtype.name)
    for node in nodes:
        build_layer(who, node.layer, node.shape, rng, x.dtype, kernels)  # type: ignore[arg-type]
    graph = Graph(len(journey.inputs), nodes, (output,))
    (value,), caches = graph.forward([array[None] for array in journey.arrays], False, None)

    def backward(dy: Array) -> Array:
        dx = graph.backward([dy[None].astype(x.dtype, copy=False)], caches)[0][0]
        return np.zeros_like(x) if dx is None else dx[0]

    return Followed(value[0], backward)


class Journey:
    """What a function is given on its way: the batch, and the arrays that it brings in itself."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.inputs: list[SymbolicTensor] = []
        self.arrays: list[Array] = []

    def tensor(self, array: Any) -> "WholeTensor":
        """What stands for an array."""
        array = np.asarray(array, self.dtype)
        inner = InputLayer(array.shape).tensor()
        self.inputs.append(inner)
        self.arrays.append(array)
        return WholeTensor(self, inner)


class WholeTensor(SymbolicTensor):
    """What stands for a whole batch, or what was made of it: ``shape`` has all axes."""

    def __init__(self, journey: Journey, inner: SymbolicTensor) -> None:
        super().__init__(inner.call, inner.sizes)
        self.journey = journey
        self.inner = inner
        """The same as one sample of a batch of one."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The sizes of all axes."""
        return self.sizes

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.sizes)

    def arithmetic(self, sign: str, a: Any, b: Any) -> "WholeTensor":
        """What a sign makes of two operands, one of which is a whole tensor."""
        if sign == "[]":
            key = b if isinstance(b, tuple) else (b,)
            return self._made(ARITHMETIC[sign](self.inner, (slice(None), *key)))
        a, b = (self._operand(x) for x in (a, b))
        return self._made(ARITHMETIC[sign](a, b))

    def apply(self, name: str, make: Callable[..., Any] | None, arguments: Any) -> "WholeTensor":
        """What a function of ``minicnn.ops`` makes of its arguments, of which it is one."""
        if name in COMPARED or name == "where":
            operands = [self._as_tensor(x) for x in arguments.values()]
            layer = _Where() if name == "where" else _Compared(name)
            return self._made(layer(operands))
        if name == "cast":
            return self
        if name in CONSTANT:
            return self.journey.tensor(np.full(self.shape, CONSTANT[name]))
        if name in BATCHES:
            return BATCHES[name](**arguments)
        if make is None:
            raise ConfigError(
                f"{name}: expected arrays, got what a loss is made of, and no layer here does "
                "that. Derive a class from minicnn.losses.Loss: docs/write_your_own.md."
            )
        given = {key: self._argument(name, key, value) for key, value in arguments.items()}
        if name == "reshape":
            sizes = given["newshape"]
            sizes = tuple(sizes) if isinstance(sizes, list | tuple) else (sizes,)
            return self._made(Reshape(sizes)(given["x"]))
        return self._made(make(**given))

    def node(
        self,
        value: Callable[[Array, Array], Array],
        slope: Callable[[Array, Array, Array], Array],
        other: Any,
    ) -> "WholeTensor":
        """value(other, x) of this x; slope(dy, other, x) is the gradient of x."""
        return self._made(_Node(value, slope)([self._as_tensor(other), self.inner]))

    def losses(self, loss: Any, y_true: Any) -> "WholeTensor":
        """The losses of these predictions, by a loss that knows its slope."""

        def true_of(true: Array, pred: Array) -> Array:
            return loss.targets(true, pred.shape[1:])  # type: ignore[no-any-return]

        return self.node(
            lambda true, pred: loss.per_sample(true_of(true, pred), pred),
            lambda dy, true, pred: loss.slope(true_of(true, pred), pred) * dy[..., None],
            y_true,
        )

    def mean(self) -> "WholeTensor":
        """The mean of all numbers."""
        return self._made(Reduce("mean", tuple(range(1, self.ndim + 1)))(self.inner))

    def _made(self, inner: SymbolicTensor) -> "WholeTensor":
        return WholeTensor(self.journey, inner)

    def _operand(self, value: Any) -> Any:
        """A tensor or a number as it is in a batch of one."""
        if isinstance(value, WholeTensor) or np.ndim(value):
            return self._as_tensor(value)
        return value

    def _as_tensor(self, value: Any) -> SymbolicTensor:
        whole = value if isinstance(value, WholeTensor) else self.journey.tensor(value)
        return whole.inner

    def _argument(self, name: str, key: str, value: Any) -> Any:
        """An argument as a function of a batch of one takes it: its axes are one further on."""
        if isinstance(value, WholeTensor):
            return value.inner
        if isinstance(value, list | tuple) and any(isinstance(x, WholeTensor) for x in value):
            return [self._as_tensor(x) for x in value]
        if isinstance(value, np.ndarray) and value.ndim:
            return self._as_tensor(value)
        if key == "axes":
            rank = self.ndim
            axes = range(rank)[::-1] if value is None else value
            return (0, *(a % rank + 1 for a in axes))
        if key != "axis":
            return value
        if value is None:
            return tuple(range(1, self.ndim + 1)) if name in OVER_ALL else None
        if isinstance(value, list | tuple):
            return tuple(a + (a >= 0) for a in value)
        return value + (value >= 0)

    __hash__ = SymbolicTensor.__hash__

    def __lt__(self, other: Any) -> Any:
        return self.apply("less", None, {"x1": self, "x2": other})

    def __le__(self, other: Any) -> Any:
        return self.apply("less_equal", None, {"x1": self, "x2": other})

    def __gt__(self, other: Any) -> Any:
        return self.apply("greater", None, {"x1": self, "x2": other})

    def __ge__(self, other: Any) -> Any:
        return self.apply("greater_equal", None, {"x1": self, "x2": other})


class _OnTheWay(Merge):
    """The parent of merges that are in no network."""

    keras_module: ClassVar[str] = "minicnn.layers"


class _Compared(_OnTheWay):
    """1 where a comparison of two tensors holds, else 0; it has no gradient."""

    most = 2

    def __init__(self, comparison: str, name: str | None = None) -> None:
        super().__init__(name)
        self.comparison = comparison

    def merged(self, xs: tuple[Array, ...]) -> Array:
        """1 or 0."""
        return COMPARED[self.comparison](*xs).astype(xs[0].dtype)

    def gradients(self, dy: Array, xs: tuple[Array, ...]) -> list[Array]:
        """Zeros."""
        return [np.zeros_like(dy)] * 2


class _Where(_OnTheWay):
    """The second tensor where the first is not 0, else the third."""

    fewest = most = 3

    def merged(self, xs: tuple[Array, ...]) -> Array:
        """The numbers chosen."""
        return np.where(xs[0] != 0, xs[1], xs[2])

    def gradients(self, dy: Array, xs: tuple[Array, ...]) -> list[Array]:
        """dy for the one that was chosen."""
        chosen = xs[0] != 0
        return [np.zeros_like(dy), np.where(chosen, dy, 0), np.where(chosen, 0, dy)]


class _Node(_OnTheWay):
    """A function of two tensors whose gradient with respect to the second is known."""

    most = 2

    def __init__(
        self,
        value: Callable[[Array, Array], Array],
        slope: Callable[[Array, Array, Array], Array],
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.value = value
        self.slope = slope

    def output_shape(self, input_shape: Any) -> Shape:
        """What it makes of ones."""
        return self.value(*(np.ones(shape, np.float32) for shape in input_shape)).shape

    def forward(
        self, x: Any, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Any]:
        """(y, the inputs)."""
        return np.asarray(self.value(x[0][0], x[1][0]))[None], x

    def backward(self, dy: Array, cache: Any) -> tuple[Any, Grads]:
        """(no gradient, that of the second)."""
        true, pred = cache
        return (np.zeros_like(true), self.slope(dy[0], true[0], pred[0])[None]), {}
