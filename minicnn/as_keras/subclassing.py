"""Models and layers of a script whose ``call`` puts layers together.

A minicnn layer has a forward and a backward pass of its own. A Keras script may instead derive a
class from ``Model`` or ``Layer`` whose ``call`` does nothing but call layers. Such a ``call`` is
run once, with symbolic tensors, and what it does with them becomes nodes as in any other network.

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(8, 3)

        def call(self, x):
            return self.conv(x)

A class with a ``call`` and without ``forward`` gets the parent ``TracedModel`` or ``TracedLayer``
when it is defined. What computes with numbers in its ``call`` is refused in one line.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from minicnn._core.shapes import DType, Shape
from minicnn.as_keras.tracing import Traced, forget, name_all, tensors_in
from minicnn.errors import ConfigError, shown
from minicnn.layers import InputLayer, Layer
from minicnn.layers.building import build_layer, name_layer
from minicnn.layers.core import Identity
from minicnn.layers.graph import Graph, Node, put
from minicnn.layers.inner import InnerNodes
from minicnn.layers.symbolic import SymbolicTensor, calls_behind
from minicnn.models.base import BaseModel
from minicnn.models.functional import put_together
from minicnn.models.model import Model

__all__ = ["TracedLayer", "TracedModel", "adopt"]


STEPS = ("train_step", "test_step", "compute_loss")


def adopt(cls: type) -> None:
    """Give a class that was just defined, with a ``call`` of layers, the parent that traces it.

    One derived from another layer or model of minicnn's, such as Dense, stays as it is.
    """
    base, traced = (Model, TracedModel) if issubclass(cls, Model) else (Layer, TracedLayer)
    of_library = [one for one in cls.__mro__ if one.__module__.startswith("minicnn.")]
    own = [one for one in cls.__mro__ if one not in of_library]
    if of_library[0] not in (base, traced) or any("forward" in vars(one) for one in own):
        return
    if not any(name in vars(one) for one in own for name in ("call", *STEPS)):
        return
    if of_library[0] is base:
        cls.__bases__ = (*(one for one in cls.__bases__ if one is not base), traced)
    if isinstance(vars(cls).get("metrics"), property):  # those of a train_step
        del cls.metrics  # type: ignore[attr-defined]
    if "build" in vars(cls):
        cls.build_as_in_keras = vars(cls)["build"]  # type: ignore[attr-defined]
        del cls.build  # type: ignore[attr-defined]


FRESH = {"seed": None, "kernels": None, "fuse": True}
"""What ``Model`` takes besides name and dtype."""


class Step(NamedTuple):
    """One call of a layer within a ``call``, and the numbers of what it takes."""

    layer: Any
    reads: tuple[int, ...]
    shape: Any
    training: bool | None


class Steps(NamedTuple):
    """What a ``call`` does: values are numbered, the inputs first."""

    steps: tuple[Step, ...]
    output: int

    def of(self, layers: Mapping[int, Any]) -> "Steps":
        """The same of other layers, by the identities of these."""
        steps = (step._replace(layer=layers[id(step.layer)]) for step in self.steps)
        return self._replace(steps=tuple(steps))


class TracedLayer(Traced, InnerNodes):
    """A layer whose ``call`` calls layers, which are its attributes or learn nothing."""

    additive = True
    any_order = True
    _copied: list[Any] | None = None
    """The layers of a copy, whose attributes are those of the first."""

    def __init__(self, name: str | None = None, trainable: bool = True, dtype: Any = None) -> None:
        self.traces: dict[Any, Steps] = {}
        """By the shape of what it takes."""
        super().__init__(name)
        self._trainable, self.asked_dtype = trainable, dtype
        self._kept = {*vars(self), "_kept", "_told", "_copied"}

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """What ``call`` makes of a symbolic tensor, or of a list of several."""
        if isinstance(inputs, list | tuple):
            vars(self)["merges"] = True
        return super().__call__(inputs, training)

    @property
    def sublayers(self) -> Sequence[Any]:  # type: ignore[override]
        """The layers among its attributes, then those that ``call`` made."""
        if self._copied is not None:
            return self._copied
        if "_kept" not in vars(self):
            return []
        made = [step.layer for trace in self.traces.values() for step in trace.steps]
        used = {id(layer) for layer in made}
        kept = [one for one in self.attributes() if not self.traces or id(one) in used]
        return list(dict.fromkeys([*kept, *made]))

    @property
    def built(self) -> bool:
        """Whether its layers have their arrays."""
        return self.input_shape is not None

    @built.setter
    def built(self, value: bool) -> None:
        """Nothing: Keras' own ``build`` methods say so."""

    def __copy__(self) -> Self:
        """A copy whose layers are copies, with the same arrays."""
        made: dict[int, Any] = {}
        for layer in self.sublayers:
            made[id(layer)] = layer.twin() if isinstance(layer, BaseModel) else copy.copy(layer)
        twin = object.__new__(type(self))
        vars(twin).update(self.__getstate__(), _copied=list(made.values()))
        twin.traces = {
            key: Steps(
                tuple(s._replace(layer=made[id(s.layer)]) for s in trace.steps), trace.output
            )
            for key, trace in self.traces.items()
        }
        return twin

    def output_shape(self, input_shape: Any) -> Shape:
        """The shape of what ``call`` makes of tensors of these shapes."""
        node = self.graph(input_shape)
        last: Any = node.nodes[node.outputs[0] - node.given]
        shape: Shape = last.layer.output_shape(last.shape)
        return shape

    def graph(self, input_shape: Any) -> Graph:
        """The nodes of what ``call`` does with tensors of these shapes."""
        several = bool(input_shape) and isinstance(input_shape[0], tuple | list)
        shapes = tuple(map(tuple, input_shape)) if several else (tuple(input_shape),)
        if shapes not in self.traces:
            self.traces[shapes] = self._steps(shapes)
        trace = self.traces[shapes]
        nodes: list[Node] = []
        at = list(range(len(shapes)))
        for layer, reads, shape, training in trace.steps:
            taken = [at[i] for i in reads]
            at += put(nodes, len(shapes), layer, taken, layer.name, shape, training)
        return Graph(len(shapes), tuple(nodes), (at[trace.output],))

    def _steps(self, shapes: Sequence[Shape]) -> Steps:
        inputs = [self._begin(one) for one in shapes]
        if not self._told:
            self._told = True
            whole = [x.shape for x in inputs]
            self.build_as_in_keras(whole if self.merges else whole[0])
        name_all(self.who, self.attributes())
        output = self.trace(inputs if self.merges else inputs[0])
        if isinstance(output, list | tuple) and len(output) == 1:
            output = output[0]
        if not isinstance(output, SymbolicTensor):
            raise ConfigError(
                f"{self.who}: expected a call that returns one tensor, got {shown(output)}. Derive "
                "it from Model if it gives several."
            )
        if any(output is x for x in inputs):
            output = Identity()(output)
        at = {id(x): i for i, x in enumerate(inputs)}
        steps = []
        calls = [c for c in calls_behind(self.who, inputs, [output]).calls if c.inputs]
        own = {id(one) for one in self.attributes()}
        names = {one.name for one in self.attributes()}
        for call in calls:
            layer: Any = call.layer
            if id(layer) not in own:
                name_layer(self.who, layer, names)
                own.add(id(layer))
                names.add(layer.name)
            reads = tuple(at[id(x)] for x in call.inputs)
            steps.append(Step(layer, reads, call.shape, call.training))
            for x in call.outputs:
                at[id(x)] = len(at)
        forget(calls)
        return Steps(tuple(steps), at[id(output)])

    def _begin(self, shape: Shape) -> SymbolicTensor:
        layer = InputLayer(shape)
        layer.channels_first = self.settled
        return layer.tensor()

    def build(
        self,
        input_shape: Any,
        rng: np.random.Generator | None = None,
        dtype: DType | type | str = "float32",
    ) -> None:
        """Build the layers; from within the class's own ``build`` it is Keras', and does nothing.

        Raises ``ConfigError`` for a layer that learns and was made within ``call``.
        """
        if rng is None:
            return
        super().build(input_shape, rng, dtype)
        self.begun = [x for x in self.sublayers if not x.built and isinstance(x, Layer)]
        own = {id(one) for one in self.attributes()}
        done = set()
        for trace in self.traces.values():
            for step in trace.steps:
                if isinstance(step.layer, BaseModel) or id(step.layer) in done:
                    continue  # a model is built when it is called, a layer for its first use
                done.add(id(step.layer))
                build_layer(self.who, step.layer, step.shape, rng, self.dtype, self.kernel_set)
                if step.layer.params and id(step.layer) not in own:
                    raise ConfigError(
                        f"{self.who}: {step.layer.who} learns and is made anew in each call. Make "
                        "it in __init__, as an attribute."
                    )

    def get_config(self) -> dict[str, Any]:
        """Its name; the class adds its arguments."""
        return {"name": self.name}


