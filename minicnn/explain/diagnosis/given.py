"""Ailments of what a run is given: its images and its labels."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from minicnn._core.shapes import Array
from minicnn._training.mistakes import AXES, SCALED_TWICE, UNSCALED
from minicnn.explain.diagnosis.examined import Examined
from minicnn.explain.diagnosis.finding import Finding

SAMPLES = 400
"""Images among which neighbours are looked for."""

FEWEST, SOON = 60, 50
"""Images, and steps, of which nobody can tell."""

SIDE = 8
"""Places along each axis of the small images that are compared."""

SURE = 0.05
"""The chance of a coincidence, from which on it is none."""


def pixels(run: Examined) -> Iterator[Finding]:
    """Images that are not scaled, are scaled twice, or have their channels first."""
    for one in run.mistakes:
        if one.name in (UNSCALED, SCALED_TWICE, AXES):
            yield Finding(one.name, one.said[0].upper() + one.said[1:], one.remedy)


def no_numbers(run: Examined) -> Iterator[Finding]:
    """Weights that are NaN or infinite before the first step."""
    for node in run.fresh.graph().nodes:
        for name, array in {**node.layer.params, **node.layer.state}.items():
            broken = int(array.size - np.isfinite(array).sum())
            if broken:
                yield Finding(
                    "weights that are no numbers",
                    f"{broken:,} of the {array.size:,} numbers of {name} in {node.name} are NaN or "
                    "infinite before the first step.",
                    "Make the model anew, or load weights from before that: a run that diverged "
                    "leaves such ones.",
                    node.name,
                )
                return


def constant_labels(run: Examined) -> Iterator[Finding]:
    """Labels that are all the same."""
    y = run.raw.y if len(run.raw.ys) == 1 else None
    if y is None or len(y) < 2 or not run.whole or not (y == y[:1]).all():
        return
    which = f"{y.argmax(axis=1)[0]}" if y.ndim == 2 and y.shape[1] > 1 else f"{y.ravel()[0]:g}"
    yield Finding(
        "labels constant",
        f"All {len(y):,} labels are {which}: there is nothing to tell apart.",
        "Look at how the labels are read: print(np.unique(y, return_counts=True)).",
    )


def shuffled_labels(run: Examined) -> Iterator[Finding]:
    """Labels that have nothing to do with their images."""
    labels = run.labels
    if labels is None or len(np.unique(labels)) < 2 or len(labels) < FEWEST or run.steps < SOON:
        return
    if len(run.raw.xs) > 1:
        return  # the label may be a matter of both images
    said, chances = "", []
    if not run.stuck:
        if run.validated is None or run.validation_labels is None:
            return
        outputs, others = run.validated[1], run.validation_labels
        named = outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else outputs[..., 0] > 0.5
        right = int((named == others).sum())
        chances.append(agreement(named, others))
        said = (
            f"It has learned its images (loss {run.last_loss:.3g}), but of {len(others)} others it "
            f"names {right} right, no more than by chance; "
        )
    found = alike(run.raw.x, run.seed)
    named = labels[found[0]], labels[found[1]]
    chances.append(agreement(*named))
    if together(chances) < SURE:
        return
    same = int((named[0] == named[1]).sum())
    yield Finding(
        "labels shuffled",
        f"{said}{'of' if said else 'Of'} {len(found[0])} images {same} share their label with the "
        "one that looks most like them, no more than by chance.",
        "Check that images and labels are in one order: shuffle both with one permutation, and "
        "look at some with plots.plot_images.",
    )


def agreement(one: Array, other: Array) -> float:
    """The probability that two rows of class numbers agree so often if neither knows the other."""
    classes = np.union1d(one, other)
    chance = sum(float((one == k).mean() * (other == k).mean()) for k in classes)
    return coincidence(int((one == other).sum()), len(one), chance)


def together(chances: Sequence[float]) -> float:
    """The probability of independent coincidences, by Fisher's method.

    >>> round(together([0.05]), 3), round(together([0.05, 0.05]), 4)
    (0.05, 0.0175)
    """
    log = -math.fsum(math.log(max(chance, 1e-300)) for chance in chances)
    return math.exp(-log) * sum(log**k / math.factorial(k) for k in range(len(chances)))


def alike(x: Array, seed: int) -> tuple[Array, Array]:
    """Some images, and of each the number of the one that looks most like it."""
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(x))[:SAMPLES]
    flat = small(x[some])
    squares = (flat**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * flat @ flat.T
    np.fill_diagonal(distances, np.inf)
    return some, some[distances.argmin(axis=1)]


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
