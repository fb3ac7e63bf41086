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

PATIENCE = 600.0
"""Seconds without a byte after which it is taken to hang: a drive may take minutes to wake."""


class Apart:
    """A process that serves as ``module`` says. Raises ``OSError`` if there can be none.

    Whoever makes one calls ``end``.
    """

    def __init__(self, module: str) -> None:
        import subprocess

        if getattr(sys, "frozen", False) or not sys.executable:
            raise OSError("there is no Python to start")
        known = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", bare.__file__, module],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": known, "OPENBLAS_NUM_THREADS": "1"},
            process_group=0,  # Ctrl-C is for the process that asks
        )
        self.begun = False

    def ask(self, asked: Any) -> Any:
        """The answer. Raises ``OSError`` if none comes: it has ended, or is stopped, or hangs."""
        self._begin()
        assert self.process.stdin is not None
        self.process.stdin.write(_packed(asked))
        return json.loads(self._bytes(self._length()))

    def fill(self, array: Array) -> None:
        """Read what follows the answer into an array; raises ``OSError`` as ``ask`` does."""
        self._read_into(array.reshape(-1).view("u1").data)

    def end(self) -> None:
        """End it, unless it is another's child. No thread waits for an answer."""
        if self.owner != os.getpid():
            return
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def _begin(self) -> None:
        if not self.begun:
            self._length()
            self.begun = True

    @property
    def _output(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def _length(self) -> int:
        length: int = LENGTH.unpack(self._bytes(LENGTH.size))[0]
        return length

    def _bytes(self, count: int) -> bytearray:
        data = bytearray(count)
        self._read_into(memoryview(data))
        return data

    def _read_into(self, rest: memoryview) -> None:
        while rest:
            if not is_ready(self.process.pid, self._output, seconds=PATIENCE):
                raise OSError("it does not answer")
            count = self.process.stdout.readinto(rest)  # type: ignore[union-attr]
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
