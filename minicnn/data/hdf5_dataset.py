"""Images in HDF5 files that are larger than the memory."""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.arguments import number, whole_number
from minicnn._core.console import warn
from minicnn._core.shapes import Array, Shape
from minicnn._files import hdf5
from minicnn._files.hdf5_rows import RowFile, Rows, state_of
from minicnn._files.lock import held_by_others
from minicnn._files.paths import path_of
from minicnn._parallel.threads import get_threads
from minicnn.data.arrays import Dataset
from minicnn.data.hdf5 import (
    Answers,
    axes_in_order,
    check_finite,
    check_images,
    check_kind,
    count_of,
    keys_of,
)
from minicnn.data.streaming import Source
from minicnn.errors import ConfigError, DataError, shown

GAP = 64 << 10
"""Bytes that are read on between rows that are needed, where nothing is to be unpacked."""

RUN_BYTES = 1 << 20
"""The least that is read at once: smaller chunks are taken together."""

FEW = 16
"""Fewer blocks in memory together are no shuffle."""

UNPACKING = 4
"""The most processes that unpack chunks."""


class HDF5Dataset(Source):
    """Images and labels of HDF5 files that are read while a network trains on them.

    ``fit``, ``evaluate``, ``predict`` and ``validation_data=`` take it as they take arrays. The
    files' layout and what is refused are those of ``load_hdf5``; the labels are read at once. Of
    several files, which must be alike, the images are as many as of all.

    ``buffer_mb`` megabytes of images are in memory: one half is drawn from, the other one is read.
    The order of an epoch comes from ``seed`` and the epoch (None: the model's generator draws a
    seed); docs/streaming.md says how it is made.

    ``data[i]`` is an image with its label, and a slice a ``Dataset`` in memory. Raises
    ``DataError`` with one line that says what is wrong with a file, also when it changes under way.

    >>> train = HDF5Dataset("datasets/train_signs.h5")  # doctest: +SKIP
    >>> model.fit(train, epochs=5)  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        x_key: str | None = None,
        y_key: str | None = None,
        *,
        seed: int | None = None,
        buffer_mb: float = 256,
    ) -> None:
        if seed is not None:
            seed = whole_number("HDF5Dataset", "seed", seed, least=0)
        number("HDF5Dataset", "buffer_mb", buffer_mb, least=1)
        several = isinstance(path, list | tuple)
        paths: Sequence[Any] = path if several else [path]  # type: ignore[assignment]
        if not paths:
            raise ConfigError("HDF5Dataset: expected a path, or a list of paths, got none.")
        found = [_looked_at(path, x_key, y_key) for path in paths]
        _check_alike(found)
        self.seed = seed
        self.half_bytes = int(buffer_mb * 2**20 / 2)
        self.files = [one.file for one in found]
        self.axes = found[0].axes
        self.name = str(found[0].file.path.name) + f" and {len(found) - 1} more" * (len(found) > 1)
        self.labels = np.concatenate([one.labels for one in found])
        self.class_names = found[0].class_names
        self.dtype = np.dtype(self.files[0].dtype)
        self.firsts = np.cumsum([0, *(one.shape[0] for one in self.files)])
        """The row at which each file begins, and m."""
        self.shape = (int(self.firsts[-1]), *found[0].shape[1:])
        run = min(RUN_BYTES, self.half_bytes // (4 * FEW))
        firsts = self.firsts[:-1]
        within = [first + _bounds(one, run) for first, one in zip(firsts, self.files, strict=True)]
        self.bounds = np.concatenate([[0], *within])
        self._resting: Rows | None = None
        """Processes that wait for the next pass in order, such as a validation."""
        self._check_blocks()

    def _check_blocks(self) -> None:
        """Refuse chunks that do not fit, and warn of those that do not mix."""
        largest = self._block * self.row_bytes
        fitting, blocks = self.half_bytes // largest, len(self.bounds) - 1
        few = min(FEW, blocks)
        if fitting >= few:
            return
        size = f"chunks of {largest / 2**20:.3g} MB"
        remedy = f"Give buffer_mb={math.ceil(2 * few * largest / 2**20)}"
        remedy += ", or write the file anew in chunks of about 1 MB" * (largest > 2**21)
        if not fitting:
            raise DataError(
                f"{self.name}: expected chunks that fit into half of buffer_mb="
                f"{2 * self.half_bytes / 2**20:g}, got {size}. {remedy}."
            )
        warn(
            f"{self.name}: of its {size} only {fitting} of {blocks} are shuffled together. "
            f"{remedy}.",
            UserWarning,
        )

    @property
    def _block(self) -> int:
        """The rows of the largest block."""
        return int(np.diff(self.bounds).max())

    def pieces(self, rows: Array) -> tuple[Array, int]:
        """See ``Source``: chunks, or rows where there are none."""
        deep = np.array([max(1, one.deep) for one in self.files])
        file = np.searchsorted(self.firsts, rows, "right") - 1
        numbers = (rows - self.firsts[file]) // deep[file] + file * len(self)
        packed = any(one.packed for one in self.files)
        return numbers, 0 if packed else GAP // int(self.row_bytes * deep.max())

    def open(self, rows: int) -> "_Reading":
        """See ``Source``."""
        found, self._resting = self._resting, None
        if found is not None and not (found.usable and found.rows == rows):
            found.close()
            found = None
        if found is None:
            packed = any(one.packed for one in self.files)
            processes = min(get_threads(), UNPACKING) if packed else 1
            found = Rows(self.files, rows, processes, DataError)
        return _Reading(self, found)

    def rest(self, rows: Rows) -> None:
        """Keep what reads in order for the next time, or end what reads."""
        if rows.usable and rows.rows == self.rows_in_order and self._resting is None:
            self._resting = rows
        else:
            rows.close()

    def __getitem__(self, key: Any) -> Any:
        """An image with its label, or for a slice or several numbers a ``Dataset`` in memory."""
        try:
            numbers = np.arange(len(self))[key]
        except IndexError:
            raise DataError(
                f"{self.name}: expected the number of an image below {len(self):,}, several, a "
                f"slice or a choice of booleans, got {shown(key)}."
            ) from None
        if not numbers.ndim:
            return self.images(numbers[None])[0], int(self.labels[key])
        return Dataset(self.images(numbers), self.labels[numbers], self.class_names, self.name)

    def __getstate__(self) -> dict[str, Any]:
        """All but the processes that read, of which a copy starts its own."""
        return self.__dict__ | {"_resting": None}

    def __iter__(self) -> Iterator[Any]:
        raise DataError(
            f"{self.name}: expected a part, such as data[:100], as a file is not taken apart image "
            "by image. fit, evaluate and predict take it as it is."
        )

    def __array__(self, *arguments: Any, **options: Any) -> Array:
        raise DataError(
            f"{self.name}: expected an array, got an HDF5Dataset, which is not read as a whole. "
            "Take a part, such as data[:100].x."
        )

    def __repr__(self) -> str:
        return f"HDF5Dataset({self.name!r}: {self.dtype} {self.shape}, {self.classes} classes)"


class _Reading:
    """See ``Reading``."""

    def __init__(self, source: HDF5Dataset, rows: Rows) -> None:
        self.source = source
        self.rows = rows
        self.runs: dict[int, list[tuple[int, int, int]]] = {}
        """(file, first row in it, last) of what is in each half."""

    def begin(self, half: int, runs: Array, needed: Array | None = None) -> None:
        firsts, split, wanted = self.source.firsts, [], []
        every = [True] * len(runs) if needed is None else needed.tolist()
        for (first, last), want in zip(runs.tolist(), every, strict=True):
            while first < last:
                file = int(np.searchsorted(firsts, first, side="right")) - 1
                end, start = min(last, int(firsts[file + 1])), int(firsts[file])
                split.append((file, first - start, end - start))
                wanted.append(want)
                first = end
        self.runs[half] = split
        self.rows.begin(half, split, wanted)

    def images(self, half: int) -> Array:
        self.rows.wait()
        runs, shape = self.runs[half], self.source.files[0].shape[1:]
        n = sum(last - first for _, first, last in runs)
        x = self.rows.half(half)[: n * self.source.row_bytes].view(self.source.dtype)
        x = x.reshape(n, *shape).transpose(self.source.axes)
        x = x[..., None] if x.ndim == 3 else x
        if x.dtype.kind == "f":
            at = 0
            for file, first, last in runs:
                one = self.source.files[file]
                check_finite(f"{one.path}: {one.key}", x[at : at + last - first], first)
                at += last - first
        return x

    def close(self) -> None:
        self.source.rest(self.rows)


class _Looked(NamedTuple):
    """A file that was looked at."""

    file: RowFile
    axes: tuple[int, ...]
    """Those of the file's rows, as (m, H, W, C) or (m, H, W)."""
    shape: Shape
    labels: Array
    class_names: tuple[str, ...]


