"""Which rows of a source a process reads that computes only a part of each batch."""

from itertools import pairwise

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.passes import Part


def wanted_of(part: Part, before: int, n: int, size: int, total: int) -> Array:
    """(n,) whether each image is of the part: those that are drawn after so many of a pass of
    ``total``, in batches of ``size``.

    >>> first_half = Part(lambda n: slice(0, n // 2), lambda own: own[None])
    >>> wanted_of(first_half, 3, 6, 4, 10).astype(int).tolist()
    [0, 1, 1, 0, 0, 1]
    """
    wanted = np.zeros(n, bool)
    for first in range(before // size * size, before + n, size):
        own = part.rows(min(size, total - first))
        at = first - before
        wanted[max(0, at + own.start) : max(0, at + own.stop)] = True
    return wanted


def runs_of(rows: Array, pieces: Array, gap: int, wanted: Array) -> tuple[Array, Array]:
    """(runs (first row, last) of the rows, whether each is to be read): all rows of a piece if one
    is wanted, and up to ``gap`` pieces between two such.

    >>> rows, wanted = np.array([0, 1, 2, 6, 7]), np.array([0, 1, 0, 0, 0], bool)
    >>> runs, some = runs_of(rows, rows // 2, 0, wanted)
    >>> runs.tolist(), some.astype(int).tolist()
    ([[0, 2], [2, 3], [6, 8]], [1, 0, 0])
    """
    begins = np.flatnonzero(np.diff(pieces, prepend=-1))
    some = np.logical_or.reduceat(wanted, begins)
    for before, after in pairwise(np.flatnonzero(some)):
        if after - before - 1 <= gap:
            some[before:after] = True
    new, later = np.ones(len(begins), bool), begins[1:]
    new[1:] = (rows[later] != rows[later - 1] + 1) | (some[1:] != some[:-1])
    starts = begins[new]
    ends = np.append(starts[1:], len(rows))
    return np.stack([rows[starts], rows[ends - 1] + 1], axis=1), some[new]
