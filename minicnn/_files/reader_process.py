"""The process that ``hdf5_reader`` is, as ``hdf5`` asks it: its start, its answers and its end."""

import atexit
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files import hdf5_reader
from minicnn._files.atomic import reason
from minicnn._files.budget import Budget
from minicnn._files.lock import held_by_others
from minicnn._parallel.processes import is_ready
from minicnn.errors import MiniCNNError

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

OPEN_ELSEWHERE = (
    "the file is open for writing in another program, or in this one: close it there, in a "
    "notebook with file.close()"
)
"""What is known of a file that is locked for writing."""


@contextmanager
def reader_of(
    budget: Budget, request: dict[str, Any], data: bytes, path: Path | None
) -> Iterator[tuple["Reader", dict[str, Any]]]:
    """A process that has opened the file of the request, and what it says of the file.

    Raises the budget's error with one line if it cannot be opened.
    """
    request |= {"space": budget.left, "most": budget.left // DESCRIBED}
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
            reader = new_reader(budget)
            reader.begin(path, request["size"])
            contents = reader.ask(who, budget, request, data)
        yield reader, contents
    finally:
        if not reader.busy:
            with suppress(error):
                reader.ask(who, budget, {})
        if reader.busy or len(idle) >= IDLE:
            reader.end()
        else:
            idle.append(reader)


idle: list["Reader"] = []
"""Processes that wait for a file."""


def _idle_reader(budget: Budget) -> "Reader":
    """A process that has no file: one that waits, or a new one."""
    others = []
    try:
        while idle:
            reader = idle.pop()
            if reader.owner != os.getpid() or reader.process.poll() is not None:
                reader.end()
            elif reader.thread == threading.get_native_id():
                return reader
            else:
                others.append(reader)
        return new_reader(budget)
    finally:
        idle.extend(others)


def new_reader(budget: Budget, script: str = "", descriptors: tuple[int, ...] = ()) -> "Reader":
    """A process that runs the script, or that of ``hdf5_reader``, and has those descriptors."""
    if getattr(sys, "frozen", False):  # sys.executable is the program, which would start again
        what = f"{budget.who}: a frozen program cannot start the Python that reads HDF5 files."
        raise _passing(budget, what)
    try:
        return Reader(script, descriptors)
    except (OSError, TypeError) as problem:
        why = reason(problem) if isinstance(problem, OSError) else "sys.executable is missing"
        what = f"{budget.who}: no process can be started to read it: {why}."
        raise _passing(budget, what) from None


@atexit.register
def end_readers() -> None:
    """End the processes that wait."""
    while idle:
        idle.pop().end()


class Reader:
    """The process, as the one that asks it sees it."""

    def __init__(self, script: str = "", descriptors: tuple[int, ...] = ()) -> None:
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
            [sys.executable, "-P", "-W", "ignore", script or hdf5_reader.__file__],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
            pass_fds=descriptors,
            process_group=0,  # what ends a script, such as Ctrl-C, ends this after it
        )
        if os.name == "posix" and self.process.stdin is not None:
            os.set_blocking(self.process.stdin.fileno(), False)

    def begin(self, path: Path | None, size: int) -> None:
        """Note which file it will have."""
        self.path, self.size = path, size

    @property
    def usable(self) -> bool:
        """Whether this thread may ask it."""
        mine = self.owner == os.getpid() and self.thread == threading.get_native_id()
        return mine and not self.busy and self.process.poll() is None

    def held(self) -> bool:
        """Whether a program has the file open for writing."""
        return self.path is not None and held_by_others(self.path)

    def ask(
        self, what: str, budget: Budget, request: Mapping[str, Any], data: bytes = b""
    ) -> dict[str, Any]:
        """Its answer to a request that ``data`` follows; raises the budget's error if it has none.

        The memory for the answer is taken from the budget.
        """
        self.send(what, budget, request, data)
        answer = self.receive(what, budget)
        if why := self.why_not(what, answer):
            error = budget.error(why)
            error.passing = self.held()
            raise error
        return answer

    def send(
        self, what: str, budget: Budget, request: Mapping[str, Any], data: bytes = b""
    ) -> None:
        """Ask, and let the answer come meanwhile."""
        asked = json.dumps(request).encode()
        self.busy = True
        try:
            self._write(hdf5_reader.LENGTH.pack(len(asked)) + asked)
            self._write(data)
        except (OSError, EOFError):
            raise self._silence(what, budget) from None

    def receive(self, what: str, budget: Budget) -> dict[str, Any]:
        """The answer to what was asked, which may be a refusal; raises the error if none comes."""
        try:
            answer = self._answer(budget)
        except (OSError, EOFError):
            raise self._silence(what, budget) from None
        self.busy = False
        return answer

    def fill(self, what: str, budget: Budget, array: Array) -> None:
        """Read the pieces of a dataset into ``array``; raises the error if they do not come."""
        rest = array.reshape(-1).view(np.uint8).data
        self.busy, why = True, ""
        try:
            while rest or not array.size:
                length = self._length()
                if not length and rest:
                    why = self.why_not(what, self._answer(budget))
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

    def why_not(self, what: str, answer: Mapping[str, Any]) -> str:
        """What to say of an answer that is a refusal; empty if it is none."""
        if "refused" in answer:
            return sentence(what, answer["refused"])
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


def sentence(who: str, what: str) -> str:
    """``who`` with what is said of it: a sentence without its subject, or a new sentence."""
    return f"{who}{':' * what.startswith(('expected', 'claims'))} {what}."
