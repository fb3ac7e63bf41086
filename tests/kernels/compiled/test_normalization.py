"""Batch normalization in C: the layer's numbers, at any shape and number of threads."""

import numpy as np
import pytest

from minicnn import BatchNorm, set_threads
from minicnn.kernels import KERNELS, Channels, Then
from minicnn.testing import check_layer

SHAPES = [
    (5, 7, 9, 3),
    (9, 17, 17, 17),
    (3, 600),
    (70, 513),
    (1, 1, 1, 1),
    (2, 2, 2, 1),
    (7, 5, 5, 1030),
    (64, 32, 32, 16),
    (0, 4, 4, 3),
]
TOLERANCES = {"float32": 2e-5, "float64": 1e-12}


@pytest.fixture(autouse=True)
def threads():
    """Each test leaves the number of threads as it was."""
    yield
    set_threads(None)


def made(kernels, shape, dtype, **options):
    layer = BatchNorm(**options)
    layer.kernel_set = kernels
    layer.build(shape[1:], np.random.default_rng(0), dtype)
    rng = np.random.default_rng(1)
    for array in layer.params.values():
        array[...] = rng.standard_normal(array.shape)
    for array in layer.state.values():
        array[...] = rng.random(array.shape) + 0.1
    return layer


def passes(layer, x, dy, training):
    """All that a forward and a backward pass give."""
    with np.errstate(all="ignore"):
        y, cache = layer.forward(x, training=training)
        dx, grads = layer.backward(dy, cache)
        return [y, dx, *grads.values(), *layer.next_state(cache).values()]


def close(found, wanted, tolerance):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        largest = max(np.abs(b[np.isfinite(b)]).max(initial=0), 1e-6)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_layer_gives_the_same_as_in_numpy(shape, dtype, training):
    """Outputs, gradients and moving statistics, of any number of channels and images."""
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((2, *shape)) * 3 + 5).astype(dtype)
    wanted, found = (
        passes(made(kernels, shape, dtype), x, dy, training)
        for kernels in ("vectorized", "compiled")
    )
    close(found, wanted, TOLERANCES[dtype])


@pytest.mark.parametrize(
    "options", [{"axis": 1}, {"axis": -2}, {"scale": False}, {"center": False}]
)
def test_the_layer_s_arguments_hold(options):
    """Another axis, no gamma, no beta."""
    shape = (6, 5, 4, 3)
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, *shape))
    wanted, found = (
        passes(made(kernels, shape, "float64", **options), x, dy, True)
        for kernels in ("vectorized", "compiled")
    )
    close(found, wanted, 1e-12)


def test_the_gradients_are_central_differences():
    """In float64, in training and outside it."""

    def compiled():
        layer = BatchNorm()
        layer.kernel_set = "compiled"
        return layer

    for shape in ((3, 3, 5), (4,)):
        check_layer(compiled, shape)


