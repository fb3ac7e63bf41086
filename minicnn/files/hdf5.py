"""HDF5 files from strangers: opened, looked at, and only then read.

An HDF5 file can name other files of this machine as the place of its data, hold
links that lead out of it, or claim a shape of terabytes in two kilobytes. A
dataset is read here only when it is a plain one, of numbers, inside the file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import MiniCNNError
from minicnn.files.atomic import reason
from minicnn.shapes import Array, Shape

FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""The filters that come with h5py, by their numbers in HDF5; others run code of their own."""

TEXTS_LIMIT = 100_000
"""How many strings of any length a dataset may hold to be read."""
DAMAGE = (KeyError, OSError, RuntimeError, TypeError, ValueError)
"""What h5py raises on a file whose bytes make no sense."""

EXPANSION = 2000
"""How many times its stored size data may be: gzip reaches 1,032 on nothing but zeros."""


@contextmanager
def opened(path: str | os.PathLike[str], error: type[MiniCNNError]) -> Iterator[Any]:
    """The HDF5 file at ``path``, for reading; raises ``error`` with one line if it is none."""
    import h5py

    path = Path(path)
    try:
        with path.open("rb") as bytes_of_file:
            empty = not bytes_of_file.read(1)
    except OSError as problem:
        raise error(f"{path}: cannot be read: {reason(problem)}.") from None
    if empty or not h5py.is_hdf5(path):
        what = "an empty file" if empty else "a file of another kind"
        raise error(f"{path}: expected an HDF5 file, got {what}.")
    with _open(path, str(path), error) as file:
        yield file


@contextmanager
def opened_bytes(data: bytes, who: str, error: type[MiniCNNError]) -> Iterator[Any]:
    """The HDF5 file that ``data`` is, for reading; raises ``error`` with one line if it is none."""
    with _open(BytesIO(data), who, error) as file:
        yield file


def _open(source: Path | BytesIO, who: str, error: type[MiniCNNError]) -> Any:
    import h5py

    try:
        return h5py.File(source, "r")
    except DAMAGE as problem:
        what = "cut short" if "truncated" in str(problem) else "damaged"
        raise error(f"{who}: the HDF5 file is {what}. Copy or download it again.") from None


def datasets(who: str, group: Any, error: type[MiniCNNError]) -> list[str]:
    """The names of the datasets that lie directly in ``group``; links do not count."""
    import h5py

    try:
        return [
            name
            for name in group
            if isinstance(group.get(name, getlink=True), h5py.HardLink)
            and group.get(name, getclass=True) is h5py.Dataset
        ]
    except DAMAGE:
        raise error(f"{who}: the HDF5 file is damaged. Copy or download it again.") from None


def read(
    who: str,
    group: Any,
    name: str,
    error: type[MiniCNNError],
    shape: Shape | None = None,
    text: bool = False,
) -> Array:
    """The dataset ``name`` in ``group``, whole; raises ``error`` if it is not safe to read.

    ``shape``, if given, is the only one that will do. Numbers are read, and with
    ``text`` strings too.
    """
    import h5py

    what = f"{who}: dataset {name!r}"
    try:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise error(f"{what} is missing, or a link.")
        dataset = group[name]
        if not isinstance(dataset, h5py.Dataset):
            raise error(f"{what}: expected a dataset, got a group.")
        if shape is not None and dataset.shape != shape:
            raise error(f"{what}: expected shape {shape}, got {dataset.shape}.")
        if text and h5py.check_string_dtype(dataset.dtype) is not None:
            _check(what, dataset, "SO", error)
            if dataset.size > TEXTS_LIMIT:
                raise error(
                    f"{what}: expected at most {TEXTS_LIMIT:,} names, got {dataset.size:,}."
                )
            return np.asarray(dataset.asstr(errors="replace")[()])
        _check(what, dataset, "biuf", error)
        return dataset[()]  # type: ignore[no-any-return]
    except DAMAGE as problem:
        if isinstance(problem, MiniCNNError):
            raise
        raise error(f"{what} cannot be read: the file is damaged. Copy it again.") from None
    except MemoryError:
        raise error(f"{what} does not fit in memory.") from None


def _check(what: str, dataset: Any, kinds: str, error: type[MiniCNNError]) -> None:
    if dataset.external or dataset.is_virtual:
        raise error(f"{what} points to data in other files, which minicnn does not read.")
    if dataset.dtype.kind not in kinds:
        raise error(f"{what}: expected numbers, got {dataset.dtype}.")
    properties = dataset.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        number, _, _, name = properties.get_filter(i)
        if number not in FILTERS:
            raise error(
                f"{what}: expected no filters but {', '.join(FILTERS.values())}, "
                f"got {name.decode('utf-8', 'replace')!r}."
            )
    if dataset.shape is None:
        raise error(f"{what}: expected numbers, got an empty dataset.")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > EXPANSION * stored:
        raise error(
            f"{what}: claims {dataset.nbytes:,} bytes, but the file holds {stored:,} of them."
        )
