"""TensorFlow's functions and their arguments, as those of minicnn.ops that do the same."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["OPS", "of_ops"]

OPS = {
    "abs": "abs", "add": "add", "argmax": "argmax", "argmin": "argmin", "argsort": "argsort",
    "clip_by_value": "clip", "concat": "concatenate", "divide": "divide", "einsum": "einsum",
    "cumsum": "cumsum", "equal": "equal", "exp": "exp", "expand_dims": "expand_dims", "eye": "eye",
    "gather": "take", "greater": "greater", "greater_equal": "greater_equal", "less": "less",
    "less_equal": "less_equal", "linspace": "linspace", "logical_and": "logical_and",
    "logical_not": "logical_not", "logical_or": "logical_or", "matmul": "matmul",
    "maximum": "maximum", "meshgrid": "meshgrid",
    "minimum": "minimum", "multiply": "multiply", "norm": "norm", "not_equal": "not_equal",
    "one_hot": "one_hot", "ones": "ones", "ones_like": "ones_like", "pad": "pad", "pow": "power",
    "range": "arange", "reduce_all": "all", "reduce_any": "any", "reduce_max": "max",
    "reduce_mean": "mean", "reduce_min": "min", "reduce_prod": "prod", "reduce_std": "std",
    "reduce_sum": "sum", "repeat": "repeat", "reshape": "reshape", "round": "round",
    "shape": "shape", "sigmoid": "sigmoid", "sign": "sign", "sort": "sort",
    "sqrt": "sqrt", "square": "square", "squeeze": "squeeze", "stack": "stack",
    "stop_gradient": "stop_gradient", "subtract": "subtract", "tanh": "tanh", "tile": "tile",
    "transpose": "transpose", "unstack": "unstack", "where": "where", "zeros": "zeros",
    "zeros_like": "zeros_like",
}  # fmt: skip
"""TensorFlow's functions, and the names of minicnn.ops that do the same."""

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
