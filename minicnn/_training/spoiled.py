"""What ``fit`` warns of in the data themselves: cheap looks at what would spoil the run.

``data.inspect`` looks at all of it, and at more.
"""

from collections.abc import Iterator

import numpy as np

from minicnn._core.console import warn
from minicnn._core.shapes import Array
from minicnn._training.mistakes import Mistake
from minicnn.data.fitting import Data, classes_of
from minicnn.data.loaders import Loader
from minicnn.data.streaming import SourceLoader

FEWEST = 100
"""Images of which one can tell: tests and demonstrations have fewer."""

BATCH = 32
"""Labels of a first batch that are hardly all the same by chance, unless nearly all others are."""

LOOKED_AT = 64
PLACES = 16
"""Images that are looked at, and the numbers of each that are compared first."""

ONE_CLASS, SORTED, CONSTANT, SEEN = (
    "labels constant",
    "labels sorted",
    "constant images",
    "validation images in training",
)


def advise_of(loader: Loader, held_out: Loader | None, shuffle: bool) -> None:
    """Warn, a line each, of data that spoil the run."""
    for one in spoiled(loader, held_out, shuffle):
        warn(f"fit: {one.said} {one.remedy}", UserWarning)


def spoiled(loader: Loader, held_out: Loader | None, shuffle: bool) -> Iterator[Mistake]:
    """What is wrong with the data of a run, of one input and one output."""
    data = loader.sample
    if len(data.xs) > 1 or len(data.ys) > 1 or isinstance(loader, SourceLoader):
        return
    classes = classes_of(data.y)
    if loader.in_memory:
        if data.samples < FEWEST:
            return
        if classes is not None:
            yield from _labels(classes, shuffle)
        yield from _constant(data.x)
        if held_out is not None and held_out.in_memory and len(held_out.sample.xs) == 1:
            yield from _seen(data, held_out.sample)
    elif classes is not None and len(classes) >= BATCH and (classes == classes[0]).all():
        yield Mistake(
            SORTED,
            f"all {len(classes)} labels of the first batch are {classes[0]}.",
            "Where the data are sorted by class, shuffle them before they are cut into batches.",
        )


def _labels(classes: Array, shuffle: bool) -> Iterator[Mistake]:
    """Labels of one class, or sorted ones that are taken in order."""
    changes = int((classes[1:] != classes[:-1]).sum())
    if not changes:
        yield Mistake(
            ONE_CLASS,
            f"all {len(classes):,} labels are {classes[0]}: there is nothing to tell apart.",
            "Look at how the labels are read: print(np.unique(y, return_counts=True)).",
        )
    elif not shuffle and changes < 2 * len(np.unique(classes)):
        yield Mistake(
            SORTED,
            f"the labels are sorted by class ({changes + 1} runs of {len(classes):,} labels), and "
            "shuffle=False takes them in order: it learns one class after the other.",
            "Leave shuffle=False out, or shuffle images and labels with one permutation.",
        )


def _constant(x: Array) -> Iterator[Mistake]:
    """Images of which most are of one number."""
    some = x[:: -(-len(x) // LOOKED_AT)]
    rows = some.reshape(len(some), -1)
    blank = int((rows.max(axis=1) == rows.min(axis=1)).sum()) if rows.shape[1] > 1 else 0
    if blank > len(some) / 2:
        yield Mistake(
            CONSTANT,
            f"of {len(some)} images that were looked at, {blank} have the same number everywhere.",
            "Look at how they were read: plots.plot_images(x[:16]).",
        )


def _seen(train: Data, validation: Data) -> Iterator[Mistake]:
    """Images to evaluate of which most are among those to train on."""
    x, other = train.x, validation.x
    if x.shape[1:] != other.shape[1:] or x.dtype != other.dtype:
        return
    some = other[:: -(-len(other) // LOOKED_AT)]
    rows, wanted = x.reshape(len(x), -1), some.reshape(len(some), -1)
    places = np.linspace(0, rows.shape[1] - 1, PLACES + 2).astype(int)[1:-1]
    keys: dict[bytes, int] = {key.tobytes(): i for i, key in enumerate(rows[:, places])}
    found = (keys.get(key.tobytes()) for key in wanted[:, places])
    same = sum(
        i is not None and bool((rows[i] == one).all()) for i, one in zip(found, wanted, strict=True)
    )
    if same > len(some) / 2:
        yield Mistake(
            SEEN,
            f"of {len(some)} validation images that were looked at, {same} are training images.",
            "Evaluate on images that it has not seen: validation_split=0.2, or a test file.",
        )
