"""The source that a path leads to, by what is there."""

from pathlib import Path

from minicnn._files.hdf5 import regular_file_size
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
    path: Path, labels: Path | None = None, x_key: str | None = None, y_key: str | None = None
) -> Source:
    """The images at ``path``; raises ``DataError`` for what is no source of images."""
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
