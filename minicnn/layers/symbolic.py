"""Layers that are called: ``x = Conv2D(8, 3)(x)`` records what computes x, and computes nothing.

A ``SymbolicTensor`` stands for a batch that flows through a network; a ``Call`` is one use of a
layer, or of a model, with the tensors that it takes and gives. ``Model(inputs, outputs)`` reads off
its layers from them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

from minicnn._core.settings import floatx
from minicnn._core.shapes import Shape
from minicnn.errors import ConfigError, ShapeError, shown
from minicnn.layers.channels_first import settle, turned_back


class Called(Protocol):
    """What can be called: a layer or a model."""

    @property
    def who(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str | None: ...  # noqa: D102

    calls: "list[Call]"


class Call:
    """One use of a layer: what it takes and gives, and what ``training`` it was called with."""

    def __init__(
        self,
        layer: Called,
        inputs: "Sequence[SymbolicTensor]",
        shapes: Sequence[Shape],
        training: bool | None = None,
        kept: bool = True,
    ) -> None:
        self.layer = layer
        self.inputs = tuple(inputs)
        self.training = training
        self.outputs = tuple(SymbolicTensor(self, shape) for shape in shapes)
        first = _channels_first(layer, inputs)
        for x, of_images in zip(self.outputs, first, strict=False):
            x.channels_first = of_images and len(x.sizes) == 3
        for x in inputs:
            x.used = True
        if kept:  # that the layer's input and output can be asked for
            layer.calls.append(self)

    @property
    def shape(self) -> Any:
        """The shape of what it takes, without the batch axis; a tuple of shapes if it merges."""
        shapes = tuple(x.sizes for x in self.inputs)
        return shapes if getattr(self.layer, "merges", False) else shapes[0]


def _channels_first(layer: Any, inputs: "Sequence[SymbolicTensor]") -> Iterable[bool]:
    """Whether the script has the channels of what a layer gives first, if that is images."""
    if getattr(layer, "is_graph", False) and hasattr(layer, "outputs"):
        return [x.channels_first for x in layer.outputs]
    said = getattr(layer, "channels_first", None)
    return repeat(any(x.channels_first for x in inputs) if said is None else said)


class SymbolicTensor:
    """What stands for a batch in ``Model(inputs, outputs)``: it has a shape and no numbers.

    ``shape`` is (None, ...), the batch axis first. ``+ - * /`` with others or with numbers, ``**``
    with a number, ``-x``, ``abs(x)`` and ``x[:, 1:3]`` make the layers that do so. Keras calls it
    KerasTensor.

    >>> x = Input((8, 8, 3))
    >>> Conv2D(4, 3)(x).shape, (x * 0.5 + 1).shape, x[:, 1:3].shape
    ((None, 6, 6, 4), (None, 8, 8, 3), (None, 2, 8, 3))
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        """``array * x`` and the like, which NumPy is asked for first."""
        sign = UFUNCS.get(ufunc.__name__)
        if sign is None or method != "__call__" or options:
            self._no_numbers()
        return _arithmetic(sign, operands[0], operands[1] if len(operands) > 1 else None)

    def __init__(self, call: Call, shape: Shape) -> None:
        self.call = call
        """What computes it."""
        self.sizes: Shape = tuple(shape)
        """The shape without the batch axis, as it lies here."""
        self.channels_first = False
        """Whether the script has the channels of these images first."""
        self.used = False
        """Whether a layer was called on it."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """(None, ...), as the script has the axes."""
        sizes = turned_back(self.sizes) if self.channels_first else self.sizes
        return (None, *sizes)

    @property
    def name(self) -> str | None:
        """The name of the layer that computes it."""
        return self.call.layer.name

    @property
    def dtype(self) -> str:
        """That of the numbers which it stands for, unless its model is given another."""
        return floatx()

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return 1 + len(self.sizes)

    def __repr__(self) -> str:
        return f"<SymbolicTensor {self.shape} of {self.call.layer.who}>"

    def __add__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("+", self, other)

    def __radd__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("+", other, self)

    def __sub__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("-", self, other)

    def __rsub__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("-", other, self)

    def __mul__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("*", self, other)

    def __rmul__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("*", other, self)

    def __truediv__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("/", other, self)

    def __pow__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("**", self, other)

    def __rpow__(self, other: Any) -> "SymbolicTensor":
        return _arithmetic("**", other, self)

    def __abs__(self) -> "SymbolicTensor":
        return _arithmetic("abs", self, None)

    def __getitem__(self, key: Any) -> "SymbolicTensor":
        return _arithmetic("[]", self, key)

    def __neg__(self) -> "SymbolicTensor":
        return _arithmetic("*", self, -1.0)

    def arithmetic(self, sign: str, a: Any, b: Any) -> "SymbolicTensor":
        """What a sign makes of two operands, of which it is one."""
        return ARITHMETIC[sign](a, b)

    def apply(
        self, name: str, make: "Callable[..., Any] | None", arguments: Mapping[str, Any]
    ) -> Any:
        """What a function of ``minicnn.ops`` makes of its arguments, of which it is one."""
        if make is None:
            raise ConfigError(
                f"{name}: expected arrays, got a symbolic tensor, and no layer here does that. "
                "Write it as a custom layer with its backward pass: docs/write_your_own.md."
            )
        return make(**arguments)

    def _no_numbers(self, *_: Any, **__: Any) -> NoReturn:
        raise ConfigError(
            f"{self!r}: expected numbers here, got a tensor without any: it only says what flows "
            "through a model. Use a layer, or put the function into a custom layer, and give "
            "numbers to the finished model: Model(inputs, outputs).predict(x)."
        )

    __array__ = __bool__ = __len__ = __iter__ = __float__ = __int__ = _no_numbers
    __matmul__ = __rmatmul__ = __lt__ = __gt__ = __le__ = __ge__ = _no_numbers


UFUNCS = {
    "absolute": "abs",
    "add": "+",
    "divide": "/",
    "multiply": "*",
    "power": "**",
    "subtract": "-",
}
"""NumPy's functions that stand for Python's signs."""

Arithmetic = Callable[[Any, Any], SymbolicTensor]

ARITHMETIC: dict[str, Arithmetic] = {}
"""What ``+``, ``-``, ``*``, ``/``, ``**``, "abs" and "[]" make of a tensor and another operand.

