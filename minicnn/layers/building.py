"""Putting layers together: their names, their order of building, and all of them one by one."""

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from minicnn._core.shapes import DType, Shape
from minicnn._keras.operations import described
from minicnn._keras.spelling import snake_case
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.base import Layer

LARGEST_OUTPUT = 1 << 28
"""The most numbers in the output for one input: a gigabyte in single precision."""
MOST_AXES = 30
"""The most axes of an output; NumPy has its limit there, or not far above."""


def name_layer(who: str, layer: Any, taken: Collection[str | None]) -> None:
    """Name a layer as Keras counts, unless it has a name; raises ``ConfigError`` if it is taken."""
    if layer.name is None:
        base = snake_case(layer.keras_name or type(layer).__name__)
        if layer.operation:
            base = snake_case(described(type(layer).__name__, layer.get_config()).class_name)
        names = (f"{base}_{i}" if i else base for i in count())
        layer.name = next(name for name in names if name not in taken)
    elif layer.name in taken:
        if getattr(layer, "name_is_given", True):
            raise _same_name(who, layer)
        # A model that nobody named, beside another.
        layer.rename(next(n for i in count(1) if (n := f"{layer.name}_{i}") not in taken))


def check_names(who: str, layers: Sequence[Any]) -> None:
    """Raise ``ConfigError`` if two layers have the same name; names may be set at any time."""
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
    who: str,
    layer: Layer,
    shape: Shape,
    rng: np.random.Generator,
    dtype: DType,
    kernel_set: str | None,
) -> None:
    """Build a layer for inputs of that shape, or check that it was built for them.

    A build that fails leaves nothing behind. Raises ``ConfigError`` for a layer built otherwise,
    ``ShapeError`` for an output that is too large.
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
            if layer.first_weights is not None:
                layer.set_weights(layer.first_weights)
                layer.first_weights = None
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


def check_new(who: str, layers: Sequence[Any], known: set[int]) -> None:
    """Raise ``ConfigError`` if a layer, or one that it is made of, is there twice.

    ``known`` are the identities of those that are there; the new ones join them.
    """
    for layer in walk(layers):
        if id(layer) in known:
            raise ConfigError(
                f"{who}: expected a new layer, got {layer.who} again. Make a second one."
            )
        known.add(id(layer))


def walk(layers: Sequence[Any]) -> Iterator[Any]:
    """All layers, each before those that it is made of."""
    for layer in layers:
        yield layer
        yield from walk(layer.sublayers)
