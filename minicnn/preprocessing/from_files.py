"""Batches of pictures that are read from their files as they are needed."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._core.arguments import choice
from minicnn._core.settings import floatx
from minicnn._core.shapes import Array, Pair, Shape, pair
from minicnn._parallel import threads
from minicnn.data.images import silence
from minicnn.preprocessing.iterator import Changing, Saving
from minicnn.preprocessing.pictures import (
    COLOR_MODES,
    FILTERS,
    channels_first,
    read_picture,
)

FORMATS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
"""How the names of pictures end."""

SMALL = 16_000
"""Bytes up to which reading a file is mostly Pillow's Python, which threads only slow down."""

A_BYTE = 10
"""Nanoseconds that a byte of a larger one takes to be decoded and resized, about."""

KEPT = 256 << 20
"""Bytes of pixels that an iterator keeps, so that later passes need not decode these files."""

Version = tuple[int, int] | None
"""When a file was last written, and its bytes; None if there is none."""

Kept = tuple[Version, Array]
"""The pixels of a file, and of which version of it they are."""


class FromFiles(Saving):
    """What the iterators over files have in common: the pictures' size, colours and labels."""

    filenames: list[str]
    class_indices: dict[str, int]
    class_mode: str | None
    classes: Any
    sample_weight: Array | None = None

    def _set(
        self,
        who: str,
        generator: Changing | None,
        target_size: Pair,
        color_mode: str,
        data_format: str | None,
        save: tuple[str | os.PathLike[str] | None, str, str],
        subset: str | None,
        resizing: tuple[str, bool],
        dtype: Any,
    ) -> None:
        """Check and keep what all of them are told."""
        self.image_data_generator = generator
        self.target_size = pair(who, "target_size", target_size)
        choice(who, "color_mode", color_mode, tuple(COLOR_MODES))
        self.color_mode = color_mode
        self.data_format = data_format
        channels = (COLOR_MODES[color_mode],)
        self.image_shape: Shape = (*self.target_size, *channels)
        self._first = channels_first(who, data_format)
        if self._first:
            self.image_shape = (*channels, *self.target_size)
        self.save_to_dir, self.save_prefix, self.save_format = save
        self.interpolation, self.keep_aspect_ratio = resizing
        choice(who, "interpolation", self.interpolation, FILTERS)
        choice(who, "subset", subset, ("training", "validation", None))
        self.subset = subset
        split = generator._validation_split if generator else 0.0
        self.split = {"training": (split, 1), "validation": (0, split), None: None}[subset]
        self.dtype = np.dtype(dtype or floatx())
        self._kept: dict[str, Kept] = {}
        self._room = KEPT

    def _part(self, files: Sequence[Any]) -> Sequence[Any]:
        """Those of the files that the subset has."""
        if self.split is None:
            return files
        first, last = (int(share * len(files)) for share in self.split)
        return files[first:last]

    @property
    def filepaths(self) -> list[str]:
        """The path of each picture."""
        return self._filepaths

    @property
    def labels(self) -> Any:
        """The class number of each picture."""
        return self.classes

    def _find(self, directory: Any) -> None:
        self._filepaths = [os.path.join(directory, name) for name in self.filenames]

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        x = self._read(index_array)
        if self.image_data_generator:
            every = np.arange(len(x))
            x = self.image_data_generator._batch(x, every, self._rng, self.dtype)
        x = x.astype(self.dtype, copy=False)
        self._save(x, index_array, 1e7)
        if self.class_mode is None:
            return x
        if self.sample_weight is None:
            return x, self._targets(x, index_array)
        return x, self._targets(x, index_array), self.sample_weight[index_array]

    def _read(self, index_array: Array) -> Array:
        """The pixels of a batch, read on all threads, or kept from an earlier pass."""
        filepaths = self.filepaths
        paths = [filepaths[index] for index in index_array]

        versions = [_version(path) for path in paths]

        def read(first: int, last: int) -> list[Kept]:
            which = slice(first, last)
            return list(map(self._pixels, paths[which], versions[which]))

        with silence(), threads.working():
            cost = sum(map(self._cost, paths, versions))
            found = [kept for part in threads.shards(len(paths), read, cost) for kept in part]
        for path, kept in zip(paths, found, strict=True):
            if path in self._kept:
                self._kept[path] = kept
            elif kept[1].nbytes <= self._room:
                self._kept[path] = kept
                self._room -= kept[1].nbytes
        return np.stack([pixels for _, pixels in found])

    def _fresh(self, path: str, version: Version) -> bool:
        return version is not None and path in self._kept and self._kept[path][0] == version

    def _cost(self, path: str, version: Version) -> int:
        """Nanoseconds of reading it that threads can share."""
        if version is None or version[1] <= SMALL or self._fresh(path, version):
            return 0
        return A_BYTE * version[1]

    def _pixels(self, path: str, version: Version) -> Kept:
        if self._fresh(path, version):
            return self._kept[path]
        resizing = self.interpolation, self.keep_aspect_ratio
        picture = read_picture(Path(path), self.color_mode, self.target_size, *resizing)
        pixels = np.asarray(picture).reshape(*self.target_size, -1)
        return version, pixels.transpose(2, 0, 1) if self._first else pixels

    def _targets(self, x: Array, index_array: Array) -> Any:
        """The labels of a batch, as the class mode has them."""
        if self.class_mode == "input":
            return x.copy()
        classes = [self.classes[index] for index in index_array]
        if self.class_mode == "categorical":
            y = np.zeros((len(x), len(self.class_indices)), self.dtype)
            for i, found in enumerate(classes):
                y[i, found] = 1  # a picture of a data frame may belong to several
            return y
        return np.array(classes, self.dtype)


def _version(path: str) -> Version:
    """None, if there is no file: reading it will say what is wrong."""
    with suppress(OSError, ValueError):
        status = os.stat(path)
        return status.st_mtime_ns, status.st_size
    return None
