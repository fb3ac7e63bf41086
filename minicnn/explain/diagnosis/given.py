"""Ailments of what a run is given: its images and its labels."""

import math
from collections.abc import Iterator

import numpy as np

from minicnn._core.shapes import Array
from minicnn._training.mistakes import AXES, SCALED_TWICE, UNSCALED
from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.finding import Finding

SAMPLES = 400
"""Images among which neighbours are looked for."""

SIDE = 8
"""Places along each axis of the small images that are compared."""

SURE = 1e-3
"""The chance of a coincidence, from which on it is none."""


def pixels(run: Examined) -> Iterator[Finding]:
    """Images that are not scaled, are scaled twice, or have their channels first."""
    for one in run.mistakes:
        if one.name in (UNSCALED, SCALED_TWICE, AXES):
            yield Finding(one.name, one.said[0].upper() + one.said[1:], one.remedy)


def constant_labels(run: Examined) -> Iterator[Finding]:
    """Labels that are all the same."""
    y = run.raw.y if len(run.raw.ys) == 1 else None
    if y is None or len(y) < 2 or not (y == y[:1]).all():
        return
    which = f"{y.argmax(axis=1)[0]}" if y.ndim == 2 and y.shape[1] > 1 else f"{y.ravel()[0]:g}"
    yield Finding(
        "labels constant",
        f"All {len(y):,} labels are {which}: there is nothing to tell apart.",
        "Look at how the labels are read: print(np.unique(y, return_counts=True)).",
    )


def shuffled_labels(run: Examined) -> Iterator[Finding]:
    """Labels that have nothing to do with their images."""
    if run.labels is None or len(np.unique(run.labels)) < 2 or run.raw.samples < 60:
        return
    most = float(run.frequencies.max())
    said = ""
    if run.validation is not None and run.steps and not run.stuck:
        right, count = _right(run)
        if coincidence(right, count, most) < 0.05:
            return
        said = (
            f"It has learned its images (loss {run.last_loss:.3g}), but of {count} others it names "
            f"{right} right, no more than by chance; and "
        )
    elif not run.stuck or not run.steps:
        return
    found, of = neighbours(run.raw.x, run.labels, run.seed)
    if coincidence(found, of, _expected(run.frequencies)) < SURE:
        return
    images = f"images that look alike do not share labels ({found} of {of} do)."
    yield Finding(
        "labels shuffled",
        f"{said}{images}" if said else images.capitalize(),
        "Check that images and labels are in one order: shuffle both with one permutation, and "
        "look at some with plots.plot_images.",
    )


def _expected(frequencies: Array) -> float:
    """How often two images drawn at random share a label."""
    return float((frequencies**2).sum())


def _right(run: Examined) -> tuple[int, int]:
    """How many of the validation's images are named right, of how many."""
    assert run.validated is not None
    assert run.validation_labels is not None
    outputs, labels = run.validated[1], run.validation_labels
    named = outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else outputs[..., 0] > 0.5
    return int((named == labels).sum()), len(labels)


def neighbours(x: Array, labels: Array, seed: int) -> tuple[int, int]:
    """(how many images share the label of the one that looks most like them, of how many)."""
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(x))[:SAMPLES]
    flat = small(x[some])
    squares = (flat**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * flat @ flat.T
    np.fill_diagonal(distances, np.inf)
    y = labels[some]
    return int((y[distances.argmin(axis=1)] == y).sum()), len(y)


def small(x: Array) -> Array:
    """Images as vectors of a few numbers: means over squares, standardized."""
    if x.ndim == 4:
        _, h, w, _ = x.shape
        rows = np.minimum(np.arange(h) * SIDE // h, SIDE - 1)
        columns = np.minimum(np.arange(w) * SIDE // w, SIDE - 1)
        sums = np.stack([x[:, rows == i].mean(axis=1) for i in np.unique(rows)], axis=1)
        x = np.stack([sums[:, :, columns == i].mean(axis=2) for i in np.unique(columns)], axis=2)
    flat = x.reshape(len(x), -1).astype(np.float64)
    return np.asarray((flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-9))


def coincidence(found: int, of: int, chance: float) -> float:
    """The probability of so many or more, where each comes by ``chance``.

    >>> round(coincidence(9, 10, 0.5), 4)
    0.0107
    """
    if not 0 < chance < 1:
        return 1.0
    logs = [
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        + k * math.log(chance) + (of - k) * math.log(1 - chance)
        for k in range(found, of + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(map(math.exp, logs)))
