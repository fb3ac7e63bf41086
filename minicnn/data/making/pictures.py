"""Pictures from files as rows of a data file: upright, of one size, in grey or colours."""

import os
import stat
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.data.images import NO_WAITING, WHOLE, opened
from minicnn.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm"),
    *(".jpe", ".jfif"),
)
"""How the names of the pictures in a folder end."""

FITS = ("stretch", "crop", "pad")
"""What is done with pictures of another ratio: nothing, the middle alone is taken, or black edges
are added."""

MODES = {1: "L", 3: "RGB"}

FINER = 2
"""How many times finer than asked for a JPEG is decoded at least; the rest is averaged."""


def read_picture(path: str, shape: Shape, fit: str = "stretch") -> Array:
    """A picture as uint8 of ``shape`` (H, W, C); C is 1 for grey and 3 for colours.

    Photographs are turned upright as their EXIF data say; 16 bits become 8; what is transparent is
    seen on white. Raises ``DataError`` with one line where the file is no picture, or a damaged
    one.
    """
    height, width, channels = shape
    with opened(_start_of(path)) as picture:
        if picture.format == "JPEG":  # skips most of the work for large photographs
            side = FINER * max(height, width)
            picture.draft(MODES[channels] if picture.mode != "CMYK" else None, (side, side))
        picture.load()
        return np.asarray(_fitted(_plain(picture, path, channels), height, width, fit)).reshape(
            shape
        )


def _start_of(path: str) -> Path | BytesIO:
    """A small file in one piece, with as few calls of the system as there can be."""
    try:
        descriptor = os.open(path, os.O_RDONLY | NO_WAITING)
    except (OSError, ValueError):
        return Path(path)  # of which ``opened`` says what is wrong
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size <= WHOLE:
            data = os.read(descriptor, status.st_size + 1)
            if len(data) == status.st_size:
                return BytesIO(data)
        return Path(path)
    except OSError:
        return Path(path)
    finally:
        os.close(descriptor)


def as_picture(x: Array, shape: Shape, fit: str) -> Array:
    """An image (h, w, c) of an array as ``read_picture`` gives one of a file."""
    from PIL import Image

    height, width, channels = shape
    picture = Image.fromarray(x[..., 0] if x.shape[2] == 1 else x)
    picture = _opaque(picture) if picture.mode == "RGBA" else picture
    if picture.mode != MODES[channels]:
        picture = picture.convert(MODES[channels])
    return np.asarray(_fitted(picture, height, width, fit)).reshape(shape)


def _plain(picture: "Image", path: str, channels: int) -> "Image":
    """The picture upright, with 8 bits a channel and nothing transparent."""
    from PIL import Image, ImageOps

    if picture.mode == "F":
        raise DataError(f"{path}: expected 8 or 16 bits a channel, got floating-point numbers.")
    if 0x0112 in picture.getexif():
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits, in a mode of 32 in some files
        pixels = np.asarray(picture)
        wide = pixels.size and not 0 <= int(pixels.min()) <= int(pixels.max()) < 1 << 16
        if wide or (picture.mode == "I" and picture.format == "TIFF"):
            raise DataError(f"{path}: expected 8 or 16 bits a channel, got 32.")
        picture = Image.fromarray((pixels >> 8).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = _opaque(picture.convert("RGBA"))
    return picture if picture.mode == MODES[channels] else picture.convert(MODES[channels])


def _opaque(picture: "Image") -> "Image":
    """A picture in mode RGBA on white."""
    from PIL import Image

    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _fitted(picture: "Image", height: int, width: int, fit: str) -> "Image":
    from PIL import Image, ImageOps

    if picture.size == (width, height):
        return picture
    if fit == "crop":
        return ImageOps.fit(picture, (width, height), Image.Resampling.BOX)
    if fit == "pad":
        return ImageOps.pad(picture, (width, height), Image.Resampling.BOX)
    return picture.resize((width, height), Image.Resampling.BOX)
