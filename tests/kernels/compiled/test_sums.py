"""Sums in C, against sums in double precision."""

import math

import numpy as np
import pytest

import minicnn
from layouts import LAYOUTS, laid_out
from minicnn.kernels import KERNELS

COMPILED = KERNELS["compiled"]


@pytest.fixture(autouse=True)
def threads():
    yield minicnn.set_threads
    minicnn.set_threads(None)


def drawn(seed):
    """An array of two to four axes, now and then of none or one number."""
    rng = np.random.default_rng(seed)
    shape = [int(n) for n in rng.integers(0, 12, rng.integers(1, 4))]
    shape = [*shape, int(rng.choice([1, 2, 3, 4, 7, 16, 31, 64, 300]))]
    x = 200 + rng.standard_normal(shape)
    return laid_out(x.astype((np.float32, np.float64)[seed % 2]), LAYOUTS[seed // 2 % len(LAYOUTS)])


@pytest.mark.parametrize("seed", range(150))
def test_sums_are_right_to_the_last_digits(seed, threads):
    """Of any number of axes, pixels and channels, 0 and 1 among them."""
    threads(seed % 3 + 1)
    x = drawn(seed)
    exact = [math.fsum(column) for column in x.reshape(-1, x.shape[-1]).T.astype(float)]
    found = COMPILED.channel_sums(x)
    assert (found.shape, found.dtype) == (x.shape[-1:], x.dtype)
    np.testing.assert_allclose(found, exact, rtol=8 * np.finfo(x.dtype).eps)
    if x.ndim == 4:
        sums = COMPILED.image_sums(x)
        means, pixels = COMPILED.image_means(x), x.shape[1] * x.shape[2]
        if pixels:
            np.testing.assert_allclose(means, sums / pixels, rtol=1e-6)
        assert (sums.shape, sums.dtype) == ((len(x), x.shape[3]), x.dtype)
        exact = x.astype(np.longdouble).sum(axis=(1, 2))
        np.testing.assert_allclose(sums, exact, rtol=8 * np.finfo(x.dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(1, 300, 301, 3), (7, 61, 50, 24), (200, 20, 20, 3), (999, 1, 700)]
)
def test_the_number_of_threads_changes_no_bit(shape, dtype, threads):
    """A million equal numbers too, which added one to the other would lose digits."""
    rng = np.random.default_rng(0)
    for x in (np.full(shape, 0.1, dtype), rng.standard_normal(shape, dtype)):
        for name in ("channel_sums", "image_sums")[: x.ndim - 2]:
            results = []
            for count in (1, 2, 3, 50):
                threads(count)
                results.append(getattr(COMPILED, name)(x))
                assert results[-1].tobytes() == results[0].tobytes()
            axis = tuple(range(x.ndim - 1)) if name == "channel_sums" else (1, 2)
            exact = x.astype(np.longdouble).sum(axis=axis)
            digits = 2 if dtype == np.float32 else 200  # the last of double's sixteen
            error = digits * np.finfo(dtype).eps * np.abs(x).sum(axis=axis, dtype=float)
            assert (np.abs(results[0] - exact) <= error).all()


def test_nan_and_infinity_stay_in_their_channel():
    """As in any sum."""
    x = np.ones((2, 30, 30, 5), np.float32)
    x[0, 3, 3, 1], x[1, 4, 4, 2], x[0, 0, 0, 3], x[1, 1, 1, 3] = np.nan, np.inf, np.inf, -np.inf
    np.testing.assert_array_equal(COMPILED.channel_sums(x), [1800, np.nan, np.inf, np.nan, 1800])
    np.testing.assert_array_equal(COMPILED.image_sums(x)[0], [900, np.nan, 900, np.inf, 900])
