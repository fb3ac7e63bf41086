"""A batch in parts that are computed apart, and what they tell each other."""

from collections.abc import Callable

import numpy as np

from minicnn._core.shapes import Array

Gather = Callable[[Array], Array]
"""(an array of float64) -> (parts, ...): that of every part of the batch, in their order."""


def moments_of_all(
    gather: Gather, mean: Array, variance: Array, n: int
) -> tuple[Array, Array, int]:
    """(mean, variance, how many) of all parts, from those of one of them, of n numbers each.

    The variance is the mean of the parts' variances and of the squares of how far their means are
    from that of all (Chan, Golub and LeVeque, 1983).

    >>> parts = np.array([[2.0, 1.0, 1.0], [2.0, 5.0, 1.0]])
    >>> mean, variance, n = moments_of_all(lambda own: parts, np.ones(1), np.ones(1), 2)
    >>> mean.tolist(), variance.tolist(), n
    ([3.0], [5.0], 4)
    """
    own = np.concatenate([[float(n)], mean, variance]).astype(np.float64)
    found = gather(own)
    counts, means, variances = found[:, :1], found[:, 1 : 1 + len(mean)], found[:, 1 + len(mean) :]
    total = counts.sum()
    of_all = (counts * means).sum(axis=0) / total
    spread = (counts * (variances + np.square(means - of_all))).sum(axis=0) / total
    return of_all.astype(mean.dtype), spread.astype(variance.dtype), int(total)
