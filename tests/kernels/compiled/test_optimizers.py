"""The optimizers' steps in C against NumPy's, which they equal to the bit."""

import copy

import numpy as np
import pytest

from minicnn import SGD, Adam, Ftrl, set_threads
from minicnn.kernels import KERNELS
from minicnn.layers.composite import Learned
from minicnn.testing.cases import OPTIMIZERS

SHAPES = ((0,), (1,), (3,), (17,), (3, 3, 5, 7), (1024,), (1025,), (100_003,))
WITH_RULES = [one for one in OPTIMIZERS if not isinstance(one, Ftrl)]


def params_of(rng, dtype, kernels, shapes=SHAPES):
    """Parameters of a model whose kernels are these."""
    params = Learned()
    params |= {f"p{i}.kernel": rng.standard_normal(s).astype(dtype) for i, s in enumerate(shapes)}
    params.kernels = kernels
    return params


def both(optimizer, dtype=np.float32, steps=4, shapes=SHAPES, change=lambda params, grads: None):
    """(NumPy's, C's) parameters and state after some steps with the same gradients."""
    found, calls = [], []

    def counted(*args):
        calls.append(KERNELS["compiled"].optimizer_step(*args))
        return calls[-1]

    for kernels in (None, copy.copy(KERNELS["compiled"])):
        if kernels:
            object.__setattr__(kernels, "optimizer_step", counted)
        rng, mine = np.random.default_rng(0), copy.deepcopy(optimizer)
        params = params_of(rng, dtype, kernels, shapes)
        for _ in range(steps):
            grads = {
                name: (rng.standard_normal(param.shape) * 10.0 ** rng.integers(-4, 3)).astype(dtype)
                for name, param in params.items()
            }
            change(params, grads)
            with np.errstate(all="ignore"):
                mine.step(params, grads)
        found.append([*params.values(), *mine.get_state(params)])
    return *found, calls


def assert_same_bits(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", WITH_RULES, ids=repr)
def test_steps_are_numpys(optimizer, dtype):
    """Every optimizer of elementwise steps gives the same bits, in parameters and state."""
    by_numpy, by_c, calls = both(optimizer, dtype)
    assert calls == [True] * 4
    assert_same_bits(by_c, by_numpy)


@pytest.mark.parametrize(
    "clip", [{"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.01}, {"clipvalue": 1e-60}]
)
def test_clipping_and_decay(clip):
    """Clipped gradients and decaying weights are NumPy's, too; a limit may be 0 in float32."""
    optimizer = Adam(0.01, weight_decay=0.3, **clip)
    optimizer.exclude_from_weight_decay(var_names=["p1"])
    by_numpy, by_c, calls = both(optimizer)
    assert all(calls)
    assert_same_bits(by_c, by_numpy)


@pytest.mark.parametrize("optimizer", WITH_RULES, ids=repr)
@pytest.mark.parametrize("clipvalue", [None, 0.5])
def test_numbers_that_are_none(optimizer, clipvalue):
    """NaN, infinity and -0 in gradients and parameters go the same way."""

    def change(params, grads):
        for array in (*params.values(), *grads.values()):
            array.reshape(-1)[:12:3] = np.resize([np.nan, -np.inf, -0.0, np.inf], array.size)[:4][
                : len(array.reshape(-1)[:12:3])
            ]

    optimizer = copy.deepcopy(optimizer)
    optimizer.clipvalue = clipvalue
    by_numpy, by_c, calls = both(optimizer, change=change)
    assert all(calls)
    assert_same_bits(by_c, by_numpy)


@pytest.mark.parametrize("threads", [1, 2, 3, 20])
def test_any_number_of_threads(threads):
    """The bits are the same on any number of threads."""
    set_threads(threads)
    try:
        by_numpy, by_c, _ = both(Adam(0.01, amsgrad=True), shapes=(*SHAPES, (300_000,)))
    finally:
        set_threads(None)
    assert_same_bits(by_c, by_numpy)


def test_what_the_page_cannot_do():
    """Parameters that lie scattered, or gradients of another precision, are left to NumPy."""

    def scattered(params, grads):
        params["p4.kernel"] = params["p4.kernel"].transpose(1, 0, 3, 2)
        grads["p4.kernel"] = grads["p4.kernel"].transpose(1, 0, 3, 2)

    by_numpy, by_c, calls = both(SGD(0.1), change=scattered, steps=1)
    assert calls == [False]
    assert_same_bits(by_c, by_numpy)

    def precise(params, grads):
        grads["p4.kernel"] = grads["p4.kernel"].astype(np.float64)

    by_numpy, by_c, calls = both(Adam(0.1), change=precise)
    assert calls == [False] * 4
    assert_same_bits(by_c, by_numpy)


def test_scattered_gradients():
    """A gradient may lie anywhere."""

    def change(params, grads):
        for name, grad in grads.items():
            grads[name] = np.repeat(grad, 2, axis=0)[::2]

    by_numpy, by_c, calls = both(Adam(0.1), change=change)
    assert all(calls)
    assert_same_bits(by_c, by_numpy)


def test_a_protected_parameter_is_refused():
    """A parameter that must not be written to is not, and nothing else changes."""
    params = params_of(np.random.default_rng(0), np.float32, KERNELS["compiled"])
    params["p3.kernel"].flags.writeable = False
    before = params["p3.kernel"].copy()
    with pytest.raises(ValueError, match="read-only"):
        SGD(0.1).step(params, {"p3.kernel": np.ones_like(before)})
    np.testing.assert_array_equal(params["p3.kernel"], before)


class Halving(Adam):
    def update(self, param, grad, slots):
        param *= 0.5


class Counting(Adam):
    def begin_step(self):
        self.rate = 0.0


def test_custom_optimizers():
    """A class with an ``update`` of its own is asked for it; one that inherits it need not be."""
    by_numpy, by_c, calls = both(Halving())
    assert calls == []
    assert_same_bits(by_c, by_numpy)
    by_numpy, by_c, calls = both(Counting())
    assert all(calls)
    assert_same_bits(by_c, by_numpy)


def test_no_parameters():
    """A step of nothing counts."""
    optimizer = Adam()
    optimizer.step(params_of(None, np.float32, KERNELS["compiled"], ()), {})
    assert optimizer.iterations == 1
