"""Data files made from pictures and arrays, divided, put together and taken apart."""

from minicnn.data.making.exporting import export as export
from minicnn.data.making.importing import Imported as Imported
from minicnn.data.making.importing import import_images as import_images
from minicnn.data.making.rearranging import merge as merge
from minicnn.data.making.rearranging import split as split
from minicnn.data.making.rearranging import subset as subset

__all__ = ["Imported", "export", "import_images", "merge", "split", "subset"]
