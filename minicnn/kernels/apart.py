"""Windows that see few of an image's pixels, because these lie far apart.

With a large dilation or stride most of a padded image is met by no window, and what counts is
only what the windows see. So it is laid side by side, (kh, kw) pixels for each window and zeros
for those beyond the image, and windows of that size then move by as much as their size. In one
dimension, of three pixels with two of padding on each side, dilation 4 and a kernel of two:

    0 0 p q r 0 0   is seen as   (0 r) (0 0) (p 0)   by its three windows.

Backward, what each place gets is added to the pixel that it was.
"""

import math
from collections.abc import Iterator

import numpy as np

from minicnn._core.shapes import Array, Pair, Shape, Windows

FEW = 1 << 12
"""Pixels that are not worth a second look."""

PHASES = 1000
"""How many phases a dilated image may be cut into (see ``vectorized.kinds``) before that counts;
each takes about as long as to copy ``PHASE_PIXELS`` pixels."""
PHASE_PIXELS = 20


def far(image: Shape, place: Windows, dilation: Pair) -> bool:
    """Whether it is cheaper to lay side by side what windows on an image (H, W, ...) see.

    >>> place = Windows((2, 2), (1, 1), ((500, 500), (500, 500)), (8, 8))
    >>> far((8, 8, 3), place, (1000, 1000))
    True
    """
    padded = math.prod(n + sum(pads) for n, pads in zip(image[:2], place.pads, strict=True))
    seen, phases = math.prod(place.size) * math.prod(place.out), math.prod(dilation)
    return 4 * seen + FEW < padded or (phases > PHASES and seen < PHASE_PIXELS * phases)


def side_by_side(place: Windows) -> Windows:
    """How windows move over what they see, laid side by side."""
    return Windows(place.size, place.size, ((0, 0), (0, 0)), place.out)


def gathered(x: Array, place: Windows, dilation: Pair) -> Array:
    """What the windows see of images, side by side: (N, H' * kh, W' * kw, C)."""
    (kh, kw), (oh, ow) = place.size, place.out
    seen = np.zeros((len(x), oh, kh, ow, kw, x.shape[3]), x.dtype)
    for pixels, places in _met(x.shape[1:3], place, dilation):
        seen[places] = x[pixels]
    return seen.reshape(len(x), oh * kh, ow * kw, x.shape[3])


def scattered(seen: Array, shape: Shape, place: Windows, dilation: Pair) -> Array:
    """Images of that shape, each pixel the sum of all places where ``gathered`` has put it."""
    (kh, kw), (oh, ow) = place.size, place.out
    apart = seen.reshape(len(seen), oh, kh, ow, kw, shape[3])
    image = np.zeros(shape, seen.dtype)
    for pixels, places in _met(shape[1:3], place, dilation):
        image[pixels] += apart[places]
    return image


def _met(
    image: Shape, place: Windows, dilation: Pair
) -> Iterator[tuple[tuple[slice, ...], tuple[slice | int, ...]]]:
    """For each pixel of the window: which of the image's it meets, and for which windows."""
    every = slice(None)
    down, across = (
        [_along(image[a], place.strides[a], i * dilation[a] - place.pads[a][0], place.out[a])
         for i in range(place.size[a])]
        for a in (0, 1)
    )  # fmt: skip
    for i, (rows, high) in enumerate(down):
        for j, (columns, wide) in enumerate(across):
            yield (every, rows, columns), (every, high, i, wide, j)


def _along(n: int, stride: int, first: int, out: int) -> tuple[slice, slice]:
    """Of the pixels ``first``, first + stride, ... those among n, and which windows' they are."""
    begin = max(0, -(first // stride))
    end = max(begin, min(out, (n - 1 - first) // stride + 1))
    return slice(first + begin * stride, max(0, first + end * stride), stride), slice(begin, end)
