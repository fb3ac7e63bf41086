"""``tensorflow.image``: what scripts do with pictures in a tf.data pipeline, on NumPy's arrays.

Images are (H, W, C) or (N, H, W, C). What is random draws from the process' seed.
"""

import inspect
import io
from typing import Any

import numpy as np

from minicnn import ops, random
from minicnn._core.random_seed import seeded
from minicnn._core.shapes import Array
from minicnn.as_keras.tensors import tensor
from minicnn.errors import DataError, NameUnknownError, ShapeError
from minicnn.layers.symbolic import SymbolicTensor

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "central_crop", "convert_image_dtype", "crop_to_bounding_box", "decode_bmp", "decode_gif",
    "decode_image", "decode_jpeg", "decode_png", "decode_webp", "encode_jpeg", "encode_png",
    "flip_left_right", "flip_up_down", "grayscale_to_rgb", "hsv_to_rgb", "pad_to_bounding_box",
    "per_image_standardization", "psnr", "random_brightness", "random_contrast", "random_crop",
    "random_flip_left_right", "random_flip_up_down", "random_hue", "random_saturation", "resize",
    "resize_with_crop_or_pad", "resize_with_pad", "rgb_to_grayscale", "rgb_to_hsv", "rot90",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name.startswith("stateless_random_"):
        same = globals().get(name.removeprefix("stateless_"))
        if same is not None:
            return _stateless(same)
    raise NameUnknownError(
        f"minicnn answers for little of TensorFlow, and not for tensorflow.image.{name}: use a "
        "layer (RandomFlip, RandomBrightness, Resizing, ...) or ImageDataGenerator."
    )


def _stateless(draw: Any) -> Any:
    """What its seed alone decides; the numbers are not TensorFlow's."""

    def drawn(*arguments: Any, seed: Any = (0, 0), **options: Any) -> Any:
        takes = list(inspect.signature(draw).parameters)
        if len(arguments) >= takes.index("seed") + 1:
            *arguments, seed = arguments  # type: ignore[assignment]
        first, second = (abs(int(one)) for one in np.ravel(seed)[:2])
        with seeded(first * 65537 + second):
            return draw(*arguments, **options)

    return drawn


class ResizeMethod:
    """The names of the ways to resize."""

    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, LANCZOS3 = "bilinear", "nearest", "bicubic", "lanczos3"


def decode_image(contents: Any, channels: int = 0, dtype: Any = np.uint8, **_: Any) -> Any:
    """The pixels of a file's bytes, with 1 or 3 channels; with 0 as many as the file has."""
    from PIL import Image

    data = contents.item() if isinstance(contents, np.ndarray) else contents
    try:
        with Image.open(io.BytesIO(data)) as image:
            mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(channels)
            pixels = np.asarray(image.convert(mode) if mode else image)
    except (OSError, TypeError):
        raise DataError("tensorflow.image.decode_image: expected the bytes of a picture.") from None
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return tensor(pixels) if dtype == np.uint8 else convert_image_dtype(pixels, dtype)


decode_jpeg = decode_png = decode_bmp = decode_gif = decode_webp = decode_image


def encode_png(image: Any, *_: Any, format: str = "png", **__: Any) -> Any:
    """The bytes of a picture's file."""
    from PIL import Image

    buffer = io.BytesIO()
    x = np.asarray(image)
    Image.fromarray(x[..., 0] if x.shape[-1] == 1 else x).save(buffer, format)
    return tensor(np.array(buffer.getvalue(), object))


def encode_jpeg(image: Any, *_: Any, **__: Any) -> Any:
    """The bytes of a JPEG file."""
    return encode_png(image, format="jpeg")


def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False) -> Any:
    """Whole numbers as fractions of their largest, or fractions as whole numbers."""
    x, dtype = np.asarray(image), np.dtype(dtype)
    if x.dtype == dtype or (x.dtype.kind == "f" and dtype.kind == "f"):
        return tensor(x.astype(dtype))
    if dtype.kind == "f":
        return tensor((x / np.iinfo(x.dtype).max).astype(dtype))
    largest = np.iinfo(dtype).max
    return tensor((x * (largest + 0.5)).clip(0, largest).astype(dtype))


def resize(images: Any, size: Any, method: str = "bilinear", **options: Any) -> Any:
    """Images of another size, as floats; by the nearest pixel they keep their dtype."""
    options.pop("name", None)
    if isinstance(images, SymbolicTensor):
        return ops.image.resize(images, tuple(size), interpolation=method, **options)
    x = np.asarray(images)
    y = ops.image.resize(x.astype(np.float32), tuple(size), interpolation=method, **options)
    return tensor(y.astype(x.dtype) if method == "nearest" else y)


