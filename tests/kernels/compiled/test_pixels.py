"""Images turned, moved and zoomed in C, against NumPy's way and against plain loops."""

import math

import numpy as np
import pytest

from minicnn import (
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Rescaling,
    Sequential,
    set_threads,
)
from minicnn.kernels.compiled.pixels import MODES, resample
from minicnn.layers import Input
from minicnn.layers.augmentation import resampling
from minicnn.layers.augmentation.resampling import INTERPOLATIONS, Sampling

SHAPES = ((3, 12, 9, 3), (2, 5, 140, 1), (2, 1, 1, 4), (1, 7, 1, 2), (0, 4, 4, 3), (2, 3, 3, 0))
KINDS = {"turned": RandomRotation(1.0), "zoomed": RandomZoom(1.0), "moved": RandomTranslation(1, 1)}


def some(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def maps_of(kind, x, seed=1):
    layer = KINDS[kind]
    return layer.maps(layer.draw(len(x), np.random.default_rng(seed)), *x.shape[1:3])


def looped(x, maps, mode, interpolation, fill):
    """The definition, a pixel at a time, in double precision."""
    n, h, w, _ = x.shape

    def at(i, size):
        if 0 <= i < size:
            return i
        if mode == "constant":
            return None
        if mode == "nearest":
            return min(max(i, 0), size - 1)
        if mode == "wrap":
            return i % size
        return i % (2 * size) if i % (2 * size) < size else 2 * size - 1 - i % (2 * size)

    def pixel(image, row, column):
        r, c = at(row, h), at(column, w)
        return np.full(x.shape[3], float(fill)) if None in (r, c) else image[r, c].astype(float)

    y = np.empty(x.shape)
    for i, row, column in np.ndindex(n, h, w):
        u, v = maps[i] @ [column, row, 1]
        if interpolation == "nearest":
            y[i, row, column] = pixel(x[i], math.floor(v + 0.5), math.floor(u + 0.5))
            continue
        top, left = math.floor(v), math.floor(u)
        down, right = v - top, u - left
        y[i, row, column] = (1 - down) * (
            (1 - right) * pixel(x[i], top, left) + right * pixel(x[i], top, left + 1)
        ) + down * (
            (1 - right) * pixel(x[i], top + 1, left) + right * pixel(x[i], top + 1, left + 1)
        )
    return y


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_loops(dtype, kind, mode, interpolation):
    """Every kind of map and border gives what the loops give; bytes are rounded."""
    for shape in SHAPES:
        x = some(shape, dtype)
        maps = maps_of(kind, x)
        y = resample(x, maps, mode, interpolation, 7)
        assert (y.dtype, y.shape) == (x.dtype, x.shape)
        off = {np.uint8: 0.5002, np.float32: 1e-3, np.float64: 1e-9}[dtype]
        expected = looped(x, maps, mode, interpolation, 7)
        np.testing.assert_allclose(
            y, expected, rtol=0, atol=0 if interpolation == "nearest" else off
        )


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("mode", MODES)
def test_numpys_way(mode, interpolation):
    """NumPy's way gives the same: floating-point numbers to rounding, bytes up to one."""
    how = Sampling(mode, interpolation, 9.0)
    for dtype, off in ((np.uint8, 1), (np.float32, 1e-3), (np.float64, 1e-9)):
        x = some((4, 31, 33, 3), dtype)
        maps = maps_of("turned", x)
        expected = resampling.resample(x, maps, how).astype(np.float64)
        np.testing.assert_allclose(resample(x, maps, mode, interpolation, 9.0), expected, 0, off)


def test_numbers_that_are_none():
    """NaN and infinity reach the pixels that NumPy's way sends them to, and no others."""
    x = some((2, 8, 8, 1), np.float64)
    x[0, 3, 3], x[1, 2, 5] = np.nan, np.inf
    maps = maps_of("turned", x)
    expected = resampling.resample(x, maps, Sampling("reflect", "bilinear", 0.0))
    np.testing.assert_allclose(resample(x, maps, "reflect", "bilinear", 0.0), expected, atol=1e-9)


@pytest.mark.parametrize("threads", [2, 3, 50])
def test_any_number_of_threads(threads):
    """The bits are the same on any number of threads."""
    x = some((5, 64, 64, 3), np.float32)
    maps = maps_of("zoomed", x)
    found = []
    for count in (1, threads):
        set_threads(count)
        found.append(resample(x, maps, "wrap", "bilinear", 0.0))
    set_threads(None)
    np.testing.assert_array_equal(*found)


def test_scattered_images():
    """Images may lie anywhere, in either order, and in half precision."""
    x = some((3, 10, 12, 3), np.float32)
    maps = maps_of("moved", x)
    expected = resample(x, maps, "reflect", "bilinear", 0.0)
    scattered = np.repeat(x.transpose(0, 3, 2, 1), 2, axis=0)[::2].transpose(0, 3, 2, 1)
    np.testing.assert_array_equal(resample(scattered, maps, "reflect", "bilinear", 0.0), expected)
    half = resample(x.astype(np.float16), maps, "reflect", "bilinear", 0.0)
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, expected, atol=0.1)


@pytest.mark.parametrize(
    "layer", [RandomRotation(0.2), RandomZoom(0.3), RandomTranslation(0.2, 0.2)]
)
def test_layers_use_it(layer, monkeypatch):
    """A model with these kernels changes its images by them, from the same random numbers."""
    x, seen = some((8, 16, 16, 3), np.uint8), {}
    for kernels in ("vectorized", "compiled"):
        twin = type(layer).from_config(layer.get_config())
        model = Sequential([Input((16, 16, 3)), twin, Rescaling(1.0)], seed=0, kernels=kernels)
        seen[kernels] = model.forward(x, training=True)[0]
    assert np.abs(seen["compiled"] - seen["vectorized"]).max() <= 1
    assert np.abs(seen["compiled"] - x).max() > 10
    monkeypatch.setattr(resampling, "_resample", None)
    monkeypatch.setattr(resampling, "_move", None)
    np.testing.assert_array_equal(model.forward(x, training=True)[0].shape, x.shape)
