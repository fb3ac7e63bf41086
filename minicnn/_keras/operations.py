"""Arithmetic on tensors as Keras' files have it: ``x + y``, ``x * 0.5`` as nodes without a layer.

{"module": "keras.src.ops.numpy", "class_name": "Add", "inbound_nodes": [{"args": [x, 3.0]}]}
{"class_name": "TFOpLambda", "config": {"function": "math.add"},
 "inbound_nodes": [["conv", 0, 0, {"y": 3.0}]]}                       in tf.keras
"""

import math
from collections.abc import Mapping
from typing import Any

from minicnn.errors import ModelFileError

LAYER = {"add": "Add", "subtract": "Subtract", "multiply": "Multiply"}
"""The layer that does the same with two tensors."""

OF_TF = {
    "__operators__.add": "add", "math.add": "add", "math.subtract": "subtract",
    "math.multiply": "multiply", "math.truediv": "divide", "math.divide": "divide",
    "math.negative": "negative",
}  # fmt: skip
OF_KERAS = {
    "Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Divide": "divide",
    "TrueDivide": "divide", "Negative": "negative",
}  # fmt: skip


def is_operation(layer: Mapping[str, Any]) -> bool:
    """Whether a node is an operation, which Keras does not count as a layer."""
    module = str(layer.get("module"))
    return module.startswith("keras.src.ops") or layer.get("class_name") in ("TFOpLambda",)


def arithmetic(
    who: str, layer: Mapping[str, Any], name: str
) -> tuple[str, dict[str, Any], list[list[Any]]]:
    """(class name, config, what each call takes) of the layer that does what an operation does.

    Raises ``ModelFileError`` for other operations.
    """
    config = layer["config"]
    if layer["class_name"] == "TFOpLambda":
        kind = OF_TF.get(str(config.get("function")))
    else:
        kind = OF_KERAS.get(str(layer["class_name"]))
    if kind is None:
        operation = str(config.get("function") or layer["class_name"])
        raise ModelFileError(
            f"{who}: expected layers, or + - * / on tensors, got the operation {operation!r:.60} "
            f"in {name!r}."
        )
    found = [_operands(who, call, name) for call in layer["inbound_nodes"]]
    if not found:
        raise ModelFileError(f"{who}: expected inputs of {name!r}, got none.")
    tensors = [[x for x in operands if isinstance(x, list)] for operands in found]
    if all(len(some) == 2 for some in tensors) and kind in LAYER:
        return LAYER[kind], {}, tensors
    if len(found) == 1 and len(tensors[0]) == 1:
        line = _line(kind, found[0])
        if line is not None:
            return "Rescaling", {"scale": line[0], "offset": line[1]}, tensors
    raise ModelFileError(
        f"{who}: expected {kind} of two tensors, or of one and a number, got another in {name!r}."
    )


def described(class_name: str, config: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """(the operation that does what a layer from ``arithmetic`` does, its operands).

    None among the operands stands for a tensor; a layer that takes several has none.

    >>> described("Rescaling", {"scale": -1.0, "offset": 3.0})
    ('Subtract', [3.0, None])
    """
    if class_name in LAYER.values():
        return class_name, []
    scale, offset = config["scale"], config["offset"]
    if scale == -1 and offset:
        return "Subtract", [offset, None]
    return ("Add", [None, offset]) if scale == 1 else ("Multiply", [None, scale])


def _operands(who: str, call: Any, name: str) -> list[Any]:
    """Tensors as [layer, call, output], and numbers."""
    if isinstance(call, Mapping):
        given = [*call["args"], *(call["kwargs"].get(key) for key in ("x1", "x2"))]
        given = [x for x in given if x is not None]
        return [x["config"]["keras_history"] if isinstance(x, Mapping) else x for x in given]
    name_of, index, output, options = call
    operands: list[Any] = [[name_of, index, output]]
    for key, value in dict(options).items():
        if key in ("x", "y"):
            operands.append(value[:3] if isinstance(value, list) else value)
        elif value is not None and key != "name":
            raise ModelFileError(f"{who}: expected two operands in {name!r}, got {key!r} as well.")
    if not isinstance(name_of, str) or name_of == "_CONSTANT_VALUE":
        operands = [output, *operands[1:]]
    return operands


def _line(kind: str, operands: list[Any]) -> tuple[float, float] | None:
    """Scale and offset of what an operation with one number, or none, does."""
    numbers = [x for x in operands if not isinstance(x, list)]
    if kind == "negative":
        return None if numbers else (-1.0, 0.0)
    if len(numbers) != 1 or not isinstance(numbers[0], int | float):
        return None
    c, left = float(numbers[0]), not isinstance(operands[0], list)
    if isinstance(numbers[0], bool) or not math.isfinite(c):
        return None
    if kind == "add":
        return 1.0, c
    if kind == "subtract":
        return (-1.0, c) if left else (1.0, -c)
    if kind == "multiply":
        return c, 0.0
    return None if left or not c else (1 / c, 0.0)