class TracedModel(Traced, Model):
    """A model whose ``call`` calls layers: it is put together when the first shape is known."""

    made_of = "..."

    def __init__(
        self, *tensors: Any, name: str | None = None, dtype: Any = None, **options: Any
    ) -> None:
        if tensors or "inputs" in options:
            super().__init__(*tensors, name=name, dtype=dtype, **options)
        else:
            for unneeded in ("trainable", "dynamic", "autocast"):
                options.pop(unneeded, None)
            self._begin(name=name, dtype=dtype, **{**FRESH, **options})
        self._asked: dict[str, Any] = {}
        """What ``compile`` was given before the outputs were known."""
        self._kept = {*vars(self), "_kept", "_told"}

    @property
    def layers(self) -> list[Any]:
        """Those that the class has as attributes, then those that ``call`` made."""
        if not self.stack:
            return self.attributes()
        return [one for one in super().layers if not isinstance(one, InputLayer)]

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """The output for a batch, or for symbolic tensors."""
        self.meet(x)
        return super().__call__(x, training)

    def build(self, input_shape: Any = None) -> None:
        """Put it together for inputs of that shape, with None before it or without."""
        if self.stack:
            return
        if input_shape is None:
            raise ConfigError(
                f"{self.who}: expected the shape of one input, as it was called on nothing so far. "
                "Call build((None, height, width, channels)), or fit."
            )
        if isinstance(input_shape, Mapping):
            return self.meet({name: _Sized(s) for name, s in input_shape.items()})
        if input_shape and isinstance(input_shape[0], tuple | list):
            return self.meet([_Sized(s) for s in input_shape])
        return self.meet(_Sized(input_shape))

    def meet(self, x: Any) -> None:
        """Put it together for what it is given first."""
        if self.stack:
            return
        self._told = True
        if isinstance(x, Mapping):
            inputs: Any = {name: _input(one, name) for name, one in x.items()}
        else:
            several = isinstance(x, list | tuple) and all(hasattr(one, "shape") for one in x)
            inputs = [_input(one) for one in x] if several else _input(x)
        tensors = list(tensors_in(inputs))
        whole = [one.shape for one in tensors]
        self.build_as_in_keras(whole[0] if isinstance(inputs, SymbolicTensor) else whole)
        attributes = self.attributes()
        name_all(self.who, attributes)
        put_together(self, inputs, self.trace(inputs))
        order = {id(layer): i for i, layer in enumerate(attributes)}
        order |= {id(x.call.layer): -1 for x in self.inputs}
        self.stack.sort(key=lambda layer: order.get(id(layer), len(order)))
        if self._asked:
            super().compile(self.optimizer or "rmsprop", **self._asked)

    def compile(  # type: ignore[override]
        self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = None, **options: Any
    ) -> None:
        """As any model's; what is said of several outputs is settled when these are known.

        Raises ``ConfigError`` where the class has its own steps of training.
        """
        for name in STEPS:
            if hasattr(type(self), name):
                raise ConfigError(
                    f"{self.who}: its {name} takes derivatives of its own, which minicnn has not. "
                    "Train with fit as it is, or in a loop: examples/custom_loop.py."
                )
        asked = {"loss": loss, "metrics": metrics, **options}
        several = any(isinstance(loss, kind) for kind in (list, tuple, Mapping))
        vars(self)["_asked"] = {} if self.stack else asked
        super().compile(optimizer, **({} if several and not self.stack else asked))


class _Sized(NamedTuple):
    """What has a shape with a batch axis."""

    given: tuple[int | None, ...]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """With a batch axis, which may be left out where it is not None and images have three."""
        given = tuple(self.given)
        return given if given[0] is None or len(given) == 4 else (None, *given)


def _input(x: Any, name: str | None = None) -> SymbolicTensor:
    """An input for what has that shape."""
    shape: Any = x.shape if isinstance(x, SymbolicTensor | _Sized) else np.shape(x)
    layer = InputLayer(tuple(shape[1:]), name=name)
    return layer.tensor()
