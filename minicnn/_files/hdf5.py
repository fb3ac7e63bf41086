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
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from minicnn._core.console import warn
from minicnn._core.shapes import Array, Shape
from minicnn._files import hdf5_reader
from minicnn._files.atomic import reason
from minicnn._files.budget import Budget
from minicnn._files.lock import held_by_others
from minicnn._files.nearby import nearby
from minicnn._parallel.processes import is_ready
from minicnn.errors import MiniCNNError

EXPANSION = 2000
"""How many times the bytes stored of it a dataset may be: gzip reaches 1,032 on zeros alone."""

DESCRIBED = 4
"""Bytes of memory to a letter of what the process says of a file."""

IDLE = 2
"""How many processes are kept for the next files."""

ENDS = 10
"""Seconds in which a process that says no more has ended, on a busy machine too."""

CRASHES = {
    getattr(signal, name, None) for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV")
}
"""Signals that end a process for what it does."""


OTHER_KINDS = {
    b"PK\3\4": "a zip archive. If it is a model of Keras 3, let its name end in .keras",
    b"\x1f\x8b": "a gzip archive. Unpack it with gunzip",
    b"<!DOCTYPE": "a web page. Download the file itself",
    b"<html": "a web page. Download the file itself",
    b"version https://git-lfs": "a Git LFS pointer to it. Run 'git lfs pull'",
    b"MATLAB 5.0": "an old MATLAB file. Save it there with '-v7.3'",
}
"""How files begin that are often taken for HDF5 files, and what they are."""

OPEN_ELSEWHERE = (
    "the file is open for writing in another program, or in this one: close it there, in a "
    "notebook with file.close()"
)
"""What is known of a file that is locked for writing."""


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


