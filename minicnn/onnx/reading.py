"""ONNX files as plain objects, all of whose parts have been checked.

The file may come from anyone. It is parsed by protobuf alone; no other file is opened, no array is
made before its claimed shape agrees with its data, and the graph's order, names and numbers are
checked.
"""

import importlib
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files.archive import json_value
from minicnn._files.atomic import reason
from minicnn._files.budget import Budget
from minicnn.errors import ModelFileError, printable
from minicnn.onnx.wire import check_structure

FILE_LIMIT = 1 << 30
"""The largest file that is read, in bytes."""
NODE_LIMIT = 2000
"""The most nodes that are read; ResNet-152 has about 500."""
ENDS_LIMIT = 64
"""The most inputs and the most outputs that are read."""
LARGEST_NUMBER = 1 << 31
"""The largest whole number that an attribute may be."""
FIRST_OPSET = 7
"""Before it, constants were spread over tensors in another way."""

TENSORS: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("|b1", "int32_data"),
    11: ("<f8", "double_data"),
}
"""ONNX' number of a type -> NumPy's name, and where its numbers stand if not in ``raw_data``."""

DTYPES = {1: "float32", 11: "float64"}
"""The types that images may have."""


@dataclass(frozen=True)
class Node:
    """A step of the graph."""

    name: str
    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    opset: int

    def refuse(self, text: str) -> NoReturn:
        """Raise ``ModelFileError`` that names the node."""
        raise ModelFileError(f"node {_short(self.name)} ({_short(self.op, str)}): {text}")


@dataclass(frozen=True)
class Tensor:
    """An input or output of the graph."""

    name: str
    dtype: str
    batch: int | None
    """The size of the batch, where it is fixed."""
    shape: Shape | None
    """The sizes without the batch; None where they are not all known."""
    channels_last: bool | None
    """Whether the file says that the channels are last; None if it says nothing."""


@dataclass(frozen=True)
class File:
    """A graph."""

    nodes: list[Node]
    arrays: dict[str, Array]
    inputs: list[Tensor]
    outputs: list[Tensor]
    class_names: tuple[str, ...]
    budget: Budget


def read(path: str | os.PathLike[str], onnx: Any) -> File:
    """The graph in the file; raises ``ModelFileError`` with one line if it is not to be read."""
    data = _bytes(Path(path))
    if not data:
        raise ModelFileError("expected an ONNX file, got an empty file.")
    check_structure(data)
    damaged = importlib.import_module("google.protobuf.message").DecodeError
    try:
        model = onnx.load_model_from_string(data)
    except damaged:
        raise ModelFileError("expected an ONNX file, got another kind, or a damaged one.") from None
    graph = model.graph
    opset = _opset(model, onnx.defs.onnx_opset_version())
    if len(graph.node) > NODE_LIMIT:
        raise ModelFileError(f"expected at most {NODE_LIMIT} nodes, got {len(graph.node):,}.")
    if len(graph.sparse_initializer):
        raise ModelFileError("expected arrays as they are, got sparse ones.")
    arrays: dict[str, Array] = {}
    for tensor in graph.initializer:
        name = _text(tensor.name)
        if name in arrays:
            raise ModelFileError(f"expected one array {_short(name)}, got two.")
        arrays[name] = _array(tensor, f"array {_short(name)}")
    inputs = [info for info in graph.input if _text(info.name) not in arrays]
    for kind, ends in (("input", inputs), ("output", graph.output)):
        names = {info.name for info in ends}
        if not 1 <= len(ends) <= ENDS_LIMIT or len(names) < len(ends):
            raise ModelFileError(
                f"expected from 1 to {ENDS_LIMIT} {kind}s of different names, got {len(ends)}."
            )
    return File(
        [_node(node, opset) for node in graph.node],
        arrays,
        [_tensor(info) for info in inputs],
        [_tensor(info) for info in graph.output],
        _class_names({entry.key: entry.value for entry in model.metadata_props}),
        Budget("the file", ModelFileError, len(data)),
    )


def _bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelFileError("expected a file, got something else.")
        with path.open("rb") as file:
            # Python takes as much memory as it is asked to read, however short the file.
            data = file.read(min(os.fstat(file.fileno()).st_size, FILE_LIMIT) + 1)
    except OSError as error:
        raise ModelFileError(f"cannot be read: {reason(error)}.") from None
    if len(data) > FILE_LIMIT:
        raise ModelFileError(f"expected at most {FILE_LIMIT:,} bytes, got more.")
    return data


