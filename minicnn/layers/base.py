"""The contract of every layer.

    y, cache = layer.forward(x, training=False, rng=None)
    dx, grads = layer.backward(dy, cache)

``forward`` and ``backward`` write neither to the layer nor to what they are
given, so one layer can serve two threads, a batch can be cut into shards, and a
cache can be printed and looked at. To write a layer of your own:

* the constructor stores its arguments under their own names, and calls
  ``super().__init__(name)``;
* ``output_shape(input_shape)`` says what comes out, without the batch axis;
* ``build(input_shape, rng, dtype)`` calls ``super().build`` and fills
  ``self.params``, the arrays that are learned (and ``self.state``, those that are not);
* ``forward`` and ``backward`` do the work; the cache is a NamedTuple of what
  ``backward`` will want;
* ``axes`` names the input's axes, if the layer cares how many there are.

``minicnn.testing.check_layer`` then tells whether it keeps its promises.
"""

import copy
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, ClassVar, NamedTuple

import numpy as np

from minicnn import regularizers
from minicnn._core.arguments import boolean, check_array, check_name
from minicnn._core.config import Configurable, users_own
from minicnn._core.shapes import Array, DType, Shape
from minicnn._core.signatures import accepted
from minicnn._keras.names import snake_case
from minicnn.data.orders import remedy
from minicnn.errors import ConfigError, DataError, ShapeError, shown
from minicnn.initializers import left_unset
from minicnn.kernels import DEFAULT, KERNELS, KernelSet
from minicnn.regularizers import Regularizer

Grads = dict[str, Array]

LARGEST_OUTPUT = 1 << 28
"""Numbers that a layer may make of one input: a gigabyte in single precision."""
MOST_AXES = 30
"""Axes of what a layer may make; NumPy has its limit there, or not far above."""

ExpectedShape = tuple[int | str, ...]


class NoCache(NamedTuple):
    """The cache of a layer whose backward pass needs to remember nothing."""


