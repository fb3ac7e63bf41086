"""The vectorized kernels compute what the loops do, however the work is cut."""

from contextlib import contextmanager
from itertools import combinations
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minicnn._core.shapes import windows
from minicnn._parallel import threads as threads_module
from minicnn._parallel.threads import set_threads, working
from minicnn.errors import ConfigError
from minicnn.kernels import Scale, Tail, check_kernels, reference, vectorized
from minicnn.kernels.vectorized import (
    by_channel,
    convolution,
    convolve,
    convolve_backward,
    kinds,
    pooling,
    strips,
    workspace,
)

small = st.integers(1, 3)


PLAIN = st.just((1, 1))
DILATED = st.one_of(PLAIN, st.tuples(small, small))


@st.composite
def geometries(draw, dilations=PLAIN, both=False):
    """An image, and a window, strides, padding and dilation that go together.

    Unless ``both`` are allowed, strides are 1 where the dilation is not.
    """
    dilation = draw(dilations)
    image = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    strides = draw(st.tuples(small, small)) if both or dilation == (1, 1) else (1, 1)
    pad = st.integers(0, 3)
    padding = draw(
        st.one_of(
            st.sampled_from(["valid", "same"]),
            st.tuples(st.tuples(pad, pad), st.tuples(pad, pad)),
        )
    )
    explicit = ((0, 0), (0, 0)) if isinstance(padding, str) else padding
    if padding != "same":
        assume(
            all(
                n + sum(p) > (k - 1) * d
                for n, k, d, p in zip(image, size, dilation, explicit, strict=True)
            )
        )
    place = windows("test", image, size, strides, padding, dilation)
    return (image, place) if dilations is PLAIN else (image, place, dilation)


@st.composite
def cuts(draw):
    """Ways to cut the work: bytes a block, outputs a strip, the way back, shards."""
    return (
        draw(st.sampled_from([1, 500, strips.BLOCK_BYTES])),
        draw(st.sampled_from([None, 1, 2, 3, 8])),
        draw(st.sampled_from([None, "scatter", "gather", "both"])),
        draw(st.integers(1, 3)),
    )


@contextmanager
def cut_like_that(block_bytes, strip, way, threads):
    """Within, work is cut in that way, whatever the rules would choose; None leaves it to them."""
    chosen_strip, chosen_way = strips.strip_for, convolution.backward_method

    def strip_for(kernel, stride, ow, *cost):
        return min(strip or chosen_strip(kernel, stride, ow, *cost), ow)

    def backward_method(place, need_dx):
        kh, kw = place.kernel[:2]
        possible = place.strides == (1, 1) and all(
            max(pads) < k for pads, k in zip(place.pads, (kh, kw), strict=True)
        )
        chosen, cost = chosen_way(place, need_dx)
        return way if way and need_dx and (possible or way == "scatter") else chosen, cost

    def methods_for_dx(place):
        chosen = strips.methods_for_dx(place)
        return {way: chosen[way]} if way in chosen else chosen

    set_threads(threads)
    strips.cut_for.cache_clear()
    with (
        working(),
        mock.patch.object(strips, "BLOCK_BYTES", block_bytes),
        mock.patch.object(convolution, "BLOCK_BYTES", block_bytes),
        mock.patch.object(pooling, "BLOCK_BYTES", block_bytes),
        mock.patch.object(by_channel, "BLOCK_BYTES", block_bytes),
        mock.patch.object(strips, "strip_for", strip_for),
        mock.patch.object(convolution, "backward_method", backward_method),
        mock.patch.object(kinds, "methods_for_dx", methods_for_dx),
        mock.patch.object(threads_module, "WORTH_SHARDS", 0),
    ):
        yield
    set_threads(None)
    strips.cut_for.cache_clear()


dtypes = st.sampled_from([("float64", 1e-12), ("float32", 1e-4)])
seeds = st.integers(0, 2**32 - 1)


def numbers(precision, seed):
    """A function that draws arrays of a shape, and the tolerance for what comes of them."""
    (dtype, tolerance), rng = precision, np.random.default_rng(seed)
    return lambda *shape: rng.standard_normal(shape).astype(dtype), tolerance


