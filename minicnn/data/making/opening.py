"""The source that a path leads to, by what is there.

That is a folder with a folder for each class, a CSV of paths and labels, ``.npz``, ``.npy`` or IDX
with another file of labels, CIFAR's ``.bin``, MATLAB's ``.mat``, or HDF5.
"""

import os
from collections.abc import Callable
from pathlib import Path

from minicnn._files.hdf5 import regular_file_size
from minicnn._files.paths import path_of
from minicnn.data.making.arrays import (
    from_cifar,
    from_hdf5,
    from_idx,
    from_mat,
    from_npy,
    from_npz,
)
from minicnn.data.making.sources import Source, from_csv, from_folder
from minicnn.errors import ConfigError, DataError


def open_source(
    source: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None,
    x_key: str | None,
    y_key: str | None,
) -> Source:
    """The images at a path; raises ``DataError`` for what is no source of images."""
    path = path_of("import_images", "source", source)
    labels = None if labels is None else path_of("import_images", "labels", labels)
    kind, read = _reader_of(path)
    given = {"labels": labels, "x_key": x_key, "y_key": y_key}
    taken = read.__code__.co_varnames[1 : read.__code__.co_argcount]
    for name, value in given.items():
        if value is not None and name not in taken:
            raise ConfigError(f"{path}: expected no {name} for {kind}, got {str(value)!r}.")
    return read(path, *(given[name] for name in taken))


def _reader_of(path: Path) -> tuple[str, Callable[..., Source]]:
    """What is there, and the function that reads it."""
    if path.is_dir():
        return "a folder", from_folder
    regular_file_size(path, DataError)
    with path.open("rb") as file:
        start = file.read(10)
    name = path.name.lower()
    if name.endswith((".csv", ".tsv")):
        return "a CSV", from_csv
    if start.startswith(b"PK"):
        return "a .npz file", from_npz
    if start.startswith(b"\x93NUMPY"):
        return "a .npy file", from_npy
    if start.startswith((b"\x89HDF", b"MATLAB 7.3")):
        return "an HDF5 file", from_hdf5
    if start.startswith(b"MATLAB 5"):
        return "a MATLAB file", from_mat
    if name.endswith(".bin"):
        return "CIFAR's files", from_cifar
    if "idx" in name or start.startswith(b"\0\0\x08"):
        return "an IDX file", from_idx
    raise DataError(
        f"{path}: expected a folder, a CSV, or a .npz, .npy, IDX, CIFAR .bin, MATLAB or HDF5 file, "
        "got another file."
    )
