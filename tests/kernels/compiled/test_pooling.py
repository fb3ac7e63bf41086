"""Pooling in C is the loops', whatever the images, windows, layouts and threads."""

import numpy as np
import pytest

import minicnn
from layouts import LAYOUTS, laid_out
from minicnn.kernels import KERNELS

COMPILED, REFERENCE, VECTORIZED = (KERNELS[k] for k in ("compiled", "reference", "vectorized"))
VALID = ((0, 0), (0, 0))


@pytest.fixture(autouse=True)
def threads():
    yield minicnn.set_threads
    minicnn.set_threads(None)


class Setting:
    """Images and windows, drawn from a seed; pads are smaller than windows, as layers have them."""

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng(seed)
        self.dtype = (np.float32, np.float64)[seed % 2]
        self.layout = LAYOUTS[seed // 2 % len(LAYOUTS)]
        c = int(rng.choice([1, 2, 3, 4, 5, 8, 11, 16, 17, 24, 33]))
        self.size = tuple(int(k) for k in rng.integers(1, 6, 2))
        side_by_side = rng.integers(3) == 0
        self.strides = self.size if side_by_side else tuple(int(s) for s in rng.integers(1, 7, 2))
        self.pads = tuple((int(rng.integers(k)), int(rng.integers(k))) for k in self.size)
        if side_by_side and rng.integers(2):
            self.pads = VALID
        fewest = [max(1, k - sum(p)) for k, p in zip(self.size, self.pads, strict=True)]
        image = [int(rng.integers(f, f + 8)) for f in fewest]
        self.shape = int(rng.choice([0, 1, 1, 2, 3])), *image, c
        self.how = self.size, self.strides, self.pads

    def draw(self, *shape):
        return laid_out(self.rng.standard_normal(shape).astype(self.dtype), self.layout)

    def images(self):
        """Drawn from few numbers, so that maxima are often shared, with some that are special."""
        few = np.array([-np.inf, -1, -0.0, 0.0, 1, 2, np.inf, np.nan], self.dtype)
        odds = np.array([4, 8, 8, 8, 8, 8, 1, 1])
        if self.rng.integers(2):
            return self.draw(*self.shape)
        return laid_out(self.rng.choice(few, self.shape, p=odds / odds.sum()), self.layout)


def close(found, wanted, terms):
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    error = 4 * np.finfo(wanted.dtype).eps * terms
    np.testing.assert_allclose(found, wanted, rtol=error, atol=error)


@pytest.mark.parametrize("seed", range(300))
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # inf - inf in NumPy
def test_it_is_the_loops_forward_and_back(seed, threads):
    """Any window, stride, padding, layout, precision; 0 images; NaN, infinity; maxima exactly."""
    threads(seed % 3 + 1)
    setting = Setting(seed)
    x = setting.images()
    y = REFERENCE.max_pool(x, *setting.how)
    found = COMPILED.max_pool(x, *setting.how)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, y)
    dy = setting.draw(*y.shape)
    terms = setting.size[0] * setting.size[1]
    wanted = REFERENCE.max_pool_backward(dy, x, y, *setting.how)
    close(
        COMPILED.max_pool_backward(dy, x, laid_out(y, setting.layout), *setting.how), wanted, terms
    )
    close(COMPILED.avg_pool(x, *setting.how), REFERENCE.avg_pool(x, *setting.how), terms)
    wanted = REFERENCE.avg_pool_backward(dy, x.shape, *setting.how)
    close(COMPILED.avg_pool_backward(dy, x.shape, *setting.how), wanted, terms)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "size", "strides", "pads"),
    [
        ((3, 64, 64, 24), (2, 2), (2, 2), VALID),
        ((1, 61, 67, 40), (3, 3), (2, 2), ((1, 1), (1, 1))),
        ((2, 90, 40, 20), (7, 5), (1, 1), ((3, 3), (2, 2))),
        ((50, 28, 28, 6), (2, 2), (2, 2), VALID),
        ((2, 70, 50, 30), (2, 2), (5, 3), ((1, 0), (1, 1))),
    ],
)
def test_the_number_of_threads_changes_no_bit(shape, size, strides, pads, dtype, threads):
    """Images cut into bands of rows, whose windows reach into each other's; 50 threads too."""
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, shape).astype(dtype)
    how = size, strides, pads
    y = VECTORIZED.max_pool(x, *how)
    dy = rng.standard_normal(y.shape, dtype)
    arguments = {
        "max_pool": (x,), "max_pool_backward": (dy, x, y),
        "avg_pool": (x,), "avg_pool_backward": (dy, shape),
    }  # fmt: skip
    for name, given in arguments.items():
        wanted = getattr(VECTORIZED, name)(*given, *how)
        results = []
        for count in (1, 2, 3, 50):
            threads(count)
            results.append(getattr(COMPILED, name)(*given, *how))
            assert results[-1].tobytes() == results[0].tobytes()
        close(results[0], wanted, 35)


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_large_windows_keep_their_digits(name):
    """Means over, and gradients from, thousands of numbers in single precision."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((1, 80, 80, 2)) + 5).astype(np.float32)
    how = (64, 64), (1, 1), VALID
    y = getattr(COMPILED, name)(x, *how)
    wide = getattr(VECTORIZED, name)(x.astype(float), *how)
    np.testing.assert_allclose(y, wide, rtol=2e-7)
    given = (x, y) if name == "max_pool" else (x.shape,)
    dx = getattr(COMPILED, f"{name}_backward")(np.ones_like(y) / 10, *given, *how)
    np.testing.assert_allclose(dx.sum(dtype=float), y.size * float(np.float32(0.1)), rtol=2e-7)
