"""Between which numbers the pixels lie that a model was trained on, and those that it gets later.

A model that learned from pixels / 255 says something of 0 to 255 too, and nothing tells that it is
nonsense. So the range of the first images that ``fit`` is given is kept with the model, in its file
as well, and ``evaluate`` and ``predict`` say it when theirs is another.
"""

from typing import NamedTuple

import numpy as np

from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn.data.axis_order import COLOURS

LOOKED_AT = 8
"""The first images, which are looked at."""

SCALED, UNSCALED, WIDE = 1.5, 16.0, 1000.0
"""Pixels that were divided reach no more than the first, bytes more than the second, and those of
16 bits more than the third."""

BELOW = -0.25
"""The least number of images from -1 to 1 is less; resampling may take others a little below 0."""


class Pixels(NamedTuple):
    """The least and the greatest number of some images."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"from {self.low:.3g} to {self.high:.3g}"


def pixels_of(x: Array) -> Pixels | None:
    """Those of the first images; None of what are no images, or hold one number alone.

    >>> print(pixels_of(np.arange(32.0).reshape(2, 4, 4, 1)))
    from 0 to 31
    """
    if x.ndim != 4 or x.shape[3] not in COLOURS or not x.size or x.dtype.kind not in "uif":
        return None
    some = x[:LOOKED_AT]
    low, high = float(some.min()), float(some.max())
    return Pixels(low, high) if low < high < np.inf else None


def remedy(then: Pixels, x: Array) -> str:
    """What to do with images so that they lie where those of training lay; "" if they do.

    >>> remedy(Pixels(0, 1), np.arange(256).reshape(1, 16, 16, 1))
    'Divide them by 255, as it was done before training.'
    """
    now = pixels_of(x)
    if now is None:
        return ""
    if max(map(abs, then)) <= UNSCALED / 2 and now.high > UNSCALED:
        by = 255 if now.high <= 255 else 65535
        plain = then.low > -0.01 and then.high <= 1.01
        return (
            f"{f'Divide them by {by}' if plain else 'Scale them'}, as it was done before training."
        )
    if then.high > UNSCALED and now.high <= SCALED and x.dtype.kind == "f":
        return "Give them as they were before they were scaled, as in training."
    if UNSCALED < then.high <= 255 and now.high > WIDE:
        return "Divide them by 257: they have 16 bits a channel, and those of training had 8."
    signed = then.high <= SCALED and now.high <= SCALED
    if signed and then.low < BELOW and now.low >= 0 and len(x) >= LOOKED_AT:
        return "Scale them as it was done before training: 2 * x - 1 brings 0 to 1 to -1 to 1."
    if signed and then.low >= 0 and now.low < BELOW:
        return "Scale them as it was done before training: (x + 1) / 2 brings -1 to 1 to 0 to 1."
    return ""


def compare(who: str, then: Pixels | None, x: Array) -> None:
    """Warn of images that lie elsewhere than those that the model was trained on."""
    if then is not None and (what_to_do := remedy(then, x)):
        now = pixels_of(x)
        warn(f"{who}: images {now}, but the model was trained on images {then}. {what_to_do}")