class Layer(Configurable):
    """A step of a network: what it computes, and how gradients come back through it."""

    keras_module = "keras.layers"
    settable: ClassVar = {"trainable": "trainable", "input_shape": "first_shape"}

    axes: ClassVar[tuple[str, ...]] = ("...",)
    """The input's axes after the batch axis, such as ("H", "W", "C"); "..." is any number."""

    keras_name: ClassVar[str] = ""
    """The class's name in Keras and in model files, where it is not its own."""

    why_not_sharded: ClassVar[str] = ""
    """Why a batch is not the sum of its parts to this layer in training; empty when it is."""

    random: ClassVar[bool] = False
    """Whether it draws from ``rng`` in training, where each share of a batch has its own."""

    reads_bytes: ClassVar[bool] = False
    """Whether it takes images as a file holds them, whole numbers, and hands them on as such."""

    NOT_BUILT: ClassVar[str] = (
        "{who}: expected a built layer, got one that is not. Put it in a model that starts with "
        "Input(shape), or call build(input_shape, rng, dtype)."
    )

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.trainable = True
        self.params: dict[str, Array] = {}
        self.state: dict[str, Array] = {}
        self.input_shape: Shape | None = None
        self.first_shape: Shape | None = None
        """The shape of a model's input, where that was given to its first layer."""
        self.dtype: DType = np.dtype("float32")
        self.kernel_set = DEFAULT

    # What a layer defines ------------------------------------------------------------

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one image's output, given that of one input; neither has a batch axis.

        Raises ``ShapeError`` when such an input cannot work.
        """
        self.check_shape((None, *input_shape))
        return input_shape

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Prepare for inputs of ``input_shape`` (no batch axis): fill ``params`` and ``state``.

        Layers with arrays of their own extend this; all numbers come from ``rng``.
        """
        self.input_shape = None
        self.output_shape(input_shape)
        self.input_shape = input_shape
        self.dtype = np.dtype(dtype)

    def forward(
        self, x: Array, *, training: bool = False, rng: np.random.Generator | None = None
    ) -> tuple[Array, Any]:
        """(y, cache) for a batch x."""
        raise TypeError(f"{self.who} defines no forward(x, *, training, rng).")

    def backward(self, dy: Array, cache: Any) -> tuple[Array, Grads]:
        """(dx, grads) from the gradient of the loss with respect to y.

        ``grads`` has the keys, shapes and dtypes of ``params``.
        """
        raise TypeError(f"{self.who} defines no backward(dy, cache).")

    def param_grads(self, dy: Array, cache: Any) -> Grads:
        """The gradients alone, for a first layer, whose dx nobody wants."""
        return self.backward(dy, cache)[1]

    def split_activation(self) -> tuple["Layer | None", str | None]:
        """The layer without its last activation (None if nothing is left), and that one's name.

        What is left shares this layer's arrays.
        """
        return self, None

    def next_state(self, cache: Any) -> dict[str, Array]:
        """What ``state`` becomes after the forward pass that made ``cache``."""
        return self.state

    def multiply_adds(self, input_shape: Shape) -> int:
        """How many multiplications with an addition one image costs, going forward."""
        return 0

    def learned(self) -> dict[str, Array]:
        """Those of ``params`` that training changes: all, or none if it is not trainable."""
        return self.params if self.trainable else {}

    def regularizers(self) -> dict[str, Regularizer]:
        """What each of ``params`` is held small by: the arguments called ``<param>_regularizer``.

        A layer whose arguments are called otherwise says so itself.
        """
        return self.regularizers_of(
            {name: getattr(self, f"{name}_regularizer", None) for name in self.params}
        )

    # What all layers share -----------------------------------------------------------

    @property
    def name(self) -> str | None:
        """What it is called in its model and in files; None until it is in a model."""
        return self._name

    @name.setter
    def name(self, value: str | None) -> None:
        if value is not None:
            check_name(type(self).__name__, value)
        self._name = value

    @property
    def trainable(self) -> bool:
        """Whether training changes it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        boolean(self.who, "trainable", value)
        self._trainable = value

    @property
    def who(self) -> str:
        """The layer as errors name it: class and name."""
        return f"{type(self).__name__} {self.name!r}" if self.name else type(self).__name__

    @property
    def sublayers(self) -> "Sequence[Layer]":
        """The layers that this one is made of."""
        return ()

    @property
    def built(self) -> bool:
        """Whether ``build`` has been called."""
        return self.input_shape is not None

    @property
    def kernels(self) -> KernelSet:
        """The kernels that this layer computes with."""
        return KERNELS[self.kernel_set]

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Say what to do instead of calling a layer, as Keras' functional models do."""
        raise ConfigError(
            f"{self.who}: a layer is not called. Put it into Sequential([...]), with Residual for "
            "skip connections; forward(x) gives its output and its cache."
        )

    def changed(self, argument: str, value: Any) -> dict[str, Any]:
        """See ``Guarded``; raises ``ConfigError`` for what a built layer cannot be any more."""
        new = None if self.sublayers else super().changed(argument, value)
        if new is None or (self.built and not self._fits(argument, new)):
            raise ConfigError(
                f"{self.who}: {argument} cannot become {value!r} once the layer is "
                f"{'made' if new is None else 'built'}. Make a new one."
            )
        return new

    def _fits(self, argument: str, new: Mapping[str, Any]) -> bool:
        """Whether a layer with such attributes makes outputs and has arrays of the same shapes."""
        assert self.input_shape is not None
        other = copy.copy(self)
        vars(other).update(new)
        other.params, other.state = {}, {}
        with left_unset():
            other.build(self.input_shape, np.random.default_rng(0), self.dtype)
        (ours, y), (theirs, other_y) = (
            ({name: array.shape for name, array in each.arrays().items()}, each.output_shape(shape))
            for each, shape in ((self, self.input_shape), (other, self.input_shape))
        )
        return ours == theirs and y == other_y and not argument.endswith("_initializer")

    def instead_of_setting(self, name: str) -> str:
        """For arrays, the method that sets them."""
        return " Use set_weights." if name == "weights" else ""

    def unbuild(self) -> None:
        """Forget the arrays, as after a build that failed half-way."""
        self.input_shape, self.params, self.state = None, {}, {}

    def regularizers_of(self, given: Mapping[str, Any]) -> dict[str, Regularizer]:
        """A regularizer for each name that has one; raises ``ConfigError`` for what is none."""
        return {
            name: regularizers.get(self.who, f"{name}_regularizer", value)
            for name, value in given.items()
            if value is not None
        }

    def arrays(self) -> dict[str, Array]:
        """All arrays that a model file keeps: ``params``, then ``state``."""
        return self.params | self.state

    @property
    def weights(self) -> list[Array]:
        """The arrays themselves, in the order of ``arrays``."""
        return list(self.arrays().values())

    def get_weights(self) -> list[Array]:
        """Copies of all arrays, the learned ones first, as in Keras.

        >>> Sequential([Input((4,)), Dense(3)]).layers[0].get_weights()[1].tolist()
        [0.0, 0.0, 0.0]
        """
        return [array.copy() for array in self.weights]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Put arrays in the place of those that ``get_weights`` gives.

        Raises ``ShapeError``, and changes nothing, unless number and shapes are the same.
        """
        self.require_built()
        put_weights(self.who, [self], weights)

    def count_params(self) -> int:
        """How many numbers its arrays hold."""
        self.require_built()
        return sum(array.size for array in self.weights)

    def require_built(self) -> None:
        """Raise ``ConfigError`` unless ``build`` has been called."""
        if not self.built:
            raise ConfigError(self.NOT_BUILT.format(who=self.who))

    def param(self, name: str) -> Array:
        """One of ``params``; raises ``ConfigError`` if the layer was never built."""
        if name not in self.params:
            raise ConfigError(self.NOT_BUILT.format(who=self.who))
        return self.params[name]

    @classmethod
    def accepted_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """What the constructor takes of Keras' arguments; refuses those that would be missed."""
        return accepted(cls, config)

    def keras_config(self) -> dict[str, Any]:
        """The arguments under which Keras makes the same layer."""
        return self.get_config()

    def expected_shape(self) -> ExpectedShape:
        """The input's axes after the batch axis: numbers where they are fixed, else names.

        A layer that has learned arrays for the last axis is bound to that axis' size.
        """
        if self.input_shape is not None and self.params:
            before = self.axes if self.axes == ("...",) else self.axes[:-1]
            return (*before, self.input_shape[-1])
        return self.axes

    def check_shape(self, shape: tuple[int | None, ...]) -> None:
        """Raise ``ShapeError`` unless a batch of this shape fits ``expected_shape``."""
        expected = self.expected_shape()
        open_ended = expected[:1] == ("...",)
        wanted = expected[1:] if open_ended else expected
        got = shape[1:]
        fits = len(got) >= len(wanted) if open_ended else len(got) == len(wanted)
        tail = got[len(got) - len(wanted) :]
        if fits and all(isinstance(w, str) or w == g for w, g in zip(wanted, tail, strict=True)):
            return
        raise ShapeError(
            f"{self.who}: expected input of shape {_show(('N', *expected))}, "
            f"got {_show(tuple('N' if n is None else n for n in shape))}." + remedy(expected, shape)
        )

    def check_input(self, x: Any) -> Array:
        """``x`` as an array of floating-point numbers; whole numbers take the layer's dtype.

        Raises ``ShapeError`` unless its shape fits, ``DataError`` unless it holds numbers.
        """
        check_array(self.who, x)
        x = np.asarray(x)
        if x.dtype.kind in "biu":
            x = x.astype(self.dtype)
        elif x.dtype.kind != "f":
            raise DataError(f"{self.who}: expected numbers, got {x.dtype}.")
        self.check_shape(x.shape)
        return np.asarray(x)

    def check_dy(self, dy: Array, y_shape: Shape) -> None:
        """Raise ``ShapeError`` unless ``dy`` has the shape of the output."""
        check_array(self.who, dy)
        if not isinstance(dy, np.ndarray):
            raise DataError(f"{self.who}: expected dy as an array, got {shown(dy)}.")
        if dy.shape != y_shape:
            raise ShapeError(
                f"{self.who}: expected dy of shape {y_shape}, as y has, got {dy.shape}."
            )


