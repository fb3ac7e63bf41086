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
from minicnn.kernels import kernel_set

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
    kernels = kernel_set(None, "float64" if x.dtype == np.float64 else "float32")
    if kernels.affine and kernels.affine(x, matrices, offsets, fill_mode, cval, order):
        return
    many = min(len(x), max(1, CHUNK // (x.shape[1] * x.shape[2])))
    resampler = _Resampler(many, x.shape[1:], x.dtype)
    for first in range(0, len(x), many):
        some = slice(first, first + many)
        resampler.place(matrices[some], offsets[some], fill_mode, order)
        for channel in range(x.shape[3]):
            resampler.resample(x[some, ..., channel], cval, order)


def _shift(x: Array, offsets: Array, fill_mode: str, cval: float) -> None:
    """Shift each image by whole pixels."""
    indices, beyond = [], []
    for axis, n in enumerate(x.shape[1:3]):
        places = np.arange(n) + offsets[:, axis, None]
        beyond.append((places < 0) | (places >= n))
        _bring_inside(places, n, fill_mode)
        indices.append(np.clip(places, 0, n - 1).astype(np.intp))
    for i in np.flatnonzero(offsets.any(axis=1)):
        y = x[i].take(indices[0][i], 0).take(indices[1][i], 1)
        if fill_mode == "constant":
            y[beyond[0][i]] = cval
            y[:, beyond[1][i]] = cval
        x[i] = y


class _Resampler:
    """Resamples so many images at a time, in little memory that is asked for once.

    Of each new pixel there are ``first``, the old one above and left of its place in images with a
    frame of one pixel, and how far the place is ``down`` and ``right`` of it, from 0 to 1.
    """

    def __init__(self, many: int, shape: Shape, dtype: DType) -> None:
        h, w, _ = shape
        self.size = h, w
        self.dtype = dtype
        sums = np.dtype(np.float64) if dtype.kind in "biu" else dtype
        self.framed = np.empty((many, h + 2, w + 2), sums)
        self.places, self.top, self.left = np.empty((3, many, h, w))
        self.down, self.right, self.y, self.below, self.step = np.empty((5, many, h, w), sums)
        self.outside: Array | None = None

    def place(self, matrices: Array, offsets: Array, fill_mode: str, order: int) -> None:
        """Find the places of the next images."""
        h, w = self.size
        n = len(matrices)
        places, top, left = self.places[:n], self.top[:n], self.left[:n]
        self.outside = None
        parts = (h, top, self.down[:n]), (w, left, self.right[:n])
        for k, (pixels, whole, rest) in enumerate(parts):
            self._add_up(places, matrices[:, k], offsets[:, k])
            if fill_mode == "constant":
                beyond = (places < 0) | (places > pixels - 1)
                self.outside = beyond if self.outside is None else self.outside | beyond
            _bring_inside(places, pixels, fill_mode)
            if order == 0:
                places += 0.5
            np.floor(places, out=whole)
            if order:
                places -= whole
                rest[...] = places
        top *= w + 2
        top += left
        top += np.arange(n).reshape(n, 1, 1) * float((h + 2) * (w + 2)) + (w + 3)
        self.first = left.view(np.int64)
        self.first[...] = top

    def _add_up(self, places: Array, factors: Array, offset: Array) -> None:
        """The old row, or column, of each new pixel, in the order in which SciPy adds."""
        h, w = self.size
        down = offset[:, None, None] + np.arange(float(h))[:, None] * factors[:, 0, None, None]
        np.add(down, np.arange(float(w)) * factors[:, 1, None, None], out=places)

    def resample(self, x: Array, cval: float, order: int) -> None:
        """Resample a channel of those images, (N, H, W), in place."""
        n, w = len(x), self.size[1]
        framed, y = self.framed[:n], self.y[:n]
        framed[:, 1:-1, 1:-1] = x
        framed[:, 0], framed[:, -1] = framed[:, 1], framed[:, -2]
        framed[..., 0], framed[..., -1] = framed[..., 1], framed[..., -2]
        pixels = self.framed.reshape(-1)
        if order == 0:
            pixels.take(self.first, out=y, mode="clip")
        else:
            below = self.below[:n]
            self._between(pixels, y)
            self._between(pixels[w + 2 :], below)
            below -= y
            below *= self.down[:n]
            y += below
        if self.outside is not None:
            y[self.outside] = cval
        x[...] = _rounded(y, self.dtype) if self.dtype.kind in "biu" else y

    def _between(self, pixels: Array, y: Array) -> None:
        """From the first pixels so much of the way to the ones to their right."""
        step = self.step[: len(y)]
        pixels.take(self.first, out=y, mode="clip")
        pixels[1:].take(self.first, out=step, mode="clip")
        step -= y
        step *= self.right[: len(y)]
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