def _looked_at(path: Any, x_key: str | None, y_key: str | None) -> _Looked:
    path = path_of("HDF5Dataset", "path", path, DataError)
    check_kind(path)
    with hdf5.opened(path, DataError, attributes=False) as file:
        state, held = state_of(path), held_by_others(path)
        x_key, y_key = keys_of(path, file, x_key, y_key)
        found = file.found(x_key)
        if np.dtype(found.dtype).kind not in "biuf":
            file.read(x_key)  # which says what it is
        file.check_stored(x_key)
        answers = Answers.read(path, file, x_key, y_key)
    who = f"{path}: {x_key}"
    m = found.shape[0] if found.shape else 0
    axes = axes_in_order(who, found.shape, count_of(answers.y, m), found.matlab)
    if axes[:1] != (0,)[: len(axes)]:
        raise DataError(
            f"{who}: expected images that lie one after another in the file, got those that MATLAB "
            "wrote as m x H x W x C. Put m last there, with permute, or read all with load_hdf5."
        )
    shape = tuple(found.shape[axis] for axis in axes)
    shape = (*shape, 1) if len(shape) == 3 else shape
    check_images(who, shape, np.dtype(found.dtype))
    across = [-(-n // part) for n, part in zip(found.shape[1:], found.chunks[1:], strict=False)]
    nbytes = math.prod(found.chunks or (0,)) * np.dtype(found.dtype).itemsize
    layout = (found.chunks or (0,))[0], nbytes, math.prod(across), found.packed
    rows = RowFile(path, x_key, found.shape, found.dtype, *layout, state, held)
    return _Looked(rows, axes, shape, *answers.checked(m))


def _check_alike(found: list[_Looked]) -> None:
    """Raise ``DataError`` unless the files go together."""
    first = found[0]
    for one in found[1:]:
        names = first.class_names, one.class_names
        for what, was, now in (
            ("images of shape", first.shape[1:], one.shape[1:]),
            ("images of dtype", np.dtype(first.file.dtype), np.dtype(one.file.dtype)),
            ("axes in the order", first.axes, one.axes),
            ("classes", *(", ".join(some) or "none" for some in names)),
        ):
            if was != now:
                raise DataError(
                    f"{one.file.path}: expected {what} {was}, as in {first.file.path}, got {now}."
                )


def _bounds(file: RowFile, nbytes: int) -> Array:
    """Where the blocks of a file end: whole chunks, or runs of rows, of about so many bytes."""
    m, deep = file.shape[0], max(1, file.deep)
    step = deep * max(1, nbytes // (deep * file.row_bytes))
    return np.array([*range(step, m, step), m])
