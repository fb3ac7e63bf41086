"""Data files in the course's layout, written whole or not at all, row by row."""

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files.atomic import replacing
from minicnn.errors import ConfigError

ENDINGS = (".h5", ".hdf5")

CHUNK = 1 << 19
"""About how many bytes of images are in one chunk."""

LONGEST_NAME = 255
"""Bytes that are kept of an image's name."""

BESIDE = 1 << 20
"""Bytes that a file needs besides its images, about."""

ERRNO = re.compile(r"errno = (\d+)")


def target_of(path: Path, part: str) -> Path:
    """Where a part of a data set goes: beside the file to train on, with the part in its name.

    >>> target_of(Path("mine.h5"), "test").name, target_of(Path("mine_train.h5"), "test").name
    ('mine_test.h5', 'mine_test.h5')
    """
    return path.with_name(f"{path.stem.removesuffix('_train')}_{part}{path.suffix}")


def check_target(path: Path, overwrite: bool) -> None:
    """Raise ``ConfigError`` for a name that has another ending, or that a file has."""
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{path}: expected the name of a file that ends in .h5.")
    if os.path.lexists(path) and not overwrite:
        raise ConfigError(
            f"{path}: expected a new file, got one that is there. Take another name, or replace it "
            "with --overwrite (overwrite=True)."
        )


class Writer:
    """An open data file that takes its images in order."""

    def __init__(self, file: Any, part: str, n: int, shape: Shape, gzip: bool) -> None:
        row = int(np.prod(shape))
        self.rows = max(1, min(n, CHUNK // max(row, 1)))
        self.x = file.create_dataset(
            f"{part}_set_x",
            (n, *shape),
            np.uint8,
            chunks=(self.rows, *shape),
            compression="gzip" if gzip else None,
            compression_opts=1 if gzip else None,
        )
        self.done = 0
        self._waiting = np.empty((self.rows, *shape), np.uint8)
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


@contextmanager
def writing(
    path: Path,
    part: str,
    shape: Shape,
    y: Array,
    class_names: Sequence[str],
    names: Sequence[str] = (),
    gzip: bool = False,
) -> Iterator[Writer]:
    """The ``Writer`` of a file with ``len(y)`` images, which takes its name when all is well.

    The file has ``{part}_set_x`` (n, H, W, C) uint8 in chunks of whole images, ``{part}_set_y``
    (n,) int64, ``list_classes`` and, where they are given, the images' ``names``. Raises
    ``ConfigError`` with one line where it cannot be written.
    """
    import h5py

    needed = len(y) * int(np.prod(shape)) + BESIDE
    if not gzip and path.parent.is_dir() and shutil.disk_usage(path.parent).free < needed:
        raise ConfigError(
            f"{path}: cannot be written: {needed:,} bytes are needed, and the disk has fewer."
        )
    with replacing(path) as unfinished:
        try:
            with h5py.File(unfinished, "w", locking=False) as file:
                yield (writer := Writer(file, part, len(y), shape, gzip))
                assert writer.done == len(y)
                file[f"{part}_set_y"] = np.asarray(y, np.int64)
                if class_names:
                    file["list_classes"] = np.array([_bytes(name) for name in class_names])
                if names:
                    file["names"] = np.array([_bytes(name)[-LONGEST_NAME:] for name in names])
        except (OSError, RuntimeError) as error:
            # The HDF5 library says in a long text what the system said.
            if found := ERRNO.search(str(error)):
                number = int(found[1])
                raise OSError(number, os.strerror(number)) from None
            raise OSError(errno.EIO, str(error).partition("\n")[0]) from None


def _bytes(name: str) -> bytes:
    return name.encode(errors="replace") or b" "
