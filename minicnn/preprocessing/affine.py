"""Batches of images resampled along a matrix, with the numbers of ``scipy.ndimage``.

New pixel p is old pixel A p + b. Beyond the border an image goes on as ``fill_mode`` says:

    nearest   a a a a | a b c d | d d d d
    reflect   d c b a | a b c d | d c b a
    wrap      the first and the last pixel fall together: the period is n - 1
    constant  cval, for a place that lies outside by however little
"""

import numpy as np

from minicnn._core.shapes import Array, DType, Shape
from minicnn.errors import ConfigError

FILL_MODES = ("nearest", "reflect", "wrap", "constant")

CHUNK = 1 << 14
"""Pixels that are resampled together, so that what is made of them stays in the cache."""


def resampled(
    x: Array, matrices: Array, offsets: Array, fill_mode: str, cval: float, order: int
) -> None:
    """Resample images (N, H, W, C) in place, by (N, 2, 2) matrices and (N, 2) offsets.

    ``order`` 0 takes the nearest pixel, 1 weights the four around a place by their nearness. Whole
    numbers are rounded at the end, as they are stored. Raises ``ConfigError`` for the orders 2 to
    5 without SciPy.

    >>> x = np.array([0.0, 4.0, 8.0]).reshape(1, 1, 3, 1)
    >>> resampled(x, np.eye(2)[None], np.array([[0, 0.5]]), "constant", -1.0, 1)
    >>> x.ravel().tolist()
    [2.0, 6.0, -1.0]
    """
    if not x.size:
        return
    if order > 1:
        _by_scipy(x, matrices, offsets, fill_mode, cval, order)
        return
    whole = (matrices == np.eye(2)).all() and (offsets == np.floor(offsets)).all()
    if whole:
        _shift(x, offsets, fill_mode, cval)
        return
    many = min(len(x), max(1, CHUNK // (x.shape[1] * x.shape[2])))
    resampler = _Resampler(many, x.shape[1:], x.dtype)
    for first in range(0, len(x), many):
        some = slice(first, first + many)
        resampler.place(matrices[some], offsets[some], fill_mode, order)
        for channel, plane in enumerate(resampler.pixels(x[some], cval, order)):
            x[some, ..., channel] = plane


def _shift(x: Array, offsets: Array, fill_mode: str, cval: float) -> None:
    """Shift each image by whole pixels."""
    for image, shift in zip(x, offsets, strict=True):
        if not shift.any():
            continue
        y = image
        for axis, by in enumerate(shift):
            n = image.shape[axis]
            places = np.arange(n) + by
            outside = (places < 0) | (places >= n)
            _bring_inside(places, n, fill_mode)
            y = y.take(np.clip(places, 0, n - 1).astype(np.intp), axis)
            if fill_mode == "constant":
                y[(slice(None),) * axis + (outside,)] = cval
        image[...] = y


class _Resampler:
    """Resamples so many images at a time, in memory that is asked for once."""

    def __init__(self, many: int, shape: Shape, dtype: DType) -> None:
        h, w, c = shape
        self.shape, self.dtype = shape, dtype
        sums = np.dtype(np.float64) if dtype.kind in "biu" else dtype
        # With a frame around each image the neighbours of a place are there without a question.
        self.framed = np.empty((c, many, h + 2, w + 2), sums)
        self.rows, self.columns, self.at, self.left = np.empty((4, many, h, w))
        self.first = np.empty((many, h, w), np.intp)
        self.down, self.right = np.empty((2, many, h, w), sums)
        self.values = np.empty((3, c * many * h * w), sums)
        self.outside: Array | None = None

    def place(self, matrices: Array, offsets: Array, fill_mode: str, order: int) -> None:
        """Find the old pixel above and left of each new one, and how far down and right it is."""
        h, w, _ = self.shape
        n = self.n = len(matrices)
        rows, columns, at, left = (a[:n] for a in (self.rows, self.columns, self.at, self.left))
        for k, places in enumerate((rows, columns)):
            self._add_up(places, matrices[:, k], offsets[:, k])
        self.outside = None
        if fill_mode == "constant":
            self.outside = (rows < 0) | (rows > h - 1) | (columns < 0) | (columns > w - 1)
        _bring_inside(rows, h, fill_mode)
        _bring_inside(columns, w, fill_mode)
        if order == 0:
            rows += 0.5
            columns += 0.5
        np.floor(rows, out=at)
        np.floor(columns, out=left)
        rows -= at
        columns -= left
        self.down[:n], self.right[:n] = rows, columns
        at *= w + 2
        at += left
        at += np.arange(n).reshape(n, 1, 1) * float((h + 2) * (w + 2)) + (w + 3)
        self.first[:n] = at

    def _add_up(self, places: Array, factors: Array, offset: Array) -> None:
        """The old row, or column, of each new pixel, in the order in which SciPy adds."""
        h, w, _ = self.shape
        down = offset[:, None, None] + np.arange(float(h))[:, None] * factors[:, 0, None, None]
        np.add(down, np.arange(float(w)) * factors[:, 1, None, None], out=places)

    def pixels(self, x: Array, cval: float, order: int) -> Array:
        """The new pixels of those images, (C, N, H, W), to be copied before the next ones."""
        n, h, w, c = x.shape
        framed = self.framed[:, :n]
        framed[:, :, 1:-1, 1:-1] = x.transpose(3, 0, 1, 2)
        framed[:, :, 0], framed[:, :, -1] = framed[:, :, 1], framed[:, :, -2]
        framed[..., 0], framed[..., -1] = framed[..., 1], framed[..., -2]
        flat = self.framed.reshape(c, -1)
        first, right = self.first[:n].ravel(), self.right[:n].ravel()
        y, below, step = (a[: c * first.size].reshape(c, -1) for a in self.values)
        if order == 0:
            flat.take(first, axis=1, out=y, mode="clip")
        else:
            _between(flat, first, right, y, step)
            _between(flat[:, w + 2 :], first, right, below, step)
            below -= y
            below *= self.down[:n].ravel()
            y += below
        planes: Array = y.reshape(c, n, h, w)
        if self.outside is not None:
            planes[:, self.outside] = cval
        return _rounded(planes, self.dtype) if self.dtype.kind in "biu" else planes


def _between(pixels: Array, first: Array, right: Array, y: Array, step: Array) -> None:
    """From those pixels so much of the way to the ones to their right."""
    pixels.take(first, axis=1, out=y, mode="clip")
    pixels[:, 1:].take(first, axis=1, out=step, mode="clip")
    step -= y
    step *= right
    y += step


def _bring_inside(places: Array, n: int, fill_mode: str) -> None:
    """Bring places along an axis of n pixels to from -1/2 to n - 1/2."""
    if fill_mode in ("nearest", "constant") or n == 1:
        np.clip(places, 0, n - 1, out=places)
        return
    least, most = places.min(initial=0), places.max(initial=0)
    if least >= 0 and most <= n - 1:
        return
    if fill_mode == "reflect":
        # Places within the image keep all of their digits: halves are rounded by them.
        if least < -n or most > 2 * n - 1:
            places -= 2 * n * np.trunc(places / (2 * n))
            np.add(places, 2 * n, out=places, where=places < -n)
        np.subtract(-1, places, out=places, where=places < 0)
        np.subtract(2 * n - 1, places, out=places, where=places > n - 1)
        return
    period = n - 1
    turns = np.trunc(places / period)
    under, over = places < 0, places > period
    places += period * ((1 - turns) * under - turns * over)


def _rounded(y: Array, dtype: DType) -> Array:
    """Whole numbers of that kind: halves away from 0, and what is too large or small its limit."""
    if dtype.kind == "b":
        return y > 0
    limits = np.iinfo(dtype)
    rounded = np.trunc(y + np.copysign(0.5, y))
    return np.asarray(np.clip(rounded, limits.min, limits.max), dtype)


def _by_scipy(
    x: Array, matrices: Array, offsets: Array, fill_mode: str, cval: float, order: int
) -> None:
    try:
        from scipy.ndimage import affine_transform
    except ImportError:
        raise ConfigError(
            f"interpolation_order: expected 0 or 1, got {order}, for which SciPy is needed: "
            "pip install scipy."
        ) from None
    for image, matrix, offset in zip(x, matrices, offsets, strict=True):
        for channel in range(x.shape[-1]):
            image[..., channel] = affine_transform(
                image[..., channel], matrix, offset, order=order, mode=fill_mode, cval=cval
            )
