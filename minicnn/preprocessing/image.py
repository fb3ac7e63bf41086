"""All that Keras' ``preprocessing.image`` has, under its names."""

from minicnn.preprocessing.array_iterator import NumpyArrayIterator
from minicnn.preprocessing.dataframe import DataFrameIterator
from minicnn.preprocessing.directory import DirectoryIterator
from minicnn.preprocessing.generator import ImageDataGenerator
from minicnn.preprocessing.iterator import Iterator
from minicnn.preprocessing.pictures import (
    array_to_img,
    img_to_array,
    load_img,
    save_img,
    smart_resize,
)
from minicnn.preprocessing.transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "img_to_array",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
    "smart_resize",
]
