"""Data files made from pictures and arrays, cut, put together and taken apart."""

from minicnn.data.making.importing import Imported as Imported
from minicnn.data.making.importing import import_images as import_images

__all__ = ["Imported", "import_images"]
