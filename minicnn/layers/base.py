"""The contract of every layer.

    y, cache = layer.forward(x, training=False, rng=None)
    dx, grads = layer.backward(dy, cache)

``forward`` and ``backward`` write neither to the layer nor to their arguments, so one layer can
serve two threads, a batch can be cut into shards, and a cache can be printed and looked at. To
write a custom layer:

* the constructor, if there are arguments, stores them as attributes of the same names, and calls
  ``super().__init__()``; every layer can be given a ``name``, whether it takes one or not;
* ``output_shape(input_shape)`` says what comes out, without the batch axis;
* ``build(input_shape, rng, dtype)`` calls ``super().build`` and declares the arrays: those that
  are learned with ``self.add_param("kernel", shape, rng)``, others with ``self.add_state``;
* ``forward`` and ``backward`` do the work; the cache is a NamedTuple of what ``backward`` needs;
* ``axes`` names the input's axes, if the layer cares how many there are;
* ``merges = True`` says that x is a tuple of inputs, and dx of their gradients, as in ``Merge``;
* ``additive = True`` promises that a batch is the sum of its shards, so that several processes may
  compute it.

``minicnn.testing.check_layer`` then tells whether it keeps its promises.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np

from minicnn._core.arguments import boolean, check_array, choice
from minicnn._core.settings import FORMATS
from minicnn._core.shapes import Array, DType, Shape
from minicnn._core.signatures import accepted
from minicnn.data.axis_order import remedy
from minicnn.errors import ConfigError, DataError, ShapeError, shown
from minicnn.initializers import left_unset
from minicnn.kernels import KernelSet, kernel_set
from minicnn.layers.params import Parametrized
from minicnn.layers.symbolic import Call, SymbolicTensor, call_layer, ends

Grads = dict[str, Array]

ExpectedShape = tuple[int | str, ...]


class NoCache(NamedTuple):
    """The cache of a layer whose backward pass needs nothing."""


class OnnxOperator(NamedTuple):
    """An operator that a layer is written as, and read from."""

    name: str
    attributes: Mapping[str, tuple[str, float]] = MappingProxyType({})
    """ONNX' attributes: the layer's argument for each, and ONNX' default."""
    params: tuple[str, ...] = ()
    """The parameters that are its further inputs, in order; they broadcast."""
    arguments: Callable[..., dict[str, Any]] = dict
    """(the parameters' shapes by name) -> what else the layer is made with."""


