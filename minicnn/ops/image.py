"""``keras.ops.image``: images brought to another size, or made grey."""

from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._keras.public_names import asked
from minicnn.ops.dispatch import operation
from minicnn.ops.nn import floats
from minicnn.ops.nn import resize as resize

__all__ = ["resize", "rgb_to_grayscale"]

__getattr__ = asked("ops.image")


@operation
def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Array:
    """0.2989 red + 0.587 green + 0.114 blue, with one channel.

    >>> rgb_to_grayscale(np.ones((1, 1, 3))).round(4).tolist()
    [[[0.9999]]]
    """
    x = floats(images)
    grey = x @ np.array([0.2989, 0.587, 0.114], x.dtype)
    return np.asarray(grey[..., None])
