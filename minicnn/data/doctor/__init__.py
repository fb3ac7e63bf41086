"""The doctor for data: what would spoil a training, found before it; silent when all is well.

Each module has one family of findings, as functions that look at a ``Part`` and give ``Finding``s.
``inspect`` calls them, what must be put right first coming first.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from minicnn.data.doctor import labels, leaks, pixels, twins
from minicnn.data.doctor.doubts import Doubt as Doubt
from minicnn.data.doctor.doubts import doubted
from minicnn.data.doctor.finding import Finding as Finding
from minicnn.data.doctor.finding import severity_first
from minicnn.data.doctor.inspection import Inspection as Inspection
from minicnn.data.doctor.leaks import baselines
from minicnn.data.doctor.models import Neighbours
from minicnn.data.doctor.part import Part
from minicnn.data.doctor.reading import part_of


def inspect(
    train: Any,
    test: Any = None,
    *,
    x_key: str | None = None,
    y_key: str | None = None,
    seed: int = 0,
) -> Inspection:
    """Look at data before a network learns from them: what is wrong, and what must be beaten.

    ``train`` and ``test`` are an HDF5 file, a folder with a folder of pictures for each class, a
    ``Dataset``, or (x, y) with images (m, H, W, C) and class numbers or one-hot rows. ``x_key`` and
    ``y_key`` name the datasets of a file. Of more than 10,000 images a sample is looked at, which
    ``seed`` draws. On sound data ``findings`` is empty. Raises ``DataError`` for what cannot be
    read.

    >>> x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    >>> found = data.inspect((x, np.arange(60) % 3), (x[17:18], np.array([2])))
    >>> [one.name for one in found.findings]
    ['classes not in the test', 'test images in training']
    >>> found.findings[1].where
    {'test': [0], 'training': [17]}
    """
    alone = test is None
    first = part_of(train, "training", alone, x_key, y_key, seed)
    second = None if alone else part_of(test, "test", alone, x_key, y_key, seed)
    parts = [first] if second is None else [first, second]
    found, likeness = _found(first, second)
    doubts, finding = doubted(parts, seed)
    return Inspection(
        severity_first([*found, *finding]),
        doubts,
        baselines(first, second, likeness),
        tuple(parts),
    )


def look(parts: Mapping[str, Any], seed: int = 0) -> list[Finding]:
    """What ``inspect`` finds in "training" and "test" data, of which one may be missing.

    No model is trained, so that labels are not doubted.

    >>> [one.name for one in look({"test": (np.zeros((20, 8, 8, 3), np.uint8), np.arange(20) % 2)})]
    ['constant images']
    """
    alone = len(parts) == 1
    read = [part_of(given, what, alone, None, None, seed) for what, given in parts.items()]
    return severity_first(_found(*read)[0]) if read else []


def _found(train: Part, test: Part | None = None) -> tuple[list[Finding], list[Neighbours]]:
    """The findings, and how like each other the images are."""
    parts = [train] if test is None else [train, test]
    found = [one for part in parts for one in part.findings]
    found += _of_parts(train, test)
    likeness = twins.likenesses(train, test)
    found += twins.twins(parts, likeness)
    found += leaks.leaks(train)
    return found, likeness


def _of_parts(train: Part, test: Part | None) -> Iterator[Finding]:
    """Findings of the labels and pixels of each part, and of how they go together."""
    for part in (train, test):
        if part is not None:
            yield from labels.balance(part, None if part is train else train)
            yield from labels.order(part)
            yield from pixels.ranges(part)
            yield from pixels.nothing(part)
            yield from pixels.colours(part)
            yield from pixels.inverted(part)
    if test is not None:
        yield from labels.kinds(train, test)
        yield from pixels.apart(train, test)