def flip_left_right(image: Any) -> Any:
    """Mirrored."""
    return tensor(np.flip(image, -2))


def flip_up_down(image: Any) -> Any:
    """Upside down."""
    return tensor(np.flip(image, -3))


def random_flip_left_right(image: Any, seed: Any = None) -> Any:
    """Mirrored, each image at a chance of one half."""
    return _by_chance(flip_left_right, image)


def random_flip_up_down(image: Any, seed: Any = None) -> Any:
    """Upside down, each image at a chance of one half."""
    return _by_chance(flip_up_down, image)


def _by_chance(change: Any, image: Any) -> Any:
    x = np.asarray(image)
    flips = random.uniform((*x.shape[:-3], 1, 1, 1)) < 0.5
    return tensor(np.where(flips, change(x), x))


def rot90(image: Any, k: int = 1) -> Any:
    """Turned by k quarters, against the clock."""
    return tensor(np.rot90(image, k, axes=(-3, -2)))


def adjust_brightness(image: Any, delta: float) -> Any:
    """With ``delta``, a part of the largest value, added."""
    return _as_floats(image, lambda x: x + np.float32(delta))


def random_brightness(image: Any, max_delta: float, seed: Any = None) -> Any:
    """``adjust_brightness`` by -max_delta to max_delta."""
    return adjust_brightness(image, _drawn(-max_delta, max_delta))


def adjust_contrast(images: Any, contrast_factor: float) -> Any:
    """(x - mean) * contrast_factor + mean, for each channel."""

    def change(x: Array) -> Array:
        mean = x.mean(axis=(-3, -2), keepdims=True)
        return np.asarray((x - mean) * np.float32(contrast_factor) + mean)

    return _as_floats(images, change)


