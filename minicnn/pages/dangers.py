"""What is wrong with data before anything is learned from them."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn.explain.diagnosis.finding import Finding

FEW = 50
"""Images of a class from which less is learned than people hope."""

FEW_TESTED = 200
"""With fewer test images an accuracy is known within 5 points or worse."""

UNEVEN = 3.0
"""How many times the images of the smallest class the largest may have."""

NAMED = 5
"""Examples in a sentence."""


class Part(NamedTuple):
    """The images that are learned from, or those that are tested on."""

    what: str
    x: Array
    classes: Array | None
    """The number of each image's class; None for labels of another kind."""


def dangers(parts: Sequence[Part], class_names: Sequence[str]) -> list[Finding]:
    """What is found in the training images, and in the test images.

    >>> x = np.zeros((2, 4, 4, 1), np.uint8)
    >>> [one.name for one in dangers([Part("training", x, None)], ())]
    ['duplicates', 'constant images']
    """
    found: list[Finding] = []
    for part in parts:
        if part.classes is not None:
            found += _counts(part, class_names)
    if len(parts) == 2:
        found += _ranges(*parts)
    found += _duplicates(parts)
    for part in parts:
        found += _constant(part)
    return found


def _counts(part: Part, class_names: Sequence[str]) -> Iterator[Finding]:
    assert part.classes is not None
    n = max(len(class_names), int(part.classes.max()) + 1)
    counts = np.bincount(part.classes, minlength=n)
    names = [str(class_names[i]) if i < len(class_names) else str(i) for i in range(n)]
    if not counts.all():
        none = [name for name, count in zip(names, counts, strict=True) if not count]
        yield Finding(
            "missing classes",
            f"There is no {part.what} image of {_listed(none)}.",
            "Add some, or take the class away: nothing is learned or known of it.",
        )
    there = counts[counts > 0]
    if len(there) > 1 and there.max() >= UNEVEN * there.min():
        most, least = int(counts.argmax()), int(np.where(counts, counts, counts.max()).argmin())
        yield Finding(
            "imbalance",
            f"Of the {part.what} images {counts[most]:,} are of {names[most]}, and "
            f"{counts[least]:,} of {names[least]}.",
            "Look at each class' recall rather than at the accuracy; class_weight= of fit, or "
            "more images of the rare class, help it.",
        )
    if part.what == "training" and there.min() < FEW:
        yield Finding(
            "few images",
            f"A class has no more than {there.min():,} training images.",
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


def _ranges(train: Part, test: Part) -> Iterator[Finding]:
    """Images of which one kind was scaled and the other was not."""
    high = [max(float(part.x.max()), -float(part.x.min())) for part in (train, test)]
    if min(high) > 0 and max(high) > 10 * min(high):
        yield Finding(
            "other ranges",
            f"The training images reach {high[0]:.3g}, the test images {high[1]:.3g}.",
            "Scale both alike.",
        )


def _duplicates(parts: Sequence[Part]) -> Iterator[Finding]:
    """Images that are there twice, byte for byte."""
    first: dict[bytes, tuple[int, int]] = {}
    pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
    dtype = np.result_type(*(part.x for part in parts)) if parts else np.float64
    for p, part in enumerate(parts):
        for i, image in enumerate(part.x):
            content = np.ascontiguousarray(image, dtype).data
            key = hashlib.blake2b(content, digest_size=16).digest()
            q, j = first.setdefault(key, (p, i))
            if (q, j) != (p, i):
                pairs.setdefault((q, p), []).append((j, i))
    for (q, p), found in pairs.items():
        within = q == p
        examples = _listed([f"{j} and {i}" if within else f"{i} is {j}" for j, i in found])
        count = f"{len(found):,} {parts[p].what} image{'s' * (len(found) != 1)}"
        is_, where = ("is", "are")[len(found) != 1], "another one" if within else "a training image"
        others = _with_other_labels(parts[q], parts[p], found)
        more = f" {others:,} of them with another label." * bool(others)
        yield Finding(
            "duplicates" if within else "test images in training",
            f"{count} {is_} byte for byte {where}: {examples}.{more}",
            "Take them out of the training images: what was seen is no test."
            if not within
            else "Keep one of each; those with two labels cannot both be right."
            if others
            else "Keep one of each.",
        )


def _with_other_labels(one: Part, other: Part, found: Sequence[tuple[int, int]]) -> int:
    if one.classes is None or other.classes is None:
        return 0
    return sum(bool(one.classes[j] != other.classes[i]) for j, i in found)


def _constant(part: Part) -> Iterator[Finding]:
    """Images of one colour."""
    rows = part.x.reshape(len(part.x), -1)
    same = np.flatnonzero(rows.max(axis=1) == rows.min(axis=1))
    if len(same):
        yield Finding(
            "constant images",
            f"{len(same):,} {part.what} image{'s have' if len(same) > 1 else ' has'} the same "
            f"number everywhere: {_listed(list(map(str, same)))}.",
            "Look at them, and take out what was not read.",
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" * (len(names) > NAMED)
    return ", ".join(names[:NAMED]) + more
