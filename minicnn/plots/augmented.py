"""The images that augmentation makes."""

import os
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.shapes import Array
from minicnn.errors import ConfigError, DataError, shown
from minicnn.layers.augmentation.base import RandomImages
from minicnn.plots.classifying import gallery

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_augmentation(
    layers: Any,
    x: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    times: int = 7,
    most: int = 4,
    seed: int = 0,
) -> "Figure":
    """Draw pictures as they are, and beside each what training may see in its place.

    ``layers`` is a layer such as ``RandomFlip``, a list of them, or a model that has some: of a
    model what comes out of the last of them. ``x`` is (N, H, W, C), of which the first ``most``
    pictures have a row each with ``times`` changes, or one picture, or a data set. Raises
    ``ConfigError`` where nothing changes pictures, ``DataError`` for anything else than pictures.

    >>> x = np.zeros((9, 8, 8, 3), np.uint8)
    >>> figure = plot_augmentation([RandomFlip(), RandomRotation(0.1)], x, times=3, most=2)
    >>> [axes.get_title() for axes in figure.axes]
    ['as it is', '', '', '', 'as it is', '', '', '']
    """
    who = "plot_augmentation"
    whole_number(who, "times", times, 1)
    whole_number(who, "most", most, 1)
    x = np.asarray(x.x if hasattr(x, "class_names") else x)
    x = x[None] if x.ndim == 3 else x
    if x.ndim != 4 or not len(x):
        raise DataError(f"{who}: expected pictures (N, H, W, C), got {x.dtype} {x.shape}.")
    x = x[:most]
    changed = _changed(who, layers, np.repeat(x, times, axis=0), np.random.default_rng(seed))
    rows = zip(x, changed.reshape(len(x), times, *changed.shape[1:]), strict=True)
    images = [image for picture, others in rows for image in (picture, *others)]
    titles = ["" if i % (times + 1) else "as it is" for i in range(len(images))]
    notes = [f"{i // (times + 1)}" if title else "" for i, title in enumerate(titles)]
    return gallery(who, images, titles, notes, path, columns=times + 1)


def _changed(who: str, layers: Any, x: Array, rng: np.random.Generator) -> Array:
    """What comes out of the last layer that changes pictures at random."""
    inside = getattr(layers, "layers", [])
    if inside and all(isinstance(layer, RandomImages) for layer in inside):
        layers = inside  # which need no shapes
    if hasattr(layers, "graph"):
        layers.require_built()
        graph = layers.graph()
        random = [i for i, node in enumerate(graph.nodes) if isinstance(node.layer, RandomImages)]
        if random:
            (x,) = layers.arrays_of(who, x)
            x = x if graph.reads_bytes()[0] else x.astype(layers.dtype, copy=False)
            *_, last = islice(graph.steps([x], True, rng), random[-1] + 1)
            made: Array = last.made
            return made
    some = layers if isinstance(layers, Sequence) else [layers]
    if not some or not all(isinstance(layer, RandomImages) for layer in some):
        raise ConfigError(
            f"{who}: expected layers such as RandomFlip(), or a model that has some, got "
            f"{shown(layers)}."
        )
    for layer in some:
        x, _ = layer.forward(x, training=True, rng=rng)
    return x