def test_numbers_far_from_zero_keep_their_variance():
    """A mean ten thousand times the deviation costs no more digits than the numbers have lost."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((64, 16, 16, 8)) + 1e4).astype("float32")
    mean, variance = KERNELS["compiled"].normalization.moments(x)
    pixels = x.reshape(-1, 8).astype("float64")
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-7)
    np.testing.assert_allclose(variance, pixels.var(0), rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_spoils_its_channel_alone(bad):
    """As in NumPy: NaN and infinity stay in their channel, in the same places."""
    rng = np.random.default_rng(0)
    for at in (0, 1):  # in x, in dy
        given = rng.standard_normal((2, 40, 6, 6, 5)).astype("float32")
        given[at, 3, 2, 1, 2] = bad
        for training in (True, False):
            wanted, found = (
                passes(made(kernels, (40, 6, 6, 5), "float32"), *given, training)
                for kernels in ("vectorized", "compiled")
            )
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
                np.testing.assert_array_equal(np.isnan(a), np.isnan(b))


def awkward(x):
    """The same numbers: every other one of an array, and at an odd address."""
    spread = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)[..., ::2]
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:]
    for array in (spread, raw.view(x.dtype).reshape(x.shape)):
        array[...] = x
        yield array


def test_arrays_may_lie_anywhere():
    """Neither strides nor odd addresses change a bit."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 6, 7, 7, 5)).astype("float32")
    layer = made("compiled", x.shape, "float32")
    wanted = passes(layer, x, dy, True)
    for other, dother in zip(awkward(x), awkward(dy), strict=True):
        for a, b in zip(passes(layer, other, dother, True), wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_change_no_bit():
    """One, two, three and more threads than there are rows."""
    rng = np.random.default_rng(0)
    for shape in ((64, 20, 20, 17), (3, 40_000)):
        x, dy = rng.standard_normal((2, *shape)).astype("float32")
        found = []
        for count in (1, 2, 3, 9):
            set_threads(count)
            found.append(passes(made("compiled", shape, "float32"), x, dy, True))
        for other in found[1:]:
            for a, b in zip(other, found[0], strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("then", [Then(), Then(True), Then(True, 0.7)])
@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize("channels", [3, 16, 600])
def test_what_follows_is_done_in_the_same_pass(then, adds, channels):
    """Sum, ReLU and limit as one after the other in NumPy; both gradients, over x and y."""
    kernels = KERNELS["compiled"].normalization
    rng = np.random.default_rng(0)
    x, dy, other = rng.standard_normal((3, 40, 5, 5, channels))
    scale, shift = rng.standard_normal((2, channels))
    mean, variance = kernels.moments(x)
    inverse = 1 / np.sqrt(variance)
    z = (x - mean) * scale + shift + (other if adds else 0)
    wanted = np.minimum(np.maximum(z, 0), then.most) if then.relu else z
    given = Channels(mean, inverse, scale, shift)
    y = kernels.normalize(x, given, then, other if adds else None)
    np.testing.assert_allclose(y, wanted, atol=1e-12)

    g = dy * ((y > 0) & (y < then.most)) if then.relu else dy
    x_hat = (x - mean) * inverse
    axes = (0, 1, 2)
    dx = scale * (g - g.mean(axes) - x_hat * (g * x_hat).mean(axes))
    over = x.copy()
    kept = y.copy() if adds and then.relu else None
    made = kernels.backward(dy, over, given, then, kept, over_x=True)
    assert made.dx is over
    np.testing.assert_allclose(made.dx, dx, atol=1e-12)
    np.testing.assert_allclose(made.dscale, (g * x_hat).sum(axes), atol=1e-11)
    np.testing.assert_allclose(made.dshift, g.sum(axes), atol=1e-11)
    if kept is not None:
        np.testing.assert_allclose(kept, g, atol=1e-12)
    assert kernels.backward(dy, x, given, then, kept, need_dx=False).dx is None


@pytest.mark.parametrize("then", [Then(), Then(True), Then(True, 0.7)])
@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 16, 40])
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (1, 4)])
def test_windows_are_pooled_in_the_same_pass(then, batch, channels, size):
    """As BatchNorm, ReLU and MaxPool of NumPy, where windows leave pixels over and elsewhere."""
    kernels, numpy = KERNELS["compiled"].normalization, KERNELS["vectorized"]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, 7, 9, channels))
    x[0, :2, :2] = 0.5  # ties
    scale, shift = rng.standard_normal((2, channels))
    mean, variance = kernels.moments(x)
    given = Channels(mean, 1 / np.sqrt(variance), scale, shift)
    none = ((0, 0), (0, 0))
    whole = kernels.normalize(x, given, then)
    wanted = numpy.max_pool(whole, size, size, none)
    y = kernels.normalize(x, given, then, None, size)
    np.testing.assert_array_equal(y, wanted)

    dy = rng.standard_normal(y.shape)
    dwhole = numpy.max_pool_backward(dy, whole, wanted, size, size, none)
    plain = kernels.backward(dwhole, x, given, then, batch=batch)
    over = x.copy()
    made = kernels.backward(dy, over, given, then, batch=batch, over_x=True, pool=size)
    assert made.dx is over
    for a, b in zip(made, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)
