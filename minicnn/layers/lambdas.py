"""A layer from a function: what it does with a symbolic tensor becomes nodes."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from minicnn._core.shapes import DType, Shape
from minicnn.errors import ConfigError, MiniCNNError, ShapeError, shown
from minicnn.layers.base import Layer
from minicnn.layers.building import build_layer, name_layer
from minicnn.layers.core import Identity, InputLayer
from minicnn.layers.graph import Graph, Node, put
from minicnn.layers.inner import InnerNodes
from minicnn.layers.registry import described, with_layers
from minicnn.layers.symbolic import SymbolicTensor, calls_behind

REMEDY = "Write it as a custom layer with its backward pass: docs/write_your_own.md."


class Lambda(InnerNodes):
    """A function as a layer: ``Lambda(lambda x: x / 127.5 - 1)``.

    The function is called once, with a symbolic tensor, or with a list of them where the layer is
    called on several. What it does with them must be arithmetic, slicing, layers that learn nothing
    or functions of ``minicnn.ops`` and ``minicnn.backend`` whose gradient is known: these become
    nodes, whose backward passes are their own. ``arguments`` are further arguments of the function;
    the output's shape is found, whatever ``output_shape`` says. A file holds the nodes, as Keras'
    operations, and no Python. Raises ``ConfigError`` for a function that does anything else.

    >>> layer = Lambda(lambda x: x[:, ::-1] * 2)
    >>> layer.output_shape((3,))
    (3,)
    >>> model = Sequential([Input((3,)), layer])
    >>> model.predict(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[6.0, 4.0, 2.0]]
    """

    additive = True
    any_order = True  # each layer that the function makes is asked

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.traces: dict[Any, tuple[tuple[Node, ...], int]] = {}
        """By the shape of what it takes, the nodes that the function makes, and the last number."""
        super().__init__(name)
        if not callable(function) or isinstance(function, type):
            raise ConfigError(f"{self.who}: expected a function, got {shown(function)}.")
        sizes = output_shape if isinstance(output_shape, tuple | list) else ()
        whole = all(n is None or isinstance(n, int | np.integer | tuple | list) for n in sizes)
        if not (output_shape is None or callable(output_shape) or (sizes and whole)):
            raise ConfigError(
                f"{self.who}: expected output_shape as a tuple of sizes or a function, got "
                f"{shown(output_shape)}. It may be left out."
            )
        if mask is not None:
            raise ConfigError(f"{self.who}: expected no mask, got {shown(mask)}.")
        if not isinstance(arguments, Mapping | None):
            raise ConfigError(
                f"{self.who}: expected arguments as a dictionary, got {shown(arguments)}."
            )
        self.function = function
        self.arguments = arguments

    def __repr__(self) -> str:
        """Its name: the function says nothing that can be read."""
        return f"Lambda({'' if self.name is None else f'name={self.name!r}'})"

    def __call__(self, inputs: Any, training: bool | None = None) -> SymbolicTensor:
        """What the function makes of a symbolic tensor, or of a list of several."""
        if isinstance(inputs, list | tuple):
            vars(self)["merges"] = True
        return super().__call__(inputs, training)

    @property
    def sublayers(self) -> Sequence[Layer]:  # type: ignore[override]
        """The layers of its nodes."""
        every = (node.layer for nodes, _ in self.traces.values() for node in nodes)
        return list(dict.fromkeys(every))  # type: ignore[arg-type]

    def __copy__(self) -> Self:
        """A copy that shares the nodes: they have no arrays."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self) | {"calls": [], "traces": dict(self.traces)})
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Of a function that was traced, the nodes: Python's lambdas cannot be pickled."""
        state = super().__getstate__()
        done = self._replay()
        return state if done is None else state | {"function": done, "arguments": None}

    def output_shape(self, input_shape: Any) -> Shape:
        """The shape of what the function makes of tensors of these shapes."""
        node = self.graph(input_shape).nodes[-1]
        shape: Shape = node.layer.output_shape(node.shape)
        return shape

    def graph(self, input_shape: Any) -> Graph:
        """What the function does with tensors of these shapes: traced once."""
        key = _key(input_shape)
        if key not in self.traces:
            self.traces[key] = self._traced(key)
        nodes, output = self.traces[key]
        return Graph(len(key) if _several(key) else 1, nodes, (output,))

    def build(self, input_shape: Any, rng: np.random.Generator, dtype: DType | type | str) -> None:
        """Build the layers of the nodes; raises ``ConfigError`` for one that learns."""
        super().build(input_shape, rng, dtype)
        graph = self.graph(input_shape)
        self.begun = [layer for layer in self.sublayers if not layer.built]
        for node in graph.nodes:
            layer: Any = node.layer
            if not layer.built:
                build_layer(self.who, layer, node.shape, rng, self.dtype, self.kernel_set)
            if layer.params:
                raise ConfigError(
                    f"{self.who}: expected a function without layers that learn, got "
                    f"{layer.who} in it. Put that into the network, before or after."
                )

    def _traced(self, shape: Any) -> tuple[tuple[Node, ...], int]:
        """Call the function with symbolic tensors; the output's node is the last."""
        shapes = shape if _several(shape) else (shape,)
        inputs = [self._begin(one) for one in shapes]
        output = self._called(inputs if self.merges or len(shapes) > 1 else inputs[0])
        if any(output is x for x in inputs):
            output = Identity()(output)
        return nodes_between(self.who, inputs, output)

    def _begin(self, shape: Shape) -> SymbolicTensor:
        """What the function is called with, as the script has the axes of images."""
        layer = InputLayer(shape)
        layer.channels_first = self.settled
        return layer.tensor()

    def _called(self, given: Any) -> SymbolicTensor:
        try:
            found = self.function(given, **(self.arguments or {}))
        except MiniCNNError as error:
            kind = type(error) if isinstance(error, ConfigError | ShapeError) else ConfigError
            raise kind(f"{self.who}: {error}") from None
        except Exception as error:
            raise ConfigError(
                f"{self.who}: the function cannot be called with a symbolic tensor: "
                f"{type(error).__name__}: {error} {REMEDY}"
            ) from None
        if isinstance(found, list | tuple) and len(found) == 1:
            found = found[0]
        if not isinstance(found, SymbolicTensor):
            raise ConfigError(
                f"{self.who}: expected a function that returns what it makes of its tensors, as "
                f"one tensor, got {shown(found)}. {REMEDY}"
            )
        return found

    def get_config(self) -> dict[str, Any]:
        """The nodes, if the function was called, else the function."""
        done = self._replay()
        if done is None:
            given = {"function": self.function, "arguments": self.arguments}
            return given | {"name": self.name}
        return {
            "layers": [described(layer) for layer, _ in done.nodes],
            "reads": [list(reads) for _, reads in done.nodes],
            "output": done.output,
            "name": self.name,
        }

    def plainest(self) -> Layer:
        """The layer that does the same, of a function that was found to be one layer; or itself."""
        done = self._replay()
        if done is not None and len(done.nodes) == done.output == 1:
            return done.nodes[0][0]
        return self

    def _replay(self) -> "Replay | None":
        """What the function did, if that is known."""
        if isinstance(self.function, Replay) or not self.traces:
            return self.function if isinstance(self.function, Replay) else None
        nodes, output = next(iter(self.traces.values()))
        return Replay([(node.layer, node.reads) for node in nodes], output)  # type: ignore[misc]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make it from the result of ``get_config``."""
        if "layers" not in config:
            return cls(**config)
        layers = with_layers(config)["layers"]
        reads = [tuple(numbers) for numbers in config["reads"]]
        nodes = list(zip(layers, reads, strict=True))
        return cls(Replay(nodes, int(config["output"])), name=config["name"])

    @classmethod
    def accepted_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Raise ``ConfigError`` for what Keras writes: Python is not run from a file."""
        if "layers" in config or callable(config.get("function")):
            return dict(config)
        raise ConfigError(
            f"Lambda {config.get('name')!r}: expected layers, got a Python function, which is not "
            "run from a file, as in Keras' safe mode. In Keras write it with keras.ops on tensors "
            "instead of Lambda, and save the model again."
        )


def nodes_between(
    who: str, inputs: Sequence[SymbolicTensor], output: SymbolicTensor
) -> tuple[tuple[Node, ...], int]:
    """The nodes that make a tensor of others, and the number of that one."""
    at = {id(x): i for i, x in enumerate(inputs)}
    nodes: list[Node] = []
    seen: dict[int, str | None] = {}
    for call in calls_behind(who, inputs, [output]).calls:
        layer: Any = call.layer
        if not call.inputs:
            continue
        if id(layer) not in seen:
            name_layer(who, layer, set(seen.values()))
            seen[id(layer)] = layer.name
        reads = [at[id(x)] for x in call.inputs]
        found = put(nodes, len(inputs), layer, reads, layer.name, call.shape, call.training)
        at |= {id(x): i for x, i in zip(call.outputs, found, strict=True)}
        layer.calls.remove(call)  # which is in no model
    return tuple(nodes), at[id(output)]


class Replay:
    """A function that does once more what another did: calls copies of layers in their order."""

    def __init__(self, nodes: Sequence[tuple[Layer, tuple[int, ...]]], output: int) -> None:
        self.nodes = list(nodes)
        """Layers, and the numbers of what each takes: first the inputs, then what came before."""
        self.output = output

    def __call__(self, given: Any) -> SymbolicTensor:
        """What the last layer makes."""
        values = list(given) if isinstance(given, list | tuple) else [given]
        for layer, reads in self.nodes:
            one = copy.copy(layer)
            one.input_shape = None
            taken = [values[i] for i in reads]
            values.append(one(taken if one.merges else taken[0]))
        found: SymbolicTensor = values[self.output]
        return found


def _key(shape: Any) -> Any:
    """A shape, or several, that can be looked up."""
    return tuple(map(tuple, shape)) if _several(shape) else tuple(shape)


def _several(shape: Any) -> bool:
    """Whether it is the shapes of several inputs."""
    return bool(shape) and isinstance(shape[0], tuple | list)
