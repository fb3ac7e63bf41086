"""Checkpoint files: a tree of dictionaries, lists, numbers, texts and arrays in one HDF5 file.

    tree                      the tree as JSON in UTF-8; in the place of each array stands
                              {"$array": [name, shape, dtype, CRC32]}
    checksum                  the CRC32 of those bytes
    model/weights/conv2d/...  the arrays, each named by its path in the tree

Nothing in it is compressed: an array takes as many bytes in the file as in memory, so that a small
file cannot claim to be a large one.
"""

import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files import hdf5
from minicnn._files.archive import JSON_LIMIT, json_object
from minicnn._files.atomic import replacing
from minicnn.errors import ConfigError, ModelFileError

Tree = dict[str, Any]

ARRAY = "$array"
"""The key that marks the place of an array."""

PARSED = 12
"""Bytes of memory to a byte of JSON, at most about."""

OBJECTS = 10_000
"""How many arrays, with the groups they are in, are written: each takes its time to read."""


def write(path: Path, tree: Tree, previous: Path | None) -> None:
    """Write ``tree`` to ``path``, whole or not at all; what was there becomes ``previous``.

    Without ``previous`` it is lost. The new file is on the disk, and read back, before any other is
    touched, and at every moment one of the two names is there. Raises ``ConfigError`` for what a
    tree cannot hold, and when the file cannot be written; the old ones are then as they were.
    """
    try:
        content = _content(tree)
    except MemoryError:
        raise ConfigError(f"{path}: cannot be written: it does not fit in memory.") from None
    except RecursionError:
        raise ConfigError(f"{path}: cannot be written: it is nested too deep.") from None
    with replacing(path, previous) as unfinished:
        with unfinished.open("wb") as file:
            file.write(content)
        with unfinished.open("rb") as file:
            position = 0
            while piece := file.read(1 << 20):
                if piece != content[position : position + len(piece)]:
                    break
                position += len(piece)
        if position != len(content):
            raise ConfigError(f"{path}: cannot be written: it reads back otherwise.")


def _content(tree: Tree) -> bytes:
    import h5py

    arrays: dict[str, Array] = {}
    text = json.dumps(_without_arrays(tree, "", arrays)).encode()
    json_object("checkpoint: the state of the training", text, ConfigError)  # it will be read
    groups = {parent for name in arrays for parent in PurePosixPath(name).parents}
    if (objects := 2 + len(arrays) + len(groups)) > OBJECTS:
        raise ConfigError(
            f"checkpoint: expected at most {OBJECTS:,} arrays, with the groups they are in, got "
            f"{objects:,}. Let a callback keep one array instead of many."
        )
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:
        file.create_dataset("tree", data=np.frombuffer(text, np.uint8))
        file.create_dataset("checksum", data=np.uint32(zlib.crc32(text)))
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return buffer.getvalue()


def _without_arrays(value: Any, path: str, arrays: dict[str, Array]) -> Any:
    """The value as JSON can hold it; its arrays are put into ``arrays``, by their paths."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        value = value.astype(value.dtype.newbyteorder("="), copy=False)  # a name has no byte order
        arrays[path[1:]] = value
        return {ARRAY: [path[1:], value.shape, value.dtype.name, checksum(value)]}
    if isinstance(value, list | tuple):
        return [_without_arrays(part, f"{path}/{i}", arrays) for i, part in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) and key != ARRAY for key in value):
        return {
            key: _without_arrays(part, f"{path}/{_quoted(key)}", arrays)
            for key, part in value.items()
        }
    raise ConfigError(
        f"checkpoint: expected numbers, texts, arrays of numbers, lists and dictionaries with "
        f"texts as keys, got {type(value).__name__} at {path[1:]}."
    )


def _quoted(key: str) -> str:
    """The key as a name that HDF5 takes: without slashes, not empty, and not the group itself."""
    from urllib.parse import quote

    return {"": "%", ".": "%2E"}.get(key) or quote(key, safe="", errors="surrogatepass")


def checksum(array: Array, start: int = 0) -> int:
    """The CRC32 of an array's bytes, in the order of its indices, going on from ``start``."""
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, start)


def read(path: Path) -> Tree:
    """The tree at ``path``; raises ``ModelFileError`` with one line if it is not whole."""
    with hdf5.opened(path, ModelFileError, attributes=False) as file:
        if not {"tree", "checksum"} <= file.datasets.keys():
            raise ModelFileError(f"{path}: expected a checkpoint, got another HDF5 file.")
        try:
            return _tree(file)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"{path}: expected a checkpoint, got a damaged one.") from None


def _tree(file: hdf5.File) -> Tree:
    """The tree in a file; raises ``ValueError`` or the like if it is damaged."""
    (length,) = file.datasets["tree"].shape
    if length > JSON_LIMIT:
        raise ValueError
    text = file.read("tree").tobytes()
    if zlib.crc32(text) != file.read("checksum", ()):
        raise ValueError
    # What Python makes of JSON takes more than its text.
    file.budget.take("the state of the training", PARSED * length)
    json_object(file.who, text, ModelFileError)
    arrays: dict[str, Array] = {}

    def put(part: Any) -> Any:
        if ARRAY not in part:
            return part
        name, shape, dtype, expected = part[ARRAY]
        if name in arrays:
            raise ValueError
        array = arrays[name] = file.read(name, tuple(shape))
        if array.dtype.name != dtype or array.nbytes > file.datasets[name].stored:
            raise ValueError
        if checksum(array) != expected:
            raise ValueError
        return array

    tree: Tree = json.loads(text, object_hook=put)
    return tree
