"""Runs of rows of HDF5 files, read into shared memory while the program does something else.

The files are opened in processes apart, as in ``hdf5``, which lay the bytes where the program waits
for them: there is no copy on the way, and no thread.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files import hdf5_reader
from minicnn._files.atomic import reason
from minicnn._files.budget import Budget
from minicnn._files.lock import held_by_others
from minicnn._files.reader_process import OPEN_ELSEWHERE, Reader, new_reader
from minicnn.errors import MiniCNNError

SCRIPT = str(Path(hdf5_reader.__file__).with_name("hdf5_rows_reader.py"))


@dataclass(frozen=True)
class RowFile:
    """A dataset of a file, of which rows are read, and the file as it was when it was opened."""

    path: Path
    key: str
    shape: Shape
    dtype: str
    deep: int
    """The rows of a chunk; 0 where there are no chunks."""
    chunk_bytes: int
    across: int
    """How many chunks lie beside each other in a row."""
    packed: bool
    state: tuple[int, ...]
    held: bool
    """Whether a program had it open for writing."""

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return int(np.prod(self.shape[1:])) * np.dtype(self.dtype).itemsize

    def changed(self) -> str:
        """What has happened to the file since, or ""."""
        try:
            now = state_of(self.path)
        except FileNotFoundError:
            return "was deleted while it was in use. Put it back"
        except OSError as problem:
            return f"can no longer be read: {reason(problem)}"
        if not self.held and held_by_others(self.path):
            return f"{OPEN_ELSEWHERE}; it was opened while it was in use"
        if now == self.state:
            return ""
        if now[:2] != self.state[:2]:
            return "was replaced by another file while it was in use. Begin anew"
        if now[2] < self.state[2]:
            return f"was cut short while it was in use, from {self.state[2]:,} bytes to {now[2]:,}"
        return "was written to while it was in use. Begin anew"


def state_of(path: Path) -> tuple[int, ...]:
    """Which file it is, its size and when it was written to."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Rows:
    """Two halves of memory, into which runs of rows are read, one while the other is used.

    Whoever makes it calls ``close``. Raises ``error`` with one line if a file is not as it was, or
    cannot be read.
    """

    def __init__(
        self,
        files: Sequence[RowFile],
        rows: int,
        processes: int,
        error: type[MiniCNNError],
    ) -> None:
        self.files = files
        self.error = error
        self.rows = rows
        """How many fit into a half."""
        self.size = rows * max(one.row_bytes for one in files)
        """The bytes of a half."""
        self.readers: list[Reader] = []
        self.waiting: list[Reader] = []
        """Those that have not answered yet."""
        self.runs: list[list[int]] = []
        """What they were asked for."""
        budget = self._budget(0)
        memory, descriptor, tag = _shared(max(1, 2 * self.size))
        self.memory = np.frombuffer(memory, np.uint8)
        request = {
            "open": [
                {
                    "path": os.path.abspath(one.path),
                    "size": one.state[2],
                    "key": one.key,
                    "shape": list(one.shape),
                    "dtype": one.dtype,
                    "cache": one.chunk_bytes if one.across > 1 else 0,
                }
                for one in files
            ],
            "size": sum(one.state[2] for one in files),
            "space": 4 * max(one.chunk_bytes for one in files),
            "shared": descriptor,
            "memory": len(self.memory),
            "tag": tag,
        }
        self.runs = [[i] for i in range(len(files))]
        try:
            for _ in range(processes):
                given = () if descriptor < 0 else (descriptor,)
                self.readers.append(new_reader(budget, SCRIPT, given))
                self._send(self.readers[-1], request)
            self.wait()
        except BaseException:
            self.close()
            raise
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def begin(
        self, half: int, runs: Sequence[tuple[int, int, int]], wanted: Sequence[bool]
    ) -> None:
        """Ask for the wanted of runs (file, first row, last), one after another, into a half; where
        the others would be it stays as it is."""
        place = half * self.size
        self.runs = []
        for (file, first, last), want in zip(runs, wanted, strict=True):
            one = self.files[file]
            chunks = one.across * (-(-last // one.deep) - first // one.deep) if one.deep else 1
            if want:
                self.runs.append([file, first, last, chunks, place])
            place += (last - first) * one.row_bytes
        n, k = len(self.runs), len(self.readers)
        for i, reader in enumerate(self.readers):
            if part := self.runs[n * i // k : n * (i + 1) // k]:
                self._send(reader, {"runs": part})

    def wait(self) -> None:
        """Until what was asked for is there; raises the error if it will not come."""
        try:
            while self.waiting:
                reader = self.waiting.pop(0)
                answer = reader.receive(self._who(), self._budget(0))
                if why := reader.why_not(self._who(answer.get("file")), answer):
                    raise self.error(why)
        except self.error:
            self._check()  # which knows better what has happened
            raise
        self._check()

    def half(self, number: int) -> Array:
        """The bytes of a half."""
        return self.memory[number * self.size : (number + 1) * self.size]

    @property
    def usable(self) -> bool:
        """Whether it can be asked for more, by this thread."""
        return not self.waiting and all(reader.usable for reader in self.readers)

    def close(self) -> None:
        """End the processes."""
        while self.readers:
            self.readers.pop().end()

    __del__ = close

    def _send(self, reader: Reader, request: dict[str, object]) -> None:
        reader.send(self._who(), self._budget(0), request)
        self.waiting.append(reader)

    def _check(self) -> None:
        """Raise the error if a file that was read is not what it was."""
        for number in dict.fromkeys(run[0] for run in self.runs):
            if why := self.files[number].changed():
                raise self.error(f"{self.files[number].path}: the file {why}.")

    def _budget(self, number: int) -> Budget:
        return Budget(str(self.files[number].path), self.error, self.files[number].state[2])

    def _who(self, number: int | None = None) -> str:
        one = self.files[number or 0]
        more = f" and {len(self.files) - 1} more" * (number is None and len(self.files) > 1)
        return f"{one.path}{more}: dataset {one.key!r}"


def _shared(size: int) -> tuple[mmap, int, str]:
    """Memory that a process can share, its descriptor or -1, and its name where it needs one."""
    if sys.platform == "win32":
        import uuid

        tag = f"minicnn-{uuid.uuid4()}"
        return mmap(-1, size, tagname=tag), -1, tag
    if sys.platform == "linux":
        import fcntl

        descriptor = os.memfd_create("minicnn", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, size)
        # Memory that the other process could cut short would crash this one.
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            descriptor = os.dup(file.fileno())
    return mmap(descriptor, size), descriptor, ""
