"""Findings about images that are there twice: byte for byte, or nearly."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.doctor.finding import ADVICE, WARNING, Finding, listed, number_of
from minicnn.data.doctor.models import Neighbours, neighbours, pixels, unit
from minicnn.data.doctor.part import Part

NEAR = 0.02
NEARER = 0.08
"""Near duplicates are apart (1 - correlation of 16 x 16 pixels in colour) by less than the first,
and by less than the second part of the median distance to the nearest other image. Other noise,
light or JPEG of quality 50 moves images by 0.001 to 0.01; of 1,000 drawn hands, and of photographs
of cats and hands, no two different ones come nearer than 0.18 of the median."""


CHANCE = 0.2
"""The near duplicates that a set may have by chance."""


class Pair(NamedTuple):
    """Two images that are the same, of which ``one`` comes first."""

    one: tuple[int, int]
    other: tuple[int, int]
    """(part, place among those that are looked at)."""
    exact: bool


def likenesses(train: Part, test: Part | None) -> list[Neighbours]:
    """The neighbours within the training images, and of each test image among these and within."""
    rows = unit(_rows(train))
    found = [neighbours(rows)]
    if test is not None and test.measures.small.shape[-1] == train.measures.small.shape[-1]:
        others = unit(_rows(test))
        found += [neighbours(others, rows), neighbours(others)]
    return found


def _rows(part: Part) -> Array:
    return pixels(part.measures.small)


def twins(parts: Sequence[Part], likeness: Sequence[Neighbours]) -> Iterator[Finding]:
    """Images that are there twice, within a part or in both."""
    pairs = _exact(parts)
    known = {pair.other for pair in pairs}
    places = [(0, 0), (1, 0), (1, 1)][: len(likeness)]
    for (p, q), found in zip(places, likeness, strict=True):
        near = found.distance < threshold(likeness[0].distance, len(found.distance))
        for i in np.flatnonzero(near):
            one, other = (q, int(found.nearest[i])), (p, int(i))
            if p == q and one > other:
                one, other = other, one
            if other not in known and _seen(parts, one) and _seen(parts, other):
                known.add(other)
                pairs.append(Pair(one, other, exact=False))
    for p, q in places:
        some = [pair for pair in pairs if (pair.other[0], pair.one[0]) == (p, q)]
        for exact in (True, False):
            if group := [pair for pair in some if pair.exact == exact]:
                yield _finding(parts, group)


def threshold(distances: Array, images: int) -> float:
    """The distance below which images are near duplicates.

    Distances to the nearest other one are taken to follow a Weibull law, as they do where images
    fill a space evenly: its shape comes from quantiles, of the lower or the upper half, as many
    duplicates spoil the lower one. Below the threshold chance brings ``CHANCE`` images or fewer.
    """
    low, middle, high = np.quantile(distances, (0.1, 0.5, 0.75))
    if not middle:
        return 0.0
    shapes = [
        np.log(np.log(2) / -np.log(0.9)) / np.log(middle / low) if 0 < low < middle else 0.0,
        np.log(2) / np.log(high / middle) if high > middle else 0.0,
    ]
    rare = (CHANCE / (np.log(2) * images)) ** (1 / max(*shapes, 0.5))
    return float(min(NEAR, min(NEARER, rare) * middle))


def _seen(parts: Sequence[Part], image: tuple[int, int]) -> bool:
    """Whether there is something to be seen: all constant images are alike."""
    part, m = parts[image[0]], parts[image[0]].measures
    return bool(m.spread[image[1]] > 0.01 * part.top)


def _exact(parts: Sequence[Part]) -> list[Pair]:
    first: dict[bytes, tuple[int, int]] = {}
    pairs = []
    for p, part in enumerate(parts):
        for i, digest in enumerate(part.measures.digests):
            one = first.setdefault(digest, (p, i))
            if one != (p, i) and part.measures.high[i] > part.measures.low[i]:
                pairs.append(Pair(one, (p, i), exact=True))
    return pairs


def _finding(parts: Sequence[Part], pairs: Sequence[Pair]) -> Finding:
    (q, _), (p, _), exact = pairs[0]
    one, other, within = parts[q], parts[p], p == q
    places = [(int(one.index[a[1]]), int(other.index[b[1]])) for a, b, _ in pairs]

    def called(part: Part, i: int) -> str:
        return part.files[i] if part.files else f"{i}"

    what = "is" if exact else "is nearly"
    if within:
        examples = [f"{called(other, j)} {what} {called(one, i)}" for i, j in places]
    else:
        examples = [
            f"test image {called(other, j)} {what} training image {called(one, i)}"
            for i, j in places
        ]
    unlike = [
        j
        for (i, j) in places
        if one.y is not None and other.y is not None and one.y[i] != other.y[j]
    ]
    count = number_of(len(places), other.noun, "is")
    how = "byte for byte" if exact else "nearly, pixel for pixel,"
    where = "another one" if within else "a training image"
    more = ""
    if unlike:
        more = f" {len(unlike):,} of them with another label: {other.called(unlike)}."
    kind = "duplicates" if exact else "near duplicates"
    name = kind if within else f"test images in training{'' if exact else ', nearly'}"
    if within:
        remedy = "Keep one of each." if exact else "Look at them, and keep one of each."
        if unlike:
            remedy += " Of two labels for one image, one is wrong."
    else:
        remedy = "Take them out of one of the two: what was seen is no test."
    severity = WARNING if unlike or not within else ADVICE
    places_of = {other.what: sorted({j for _, j in places})}
    places_of.setdefault(one.what, sorted({i for i, _ in places}))
    return Finding(
        name, f"{count} {how} {where}: {listed(examples, 3)}.{more}", remedy, severity, places_of
    )
