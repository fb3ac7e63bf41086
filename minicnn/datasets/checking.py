"""What every data set here is: pictures of bytes, and a label for each."""

from pathlib import Path

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files.downloads import keras_home
from minicnn.errors import DataError

Arrays = tuple[tuple[Array, Array], tuple[Array, Array]]
"""``(x_train, y_train), (x_test, y_test)``."""


def folder() -> Path:
    """Where Keras keeps its data sets."""
    return keras_home() / "datasets"


def check(who: str, x: Array, y: Array, shape: Shape) -> None:
    """Raise ``DataError`` unless x are pictures of that shape, in bytes, with a label for each.

    >>> check("a.npz", np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8), (28, 28))
    """
    if x.dtype != np.uint8 or x.shape[1:] != shape or x.shape[:1] != y.shape or y.dtype.kind != "u":
        sizes = ", ".join(["N", *map(str, shape)])
        raise DataError(
            f"{who}: expected pictures uint8 ({sizes}) and N labels, got {x.dtype} {x.shape} "
            f"and {y.dtype} {y.shape}."
        )
