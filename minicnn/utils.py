"""Small functions, where Keras has them."""

from typing import Any

import numpy as np

from minicnn._core.arguments import whole_number
from minicnn._core.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from minicnn._core.random_seed import set_random_seed
from minicnn._core.shapes import Array
from minicnn._core.signatures import checked
from minicnn._keras.public_names import asked
from minicnn.data.arrays import as_array
from minicnn.data.loaders import PyDataset, Sequence
from minicnn.errors import ConfigError, DataError, shown

__path__: list[str] = []
"""Empty: what Keras has within, such as utils.np_utils, is found all the same."""

_ELSEWHERE = {
    "clear_session": "minicnn.backend",
    "get_file": "minicnn._files.get_file",
    "image_dataset_from_csv": "minicnn.preprocessing.image_dataset",
    "image_dataset_from_directory": "minicnn.preprocessing.image_dataset",
    **dict.fromkeys(("model_to_dot", "plot_model"), "minicnn.plots.networks"),
    **dict.fromkeys(
        ("array_to_img", "img_to_array", "load_img", "save_img"), "minicnn.preprocessing.pictures"
    ),
}
"""What is loaded when it is asked for."""

__all__ = [
    "CustomObjectScope",
    "PyDataset",
    "Sequence",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "normalize",
    "register_keras_serializable",
    "set_random_seed",
    "to_categorical",
    *_ELSEWHERE,
]


__getattr__ = asked("utils", elsewhere=_ELSEWHERE)


@checked
def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Class numbers as one-hot rows: (...,) becomes (..., num_classes), as float64.

    A last axis of 1 is dropped. Raises ``DataError`` for labels that are not class numbers.

    >>> to_categorical([0, 2, 1]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    labels = as_array("to_categorical", x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.dtype.kind not in "biuf" or not labels.size or (labels != np.floor(labels)).any():
        raise DataError(
            f"to_categorical: expected class numbers, got {labels.dtype} {labels.shape}."
        )
    labels = labels.astype(np.intp)
    most = int(labels.max()) + 1
    classes = (
        most if num_classes is None else whole_number("to_categorical", "num_classes", num_classes)
    )
    if labels.min() < 0 or most > classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(
            f"to_categorical: expected class numbers from 0 to {classes - 1}, got {wrong}."
        )
    return np.eye(classes)[labels]


def normalize(x: Any, axis: int = -1, order: float = 2) -> Array:
    """x / norm(x), the norm being that of each vector along ``axis``; vectors of zeros stay zeros.

    The norm is sum(abs(v) ** order) ** (1 / order). Floating-point numbers keep their dtype,
    others become float64. Raises ``ConfigError`` for an axis that x has not, or an order that is
    no number.

    >>> normalize(np.array([[3, 4], [0, 0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    x = as_array("normalize", x)
    if x.dtype.kind not in "biuf":
        raise DataError(f"normalize: expected numbers, got {x.dtype} {x.shape}.")
    if not isinstance(order, int | float | np.number) or isinstance(order, bool) or order != order:
        raise ConfigError(f"normalize: expected order as a number, got {shown(order)}.")
    axes = range(-x.ndim, x.ndim)
    if not isinstance(axis, int | np.integer) or axis not in axes:
        raise ConfigError(
            f"normalize: expected axis as one of x, of shape {x.shape}, got {shown(axis)}."
        )
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    norm[norm == 0] = 1
    normalized: Array = x / norm
    return normalized
