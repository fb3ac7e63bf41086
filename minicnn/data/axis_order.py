"""Batches of an unexpected shape: what the shape tells, and the remedy."""

import math
from collections.abc import Sequence
from itertools import permutations

from minicnn._core.shapes import Shape
from minicnn.errors import ShapeError

COLOURS = (1, 3, 4)
"""Channels of pictures: grey, colours, colours with transparency."""

ORDERS = ((0, 2, 3, 1), (3, 0, 1, 2), (2, 0, 1, 3), (3, 1, 2, 0), (1, 2, 3, 0))
"""To (m, H, W, C) from (m, C, H, W), (H, W, C, m), (H, W, m, C), (C, H, W, m), (C, m, H, W)."""


def order_of(shape: Shape, m: int | None = None) -> tuple[int, ...] | None:
    """The transposition that makes (m, H, W, C) of pictures in another order.

    ``m`` is their number, if it is known. None when they are in order, or when it is unclear:
    pictures must have 1, 3 or 4 channels, and a height and width of 5 or more that are not far
    apart, which leaves out features such as (m, 3, 3, 512).

    >>> order_of((100, 3, 64, 64)), order_of((32, 32, 3, 500)), order_of((100, 64, 64, 3))
    ((0, 2, 3, 1), (3, 0, 1, 2), None)
    """
    known = m is not None and m != shape[0] and m not in COLOURS
    if len(shape) == 3:
        return (2, 0, 1) if known and shape[2] == m else None
    if len(shape) != 4 or (shape[3] in (*COLOURS, 2) and not known):
        return None
    for order in ORDERS if known else ORDERS[:2]:
        n, h, w, c = (shape[axis] for axis in order)
        if m is not None and n != m:
            continue
        sure = n == m if known else c == 3 or (h == w and order == ORDERS[0])
        if sure and c in COLOURS and min(h, w) > 4 and max(h, w) <= 4 * min(h, w):
            return order
    return None


def check_order(who: str, shape: Shape) -> None:
    """Raise ``ShapeError`` if a batch of that shape has its channels elsewhere than last."""
    if order := order_of(shape):
        raise ShapeError(
            f"{who}: expected images of shape (N, H, W, C), got {shape}. minicnn is channels-last: "
            f"try {transposition(order)}; if they are as they should be, start the model with "
            f"Input({shape[1:]})."
        )


def reshaped(features: int) -> str:
    """The call that makes square pictures of rows of that many numbers, or "".

    >>> reshaped(12288), reshaped(784), reshaped(12)
    ('x.reshape(-1, 64, 64, 3)', 'x.reshape(-1, 28, 28, 1)', '')
    """
    for channels in (3, 1):
        side = math.isqrt(features // channels)
        if side > 4 and side * side * channels == features:
            return f"x.reshape(-1, {side}, {side}, {channels})"
    return ""


def transposition(order: Sequence[int]) -> str:
    """NumPy's call, as a remedy."""
    return f"x.transpose({', '.join(map(str, order))})"


def remedy(expected: tuple[int | str, ...], shape: tuple[int | None, ...]) -> str:
    """The remedy for a batch of ``shape`` where (N, *expected) was expected, or "".

    A sentence with a space before it. Names among ``expected`` are axes of any size; the batch
    axis of ``shape`` is None between the layers of a model.

    >>> remedy((64, 64, 3), (10, 3, 64, 64))
    ' minicnn is channels-last: try x.transpose(0, 2, 3, 1).'
    """
    got = tuple(n or 0 for n in shape[1:])
    if shape[:1] == (None,):
        return _between_layers(expected, got)
    batch = tuple(n or 0 for n in shape)
    if expected == batch and len(batch) > 3:
        return f" The number of images is no part of the model's input: Input({got})."
    if len(expected) == 3:
        return _for_images(expected, batch)
    if len(expected) == 1:
        return _for_features(expected[0], batch)
    return " Put Flatten() before it." if len(expected) == 2 < len(batch) else ""


def _between_layers(expected: tuple[int | str, ...], got: Shape) -> str:
    if len(expected) == 3 and len(got) == 1:
        return " Put it before Flatten(), or Reshape((H, W, C)) before it."
    if len(expected) == 3 and len(got) == 2:
        return f" Of grey images the channel is an axis, too: {(*got, 1)}."
    if len(expected) < len(got) and len(expected) in (1, 2):
        return " Put Flatten() before it."
    return ""


def _for_images(expected: tuple[int | str, ...], batch: Shape) -> str:
    sizes = [n for n in expected if isinstance(n, int)]
    fixed = len(sizes) == 3
    *_, channels = expected
    if len(batch) == 4:
        if fixed and batch[1:3] == expected[:2] and batch[3] in COLOURS:
            return _other_channels(channels, batch[3])
        if fixed:
            orders = (*ORDERS, *permutations(range(4)))
            fits = [o for o in orders if [batch[axis] for axis in o[1:]] == sizes]
            order = fits[0] if fits else None
        else:
            order = order_of(batch)
        if order is None and channels in COLOURS and batch[1] == channels != batch[3]:
            order = ORDERS[0]
        if order is not None:
            return f" minicnn is channels-last: try {transposition(order)}."
        if batch[1:3] == expected[:2] or not fixed:
            return _other_channels(channels, batch[3])
        return (
            f" Resize the images (those of a folder by image_size={tuple(sizes[:2])}), or start "
            f"the model with Input({batch[1:]})."
        )
    if len(batch) == 3:
        if fixed and sizes[2] == batch[0] and (*batch[1:], batch[0]) == expected:
            return " For one image add the axis, channels last: x.transpose(1, 2, 0)[None]."
        if fixed and batch == expected:
            return " For one image add the axis: x[None]."
        if fixed and batch[1:] == expected[:2]:
            grey = "x[..., None]"
            if channels != 1:
                grey = f"np.repeat({grey}, {channels}, axis=-1)"
            return f" For images without channels add the axis: {grey}."
        return " For one image, or images without channels, add the axis: x[None], x[..., None]."
    if len(batch) == 2:
        if fixed and math.prod(sizes) in batch:
            turned = "" if batch[1] == math.prod(sizes) else ".T"
            return f" Rows of pixels become images: x{turned}.reshape{(-1, *sizes)}."
        if call := reshaped(batch[1]):
            return f" Rows of pixels become images: {call}."
    return ""


def _other_channels(expected: int | str, got: int) -> str:
    if (expected, got) == (1, 3):
        return " x.mean(axis=-1, keepdims=True) makes images grey."
    if (expected, got) == (3, 1):
        return " np.repeat(x, 3, axis=-1) gives grey images three channels."
    if (expected, got) == (3, 4):
        return " x[..., :3] leaves the transparency out."
    return ""


def _for_features(expected: int | str, batch: Shape) -> str:
    if len(batch) > 2:
        if math.prod(batch[1:]) == expected:
            return " Make rows of the images, x.reshape(len(x), -1), or start with Flatten()."
        return " Put Flatten() before it."
    if len(batch) == 2 and batch[0] == expected:
        return " One row is one sample: try x.T."
    if batch == (expected,):
        return " For one sample add the axis: x[None]."
    return f" Start the model with Input({batch[1:]})." if len(batch) == 2 else ""
