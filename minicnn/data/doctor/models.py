"""Simple models, each image left out once, and what they say of the data.

A ridge regression of one-hot labels has the answers of the n models that leave one image out in
closed form: y_i - (A y)_i / A_ii, with A the inverse of K + lambda I (Wahba, 1990; Rasmussen &
Williams, 2006, 5.4.2). So a few matrix products tell what cross-validation would.
"""

from typing import NamedTuple

import numpy as np

from minicnn._core.shapes import Array
from minicnn.data.doctor.measuring import shrunk

TOGETHER = 1500
"""Images of which one kernel matrix is made; more are cut into such sets at random."""

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of the linear model, times the mean square of its inputs; the one that does best is taken."""

RIDGE = 0.1
CONSTANT = 10.0
"""Of the model of outlines: its penalty, and the variance of its bias."""

CELLS, DIRECTIONS, GRID = 8, 8, 16


class Linear(NamedTuple):
    """A linear model's answers."""

    left_out: Array
    """The class of each training image as the model without it says."""
    test: Array | None
    """The class of each test image."""


def linear(x: Array, y: Array, classes: int, other: Array | None = None) -> Linear:
    """The best ridge classifier of rows ``x`` (n, d): the class whose line is highest."""
    mean = x.mean(axis=0)
    scale = float(np.sqrt(((x - mean) ** 2).mean())) or 1.0
    rows = np.column_stack([(x - mean) / scale, np.ones(len(x))])
    targets = np.eye(classes)[y]
    directions, values = _principal(rows)
    along = directions.T @ targets
    best: tuple[float, Array, Array] | None = None
    for penalty in PENALTIES:
        kept = values / (values + penalty * len(x))
        leverage = np.minimum(directions**2 @ kept, 1 - 1e-6)
        residuals = (targets - directions @ (kept[:, None] * along)) / (1 - leverage)[:, None]
        answers = (targets - residuals).argmax(axis=1)
        right = float((answers == y).mean())
        if best is None or right > best[0]:
            dual = directions @ (along / (values + penalty * len(x))[:, None])
            best = right, answers, rows.T @ dual
    assert best is not None
    if other is None:
        return Linear(best[1], None)
    rows = np.column_stack([(other - mean) / scale, np.ones(len(other))])
    return Linear(best[1], (rows @ best[2]).argmax(axis=1))


def _principal(rows: Array) -> tuple[Array, Array]:
    """Orthonormal directions (n, k) among the samples, and the squares along them."""
    n, d = rows.shape
    if n <= d:
        values, directions = np.linalg.eigh(rows @ rows.T)
        return directions, np.maximum(values, 0)
    values, axes = np.linalg.eigh(rows.T @ rows)
    some = values > 1e-9 * values[-1]
    return rows @ axes[:, some] / np.sqrt(values[some]), values[some]


def pixels(small: Array) -> Array:
    """Small pictures as rows of GRID x GRID pixels of each colour, for likenesses and lines."""
    return shrunk(small, GRID).reshape(len(small), -1)


def outlines(small: Array) -> Array:
    """Where in small pictures (n, S, S, C) edges of which direction are: histograms of gradients.

    After Dalal & Triggs (2005): CELLS x CELLS cells of DIRECTIONS, each divided by the strength of
    its surroundings, so that light and contrast count for little.
    """
    grey = small.mean(axis=3)
    dy, dx = np.zeros_like(grey), np.zeros_like(grey)
    dy[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    dx[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(dx, dy)
    place = np.arctan2(dy, dx) / (2 * np.pi) * DIRECTIONS % DIRECTIONS
    lower, part = place.astype(np.int8) % DIRECTIONS, place % 1
    layers = []
    for k in range(DIRECTIONS):
        near = np.where(lower == k, 1 - part, 0) + np.where((lower + 1) % DIRECTIONS == k, part, 0)
        layers.append(shrunk((strength * near)[..., None], CELLS)[..., 0])
    cells = np.stack(layers, axis=3)
    power = np.pad((cells**2).sum(axis=3), ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = np.zeros(cells.shape[:3], np.float32)
    for i in range(3):
        for j in range(3):
            around += power[:, i : i + CELLS, j : j + CELLS]
    around += 1e-3 * around.mean(axis=(1, 2), keepdims=True) + 1e-12
    return np.asarray(cells / np.sqrt(around)[..., None]).reshape(len(small), -1)


def scores(small: Array, y: Array, classes: int, seed: int) -> Array:
    """Of each image, how much a model that has not seen it says for each class, (n, classes).

    A Gaussian kernel of outlines, as wide as the median distance; all sums in double precision.
    """
    rows = outlines(small).astype(np.float64)
    n = len(rows)
    sets = max(1, -(-n // TOGETHER))
    found = np.zeros((n, classes))
    order = np.random.default_rng(seed).permutation(n)
    for some in np.array_split(order, sets):
        x, targets = rows[some], np.eye(classes)[y[some]]
        squares = (x**2).sum(axis=1)
        distances = np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)
        kernel = np.exp(-distances / (float(np.median(distances)) or 1.0))
        inverse = np.linalg.inv(kernel + CONSTANT + RIDGE * np.eye(len(x)))
        found[some] = targets - (inverse @ targets) / np.diag(inverse)[:, None]
    return found


class Neighbours(NamedTuple):
    """Of each image the most similar other one."""

    nearest: Array
    distance: Array
    """1 - the correlation of their pixels: 0 for the same picture, about 1 for unrelated ones."""


def neighbours(rows: Array, others: Array | None = None) -> Neighbours:
    """The neighbour of each of ``rows`` among them, or among ``others``; both as ``unit`` gives."""
    nearest, distance = np.zeros(len(rows), np.int64), np.full(len(rows), 2.0, np.float32)
    pool = rows if others is None else others
    for first in range(0, len(rows), 1000):
        block = rows[first : first + 1000]
        alike = block @ pool.T
        if others is None:
            alike[np.arange(len(block)), first + np.arange(len(block))] = -2
        nearest[first : first + 1000] = alike.argmax(axis=1)
        distance[first : first + 1000] = 1 - alike.max(axis=1)
    return Neighbours(nearest, np.maximum(distance, 0))


def unit(rows: Array) -> Array:
    """Rows less their mean, of length 1: their products are correlations."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))
