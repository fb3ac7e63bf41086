"""Which images are to train on and which to test: classes in proportion, groups together."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.duplicates import join
from minicnn.errors import ConfigError


def check_fractions(who: str, fractions: Mapping[str, float]) -> None:
    """Raise ``ConfigError`` unless the fractions are above 0 and leave something to train on."""
    for name, fraction in fractions.items():
        if isinstance(fraction, bool) or not 0 < fraction < 1:
            raise ConfigError(
                f"{who}: expected {name} as a fraction between 0 and 1, got {fraction}."
            )
    if sum(fractions.values()) >= 1:
        raise ConfigError(
            f"{who}: expected fractions that leave images to train on, got "
            f"{' + '.join(map(str, fractions.values()))}."
        )


def joined(*groups: Array) -> Array:
    """For each image the first one that belongs to it by any of the groupings.

    >>> joined(np.array([0, 0, 2, 3]), np.array([0, 1, 1, 3])).tolist()
    [0, 0, 0, 3]
    """
    label = np.arange(len(groups[0]))
    for group in groups:
        _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
        join(label, np.arange(len(label)), first[inverse.reshape(-1)])
    return label


def grouped_by(
    names: Sequence[str], pattern: str | None, columns: Mapping[str, Sequence[str]]
) -> Array | None:
    r"""The number of each image's group, by a column or by a pattern of its name.

    Of a pattern the first group counts, or all of it; what it does not find is a group of one.
    Raises ``ConfigError`` where it finds nothing.

    >>> grouped_by(["ann-1.png", "ann-2.png", "bob-1.png"], r"^(\w+)-", {}).tolist()
    [0, 0, 2]
    """
    if pattern is None:
        return None
    if pattern in columns:
        keys = list(columns[pattern])
    else:
        try:
            wanted = re.compile(pattern)
        except re.error as error:
            raise ConfigError(
                f"group_by: expected a regular expression or a column's name, got {pattern!r} "
                f"({error})."
            ) from None
        found = [wanted.search(name) for name in names]
        keys = [match[min(wanted.groups, 1)] or "" if match else "" for match in found]
    if not any(keys):
        there = f", and the columns are {', '.join(columns)}" if columns else ""
        raise ConfigError(f"group_by: no name has {pattern!r} in it{there}.")
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(key or f"\0{i}", i) for i, key in enumerate(keys)])


def parts_of(y: Array, groups: Array, fractions: Sequence[float], seed: int) -> Array:
    """The part of each image, int64 (n,): 0 for the rest, i for the i-th fraction.

    Images of one group come to one part. Of each class every part has its fraction, as near as
    groups and whole images let it. Large groups are dealt first, each to the part that lacks most
    of its classes; single images then fill up what is lacking.

    >>> y, groups = np.arange(100) % 2, np.arange(100) // 2 * 2
    >>> np.bincount(parts_of(y, groups, [0.2], seed=0)).tolist()
    [80, 20]
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(y)
    lacking = np.stack([_apportioned(counts * fraction, rng) for fraction in fractions])
    lacking = np.concatenate([(counts - lacking.sum(axis=0))[None], lacking])
    wanted = np.maximum(lacking.sum(axis=1), 1)
    parts = np.zeros(len(y), np.int64)
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    shuffled = rng.permutation(len(y))
    by_group = shuffled[np.argsort(inverse[shuffled], kind="stable")]
    members = np.split(by_group, np.cumsum(sizes)[:-1])
    together = np.flatnonzero(sizes > 1)
    together = together[rng.permutation(len(together))]
    for group in together[np.argsort(-sizes[together], kind="stable")]:
        classes, here = np.unique(y[members[group]], return_counts=True)
        fits = (np.minimum(lacking[:, classes], here) / here).sum(axis=1)
        part = int(np.lexsort((lacking.sum(axis=1) / wanted, fits))[-1])
        parts[members[group]] = part
        lacking[part, classes] -= here
    alone = shuffled[sizes[inverse[shuffled]] == 1]
    for label in range(len(counts)):
        waiting = alone[y[alone] == label]
        # A part that has too many already leaves the others fewer.
        each = np.maximum(lacking[::-1, label], 0)
        limits = np.rint(np.cumsum(each) / max(each.sum(), 1) * len(waiting)).astype(int)
        for i, some in enumerate(np.split(waiting, limits[:-1])):
            parts[some] = len(each) - 1 - i
    return parts


def _apportioned(shares: Array, rng: np.random.Generator) -> Array:
    """Whole numbers near the shares, whose sum is that of the shares, rounded."""
    whole = np.floor(shares)
    order = rng.permutation(len(shares))
    order = order[np.argsort(-(shares - whole)[order], kind="stable")]
    whole[order[: int(np.rint(shares.sum())) - int(whole.sum())]] += 1
    return whole