``minicnn.layers.arithmetic`` fills it.
"""


def _arithmetic(sign: str, a: Any, b: Any) -> SymbolicTensor:
    tensor: SymbolicTensor = a if isinstance(a, SymbolicTensor) else b
    return tensor.arithmetic(sign, a, b)


def tensors_of(who: str, given: Any) -> list[SymbolicTensor]:
    """The tensors that a layer or model is called on: one, or several in a list.

    Raises ``ConfigError`` for arrays, layers and other things.
    """
    found = list(given) if isinstance(given, list | tuple) else [given]
    for one in found:
        if isinstance(one, SymbolicTensor):
            continue
        if isinstance(one, np.ndarray):
            remedy = (
                "forward(x) gives its output for an array, and its cache; a model is called on "
                "arrays too."
            )
        elif hasattr(one, "calls"):
            remedy = f"Call that one first: {type(one).__name__}(...)(x)."
        else:
            remedy = "Begin with x = Input(shape)."
        raise ConfigError(
            f"{who}: expected to be called on what Input(shape) or another layer gave, got "
            f"{shown(one)}. {remedy}"
        )
    return found


def call_layer(layer: Any, given: Any, training: bool | None) -> SymbolicTensor:
    """One more use of a layer; raises ``ShapeError`` for shapes that it does not take."""
    tensors = tensors_of(layer.who, given)
    before, after = layer.turns(tensors[0]) if len(tensors) == 1 else ((), ())
    for one in before:
        tensors = [use(one, tensors).outputs[0]]
    found = use(layer, tensors, training).outputs[0]
    for one in after:
        found = use(one, [found]).outputs[0]
    return found


def use(layer: Any, tensors: "Sequence[SymbolicTensor]", training: bool | None = None) -> Call:
    """The call of a layer on tensors; raises as ``call_layer``."""
    settle(layer, tensors)
    shapes = tuple(x.sizes for x in tensors)
    if layer.merges:
        return Call(layer, tensors, [layer.output_shape(shapes)], training)
    if len(tensors) != 1:
        raise ShapeError(
            f"{layer.who}: expected one input, got {len(tensors)}. Merge them first, as "
            "Concatenate()([a, b]) or Add()([a, b]) do."
        )
    return Call(layer, tensors, [layer.output_shape(shapes[0])], training)


def ends(layer: Called, kind: str) -> Any:
    """What a layer that is used once takes or gives: one tensor, or a list of several.

    Raises ``ConfigError`` if it was never called, or several times.
    """
    if len(layer.calls) != 1:
        raise ConfigError(
            f"{layer.who}: expected a layer that is used once, for its {kind}, got one that is "
            f"used {len(layer.calls)} times. "
            + ("Put it into a model first." if not layer.calls else "Keep what each call gave.")
        )
    found = getattr(layer.calls[0], f"{kind}s")
    return found[0] if len(found) == 1 else list(found)


class Found(NamedTuple):
    """What lies behind the outputs of a model."""

    calls: list[Call]
    """In running order."""
    layers: list[Any]
    """In the order of Keras, by which it counts them."""


def calls_behind(
    who: str, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> Found:
    """The calls that make the outputs of the inputs, and their layers.

    What is farthest from an output comes first; of as far ones, what a walk back from the outputs
    meets first. A layer that is called twice is as far as its farthest call. Raises ``ConfigError``
    for an output that depends on another input. It is the order of Keras' ``map_graph``.
    """
    met, behind = _walk_back(who, inputs, outputs)
    far: dict[int, int] = {}
    of_layer: dict[int, int] = {}
    for call in reversed(behind):
        far[id(call)] = max(far.get(id(call), 0), of_layer.get(id(call.layer), 0))
        of_layer[id(call.layer)] = far[id(call)]
        for x in call.inputs:
            far[id(x.call)] = max(far.get(id(x.call), 0), far[id(call)] + 1)
    order = {id(layer): i for i, layer in enumerate(met)}
    layers = sorted(met, key=lambda layer: (-of_layer[id(layer)], order[id(layer)]))
    calls = sorted(behind, key=lambda call: (-far[id(call)], order[id(call.layer)]))
    return Found(calls, layers)


def _walk_back(
    who: str, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> tuple[list[Any], list[Call]]:
    """(layers as a walk back from the outputs meets them, calls behind what they depend on)."""
    begins = {id(x.call) for x in inputs}
    met: dict[int, Any] = {}
    seen: set[int] = set()
    behind: list[Call] = []
    ahead = [(x.call, False) for x in reversed(outputs)]
    while ahead:
        call, complete = ahead.pop()
        if complete:
            behind.append(call)
        elif id(call) not in seen:
            seen.add(id(call))
            met.setdefault(id(call.layer), call.layer)
            ahead.append((call, True))
            if not call.inputs and id(call) not in begins:
                raise ConfigError(
                    f"{who}: expected outputs that depend on the inputs alone, got one that "
                    f"depends on {call.layer.who} too. Put it among the inputs."
                )
            ahead += [(x.call, False) for x in reversed(call.inputs)]
    for x in inputs:  # of which nothing may depend
        if id(x.call) not in seen:
            met = {id(x.call.layer): x.call.layer, **met}
            behind.append(x.call)
    return list(met.values()), behind
