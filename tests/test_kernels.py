"""The vectorized kernels compute what the loops do."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minicnn.errors import ConfigError
from minicnn.kernels import check_kernels, reference, vectorized
from minicnn.shapes import windows

small = st.integers(1, 3)


@st.composite
def geometries(draw):
    """An image, a window, strides and padding that go together."""
    image = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    strides = draw(st.tuples(small, small))
    pad = st.integers(0, 3)
    padding = draw(
        st.one_of(
            st.sampled_from(["valid", "same"]),
            st.tuples(st.tuples(pad, pad), st.tuples(pad, pad)),
        )
    )
    explicit = ((0, 0), (0, 0)) if isinstance(padding, str) else padding
    if padding != "same":
        assume(all(n + sum(p) >= k for n, k, p in zip(image, size, explicit, strict=True)))
    return image, windows("test", image, size, strides, padding)


dtypes = st.sampled_from([("float64", 1e-12), ("float32", 1e-4)])
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=150, deadline=None)
@given(geometries(), small, small, st.integers(0, 3), st.booleans(), dtypes, seeds)
def test_convolution_agrees_with_the_loops(geometry, c, filters, n, biased, precision, seed):
    """Forward and backward convolution agree with the loops on generated shapes."""
    (image, place), (dtype, tolerance), rng = geometry, precision, np.random.default_rng(seed)
    x = rng.standard_normal((n, *image, c)).astype(dtype)
    kernel = rng.standard_normal((*place.size, c, filters)).astype(dtype)
    bias = rng.standard_normal(filters).astype(dtype) if biased else None
    dy = rng.standard_normal((n, *place.out, filters)).astype(dtype)
    results = [
        (
            k.conv2d(x, kernel, bias, place.strides, place.pads),
            *k.conv2d_backward(dy, x, kernel, place.strides, place.pads),
        )
        for k in (reference, vectorized)
    ]
    for expected, got in zip(*results, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * 10)
    assert (
        vectorized.conv2d_backward(dy, x, kernel, place.strides, place.pads, need_dx=False)[0]
        is None
    )


@settings(max_examples=150, deadline=None)
@given(geometries(), small, st.integers(0, 3), dtypes, seeds, st.booleans())
def test_pooling_agrees_with_the_loops(geometry, c, n, precision, seed, nans):
    """Both poolings agree with the loops, with many ties among the pixels and with NaN."""
    (image, place), (dtype, tolerance), rng = geometry, precision, np.random.default_rng(seed)
    assume(all(max(p) < k for p, k in zip(place.pads, place.size, strict=True)))
    x = rng.integers(0, 3, (n, *image, c)).astype(dtype)
    if nans:
        x[rng.random(x.shape) < 0.1] = np.nan
    dy = rng.standard_normal((n, *place.out, c)).astype(dtype)
    how = place.size, place.strides, place.pads
    expected, got = (k.max_pool(x, *how) for k in (reference, vectorized))
    np.testing.assert_array_equal(got, expected)
    expected, got = (k.max_pool_backward(dy, x, expected, *how) for k in (reference, vectorized))
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    expected, got = (k.avg_pool(x, *how) for k in (reference, vectorized))
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    expected, got = (k.avg_pool_backward(dy, x.shape, *how) for k in (reference, vectorized))
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    assert got.dtype == dtype


def test_the_first_of_equal_maxima_takes_the_gradient():
    """Of four equal pixels the one at the top left gets all of dy, as in Keras."""
    x, dy = np.ones((1, 2, 2, 1)), np.full((1, 1, 1, 1), 5.0)
    for kernels in (reference, vectorized):
        y = kernels.max_pool(x, (2, 2), (2, 2), ((0, 0), (0, 0)))
        dx = kernels.max_pool_backward(dy, x, y, (2, 2), (2, 2), ((0, 0), (0, 0)))
        assert dx[0, :, :, 0].tolist() == [[5, 0], [0, 0]]


def test_channel_sums_keep_their_digits():
    """A float32 sum over a quarter of a million pixels is right to six digits."""
    x = np.random.default_rng(0).random((64, 64, 64, 2), dtype=np.float32) + 1
    exact = x.astype(np.float64).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(vectorized.channel_sums(x), exact, rtol=2e-7)
    np.testing.assert_allclose(reference.channel_sums(x[:2]), x[:2].sum(axis=(0, 1, 2)), rtol=1e-4)


def test_blocks_of_one_image_or_many_give_the_same(monkeypatch):
    """How many images share a block changes nothing but the order of a sum."""
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((7, 9, 9, 2)), rng.standard_normal((3, 3, 2, 4))
    how = kernel, (2, 1), ((1, 0), (1, 1))
    y = vectorized.conv2d(x, kernel, None, *how[1:])
    whole = vectorized.conv2d_backward(y, x, *how)
    monkeypatch.setattr(vectorized, "COLUMN_BYTES", 1)
    np.testing.assert_allclose(vectorized.conv2d(x, kernel, None, *how[1:]), y, rtol=1e-12)
    for a, b in zip(vectorized.conv2d_backward(y, x, *how), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_unknown_kernels_are_named():
    """A wrong name of kernels is answered with the right ones."""
    with pytest.raises(ConfigError, match="one of reference, vectorized, got 'fast'"):
        check_kernels("Sequential", "fast")