class Layer(Parametrized):
    """A node of a network: its forward and backward pass.

    The traits ``additive``, ``joins_parts``, ``reads_bytes``, ``replays`` and
    ``ends_in_activation`` describe a class's passes: a subclass that overrides one of ``passes``
    does not inherit them and must declare them again.
    """

    keras_module = "keras.layers"
    settable: ClassVar[Mapping[str, str]] = {
        "name": "name",
        "trainable": "trainable",
        "input_shape": "first_shape",
        "dtype": "asked_dtype",
        "weights": "first_weights",
    }

    axes: ClassVar[tuple[str, ...]] = ("...",)
    """The input's axes after the batch axis, such as ("H", "W", "C"); "..." is any number."""

    keras_name: ClassVar[str] = ""
    """The class's name in Keras and in model files, where that is another."""

    passes: ClassVar[frozenset[str]] = frozenset(
        ("forward", "backward", "param_grads", "next_state", "check_input", "kernels")
    )
    """The methods that the traits describe: the passes, and the methods that they call."""

    additive: ClassVar[bool] = False
    """Whether a batch is the sum of its shards in training: outputs and dx lie side by side,
    gradients add up, and no state moves on with the batch."""

    joins_parts: ClassVar[bool] = False
    """Whether ``joined(gather)`` gives a layer that computes a part of a batch as the whole batch
    would be, with what the other parts tell it."""

    random: ClassVar[bool] = False
    """Whether it draws from ``rng`` in training. A shard of a batch gets its rows of what is drawn
    with the batch as the first axis; the rest is alike in all shards. Subclasses inherit it unless
    they declare otherwise."""

    in_place_of_call = (
        "forward",
        "Define forward(x) and backward(dy, cache) in its place: docs/write_your_own.md.",
    )
    reads_bytes: ClassVar[bool] = False
    """Whether it takes images as whole numbers, as in a file, and returns whole numbers."""

    replays: ClassVar[bool] = False
    """Whether ``forward`` outside training consists of calls of kernels and of views alone, so that
    calls that were noted (``KernelSet.recording``) do all that it does."""

    fresh_dx: bool = False
    """Whether nobody else has the dx that ``backward`` gives, so that it may be added to."""

    onnx_operator: ClassVar[OnnxOperator | None] = None
    """The elementwise ONNX operator that does the same, if there is one."""

    any_order: ClassVar[bool] = False
    """Whether images with their axes in another order give the same numbers, in that order."""

    axis_argument: ClassVar[str | None] = None
    """The argument that names axes, of a layer that does the same along others."""

    merges: ClassVar[bool] = False
    """Whether it takes a tuple of inputs, and gives back a tuple of gradients."""

    is_graph: ClassVar[bool] = False
    """Whether it stands for several nodes of a network, which ``graph(input_shape)`` gives."""

    ends_in_activation: ClassVar[bool] = False
    """Whether its last step is to apply the function that ``activation`` names."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.first_shape: Shape | None = None
        """The shape of a model's input, where that was given to its first layer."""
        self.asked_dtype: str | None = None
        self.dtype: DType = np.dtype(np.float32)
        """That of its arrays, once it is built."""
        self.first_weights: Sequence[Array] | None = None
        """What its arrays begin with, where that was given: a list as ``set_weights`` takes."""
        self.data_format = None
        self.channels_first: bool | None = None
        """Whether the script has those of what it gives first; None: as of what it takes."""
        self.settled = False
        """Whether its arguments were said of images with channels first, and are of others now."""
        self.kernel_set: str | None = None
        """The name of the kernels that it computes with; None: those of ``kernels.choose``."""
        self.operation = False
        """Whether it stands for arithmetic on tensors, which Keras does not count as a layer."""
        self.calls: list[Call] = []
        """Its uses in models."""

    # What a layer defines ------------------------------------------------------------

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one image's output, given that of one input; neither has a batch axis.

        Raises ``ShapeError`` when such an input cannot work.
        """
        self.check_shape((None, *input_shape))
        return input_shape

    def turns(self, x: SymbolicTensor) -> "tuple[list[Layer], list[Layer]]":
        """The layers that bring images into the script's order before it, and back after it."""
        return [], []

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Prepare for inputs of ``input_shape`` (no batch axis): make ``params`` and ``state``.

        Layers with arrays extend this; all numbers come from ``rng``.
        """
        self.input_shape = None
        if not self.sublayers:
            self.params, self.state = {}, {}
        self.output_shape(input_shape)
        self.input_shape = input_shape
        self.dtype = np.dtype(dtype)
        if self.asked_dtype == "float64" != self.dtype.name:
            raise ConfigError(
                f"{self.who}: expected dtype={self.dtype.name!r}, as the model computes, got "
                "'float64'. Give that to the model: Sequential(layers, dtype='float64')."
            )

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
        """The gradients alone, for a first layer, whose dx is not needed."""
        return self.backward(dy, cache)[1]

    def split_activation(self) -> tuple["Layer | None", str | None]:
        """The layer without its last activation (None if nothing is left), and that one's name.

        The layer returned shares this one's arrays.
        """
        return self, None

    def next_state(self, cache: Any) -> dict[str, Array]:
        """The ``state`` after the forward pass that made ``cache``."""
        return self.state

    def multiply_adds(self, input_shape: Shape) -> int:
        """The number of multiply-adds of the forward pass of one image."""
        return 0

    # Common to all layers ------------------------------------------------------------

    @property
    def asked_dtype(self) -> str | None:
        """The ``dtype`` it was made with; it computes in the model's, which must be no less."""
        return self._asked_dtype

    @asked_dtype.setter
    def asked_dtype(self, value: Any) -> None:
        name = None if value is None else getattr(value, "name", getattr(value, "__name__", value))
        if name not in (None, "float32", "float64"):
            raise ConfigError(
                f"{self.who}: argument 'dtype' = {shown(value)} is not supported. Layers compute "
                "in the model's, float32 or float64: Sequential(layers, dtype='float64')."
            )
        self._asked_dtype = name

    @property
    def data_format(self) -> str | None:
        """Where the script says that the channels of images are, if it says it to this layer."""
        return self._data_format

    @data_format.setter
    def data_format(self, value: str | None) -> None:
        choice(self.who, "data_format", value, (*FORMATS, None))
        self._data_format = value

    @property
    def sublayers(self) -> "Sequence[Layer]":
        """The layers that this one is made of."""
        return ()

    @property
    def kernels(self) -> KernelSet:
        """The kernels that this layer computes with."""
        return kernel_set(self.kernel_set, self.dtype.name)

    def __call__(self, inputs: Any, training: bool | None = None) -> SymbolicTensor:
        """What the layer makes of a symbolic tensor, or of several: for ``Model(inputs, outputs)``.

        With ``training=False`` it runs as outside training, always. Raises ``ShapeError`` for
        shapes that it does not take, ``ConfigError`` for arrays, of which ``forward`` is.

        >>> Dense(3)(Input((4,))).shape
        (None, 3)
        """
        if training is not None:
            boolean(self.who, "training", training)
        return call_layer(self, inputs, training)

    @property
    def input(self) -> SymbolicTensor | list[SymbolicTensor]:
        """What it is called on, in the model that it is in; several if it merges."""
        found: SymbolicTensor | list[SymbolicTensor] = ends(self, "input")
        return found

    @property
    def output(self) -> SymbolicTensor:
        """What it gives in the model that it is in, as for ``Model(model.input, layer.output)``."""
        found: SymbolicTensor = ends(self, "output")
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Without the calls: a copy of a layer is in no model."""
        return vars(self) | {"calls": []}

    def changed(self, argument: str, value: Any) -> dict[str, Any]:
        """See ``Guarded``; raises ``ConfigError`` for a change that comes too late."""
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
        changed = copy.copy(self)
        vars(changed).update(new)
        changed.params, changed.state = {}, {}
        with left_unset():
            changed.build(self.input_shape, np.random.default_rng(0), self.dtype)
        before, after = (
            ({name: array.shape for name, array in each.arrays().items()}, each.output_shape(shape))
            for each, shape in ((self, self.input_shape), (changed, self.input_shape))
        )
        return before == after and not argument.endswith("_initializer")

    @classmethod
    def accepted_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Keras' arguments as the class takes them; ``ConfigError`` for those that it lacks."""
        name = {"name": config["name"]} if "name" in config else {}
        others = {key: value for key, value in config.items() if key != "name"}
        return accepted(cls, others) | name

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as values that JSON can hold, and the name."""
        return super().get_config() | {"name": self.name}

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


ON_IMAGES: Mapping[str, str] = {**Layer.settable, "data_format": "data_format"}
"""``settable`` of layers to which Keras says where the channels of images are."""


def _show(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
