"""Layers as activations of others: ``Dense(50, activation=LeakyReLU(0.1))``.

Keras calls the layer on what the first one gives. Here it becomes a layer of its own behind it.
"""

import functools
from collections.abc import Iterator
from typing import Any

from minicnn.layers import Layer
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["changes"]


def changes() -> Iterator[tuple[type, str, Any]]:
    """What takes the place of what, in which class."""
    kind: type = type(Layer)
    yield kind, "__call__", _made(kind.__call__)
    yield Layer, "turns", _followed(Layer.turns)
    yield Layer, "__call__", _called(Layer.__call__)


def _made(make: Any) -> Any:
    def call(cls: Any, *arguments: Any, **options: Any) -> Any:
        given = options.get("activation")
        if not (isinstance(given, Layer) and issubclass(cls, Layer)):
            return make(cls, *arguments, **options)
        made = make(cls, *arguments, **options | {"activation": None})
        vars(made)["_activation_layer"] = given
        return made

    return call


def _followed(turns: Any) -> Any:
    def turned(self: Layer, x: SymbolicTensor) -> tuple[list[Layer], list[Layer]]:
        before, after = turns(self, x)
        return before, [*after, *_behind(self)]

    return turned


def _called(call: Any) -> Any:
    @functools.wraps(call)
    def called(self: Layer, inputs: Any, training: bool | None = None) -> Any:
        made = call(self, inputs, training)
        for layer in _behind(self) if not isinstance(made, SymbolicTensor) else ():
            made = layer(made)
        return made

    return called


def _behind(layer: Layer) -> list[Layer]:
    """The layer that was given as its activation, if there is one."""
    given = vars(layer).get("_activation_layer")
    return [] if given is None else [given]
