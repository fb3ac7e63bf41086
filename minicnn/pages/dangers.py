"""What is wrong with a run's data: what the doctor for data finds, and too few images."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data import Dataset
from minicnn.data.doctor import Finding, look

FEW = 50
"""Images of a class from which less is learned than people hope."""

FEW_TESTED = 200
"""With fewer test images an accuracy is known within 5 points or worse."""


class Part(NamedTuple):
    """The images that are learned from, or those that are tested on."""

    what: str
    x: Array
    classes: Array | None
    """The number of each image's class; None for labels of another kind."""


def dangers(parts: Sequence[Part], class_names: Sequence[str]) -> list[Finding]:
    """What is found in the training images, and in the test images.

    >>> x = np.zeros((8, 4, 4, 1), np.uint8)
    >>> [one.name for one in dangers([Part("training", x, None)], ())]
    ['constant images']
    """
    images = {
        part.what: _given(part, class_names)
        for part in parts
        if part.x.ndim in (3, 4) and len(part.x)
    }
    found = look(images)
    for part in parts:
        if part.classes is not None:
            found += _few(part)
    return found


def _given(part: Part, class_names: Sequence[str]) -> "Dataset | tuple[Array, None]":
    if part.classes is None:
        return part.x, None
    return Dataset(part.x, part.classes, tuple(map(str, class_names)))


def _few(part: Part) -> Iterator[Finding]:
    assert part.classes is not None
    counts = np.bincount(part.classes)
    least = counts[counts > 0].min()
    if part.what == "training" and least < FEW:
        yield Finding(
            "few images",
            f"A class has no more than {least:,} training images.",
            "Collect more, let layers such as RandomFlip and RandomTranslation make variants, or "
            "start from a network that was trained on more.",
        )
    if part.what == "test" and len(part.classes) < FEW_TESTED:
        points = 98 / np.sqrt(len(part.classes))
        yield Finding(
            "few test images",
            f"{len(part.classes):,} test images tell an accuracy within {points:.0f} points at "
            "worst.",
            "Test on more, or cross-validate: evaluation.cross_validate.",
        )
