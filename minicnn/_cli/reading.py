"""The images of a run: in memory, or read while it trains where they would fill it."""

import argparse
from pathlib import Path

import numpy as np

from minicnn._core.console import say
from minicnn._core.memory import free_memory
from minicnn._core.shapes import Array
from minicnn.data import Dataset, HDF5Dataset, load_hdf5

LOOKED_AT = 64
"""Images of a stream that stand for all."""

LARGE = 64 << 20
"""Bytes of a file that may be too large."""


def read(path: Path, options: argparse.Namespace) -> Dataset | HDF5Dataset:
    """The images of a file with their labels, as a stream if they take half of the free memory."""
    keys = options.x_key, options.y_key
    if not options.stream and (not path.is_file() or path.stat().st_size < LARGE):
        return load_hdf5(path, *keys)
    data = HDF5Dataset(path, *keys)
    size, free = len(data) * data.row_bytes, free_memory()
    if not options.stream and size <= free / 2:
        return load_hdf5(path, *keys)
    options.stream = True
    if not options.quiet:
        say(f"{path}: {size / 1e6:,.0f} MB of images, read while the network trains.")
    return data


def some(data: Dataset | HDF5Dataset) -> Array:
    """The images, or some from everywhere in a stream."""
    if isinstance(data, Dataset):
        return data.x
    return data.images(np.unique(np.linspace(0, len(data) - 1, LOOKED_AT).astype(int)))
