"""Images to learn from: HDF5 files, arrays, and pictures drawn from a seed."""

from minicnn._keras.public_names import asked
from minicnn.data.arrays import Dataset, batches
from minicnn.data.hdf5 import load_hdf5, load_images
from minicnn.data.hdf5_dataset import HDF5Dataset

__all__ = ["Dataset", "HDF5Dataset", "batches", "inspect", "load_hdf5", "load_images"]

__getattr__ = asked("data", elsewhere={"inspect": "minicnn.data.doctor"})
