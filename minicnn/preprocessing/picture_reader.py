"""A file's picture as numbers of one size: what data sets of folders and tables are made of."""

import ctypes
import os
import stat
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minicnn._core.arguments import choice
from minicnn._core.resampling import INTERPOLATIONS, Taps, framed, taps, to_ratio
from minicnn._core.shapes import Array, Pair, Shape, pair
from minicnn._files.atomic import reason
from minicnn.data.images import NO_WAITING, WHOLE, decoded
from minicnn.errors import ConfigError, DataError
from minicnn.kernels import kernel_set
from minicnn.preprocessing.pictures import COLOR_MODES, channels_first, resized_to
from minicnn.preprocessing.plain_png import plain_png

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "WEBP")
"""What a file's bytes may be, whatever its name."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's names of the channels."""

TURNED = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
"""Where a picture may say that it is to be turned."""

ORIENTATION = 0x0112
"""The number by which EXIF knows it."""

NO_FILE = "expected a file, got something else."

Version = tuple[int, int]
"""When a file was last written, and its bytes."""


class Read(NamedTuple):
    """What is known of a file that was read."""

    version: Version
    turned: bool
    """Whether it was turned upright."""
    whole: bool
    """Whether the numbers are the file's bytes, as nothing had to be resized."""


class Reader:
    """Reads files as images of one size, as ``image_dataset_from_directory`` is told to."""

    def __init__(
        self,
        who: str,
        image_size: Any,
        color_mode: str,
        interpolation: str,
        crop: bool,
        pad: bool,
        data_format: str | None,
    ) -> None:
        choice(who, "color_mode", color_mode, tuple(COLOR_MODES))
        self.how = str(interpolation).lower()
        choice(who, "interpolation", self.how, INTERPOLATIONS)
        self.size = pair(who, "image_size", image_size)
        self.channels = COLOR_MODES[color_mode]
        if crop and pad:
            raise ConfigError(
                f"{who}: expected crop_to_aspect_ratio or pad_to_aspect_ratio, got both."
            )
        self.crop, self.pad = crop, pad
        self.first = channels_first(who, data_format)
        self.dtype = np.dtype(np.uint8 if self.how == "nearest" else np.float32)
        self.kernels = kernel_set(None)

    @property
    def bytes(self) -> int:
        """An image's bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def shape(self) -> Shape:
        """An image's shape."""
        return (self.channels, *self.size) if self.first else (*self.size, self.channels)

    def read(self, path: str, y: Array) -> Read:
        """Read a picture into ``y``, of ``shape`` and ``dtype``; raises ``DataError``."""
        descriptor = _opened(path)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path}: {NO_FILE}")
            if not status.st_size:
                raise DataError(f"{path}: the file is empty.")
            with (
                _source(descriptor, status.st_size) as source,
                _picture(path, source, status.st_size) as picture,
            ):
                if self.channels == 1:
                    picture.draft("L", None)  # the grey of a JPEG file itself, as TensorFlow has it
                turned = _upright(picture)
                pixels = _pixels(turned or picture, self.channels)
                whole = self._resize(pixels, y.transpose(1, 2, 0) if self.first else y)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}.") from None
        except MemoryError:
            raise DataError(f"{path}: does not fit in memory.") from None
        finally:
            os.close(descriptor)
        return Read((status.st_mtime_ns, status.st_size), turned is not None, whole)

    def _resize(self, x: Array, y: Array) -> bool:
        """Bring pixels to the size of y, cut or padded to its ratio if that was asked for.

        Returns whether they have it already.
        """
        if self.pad:
            y[...] = 0
            y = y[_inside((x.shape[0], x.shape[1]), self.size)]
        if self.crop:
            x = framed(x[None], to_ratio((x.shape[0], x.shape[1]), self.size))[0]
        size = y.shape[0], y.shape[1]
        rows, columns = (_along(n, m, self.how) for n, m in zip(x.shape[:2], size, strict=True))
        if self.how == "nearest":
            y[...] = x[rows.places, columns.places[:, 0]]
        elif not (self.kernels.resize and self.kernels.resize(x, rows, columns, y)):
            y[...] = resized_to(x[None], size, self.how)[0]
        return size == x.shape[:2]


