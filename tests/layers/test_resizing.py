"""Resizing and cropping, by hand."""

import numpy as np
import pytest

from minicnn import CenterCrop, RandomCrop, Resizing
from minicnn._core.resampling import INTERPOLATIONS, taps
from minicnn.errors import ConfigError

rng = np.random.default_rng(0)


def test_bilinear_resizing_by_loops():
    """Each pixel is the mean of the four around its place, by their nearness."""
    x = rng.standard_normal((2, 3, 7, 2))
    y, _ = Resizing(5, 4).forward(x)
    for i, j in np.ndindex(5, 4):
        u, v = (i + 0.5) * 3 / 5 - 0.5, (j + 0.5) * 7 / 4 - 0.5
        expected = np.zeros((2, 2))
        for h in range(-1, 4):
            for w in range(-1, 8):
                weight = max(0, 1 - abs(u - h)) * max(0, 1 - abs(v - w))
                expected += weight * x[:, min(max(h, 0), 2), min(max(w, 0), 6)]
        np.testing.assert_allclose(y[:, i, j], expected)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("n", "out"), [(1, 4), (7, 5), (5, 5), (3, 11), (100, 7)])
def test_weights_of_new_pixels(n, out, interpolation, antialias):
    """They add up to 1 and are of pixels that there are, in order; of the same size, the pixel."""
    places, weights = taps(n, out, interpolation, antialias)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert places.min() >= 0
    assert places.max() < n
    assert (np.diff(places, axis=0) >= 0).all()
    if n == out:
        np.testing.assert_allclose((places * weights).sum(axis=1), np.arange(n), atol=1e-12)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_line_stays_a_line(interpolation):
    """Away from the edges a slope is kept, nearly so by the windowed sinc of "lanczos"."""
    x = np.arange(40.0).reshape(1, 1, 40, 1)
    y, _ = Resizing(1, 100, interpolation).forward(x)
    expected = (np.arange(100) + 0.5) * 0.4 - 0.5
    off = {"nearest": 0.5, "lanczos3": 0.02, "lanczos5": 0.02}.get(interpolation, 1e-3)
    np.testing.assert_allclose(y.ravel()[15:-15], expected[15:-15], atol=off + 1e-9)


def test_smaller_with_antialias_uses_all_pixels():
    """One bright pixel is seen in the small image, which without antialias may pass it by."""
    x = np.zeros((1, 16, 16, 1))
    x[0, 5, 9] = 1
    assert Resizing(2, 2).forward(x)[0].sum() == 0
    assert Resizing(2, 2, antialias=True).forward(x)[0].sum() > 0.01


def test_the_ratio_is_kept():
    """The sides of a wide image are cut off, or bars added above and below."""
    x = np.ones((1, 2, 6, 1))
    x[:, :, 2:4] = 5
    assert Resizing(2, 2, crop_to_aspect_ratio=True).forward(x)[0].ravel().tolist() == [5] * 4
    y, _ = Resizing(6, 6, "nearest", pad_to_aspect_ratio=True, fill_value=7).forward(x)
    assert y[0, :, 0, 0].tolist() == [7, 7, 1, 1, 7, 7]


def test_center_crop_takes_the_middle():
    """With an odd rest the smaller part is on the left; a small image is made larger."""
    x = np.arange(30.0).reshape(1, 5, 6, 1)
    assert CenterCrop(2, 2).forward(x)[0].ravel().tolist() == [8, 9, 14, 15]
    y, _ = CenterCrop(10, 4).forward(x)
    expected, _ = Resizing(10, 4).forward(x[:, :, 2:4])
    np.testing.assert_array_equal(y, expected)


def test_random_crop_takes_parts_of_the_images():
    """In training every place is drawn, the same for all images; the gradient goes there alone."""
    x = np.arange(40.0).reshape(2, 4, 5, 1)
    layer, found = RandomCrop(3, 5), set()
    generator = np.random.default_rng(0)
    for _ in range(50):
        y, cache = layer.forward(x, training=True, rng=generator)
        np.testing.assert_array_equal(y[1], y[0] + 20)
        found.add(y[0, 0, 0, 0])
        dx, _ = layer.backward(np.ones_like(y), cache)
        np.testing.assert_array_equal(dx, np.isin(x, y))
    assert found == {0, 5}
    expected, _ = Resizing(3, 5, crop_to_aspect_ratio=True).forward(x)
    np.testing.assert_array_equal(layer.forward(x)[0], expected)
    with pytest.raises(ConfigError, match="expected a generator in training"):
        layer.forward(x, training=True)


def test_sizes_and_options_that_make_no_sense():
    """Each is refused by its name."""
    for make in (Resizing, CenterCrop, RandomCrop):
        with pytest.raises(ConfigError, match="expected height as a whole number of at least 1"):
            make(0, 3)
        with pytest.raises(ConfigError, match="expected width as a whole number of at least 1"):
            make(3, 2.5)
    with pytest.raises(ConfigError, match=r"interpolation as one of nearest, .* got 'area'"):
        Resizing(2, 2, "area")
    with pytest.raises(ConfigError, match="pad_to_aspect_ratio, got both"):
        Resizing(2, 2, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)
    with pytest.raises(ConfigError, match="fill_mode 'constant', got 'reflect'"):
        Resizing(2, 2, fill_mode="reflect")
