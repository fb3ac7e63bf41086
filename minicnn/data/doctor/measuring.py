"""What is computed of each image, once: a few numbers, and a small picture."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minicnn._core.shapes import Array

SIDE = 32
"""Pixels along each side of the small pictures, from which models and likenesses are computed."""

FLAT = 1e-4
"""The part of the range within which all pixels of a constant image lie."""


@dataclass
class Measures:
    """Numbers of n images, in the range that the images have."""

    low: Array
    high: Array
    mean: Array
    spread: Array
    """The standard deviation of the pixels."""
    detail: Array
    """The variance of the Laplacian of the grey picture: small for a blurred one."""
    grey: Array
    """Whether all channels are equal; never for one channel."""
    broken: Array
    """How many pixels are NaN or infinite."""
    digests: list[bytes]
    """Equal for images that are equal byte for byte."""
    small: Array
    """(n, SIDE, SIDE, C), float32, with C of 1 or 3."""

    def __len__(self) -> int:
        return len(self.low)


def measured(blocks: Iterable[Array]) -> Measures:
    """The measures of images that come in blocks (n, H, W, C), each of one size and dtype.

    >>> m = measured([np.zeros((2, 8, 8, 1), np.uint8), np.ones((1, 4, 6, 3))])
    >>> len(m), m.high.tolist(), m.small.shape
    (3, [0.0, 0.0, 1.0], (3, 32, 32, 3))
    """
    parts = [_block(block) for block in blocks]
    digests = [digest for part in parts for digest in part.digests]
    channels = max((part.small.shape[-1] for part in parts), default=1)
    small = [np.broadcast_to(p.small, (*p.small.shape[:3], channels)) for p in parts]
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("low", "high", "mean", "spread", "detail", "grey", "broken")
    }
    return Measures(**joined, digests=digests, small=np.concatenate(small))


def _block(x: Array) -> Measures:
    digests = [
        hashlib.blake2b(np.ascontiguousarray(one).data, digest_size=12).digest() for one in x
    ]
    values = x.astype(np.float32)
    broken = np.zeros(len(x), np.int64)
    if x.dtype.kind == "f":
        finite = np.isfinite(values)
        broken = (~finite).sum(axis=(1, 2, 3))
        if broken.any():
            values = np.where(finite, values, 0)
    c = values.shape[3]
    colours = values[..., :3] if c >= 3 else values[..., :1]
    pictures: Array = colours[..., 0]
    same = np.zeros(len(x), bool)
    if c >= 3:  # by slices: NumPy is slow along three numbers
        red, green, blue = (colours[..., k] for k in range(3))
        same = ((red == green) & (green == blue)).all(axis=(1, 2))
        pictures = (red + green + blue) / 3
    rows = values.reshape(len(x), -1)
    return Measures(
        low=rows.min(axis=1),
        high=rows.max(axis=1),
        mean=rows.mean(axis=1),
        spread=rows.std(axis=1),
        detail=laplacian(pictures).var(axis=(1, 2)),
        grey=same,
        broken=broken,
        digests=digests,
        small=shrunk(colours, SIDE),
    )


def laplacian(pictures: Array) -> Array:
    """4 times each inner pixel of (n, H, W) less its four neighbours; zero for tiny pictures."""
    if min(pictures.shape[1:]) < 3:
        return np.zeros((len(pictures), 1, 1), np.float32)
    inner = pictures[:, 1:-1, 1:-1]
    vertical = pictures[:, :-2, 1:-1] + pictures[:, 2:, 1:-1]
    return np.asarray(4 * inner - vertical - pictures[:, 1:-1, :-2] - pictures[:, 1:-1, 2:])


def shrunk(x: Array, side: int) -> Array:
    """Images (n, H, W, C) as means over side x side rectangles; smaller ones are repeated."""
    for axis in (1, 2):
        n = x.shape[axis]
        if n < side:
            x = np.take(x, np.arange(side) * n // side, axis=axis)
        elif n > side:
            edges = np.arange(side + 1) * n // side
            sums = np.add.reduceat(x, edges[:-1], axis=axis)
            shape = [1, 1, 1, 1]
            shape[axis] = side
            x = sums / np.diff(edges).astype(x.dtype).reshape(shape)
    return np.ascontiguousarray(x, np.float32)
