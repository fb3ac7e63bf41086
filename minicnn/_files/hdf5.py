"""HDF5 files from strangers: opened in a process apart, looked at, and only then read.

An HDF5 file can name other files of this machine as the place of its data, hold links that lead
out of it, claim a shape of terabytes in two kilobytes, or be damaged so that the HDF5 library
never returns. So the library runs in ``hdf5_reader``, a process with little time, little memory
and no other file, which says what is there; and a dataset is read only when it is a plain one,
of numbers, inside the file. ``reader_process`` starts the process and asks it.
"""

import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.console import warn
from minicnn._core.shapes import Array, Shape
from minicnn._files.atomic import reason
from minicnn._files.budget import Budget
from minicnn._files.hdf5_reader import BFLOAT16
from minicnn._files.lock import held_by_others
from minicnn._files.nearby import nearby
from minicnn._files.reader_process import (
    DESCRIBED,
    OPEN_ELSEWHERE,
    Reader,
    reader_of,
    sentence,
)
from minicnn.errors import MiniCNNError

EXPANSION = 2000
"""How many times the bytes stored of it a dataset may be: gzip reaches 1,032 on zeros alone."""

OTHER_KINDS = {
    b"PK\3\4": "a zip archive. If it is a model of Keras 3, let its name end in .keras",
    b"\x1f\x8b": "a gzip archive. Unpack it with gunzip",
    b"<!DOCTYPE": "a web page. Download the file itself",
    b"<html": "a web page. Download the file itself",
    b"version https://git-lfs": "a Git LFS pointer to it. Run 'git lfs pull'",
    b"MATLAB 5.0": "an old MATLAB file. Save it there with '-v7.3'",
}
"""How files begin that are often taken for HDF5 files, and what they are."""


@dataclass(frozen=True)
class Found:
    """A dataset that is in a file."""

    shape: Shape
    dtype: str
    refused: str = ""
    """Why it will not be read, if so."""
    damaged: bool = False
    stored: int = 0
    """Bytes that the file holds of it."""
    matlab: bool = False
    """Whether MATLAB wrote it, whose arrays have their axes the other way round."""
    chunks: Shape = ()
    """The shape of the chunks that it is cut into; () if it lies in one piece."""
    packed: bool = False
    """Whether the chunks must be unpacked, or put in order."""
    gzip: int = -1
    """The level of its compression with gzip; -1 if it is another or none."""

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> "Found":
        """What the process says of it."""
        tuples = {name: tuple(known.get(name, ())) for name in ("shape", "chunks")}
        return cls(**{**known, **tuples})


