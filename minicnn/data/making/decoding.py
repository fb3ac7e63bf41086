"""Processes that decode pictures: Pillow holds Python's one lock for much of a small picture.

A picture on which the decoder crashes ends one of them and is broken.
"""

import threading
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._parallel.apart import Apart, answer, questions
from minicnn.data.images import keep_memory, silence
from minicnn.data.making.pictures import read_picture
from minicnn.errors import DataError, printable

Decoded = tuple[Array, dict[int, str]]
"""The pictures that were read, uint8 (n, H, W, C), and what is wrong with the others, by place."""

WORTH = 3000
"""Pictures from which on processes are started: that takes as long as two thousand small ones."""


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
        self.apart = pictures >= WORTH
        self._mine = threading.local()
        self._all: list[Apart] = []

    def decode(self, paths: Sequence[str], shape: Shape, fit: str) -> Decoded:
        """The pictures at these paths."""
        process = self._process() if self.apart else None
        if process is None:
            return decoded(paths, shape, fit)
        try:
            return _asked(process, paths, shape, fit)
        except OSError:
            self._mine.process = None
            process.end()
        if len(paths) == 1:
            return np.empty((0, *shape), np.uint8), {0: "the decoder crashes on it."}
        ones = [self.decode([path], shape, fit) for path in paths]
        broken = {i: why[0] for i, (_, why) in enumerate(ones) if why}
        return np.concatenate([rows for rows, _ in ones]), broken

    def _process(self) -> Apart | None:
        """The process of the thread, or None if there can be none."""
        if getattr(self._mine, "process", None) is None:
            try:
                process = Apart(__name__)
                self._all.append(process)
                process.begin()
            except OSError:
                self.apart = False
                return None
            self._mine.process = process
        found: Apart = self._mine.process
        return found

    def close(self) -> None:
        """End the processes."""
        for process in self._all:
            process.end()


def _asked(process: Apart, paths: Sequence[str], shape: Shape, fit: str) -> Decoded:
    said = process.ask({"paths": paths, "shape": shape, "fit": fit})
    broken = {int(i): str(why) for i, why in said.items()}
    rows = np.empty((len(paths) - len(broken), *shape), np.uint8)
    process.fill(rows)
    return rows, broken


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """In the process: decode what is asked for."""
    keep_memory(1)
    with silence():
        for asked in questions(requests, answers):
            rows, broken = decoded(asked["paths"], tuple(asked["shape"]), asked["fit"])
            answer(answers, broken, rows)
