"""HDF5 files from strangers: opened in a process of their own, looked at, and only then read.

An HDF5 file can name other files of this machine as the place of its data, hold links that lead
out of it, claim a shape of terabytes in two kilobytes, or be damaged so that the HDF5 library
never returns. So the library runs in ``hdf5_reader``, a process with little time, little memory
and no other file, which says what is there; and a dataset is read only when it is a plain one,
of numbers, inside the file.
"""

import atexit
import json
import math
import os
import signal
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import MiniCNNError
from minicnn.files import hdf5_reader
from minicnn.files.atomic import reason
from minicnn.files.budget import Budget
from minicnn.files.nearby import nearby
from minicnn.shapes import Array, Shape

ANSWER_LIMIT = 64 << 20
"""The longest description of a file that is taken, in bytes."""

EXPANSION = 2000
"""How many times the bytes stored of it a dataset may be: gzip reaches 1,032 on zeros alone."""

IDLE = 2
"""How many processes are kept for the next files."""

ENDED_BY_OTHERS = {
    getattr(signal, name, None) for name in ("SIGALRM", "SIGHUP", "SIGINT", "SIGKILL", "SIGTERM")
}
"""Signals that end the process and that no file brings about."""


@dataclass(frozen=True)
class Found:
    """A dataset that is in a file."""

    shape: Shape
    dtype: str
    attributes: Mapping[str, Any]
    refused: str = ""
    """Why it will not be read, if so."""
    stored: int = 0
    """Bytes that the file holds of it."""
    matlab: bool = False
    """Whether MATLAB wrote it, whose arrays have their axes the other way round."""


class File:
    """An open HDF5 file: what it holds, by full path ("layers/dense/vars/0"), and its reading.

    ``groups`` maps each group to its attributes, texts and numbers; "" is the root.
    """

    def __init__(
        self,
        who: str,
        error: type[MiniCNNError],
        reader: "_Reader",
        contents: Mapping[str, Mapping[str, Any]],
        budget: Budget,
    ) -> None:
        self.who = who
        self.error = error
        self._budget = budget
        self.groups: dict[str, dict[str, Any]] = dict(contents["groups"])
        self.datasets = {
            name: Found(**known | {"shape": tuple(known["shape"])})
            for name, known in contents["datasets"].items()
        }
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
        found = self.datasets.get(name)
        if found is None:
            got = ", got a group" if name in self.groups else " is missing"
            raise self.error(f"{what}{': expected a dataset' * (name in self.groups)}{got}.")
        if found.refused:
            raise self.error(_sentence(what, found.refused))
        if shape is not None and found.shape != shape:
            raise self.error(f"{what}: expected shape {shape}, got {found.shape}.")
        request = {"read": name, "text": text}
        if np.dtype(found.dtype).kind not in "biufV":
            answer = self._reader.ask(self.who, self.error, request, what)
            return np.array(answer["texts"], object).reshape(found.shape)
        self._check_size(what, name, found)
        try:
            array = np.empty(found.shape, found.dtype)
        except (MemoryError, ValueError):
            raise self.error(f"{what} does not fit in memory.") from None
        self._reader.ask(self.who, self.error, request, what)
        self._reader.fill(what, self.error, array)
        if found.dtype == hdf5_reader.BFLOAT16:
            # The upper half of a float32's bits.
            return (array.view("<u2").astype(np.uint32) << 16).view(np.float32)
        return array

    def _check_size(self, what: str, name: str, found: Found) -> None:
        """Refuse a dataset that claims to be far larger than what is stored of it, or of all."""
        claimed = math.prod(found.shape) * np.dtype(found.dtype).itemsize
        if claimed > EXPANSION * found.stored:
            raise self.error(
                f"{what}: claims {claimed:,} bytes, but the file holds {found.stored:,} of them."
            )
        self._budget.take(f"dataset {name!r}", claimed)


@contextmanager
def opened(
    path: str | os.PathLike[str], error: type[MiniCNNError], budget: Budget | None = None
) -> Iterator[File]:
    """The HDF5 file at ``path``, for reading; raises ``error`` with one line if it is none.

    ``budget`` is that of a file which is opened again, or which this one is a part of.
    """
    path = Path(path)
    size = regular_file_size(path, error)
    if not size:
        raise error(f"{path}: expected an HDF5 file, got an empty file.")
    with path.open("rb") as start:
        if start.read(4) == b"PK\3\4":
            raise error(
                f"{path}: expected an HDF5 file, got a zip archive. If it is a model of Keras 3, "
                "let its name end in .keras."
            )
    request = {"open": os.path.abspath(path), "size": size}
    with _opened(str(path), error, request, b"", budget) as file:
        yield file


@contextmanager
def opened_bytes(
    data: bytes, who: str, error: type[MiniCNNError], budget: Budget | None = None
) -> Iterator[File]:
    """The HDF5 file that ``data`` is, for reading; raises ``error`` with one line if it is none."""
    with _opened(who, error, {"open": None, "size": len(data)}, data, budget) as file:
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
    raise error(f"{path}: expected a file, got {what}.")


