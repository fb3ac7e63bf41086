"""Layer normalization in C: the layer's numbers, at any shape and number of threads."""

import numpy as np
import pytest

from minicnn import LayerNorm, set_threads
from minicnn.testing import check_layer

SHAPES = [(5, 7, 3), (64, 8, 8, 96), (3, 1), (2, 5000), (200, 33), (4, 20_000), (0, 4, 6), (1, 64)]
TOLERANCES = {"float32": 5e-6, "float64": 1e-12}


@pytest.fixture(autouse=True)
def threads():
    """Each test leaves the number of threads as it was."""
    yield
    set_threads(None)


def made(kernels, shape, dtype, **options):
    layer = LayerNorm(**options)
    layer.kernel_set = kernels
    layer.build(shape[1:], np.random.default_rng(0), dtype)
    rng = np.random.default_rng(1)
    for array in layer.params.values():
        array[...] = rng.standard_normal(array.shape)
    return layer


def passes(layer, x, dy):
    """All that a forward and a backward pass give."""
    with np.errstate(all="ignore"):
        y, cache = layer.forward(x)
        dx, grads = layer.backward(dy, cache)
    return {"y": y, "dx": dx} | grads


def both(shape, dtype, x, dy, **options):
    return (
        passes(made(kernels, shape, dtype, **options), x, dy)
        for kernels in ("vectorized", "compiled")
    )


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_layer_gives_the_same_as_in_numpy(shape, dtype):
    """Outputs and gradients, of rows of any length, far from zero."""
    x, dy = (np.random.default_rng(0).standard_normal((2, *shape)) * 3 + 5).astype(dtype)
    wanted, found = both(shape, dtype, x, dy)
    assert list(found) == list(wanted)
    for name, b in wanted.items():
        assert (found[name].shape, found[name].dtype) == (b.shape, b.dtype)
        largest = np.abs(b).max(initial=1)
        np.testing.assert_allclose(found[name], b, rtol=0, atol=TOLERANCES[dtype] * largest)


@pytest.mark.parametrize(
    "options",
    [{"axis": 1}, {"axis": (1, 3)}, {"axis": (1, 2, 3)}, {"scale": False}, {"center": False}],
)
def test_the_layer_s_arguments_hold(options):
    """Other axes, no gamma, no beta."""
    x, dy = np.random.default_rng(0).standard_normal((2, 6, 5, 4, 3))
    wanted, found = both(x.shape, "float64", x, dy, **options)
    assert list(found) == list(wanted)
    for name, b in wanted.items():
        np.testing.assert_allclose(found[name], b, atol=1e-12)


def test_the_gradients_are_central_differences():
    """In float64."""

    def compiled():
        layer = LayerNorm()
        layer.kernel_set = "compiled"
        return layer

    for shape in ((3, 37), (4,)):
        check_layer(compiled, shape)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_none_spoils_its_row_alone(bad):
    """As in NumPy: NaN and infinity stay in their row."""
    for at in (0, 1):  # in x, in dy
        given = np.random.default_rng(0).standard_normal((2, 9, 40)).astype("float32")
        given[at, 3, 2] = bad
        wanted, found = both((9, 40), "float32", *given)
        for name in ("y", "dx"):
            np.testing.assert_array_equal(np.isnan(found[name]), np.isnan(wanted[name]))


def test_neither_threads_nor_strides_change_a_bit():
    """One, two, three and many threads; every other number of an array, an odd address."""
    x, dy = np.random.default_rng(0).standard_normal((2, 64, 40, 96)).astype("float32")
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    raw[...] = x
    spread = np.zeros((*dy.shape[:-1], 192), dy.dtype)[..., ::2]
    spread[...] = dy
    layer = made("compiled", x.shape, "float32")
    found = [passes(layer, raw, spread)]
    for count in (1, 2, 3, 99):
        set_threads(count)
        found.append(passes(layer, x, dy))
    for other in found[1:]:
        for name, array in other.items():
            np.testing.assert_array_equal(array, found[0][name])
