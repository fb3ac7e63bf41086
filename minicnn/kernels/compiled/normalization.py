"""Batch normalization by the C pages ``normalization.c`` and ``normalization_pooled.c``."""

from types import TracebackType
from typing import Any, Self

import numpy as np

from minicnn._core.shapes import Array, DType, Pair
from minicnn.kernels.base import ALONE, Channels, Join, Normalization, NormalizationGrads, Then
from minicnn.kernels.capabilities import Moments
from minicnn.kernels.compiled.activations import kind_of
from minicnn.kernels.compiled.library import Function, current, plain, threads_now
from minicnn.kernels.vectorized import workspace

_moments = Function("channel_moments", "aiiiiaaa")
_normalize = Function("normalize", "aaiiiiaaaifa")
_normalize_backward = Function("normalize_backward", "aaaiiiiaaaaifiiaaaaaa")
_pooled = Function("normalize_pooled", "aiiiiiiiaaaifa")
_pooled_backward = Function("normalize_pooled_backward", "aaiiiiiiiiaaaaifiiaaaaa")

PART = 128 << 10
"""Bytes of an array that one thread is given."""

MOST_POOLED = 512
"""As WIDEST in the C page."""

MOST_PARTS = 64
"""Sums are made of so many parts, whatever the number of threads."""


def _parts(x: Array, most: int) -> tuple[int, int, int, int]:
    """(rows, channels, parts, threads)."""
    c = x.shape[-1]
    parts = min(max(x.nbytes // PART, 1), most)
    return x.size // max(c, 1), c, parts, min(threads_now(), parts)


def moments(x: Array) -> tuple[Array, Array]:
    """See ``Normalization``."""
    x = plain(x)
    rows, c, parts, threads = _parts(x, MOST_PARTS)
    mean, variance = np.empty(c, x.dtype), np.empty(c, x.dtype)
    sums = np.empty((parts, slot_of(c)))
    _moments(x.dtype, x, rows, c, parts, threads, sums, mean, variance)
    return mean, variance


class NotedMoments(Moments):
    """What a convolution finds within ``with moments:``, in this thread."""

    def __init__(self) -> None:
        self.found: tuple[Array, Array] | None = None
        """What was made, and its mean and variance."""
        self.before: Any = None
        """What looked on before, in this thread."""

    def of(self, x: Array) -> tuple[Array, Array]:
        """See ``Moments``."""
        found, self.found = self.found, None
        if found is None or found[0] is not x:
            return moments(x)
        mean, variance = found[1]
        return mean, variance

    def __enter__(self) -> Self:
        """Find the moments of the next convolution in this thread."""
        self.before, current.moments = current.moments, self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Find no more."""
        current.moments = self.before


def slot_of(c: int) -> int:
    """Numbers of which mean and variance are made: see ``slot_of`` in normalization.h."""
    return 1 + 2 * c


def moments_wanted(c: int, dtype: DType) -> Array | None:
    """Where mean and variance of c channels are to be written, if they are wanted."""
    return None if current.moments is None else np.empty((2, c), dtype)


def moments_found(y: Array, found: Array | None) -> None:
    """Tell who wants to know that these are y's mean and variance."""
    if found is not None:
        current.moments.found = y, found


def normalize(
    x: Array,
    channels: Channels,
    then: Then = ALONE,
    other: Array | None = None,
    pool: Pair | None = None,
) -> Array:
    """See ``Normalization``."""
    x = plain(x)
    if pool is not None:
        return _normalize_pooled(x, channels, then, pool)
    other = None if other is None else plain(other, x.dtype)
    rows, c, parts, threads = _parts(x, x.nbytes)
    y = workspace.empty(x.shape, x.dtype)
    _normalize(
        x.dtype, x, other, rows, c, parts, threads, channels.mean, channels.scale, channels.shift,
        kind_of(then), then.most, y,
    )  # fmt: skip
    return y


def normalize_backward(
    dy: Array,
    x: Array,
    channels: Channels,
    then: Then = ALONE,
    y: Array | None = None,
    batch: bool = True,
    need_dx: bool = True,
    over_x: bool = False,
    pool: Pair | None = None,
    join: Join | None = None,
) -> NormalizationGrads:
    """See ``Normalization``."""
    x = plain(x)
    dtype = x.dtype
    dy = plain(dy, dtype)
    rows, c, parts, threads = _parts(x, MOST_PARTS)
    dx = (x if over_x else workspace.empty(x.shape, dtype)) if need_dx else None
    two, sums = np.empty((2, c), dtype), np.empty((parts, 2, c))
    made = NormalizationGrads(dx, np.empty(c, dtype), np.empty(c, dtype))
    of_channels = *channels, kind_of(then), then.most, batch

    def run(given: bool, dx: Array | None) -> None:
        made_of = *of_channels, given, sums, two, dx
        dsums = made.dshift, made.dscale
        if pool is None:
            _normalize_backward(dtype, dy, x, y, rows, c, parts, threads, *made_of, y, *dsums)
        else:
            _pooled_backward(dtype, dy, x, *x.shape, *pool, parts, threads, *made_of, *dsums)

    if join is None or dx is None:
        run(False, dx)
        return made
    run(False, None)
    of_x_hat, of_all = join(made.dscale, made.dshift)
    two[0], two[1] = -of_x_hat * channels.inverse_deviation, of_all
    run(True, dx)
    return made


def _normalize_pooled(x: Array, channels: Channels, then: Then, pool: Pair) -> Array:
    (n, h, w, c), (ph, pw) = x.shape, pool
    *_, threads = _parts(x, x.nbytes)
    y = workspace.empty((n, h // ph, w // pw, c), x.dtype)
    _pooled(
        x.dtype, x, n, h, w, c, ph, pw, threads, channels.mean, channels.scale, channels.shift,
        kind_of(then), then.most, y,
    )  # fmt: skip
    return y


NORMALIZATION = Normalization(MOST_POOLED, moments, normalize, normalize_backward, NotedMoments)
