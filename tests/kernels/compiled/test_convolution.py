"""Convolution in C is the loops', forward and back, whatever comes before and after it."""

import numpy as np
import pytest

import minicnn
from layouts import LAYOUTS, laid_out
from minicnn import Conv2D, Dense, Flatten, Input, MaxPool, Sequential
from minicnn.kernels import KERNELS, Scale, Tail
from minicnn.kernels.base import PLAIN
from minicnn.kernels.compiled.convolution import convolve, convolve_backward, place_of
from minicnn.kernels.compiled.library import Function

COMPILED, REFERENCE, VECTORIZED = (KERNELS[k] for k in ("compiled", "reference", "vectorized"))
NONE = ((0, 0), (0, 0))
SETTINGS = 25
"""For each seed."""


@pytest.fixture(autouse=True)
def threads():
    yield minicnn.set_threads
    minicnn.set_threads(None)


def numbers(rng, low, high, count=2):
    return tuple(int(i) for i in rng.integers(low, high, count))


class Setting:
    """A convolution with what stands before and after it, drawn from a generator."""

    def __init__(self, rng):
        self.rng = rng
        self.dtype = np.dtype(rng.choice(["f4", "f8"]))
        self.layout = LAYOUTS[int(rng.integers(len(LAYOUTS)))]
        deep = rng.random() < 0.15  # as Winograd's method wants it
        self.groups = g = 1 if deep else int(rng.choice([1, 1, 1, 2, 3]))
        some = [rng.integers(1, 9), rng.integers(14, 50)]
        few = g == 1 and rng.random() < 0.4
        c, filters = g * int(rng.choice(some)), g * int(rng.integers(1, 13 if few else 50))
        if deep:
            c, filters = numbers(rng, 16, 50)
        kernel = (3, 3) if deep or rng.random() < 0.5 else numbers(rng, 1, 6)
        self.dilation = numbers(rng, 1, 4) if rng.random() < 0.3 and not deep else (1, 1)
        apart = deep or max(self.dilation) > 1  # no set takes both
        self.strides = numbers(rng, 1, 4) if rng.random() < 0.5 and not apart else (1, 1)
        self.pads = (numbers(rng, 0, 4), numbers(rng, 0, 4))
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, self.dilation, strict=True)]
        fewest = [max(1, r - sum(p)) for r, p in zip(reach, self.pads, strict=True)]
        most = (fewest[0] + 9, fewest[1] + (40 if few else 9))
        image = numbers(rng, fewest, most)
        self.out = tuple(
            (n + sum(p) - r) // s + 1
            for n, p, r, s in zip(image, self.pads, reach, self.strides, strict=True)
        )
        self.shape = (int(rng.choice([0, 1, 2, 3, 40])), *image, c)
        self.kernel = (*kernel, c // g, filters)
        self.scale = Scale(1 / 255, -0.5) if rng.random() < 0.3 else None
        size = tuple(int(rng.integers(1, min(n, 6) + 1)) for n in self.out)
        pool = str(rng.choice(["", "max", "avg"]))
        self.tail = Tail(bool(rng.integers(2)), pool, size if pool else (1, 1))
        self.how = self.strides, self.pads
        self.kind = {"dilation": self.dilation, "groups": self.groups}

    def draw(self, *shape):
        return laid_out(self.rng.standard_normal(shape).astype(self.dtype), self.layout)

    def images(self):
        if self.scale is None:
            return self.draw(*self.shape)
        return laid_out(self.rng.integers(0, 256, self.shape).astype(np.uint8), self.layout)

    def __repr__(self):
        return str({key: value for key, value in vars(self).items() if key != "rng"})


def definition(setting, kernels, x, kernel, bias):
    """(y, a function of dy that gives dx, dkernel, dbias), one kernel after another."""
    scale, tail = setting.scale, setting.tail
    if scale is not None:
        x = (x * setting.dtype.type(scale.scale) + setting.dtype.type(scale.offset)).astype(
            setting.dtype
        )
    z = kernels.conv2d(x, kernel, bias, *setting.how, **setting.kind)
    a = np.maximum(z, 0) if tail.relu else z
    windows = (tail.size, tail.size, NONE)
    y = {"max": kernels.max_pool, "avg": kernels.avg_pool}.get(tail.pool, lambda a, *_: a)(
        a, *windows
    )

    def back(dy):
        da = dy
        if tail.pool == "max":
            da = kernels.max_pool_backward(dy, a, y, *windows)
        elif tail.pool == "avg":
            da = kernels.avg_pool_backward(dy, a.shape, *windows)
        dz = da * (a > 0) if tail.relu else da
        dx, *grads = kernels.conv2d_backward(dz, x, kernel, *setting.how, True, **setting.kind)
        return dx if scale is None else dx * setting.dtype.type(scale.scale), *grads

    return y, back


def close(found, wanted, terms, setting):
    """Equal but for rounding of sums of so many numbers of about 1."""
    assert found.dtype == wanted.dtype, setting
    assert found.shape == wanted.shape, setting
    error = 8 * np.finfo(wanted.dtype).eps * max(terms, 1) ** 0.5
    largest = np.abs(wanted).max(initial=1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=error * largest, err_msg=repr(setting))


def compare(setting, threads):
    """The compiled passes with the loops' (of many images: with NumPy's, which are quicker)."""
    x, kernel = setting.images(), setting.draw(*setting.kernel)
    bias = setting.draw(setting.kernel[3]) if setting.rng.integers(2) else None
    kernels = REFERENCE if len(x) < 4 and x.size * kernel.size < 200_000 else VECTORIZED
    y, back = definition(setting, kernels, x, kernel, bias)
    dy = setting.draw(*y.shape)
    threads(int(setting.rng.choice([1, 2, 8])))
    found, trace = convolve(
        x, kernel, bias, *setting.how, setting.tail, setting.scale, True, **setting.kind
    )
    terms = kernel[..., 0].size
    close(found, y, terms, setting)
    apart = convolve(x, kernel, bias, *setting.how, setting.tail, setting.scale, **setting.kind)
    assert np.array_equal(apart[0], found), setting
    dx, dkernel, dbias = convolve_backward(
        dy, x, trace, kernel, *setting.how, setting.tail, setting.scale, **setting.kind
    )
    want_dx, want_dkernel, want_dbias = back(dy)
    close(dx, want_dx, terms * kernel.shape[3], setting)
    close(dkernel, want_dkernel, y[..., 0].size, setting)
    close(dbias, want_dbias, y[..., 0].size, setting)
    if setting.groups == 1 and setting.tail == Tail():
        rest = setting.shape[1:3], *setting.how, setting.dilation
        transposed = kernels.conv2d_transpose(dy, kernel, None, *rest)
        close(COMPILED.conv2d_transpose(dy, kernel, None, *rest), transposed, dy.size, setting)


@pytest.mark.parametrize("seed", range(16))
def test_it_is_the_loops(seed, threads):
    """400 settings: strides, padding, dilation, groups, bytes, ReLU, pooling, layouts, threads."""
    rng = np.random.default_rng(seed)
    for _ in range(SETTINGS):
        compare(Setting(rng), threads)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 220))
