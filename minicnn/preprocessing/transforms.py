"""Pictures turned, shifted, sheared, zoomed, flipped and brightened, by given numbers or by chance.

Each of a batch of images (N, H, W, C) has numbers of its own. A single picture is a batch of one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minicnn._core.arguments import choice, whole_number
from minicnn._core.random_seed import generator
from minicnn._core.shapes import Array, Pair
from minicnn._core.signatures import checked
from minicnn.errors import ConfigError, DataError, shown
from minicnn.preprocessing.affine import FILL_MODES, resampled

Numbers = Mapping[str, Array]
"""Of each image its theta, tx, ty, shear, zx, zy, flip_horizontal, flip_vertical, and where they
are asked for channel_shift_intensity and brightness."""

STILL = {"theta": 0.0, "tx": 0.0, "ty": 0.0, "shear": 0.0, "zx": 1.0, "zy": 1.0}
"""What leaves an image where it is."""


LARGE = 1 << 14
"""Numbers of an image from which on images are written one by one."""


def random_state(seed: int | None = None) -> np.random.RandomState:
    """A generator of the kind that Keras draws from here, which the same seed lets agree with it.

    Without a seed it follows from ``set_random_seed``. NumPy's global one is not touched.
    """
    if seed is None:
        return np.random.RandomState(int(generator(None).integers(1 << 32)))
    seed = whole_number("seed", "seed", seed, least=0, most=(1 << 32) - 1)
    return np.random.RandomState(seed)


def transformed(
    x: Array, numbers: Numbers, fill_mode: str = "nearest", cval: float = 0.0, order: int = 1
) -> Array:
    """Images (N, H, W, C), which may be written to, transformed in Keras' order.

    They are moved, then their channels shifted, then they are flipped and brightened.
    """
    moved = [name for name, still in STILL.items() if (numbers[name] != still).any()]
    if moved:
        matrices, offsets = placed(numbers, (x.shape[1], x.shape[2]))
        resampled(x, matrices, offsets, fill_mode, cval, order)
    if "channel_shift_intensity" in numbers:
        x = channels_shifted(x, numbers["channel_shift_intensity"])
    across = np.arange(x.shape[2])[::-1]
    for i in np.flatnonzero(numbers["flip_horizontal"]):
        x[i] = x[i].take(across, axis=1)
    for i in np.flatnonzero(numbers["flip_vertical"]):
        x[i] = x[i][::-1].copy()
    if "brightness" in numbers:
        x = brightened(x, numbers["brightness"], scale=False)
    return x


def unmoved(numbers: Numbers) -> bool:
    """Whether all pixels stay where they are, but for flips."""
    return all((numbers[name] == still).all() for name, still in STILL.items())


def recoloured(images: Array, places: Array, numbers: Numbers, out: Array) -> None:
    """Some of the images that are not moved: flipped, their channels shifted, brightened.

    They are of any dtype, and written into ``out``, of floating point. Of bytes the limits are
    known, and each step is taken as they become numbers.
    """
    coloured = {"channel_shift_intensity", "brightness"} & numbers.keys()
    if not coloured and out[0].size >= LARGE:
        flips = zip(numbers["flip_horizontal"], numbers["flip_vertical"], strict=True)
        for place, (across, upside_down), to in zip(places, flips, out, strict=True):
            _flipped(images[place], across, upside_down, to)
        return
    x = images[places]
    if (which := np.flatnonzero(numbers["flip_horizontal"])).size:
        x[which] = x[which].take(np.arange(x.shape[2])[::-1], axis=2)
    if (which := np.flatnonzero(numbers["flip_vertical"])).size:
        x[which] = x[which][:, ::-1]
    shift, brightness = (numbers.get(key) for key in ("channel_shift_intensity", "brightness"))
    bytes_alone = x.dtype == np.uint8 and out.dtype == np.float32 and x.shape[3] < 4
    if shift is not None:
        flat = x.reshape(len(x), -1)
        least, most = (f(axis=1).reshape(-1, 1, 1, 1) for f in (flat.min, flat.max))
        np.add(x, shift.reshape(-1, 1, 1, 1), out=out, dtype=out.dtype, casting="unsafe")
        np.clip(out, least, most, out=out, casting="unsafe")
        x = out
    elif brightness is not None and bytes_alone:
        factor = brightness.astype(np.float32).reshape(-1, 1, 1, 1)
        np.multiply(x, factor, out=out, dtype=out.dtype, casting="unsafe")
        np.clip(out, 0, 255, out=out)
        np.trunc(out, out=out)
        return
    if brightness is not None:
        x = brightened(x, brightness, scale=False)
    if x is not out:
        out[...] = x


def _flipped(x: Array, across: bool, upside_down: bool, out: Array) -> None:
    """Write one image into ``out``."""
    x = x[::-1] if upside_down else x
    if across:
        for channel in range(x.shape[2]):  # much quicker than pixel by pixel
            out[..., channel] = x[:, ::-1, channel]
    else:
        out[...] = x


def placed(numbers: Numbers, image: Pair, swapped: bool = True) -> tuple[Array, Array]:
    """The (N, 2, 2) matrices and (N, 2) offsets that take a new pixel to its old place.

    The rotation, the shift, the shear and the zoom are taken one after another, about the middle of
    the image. As in Keras, whose first axis goes along the columns: ``tx`` shifts columns and is
    drawn from the height; of images that are not square the middle is as far off as that.
    """
    eye = np.zeros((len(numbers["theta"]), 3, 3)) + np.eye(3)
    rotation, shift, shear, zoom = (eye.copy() for _ in range(4))
    angle, slant = np.deg2rad(numbers["theta"]), np.deg2rad(numbers["shear"])
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(angle)
    rotation[:, 1, 0] = np.sin(angle)
    rotation[:, 0, 1] = -rotation[:, 1, 0]
    shift[:, 0, 2], shift[:, 1, 2] = numbers["tx"], numbers["ty"]
    shear[:, 0, 1], shear[:, 1, 1] = -np.sin(slant), np.cos(slant)
    zoom[:, 0, 0], zoom[:, 1, 1] = numbers["zx"], numbers["zy"]
    to_middle, back = np.eye(3), np.eye(3)
    to_middle[:2, 2] = [n / 2 - 0.5 for n in image]
    back[:2, 2] = -to_middle[:2, 2]
    matrices = to_middle @ (rotation @ shift @ shear @ zoom) @ back
    rows = (1, 0) if swapped else (0, 1)
    matrices = matrices[:, rows]
    return matrices[:, :, rows], matrices[:, :, 2]


def channels_shifted(x: Array, intensity: Array) -> Array:
    """Each image with a number added, and kept within its least and its largest number."""
    least, most = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)
    by = intensity.reshape(-1, 1, 1, 1)
    y: Array = x + (by.astype(x.dtype) if x.dtype.kind == "f" else by)
    np.clip(y, least, most, out=y)
    return y


def brightened(x: Array, brightness: Array, scale: bool) -> Array:
    """Each image as a picture of bytes times a number, as Pillow does it, in float32.

    A picture reaches from 0 to 255 if ``scale`` says so or the image goes beyond; in the latter
    case, without ``scale``, the image's own limits are put back. The fourth channel is left alone.
    """
    x = np.asarray(x, np.float32)
    least, most = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)
    beyond = (least < 0) | (most > 255)
    stretch = beyond | scale
    span = np.where(stretch & (most > least), most - least, 1)
    pixels = np.where(stretch, (x - least) / span * 255, x) if stretch.any() else x
    pixels = pixels.astype(np.uint8).astype(np.float32)
    factor = brightness.astype(np.float32).reshape(-1, 1, 1, 1)
    colours = slice(0, 3 if x.shape[-1] == 4 else None)
    coloured = pixels[..., colours]
    coloured *= factor
    np.clip(coloured, 0, 255, out=coloured)
    np.trunc(coloured, out=coloured)
    if beyond.any() and not scale:
        return np.where(beyond, pixels / 255 * (most - least) + least, pixels)
    return pixels


def single(who: str, x: Any, row_axis: int, col_axis: int, channel_axis: int) -> Array:
    """One picture with its axes so named, as (row, column, channel); the array's own memory."""
    x = np.asarray(x)
    axes = row_axis, col_axis, channel_axis
    if x.ndim != 3 or x.dtype.kind not in "biuf" or not x.size:
        raise DataError(f"{who}: expected one picture with three axes, got {shown(x)}.")
    if sorted(axes) != [0, 1, 2] or channel_axis == 1:
        raise ConfigError(
            f"{who}: expected row_axis, col_axis and channel_axis as 0, 1 and 2, the channels "
            f"first or last, got {axes}. For (H, W, C) they are 0, 1, 2."
        )
    picture: Array = x.transpose(axes)
    return picture