@contextmanager
def _opened(
    who: str,
    error: type[MiniCNNError],
    request: Mapping[str, Any],
    data: bytes,
    budget: Budget | None,
) -> Iterator[File]:
    try:
        reader = _idle_reader()
    except (OSError, TypeError) as problem:
        why = reason(problem) if isinstance(problem, OSError) else "sys.executable is missing"
        raise error(f"{who}: no process can be started to read it: {why}.") from None
    try:
        contents = reader.ask(who, error, request, who, data)
        yield File(who, error, reader, contents, budget or Budget(who, error, request["size"]))
    finally:
        if not reader.busy:
            with suppress(error):
                reader.ask(who, error, {}, who)
        if reader.busy or len(_idle) >= IDLE:
            reader.end()
        else:
            _idle.append(reader)


_idle: list["_Reader"] = []
"""Processes that wait for a file."""


def _idle_reader() -> "_Reader":
    """A process that has no file: one that waits, or a new one."""
    while _idle:
        reader = _idle.pop()
        if reader.owner == os.getpid() and reader.process.poll() is None:
            return reader
        reader.end()
    return _Reader()


@atexit.register
def _end_readers() -> None:
    while _idle:
        _idle.pop().end()


class _Reader:
    """The process, as the one that asks it sees it."""

    def __init__(self) -> None:
        import subprocess

        self.owner = os.getpid()
        self.busy = False
        """Whether an answer is under way, or will never come."""
        known = [str(path) for path in sys.path if path]
        environment = {
            "PYTHONPATH": os.pathsep.join(known),
            "OPENBLAS_NUM_THREADS": "1",
            "HDF5_PLUGIN_PRELOAD": "::",  # no plugins
        }
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", hdf5_reader.__file__],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
            process_group=0,  # what ends a script, such as Ctrl-C, ends this after it
        )

    def ask(
        self,
        who: str,
        error: type[MiniCNNError],
        request: Mapping[str, Any],
        what: str,
        data: bytes = b"",
    ) -> dict[str, Any]:
        """Its answer to a request that ``data`` follows; raises ``error`` if it gives none."""
        asked = json.dumps(request).encode()
        self.busy = True
        try:
            self._write(hdf5_reader.LENGTH.pack(len(asked)) + asked)
            self._write(data)
            length = self._length()
            if length > ANSWER_LIMIT:
                raise EOFError
            answer: dict[str, Any] = json.loads(self._bytes(length))
        except (OSError, EOFError):
            raise error(self._why_silent(who)) from None
        self.busy = False
        if "refused" in answer:
            raise error(_sentence(what, answer["refused"]))
        if "damaged" in answer:
            raise error(_damaged(who, answer["damaged"]))
        return answer

    def fill(self, what: str, error: type[MiniCNNError], array: Array) -> None:
        """Read the pieces of a dataset into ``array``; raises ``error`` if they do not come."""
        rest = array.reshape(-1).view(np.uint8).data
        self.busy = True
        try:
            while rest and (length := self._length()):
                if not 0 < length <= len(rest):
                    raise EOFError
                self._read_into(rest[:length])
                rest = rest[length:]
            if not array.size:
                self._length()
        except (OSError, EOFError):
            raise error(self._why_silent(what)) from None
        self.busy = False
        if rest:
            raise error(_damaged(what))

    def _why_silent(self, who: str) -> str:
        """What to say when no answer comes: the file did harm, or somebody ended the process."""
        import subprocess

        with suppress(subprocess.TimeoutExpired):
            status = self.process.wait(1)
            if status == hdf5_reader.NO_START or -status in ENDED_BY_OTHERS:
                return f"{who}: the process that reads HDF5 files has ended (status {status})."
        return _damaged(who)

    def end(self) -> None:
        """End the process, unless it is another's child."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()

    def _write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        rest = memoryview(data)
        while rest:
            rest = rest[self.process.stdin.write(rest) :]

    def _length(self) -> int:
        length: int = hdf5_reader.LENGTH.unpack(self._bytes(hdf5_reader.LENGTH.size))[0]
        return length

    def _bytes(self, count: int) -> bytearray:
        data = bytearray(count)
        self._read_into(memoryview(data))
        return data

    def _read_into(self, rest: memoryview) -> None:
        while rest:
            count = self.process.stdout.readinto(rest)  # type: ignore[union-attr]
            if not count:
                raise EOFError
            rest = rest[count:]


def _damaged(who: str, how: str = "damaged") -> str:
    return f"{who}: the HDF5 file is {how}. Copy or download it again."


def _sentence(who: str, what: str) -> str:
    """``who`` with what is said of it: a sentence without its subject, or one beginning anew."""
    return f"{who}{':' * what.startswith(('expected', 'claims'))} {what}."