def name_layer(who: str, layer: Layer, taken: Collection[str | None]) -> None:
    """Name a layer as Keras counts, unless it has a name; raises ``ConfigError`` if it is taken."""
    if layer.name is None:
        base = snake_case(layer.keras_name or type(layer).__name__)
        names = (f"{base}_{i}" if i else base for i in count())
        layer.name = next(name for name in names if name not in taken)
    elif layer.name in taken:
        raise _same_name(who, layer)


def check_names(who: str, layers: Sequence[Layer]) -> None:
    """Raise ``ConfigError`` if two layers have one name, which may be set at any time."""
    taken: set[str | None] = set()
    for layer in layers:
        if layer.name in taken:
            raise _same_name(who, layer)
        taken.add(layer.name)


def _same_name(who: str, layer: Layer) -> ConfigError:
    return ConfigError(
        f"{who}: expected layers of different names, got two called {layer.name!r}. "
        "Give one of them another name."
    )


def build_layer(
    who: str, layer: Layer, shape: Shape, rng: np.random.Generator, dtype: DType, kernel_set: str
) -> None:
    """Build a layer for inputs of that shape, or see that it was built for just such.

    A build that fails leaves nothing behind. Raises ``ConfigError`` for a layer built otherwise,
    ``ShapeError`` for one whose output no memory would hold.
    """
    out = layer.output_shape(shape)
    if len(out) > MOST_AXES:
        raise ShapeError(
            f"{who}: {layer.who} would make {len(out)} axes, expected at most {MOST_AXES}."
        )
    size = math.prod(out)
    if size > LARGEST_OUTPUT:
        raise ShapeError(
            f"{who}: {layer.who} would make {size:,} numbers of one input, expected at most "
            f"{LARGEST_OUTPUT:,}."
        )
    if not layer.built:
        layer.kernel_set = kernel_set
        try:
            layer.build(shape, rng, dtype)
        except MemoryError as error:
            layer.unbuild()
            raise ShapeError(
                f"{who}: {layer.who} does not fit in memory for inputs of shape {shape} "
                f"({error or 'no more of it'}). Make it smaller, or its input: pool it before."
            ) from None
        except BaseException:
            layer.unbuild()
            raise
        return
    if (layer.input_shape, layer.dtype, layer.kernel_set) != (shape, dtype, kernel_set):
        raise ConfigError(
            f"{who}: {layer.who} was built for {layer.dtype} inputs of shape "
            f"{layer.input_shape} and {layer.kernel_set} kernels, got {dtype}, {shape} "
            f"and {kernel_set}. Make a new one."
        )