@checked
def apply_affine_transform(
    x: Array,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> Array:
    """One picture turned by theta degrees, shifted, sheared by degrees and zoomed about its middle.

    As in Keras the axes are those of (C, H, W) unless they are given. Raises ``DataError`` and
    ``ConfigError`` for what is no picture, and for other arguments.

    >>> x = np.arange(6.0).reshape(1, 2, 3)
    >>> apply_affine_transform(x, tx=1)[0].tolist()
    [[1.0, 2.0, 2.0], [4.0, 5.0, 5.0]]
    """
    who = "apply_affine_transform"
    picture = single(who, x, row_axis, col_axis, channel_axis)
    choice(who, "fill_mode", fill_mode, FILL_MODES)
    order = whole_number(who, "order", order, least=0, most=5)
    given = {"theta": theta, "tx": tx, "ty": ty, "shear": shear, "zx": zx, "zy": zy}
    if given == STILL:
        return np.array(x)
    numbers = {name: np.array([value], float) for name, value in given.items()}
    swapped = col_axis > row_axis
    matrices, offsets = placed(numbers, (picture.shape[0], picture.shape[1]), swapped)
    # The matrix counts the picture's axes as they lie, whatever they are called.
    batch = np.array(picture if swapped else picture.transpose(1, 0, 2))[None]
    resampled(batch, matrices, offsets, fill_mode, cval, order)
    return _as_it_was(batch[0] if swapped else batch[0].transpose(1, 0, 2), (row_axis, col_axis))


def _as_it_was(picture: Array, rows_and_columns: Sequence[int]) -> Array:
    row, column = rows_and_columns
    return np.ascontiguousarray(np.moveaxis(picture, (0, 1), (row, column)))


@checked
def random_rotation(
    x: Array,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """One picture turned by up to ``rg`` degrees either way; see ``apply_affine_transform``."""
    theta = random_state().uniform(-rg, rg)
    axes = row_axis, col_axis, channel_axis
    return apply_affine_transform(
        x, theta, 0, 0, 0, 1, 1, *axes, fill_mode, cval, interpolation_order
    )


@checked
def random_shift(
    x: Array,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """One picture shifted by up to those parts of its width and height, either way."""
    axes = row_axis, col_axis, channel_axis
    h, w, _ = single("random_shift", x, *axes).shape
    draw = random_state()
    tx, ty = draw.uniform(-hrg, hrg) * h, draw.uniform(-wrg, wrg) * w
    return apply_affine_transform(
        x, 0, tx, ty, 0, 1, 1, *axes, fill_mode, cval, interpolation_order
    )


@checked
def random_shear(
    x: Array,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """One picture sheared by up to ``intensity`` degrees either way."""
    shear = random_state().uniform(-intensity, intensity)
    axes = row_axis, col_axis, channel_axis
    return apply_affine_transform(
        x, 0, 0, 0, shear, 1, 1, *axes, fill_mode, cval, interpolation_order
    )


@checked
def random_zoom(
    x: Array,
    zoom_range: Sequence[float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """One picture of which both sides are zoomed by numbers from ``zoom_range``, (least, most)."""
    least, most = two_numbers("random_zoom", "zoom_range", zoom_range)
    zx, zy = random_state().uniform(least, most, 2)
    axes = row_axis, col_axis, channel_axis
    return apply_affine_transform(
        x, 0, 0, 0, 0, zx, zy, *axes, fill_mode, cval, interpolation_order
    )


def two_numbers(who: str, argument: str, value: Any) -> tuple[float, float]:
    """``value`` if it is (least, most); else raises ``ConfigError``."""
    try:
        least, most = map(float, value)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{who}: expected {argument} as two numbers, got {shown(value)}."
        ) from None
    return least, most


@checked
def apply_channel_shift(x: Array, intensity: float, channel_axis: int = 0) -> Array:
    """One picture with a number added, and kept within its least and its largest number.

    >>> apply_channel_shift(np.array([[[0.0, 1.0, 2.0]]]), 0.5).tolist()
    [[[0.5, 1.5, 2.0]]]
    """
    batch = single("apply_channel_shift", x, 0, 1, 2)[None]
    y: Array = channels_shifted(batch, np.array([intensity], float))[0]
    return y


@checked
def random_channel_shift(x: Array, intensity_range: float, channel_axis: int = 0) -> Array:
    """The same with a number of up to ``intensity_range`` either way."""
    intensity = random_state().uniform(-intensity_range, intensity_range)
    return apply_channel_shift(x, intensity, channel_axis)


@checked
def apply_brightness_shift(x: Array, brightness: float, scale: bool = True) -> Array:
    """One picture (H, W, C) as bytes times ``brightness``, as float32.

    ``scale`` brings its least number to 0 and its largest to 255 before.

    >>> apply_brightness_shift(np.array([[[0.0], [100.0], [200.0]]]), 0.5, scale=False).ravel()
    array([  0.,  50., 100.], dtype=float32)
    """
    batch = single("apply_brightness_shift", x, 0, 1, 2)[None]
    y: Array = brightened(batch, np.array([brightness], float), scale)[0]
    return y


@checked
def random_brightness(x: Array, brightness_range: Sequence[float], scale: bool = True) -> Array:
    """The same with a number from ``brightness_range``, (least, most)."""
    least, most = two_numbers("random_brightness", "brightness_range", brightness_range)
    return apply_brightness_shift(x, random_state().uniform(least, most), scale)