def assert_agree(got, expected, tolerance):
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * 10)


def assert_backward_agrees(name, arrays, how, tolerance):
    """With dx and without it."""
    expected = getattr(reference, name)(*arrays, **how)
    assert_agree(getattr(vectorized, name)(*arrays, **how), expected, tolerance)
    none, *alone = getattr(vectorized, name)(*arrays, **how, need_dx=False)
    assert none is None
    assert_agree(alone, expected[1:], tolerance)


groupings = st.sampled_from([1, 1, 1, 2, 3, 4, 8])


@settings(max_examples=500, deadline=None)
@given(
    geometries(DILATED), groupings, small, small, st.integers(0, 3), st.booleans(), dtypes, seeds,
    cuts(),
)  # fmt: skip
def test_convolution_agrees_with_the_loops(
    geometry, groups, c, filters, n, biased, precision, seed, cut
):
    """Forward and backward convolution agree with the loops on 500 generated shapes."""
    (image, place, dilation), (draw, tolerance) = geometry, numbers(precision, seed)
    x, kernel = draw(n, *image, groups * c), draw(*place.size, c, groups * filters)
    bias = draw(groups * filters) if biased else None
    dy = draw(n, *place.out, groups * filters)
    how = {
        "strides": place.strides, "pads": place.pads, "dilation": dilation, "groups": groups
    }  # fmt: skip
    with cut_like_that(*cut):
        expected, got = (k.conv2d(x, kernel, bias, **how) for k in (reference, vectorized))
        assert_agree([got], [expected], tolerance)
        assert_backward_agrees("conv2d_backward", (dy, x, kernel), how, tolerance)


@settings(max_examples=300, deadline=None)
@given(
    geometries(DILATED, both=True), small, small, st.integers(0, 3), st.booleans(), dtypes, seeds,
    cuts(),
)  # fmt: skip
def test_depthwise_convolution_agrees_with_the_loops(
    geometry, c, times, n, biased, precision, seed, cut
):
    """Filters for each channel agree with the loops, with strides and dilation together too."""
    (image, place, dilation), (draw, tolerance) = geometry, numbers(precision, seed)
    x, kernel = draw(n, *image, c), draw(*place.size, c, times)
    bias, dy = draw(c * times) if biased else None, draw(n, *place.out, c * times)
    how = {"strides": place.strides, "pads": place.pads, "dilation": dilation}
    with cut_like_that(*cut):
        expected, got = (k.depthwise(x, kernel, bias, **how) for k in (reference, vectorized))
        assert_agree([got], [expected], tolerance)
        assert_backward_agrees("depthwise_backward", (dy, x, kernel), how, tolerance)


@settings(max_examples=300, deadline=None)
@given(geometries(DILATED), small, small, st.integers(0, 3), st.booleans(), dtypes, seeds, cuts())
def test_transposed_convolution_agrees_with_the_loops(
    geometry, c, filters, n, biased, precision, seed, cut
):
    """The way back of a convolution as one of its own agrees with the loops, either way."""
    (image, place, dilation), (draw, tolerance) = geometry, numbers(precision, seed)
    x, kernel = draw(n, *place.out, c), draw(*place.size, filters, c)
    bias = draw(filters) if biased else None
    how = {"out": image, "strides": place.strides, "pads": place.pads, "dilation": dilation}
    with cut_like_that(*cut):
        expected, got = (
            k.conv2d_transpose(x, kernel, bias, **how) for k in (reference, vectorized)
        )
        assert_agree([got], [expected], tolerance)


