"""The source that a path leads to, by what is there.

That is a folder with a folder for each class, a CSV of paths and labels, ``.npz``, ``.npy`` or IDX
with another file of labels, CIFAR's ``.bin``, MATLAB's ``.mat``, or HDF5.
"""

import os

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
from minicnn.errors import DataError


def open_source(
    source: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None,
    x_key: str | None,
    y_key: str | None,
) -> Source:
    """The images at a path; raises ``DataError`` for what is no source of images."""
    path = path_of("import_images", "source", source)
    labels = None if labels is None else path_of("import_images", "labels", labels)
    if path.is_dir():
        return from_folder(path)
    regular_file_size(path, DataError)
    with path.open("rb") as file:
        start = file.read(10)
    name = path.name.lower()
    if name.endswith((".csv", ".tsv")):
        return from_csv(path)
    if start.startswith(b"PK"):
        return from_npz(path)
    if start.startswith(b"\x93NUMPY"):
        return from_npy(path, labels)
    if start.startswith((b"\x89HDF", b"MATLAB 7.3")):
        return from_hdf5(path, x_key, y_key)
    if start.startswith(b"MATLAB 5"):
        return from_mat(path, x_key, y_key)
    if name.endswith(".bin"):
        return from_cifar(path)
    if "idx" in name or start.startswith(b"\0\0\x08"):
        return from_idx(path, labels)
    raise DataError(
        f"{path}: expected a folder, a CSV, or a .npz, .npy, IDX, CIFAR .bin, MATLAB or HDF5 file, "
        "got another file."
    )
