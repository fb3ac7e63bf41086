"""Data files in the course's layout, written whole or not at all, row by row."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn._files.atomic import replacing
from minicnn.errors import ConfigError

ENDINGS = (".h5", ".hdf5")

CHUNK = 1 << 19
"""About how many bytes of images are in one chunk."""

LONGEST_NAME = 255
"""Bytes that are kept of an image's name."""

BESIDE = 1 << 20
"""Bytes that a file needs besides its images, about."""

BYTE = np.dtype(np.uint8)


def target_of(path: Path, part: str) -> Path:
    """Where a part of a data set goes: beside the file to train on, with the part in its name.

    >>> target_of(Path("mine.h5"), "test").name, target_of(Path("mine_train.h5"), "test").name
    ('mine_test.h5', 'mine_test.h5')
    """
    return path.with_name(f"{path.stem.removesuffix('_train')}_{part}{path.suffix}")


def check_target(path: Path, overwrite: bool, sources: Iterable[Any] = ()) -> None:
    """Raise ``ConfigError`` for a name that has another ending, or that a file has.

    Not even with ``overwrite`` is one of the ``sources`` replaced.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{path}: expected the name of a file that ends in .h5.")
    if os.path.lexists(path) and not overwrite:
        raise ConfigError(
            f"{path}: expected a new file, got one that is there. Take another name, or replace it "
            "with --overwrite (overwrite=True)."
        )
    if any(_same(source, path) for source in sources):
        raise ConfigError(
            f"{path}: expected another file than the one that is read. Take another name."
        )


def _same(source: Any, path: Path) -> bool:
    """Whether both are names of one file that is there."""
    with suppress(OSError, ValueError, TypeError):
        return os.path.samefile(source, path)
    return False


class Writer:
    """An open data file that takes its images in order."""

    def __init__(
        self, file: Any, drive: "_Drive", part: str, n: int, shape: Shape, gzip: bool, dtype: DType
    ) -> None:
        self._drive = drive
        row = int(np.prod(shape)) * dtype.itemsize
        self.rows = max(1, min(n, CHUNK // max(row, 1)))
        self.x = file.create_dataset(
            f"{part}_set_x",
            (n, *shape),
            dtype,
            chunks=(self.rows, *shape),
            compression="gzip" if gzip else None,
            compression_opts=1 if gzip else None,
        )
        self.done = 0
        self._waiting = np.empty((self.rows, *shape), dtype)
        self._count = 0

    def add(self, x: Array) -> None:
        """Take the next images; whole chunks of them are written."""
        while len(x):
            taken = min(len(x), self.rows - self._count)
            self._waiting[self._count : self._count + taken] = x[:taken]
            self._count += taken
            x = x[taken:]
            if self._count == self.rows or self.done + self._count == len(self.x):
                self.x[self.done : self.done + self._count] = self._waiting[: self._count]
                self.done, self._count = self.done + self._count, 0
                self._drive.check()


@contextmanager
def writing(
    path: Path,
    part: str,
    shape: Shape,
    y: Array,
    class_names: Sequence[str],
    names: Sequence[str] = (),
    gzip: bool = False,
    dtype: DType = BYTE,
) -> Iterator[Writer]:
    """The ``Writer`` of a file with ``len(y)`` images, which takes its name when all is well.

    The file has ``{part}_set_x`` (n, H, W, C) in chunks of whole images, ``{part}_set_y``
    (n,) int64, ``list_classes`` and, where they are given, the images' ``names``. Raises
    ``ConfigError`` with one line where it cannot be written.
    """
    import h5py

    needed = len(y) * int(np.prod(shape)) * dtype.itemsize + BESIDE
    if not gzip and path.parent.is_dir() and shutil.disk_usage(path.parent).free < needed:
        raise ConfigError(
            f"{path}: cannot be written: {needed:,} bytes are needed, and the disk has fewer."
        )
    with replacing(path) as unfinished, _Drive(unfinished, "r+b") as drive:
        with h5py.File(drive, "w") as file:
            yield (writer := Writer(file, drive, part, len(y), shape, gzip, dtype))
            drive.check()
            assert writer.done == len(y)
            file[f"{part}_set_y"] = np.asarray(y, np.int64)
            if class_names:
                file["list_classes"] = np.array([_bytes(name) for name in class_names])
            if names:
                file["names"] = np.array([_bytes(name)[-LONGEST_NAME:] for name in names])
        drive.check()


class _Drive(FileIO):
    """A file that seems to take all that is written, and says afterwards what went wrong.

    The HDF5 library crashes when it cannot write out what it has at the end.
    """

    failed: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of it."""
        rest = memoryview(data).cast("B")
        count = len(rest)
        try:
            while rest and not self.failed:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.failed = error
        return count

    def truncate(self, size: int | None = None, /) -> int:
        """Cut the file, or make it longer."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.failed = self.failed or error
            return size or 0

    def check(self) -> None:
        """Raise ``OSError`` if something went wrong."""
        if self.failed:
            raise self.failed


def _bytes(name: str) -> bytes:
    return name.encode(errors="replace") or b" "