def test_it_is_the_loops_in_many_more_settings(seed, threads):
    """3,000 others."""
    rng = np.random.default_rng(seed)
    for _ in range(SETTINGS):
        compare(Setting(rng), threads)


@pytest.mark.parametrize("shape", [(3, 3, 3, 8), (3, 3, 40, 40), (1, 1, 16, 5), (3, 3, 4, 2)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_number_of_threads_changes_no_bit(shape, dtype, threads):
    """Of either gradient, nor of the output: sums are cut by the shapes alone."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((33, 12, 11, shape[2])).astype(dtype)
    kernel = rng.standard_normal(shape).astype(dtype)
    found = []
    for count in (1, 2, 3, 16):
        threads(count)
        y, trace = convolve(x, kernel, None, (1, 1), ((1, 1), (1, 1)), Tail(True), training=True)
        found.append(
            (y, *convolve_backward(y, x, trace, kernel, (1, 1), ((1, 1), (1, 1)), Tail(True)))
        )
    for others in found[1:]:
        assert all(map(np.array_equal, found[0], others))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_none(value):
    """The outputs that see a NaN or an infinity are those of the loops; ReLU keeps a NaN, and a
    pooling window that holds one is NaN."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 8, 8, 3)).astype("f4")
    x[0, 3, 4, 1] = value
    kernel = rng.standard_normal((3, 3, 3, 5)).astype("f4")
    for tail in (Tail(), Tail(True), Tail(True, "max", (2, 2)), Tail(False, "avg", (4, 2))):
        setting = Setting(rng)
        setting.dtype, setting.scale, setting.tail = x.dtype, None, tail
        setting.how, setting.kind = ((1, 1), ((1, 1), (1, 1))), {}
        y, _ = convolve(x, kernel, None, *setting.how, tail, training=True)
        with np.errstate(invalid="ignore"):
            wanted, _ = definition(setting, REFERENCE, x, kernel, None)
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [16, 17])
def test_pooling_windows_of_any_size_find_their_winner(size):
    """Places that do not fit into a byte are not kept in one: the gradients are NumPy's."""
    x = np.random.default_rng(0).standard_normal((2, 36, 36, 2)).astype("f4")
    found = []
    for kernels in ("compiled", "vectorized"):
        layers = [Input(x.shape[1:]), Conv2D(3, 3, activation="relu"), MaxPool(size), Flatten()]
        model = Sequential([*layers, Dense(1)], seed=0, kernels=kernels)
        model.compile("sgd", "mse")
        model.fit(x, np.ones(2), epochs=1, verbose=0)
        found.append(model.get_weights()[0])
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def pays(function, shape, kernel, tail=PLAIN, strides=(1, 1), dtype="f4", pads=NONE):
    """Whether a convolution of one group is computed that way."""
    place = place_of(shape, kernel, strides, pads, (1, 1), 1, tail, False)
    return bool(Function(function, "a", "i")(np.dtype(dtype), place.numbers))


def planar(*how, **more):
    """Whether vectors hold columns of that convolution (planar.c)."""
    return pays("planar_pays", *how, **more)


def test_few_filters_of_wide_images_are_computed_by_columns():
    """On any processor, where filters would leave most of a vector empty; and else they are not."""
    assert planar((1, 20, 132, 4), (5, 5, 4, 5))
    assert not planar((1, 20, 132, 4), (5, 5, 4, 5), strides=(1, 2))
    assert not planar((1, 20, 5, 4), (5, 5, 4, 8))
    assert not planar((1, 20, 132, 4), (5, 5, 4, 64))


def test_many_of_the_settings_are_computed_by_columns_or_by_winograd():
    """The settings that are compared above take these paths too."""
    rng = np.random.default_rng(0)
    settings = [Setting(rng) for _ in range(400)]
    taken = [
        s.groups == 1 and planar(s.shape, s.kernel, s.tail, s.strides, s.dtype) for s in settings
    ]
    assert sum(taken) >= 20
    plain = [s for s in settings if s.groups == 1 and s.dilation == (1, 1)]
    of_winograd = [
        pays("winograd_pays", s.shape, s.kernel, s.tail, s.strides, s.dtype, s.pads) for s in plain
    ]
    assert sum(of_winograd) >= 20


@pytest.mark.parametrize("filters", [1, 3, 6, 8, 11])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_of_equal_pixels_the_first_wins_and_of_all_the_first_nan(filters, dtype):
    """The winners of windows full of ties, infinities and NaN are those of argmax."""
    rng = np.random.default_rng(filters)
    x = rng.choice([-1.0, 0.0, 1.0, 2.0], (2, 9, 70, 2)).astype(dtype)
    x[rng.random(x.shape) < 0.02] = np.nan
    x[rng.random(x.shape) < 0.02] = np.inf
    kernel = rng.choice([-1.0, 0.0, 1.0], (2, 2, 2, filters)).astype(dtype)
    plain, _ = convolve(x, kernel, None, (1, 1), NONE)
    windows = plain.reshape(2, 4, 2, 23, 3, filters).transpose(0, 1, 3, 5, 2, 4)
    windows = windows.reshape(2, 4, 23, filters, 6)
    y, trace = convolve(x, kernel, None, (1, 1), NONE, Tail(False, "max", (2, 3)), training=True)
    winners = windows.argmax(axis=-1)
    assert np.array_equal(trace.kept, winners)
    wanted = np.take_along_axis(windows, winners[..., None], -1)[..., 0]
    assert np.array_equal(y, wanted, equal_nan=True)


def test_a_tie_goes_to_the_first_pixel():
    """All pixels of a window are equal: the gradient is the first one's."""
    x, kernel = np.ones((1, 4, 4, 1), "f4"), np.ones((1, 1, 1, 1), "f4")
    tail = Tail(True, "max", (2, 2))
    y, trace = convolve(x, kernel, None, (1, 1), NONE, tail, training=True)
    dx, _, _ = convolve_backward(np.ones_like(y), x, trace, kernel, (1, 1), NONE, tail)
    assert dx[0, :, :, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]] * 2
