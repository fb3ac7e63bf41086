"""Processes apart that answer questions: each is a Python of its own, with a lock of its own.

Nothing of the program runs in them, as it would in those of ``multiprocessing``: a script needs no
``if __name__ == "__main__"``, and a notebook may ask too. What crashes there does not end the
program. They end when nobody can ask any more.

A question is JSON, and so is an answer, each after its length; bytes may follow an answer.
"""

import json
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from minicnn._core.shapes import Array
from minicnn._parallel import bare
from minicnn._parallel.processes import is_ready

LENGTH = struct.Struct("<q")

LONGEST = 1 << 30
"""Bytes of an answer; more is no answer, but something else that was printed."""

PIECE = 4096
"""Bytes that a pipe takes at once when it takes any."""

PATIENCE = 600.0
"""Seconds without a byte after which it is taken to hang: a drive may take minutes to wake."""


class Apart:
    """A process that serves as ``module`` says. Raises ``OSError`` if there can be none.

    Whoever makes one calls ``begin``, and at last ``end``.
    """

    def __init__(self, module: str) -> None:
        import subprocess

        if getattr(sys, "frozen", False) or not sys.executable:
            raise OSError("there is no Python to start")
        known = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        self.owner, self.ended = os.getpid(), False
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", bare.__file__, module],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": known, "OPENBLAS_NUM_THREADS": "1"},
            process_group=0,  # Ctrl-C is for the process that asks
        )

    def begin(self) -> None:
        """Wait until it takes questions; raises ``OSError`` as ``ask`` does."""
        if self._length():
            raise OSError("it prints something else")

    def ask(self, asked: Any) -> Any:
        """The answer. Raises ``OSError`` if none comes: it has ended, or is stopped, or hangs."""
        self._write(memoryview(_packed(asked)))
        return json.loads(self._bytes(self._length()))

    def fill(self, array: Array) -> None:
        """Read what follows the answer into an array; raises ``OSError`` as ``ask`` does."""
        self._read_into(array.reshape(-1).view("u1").data)

    def end(self) -> None:
        """End it, unless it is another's child. No thread waits for an answer."""
        if self.owner != os.getpid() or self.ended:
            return
        self.ended = True
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def _length(self) -> int:
        length: int = LENGTH.unpack(self._bytes(LENGTH.size))[0]
        if not 0 <= length <= LONGEST:
            raise OSError("it prints something else")
        return length

    def _bytes(self, count: int) -> bytearray:
        data = bytearray(count)
        self._read_into(memoryview(data))
        return data

    def _write(self, rest: memoryview) -> None:
        pipe: Any = self.process.stdin
        while rest:
            if not is_ready(self.process.pid, pipe.fileno(), writing=True, seconds=PATIENCE):
                raise OSError("it does not listen")
            rest = rest[pipe.write(rest[:PIECE]) :]

    def _read_into(self, rest: memoryview) -> None:
        pipe: Any = self.process.stdout
        while rest:
            if not is_ready(self.process.pid, pipe.fileno(), seconds=PATIENCE):
                raise OSError("it does not answer")
            count = pipe.readinto(rest)
            if not count:
                raise OSError("it has ended")
            rest = rest[count:]


def questions(requests: BinaryIO, answers: BinaryIO) -> Iterator[Any]:
    """In the process: what is asked, until nobody asks any more."""
    answers.write(LENGTH.pack(0))  # it has begun
    answers.flush()
    while start := requests.read(LENGTH.size):
        yield json.loads(requests.read(*LENGTH.unpack(start)))


def answer(answers: BinaryIO, said: Any, array: Array) -> None:
    """In the process: answer, and let the bytes of an array follow."""
    answers.write(_packed(said))
    answers.write(array.reshape(-1).view("u1").data)
    answers.flush()


def _packed(said: Any) -> bytes:
    data = json.dumps(said).encode()
    return LENGTH.pack(len(data)) + data
