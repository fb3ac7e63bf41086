"""Scripts that have the channels of their images first, on layers that have them last.

Such a script has images (N, C, H, W), and says so by
``keras.backend.set_image_data_format("channels_first")`` or by
``data_format`` of its layers. Its images are transposed where a model takes and gives arrays
(``models/door.py``); inside, all is channels-last: layers, weights, files. A symbolic tensor of
images knows that the script has its channels first. What a layer does to it must be what Keras'
does to images in that order: windows move over the same pixels, elementwise functions ask for no
order, axes are counted in the new order, and ``Reshape`` gets the images in the script's. Other
layers refuse. Keras' ``Flatten``, too, puts channels last before it lays all numbers in a row, so
that the Dense after it has the same weights in either order.
"""

from collections.abc import Sequence
from typing import Any

from minicnn._core.console import warn_once
from minicnn._core.settings import FIRST, image_data_format
from minicnn._core.shapes import Shape
from minicnn._core.traits import keeps
from minicnn.errors import ConfigError

LAST_AXIS = ("softmax", "log_softmax")
"""Activations that run along the last axis."""

REMEDY = " Leave out what sets the format, and give images channels last: x.transpose(0, 2, 3, 1)."


def images_first(layer: Any = None) -> bool:
    """Whether images begin with their channels, by what a layer was given, or by the setting."""
    given = getattr(layer, "data_format", None)
    return (given or image_data_format()) == FIRST


def turned(shape: Sequence[Any], first: bool = True) -> tuple[Any, ...]:
    """The shape (C, H, W) as (H, W, C) if ``first``, and another as it is.

    >>> turned((3, 32, 28)), turned((10,))
    ((32, 28, 3), (10,))
    """
    return (*shape[1:], shape[0]) if first and len(shape) == 3 else tuple(shape)


def turned_back(shape: Shape) -> Shape:
    """The shape (H, W, C) as (C, H, W).

    >>> turned_back((32, 28, 3))
    (3, 32, 28)
    """
    return (shape[-1], *shape[:-1])


def settle(layer: Any, tensors: Sequence[Any]) -> None:
    """Let a layer take images as the script has them, if these have their channels first.

    Raises ``ConfigError`` where it cannot, or where one is told the one order and one the other.
    """
    if getattr(layer, "channels_first", None) is not None:
        return
    images = [x for x in tensors if len(x.sizes) == 3]
    given = getattr(layer, "data_format", None)
    if given == FIRST and len(images) == len(tensors) == 1:
        _begun_late(images[0])
    first = {x.channels_first for x in images}
    if not first:
        return
    if len(first) > 1:
        raise ConfigError(f"{layer.who}: expected images in one order, got both.{REMEDY}")
    if first == {False}:
        if given == FIRST or getattr(layer, "settled", False):
            raise _mixed(layer, "last", "first")
        return
    takes = "data_format" in getattr(layer, "settable", ())
    if takes and not images_first(layer) and not keeps(layer, "any_order"):
        raise _mixed(layer, "first", "last")
    if getattr(layer, "settled", False):
        return
    refused = None if takes else _refused(layer, tensors)
    if getattr(layer, "activation", None) in LAST_AXIS:
        refused = "its softmax runs along the last axis, the width; use Softmax(axis=1) after it"
    if refused:
        raise ConfigError(f"{layer.who}: expected images with channels last: {refused}.{REMEDY}")
    _turn_axes(layer)
    layer.settled = True
    inner = getattr(layer, "activation", None)
    if hasattr(inner, "settled"):
        settle(inner, tensors)


def _begun_late(image: Any) -> None:
    """Let the input that a first layer with a ``data_format`` is called on have channels first."""
    if not image.call.inputs and not image.channels_first and not image.used:
        image.call.layer.turn()


def _mixed(layer: Any, came: str, expected: str) -> ConfigError:
    return ConfigError(
        f"{layer.who}: expected images with channels {expected}, as data_format says, got "
        f"channels {came}. Say it once for all, keras.backend.set_image_data_format("
        "'channels_first'), or leave it out and give x.transpose(0, 2, 3, 1)."
    )


def _refused(layer: Any, tensors: Sequence[Any]) -> str | None:
    """Why a layer that has no ``data_format`` does not take such images; None if it does."""
    if keeps(layer, "axis_argument"):
        return None
    if not keeps(layer, "any_order"):
        return "what it does to those with channels first is another thing"
    if len({len(x.sizes) for x in tensors}) > 1:
        return "inputs of fewer axes broadcast along the last ones"
    if any(isinstance(getattr(layer, name, None), tuple | list) for name in PER_AXIS):
        return f"its {' or '.join(PER_AXIS)} count along the last axis"
    return None


PER_AXIS = ("scale", "offset", "noise_shape")
"""Arguments that, as lists, belong to the last axis or to all in their order."""


def _turn_axes(layer: Any) -> None:
    """Count the axes that a layer was given as they lie here."""
    name = layer.axis_argument if keeps(layer, "axis_argument") else ""
    axes = getattr(layer, name, None)
    if axes is None:
        return
    several = isinstance(axes, tuple | list)
    found = [_axis(axis) for axis in (axes if several else [axes])]
    if found == [2]:
        warn_once(
            f"{type(layer).__name__} along the width",
            f"{layer.who}: {name}={axes} is the width where channels are first, as in Keras. If "
            "the channels are meant, write axis=1.",
        )
    setattr(layer, name, found if several else found[0])


def _axis(axis: int) -> int:
    return {1: -1, 2: 1, 3: 2, -3: -1, -2: 1, -1: 2}.get(axis, axis)
