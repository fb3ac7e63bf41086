"""Pictures that show the same: copies saved again, resized or made brighter, and a burst's frames.

Pictures show the same if they correlate by 0.98 when they are in grey and of 16 x 16 pixels. Not
every pair is looked at: the signs of 64 projections at random are a hash (Charikar's), in which
each bit of two pictures differs with the angle between them over 180 degrees, of which 0.98 is 11;
and two hashes that differ in at most 6 bits agree in one of 7 bands of bits, so that only pictures
that agree in a band are compared. 100,000 photographs of hands take 10 seconds of one core.

Seen: of 900 of the Sign Language Digits, where different people show the same sign before a plain
wall, none of different people correlates by more than 0.96; of their copies and those of the
course's cats, saved as JPEG of quality 30, resized, 15% brighter or with noise, 99% or more are
found. (The usual dHash, alone, takes 557 pairs of those people for copies.)
"""

import math
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import numpy as np

from minicnn._core.shapes import Array
from minicnn.errors import DataError, shown

DISTANCE = 6
"""Bits in which the hashes of two pictures of the same may differ."""

CORRELATION = 0.98
"""From which on small pictures show the same."""

SMALL = 16, 16

FINGERPRINT = np.dtype([("hash", np.uint64), ("small", np.int8, math.prod(SMALL))])

BLANK = 1.0
"""By how much less than this, of 255, a blank picture's pixels differ from their mean."""

AT_ONCE = 1 << 24
"""Bytes of images whose fingerprints are computed at once, and pairs that are compared so."""


def fingerprints(images: Array) -> Array:
    """What ``groups`` and ``pairs`` compare of images (n, H, W, C) or (n, H, W).

    An array (n,) of dtype ``FINGERPRINT``, to slice, join and store: "hash" uint64, and "small",
    the picture of 16 x 16 pixels in grey, without its mean, scaled to -127 ... 127. Raises
    ``DataError`` for images of another shape.

    >>> x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    >>> fingerprints(x)["hash"].shape
    (2,)
    """
    if images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise DataError(f"fingerprints: expected images (n, H, W, C), got {shown(images)}.")
    found = np.zeros(len(images), FINGERPRINT)
    step = max(1, AT_ONCE // (4 * (images[:1].size or 1)))
    for first in range(0, len(images), step):
        found[first : first + step] = _fingerprints(images[first : first + step])
    return found


def _fingerprints(images: Array) -> Array:
    grey = images.astype(np.float32) if images.ndim == 3 else _grey(images)
    if images.dtype != np.uint8:
        grey *= 255 / np.maximum(np.abs(grey).max(axis=(1, 2), keepdims=True), 1e-30)
    small = _means(grey.shape[1], SMALL[0]) @ grey @ _means(grey.shape[2], SMALL[1]).T
    small = small.reshape(len(small), -1)
    small -= small.mean(axis=1, keepdims=True)
    most = np.abs(small).max(axis=1, keepdims=True)
    small[most[:, 0] < BLANK] = 0
    found = np.zeros(len(images), FINGERPRINT)
    found["small"] = np.rint(small * (127 / np.maximum(most, BLANK)))
    bits = found["small"].astype(np.float32) @ _directions() > 0
    found["hash"] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return found


@cache
def _directions() -> Array:
    """What small pictures are multiplied by for the bits of the hash: 1 and -1 at random."""
    return np.random.default_rng(0).choice(np.array([1, -1], np.float32), (math.prod(SMALL), 64))


def _grey(images: Array) -> Array:
    """The mean of the channels, of which a fourth is the transparency."""
    channels = min(images.shape[3], 3)
    total = images[..., 0].astype(np.float32)
    for channel in range(1, channels):
        total += images[..., channel]
    return np.asarray(total / channels)


def _means(n: int, out: int) -> Array:
    """The weights (out, n) by which n pixels in a row become ``out``, each the mean of its part."""
    edges = np.linspace(0, n, out + 1)
    pixels = np.arange(n)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.maximum(overlap, 0) * (out / n), np.float32)