class File:
    """An open HDF5 file: what it holds, by full path ("layers/dense/vars/0"), and its reading.

    ``groups`` maps each group to those of its attributes that are texts; "" is the root. What is
    made of what is read is taken from the ``budget``.
    """

    def __init__(
        self,
        who: str,
        error: type[MiniCNNError],
        reader: Reader,
        contents: Mapping[str, Mapping[str, Any]],
        budget: Budget,
    ) -> None:
        self.who = who
        self.error = error
        self.budget = budget
        self.groups: dict[str, dict[str, Any]] = dict(contents["groups"])
        self.datasets = {name: Found.of(known) for name, known in contents["datasets"].items()}
        self._reader = reader
        self._inside: dict[str, list[str]] = {}
        for name in filter(None, (*self.groups, *self.datasets)):
            group, _, last = name.rpartition("/")
            self._inside.setdefault(group, []).append(last)

    def inside(self, group: str) -> list[str]:
        """The names of the groups and datasets that lie directly in ``group``."""
        return self._inside.get(group, [])

    def read(self, name: str, shape: Shape | None = None, text: bool = False) -> Array:
        """The dataset of that name, whole; raises the file's error if it is not safe to read.

        ``shape``, if given, is the only one that will do. Numbers are read, and with
        ``text`` strings too. What Keras marks as bfloat16 comes as float32.
        """
        what = f"{self.who}: dataset {name!r}"
        found = self.found(name)
        if shape is not None and found.shape != shape:
            raise self.error(f"{what}: expected shape {shape}, got {found.shape}.")
        request = {"read": name, "text": text, "most": self.budget.left // DESCRIBED}
        if np.dtype(found.dtype).kind not in "biufV":
            answer = self._reader.ask(what, self.budget, request)
            return np.array(answer["texts"], object).reshape(found.shape)
        # A bfloat16 of two bytes takes four and, on the way, four more.
        wide = 4 if found.dtype == BFLOAT16 else 1
        self.budget.take(f"dataset {name!r}", wide * self.check_stored(name))
        try:
            array = np.empty(found.shape, found.dtype)
        except (MemoryError, ValueError):
            raise self.error(f"{what} does not fit in memory.") from None
        self._reader.ask(what, self.budget, request)
        self._reader.fill(what, self.budget, array)
        if found.dtype == BFLOAT16:
            # The upper half of a float32's bits.
            return (array.view("<u2").astype(np.uint32) << 16).view(np.float32)
        return array

    def found(self, name: str) -> Found:
        """What is known of a dataset; raises the file's error if it is none that may be read."""
        what = f"{self.who}: dataset {name!r}"
        found = self.datasets.get(name)
        if found is None:
            got = ", got a group" if name in self.groups else " is missing"
            raise self.error(f"{what}{': expected a dataset' * (name in self.groups)}{got}.")
        if found.damaged:
            raise self.error(self._reader.damaged(what))
        if found.refused:
            raise self.error(sentence(what, found.refused))
        return found

    def check_stored(self, name: str) -> int:
        """Refuse a dataset that claims far more bytes than are stored of it, else say how many."""
        what, found = f"{self.who}: dataset {name!r}", self.datasets[name]
        claimed = math.prod(found.shape) * np.dtype(found.dtype).itemsize
        if claimed > EXPANSION * found.stored:
            raise self.error(
                f"{what}: claims {claimed:,} bytes, but the file holds {found.stored:,} of them."
                f"{self._reader.held() * f' T{OPEN_ELSEWHERE[1:]}.'}"
            )
        return claimed


@contextmanager
def opened(
    path: str | os.PathLike[str],
    error: type[MiniCNNError],
    budget: Budget | None = None,
    attributes: bool = True,
) -> Iterator[File]:
    """The HDF5 file at ``path``, for reading; raises ``error`` with one line if it is none.

    ``budget`` is that of a file which is opened again, or which this one is a part of. Without
    ``attributes`` those of the groups are not read. Warns when the file is open for writing.
    """
    path = Path(path)
    size = regular_file_size(path, error)
    if not size:
        if held_by_others(path):
            raise error(f"{path}: {OPEN_ELSEWHERE}.")
        raise error(f"{path}: expected an HDF5 file, got an empty file.")
    with path.open("rb") as file_itself:
        start = file_itself.read(max(map(len, OTHER_KINDS)))
    for mark, kind in OTHER_KINDS.items():
        if start.startswith(mark):
            raise error(f"{path}: expected an HDF5 file, got {kind}.")
    request = {"open": os.path.abspath(path), "size": size, "attributes": attributes}
    with _opened(budget or Budget(str(path), error, size), request, b"", path) as file:
        yield file


@contextmanager
def opened_bytes(
    data: bytes, who: str, error: type[MiniCNNError], budget: Budget | None = None
) -> Iterator[File]:
    """The HDF5 file that ``data`` is, for reading; raises ``error`` with one line if it is none."""
    request = {"open": None, "size": len(data), "attributes": True}
    with _opened(budget or Budget(who, error, len(data)), request, data, None) as file:
        yield file


def regular_file_size(path: Path, error: type[MiniCNNError]) -> int:
    """The size of a file in bytes; raises ``error`` for what is no file, or cannot be opened.

    Opening a pipe or a device could wait, or read, for ever.
    """
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
            return status.st_size
    except OSError as problem:
        raise error(f"{path}: cannot be read: {reason(problem)}.{nearby(path)}") from None
    except ValueError:
        raise error(f"{str(path)!r}: cannot be read: no file can have this name.") from None
    what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
    models = sorted(path.glob("*.keras")) if path.is_dir() else []
    near = f" Did you mean {str(models[0])!r}?" if models else ""
    raise error(f"{path}: expected a file, got {what}.{near}")


@contextmanager
def _opened(
    budget: Budget, request: dict[str, Any], data: bytes, path: Path | None
) -> Iterator[File]:
    with reader_of(budget, request, data, path) as (reader, contents):
        if contents["writing"] or reader.held():
            warn(f"{budget.who}: {OPEN_ELSEWHERE}. What it has not written yet is missing here.")
        yield File(budget.who, budget.error, reader, contents, budget)
