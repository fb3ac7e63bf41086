"""The arguments of TensorFlow's functions, as those of minicnn.ops that do the same."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["of_ops"]

FIRST = ("features", "indices", "input", "input_tensor", "logits", "t", "tensor", "value", "values")
"""What TensorFlow calls a first argument."""

RENAMED = {
    "a": "x1", "alpha": "negative_slope", "b": "x2", "clip_value_max": "x_max",
    "clip_value_min": "x_min", "depth": "num_classes", "keep_dims": "keepdims",
    "multiples": "repeats", "paddings": "pad_width", "perm": "axes", "shape": "newshape",
    "x": "x1", "y": "x2",
}  # fmt: skip
"""The others that have another name."""

FROM_FIRST = ("argmax", "argmin", "cumsum", "take")
"""Functions of minicnn.ops that go over all numbers where TensorFlow's go along the first axis."""


def of_ops(
    function: str, names: Sequence[str], given: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The named arguments of a function that has those ``names``, besides ``given`` others.

    >>> of_ops("argmax", ["x", "axis", "keepdims"], 0, {"input": 3, "name": "most"})
    {'x': 3, 'axis': 0}
    """
    made = {}
    for key, value in options.items():
        today = key if key in names else names[0] if key in FIRST else RENAMED.get(key, key)
        if key != "name":
            made[today if today in names else key] = value
    if function in FROM_FIRST and given <= names.index("axis"):
        made.setdefault("axis", 0)
    return made
