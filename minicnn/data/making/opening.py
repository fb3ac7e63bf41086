"""The source that a path leads to, by what is there."""

from pathlib import Path

from minicnn._files.hdf5 import regular_file_size
from minicnn.data.making.sources import Source, from_csv, from_folder
from minicnn.errors import DataError


def open_source(path: Path, labels: Path | None) -> Source:
    """The images at ``path``; raises ``DataError`` for what is no source of images."""
    if path.is_dir():
        return from_folder(path)
    regular_file_size(path, DataError)
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        return from_csv(path)
    raise DataError(f"{path}: expected a folder, a CSV or a file of arrays, got another file.")