class File:
    """An open HDF5 file: what it holds, by full path ("layers/dense/vars/0"), and its reading.

    ``groups`` maps each group to those of its attributes that are texts; "" is the root. What is
    made of what is read is taken from the ``budget``.
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
        self.budget = budget
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
        if found.damaged:
            raise self.error(self._reader.damaged(what))
        if found.refused:
            raise self.error(_sentence(what, found.refused))
        if shape is not None and found.shape != shape:
            raise self.error(f"{what}: expected shape {shape}, got {found.shape}.")
        request = {"read": name, "text": text, "most": self.budget.left // DESCRIBED}
        if np.dtype(found.dtype).kind not in "biufV":
            answer = self._reader.ask(what, self.budget, request)
            return np.array(answer["texts"], object).reshape(found.shape)
        self._check_size(what, name, found)
        try:
            array = np.empty(found.shape, found.dtype)
        except (MemoryError, ValueError):
            raise self.error(f"{what} does not fit in memory.") from None
        self._reader.ask(what, self.budget, request)
        self._reader.fill(what, self.budget, array)
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
                f"{self._reader.held() * f' T{OPEN_ELSEWHERE[1:]}.'}"
            )
        # A bfloat16 of two bytes takes four and, on the way, four more.
        wide = 4 if found.dtype == hdf5_reader.BFLOAT16 else 1
        self.budget.take(f"dataset {name!r}", wide * claimed)


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
    request |= {"room": budget.left, "most": budget.left // DESCRIBED}
    who, error = budget.who, budget.error
    reader = _idle_reader(budget)
    try:
        reader.begin(path, request["size"])
        try:
            contents = reader.ask(who, budget, request, data)
        except error:
            if reader.process.poll() != -getattr(signal, "SIGALRM", 0):
                raise
            # It had waited for so long that it ended just now.
            reader.end()
            reader = _new_reader(budget)
            reader.begin(path, request["size"])
            contents = reader.ask(who, budget, request, data)
        if contents["writing"] or reader.held():
            warn(f"{who}: {OPEN_ELSEWHERE}. What it has not written yet is missing here.")
        yield File(who, error, reader, contents, budget)
    finally:
        if not reader.busy:
            with suppress(error):
                reader.ask(who, budget, {})
        if reader.busy or len(_idle) >= IDLE:
            reader.end()
        else:
            _idle.append(reader)


_idle: list["_Reader"] = []
"""Processes that wait for a file."""


def _idle_reader(budget: Budget) -> "_Reader":
    """A process that has no file: one that waits, or a new one."""
    others = []
    try:
        while _idle:
            reader = _idle.pop()
            if reader.owner != os.getpid() or reader.process.poll() is not None:
                reader.end()
            elif reader.thread == threading.get_native_id():
                return reader
            else:
                others.append(reader)
        return _new_reader(budget)
    finally:
        _idle.extend(others)


def _new_reader(budget: Budget) -> "_Reader":
    if getattr(sys, "frozen", False):  # sys.executable is the program, which would begin anew
        what = f"{budget.who}: a frozen program cannot start the Python that reads HDF5 files."
        raise _passing(budget, what)
    try:
        return _Reader()
    except (OSError, TypeError) as problem:
        why = reason(problem) if isinstance(problem, OSError) else "sys.executable is missing"
        what = f"{budget.who}: no process can be started to read it: {why}."
        raise _passing(budget, what) from None


@atexit.register
def _end_readers() -> None:
    while _idle:
        _idle.pop().end()


class _Reader:
    """The process, as the one that asks it sees it."""

    def __init__(self) -> None:
        import subprocess

        self.owner = os.getpid()
        self.thread = threading.get_native_id()
        """Linux ends the process together with the thread that started it."""
        self.busy = False
        """Whether an answer is under way, or will never come."""
        self.stopped = False
        self.path: Path | None = None
        self.size = 0
        known = [str(path) for path in sys.path if path]
        environment = {
            "PYTHONPATH": os.pathsep.join(known),
            "OPENBLAS_NUM_THREADS": "1",
            "HDF5_PLUGIN_PRELOAD": "::",  # no plugins
            "HDF5_USE_FILE_LOCKING": "FALSE",  # what is open for writing is read, with a warning
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
        if os.name == "posix" and self.process.stdin is not None:
            os.set_blocking(self.process.stdin.fileno(), False)

    def begin(self, path: Path | None, size: int) -> None:
        """Note which file it will have."""
        self.path, self.size = path, size

    def held(self) -> bool:
        """Whether a program has the file open for writing."""
        return self.path is not None and held_by_others(self.path)

    def ask(
        self, what: str, budget: Budget, request: Mapping[str, Any], data: bytes = b""
    ) -> dict[str, Any]:
        """Its answer to a request that ``data`` follows; raises the budget's error if it has none.

        The memory for the answer is taken from the budget.
        """
        asked = json.dumps(request).encode()
        self.busy = True
        try:
            self._write(hdf5_reader.LENGTH.pack(len(asked)) + asked)
            self._write(data)
            answer = self._answer(budget)
        except (OSError, EOFError):
            raise self._silence(what, budget) from None
        self.busy = False
        if why := self._why_not(what, answer):
            error = budget.error(why)
            error.passing = self.held()
            raise error
        return answer

    def fill(self, what: str, budget: Budget, array: Array) -> None:
        """Read the pieces of a dataset into ``array``; raises the error if they do not come."""
        rest = array.reshape(-1).view(np.uint8).data
        self.busy, why = True, ""
        try:
            while rest or not array.size:
                length = self._length()
                if not length and rest:
                    why = self._why_not(what, self._answer(budget))
                if not 0 < length <= len(rest):
                    break
                self._read_into(rest[:length])
                rest = rest[length:]
        except (OSError, EOFError):
            raise self._silence(what, budget) from None
        self.busy = bool(rest) and not why
        if rest:
            raise budget.error(why or self.damaged(what))

    def damaged(self, what: str) -> str:
        """What to say of bytes that make no sense."""
        if self.held():
            return f"{what}: {OPEN_ELSEWHERE}, and read it then."
        return f"{what}: the HDF5 file is damaged. Copy or download it again."

    def _why_not(self, what: str, answer: Mapping[str, Any]) -> str:
        """What to say of an answer that is a refusal; empty if it is none."""
        if "refused" in answer:
            return _sentence(what, answer["refused"])
        if "damaged" in answer or ("cut" in answer and self.held()):
            return self.damaged(what)
        if "cut" in answer:
            return (
                f"{what}: the HDF5 file is cut short: expected at least {answer['cut']:,} bytes, "
                f"got {self.size:,}. Copy or download it again."
            )
        if "unclosed" in answer and self.held():
            return f"{what}: {OPEN_ELSEWHERE}, and read it then."
        if "unclosed" in answer:
            return (
                f"{what} is open for writing in another program, or was not closed by the one that "
                "wrote it. Close it there, with file.close(); if that is no more, 'h5clear -s "
                "FILE', which comes with HDF5, makes the file readable."
            )
        return ""

    def _silence(self, what: str, budget: Budget) -> MiniCNNError:
        """The error when no answer comes, which says what the process has died of."""
        import subprocess

        try:
            status = self.process.wait(0 if self.stopped else ENDS)
        except subprocess.TimeoutExpired:
            return _passing(budget, f"{what}: the process that reads HDF5 files does not answer.")
        if self.held():
            return _passing(budget, self.damaged(what))
        if status == -getattr(signal, "SIGPROF", 0):
            return budget.error(
                f"{what} takes longer to read than a file of its size should. Copy it again; if "
                "that does not help, write it anew, in larger chunks and with fewer objects."
            )
        if -status in CRASHES:
            name = signal.Signals(-status).name
            return budget.error(
                f"{what}: the HDF5 library crashed on it ({name}). Copy or download it again."
            )
        short = -status == getattr(signal, "SIGKILL", 0)
        hint = " Systems do that when memory is short." * short
        return _passing(
            budget, f"{what}: the process that reads HDF5 files has ended (status {status}).{hint}"
        )

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
            self._wait(self.process.stdin, writing=True)
            rest = rest[self.process.stdin.write(rest) or 0 :]

    def _answer(self, budget: Budget) -> dict[str, Any]:
        length = self._length()
        budget.take("the list of what is in it", DESCRIBED * length, "Let it hold fewer objects.")
        answer: dict[str, Any] = json.loads(self._bytes(length))
        return answer

    def _length(self) -> int:
        length: int = hdf5_reader.LENGTH.unpack(self._bytes(hdf5_reader.LENGTH.size))[0]
        return length

    def _bytes(self, count: int) -> bytearray:
        data = bytearray(count)
        self._read_into(memoryview(data))
        return data

    def _read_into(self, rest: memoryview) -> None:
        assert self.process.stdout is not None
        while rest:
            self._wait(self.process.stdout)
            count = self.process.stdout.readinto(rest)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            rest = rest[count:]

    def _wait(self, pipe: IO[bytes], writing: bool = False) -> None:
        """Until a pipe is ready; a process that is stopped, as by SIGSTOP, will never answer."""
        if not is_ready(self.process.pid, pipe.fileno(), writing):
            self.stopped = True
            raise EOFError


def _passing(budget: Budget, what: str) -> MiniCNNError:
    """An error for which the file is not to blame."""
    error = budget.error(what)
    error.passing = True
    return error


def _sentence(who: str, what: str) -> str:
    """``who`` with what is said of it: a sentence without its subject, or one beginning anew."""
    return f"{who}{':' * what.startswith(('expected', 'claims'))} {what}."