def random_contrast(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    """``adjust_contrast`` by lower to upper."""
    return adjust_contrast(image, _drawn(lower, upper))


def _drawn(low: float, high: float) -> float:
    return float(random.uniform((), low, high))


def _as_floats(image: Any, change: Any) -> Any:
    x = np.asarray(image)
    floats = x if x.dtype.kind == "f" else np.asarray(convert_image_dtype(x, np.float32))
    return convert_image_dtype(change(floats), x.dtype)


def rgb_to_grayscale(images: Any) -> Any:
    """One channel."""
    x = np.asarray(images)
    grey = ops.image.rgb_to_grayscale(x.astype(np.float32))
    return tensor(grey if x.dtype.kind == "f" else np.trunc(grey).astype(x.dtype))


def grayscale_to_rgb(images: Any) -> Any:
    """Three times the one channel."""
    return tensor(np.repeat(images, 3, axis=-1))


def per_image_standardization(image: Any) -> Any:
    """(x - mean) / max(standard deviation, 1 / sqrt(size)), for each image."""
    x = np.asarray(image, np.float32)
    axes = (-3, -2, -1)
    least = 1 / np.sqrt(np.prod(x.shape[-3:]))
    spread = np.maximum(x.std(axis=axes, keepdims=True), least)
    return tensor(((x - x.mean(axis=axes, keepdims=True)) / spread).astype(np.float32))


def crop_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Any:
    """A part of the image."""
    x = np.asarray(image)
    bottom, right = offset_height + target_height, offset_width + target_width
    if offset_height < 0 or offset_width < 0 or bottom > x.shape[-3] or right > x.shape[-2]:
        raise ShapeError(
            f"tensorflow.image: expected a part of an image of shape {x.shape}, got rows "
            f"{offset_height} to {bottom} and columns {offset_width} to {right}."
        )
    return tensor(x[..., offset_height:bottom, offset_width:right, :])


def central_crop(image: Any, central_fraction: float) -> Any:
    """The middle of the image."""
    h, w = np.shape(image)[-3:-1]
    top, left = int((h - h * central_fraction) / 2), int((w - w * central_fraction) / 2)
    return crop_to_bounding_box(image, top, left, h - 2 * top, w - 2 * left)


def random_crop(value: Any, size: Any, seed: Any = None, name: str | None = None) -> Any:
    """A part of an array, of the shape ``size``."""
    x = np.asarray(value)
    room = np.subtract(x.shape, size)
    if (room < 0).any():
        raise ShapeError(f"tensorflow.image.random_crop: expected a part of {x.shape}, got {size}.")
    starts = [int(random.randint((), 0, int(one) + 1)) for one in room]
    return tensor(x[tuple(slice(a, a + int(n)) for a, n in zip(starts, size, strict=True))])


def pad_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Any:
    """The image within zeros."""
    x = np.asarray(image)
    bottom = target_height - offset_height - x.shape[-3]
    right = target_width - offset_width - x.shape[-2]
    if min(offset_height, offset_width, bottom, right) < 0:
        raise ShapeError(
            f"tensorflow.image: expected room for an image of shape {x.shape}, got {target_height} "
            f"rows and {target_width} columns from ({offset_height}, {offset_width}) on."
        )
    widths = [(0, 0)] * (x.ndim - 3) + [(offset_height, bottom), (offset_width, right), (0, 0)]
    return tensor(np.pad(x, widths))


def resize_with_pad(
    image: Any, target_height: int, target_width: int, method: str = "bilinear", **_: Any
) -> Any:
    """As large as it fits with its own proportions, in the middle of zeros."""
    h, w = np.shape(image)[-3:-1]
    ratio = max(h / target_height, w / target_width)
    small = resize(image, (int(h / ratio), int(w / ratio)), method)
    top, left = (target_height - small.shape[-3]) // 2, (target_width - small.shape[-2]) // 2
    return pad_to_bounding_box(small, top, left, target_height, target_width)


def adjust_gamma(image: Any, gamma: float = 1.0, gain: float = 1.0) -> Any:
    """gain * x^gamma."""
    return _as_floats(image, lambda x: np.asarray(gain * x**gamma, np.float32))


def adjust_saturation(image: Any, saturation_factor: float) -> Any:
    """The saturation times a factor, at most 1."""

    def change(h: Array, s: Array, v: Array) -> tuple[Array, Array, Array]:
        return h, np.clip(s * saturation_factor, 0, 1), v

    return _as_floats(image, lambda x: _in_hsv(x, change))


def adjust_hue(image: Any, delta: float) -> Any:
    """Every hue turned by ``delta``, of 1 all around."""
    return _as_floats(image, lambda x: _in_hsv(x, lambda h, s, v: ((h + delta) % 1, s, v)))


def random_saturation(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    """``adjust_saturation`` by lower to upper."""
    return adjust_saturation(image, _drawn(lower, upper))


def random_hue(image: Any, max_delta: float, seed: Any = None) -> Any:
    """``adjust_hue`` by up to ``max_delta`` either way."""
    return adjust_hue(image, _drawn(-max_delta, max_delta))


def rgb_to_hsv(images: Any) -> Any:
    """Hue, saturation and value, each from 0 to 1, of red, green and blue."""
    x = np.asarray(images)
    r, g, b = (x[..., i] for i in range(3))
    high, spread = x.max(axis=-1), np.ptp(x, axis=-1)
    safe = np.where(spread == 0, 1, spread)
    of_green, of_blue = (b - r) / safe + 2, (r - g) / safe + 4
    hue = np.where(high == r, (g - b) / safe % 6, np.where(high == g, of_green, of_blue))
    hue = np.where(spread == 0, 0, hue / 6)
    saturation = np.where(high == 0, 0, spread / np.where(high == 0, 1, high))
    return tensor(np.stack([hue, saturation, high], axis=-1).astype(x.dtype))


def hsv_to_rgb(images: Any) -> Any:
    """Red, green and blue of hue, saturation and value."""
    x = np.asarray(images)
    h, s, v = (x[..., i] for i in range(3))
    channels = []
    for n in (5, 3, 1):
        k = (n + h * 6) % 6
        channels.append(v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1))
    return tensor(np.stack(channels, axis=-1).astype(x.dtype))


def _in_hsv(x: Array, change: Any) -> Array:
    hsv = np.asarray(rgb_to_hsv(x))
    changed = np.stack(change(*(hsv[..., i] for i in range(3))), axis=-1)
    return np.asarray(hsv_to_rgb(changed.astype(x.dtype)))


def psnr(a: Any, b: Any, max_val: float, name: Any = None) -> Any:
    """20 log10(max_val) - 10 log10(mean of the squared differences), for each image."""
    error = np.square(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean((-3, -2, -1))
    return tensor(np.float32(20 * np.log10(max_val) - 10 * np.log10(error)))


def resize_with_crop_or_pad(image: Any, target_height: int, target_width: int) -> Any:
    """The middle of the image, or the image in the middle of zeros."""
    x = np.asarray(image)
    for axis, target in ((-3, target_height), (-2, target_width)):
        spare = x.shape[axis] - target
        if spare > 0:
            x = np.take(x, range(spare // 2, spare // 2 + target), axis)
        elif spare < 0:
            widths = [(0, 0)] * x.ndim
            widths[axis] = (-spare // 2, -spare - (-spare // 2))
            x = np.pad(x, widths)
    return tensor(x)