tails = st.builds(
    lambda relu, pool, size: Tail(relu, pool, size) if pool else Tail(relu),
    st.booleans(),
    st.sampled_from(["", "max", "avg"]),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
scales = st.sampled_from([None, Scale(0.5, 0.0), Scale(0.25, -1.0)])


@settings(max_examples=500, deadline=None)
@given(geometries(), small, small, st.integers(0, 3), tails, scales, dtypes, seeds, cuts())
def test_fused_is_one_after_the_other(geometry, c, filters, n, tail, scale, precision, seed, cut):
    """A convolution with what surrounds it, in one pass or layer by layer, is the same.

    All numbers are small multiples of 1/8, so nothing is rounded before the mean, and pixels
    that tie, of which there are many, tie exactly.
    """
    (image, place), (dtype, tolerance), rng = geometry, precision, np.random.default_rng(seed)
    assume(all(p <= o for p, o in zip(tail.size, place.out, strict=True)))

    def eighths(*shape):
        return (rng.integers(-8, 9, shape) / 8).astype(dtype)

    raw = rng.integers(0, 9, (n, *image, c)).astype(np.uint8) if scale else eighths(n, *image, c)
    kernel, bias = eighths(*place.size, c, filters), eighths(filters)
    how, pooled = (place.strides, place.pads), (tail.size, tail.size, ((0, 0), (0, 0)))
    x = raw.astype(dtype) * scale.scale + scale.offset if scale else raw
    z = vectorized.conv2d(x, kernel, bias, *how)
    a = np.maximum(z, 0) if tail.relu else z
    y = a
    if tail.pool:
        y = (vectorized.max_pool if tail.pool == "max" else vectorized.avg_pool)(a, *pooled)
    dy = eighths(*y.shape)
    da = dy
    if tail.pool == "max":
        da = vectorized.max_pool_backward(dy, a, y, *pooled)
    elif tail.pool == "avg":
        da = vectorized.avg_pool_backward(dy, a.shape, *pooled)
    dz = da * (z > 0) if tail.relu else da
    dx, dkernel, dbias = vectorized.conv2d_backward(dz, x, kernel, *how)
    if scale:
        dx = dx * scale.scale
    with cut_like_that(*cut):
        got_y, trace = convolve(raw, kernel, bias, *how, tail, scale, training=True)
        predicted, _ = convolve(raw, kernel, bias, *how, tail, scale)
        got = convolve_backward(dy, raw, trace, kernel, *how, tail, scale)
        none, *alone = convolve_backward(dy, raw, trace, kernel, *how, tail, scale, need_dx=False)
    assert none is None
    np.testing.assert_array_equal(predicted, got_y)
    for b, a in zip((got_y, *got, *alone), (y, dx, dkernel, dbias, dkernel, dbias), strict=True):
        assert b.dtype == dtype
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance * 10)


