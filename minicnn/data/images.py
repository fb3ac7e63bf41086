"""Single pictures from image files."""

import ctypes
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files.atomic import reason
from minicnn._files.hdf5 import regular_file_size
from minicnn._files.paths import path_of
from minicnn.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The kinds of pictures that are read; some others that Pillow knows start other programs."""

FREE = 120 << 20
A_BYTE = 150
"""Bytes of memory that any file may take, and how many more for each byte of the file: a few
thousand bytes can claim gigabytes, but photographs hold at most ten or fifteen pixels in one."""

A_PIXEL = 8
A_PIXEL_OF = {"WEBP": 20}
"""Bytes that a pixel takes while it is decoded and turned upright, in any mode that is read."""

LONGEST_SIDE = 50_000
"""Pixels; Pillow takes memory for each row besides."""

WHOLE = 16 << 20
"""Bytes up to which a file is read in one piece."""

NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""With which a pipe is opened at once, also where nobody writes to it."""

KEPT_BLOCKS = 2
"""Blocks, of 16 MiB at most, that Pillow keeps for the next pictures, for each thread: it takes
about as long to have new memory of the system as to fill it."""


def load_image(path: str | os.PathLike[str], shape: Shape) -> Array:
    """Read a picture (PNG, JPEG, ...) as uint8 of ``shape`` (H, W, C), resized if it must be.

    Photographs are turned upright as their EXIF data say; C is 3 for colour and 1 for
    grey. Raises ``DataError`` with one line when the file is not a picture.
    """
    from PIL import Image, ImageOps

    path = path_of("load_image", "path", path)
    height, width, channels = shape
    modes = {1: "L", 3: "RGB"}
    if channels not in modes:
        raise DataError(
            f"{path}: expected a model for images with 1 or 3 channels, got {channels}."
        )
    with opened(path) as picture:
        if picture.mode in ("I", "F"):
            raise DataError(f"{path}: expected 8 or 16 bits a channel, got {picture.mode}.")
        ImageOps.exif_transpose(picture, in_place=True)
        upright = picture
        if upright.mode.startswith("I;16"):
            upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
        if upright.mode != modes[channels]:
            upright = upright.convert(modes[channels])
        resized = upright.resize((width, height), Image.Resampling.BOX)
        return np.asarray(resized, np.uint8).reshape(shape)


@contextmanager
def opened(path: Path | BytesIO) -> Iterator["Image"]:
    """A context with the picture of a file, for what must read its pixels within the context.

    Raises ``DataError`` with one line when the file is not a picture, or claims to be one that no
    memory holds.
    """
    name = "the picture" if isinstance(path, BytesIO) else path
    size = (
        len(path.getbuffer()) if isinstance(path, BytesIO) else regular_file_size(path, DataError)
    )
    try:
        # Pillow reads a header in some twenty pieces, at each of which threads change places.
        source = BytesIO(path.read_bytes()) if isinstance(path, Path) and size <= WHOLE else path
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {reason(error)}.") from None
    with silence(), decoded(name, source, size) as picture:
        yield picture


@contextmanager
def decoded(
    name: Any, source: Any, size: int, formats: tuple[str, ...] = FORMATS
) -> Iterator["Image"]:
    """The same for a source of so many bytes that Pillow can open, but in nobody's silence."""
    # Pillow comes with matplotlib, which reads pictures with it too.
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source, formats=formats) as picture:
            pixels = picture.width * picture.height
            bytes_ = pixels * A_PIXEL_OF.get(str(picture.format), A_PIXEL)
            if bytes_ > FREE + A_BYTE * size or max(picture.size) > LONGEST_SIDE:
                raise DataError(
                    f"{name}: claims {picture.width:,} x {picture.height:,} pixels in {size:,} "
                    "bytes. Save it again, or smaller."
                )
            yield picture
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{name}: does not fit in memory.") from None
    except Exception as error:  # Pillow raises nearly any kind on bytes that make no sense
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{name}: cannot be read: {reason(error)}.") from None
        if isinstance(error, Image.DecompressionBombError):
            raise DataError(f"{name}: claims far more pixels than a photograph has.") from None
        if not isinstance(error, UnidentifiedImageError):
            raise DataError(
                f"{name}: expected a picture, got a damaged or shortened one."
            ) from None
        raise DataError(f"{name}: expected a picture (PNG, JPEG, ...), got another file.") from None


def keep_memory(threads: int) -> None:
    """Let Pillow keep what it used for a picture for the next ones, unless it does already."""
    from PIL import _imaging

    with suppress(AttributeError):  # what Pillow says of it is for its own use
        _imaging.set_blocks_max(max(_imaging.get_blocks_max(), KEPT_BLOCKS * threads))


def let_memory_go() -> None:
    """Have Pillow give back what it has kept."""
    from PIL import _imaging

    with suppress(AttributeError):
        _imaging.clear_cache(0)


class _Silence:
    """How many contexts are silent now, and what undoes it after the last of them."""

    lock = threading.Lock()
    contexts = 0
    after = ExitStack()


@contextmanager
def silence() -> Iterator[None]:
    """A context in which neither Pillow nor its libtiff prints or warns of damaged data.

    Both are told so by the functions that they have for it, libtiff where it is found beside
    Pillow: the output of anything else is left alone. Contexts within each other and of several
    threads count as one, so that a batch of pictures pays for it once.
    """
    with _Silence.lock:
        if not _Silence.contexts:
            with ExitStack() as after:
                after.enter_context(warnings.catch_warnings(action="ignore"))
                pillow, nowhere = logging.getLogger("PIL"), logging.NullHandler()
                pillow.addHandler(nowhere)  # or Python prints what nobody handles
                after.callback(pillow.removeHandler, nowhere)
                for put in _handlers_of_libtiff():
                    after.callback(put, put(None))
                _Silence.after = after.pop_all()
        _Silence.contexts += 1
    try:
        yield
    finally:
        with _Silence.lock:
            _Silence.contexts -= 1
            if not _Silence.contexts:
                _Silence.after.close()


@lru_cache(maxsize=1)
def _handlers_of_libtiff() -> list[Any]:
    """The functions that set what libtiff does with errors and warnings, as far as it has them."""
    from PIL import _imaging

    found: list[Any] = []
    with suppress(OSError, AttributeError):
        libtiff = ctypes.CDLL(str(_imaging.__file__))
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            put = getattr(libtiff, name)
            put.restype, put.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            found.append(put)
    return found
