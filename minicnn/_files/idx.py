"""IDX files, as MNIST's: an array of bytes after its number of axes and its shape."""

import gzip
import math
from pathlib import Path

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import regular_file_size
from minicnn.errors import DataError

GZIP = b"\x1f\x8b"


def read_idx(path: Path) -> Array:
    """The array uint8 in an IDX file, which may be compressed by gzip; raises ``DataError``."""
    budget = Budget(str(path), DataError, regular_file_size(path, DataError))
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == GZIP
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            start = file.read(4)
            axes = start[3]
            shape = tuple(int(n) for n in np.frombuffer(file.read(4 * axes), ">u4"))
            size = math.prod(shape)
            budget.take("its shape", size)
            data = bytearray(file.read(size))
            if start[:3] != b"\0\0\x08" or len(shape) != axes or len(data) != size or file.read(1):
                raise ValueError
        return np.frombuffer(data, np.uint8).reshape(shape)
    except DataError:
        raise
    except Exception:  # gzip and zlib raise a dozen kinds on bytes that make no sense
        raise DataError(
            f"{path}: expected an idx file of bytes, got another kind, or a damaged one."
        ) from None