def _opened(path: str) -> int:
    """A descriptor of the file; one of a pipe does not wait for who writes to it."""
    try:
        return os.open(path, os.O_RDONLY | NO_WAITING)
    except OSError as error:
        other = os.path.exists(path) and not os.path.isfile(path)  # such as a folder in Windows
        why = NO_FILE if other else f"cannot be read: {reason(error)}."
        raise DataError(f"{path}: {why}") from None
    except ValueError:
        raise DataError(f"{path!r}: cannot be read: no file can have this name.") from None


def _source(descriptor: int, size: int) -> Any:
    """What Pillow can read a file of: a small one is read in one piece, with few calls of the
    system, at each of which threads change places."""
    if size <= WHOLE and len(data := os.read(descriptor, size + 1)) == size:
        return BytesIO(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return open(descriptor, "rb", buffering=0, closefd=False)


def _picture(path: str, source: Any, size: int) -> "AbstractContextManager[Image]":
    """A context with the picture of a file."""
    if isinstance(source, BytesIO) and (plain := plain_png(source.getvalue())) is not None:
        return nullcontext(plain)
    return decoded(path, source, size, FORMATS)


def _upright(picture: "Image") -> "Image | None":
    """The picture turned as its EXIF data say; None if they say nothing."""
    if not any(name in picture.info for name in TURNED):
        return None
    from PIL import ImageOps

    try:
        if picture.getexif().get(ORIENTATION, 1) not in range(2, 9):
            return None
    except Exception:  # Pillow raises nearly any kind: such a picture stays as it is
        return None
    return ImageOps.exif_transpose(picture)


def _pixels(picture: "Image", channels: int) -> Array:
    """Bytes (H, W, C), if it can be those that Pillow keeps, of which each pixel has four."""
    if picture.mode.startswith("I"):  # 16 bits, of which the upper half counts
        from PIL import Image

        upper = np.asarray(picture).astype(np.int64) >> 8
        picture = Image.fromarray(upper.clip(0, 255).astype(np.uint8))
    if picture.mode != MODES[channels]:
        picture = picture.convert(MODES[channels])
    picture.load()
    found = _kept(picture)
    if found is None:
        found = np.asarray(picture).reshape(picture.height, picture.width, channels)
    return found[..., :channels]


class _ArrowArray(ctypes.Structure):
    """What Arrow's C interface says of an array, as far as it is asked for."""


_ArrowArray._fields_ = [
    *((name, ctypes.c_int64) for name in ("length", "nulls", "offset", "buffers", "children")),
    ("data", ctypes.POINTER(ctypes.c_void_p)),
    ("inner", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
]


class _Owned:
    """Memory of a picture's, as NumPy takes it."""

    def __init__(self, owner: Any, address: int, shape: Shape) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": "|u1", "data": (address, True),
        }  # fmt: skip


def _kept(picture: "Image") -> Array | None:
    """The bytes where Pillow has them, which takes a copy less, or None if it does not say."""
    try:
        capsule = picture.__arrow_c_array__()[1]
        array = _ArrowArray.from_address(_pointer(capsule, b"arrow_array"))
        array = array.inner[0].contents if array.children else array
        size = picture.height * picture.width
        each, rest = divmod(array.length, size)
        if rest or each not in (1, 4) or array.buffers != 2 or array.offset:
            return None
        return np.asarray(_Owned(capsule, array.data[1], (picture.height, picture.width, each)))
    except (AttributeError, ValueError, TypeError):  # Pillow before 11.2, or a picture in pieces
        return None


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


@lru_cache(maxsize=256)
def _along(n: int, out: int, interpolation: str) -> Taps:
    """``taps``, or none but the pixels themselves where the size stays; in C's order."""
    if n == out:
        return Taps(np.arange(n)[:, None], np.ones((n, 1), np.float32))
    places, weights = taps(n, out, interpolation, False)
    return Taps(np.ascontiguousarray(places), np.ascontiguousarray(weights, np.float32))


def _inside(image: Pair, size: Pair) -> tuple[slice, slice]:
    """The rows and columns in the middle of a frame that an image fits into."""
    ratio = max(np.float32(n) / np.float32(m) for n, m in zip(image, size, strict=True))
    fitting = [np.float32(n) / ratio for n in image]
    starts = [max(0, int((m - n) / 2)) for n, m in zip(fitting, size, strict=True)]
    rows, columns = (slice(a, a + max(1, int(n))) for a, n in zip(starts, fitting, strict=True))
    return rows, columns
