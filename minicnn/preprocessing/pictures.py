"""Single pictures: from a file, as an array, as a Pillow image, into a file."""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn._core.arguments import choice
from minicnn._core.console import warn
from minicnn._core.resampling import INTERPOLATIONS, framed, resized, taps, to_ratio
from minicnn._core.settings import FIRST, floatx, image_data_format
from minicnn._core.shapes import Array, Pair, pair
from minicnn._core.signatures import checked
from minicnn._files.atomic import reason
from minicnn._files.paths import path_of
from minicnn.data.images import opened
from minicnn.errors import ConfigError, DataError, shown

if TYPE_CHECKING:
    from PIL.Image import Image

COLOR_MODES = {"grayscale": 1, "rgb": 3, "rgba": 4}
"""How colours are read, and the channels that there are then."""

FILTERS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def channels_first(who: str, data_format: str | None) -> bool:
    """Whether that, or if it is None ``image_data_format()``, says that arrays are (C, H, W)."""
    choice(who, "data_format", data_format, ("channels_last", "channels_first", None))
    return (data_format or image_data_format()) == FIRST


@checked
def load_img(
    path: str | bytes | os.PathLike[str] | BytesIO,
    color_mode: str = "rgb",
    target_size: Sequence[int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
    grayscale: bool = False,
) -> "Image":
    """Read a picture as a Pillow image.

    ``color_mode`` is "rgb", "rgba" or "grayscale", where pictures of 16 or 32 bits stay as they
    are. ``target_size`` is (height, width); ``interpolation`` is one of Pillow's filters by name.
    ``keep_aspect_ratio`` takes the largest part from the middle that has the new ratio. Raises
    ``DataError`` for a file that is no picture or is damaged, and ``ConfigError`` for other
    arguments. As in Keras.

    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> save_img(file, np.zeros((4, 6, 3)), file_format="png")
    >>> load_img(file, "grayscale", target_size=(2, 2)).size
    (2, 2)
    """
    who = "load_img"
    color_mode = "grayscale" if grayscale else color_mode
    choice(who, "color_mode", color_mode, tuple(COLOR_MODES))
    choice(who, "interpolation", interpolation, FILTERS)
    if isinstance(target_size, list | tuple) and len(target_size) == 3:
        target_size = target_size[:2]  # the shape of an image, in many a script
    size = None if target_size is None else pair(who, "target_size", target_size)
    if not isinstance(path, BytesIO):
        path = path_of(who, "path", os.fsdecode(path) if isinstance(path, bytes) else path)
    return read_picture(path, color_mode, size, interpolation, keep_aspect_ratio)


def read_picture(
    path: Path | BytesIO,
    color_mode: str,
    size: Pair | None,
    interpolation: str,
    keep_aspect_ratio: bool,
) -> "Image":
    """The same of arguments that were checked before."""
    wanted = {"grayscale": ("L", "I;16", "I"), "rgb": ("RGB",), "rgba": ("RGBA",)}[color_mode]
    with opened(path) as picture:
        picture.load()
        if picture.mode not in wanted:
            picture = picture.convert(wanted[0])
        return _resized(picture, size, interpolation, keep_aspect_ratio)


def _resized(
    picture: "Image", size: Pair | None, interpolation: str, keep_aspect_ratio: bool
) -> "Image":
    if size is None or picture.size == size[::-1]:
        return picture
    from PIL.Image import Resampling

    box = None
    if keep_aspect_ratio:
        (height, width), (h, w) = size, picture.size[::-1]
        crop_h, crop_w = min(h, w * height // width), min(w, h * width // height)
        top, left = (h - crop_h) // 2, (w - crop_w) // 2
        box = left, top, left + crop_w, top + crop_h
    return picture.resize(size[::-1], Resampling[interpolation.upper()], box=box)


@checked
def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> Array:
    """A Pillow image as an array (H, W, C), or (C, H, W) for "channels_first"; float32 by default.

    Raises ``DataError`` for what has not two or three axes. As in Keras.

    >>> img_to_array(array_to_img(np.zeros((4, 6, 3)))).shape
    (4, 6, 3)
    """
    first = channels_first("img_to_array", data_format)
    try:
        x = np.asarray(img, dtype or floatx())
    except (TypeError, ValueError):
        raise DataError(f"img_to_array: expected a picture, got {shown(img)}.") from None
    if x.ndim not in (2, 3):
        raise DataError(f"img_to_array: expected a picture (H, W) or (H, W, C), got {x.shape}.")
    x = x[..., None] if x.ndim == 2 else x
    return x.transpose(2, 0, 1) if first else x


@checked
def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> "Image":
    """An array (H, W, C) as a Pillow image, of mode "L", "RGB" or "RGBA" for 1, 3 or 4 channels.

    ``scale`` brings the least number to 0 and the largest to 255; without it numbers are cut to
    whole ones, and grey ones above 255 give mode "I". "channels_first" arrays are (C, H, W).
    Raises ``DataError`` for other shapes. As in Keras.

    >>> array_to_img(np.array([[[-1.0], [0.0], [1.0]]])).tobytes().hex()
    '007fff'
    """
    from PIL import Image

    first = channels_first("array_to_img", data_format)
    try:
        x = np.asarray(x, dtype or floatx())
    except (TypeError, ValueError):
        raise DataError(f"array_to_img: expected numbers, got {shown(x)}.") from None
    if x.ndim != 3:
        remedy = " Take one image of the batch: x[0]." if x.ndim == 4 else ""
        raise DataError(f"array_to_img: expected one image (H, W, C), got {x.shape}.{remedy}")
    x = x.transpose(1, 2, 0) if first else x
    if x.shape[2] not in (1, 3, 4) or not x.size:
        raise DataError(f"array_to_img: expected 1, 3 or 4 channels, got the shape {x.shape}.")
    x = stretched(x) if scale else x
    if x.shape[2] > 1:
        return Image.fromarray(x.astype(np.uint8))
    return Image.fromarray(x[..., 0].astype(np.int32 if x.max() > 255 else np.uint8))


def stretched(x: Array) -> Array:
    """The numbers from the least to the largest brought to from 0 to 255."""
    x = x - x.min()
    most = x.max()
    return (x / most if most else x) * 255


@checked
def save_img(
    path: str | os.PathLike[str] | Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array as a picture, of the format that the path's ending or ``file_format`` says.

    The array becomes a picture as by ``array_to_img``; JPEG files leave out transparency. ``path``
    may be an open file; further arguments are Pillow's for the format. Raises ``DataError`` for
    what cannot be written, and ``ConfigError`` for an unknown format.

    >>> from io import BytesIO
    >>> file = BytesIO()
    >>> save_img(file, np.zeros((4, 6, 3)), file_format="png")
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    if not hasattr(path, "write"):
        path = path_of("save_img", "path", path)
        file_format = file_format or path.suffix[1:]
    file_format = (file_format or "").lower()
    file_format = "jpeg" if file_format == "jpg" else file_format
    img = array_to_img(x, data_format, scale)
    if img.mode == "RGBA" and file_format == "jpeg":
        warn("save_img: JPEG files have no transparency, which was left out.", UserWarning)
        img = img.convert("RGB")
    try:
        img.save(path, format=_known_format(file_format), **kwargs)
    except OSError as error:
        why = reason(error) if error.errno is not None else str(error)
        raise DataError(f"save_img: cannot write {path}: {why}.") from None


def _known_format(name: str) -> str:
    """Pillow's name of a format, for the name or an ending of its files."""
    from PIL import Image

    Image.init()
    format_ = Image.registered_extensions().get(f".{name}", name.upper())
    if format_ not in Image.SAVE:
        raise ConfigError(
            f"save_img: expected file_format, or the path's ending, as a kind of pictures, "
            f"got {name!r}. Use 'png'."
        )
    return format_


@checked
def smart_resize(
    x: Array, size: Pair, interpolation: str = "bilinear", data_format: str = "channels_last"
) -> Array:
    """The largest part from the middle of images that has the ratio of ``size``, in that size.

    x is (H, W, C) or (N, H, W, C), y has ``size`` (height, width) in place of H and W;
    ``interpolation`` is one of those of ``Resizing``. Raises ``DataError`` for other shapes.

    >>> smart_resize(np.zeros((340, 500, 3)), (200, 200)).shape
    (200, 200, 3)
    """
    who = "smart_resize"
    choice(who, "interpolation", interpolation, INTERPOLATIONS)
    size = pair(who, "size", size)
    first = channels_first(who, data_format)
    x = np.asarray(x)
    if x.ndim not in (3, 4):
        raise DataError(f"{who}: expected images (H, W, C) or (N, H, W, C), got {x.shape}.")
    images = np.moveaxis(x, -3, -1) if first else x
    images = resized_to(images[None] if x.ndim == 3 else images, size, interpolation, crop=True)
    images = images[0] if x.ndim == 3 else images
    return np.moveaxis(images, -1, -3) if first else images


def resized_to(
    x: Array, size: Pair, interpolation: str, crop: bool = False, pad: bool = False
) -> Array:
    """Images (N, H, W, C) as numbers in another size; cut or padded to its ratio before."""
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    if crop or pad:
        x = framed(x, to_ratio((x.shape[1], x.shape[2]), size, pad))
    for axis, n in enumerate(size, 1):
        if x.shape[axis] != n:
            x = resized(x, axis, taps(x.shape[axis], n, interpolation, False))
    return x
