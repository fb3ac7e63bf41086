"""Models whose layers stand in a row."""

from collections.abc import Sequence
from typing import Any

from minicnn._core.config import close
from minicnn._core.shapes import Shape
from minicnn._core.signatures import checked
from minicnn.activations import ACTIVATIONS
from minicnn.errors import ConfigError, ShapeError, shown
from minicnn.layers import InputLayer, Layer
from minicnn.layers.building import build_layer, check_new, name_layer, walk
from minicnn.layers.channels_first import settle
from minicnn.layers.core import beginning
from minicnn.layers.symbolic import SymbolicTensor, use
from minicnn.models.base import BaseModel
from minicnn.models.functional import build_model
from minicnn.models.model import Model


class Sequential(Model):
    """Layers that run one after another; a model may be one of them.

    ``seed`` starts the model's one generator, from which come the first weights, the
    order of the batches and what dropout drops; without it every model differs.
    ``dtype`` is "float32" or "float64", else what ``minicnn.config.floatx()`` says; ``kernels`` is
    "compiled" (C), "vectorized" (NumPy) or "reference" (plain loops): docs/compiled_kernels.md.
    ``fit``, ``evaluate`` and ``predict`` compute a convolution together with the ReLU and the
    pooling after it; ``fuse=False`` runs them one by one.

    >>> model = Sequential([Input((4,)), Dense(3, activation="softmax")], seed=0)
    >>> model.predict(np.ones((2, 4))).shape
    (2, 3)
    """

    made_of = "layers"

    @checked
    def __init__(
        self,
        layers: "Sequence[Layer | BaseModel | SymbolicTensor] | None" = None,
        *,
        seed: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
        kernels: str | None = None,
        fuse: bool = True,
    ) -> None:
        super()._begin(seed=seed, name=name, dtype=dtype, kernels=kernels, fuse=fuse)
        if layers is not None and not isinstance(layers, Sequence):
            raise ConfigError(f"{self.who}: expected a list of layers, got {layers!r}.")
        self._extend(layers or ())
        close(self)

    @property
    def layers(self) -> list[Any]:
        """The layers, without the InputLayer, as in Keras."""
        return [layer for layer in self.stack if not isinstance(layer, InputLayer)]

    @property
    def is_row(self) -> bool:
        """It is."""
        return True

    def add(self, layer: "Layer | BaseModel | SymbolicTensor") -> None:
        """Put a layer or a model at the end; it is named, and built if that can be."""
        self._extend([layer])

    def pop(self) -> "Layer | BaseModel":
        """Take the last layer off, and return it; the others keep their arrays.

        Call ``compile`` again before training. Raises ``ConfigError`` if there is none.

        >>> model = Sequential([Input((4,)), Dense(3), Dense(2)])
        >>> model.pop().units, model.output_shape
        (2, (3,))
        """
        if not self.layers:
            raise ConfigError(f"{self.who}: expected layers, of which to take one off, got none.")
        while True:
            layer: Layer | BaseModel = self.stack.pop()
            if self.inner_calls:
                call = self.inner_calls.pop()
                call.layer.calls.remove(call)
                self.outputs = list(self.inner_calls[-1].outputs) if self.inner_calls else []
                self._graph = None
            if not layer.operation:
                return layer

    def _extend(self, layers: "Sequence[Layer | BaseModel | SymbolicTensor]") -> None:
        """Add several, in time that grows with their number and not with its square."""
        taken = {layer.name for layer in self.stack}
        known = {id(layer) for layer in walk(self.stack)}
        for layer in layers:
            self._place(layer, taken, known)

    def _place(self, layer: Any, taken: set[str | None], known: set[int]) -> None:
        if isinstance(layer, SymbolicTensor) and isinstance(layer.call.layer, InputLayer):
            layer = layer.call.layer
        if not isinstance(layer, Layer | BaseModel):
            raise ConfigError(f"{self.who}: expected a layer, got {shown(layer)}.{_meant(layer)}")
        check_new(self.who, [layer], known)
        if isinstance(layer, InputLayer) and self.stack:
            raise ConfigError(f"{self.who}: expected Input only as the first layer, got {layer!r}.")
        first = layer.first_shape
        if layer.built and first is None:
            first = layer.input_shapes[0] if isinstance(layer, BaseModel) else layer.input_shape
        if not self.stack and first is not None and not isinstance(layer, InputLayer):
            self._place(_input_of(layer, first), taken, known)
        ahead, behind = list[Layer](), list[Layer]()
        if self.outputs and isinstance(layer, Layer):
            ahead, behind = layer.turns(self.outputs[0])
        for one in ahead:
            self._place(one, taken, known)
        name_layer(self.who, layer, taken)
        before = self.outputs
        if isinstance(layer, InputLayer):
            build_layer(self.who, layer, layer.shape, self.rng, self.dtype, self.kernels)
            call = layer.tensor().call
            self.inputs = list(call.outputs)
        elif before:
            if isinstance(layer, BaseModel):
                build_model(self, layer, before[0].shape[1:])
                layer(before[0])
                call = layer.calls[-1]
            else:
                settle(layer, before)
                build_layer(self.who, layer, before[0].sizes, self.rng, self.dtype, self.kernels)
                call = use(layer, before)
        if before or self.inputs:
            if len(call.outputs) != 1:
                raise ShapeError(
                    f"{self.who}: expected layers of one output, got {layer.who} with "
                    f"{len(call.outputs)}. Use Model(inputs, outputs)."
                )
            self.inner_calls.append(call)
            self.outputs, self._graph = list(call.outputs), None
        self.stack.append(layer)
        taken.add(layer.name)
        for one in behind:
            self._place(one, taken, known)

    def build(self, input_shape: Shape | None = None) -> None:
        """Make the layers' arrays for inputs of ``input_shape``, without the batch axis.

        As in Keras that axis may come first: ``(None, 28, 28, 1)``. Not needed in a model that
        starts with an Input. Raises ``ShapeError`` when the layers do not fit each other.
        """
        if self.built:
            return
        if isinstance(input_shape, Sequence) and (None in input_shape[:1] or len(input_shape) == 4):
            input_shape = tuple(input_shape[1:])
        if not self.stack:
            raise ConfigError(f"{self.who}: expected layers, got none.")
        if input_shape is None:
            raise ConfigError(
                f"{self.who}: expected the shape of one input. Start with Input(shape), "
                "or call build(input_shape)."
            )
        layers, self.stack = self.stack, []
        begun = [layer for layer in walk(layers) if not layer.built and isinstance(layer, Layer)]
        try:
            self._extend((beginning(InputLayer(input_shape), layers[0]), *layers))
        except BaseException:
            for layer in begun:
                layer.unbuild()
            for call in self.inner_calls:
                call.layer.calls.remove(call)
            self.stack, self.inner_calls, self.inputs, self.outputs = layers, [], [], []
            raise


def _input_of(layer: Any, shape: Shape) -> InputLayer:
    """The input of a model that begins with a layer of which the shape is known."""
    given = InputLayer(shape)
    if not layer.built:
        return beginning(given, layer)
    model = isinstance(layer, BaseModel)
    given.channels_first = layer.inputs[0].channels_first if model else layer.settled
    return given


def _meant(thing: Any) -> str:
    """What to write for something that is no layer."""
    if isinstance(thing, type) and issubclass(thing, Layer):
        return f" Make one: {thing.__name__}(...)."
    if isinstance(thing, SymbolicTensor):
        return " Of tensors make Model(inputs, outputs)."
    if isinstance(thing, str) or callable(thing):
        name = thing if isinstance(thing, str) else getattr(thing, "__name__", "")
        return f" Write Activation({name!r})." if name in ACTIVATIONS else ""
    if isinstance(thing, list | tuple):
        return " Put the layers into the list themselves, with a star before them: *layers."
    return ""
