"""Activation functions of scripts, which take symbolic tensors, and older names of arguments."""

import functools
from collections.abc import Iterator
from typing import Any

from minicnn import activations, backend, ops
from minicnn.layers.symbolic import SymbolicTensor

__all__ = ["changes"]


def _of_both(name: str, of_arrays: Any) -> Any:
    """The function of that name, of arrays and of symbolic tensors."""

    @functools.wraps(of_arrays)
    def function(x: Any, *arguments: Any, **options: Any) -> Any:
        if name == "relu" and (arguments or options):
            options = {_OF_RELU.get(key, key): value for key, value in options.items()}
            return backend.relu(x, *arguments, **options)
        if isinstance(x, SymbolicTensor):
            return x if name == "linear" else getattr(ops, name)(x, *arguments, **options)
        return of_arrays(x, *arguments, **options)

    function.activation = name  # type: ignore[attr-defined]
    return function


_OF_RELU = {"negative_slope": "alpha"}


def changes() -> Iterator[tuple[Any, str, Any]]:
    """What takes the place of what, in ``minicnn.activations``."""
    for name, function in activations.ACTIVATIONS.items():
        if hasattr(ops, name) or name == "linear":
            yield activations, name, _of_both(name, function.forward)
