"""Processes that decode pictures: Pillow holds Python's one lock for much of a small picture.

Each is a Python of its own that runs this file: a line of JSON asks for the pictures at some paths,
a line of JSON and the pixels answer. A picture on which the decoder crashes ends one of them and is
broken.
"""

import json
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.data.images import silence
from minicnn.data.making.pictures import read_picture
from minicnn.errors import DataError, printable

Decoded = tuple[Array, dict[int, str]]
"""The pictures that were read, uint8 (n, H, W, C), and what is wrong with the others, by place."""

WORTH = 1000
"""Pictures from which on processes are started, which takes as long as some hundred of them."""


def decoded(paths: Sequence[str], shape: Shape, fit: str) -> Decoded:
    """The pictures at these paths."""
    rows = np.empty((len(paths), *shape), np.uint8)
    broken: dict[int, str] = {}
    for i, path in enumerate(paths):
        try:
            rows[i - len(broken)] = read_picture(path, shape, fit)
        except DataError as error:
            why = str(error).removeprefix(f"{printable(path)}: ")
            broken[i] = why.removeprefix("the picture: ")
        except MemoryError:
            broken[i] = "does not fit in memory."
    return rows[: len(paths) - len(broken)], broken


class Decoder:
    """Decodes for several threads, each with a process of its own where that is worth it."""

    def __init__(self, pictures: int) -> None:
        self.apart = pictures >= WORTH and not getattr(sys, "frozen", False)
        self._mine = threading.local()
        self._all: list[Any] = []

    def decode(self, paths: Sequence[str], shape: Shape, fit: str) -> Decoded:
        """The pictures at these paths."""
        if not self.apart:
            return decoded(paths, shape, fit)
        try:
            return self._ask(paths, shape, fit)
        except (OSError, EOFError, ValueError):
            self._mine.process = None
        if len(paths) == 1:
            return np.empty((0, *shape), np.uint8), {0: "the decoder crashes on it."}
        ones = [self.decode([path], shape, fit) for path in paths]
        broken = {i: why[0] for i, (_, why) in enumerate(ones) if why}
        return np.concatenate([rows for rows, _ in ones]), broken

    def _ask(self, paths: Sequence[str], shape: Shape, fit: str) -> Decoded:
        process = getattr(self._mine, "process", None) or self._start()
        asked = {"paths": paths, "shape": shape, "fit": fit}
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        broken = {int(i): str(why) for i, why in json.loads(answer).items()}
        rows = np.empty((len(paths) - len(broken), *shape), np.uint8)
        if process.stdout.readinto(rows.reshape(-1)) != rows.nbytes:
            raise EOFError
        return rows, broken

    def _start(self) -> Any:
        import subprocess

        known = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        self._mine.process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": known, "OPENBLAS_NUM_THREADS": "1"},
            process_group=0,  # Ctrl-C is for the process that asks
        )
        self._all.append(self._mine.process)
        return self._mine.process

    def close(self) -> None:
        """End the processes."""
        for process in self._all:
            process.kill()
            process.communicate()


def serve() -> None:
    """Answer until nobody asks any more."""
    with silence():
        for line in sys.stdin.buffer:
            asked = json.loads(line)
            shape = tuple(asked["shape"])
            rows, broken = decoded(asked["paths"], shape, asked["fit"])
            sys.stdout.buffer.write(json.dumps(broken).encode() + b"\n")
            sys.stdout.buffer.write(rows.data)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
