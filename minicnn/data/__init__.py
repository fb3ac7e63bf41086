"""Images to learn from: HDF5 files, arrays, and pictures drawn from a seed."""

from typing import TYPE_CHECKING

from minicnn._keras.public_names import asked
from minicnn.data.arrays import Dataset, batches

if TYPE_CHECKING:
    from minicnn.data.hdf5 import load_hdf5, load_images
    from minicnn.data.hdf5_dataset import HDF5Dataset

__all__ = ["Dataset", "HDF5Dataset", "batches", "inspect", "load_hdf5", "load_images"]

__getattr__ = asked(
    "data",
    elsewhere={
        "HDF5Dataset": "minicnn.data.hdf5_dataset",
        "inspect": "minicnn.data.doctor",
        "load_hdf5": "minicnn.data.hdf5",
        "load_images": "minicnn.data.hdf5",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
