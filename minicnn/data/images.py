"""Single pictures from image files."""

import os
import warnings

import numpy as np

from minicnn.errors import DataError
from minicnn.files.atomic import reason
from minicnn.files.hdf5 import regular_file_size
from minicnn.files.paths import path_of
from minicnn.shapes import Array, Shape

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The kinds of pictures that are read; others that Pillow knows run programs of their own."""

PIXELS = 10_000_000
PIXELS_A_BYTE = 20
"""How many pixels any file may claim, and how many more for each of its bytes: a few thousand
bytes can claim gigabytes, but photographs never hold more than ten pixels in one."""

LONGEST_SIDE = 50_000
"""Pixels; Pillow takes memory for each row besides."""


def load_image(path: str | os.PathLike[str], shape: Shape) -> Array:
    """Read a picture (PNG, JPEG, ...) as uint8 of ``shape`` (H, W, C), resized if it must be.

    Photographs are turned upright as their EXIF data say; C is 3 for colour and 1 for
    grey. Raises ``DataError`` with one line when the file is not a picture.
    """
    # Pillow comes with matplotlib, which reads pictures with it too.
    from PIL import Image, ImageOps

    path = path_of("load_image", "path", path)
    height, width, channels = shape
    modes = {1: "L", 3: "RGB"}
    if channels not in modes:
        raise DataError(
            f"{path}: expected a model for images with 1 or 3 channels, got {channels}."
        )
    size = regular_file_size(path, DataError)
    try:
        # What Pillow remarks on damaged EXIF data and the like is of no use here.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(path, formats=FORMATS) as picture,
        ):
            few = picture.width * picture.height <= PIXELS + PIXELS_A_BYTE * size
            if not few or max(picture.size) > LONGEST_SIDE:
                raise DataError(
                    f"{path}: claims {picture.width:,} x {picture.height:,} pixels in {size:,} "
                    "bytes. Store it anew, or smaller."
                )
            ImageOps.exif_transpose(picture, in_place=True)
            upright: Image.Image = picture
            if upright.mode.startswith("I;16"):
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            if upright.mode in ("I", "F"):
                raise DataError(f"{path}: expected 8 or 16 bits a channel, got {upright.mode}.")
            resized = upright.convert(modes[channels]).resize((width, height), Image.Resampling.BOX)
            return np.asarray(resized, np.uint8).reshape(shape)
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{path}: cannot be read: {reason(error)}.") from None
        raise DataError(f"{path}: expected a picture (PNG, JPEG, ...), got another file.") from None