def _opset(model: Any, latest: int) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1 or not FIRST_OPSET <= versions[0] <= latest:
        got = ", ".join(map(str, versions[:3])) or "none"
        raise ModelFileError(
            f"expected ONNX operators of one version from {FIRST_OPSET} to {latest}, got {got}."
        )
    return int(versions[0])


def _node(node: Any, opset: int) -> Node:
    inputs, outputs = (list(map(_text, names)) for names in (node.input, node.output))
    found = Node(_text(node.name), _text(node.op_type), inputs, outputs, {}, opset)
    if node.domain not in ("", "ai.onnx"):
        found.refuse(
            f"expected one of ONNX' operators, got the domain {_short(_text(node.domain))}."
        )
    for attribute in node.attribute:
        name = _text(attribute.name)
        if name in found.attributes:
            found.refuse(f"expected one attribute {_short(name)}, got two.")
        found.attributes[name] = _attribute(found, attribute)
    return found


def _attribute(node: Node, attribute: Any) -> Any:
    name = _short(attribute.name)
    field = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints"}.get(attribute.type)
    if field is None or attribute.ref_attr_name:
        node.refuse(f"attribute {name} is not a number, numbers, text or an array.")
    value = getattr(attribute, field)
    if field == "t":
        return _array(value, f"node {_short(node.name)}: attribute {name}")
    if field == "s":
        return value.decode("ascii", "replace")
    numbers = list(value) if field in ("floats", "ints") else [value]
    if not all(math.isfinite(x) and abs(x) <= LARGEST_NUMBER for x in numbers if field[0] == "i"):
        node.refuse(f"attribute {name} is too large.")
    if not all(map(math.isfinite, numbers)):
        node.refuse(f"attribute {name} is not a finite number.")
    return numbers if field in ("floats", "ints") else value


def _array(tensor: Any, who: str) -> Array:
    """A tensor's numbers, in the shape that it claims, if they are as many."""
    if tensor.data_location != 0 or len(tensor.external_data) or tensor.HasField("segment"):
        raise ModelFileError(
            f"{who}: expected its numbers in the file, got the name of another file. Write the "
            "model with the arrays inside (in PyTorch: external_data=False)."
        )
    if tensor.data_type not in TENSORS:
        raise ModelFileError(
            f"{who}: expected float32, float64, int32, int64 or bool, got ONNX' type "
            f"{tensor.data_type}."
        )
    dtype, field = TENSORS[tensor.data_type]
    shape = tuple(tensor.dims)
    size = math.prod(shape)
    numbers: Any
    if tensor.HasField("raw_data"):
        raw = tensor.raw_data
        have, rest = divmod(len(raw), np.dtype(dtype).itemsize)
    else:
        numbers = getattr(tensor, field)
        have, rest = len(numbers), 0
    odd = 0 in shape and len(shape) > 1
    if min(shape, default=0) < 0 or len(shape) > 8 or odd or have != size or rest:
        raise ModelFileError(f"{who}: expected as many numbers as its shape says, got others.")
    if tensor.HasField("raw_data"):
        return np.frombuffer(raw, dtype).reshape(shape).astype(dtype[1:])
    return np.fromiter(numbers, dtype[1:], have).reshape(shape)


def _tensor(info: Any) -> Tensor:
    """The description of an input or output; all sizes but the batch's must be known."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or kind.elem_type not in DTYPES:
        raise ModelFileError(f"expected {_short(_text(info.name))} as float32 or float64 numbers.")
    dims = list(kind.shape.dim) if kind.HasField("shape") else []
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    known = [size for size in sizes[1:] if size is not None and size > 0]
    meaning = [dim.denotation for dim in dims]
    channel = meaning.index("DATA_CHANNEL") if "DATA_CHANNEL" in meaning else None
    return Tensor(
        _text(info.name),
        DTYPES[kind.elem_type],
        sizes[0] if sizes else None,
        tuple(known) if len(known) == len(sizes) - 1 and known else None,
        None if channel is None or len(sizes) != 4 else channel == 3,
    )


def _class_names(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The class names that ``export_onnx`` wrote, or nothing."""
    try:
        names = json_value("class_names", metadata.get("class_names", "[]"), ModelFileError)
    except ModelFileError:
        return ()
    return tuple(printable(str(name)) for name in names) if isinstance(names, list) else ()


def _text(name: Any) -> str:
    """A name of the file's, which protobuf hands on as bytes if it is no text."""
    if not isinstance(name, str):
        raise ModelFileError("expected names in UTF-8, got other bytes.")
    return name


def _short(name: str, show: Any = repr) -> str:
    """A name of the file's in an error: on one line, and not too long."""
    shown: str = show(name if name.isprintable() else repr(name))
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