def check_new(who: str, layers: Sequence[Layer], known: set[int]) -> None:
    """Raise ``ConfigError`` if a layer, or one that it is made of, is there twice.

    ``known`` are the identities of those that are there; the new ones join them.
    """
    for layer in walk(layers):
        if id(layer) in known:
            raise ConfigError(
                f"{who}: expected a new layer, got {layer.who} again. Make a second one."
            )
        known.add(id(layer))


def put_weights(who: str, layers: Sequence[Layer], weights: Sequence[Array]) -> None:
    """Put arrays in the place of those of the layers, which are built, in their order.

    Raises ``ShapeError``, and changes nothing, unless number and shapes are the same.
    """
    targets = [
        (f"{layer.name}.{name}", array)
        for layer in layers
        for name, array in layer.arrays().items()
    ]
    try:
        for value in weights:
            check_array(who, value)
        values = [np.asarray(value, layers[0].dtype) for value in weights]
    except DataError:
        raise
    except (TypeError, ValueError):
        raise ConfigError(
            f"{who}: expected a list of arrays of numbers, as get_weights gives."
        ) from None
    if len(values) != len(targets):
        raise ShapeError(f"{who}: expected {len(targets)} arrays, got {len(values)}.")
    for (name, array), value in zip(targets, values, strict=True):
        if value.shape != array.shape:
            raise ShapeError(f"{who}: expected shape {array.shape} for {name}, got {value.shape}.")
    for (_, array), value in zip(targets, values, strict=True):
        array[...] = value


def custom_passes(layer: Layer) -> bool:
    """Whether ``forward`` or ``backward`` is that of a custom subclass, which may do anything."""
    passes = {"forward", "backward"}
    return any(users_own(cls) and passes & vars(cls).keys() for cls in type(layer).__mro__[:-1])


def walk(layers: Sequence[Layer]) -> Iterator[Layer]:
    """All layers, each before those that it is made of."""
    for layer in layers:
        yield layer
        yield from walk(layer.sublayers)


def _show(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
