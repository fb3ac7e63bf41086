"""Passes over the pictures of many files: read ahead on all threads, the broken ones left out."""

import os
import re
import shutil
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.console import say, warn, write
from minicnn._core.memory import installed_memory
from minicnn._core.random_seed import generator
from minicnn._core.shapes import Array
from minicnn._files.checkpoint import checksum
from minicnn._parallel.ahead import ahead
from minicnn._parallel.threads import get_threads
from minicnn.data.images import keep_memory, let_memory_go
from minicnn.data.passes import Part
from minicnn.data.pipeline import Dataset
from minicnn.errors import DataError, printable
from minicnn.preprocessing.picture_reader import Read, Reader, Version
from minicnn.preprocessing.transforms import random_state

RUN = 8
"""Pictures that a thread reads before it takes others."""

AHEAD = 128 << 20
"""Bytes of images that are read ahead at most, unless two for each thread take more."""

KEPT = 1 << 30
"""Bytes of images that all data sets together keep at most, so that later passes need not decode
these files; an eighth of the memory, where that is less."""

SHELF = 16 << 20
"""Bytes that are taken at once for images that are kept."""

QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
"""Pillow warns of odd files. Threads have no filters of their own: this one is the process'."""

NAMED = 3
"""Files that a message names."""


class _Room:
    """What is left of the memory in which pictures are kept for later passes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.left = min(KEPT, installed_memory() // 8)

    def give_back(self, taken: list[int]) -> None:
        """Have it as it was before so many bytes were taken."""
        with self.lock:
            self.left += taken[0]


_room = _Room()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: setattr(_room, "lock", threading.RLock()))


class _Run(NamedTuple):
    """Some pictures of a batch: their numbers, and where they are to be."""

    numbers: Array
    images: Array


class Pictures:
    """Files with their labels, as batches of images.

    The order of pass k comes of (``seed``, k) alone; without a seed it is that of the files.
    """

    def __init__(
        self,
        who: str,
        files: tuple[Sequence[str], Array | None],
        order: Array,
        reader: Reader,
        batch_size: int | None,
        seed: int | None,
        verbose: bool,
    ) -> None:
        self.who = who
        self.files = files
        """The paths and labels of all that were found."""
        self.paths: list[str] = []
        self._arrange(order)
        self.reader = reader
        self.batch_size = batch_size
        self.seed = seed
        self.verbose = verbose
        self.begun = 0
        """The passes that were begun."""
        self.broken: dict[str, str] = {}
        self._kept: dict[str, tuple[Read, Array]] = {}
        self._shelves = np.empty(0, np.uint8)
        """Memory for more of them."""
        self._taken = [0]
        weakref.finalize(self, _room.give_back, self._taken)
        self._versions: dict[str, Version] = {}
        self._turned: set[str] = set()
        self._said: set[str] = set()
        """Those of the broken that were named."""
        self._changed: list[str] = []

    def dataset(self) -> Dataset:
        """The pictures as a chain."""
        made = Dataset(self._pass, -(-len(self.paths) // (self.batch_size or 1)))
        made.origin = made.passes = self
        made.file_paths, made.broken = self.paths, self.broken
        return made

    def _arrange(self, order: Array) -> None:
        """Have those of the files, in that order."""
        paths, labels = self.files
        self.paths[:] = [paths[i] for i in order]
        self.labels = None if labels is None else labels[order]

    def restart(self, seed: int | None, begun: int) -> None:
        """Give what a data set of that seed gives after so many passes."""
        if seed is not None and seed != self.seed and len(self.paths) == len(self.files[0]):
            self._arrange(shuffled(len(self.paths), seed))
        self.seed, self.begun = seed, begun

    def fingerprint(self) -> dict[str, Any]:
        """What a resumed run must find again: how many pictures, their names and labels."""
        labels = np.zeros(len(self.paths)) if self.labels is None else self.labels
        pairs = zip(map(_short, self.paths), labels.tolist(), strict=True)
        text = repr(sorted(pairs)).encode(errors="surrogateescape")
        return {"count": len(self.paths), "checksum": checksum(np.frombuffer(text, np.uint8))}

    def _pass(self) -> Iterator[Any]:
        self.begun += 1
        yield from self.beginning_at(self.begun - 1, 0)

    def beginning_at(self, number: int, first: int, part: Part | None = None) -> Iterator[Any]:
        """The batches of pass ``number`` from batch ``first`` on; those before are not read, nor
        the rows that are not of the ``part``."""
        self.begun = number + 1
        return self._batches(self._order(number), first, part)

    def _order(self, number: int) -> Array:
        n = len(self.paths)
        if self.seed is None:
            return np.arange(n)
        draw = generator(self.seed)
        seeds = [int(draw.integers(1 << 62)) for _ in range(number + 1)]
        return np.random.default_rng(seeds[-1]).permutation(n)

    def _batches(self, order: Array, first: int, part: Part | None) -> Iterator[Any]:
        from PIL import Image

        Image.init()  # before threads all do
        if QUIET not in warnings.filters:
            warnings.filterwarnings("ignore", module=QUIET[3].pattern)
        size, threads = self.batch_size or 1, get_threads()
        keep_memory(threads)
        reader = self.reader
        most = max(2 * threads, min(2 * -(-size // RUN) + threads, AHEAD // (RUN * reader.bytes)))
        starts = range(first * size, len(order), size)
        runs = (run for start in starts for run in self._runs(order[start : start + size], part))
        try:
            with closing(ahead(self._read, runs, threads, most)) as results:
                for start in starts:
                    numbers = order[start : start + size]
                    given = self._batch(numbers, results, part)
                    if given is None:
                        given = self._next_sound(np.roll(order, -start - size))
                    if start == starts[-1]:
                        results.close()
                        self._report()
                    yield given
        finally:
            let_memory_go()
            with suppress(Warning):  # where warnings are errors, of a pass that was dropped
                self._report()

    def _runs(self, numbers: Array, part: Part | None = None) -> Iterator[_Run]:
        """A batch's pictures, and its memory, which is taken when the first of them is begun."""
        shape = (len(numbers), *self.reader.shape)
        try:
            images = (np.empty if part is None else np.zeros)(shape, self.reader.dtype)
        except (MemoryError, ValueError):
            raise DataError(
                f"{self.who}: a batch of shape {shape} does not fit in memory. Take a smaller "
                "image_size or batch_size."
            ) from None
        rows = _rows(numbers, part)
        for start in range(rows.start, rows.stop, RUN):
            some = slice(start, min(start + RUN, rows.stop))
            yield _Run(numbers[some], images[some])

    def _read(self, run: _Run) -> tuple[Array, list[Read | str]]:
        """The memory of the run's images, and for each what is known of it, or why it is broken."""
        return run.images, [
            self._again(path, image) or self._new(path, image)
            for path, image in zip((self.paths[i] for i in run.numbers), run.images, strict=True)
        ]

    def _again(self, path: str, image: Array) -> Read | None:
        """What is known of a picture that is kept, once it is in its place."""
        if not (kept := self._kept.get(path)) or kept[0].version != _version(path):
            return None
        image[...] = kept[1]
        return kept[0]

    def _new(self, path: str, image: Array) -> Read | str:
        """The same of a picture whose file is read, which is then kept; or why it cannot be."""
        try:
            found = self.reader.read(path, image)
        except DataError as error:
            return str(error).removeprefix(f"{path}: ")
        self._keep(path, found, image)
        return found

    def _keep(self, path: str, found: Read, image: Array) -> None:
        """Keep a picture for later passes, while there is room."""
        dtype = np.dtype(np.uint8) if found.whole else image.dtype
        with _room.lock:
            if path in self._kept:  # its file was changed
                self._kept.pop(path)
            memory = self._shelf(image.size * dtype.itemsize)
        if memory is not None:
            copy = memory.view(dtype).reshape(image.shape)
            copy[...] = image
            self._kept[path] = found, copy

    def _shelf(self, bytes_: int) -> Array | None:
        """So many bytes of what is left of the room, or None.

        They are cut from pieces that are large enough for the system to give in huge pages: in
        small ones it takes longer to have it than to fill it.
        """
        if bytes_ > self._shelves.size:
            size = min(max(SHELF, bytes_), bytes_ * len(self.paths), _room.left)
            if size < bytes_:
                return None
            try:
                self._shelves = np.empty(size, np.uint8)
            except MemoryError:
                _room.left = 0
                return None
            _room.left -= size
            self._taken[0] += size
        memory, self._shelves = self._shelves[:bytes_], self._shelves[-(-bytes_ // 64) * 64 :]
        return memory

    def _batch(self, numbers: Array, results: Iterator[Any], part: Part | None) -> Any:
        """The next batch, None if no picture of it can be read."""
        found: list[Read | str] = []
        rows = _rows(numbers, part)
        while len(found) < rows.stop - rows.start:
            images, some = next(results)
            found += some
        images = images if images.base is None else images.base
        sound = np.ones(len(numbers), bool)
        sound[rows] = [self._noted(*one) for one in zip(numbers[rows], found, strict=True)]
        if part is not None and not part.gather(sound).all():
            # The parts of a smaller batch are others.
            for i in {*range(len(numbers))} - {*range(rows.start, rows.stop)}:
                one = slice(i, i + 1)
                (read,) = self._read(_Run(numbers[one], images[one]))[1]
                sound[i] = self._noted(numbers[i], read)
            sound = np.logical_and.reduce(part.gather(sound))
        if not sound.any():
            return None
        if not sound.all():
            images, numbers = images[sound], numbers[sound]
        return self._example(images, numbers)

    def _example(self, images: Array, numbers: Array) -> Any:
        labels = None if self.labels is None else self.labels[numbers]
        if self.batch_size is None:
            return images[0] if labels is None else (images[0], labels[0])
        return images if labels is None else (images, labels)

    def _noted(self, number: int, found: Read | str) -> bool:
        """Whether a picture is sound; what is known of it is kept."""
        path = self.paths[number]
        if isinstance(found, str):
            if path in self._versions and not os.path.exists(path):
                found = "the file is there no longer."
            self.broken[path] = found
            return False
        self.broken.pop(path, None)
        if self._versions.setdefault(path, found.version) != found.version:
            self._versions[path] = found.version
            self._changed.append(path)
        if found.turned:
            self._turned.add(path)
        return True

    def _next_sound(self, numbers: Array) -> Any:
        """In place of a batch without a sound picture: the next that is one, so that a pass has
        as many batches as were said. Raises ``DataError`` if there is none."""
        for number in numbers:
            run = next(self._runs(np.array([number])))
            images, (found,) = self._read(run)
            if self._noted(number, found):
                return self._example(images, run.numbers)
        path, why = next(iter(self.broken.items()))
        self._said.update(self.broken)
        raise DataError(
            f"{self.who}: expected pictures, got {len(self.paths):,} files of which none can be "
            f"read. The first: {printable(path)}: {why}"
        )

    def _report(self) -> None:
        """Say in a line each what was found since the last time."""
        broken = [path for path in self.broken if path not in self._said]
        self._said.update(broken)
        changed, self._changed = self._changed, []
        if broken or changed or (self._turned and self.verbose):
            _clear_line()
        if self._turned and self.verbose:
            self.verbose = False  # it is the same in each pass
            count = len(self._turned)
            say(f"Turned {count} picture{'s' * (count > 1)} upright, as the EXIF data say.")
        if broken:
            warn(
                f"{self.who}: left out {len(broken):,} of {len(self.paths):,} pictures, which "
                f"cannot be read: {_named(broken)}. The first: {self.broken[broken[0]]} The data "
                "set's .broken has them all.",
                UserWarning,
            )
        if changed:
            warn(
                f"{self.who}: {len(changed):,} of {len(self.paths):,} pictures were changed since "
                f"they were read before: {_named(changed)}. A resumed run will differ.",
                UserWarning,
            )


def _rows(numbers: Array, part: Part | None) -> slice:
    """Those of a batch that are to be read."""
    return slice(0, len(numbers)) if part is None else part.rows(len(numbers))


def shuffled(n: int, seed: int) -> Array:
    """The numbers up to n in the order that Keras gives files with that seed."""
    order = np.arange(n)
    random_state(seed).shuffle(order)
    return order


def _short(path: str) -> str:
    """The path from the folder of the class on."""
    return os.path.join(*path.split(os.sep)[-2:])


def _clear_line() -> None:
    """Clear the line of the terminal, on which a progress bar may stand."""
    if sys.stderr is not None and sys.stderr.isatty():
        write(sys.stderr, f"\r{' ' * (shutil.get_terminal_size().columns - 1)}\r")


def _version(path: str) -> Version | None:
    """What says whether a file is the same; None if there is none."""
    with suppress(OSError, ValueError):
        status = os.stat(path)
        return status.st_mtime_ns, status.st_size
    return None


def _named(paths: Sequence[str]) -> str:
    more = len(paths) - NAMED
    names = [printable(_short(path)) for path in paths[:NAMED]]
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")
