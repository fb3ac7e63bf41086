"""``keras.losses.get("mse")`` and its like, and activation functions that layers are made of."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import activations

__all__ = ["found"]

FAMILIES = {
    "constraints": "constraint",
    "initializers": "initializer",
    "losses": "loss",
    "metrics": "metric",
    "optimizers": "optimizer",
    "regularizers": "regularizer",
}
"""The modules of Keras' that have ``get``, and what it gives."""

OF_RELU = {"negative_slope": "alpha"}
"""Arguments of ``activations.relu``, and what ``backend.relu`` calls them."""


def found(module: str, name: str) -> Any:
    """What a script gets for a name that is another thing in minicnn's module; None for others.

    >>> found("initializers", "get")("he_normal")
    HeNormal()
    """
    if module == "activations" and name == "get":
        return _activation
    if module == "activations" and name in activations.ACTIVATIONS:
        return _of_tensors(name)
    return _getter(module) if name == "get" and module in FAMILIES else None


def _getter(module: str) -> Callable[[Any], Any]:
    def get(identifier: Any) -> Any:
        of_minicnn = importlib.import_module(f"minicnn.{module}")
        given = identifier() if isinstance(identifier, type) else identifier
        if given is None:
            return None
        function = getattr(of_minicnn, given, None) if isinstance(given, str) else given
        if inspect.isfunction(function):
            return function
        who = (f"{module}.get", FAMILIES[module])
        return of_minicnn.get(*who[: len(inspect.signature(of_minicnn.get).parameters) - 1], given)

    return get


def _activation(identifier: Any = None) -> Any:
    """The function of that name; a function as it is."""
    if callable(identifier):
        return identifier
    return _of_tensors(activations.name_of("activations.get", identifier) or "linear")


def _of_tensors(name: str) -> Callable[..., Any]:
    """An activation function, which is a layer's where it is given a symbolic tensor."""
    function = activations.ACTIVATIONS[name].forward

    def call(x: Any, *arguments: Any, **options: Any) -> Any:
        from minicnn.as_keras.tensors import tensor
        from minicnn.layers.symbolic import SymbolicTensor

        if name == "relu" and (arguments or options):  # which has further arguments in backend
            backend = importlib.import_module("minicnn.backend")
            options = {OF_RELU.get(key, key): value for key, value in options.items()}
            made = backend.relu(x, *arguments, **options)
            return made if isinstance(x, SymbolicTensor) else tensor(made)
        if isinstance(x, SymbolicTensor):
            ops = importlib.import_module("minicnn.ops")
            layers = importlib.import_module("minicnn.layers")
            of_tensors = getattr(ops, name, None) or layers.Activation(name)
            return of_tensors(x, *arguments, **options)
        return tensor(np.asarray(function(np.asarray(x), *arguments, **options)))

    call.__name__, call.__doc__ = name, function.__doc__
    call.activation = name  # type: ignore[attr-defined]
    return call
