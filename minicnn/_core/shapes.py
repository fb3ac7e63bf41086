"""Integer arithmetic of images and windows, and the names of array types.

A window (a kernel or a pool) of k pixels moves over n pixels in steps of s,
after ``before`` and ``after`` pixels were added at the two ends. It fits

    floor((n + before + after - k) / s) + 1

times. ``"valid"`` adds nothing. ``"same"`` adds what it takes to make the
output ceil(n / s) long, the odd pixel at the far end, as Keras and TensorFlow do:

    total = max((ceil(n / s) - 1) * s + k - n, 0),  before = total // 2.

A dilated window, whose pixels are d apart, reaches over (k - 1) * d + 1 pixels, and that is its k.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from minicnn._core.suggestions import did_you_mean
from minicnn.errors import ConfigError, ShapeError, shown

Array: TypeAlias = npt.NDArray[Any]
DType: TypeAlias = np.dtype[Any]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[Pair, Pair]
"""((top, bottom), (left, right)), in pixels."""
Padding: TypeAlias = str | int | Sequence[int | Sequence[int]]
"""``"valid"``, ``"same"``, p, (p_height, p_width) or ((top, bottom), (left, right))."""


FEW = 32
"""Numbers that may be added one after another in single precision; more lose digits."""

LARGEST_IMAGE = 1 << 28
"""Pixels of an image with its padding; no memory holds many of them."""


class Windows(NamedTuple):
    """How a window moves over an image, with every number decided."""

    size: Pair
    """Its pixels down and across, however far apart they are."""
    strides: Pair
    pads: Pads
    out: Pair
    """(height, width) of what comes out: the number of places the window takes."""


def sum_dtype(dtype: DType, terms: int) -> DType:
    """The precision in which so many numbers may be added one after another.

    NumPy adds cleverly along the last axis of an array alone; along any other a thousand numbers
    in single precision cost two of its seven digits.

    >>> [sum_dtype(np.dtype("float32"), terms).name for terms in (9, 900)]
    ['float32', 'float64']
    """
    return np.result_type(dtype, np.float64) if terms > FEW else dtype


def pair(who: str, argument: str, value: int | Sequence[int], least: int = 1) -> Pair:
    """One whole number for height and width, or one for each, as (height, width).

    >>> pair("MaxPool", "pool_size", 2), pair("MaxPool", "pool_size", (3, 2))
    ((2, 2), (3, 2))
    """
    both = (value, value) if isinstance(value, int | np.integer) else value
    if (
        not isinstance(both, Sequence)
        or len(both) != 2
        or not all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in both)
        or min(both) < least
    ):
        raise ConfigError(
            f"{who}: expected {argument} as one whole number of at least {least} "
            f"or a pair of them, got {shown(value)}."
        )
    return int(both[0]), int(both[1])


def check_axis(who: str, axis: int) -> None:
    """Raise ``ConfigError`` unless ``axis`` is a whole number and not that of the batch."""
    if not isinstance(axis, int) or isinstance(axis, bool) or axis == 0:
        raise ConfigError(
            f"{who}: expected axis as a whole number other than 0, the batch, got {axis!r}."
        )


def axis_of(who: str, axis: int, input_shape: Shape) -> int:
    """Which axis of a batch ``axis`` is, counted from the front; 1 is the first of an image's.

    Raises ``ShapeError`` when inputs of ``input_shape`` have no such axis.

    >>> axis_of("Softmax", -1, (8, 8, 3)), axis_of("Softmax", 1, (8, 8, 3))
    (3, 1)
    """
    found = axis if axis > 0 else axis + len(input_shape) + 1
    if not 1 <= found <= len(input_shape):
        shape = ", ".join(["N", *map(str, input_shape)])
        raise ShapeError(f"{who}: expected input with an axis {axis}, got shape ({shape}).")
    return found


def same_pads(n: int, k: int, s: int) -> Pair:
    """The pixels that ``"same"`` adds before and after n pixels.

    >>> same_pads(64, 4, 1), same_pads(8, 2, 1)  # the course's two kernels
    ((1, 2), (0, 1))
    """
    total = max((-(-n // s) - 1) * s + k - n, 0)
    return total // 2, total - total // 2


def check_padding(who: str, padding: Padding) -> Padding:
    """``padding``, its name in small letters; ``ConfigError`` unless it is of a form it may take.

    >>> check_padding("Conv2D", "SAME")
    'same'
    """
    if isinstance(padding, str) and padding.lower() in ("valid", "same"):
        return "same" if padding.lower() == "same" else "valid"
    _explicit_pads(who, padding)
    return padding


def windows(
    who: str,
    image: Pair,
    size: Pair,
    strides: Pair,
    padding: Padding = "valid",
    dilation: Pair = (1, 1),
) -> Windows:
    """Place a window on an image, or raise ``ShapeError`` when it does not fit.

    >>> windows("Conv2D", (64, 64), (4, 4), (1, 1), "same")
    Windows(size=(4, 4), strides=(1, 1), pads=((1, 2), (1, 2)), out=(64, 64))
    >>> windows("Conv2D", (64, 64), (4, 4), (1, 1), "same", (2, 3)).pads
    ((3, 3), (4, 5))
    """
    reach = (size[0] - 1) * dilation[0] + 1, (size[1] - 1) * dilation[1] + 1
    pads: Pads
    if padding == "valid":
        pads = ((0, 0), (0, 0))
    elif padding == "same":
        pads = (
            same_pads(image[0], reach[0], strides[0]),
            same_pads(image[1], reach[1], strides[1]),
        )
    else:
        pads = _explicit_pads(who, padding)
    if (image[0] + sum(pads[0])) * (image[1] + sum(pads[1])) > LARGEST_IMAGE:
        raise ShapeError(
            f"{who}: expected an image of at most {LARGEST_IMAGE:,} pixels with its padding, "
            f"got {image[0]}x{image[1]} with {pads}."
        )
    if any(n + sum(p) < k for n, k, p in zip(image, reach, pads, strict=True)):
        added = "" if pads == ((0, 0), (0, 0)) else f" with padding {pads}"
        raise ShapeError(
            f"{who}: expected an image of at least {reach[0]}x{reach[1]} pixels for its window, "
            f"got {image[0]}x{image[1]}{added}. {_smaller(image)}"
        )
    out = (
        (image[0] + sum(pads[0]) - reach[0]) // strides[0] + 1,
        (image[1] + sum(pads[1]) - reach[1]) // strides[1] + 1,
    )
    # A step that is longer than all of it is never taken.
    down, across = (
        min(s, max(n + sum(p), 1)) for s, n, p in zip(strides, image, pads, strict=True)
    )
    return Windows(size, (down, across), pads, out)


def _smaller(image: Pair) -> str:
    if image[0] in (1, 3) and image[1] > 4:
        return f"If {image[0]} is the channels, they come last here: Input((H, W, {image[0]}))."
    return "Use a smaller window or padding='same'."


def _explicit_pads(who: str, padding: Padding) -> Pads:
    both: Any = padding if isinstance(padding, Sequence) and len(padding) == 2 else (padding,) * 2
    try:
        return pair(who, "padding", both[0], least=0), pair(who, "padding", both[1], least=0)
    except ConfigError:
        raise ConfigError(
            f"{who}: expected padding 'valid', 'same', a number of pixels, a pair of them or "
            f"((top, bottom), (left, right)), got {shown(padding)}."
            + did_you_mean(padding, ("valid", "same"))
        ) from None
