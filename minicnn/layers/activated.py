"""What layers with an argument ``activation`` have in common: a name, a function, or a layer.

A function that is not in ``minicnn.activations`` is a ``Lambda``: what it does becomes nodes. The
arrays of a layer that is an activation belong to the layer that has it, as ``activation.alpha``.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from minicnn import activations
from minicnn._core.custom_objects import get_custom_objects
from minicnn._core.shapes import Array, Shape
from minicnn._core.traits import keeps
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.base import Grads, Layer
from minicnn.layers.graph import Graph, Node, put
from minicnn.layers.lambdas import Lambda
from minicnn.layers.registry import from_description

Given: TypeAlias = str | Callable[..., Any] | Layer | None
"""An argument ``activation``: "relu", ``relu``, a custom function, or ``LeakyReLU(0.1)``."""

WITHIN = "activation."
"""What the names of an activation's arrays begin with."""


class Activated(Layer):
    """A layer that applies ``activation`` last."""

    passes = Layer.passes | {"activate", "back_through_activation"}

    def __init__(self, activation: Given, name: str | None) -> None:
        super().__init__(name)
        self.activation = taken(self.who, activation)
        """Its name, or the layer that does it."""

    def build_activation(self, input_shape: Shape, rng: np.random.Generator) -> None:
        """Build the layer that is the activation, if it is one, and take over its arrays."""
        if not isinstance(self.activation, Layer):
            return
        inner, shape = copy.copy(self.activation), self.output_shape(input_shape)
        inner.unbuild()
        inner._who = f"{self.who}, its activation"
        inner.kernel_set = self.kernel_set
        inner.build(shape, rng, self.dtype)
        out = inner.output_shape(shape)
        if out != shape:
            raise ShapeError(
                f"{self.who}: expected an activation that keeps the shape {shape}, got {out} of "
                f"{inner.who}. Put it after this layer."
            )
        vars(self)["activation"] = inner
        for key, array in inner.params.items():
            self.params[WITHIN + key] = array

    def activate(self, z: Array) -> tuple[Array, Any]:
        """(y, the activation's part of the cache, or None)."""
        if self.activation is None:
            return z, None
        if isinstance(self.activation, str):
            return activations.get(self.who, self.activation).activate(z)
        return self.activation_layer().forward(z)

    def back_through_activation(self, dy: Array, kept: Any) -> tuple[Array, Grads]:
        """dz from the part that ``activate`` returned, and gradients of the activation's arrays."""
        if kept is None:
            return dy, {}
        if isinstance(self.activation, str):
            return activations.get(self.who, self.activation).gradient(dy, kept), {}
        dz, grads = self.activation_layer().backward(dy, kept)
        return dz, {WITHIN + key: grad for key, grad in grads.items()}

    def activation_layer(self) -> Layer:
        """The layer that is the activation, with the arrays that this one has for it."""
        assert isinstance(self.activation, Layer)
        mine = {key.removeprefix(WITHIN): x for key, x in self.params.items() if WITHIN in key}
        if not mine:
            return self.activation
        inner = copy.copy(self.activation)
        inner.params, inner.trainable = mine, self.trainable
        return inner

    def regularizers(self) -> dict[str, Any]:
        """Those of its own arrays, and those of the activation's."""
        return super().regularizers() | self._of_activation(Layer.regularizers)

    def constraints(self) -> dict[str, Any]:
        """Those of its own arrays, and those of the activation's."""
        return super().constraints() | self._of_activation(Layer.constraints)

    def _of_activation(self, asked: Callable[[Layer], dict[str, Any]]) -> dict[str, Any]:
        if not any(key.startswith(WITHIN) for key in self.params):
            return {}
        return {WITHIN + key: one for key, one in asked(self.activation_layer()).items()}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; of a function that is one layer, that layer."""
        config = super().get_config()
        if isinstance(self.activation, Lambda):
            config["activation"] = self.activation.plainest().description()
        return config


def taken(who: str, given: Any) -> str | Layer | None:
    """The name of an activation, or the layer that does it.

    Raises ``ConfigError`` for what is neither, and for layers that compute otherwise in training.
    """
    if isinstance(given, str) and given not in activations.ACTIVATIONS:
        given = get_custom_objects().get(given, given)
    if isinstance(given, Mapping) and "class_name" in given:
        given = from_description(given, get_custom_objects())
    if isinstance(given, type) and issubclass(given, Layer):
        raise ConfigError(
            f"{who}: expected activation as a layer, got its class {given.__name__}. Make one: "
            f"{given.__name__}(...)."
        )
    if not isinstance(given, Layer):
        if activations.is_custom(given):
            return Lambda(given)
        return activations.name_of(who, given)
    trunk, name = given.split_activation()
    if trunk is None:
        return name
    if given.merges or given.random or not keeps(given, "additive"):
        raise ConfigError(
            f"{who}: expected activation as a layer that does the same in training, got "
            f"{given.who}. Add that layer after this one."
        )
    return copy.copy(given)


def apart(graph: Graph) -> Graph:
    """The graph with activations that are layers as nodes of their own, behind what has them."""
    nodes: list[Node] = []
    at = list(range(graph.given))
    for node in graph.nodes:
        reads, layer = tuple(at[i] for i in node.reads), node.layer
        if isinstance(layer, Activated) and isinstance(layer.activation, Layer):
            linear, inner = copy.copy(layer), layer.activation_layer()
            vars(linear)["activation"] = None
            nodes.append(node._replace(layer=linear, reads=reads))
            shape, last = layer.output_shape(node.shape), graph.given + len(nodes) - 1
            name = f"{node.name}.{WITHIN[:-1]}"
            at += put(nodes, graph.given, inner, (last,), name, shape, node.training)
        else:
            nodes.append(node._replace(reads=reads))
            at.append(graph.given + len(nodes) - 1)
    return Graph(graph.given, tuple(nodes), tuple(at[i] for i in graph.outputs))
