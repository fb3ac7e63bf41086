"""Pictures turned, moved and zoomed in C against NumPy's way, which it equals to the bit."""

import numpy as np
import pytest

from minicnn import set_threads
from minicnn.kernels.compiled.affine import MODES, affine
from minicnn.preprocessing.affine import resampled

SHAPES = ((3, 12, 9, 3), (2, 5, 140, 1), (2, 1, 1, 4), (1, 7, 1, 2), (0, 4, 4, 3), (4, 64, 64, 3))


def some(shape, dtype=np.float32, seed=0):
    """Images, and maps of which some are far outside, some exact, some with halves."""
    rng = np.random.default_rng(seed)
    n, (h, w) = shape[0], shape[1:3]
    matrices = np.eye(2) * rng.choice([-1.5, -1, 0.5, 1, 3], (n, 1, 1))
    matrices = matrices + rng.choice([0, 0, 0.25, 1], (n, 2, 2)) * rng.uniform(-1, 1, (n, 2, 2))
    offsets = rng.choice([0.0, 0.5, 0.3, 1.0, -1.5, 4.0], (n, 2)) * (h, w)
    return (rng.standard_normal(shape) * 100).astype(dtype), matrices, offsets


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpys_way(dtype, mode, order, monkeypatch):
    """Every mode gives the same bits, within the picture and far beyond it."""
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")
    for shape in SHAPES:
        for seed in range(4):
            x, *maps = some(shape, dtype, seed)
            expected = x.copy()
            resampled(expected, *maps, mode, 7.5, order)
            assert affine(x, *maps, mode, 7.5, order)
            np.testing.assert_array_equal(x, expected)


def test_places_that_are_none():
    """A map of NaN reads nothing outside the picture."""
    x, matrices, offsets = some((2, 6, 6, 1))
    for mode in MODES:
        for order in (0, 1):
            y = x.copy()
            for number in (np.nan, np.inf, -1e300):
                maps = np.full_like(matrices, number), np.full_like(offsets, number)
                assert affine(y, *maps, mode, 0.0, order)


@pytest.mark.parametrize("threads", [2, 3, 50])
def test_any_number_of_threads(threads):
    """The bits are the same on any number of threads."""
    x, *maps = some((5, 64, 64, 3))
    found = []
    for count in (1, threads):
        set_threads(count)
        found.append(x.copy())
        assert affine(found[-1], *maps, "wrap", 0.0, 1)
    set_threads(None)
    np.testing.assert_array_equal(*found)


def test_what_the_page_cannot_do():
    """Bytes, scattered pictures and splines are left to others."""
    x, *maps = some((2, 6, 6, 3))
    assert not affine(x.astype(np.uint8), *maps, "wrap", 0.0, 1)
    assert not affine(x[:, :, ::2], *maps, "wrap", 0.0, 1)
    assert not affine(x, *maps, "wrap", 0.0, 3)


def test_resampled_uses_it(monkeypatch):
    """What ImageDataGenerator calls gives the same with these kernels and without."""
    found = []
    for kernels in ("vectorized", "compiled"):
        monkeypatch.setenv("MINICNN_KERNELS", kernels)
        x, *maps = some((4, 20, 20, 3))
        resampled(x, *maps, "reflect", 0.0, 1)
        found.append(x)
    np.testing.assert_array_equal(*found)
    monkeypatch.setattr("minicnn.preprocessing.affine._Resampler", None)
    resampled(x, *maps, "reflect", 0.0, 1)
