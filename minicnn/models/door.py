"""The door between a script that has the channels of images first and a model that has them last.

Arrays are transposed where a model takes and gives them; see ``layers/channels_first.py``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.console import warn_once
from minicnn._core.shapes import Array
from minicnn.data.axis_order import transposition
from minicnn.data.fitting import Data
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers.building import walk
from minicnn.layers.channels_first import images_first, turned_back
from minicnn.layers.symbolic import SymbolicTensor

INWARDS, OUTWARDS = (0, 2, 3, 1), (0, 3, 1, 2)


def images_in(who: str, model: Any, arrays: Sequence[Array]) -> list[Array]:
    """What the inputs take of arrays as the script has them; raises ``ShapeError`` for others.

    A model that is not built, and of images with channels first, is built for them.
    """
    if not model.built and model.stack and images_first(model.stack[0]):
        model.build(arrays[0].shape[1:])
    if not any(x.channels_first for x in model.inputs):
        return list(arrays)
    return [_image_in(who, array, x) for array, x in zip(arrays, model.inputs, strict=True)]


def _image_in(who: str, array: Array, x: SymbolicTensor) -> Array:
    if not x.channels_first:
        return array
    shape = turned_back(x.sizes)
    if array.shape[1:] != shape:
        remedy = ""
        if array.shape[1:] == x.sizes:
            remedy = f" They have them last: try {transposition(OUTWARDS)}."
        raise ShapeError(
            f"{who}: expected images of shape (N, {', '.join(map(str, shape))}), with channels "
            f"first as the script says, got {array.shape}.{remedy}"
        )
    return np.ascontiguousarray(array.transpose(INWARDS))


def labels_in(model: Any, ys: Sequence[Array]) -> list[Array]:
    """Labels that are images, as the outputs have them."""
    return _moved(ys, model.outputs, INWARDS)


def images_out(model: Any, ys: Sequence[Array]) -> list[Array]:
    """Outputs that are images, as the script has them."""
    return _moved(ys, model.outputs, OUTWARDS)


def gradients_out(model: Any, dxs: Sequence[Any]) -> list[Any]:
    """Gradients of inputs that are images, as the script has them."""
    return _moved(dxs, model.inputs, OUTWARDS)


def _moved(
    arrays: Sequence[Any], tensors: Sequence[SymbolicTensor], order: tuple[int, ...]
) -> list[Any]:
    """Arrays of images with channels first in the script, with their axes in that order."""
    if len(arrays) != len(tensors):
        return list(arrays)
    return [
        np.ascontiguousarray(array.transpose(order))
        if x.channels_first and getattr(array, "ndim", 0) == 4
        else array
        for array, x in zip(arrays, tensors, strict=True)
    ]


def data_in(who: str, model: Any, data: Data) -> Data:
    """Images and labels of one input and one output, as the model has them."""
    xs = images_in(who, model, data.xs)
    check_losses(who, model)
    return data._replace(xs=tuple(xs), ys=tuple(labels_in(model, data.ys)))


ALONG_LAST_AXIS = {
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "KLDivergence",
    "SparseCategoricalCrossentropy",
}
"""Losses whose classes lie along the last axis."""


def check_losses(who: str, model: Any) -> None:
    """Raise ``ConfigError`` for a loss along the last axis of images with channels first."""
    losses: Any = getattr(model, "loss", None)
    losses = losses if isinstance(losses, list | tuple) else [losses] * len(model.outputs)
    for x, loss in zip(model.outputs, losses, strict=False):
        name = type(loss).__name__
        if x.channels_first and name in ALONG_LAST_AXIS:
            raise ConfigError(
                f"{who}: expected a loss pixel by pixel for images with channels first, got "
                f"{name}, which runs along the last axis, the width. Leave out what sets the "
                "format, and give images channels last: x.transpose(0, 2, 3, 1)."
            )


def as_the_script(model: Any, source: str) -> None:
    """Let a model that was made with channels last take images as the script has them."""
    if images_first() and _turned(model):
        say_of_files(source)


def say_of_files(who: str) -> None:
    """Say once that files have channels last."""
    warn_once(
        "files have channels last",
        f"{who}: the model has channels last inside and in files, and takes and gives images with "
        "channels first while set_image_data_format says so.",
    )


def check_saved(model: Any) -> None:
    """Say once, of a model of images with channels first, what is written."""
    if any(x.channels_first for x in (*model.inputs, *model.outputs)):
        say_of_files("save")


def _turned(model: Any) -> bool:
    """Say of all images in a model that the script has their channels first, if there are any."""
    of_images = False
    for call in model.inner_calls:
        if hasattr(call.layer, "inner_calls"):
            _turned(call.layer)
        else:
            for one in walk([call.layer]):
                one.settled = True
        for x in call.outputs:
            x.channels_first = len(x.sizes) == 3
            of_images |= x.channels_first
    for x in model.inputs:
        x.call.layer.channels_first = x.channels_first
    return of_images