def test_fused_is_one_after_the_other_in_a_network_s_size():
    """The same with the sizes of a real network, where blocks hold some rows of one image."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 70, 66, 32), dtype=np.float32)
    kernel = rng.standard_normal((3, 3, 32, 32), dtype=np.float32)
    how, pool = ((1, 1), ((1, 1), (1, 1))), ((4, 4), (4, 4), ((0, 0), (0, 0)))
    z = vectorized.conv2d(x, kernel, None, *how)
    y = vectorized.max_pool(z, *pool)
    dy = rng.standard_normal(y.shape, dtype=np.float32)
    wanted = vectorized.conv2d_backward(
        vectorized.max_pool_backward(dy, z, y, *pool), x, kernel, *how
    )
    got_y, trace = convolve(x, kernel, None, *how, Tail(False, "max", (4, 4)), training=True)
    np.testing.assert_allclose(got_y, y, rtol=1e-4, atol=1e-4)
    got = convolve_backward(dy, x, trace, kernel, *how, Tail(False, "max", (4, 4)))
    alone = convolve_backward(dy, x, trace, kernel, *how, Tail(False, "max", (4, 4)), need_dx=False)
    for a, b in zip((*got, *alone[1:]), (*wanted, *wanted[1:]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-2)


def test_dtypes_are_promoted_as_numpy_does():
    """A float64 image keeps its digits with a float32 kernel, and whole gradients are divided."""
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((2, 5, 5, 2)), rng.standard_normal((3, 3, 2, 4), np.float32)
    how = (1, 1), ((1, 1), (1, 1))
    y = vectorized.conv2d(x, kernel, None, *how)
    np.testing.assert_allclose(y, reference.conv2d(x, kernel, None, *how), rtol=1e-12)
    dx, dkernel, _ = vectorized.conv2d_backward(y, x, kernel, *how)
    assert (y.dtype, dx.dtype, dkernel.dtype) == ("float64", "float64", "float32")
    dy, pool = np.ones((1, 2, 2, 1), int), ((2, 2), (2, 2), ((0, 0), (0, 0)))
    assert vectorized.avg_pool_backward(dy, (1, 4, 4, 1), *pool).sum() == 4
    overlapping = (3, 3), (1, 1), ((0, 0), (0, 0))
    assert vectorized.avg_pool_backward(dy, (1, 4, 4, 1), *overlapping).sum() == pytest.approx(4)


def test_the_strip_is_chosen_by_shape():
    """Few channels make long strips, many none; a strip is never longer than the row."""
    assert strips.strip_for((3, 3, 64, 64), 1, 32) == 1
    assert strips.strip_for((4, 4, 3, 8), 1, 64) > 1
    assert strips.strip_for((5, 5, 1, 6), 1, 28) > 1
    assert strips.strip_for((5, 5, 1, 6), 1, 1) == 1


def test_blocks_fit_the_cache_or_are_one_row():
    """The columns of a block stay within BLOCK_BYTES, unless one row of the output is larger."""
    for image, kernel in (((64, 64, 3), (4, 4, 3, 8)), ((9, 2000, 64), (3, 3, 64, 8))):
        place = strips.geometry(image, kernel, (1, 1), ((1, 1), (1, 1)))
        cut = strips.cut_for(place, 4)
        size = cut.images * cut.rows * cut.strips * kernel[0] * cut.reach * kernel[2] * 4
        assert size <= strips.BLOCK_BYTES or (cut.images, cut.rows) == (1, 1)


def test_memory_is_used_again_when_nobody_has_it():
    """An array lies in the smallest buffer that fits, of those that no array or view shows; where
    none fits the largest of them grows, and where there is none another one is taken."""
    buffers, single, byte = workspace.Buffers(), np.dtype("float32"), np.dtype("uint8")
    empty = workspace.empty

    def sizes():
        return [array.nbytes for array in buffers.arrays]

    with buffers:
        large, small = empty((3, 2), single), empty((5,), byte)
        assert sizes() == [24, 5]
        view = large[1:].reshape(-1)[::2]
        del large, small
        assert empty((4,), byte).base is buffers.arrays[1]
        taken = empty((5,), byte), empty((2,), byte)
        assert sizes() == [24, 5, 2]
        del taken
        grown = empty((8,), byte)
        assert sizes() == [24, 8, 2]
        del view
        assert empty((10,), byte).base is buffers.arrays[0]
        assert empty((1,), byte).base is buffers.arrays[2]
        held = [empty((2,), single) for _ in range(4)]
        assert not any(np.shares_memory(a, b) for a, b in combinations([grown, *held], 2))
    outside = empty((3, 2), single)
    assert not any(np.shares_memory(outside, array) for array in buffers.arrays)


@settings(max_examples=300, deadline=None)
@given(geometries(), small, st.integers(0, 3), dtypes, seeds, st.booleans(), cuts())
def test_pooling_agrees_with_the_loops(geometry, c, n, precision, seed, nans, cut):
    """Both poolings agree with the loops, with many ties among the pixels and with NaN."""
    (image, place), (dtype, tolerance), rng = geometry, precision, np.random.default_rng(seed)
    assume(all(max(p) < k for p, k in zip(place.pads, place.size, strict=True)))
    x = rng.integers(0, 3, (n, *image, c)).astype(dtype)
    if nans:
        x[rng.random(x.shape) < 0.1] = np.nan
    dy = rng.standard_normal((n, *place.out, c)).astype(dtype)
    how = place.size, place.strides, place.pads
    with cut_like_that(*cut):
        expected, got = (k.max_pool(x, *how) for k in (reference, vectorized))
        np.testing.assert_array_equal(got, expected)
        both = (k.max_pool_backward(dy, x, expected, *how) for k in (reference, vectorized))
        np.testing.assert_allclose(*both, rtol=tolerance, atol=tolerance)
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


def test_unknown_kernels_are_named():
    """A wrong name of kernels is answered with the right ones."""
    with pytest.raises(ConfigError, match="one of reference, vectorized, compiled, got 'fast'"):
        check_kernels("Sequential", "fast")
