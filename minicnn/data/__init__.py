"""Images to learn from: HDF5 files, arrays, and pictures drawn from a seed."""

from minicnn.data.arrays import Dataset, batches
from minicnn.data.hdf5 import load_hdf5, load_images

__all__ = ["Dataset", "batches", "load_hdf5", "load_images"]
