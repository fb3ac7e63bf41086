"""Functions of tensors as Keras' files have them: ``x + y``, ``abs(x)`` as nodes without a layer.

{"module": "keras.src.ops.numpy", "class_name": "Add", "inbound_nodes": [{"args": [x, 3.0]}]}
{"module": "keras.src.ops.numpy", "class_name": "Mean", "config": {"axis": 1, "keepdims": False}}
{"class_name": "TFOpLambda", "config": {"function": "math.add"},
 "inbound_nodes": [["conv", 0, 0, {"y": 3.0}]]}                       in tf.keras
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from minicnn.errors import ModelFileError

LAYER = {
    "add": "Add",
    "subtract": "Subtract",
    "multiply": "Multiply",
    "maximum": "Maximum",
    "minimum": "Minimum",
}
"""The layer that does the same with two tensors."""

OF_TF = {
    "__operators__.add": "add", "math.add": "add", "math.subtract": "subtract",
    "math.multiply": "multiply", "math.truediv": "divide", "math.divide": "divide",
    "math.negative": "negative", "math.abs": "absolute", "math.square": "square",
    "math.sqrt": "sqrt", "math.exp": "exp", "math.log": "log", "math.pow": "power",
    "math.maximum": "maximum", "math.minimum": "minimum",
}  # fmt: skip
OF_KERAS = {
    "Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Divide": "divide",
    "TrueDivide": "divide", "Negative": "negative", "Power": "power", "Maximum": "maximum",
    "Minimum": "minimum", "Abs": "absolute", "Absolute": "absolute", "Cos": "cos", "Exp": "exp",
    "Log": "log", "Log1p": "log1p", "Sin": "sin", "Sqrt": "sqrt", "Square": "square",
    "Clip": "clip", "GetItem": "get_item", "Max": "max", "Mean": "mean", "Min": "min", "Sum": "sum",
}  # fmt: skip

ELEMENTWISE = ("absolute", "cos", "exp", "log", "log1p", "sin", "sqrt", "square")
REDUCTIONS = ("max", "mean", "min", "sum")


def is_operation(layer: Mapping[str, Any]) -> bool:
    """Whether a node is an operation, which Keras does not count as a layer."""
    module = str(layer.get("module"))
    return module.startswith("keras.src.ops") or layer.get("class_name") in ("TFOpLambda",)


# Reading ---------------------------------------------------------------------------------


def layer_of(
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
            f"{who}: expected layers, or + - * / and the like on tensors, got the operation "
            f"{operation!r:.60} in {name!r}."
        )
    if not layer["inbound_nodes"]:
        raise ModelFileError(f"{who}: expected inputs of {name!r}, got none.")
    if kind == "get_item":
        return _sliced(who, layer, name)
    found = [_operands(who, call, name) for call in layer["inbound_nodes"]]
    tensors = [[x for x in operands if isinstance(x, list)] for operands in found]
    if all(len(some) == 2 for some in tensors) and kind in LAYER:
        return LAYER[kind], {}, tensors
    if all(len(some) == 1 for some in tensors):
        made = _of_one(kind, config, found)
        if made is not None:
            return *made, tensors
    raise ModelFileError(
        f"{who}: expected {kind} of two tensors, or of one and a number, got another in {name!r}."
    )


def _of_one(
    kind: str, config: Mapping[str, Any], found: list[list[Any]]
) -> tuple[str, dict[str, Any]] | None:
    """(class name, config) of an operation on one tensor; None if there is no such layer."""
    numbers = [x for x in found[0] if not isinstance(x, list)]
    if not numbers and kind in ELEMENTWISE:
        return "Elementwise", {"function": kind}
    if not numbers and kind in REDUCTIONS and config.get("initial") is None:
        return "Reduce", {
            "function": kind, "axis": config["axis"], "keepdims": config["keepdims"],
        }  # fmt: skip
    if not numbers and kind == "clip":
        return "Clip", {"x_min": config["x_min"], "x_max": config["x_max"]}
    if len(found) > 1:
        return None
    if len(numbers) == 1 and _is_number(numbers[0]):
        if kind in ("maximum", "minimum"):
            return "Clip", {"x_min" if kind == "maximum" else "x_max": numbers[0]}
        if kind == "power" and isinstance(found[0][0], list):
            return "Power", {"exponent": numbers[0]}
    line = _line(kind, found[0])
    return None if line is None else ("Rescaling", {"scale": line[0], "offset": line[1]})


def _sliced(
    who: str, layer: Mapping[str, Any], name: str
) -> tuple[str, dict[str, Any], list[list[Any]]]:
    """A part of a tensor: x[key]."""
    calls = layer["inbound_nodes"]
    if len(calls) > 1 or len(calls[0]["args"]) != 2:
        raise ModelFileError(f"{who}: expected one x[key] in {name!r}, got another.")
    tensor, key = calls[0]["args"]
    parts = key if isinstance(key, list) else [key]
    return (
        "Slice",
        {"key": [_part(part) for part in parts]},
        [[tensor["config"]["keras_history"]]],
    )


def _part(part: Any) -> Any:
    if not isinstance(part, Mapping):
        return part
    if part["class_name"] == "__ellipsis__":
        return "..."
    return [part["config"][key] for key in ("start", "stop", "step")]


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
    if len(numbers) != 1 or not _is_number(numbers[0]):
        return None
    c, left = float(numbers[0]), not isinstance(operands[0], list)
    if kind == "add":
        return 1.0, c
    if kind == "subtract":
        return (-1.0, c) if left else (1.0, -c)
    if kind == "multiply":
        return c, 0.0
    return None if kind != "divide" or left or not c else (1 / c, 0.0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# Writing ---------------------------------------------------------------------------------


class Operation(NamedTuple):
    """An operation of Keras' and what it is called on."""

    class_name: str
    operands: list[Any]
    """None stands for a tensor; of a layer that takes several there are none."""
    config: dict[str, Any]


def described(class_name: str, config: Mapping[str, Any]) -> Operation:
    """The operation that does what a layer from ``layer_of`` does.

    >>> described("Rescaling", {"scale": -1.0, "offset": 3.0}).operands
    [3.0, None]
    """
    if class_name in LAYER.values():
        return Operation(class_name, [], {})
    if class_name == "Elementwise":
        return Operation(config["function"].capitalize(), [None], {})
    if class_name == "Power":
        return Operation("Power", [None, config["exponent"]], {})
    if class_name == "Clip":
        low, high = config["x_min"], config["x_max"]
        if high is None:
            return Operation("Maximum", [None, low], {})
        if low is None:
            return Operation("Minimum", [None, high], {})
        return Operation("Clip", [None], {"x_min": low, "x_max": high})
    if class_name == "Reduce":
        about = {"axis": config["axis"], "keepdims": config["keepdims"]}
        return Operation(config["function"].capitalize(), [None], about)
    if class_name == "Slice":
        return Operation("GetItem", [None, [_keras_part(part) for part in config["key"]]], {})
    scale, offset = config["scale"], config["offset"]
    if scale == -1 and offset:
        return Operation("Subtract", [offset, None], {})
    if scale == 1:
        return Operation("Add", [None, offset], {})
    return Operation("Multiply", [None, scale], {})


def _keras_part(part: Any) -> Any:
    if part == "...":
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(part, list | tuple):
        about = dict(zip(("start", "stop", "step"), part, strict=True))
        return {"class_name": "__slice__", "config": about}
    return part
