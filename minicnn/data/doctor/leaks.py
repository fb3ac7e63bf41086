"""What a network must beat, and what gives a class away besides what is on the image."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.doctor.finding import WARNING, Finding
from minicnn.data.doctor.measuring import SIDE
from minicnn.data.doctor.models import GRID, Neighbours, linear, pixels
from minicnn.data.doctor.part import Part

TOLD = 0.98
"""The area under the ROC curve from which on one number tells a class from the others. Of no digit
of MNIST, whose 1 is darkest, does the brightness reach 0.95; without a reason, a class of 10 images
among 60 reaches 0.98 in fewer than one of a million orders."""

ENOUGH = 10
"""Images in a class, and in the others, of which that is asked."""

FEWEST = 40
GIVEN_AWAY = 0.95
BESIDES = 0.1
"""A border gives classes away when images that are next to each other in the order of one of its
pixels are so often of one class, and that much more often than for any place within, where things
are. Of 40 images in two equal classes chance gives 0.5, with a standard error of 0.08."""


class Baselines(NamedTuple):
    """Accuracies that cost nothing, which a network must beat."""

    on: str
    """Of which images: "test image", or the training images, each left out in turn."""
    samples: int
    commonest: str
    """The class that is commonest among them."""
    always: float
    """The accuracy of always answering that."""
    neighbour: float
    """Of the class of the most similar training image."""
    linear: float
    """Of a linear model of 16 x 16 pixels (ridge regression)."""


def baselines(train: Part, test: Part | None, likeness: list[Neighbours]) -> Baselines | None:
    """What is right without a network; None without classes, or of fewer than two."""
    y = train.classes
    part = train if test is None or test.classes is None or len(likeness) < 2 else test
    answers = part.classes
    if y is None or answers is None or len(np.unique(y)) < 2 or len(y) < 4:
        return None
    classes = int(max(y.max(), answers.max())) + 1
    lines = linear(
        pixels(train.measures.small),
        y,
        classes,
        None if part is train else pixels(part.measures.small),
    )
    of_lines = lines.left_out if lines.test is None else lines.test
    near = likeness[0 if part is train else 1].nearest
    counts = np.bincount(part.y if part.y is not None else answers)
    return Baselines(
        part.noun,
        len(answers),
        part.name(int(counts.argmax())),
        float(counts.max() / counts.sum()),
        float((y[near] == answers).mean()),
        float((of_lines == answers).mean()),
    )


def leaks(part: Part) -> Iterator[Finding]:
    """Brightness, contrast or borders that tell the class; sizes are told of in ``folder``."""
    y = part.classes
    if y is None:
        return
    m = part.measures
    for name, values in (("brightness", m.mean), ("contrast", m.spread)):
        told = telling(values, y)
        if told:
            most = ", ".join(part.name(k) for k in told)
            inside, others = (float(np.median(values[pick])) for pick in _sides(y, told[0]))
            digits = 2 if part.top <= 1 else 0
            yield Finding(
                f"{name} gives the class away",
                f"The mean {name} of an image alone tells class {most} from the others: "
                f"{inside:.{digits}f} at the middle, against {others:.{digits}f}."
                if name == "brightness"
                else f"The contrast of an image alone tells class {most} from the others: pixels "
                f"deviate by {inside:.{digits}f}, against {others:.{digits}f}.",
                "Was this class photographed or stored in another way? A network learns that, not "
                "what is on the image. Make all alike, or add RandomBrightness and RandomContrast.",
            )
            return
    yield from _borders(part, y)


def _sides(y: Array, k: int) -> tuple[Array, Array]:
    return y == k, y != k


def telling(values: Array, y: Array) -> list[int]:
    """The classes that a number tells from all others."""
    ranks = _ranks(values)
    found = []
    for k in np.unique(y):
        here = y == k
        n, others = int(here.sum()), int((~here).sum())
        if min(n, others) < ENOUGH:
            continue
        area = (float(ranks[here].sum()) - n * (n + 1) / 2) / (n * others)
        if max(area, 1 - area) >= TOLD:
            found.append(int(k))
    return found


def _ranks(values: Array) -> Array:
    """From 1 on; equal ones share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def _borders(part: Part, y: Array) -> Iterator[Finding]:
    """A place at the border whose pixels alone tell the class: a frame, a mark, a cut."""
    n, classes = len(y), np.bincount(y)
    if n < FEWEST or (classes >= ENOUGH).sum() < 2:
        return
    mixed = np.random.default_rng(0).permutation(n)  # so that equal numbers are in no order
    small, labels = part.measures.small[mixed], y[mixed]
    places = [(r, c) for r in range(SIDE) for c in range(SIDE) if {r, c} & {0, SIDE - 1}]
    rows, columns = np.array(places).T
    of_border = _alike(small[:, rows, columns], labels)
    best, at = float(of_border.max()), places[int(of_border.argmax())]
    if best < GIVEN_AWAY:
        return
    inner = _alike(pixels(small[:, 2:-2, 2:-2]).reshape(n, GRID**2, -1), labels).max()
    if best < inner + BESIDES:
        return
    yield Finding(
        "borders give the class away",
        f"In the order of the pixels of one place at the border (row {at[0] + 1}, column "
        f"{at[1] + 1} of {SIDE} x {SIDE}) {best:.1%} of the {part.noun}s follow one of their "
        f"class; within, at best {inner:.1%}.",
        "Look at the borders: frames, marks or cuts that differ by class. Cut them off "
        "(Cropping2D), or make the images anew.",
        WARNING,
    )


def _alike(values: Array, labels: Array) -> Array:
    """Of each place (n, places, C), how often images in the order of it follow their own class."""
    ordered = labels[np.argsort(values, axis=0, kind="stable")]
    return np.asarray((ordered[1:] == ordered[:-1]).mean(axis=0).max(axis=1))