def groups(prints: Array, distance: int = DISTANCE) -> Array:
    """For each picture the index of the first one of its group, int64 (n,).

    A picture that shows the same as one of the group, within ``distance`` bits, belongs to it.

    >>> x = np.random.default_rng(0).integers(0, 200, (2, 32, 32, 3), dtype=np.uint8)
    >>> groups(fingerprints(np.concatenate([x, x[1:] + 9]))).tolist()
    [0, 1, 1]
    """
    unique, first, inverse = np.unique(prints, return_index=True, return_inverse=True)
    label = np.arange(len(unique))
    for i, j in _similar(unique, distance, label):
        join(label, i, j)
    found = np.full(len(unique), len(prints))
    np.minimum.at(found, label, first)
    return found[label][inverse.reshape(-1)]


def pairs(a: Array, b: Array, distance: int = DISTANCE) -> Array:
    """The pictures of b that show the same as some of a: (k, 2), an index into a and one into b.

    In ascending order. Of pictures in b with equal fingerprints only the first is named.

    >>> x = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    >>> pairs(fingerprints(x[2:]), fingerprints(x)).tolist()
    [[0, 2]]
    """
    unique, inverse = np.unique(np.concatenate([a, b]), return_inverse=True)
    inverse = inverse.reshape(-1)
    in_b = np.full(len(unique), -1)
    in_b[inverse[len(a) :][::-1]] = np.arange(len(b))[::-1]  # the first is put last
    in_a: list[list[int]] = [[] for _ in unique]
    for index, place in enumerate(inverse[: len(a)]):
        in_a[place].append(index)
    found = [(i, in_b[place]) for place in np.flatnonzero(in_b >= 0) for i in in_a[place]]
    for left, right in _similar(unique, distance):
        for p, q in zip([*left, *right], [*right, *left], strict=True):
            if in_b[q] >= 0:
                found.extend((i, in_b[q]) for i in in_a[p])
    return np.array(sorted(set(found)), np.int64).reshape(-1, 2)


def _similar(
    prints: Array, distance: int, label: Array | None = None
) -> Iterator[tuple[Array, Array]]:
    """Pairs of indices of pictures that show the same, of fingerprints that all differ; some twice.

    Without those that have the same ``label`` by then, if there is one. Raises ``DataError`` unless
    the distance is from 0 to 63 bits.
    """
    if not 0 <= distance < 64:
        raise DataError(f"duplicates: expected a distance from 0 to 63 bits, got {distance}.")
    hashes = prints["hash"].astype(np.uint64)
    edges = np.linspace(0, 64, distance + 2).astype(int)
    for low, high in pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64(2 ** int(high - low) - 1)
        order = np.argsort(band, kind="stable")
        band = band[order]
        # Each with the next one that agrees, then with the one after that, and so on.
        here, offset = np.arange(len(band) - 1), 1
        while len(here):
            here = here[here + offset < len(band)]
            here = here[band[here] == band[here + offset]]
            i, j = order[here], order[here + offset]
            near = np.bitwise_count(hashes[i] ^ hashes[j]) <= distance
            if label is not None:
                near &= label[i] != label[j]
            i, j = i[near], j[near]
            same = _correlate(prints["small"], i, j)
            if same.any():
                yield i[same], j[same]
            offset += 1


def _correlate(small: Array, i: Array, j: Array) -> Array:
    """Whether the small pictures of each pair correlate; blank ones do with each other."""
    found = np.zeros(len(i), bool)
    for first in range(0, len(i), AT_ONCE >> 12):
        part = slice(first, first + (AT_ONCE >> 12))
        a, b = (small[k[part]].astype(np.float32) for k in (i, j))
        ab, aa, bb = (np.einsum("ij,ij->i", x, y) for x, y in ((a, b), (a, a), (b, b)))
        found[part] = (ab >= CORRELATION * np.sqrt(aa * bb)) & ((aa > 0) == (bb > 0))
    return found


def join(label: Array, i: Array, j: Array) -> None:
    """Give the groups of each pair one label, the lowest index in them."""
    while True:
        low, high = np.minimum(label[i], label[j]), np.maximum(label[i], label[j])
        if (low == high).all():
            return
        np.minimum.at(label, high, low)
        while (label[label] != label).any():
            label[:] = label[label]
