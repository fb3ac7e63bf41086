"""Depthwise convolution in C is the loops', whatever the images, windows, layouts and threads."""

import numpy as np
import pytest

import minicnn
from layouts import LAYOUTS, laid_out
from minicnn import Conv2D, DepthwiseConv2D, Flatten, Input, Sequential
from minicnn.kernels import KERNELS

COMPILED, REFERENCE, VECTORIZED = (KERNELS[k] for k in ("compiled", "reference", "vectorized"))
SAME = ((1, 1), (1, 1))


@pytest.fixture(autouse=True)
def threads():
    yield minicnn.set_threads
    minicnn.set_threads(None)


class Setting:
    """Images, filters and windows, drawn from a seed."""

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng(seed)
        self.dtype = (np.float32, np.float64)[seed % 2]
        self.layout = LAYOUTS[seed // 2 % len(LAYOUTS)]
        c = int(rng.choice([1, 2, 3, 4, 5, 8, 11, 16, 17, 24, 33, 50]))
        self.times = int(rng.choice([1, 1, 1, 2, 3]))
        most = 9 if c * self.times < 12 else 5
        self.kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
        self.strides = tuple(int(s) for s in rng.integers(1, 4, 2))
        self.dilation = tuple(int(d) for d in rng.choice([1, 1, 2, 3], 2))
        self.pads = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (2, 2)))
        reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        fewest = [max(1, r - sum(p)) for r, p in zip(reach, self.pads, strict=True)]
        image = [int(rng.integers(f, f + most)) for f in fewest]
        self.shape = int(rng.choice([0, 1, 1, 2, 3])), *image, c
        self.how = self.strides, self.pads, self.dilation

    def draw(self, *shape):
        return laid_out(self.rng.standard_normal(shape).astype(self.dtype), self.layout)

    def drawn(self):
        """x, kernel and bias, or None."""
        c = self.shape[3] * self.times
        kernel = self.draw(*self.kernel, self.shape[3], self.times)
        return self.draw(*self.shape), kernel, self.draw(c) if self.rng.integers(2) else None


def close(found, wanted, terms):
    """Equal but for rounding of sums of so many numbers of about 1."""
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    error = 4 * np.finfo(wanted.dtype).eps * terms**0.5 * 4
    np.testing.assert_allclose(found, wanted, rtol=error, atol=error)


@pytest.mark.parametrize("seed", range(240))
def test_it_is_the_loops_forward_and_back(seed, threads):
    """Any stride, padding, dilation, number of filters, layout, precision; 0 images too."""
    threads(seed % 3 + 1)
    setting = Setting(seed)
    x, kernel, bias = setting.drawn()
    wanted = REFERENCE.depthwise(x, kernel, bias, *setting.how)
    found = COMPILED.depthwise(x, kernel, bias, *setting.how)
    taps = setting.kernel[0] * setting.kernel[1]
    close(found, wanted, taps)
    dy = setting.draw(*wanted.shape)
    how = setting.strides, setting.pads, seed % 4 > 0, setting.dilation
    wanted = REFERENCE.depthwise_backward(dy, x, kernel, *how)
    found = COMPILED.depthwise_backward(dy, x, kernel, *how)
    assert (found[0] is None) == (wanted[0] is None)
    if found[0] is not None:
        close(found[0], wanted[0], taps * setting.times)
    close(found[1], wanted[1], max(dy.size, 1))
    close(found[2], wanted[2], max(dy.size, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "strides"),
    [((5, 33, 31, 40), (1, 1)), ((3, 40, 40, 24), (2, 2)), ((9, 17, 16, 5), (1, 2))],
)
def test_the_number_of_threads_changes_no_bit(shape, strides, dtype, threads):
    """Rows and sums are cut by the shape alone; 50 threads find less than a part each."""
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal(shape, dtype), rng.standard_normal((3, 3, shape[3], 1), dtype)
    results = []
    for count in (1, 2, 3, 50):
        threads(count)
        y = COMPILED.depthwise(x, kernel, None, strides, SAME)
        results.append([y, *COMPILED.depthwise_backward(y, x, kernel, strides, SAME)])
    wide = (a.astype(np.float64) for a in (y, x, kernel))
    wanted = [y, *VECTORIZED.depthwise_backward(*wide, strides, SAME)]
    for found in results:
        for one, first, right in zip(found, results[0], wanted, strict=True):
            assert one.tobytes() == first.tobytes()
            scale = np.abs(right).max()
            np.testing.assert_allclose(one / scale, right / scale, atol=9 * np.finfo(dtype).eps)


def test_long_sums_in_single_precision_stay_right():
    """A million equal numbers, which added one to the other in single precision lose digits."""
    x = np.full((4, 512, 512, 4), 0.1, np.float32)
    kernel, tenth = np.ones((1, 1, 4, 1), np.float32), float(np.float32(0.1))
    _, dkernel, dbias = COMPILED.depthwise_backward(x, x, kernel, (1, 1), ((0, 0), (0, 0)))
    np.testing.assert_allclose(dbias, tenth * 4 * 512**2, rtol=1e-6)
    np.testing.assert_allclose(dkernel[0, 0, :, 0], tenth**2 * 4 * 512**2, rtol=1e-6)


@pytest.mark.parametrize("c", [2, 16, 21])
def test_nan_and_infinity_stay_with_their_channel(c):
    """They reach no other channel, and no image but their own; where they meet, NaN comes out."""
    x = np.ones((2, 6, 6, c), np.float32)
    x[0, 2, 2, 1], x[0, 3, 3, 0] = np.nan, np.inf
    kernel = np.ones((3, 3, c, 1), np.float32)
    wanted = REFERENCE.depthwise(x, kernel, None, (1, 1), SAME)
    found = COMPILED.depthwise(x, kernel, None, (1, 1), SAME)
    np.testing.assert_array_equal(found, wanted)
    assert np.isnan(found[0, 1:4, 1:4, 1]).all()
    assert np.isinf(found[0, 2:5, 2:5, 0]).all()


def test_inputs_of_other_precisions_are_widened_as_the_other_sets_do():
    """Images of float64 and a kernel of float32 give float64, the kernel's gradient float32."""
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((2, 5, 5, 3)), rng.standard_normal((2, 2, 3, 1), np.float32)
    args = (1, 1), ((0, 0), (0, 0))
    for kernels in (VECTORIZED, COMPILED):
        y = kernels.depthwise(x, kernel, None, *args)
        dx, dkernel, dbias = kernels.depthwise_backward(y, x, kernel, *args)
        assert [a.dtype.name for a in (y, dx, dkernel, dbias)] == [
            "float64", "float64", "float32", "float32",
        ]  # fmt: skip


def test_a_network_learns_the_same():
    """A few steps of training end at the weights that the other set's end at."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 12, 12, 3)), rng.standard_normal((16, 3))
    weights = []
    for kernels in ("vectorized", "compiled"):
        layers = [Input((12, 12, 3)), DepthwiseConv2D(3, 2, "same", 2, activation="relu")]
        layers += [Conv2D(3, 6), Flatten()]
        model = Sequential(layers, seed=0, kernels=kernels)
        model.compile("adam", "mse")
        model.fit(x, y, batch_size=8, epochs=3, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
