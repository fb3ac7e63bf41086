"""Labels that a model doubts which has not seen them: confident learning, with its own test.

A model of outlines gives scores s for each image it was not fitted on. Its labels are taken to be
drawn from p = softmax(t s), of which a part e was exchanged for any of the others:

    q(label) = (1 - e) p(label) + e / (K - 1) (1 - p(label))

t and e are those of the largest likelihood. Only when that is far larger than without exchanged
labels (e = 0, with a t of its own) are labels doubted: what is merely hard to tell makes t small,
and not e large. After Northcutt, Jiang & Chuang, "Confident learning" (2021); the mixture is that
of Lawrence & Schoelkopf (2001).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.doctor.finding import WARNING, Finding
from minicnn.data.doctor.models import scores
from minicnn.data.doctor.part import Part

FEWEST = 60
"""Images, with five of each class, of which labels are doubted."""

LISTED = 50

EVIDENCE = 15.0
"""Twice the logarithm of the ratio of likelihoods; of sound sets it stayed below 4. With one number
more, chance exceeds 15 once in 20,000 sets (chi-squared, one side)."""

SHARE = 0.01
"""The part of exchanged labels from which on it is said."""

SHARPNESS = np.geomspace(0.5, 60, 60)
EXCHANGED = np.array([0.0, *np.geomspace(0.002, 0.45, 24)])


class Doubt(NamedTuple):
    """A label that a model would not have given."""

    part: str
    """"training" or "test"."""
    image: int
    given: str
    likely: str
    weight: float
    """How much more the model says for the likely class than for the given one."""


def doubted(parts: Sequence[Part], seed: int) -> tuple[list[Doubt], list[Finding]]:
    """(the labels that are doubted most, most first, what is found of them)."""
    some = [part for part in parts if part.classes is not None]
    channels = {part.measures.small.shape[-1] for part in some}
    if len(channels) != 1:
        return [], []
    y = np.concatenate([part.classes for part in some if part.classes is not None])
    counts = np.bincount(y)
    there = np.flatnonzero(counts >= 5)
    if len(y) < FEWEST or len(there) < 2:
        return [], []
    use = np.isin(y, there)
    number = np.searchsorted(there, y[use])
    small = np.concatenate([part.measures.small for part in some])[use]
    said = scores(small, number, len(there), seed)
    rows = np.arange(len(number))
    others = said.copy()
    others[rows, number] = -np.inf
    weight = others.max(axis=1) - said[rows, number]
    origin = [(part, int(i)) for part in some for i in part.index]
    origin = [origin[i] for i in np.flatnonzero(use)]
    found = []
    for i in np.argsort(-weight, kind="stable")[:LISTED]:
        part, image = origin[i]
        given, likely = (part.name(int(there[k])) for k in (number[i], others[i].argmax()))
        found.append(Doubt(part.what, image, given, likely, float(weight[i])))
    return found, list(_finding(found, said, number, some))


def exchanged(said: Array, number: Array) -> tuple[float, float]:
    """(the likely part of exchanged labels, the evidence that there are any at all).

    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 300)
    >>> part, evidence = exchanged(np.eye(3)[y] + rng.normal(0, 0.2, (300, 3)), y)
    >>> part, evidence < 1
    (0.0, True)
    """
    n, classes = said.shape
    likelihood = np.empty((len(SHARPNESS), len(EXCHANGED)))
    for i, t in enumerate(SHARPNESS):
        powers = np.exp(t * (said - said.max(axis=1, keepdims=True)))
        p = powers[np.arange(n), number] / powers.sum(axis=1)
        for j, e in enumerate(EXCHANGED):
            q = (1 - e) * p + e / (classes - 1) * (1 - p)
            likelihood[i, j] = np.log(np.maximum(q, 1e-300)).sum()
    best = np.unravel_index(likelihood.argmax(), likelihood.shape)
    evidence = 2 * float(likelihood.max() - likelihood[:, 0].max())
    return float(EXCHANGED[best[1]]), evidence


def _finding(
    doubts: Sequence[Doubt], said: Array, number: Array, parts: Sequence[Part]
) -> Iterator[Finding]:
    share, evidence = exchanged(said, number)
    if evidence < EVIDENCE or share < SHARE:
        return
    right = float((said.argmax(axis=1) == number).mean())
    count = min(len(doubts), max(1, round(share * len(number))))
    first = doubts[:count]
    where: dict[str, list[int]] = {}
    for one in first:
        where.setdefault(one.part, []).append(one.image)
    by_name = {part.what: part for part in parts}
    examples = "; ".join(
        f"{by_name[one.part].noun} {by_name[one.part].called([one.image])} is {one.given}, "
        f"perhaps {one.likely}"
        for one in first[:3]
    )
    yield Finding(
        "labels doubted",
        f"About {share:.0%} of {len(number):,} labels, some {share * len(number):,.0f}, seem to be "
        f"wrong: a model that did not see them is right on {right:.0%}, and sure that others are "
        f"not. First {examples}.",
        "Look at the images that are listed, most doubted first, and correct their labels.",
        WARNING,
        where,
    )
