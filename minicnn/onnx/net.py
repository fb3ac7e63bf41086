"""What the nodes of a graph read: values, arrays, and their attributes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files.budget import Budget
from minicnn.errors import ModelFileError
from minicnn.onnx.reading import Node
from minicnn.onnx.values import Value

BATCH = int(np.iinfo(np.int64).min)
"""The placeholder for the batch size in a constant that was computed from a shape."""

SHARED = "Here each layer has a copy of an array; share fewer."


@dataclass
class Net:
    """The values and constants that the nodes so far have made."""

    values: dict[str, Value]
    arrays: dict[str, Array]
    batch: int | None
    """The size of the batch, where the file fixes it."""
    budget: Budget
    """The memory left for the file: each node that takes an array may copy it, as may its layer."""

    def check_inputs(self, node: Node) -> None:
        """Raise ``ModelFileError`` unless all inputs of the node are there."""
        for name in node.inputs:
            if name and name not in self.values and name not in self.arrays:
                raise ModelFileError(f"takes {name!r:.60}, which no node before it makes.")

    def put(self, node: Node, result: Value | Array) -> None:
        """Keep the output of a node; raises ``ModelFileError`` if its name is taken."""
        more = [name for name in node.outputs[1:] if name]
        if not node.outputs or not node.outputs[0] or (more and node.op != "Dropout"):
            raise ModelFileError(f"expected one output, got {1 + len(more)}.")
        name = node.outputs[0]
        if name in self.values or name in self.arrays:
            raise ModelFileError(f"makes {name!r:.60}, which is made already.")
        if isinstance(result, Value):
            self.values[name] = result
        else:
            self.arrays[name] = result

    def is_array(self, node: Node, i: int) -> bool:
        """Whether the input of that number is a constant."""
        return len(node.inputs) > i and node.inputs[i] in self.arrays

    def value(self, node: Node, i: int = 0) -> Value:
        """The input of that number, which must be computed from the graph's input."""
        if len(node.inputs) <= i or node.inputs[i] not in self.values:
            raise ModelFileError(f"expected its input {i} to be computed, got a constant or none.")
        return self.values[node.inputs[i]]

    def optional(self, node: Node, i: int) -> Array | None:
        """The constant input of that number, or None if there is none."""
        if len(node.inputs) <= i or not node.inputs[i]:
            return None
        if node.inputs[i] not in self.arrays:
            raise ModelFileError(f"expected its input {i} as an array in the file, got another.")
        found = self.arrays[node.inputs[i]]
        self.budget.take(f"array {node.inputs[i]!r:.60}", 2 * found.nbytes, SHARED)
        return found

    def array(self, node: Node, i: int) -> Array:
        """The constant input of that number."""
        found = self.optional(node, i)
        if found is None:
            raise ModelFileError(f"expected an input {i}, got none.")
        return found

    def numbers(self, node: Node, i: int, attribute: str = "") -> list[int] | None:
        """A row of whole numbers: an input, or in early versions an attribute; None if neither."""
        found = self.optional(node, i)
        if found is None:
            return ints(node, attribute, None) if attribute in node.attributes else None
        if found.dtype.kind != "i" or found.ndim > 1 or found.size > 8:
            raise ModelFileError(f"expected its input {i} as a few whole numbers, got others.")
        return [int(n) for n in found.ravel()]


def ints(node: Node, name: str, default: list[int] | None, count: int | None = None) -> list[int]:
    """An attribute of several whole numbers."""
    found = node.attributes.get(name, default)
    whole = isinstance(found, list) and all(isinstance(n, int) for n in found)
    if found is None or not whole or (count is not None and len(found) != count):
        many = "" if count is None else f"{count} "
        raise ModelFileError(f"expected {name} as {many}whole numbers, got {found!r:.60}.")
    return list(found)


def two(node: Node, name: str, default: list[int] | None, least: int = 1) -> tuple[int, int]:
    """An attribute of two whole numbers, for height and width."""
    down, across = ints(node, name, default, 2)
    if min(down, across) < least:
        raise ModelFileError(f"expected {name} of at least {least}, got {(down, across)}.")
    return down, across


def integer(node: Node, name: str, default: int) -> int:
    """An attribute that is a whole number."""
    return int(_of_kind(node, name, default, int))


def number(node: Node, name: str, default: float) -> float:
    """An attribute that is a number."""
    return short(_of_kind(node, name, default, int | float))


def short(value: Any) -> float:
    """A number in single precision in as few digits as tell it from its neighbours.

    >>> short(np.float32(0.99))
    0.99
    """
    return float(str(np.float32(value)))


def text(node: Node, name: str, default: str) -> str:
    """An attribute that is a word."""
    return str(_of_kind(node, name, default, str))


def only(node: Node, **values: Any) -> None:
    """Raise ``ModelFileError`` unless attributes are absent or have just these values."""
    for name, value in values.items():
        got = node.attributes.get(name, value)
        if got != value:
            raise ModelFileError(f"expected {name} = {value!r}, got {got!r:.60}.")


def _of_kind(node: Node, name: str, default: Any, kind: Any) -> Any:
    found = node.attributes.get(name, default)
    if not isinstance(found, kind):
        raise ModelFileError(f"expected {name} like {default!r}, got {found!r:.60}.")
    return found


def axis_within(axis: int, rank: int) -> int:
    """An axis counted from the front; raises ``ModelFileError`` for the batch, or for none."""
    found = axis + rank if axis < 0 else axis
    if not 1 <= found < rank:
        raise ModelFileError(f"expected an axis from 1 to {rank - 1}, got {axis}.")
    return found
