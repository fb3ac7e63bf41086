"""Runs of pictures read by threads, and by processes apart where threads are of little use.

Of a small picture, Python's one lock is held for nearly half the time, and threads hand it to each
other so often that two are hardly faster than one. So all but one have a process, as soon as
these have begun; the pixels come back through a pipe.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

import numpy as np

from minicnn._core.shapes import Array
from minicnn._parallel.apart import Apart, answer, questions
from minicnn._parallel.threads import get_threads
from minicnn.data.images import keep_memory
from minicnn.errors import DataError
from minicnn.preprocessing.picture_reader import Read, Reader

WORTH = 4000
"""Pictures from which on processes are started: that takes as long as some two thousand."""

SMALL = 1 << 17
"""Bytes of an image up to which it is sooner read elsewhere and sent than waited for."""


class Runs:
    """Reads runs of files for several threads; whoever makes one calls ``close``."""

    def __init__(self, reader: Reader, pictures: int) -> None:
        self.reader = reader
        self.owner = os.getpid()
        self.closed = False
        self._free: SimpleQueue[Apart] = SimpleQueue()
        self._all: list[Apart] = []
        if pictures >= WORTH and reader.bytes <= SMALL:
            with suppress(OSError):
                for _ in range(get_threads() - 1):
                    self._free.put(self._start())

    def read(self, paths: Sequence[str], images: Sequence[Array]) -> list[Read | str]:
        """Read files into images; for each what is known of it, or why it is broken."""
        process = self._taken()
        if process is None:
            return read(self.reader, paths, images)
        return self._ask(process, paths, images)

    def close(self) -> None:
        """End the processes."""
        self.closed = True
        for process in self._all:
            process.kill()
        self._let_go()

    def _let_go(self) -> None:
        """End those for which no thread waits; of the others the threads do it."""
        with suppress(Empty):
            while True:
                self._free.get_nowait().end()

    def _start(self) -> Apart:
        self._all.append(Apart(__name__))
        return self._all[-1]

    def _taken(self) -> Apart | None:
        """A process that is free and has begun, if there is one, for this program alone."""
        if os.getpid() != self.owner:
            return None
        try:
            process = self._free.get_nowait()
        except Empty:
            return None
        if process.has_begun():
            return process
        if process.process.poll() is None and not self.closed:
            self._free.put(process)
        else:
            process.end()
        return None

    def _ask(
        self, process: Apart, paths: Sequence[str], images: Sequence[Array]
    ) -> list[Read | str]:
        try:
            said, whole = process.ask({"reader": self.reader.arguments, "paths": paths})
            for image in images:
                pixels = np.empty(image.shape, np.uint8) if whole else image
                process.fill(pixels)
                image[...] = pixels
        except OSError:
            process.end()
            if self.closed:
                raise
            return self._singly(paths, images)
        self._free.put(process)
        if self.closed:
            self._let_go()
        return [one if isinstance(one, str) else _known(*one) for one in said]

    def _singly(self, paths: Sequence[str], images: Sequence[Array]) -> list[Read | str]:
        """What ``_ask`` gives, after the process has ended: one of the pictures may be why."""
        if len(paths) == 1:
            return ["the decoder crashes on it, or does not end."]
        found: list[Read | str] = []
        for i in range(len(paths)):
            try:
                process = self._taken() or self._start()
            except OSError:
                return found + read(self.reader, paths[i:], images[i:])
            found += self._ask(process, paths[i : i + 1], images[i : i + 1])
        return found


def read(reader: Reader, paths: Sequence[str], images: Sequence[Array]) -> list[Read | str]:
    """The same, in this process."""
    found: list[Read | str] = []
    for path, image in zip(paths, images, strict=True):
        try:
            found.append(reader.read(path, image))
        except DataError as error:
            found.append(str(error).removeprefix(f"{path}: "))
    return found


def _known(version: Sequence[int], turned: bool, whole: bool) -> Read:
    return Read((version[0], version[1]), turned, whole)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """In the process: read what is asked for, as bytes if all of it is a file's."""
    keep_memory(1)
    made: tuple[Any, Reader | None] = None, None
    for asked in questions(requests, answers):
        if made[1] is None or made[0] != asked["reader"]:
            made = asked["reader"], Reader(*asked["reader"])
        reader, paths = made[1], asked["paths"]
        assert reader is not None
        images = np.zeros((len(paths), *reader.shape), reader.dtype)
        found = read(reader, paths, list(images))
        whole = all(isinstance(one, Read) and one.whole for one in found)
        answer(answers, [found, whole], images.astype(np.uint8) if whole else images)
