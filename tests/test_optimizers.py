"""Optimizers against steps worked out by hand, in Keras' order of operations."""

import math

import numpy as np
import pytest

from minicnn import SGD, Adam
from minicnn.errors import ConfigError, ShapeError
from minicnn.optimizers import get
from minicnn.optimizers.schedules import CosineDecay


def run(optimizer, gradients, start=1.0):
    params = {"w": np.array([start])}
    for gradient in gradients:
        optimizer.step(params, {"w": np.array([gradient])})
    return params["w"][0]


def test_sgd():
    """Plain descent takes lr * g each time."""
    assert run(SGD(0.1), [2.0, -1.0]) == pytest.approx(1 - 0.2 + 0.1)


def test_sgd_momentum():
    """v = mu v - lr g, w += v."""
    v1 = -0.1 * 2.0
    v2 = 0.9 * v1 - 0.1 * 3.0
    assert run(SGD(0.1, momentum=0.9), [2.0, 3.0]) == pytest.approx(1 + v1 + v2)


def test_sgd_nesterov():
    """Nesterov adds mu v - lr g with the new v."""
    v1 = -0.1 * 2.0
    v2 = 0.9 * v1 - 0.1 * 3.0
    expected = 1 + (0.9 * v1 - 0.2) + (0.9 * v2 - 0.3)
    optimizer = SGD(0.1, momentum=0.9, nesterov=True)
    assert run(optimizer, [2.0, 3.0]) == pytest.approx(expected)


def test_adam():
    """Two steps of Adam, epsilon added to the uncorrected root."""
    w, m, v = 1.0, 0.0, 0.0
    for t, g in ((1, 2.0), (2, -0.5)):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        alpha = 0.01 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        w -= alpha * m / (math.sqrt(v) + 0.5)
    assert run(Adam(0.01, epsilon=0.5), [2.0, -0.5]) == pytest.approx(w, rel=1e-12)


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.1)])
def test_quadratic_bowl(optimizer):
    """Each finds the bottom of a bowl, without changing the gradients or the dtype."""
    params = {"a": np.full((2, 2), 3.0, np.float32), "b": np.full(1, -2.0, np.float32)}
    for _ in range(300):
        grads = {name: 2 * value for name, value in params.items()}
        kept = {name: grad.copy() for name, grad in grads.items()}
        optimizer.step(params, grads)
        for name in grads:
            np.testing.assert_array_equal(grads[name], kept[name])
    for value in params.values():
        assert value.dtype == np.float32
        assert np.abs(value).max() < 0.02


def test_learning_rate_can_be_set():
    """A new learning rate counts from the next step."""
    optimizer = SGD(0.1)
    params = {"w": np.array([0.0])}
    optimizer.step(params, {"w": np.array([1.0])})
    optimizer.learning_rate = 0.01
    optimizer.step(params, {"w": np.array([1.0])})
    assert params["w"][0] == pytest.approx(-0.11)


def test_cosine_decay():
    """The rate follows half a cosine to alpha times its start, after a straight climb."""
    rate = CosineDecay(0.4, decay_steps=8, alpha=0.25)
    assert [rate(s) for s in (0, 4, 8, 100)] == pytest.approx([0.4, 0.25, 0.1, 0.1])
    rate = CosineDecay(0.0, decay_steps=10, warmup_target=1.0, warmup_steps=4)
    assert [rate(s) for s in (0, 2, 4, 9, 14, 50)] == pytest.approx([0, 0.5, 1, 0.5, 0, 0])


def test_a_schedule_starts_at_step_zero():
    """The first step is taken at the schedule's value for step 0, as in Keras."""
    optimizer = SGD(CosineDecay(1.0, decay_steps=2))
    assert run(optimizer, [1.0, 1.0, 1.0], start=0.0) == pytest.approx(-1.5)


def test_state_round_trip():
    """An optimizer that takes over another's state goes on with the same numbers."""
    for make in (lambda: Adam(0.01), lambda: SGD(0.1, momentum=0.5), lambda: SGD(0.1)):
        first, second, rng = make(), make(), np.random.default_rng(0)
        params = {"a": rng.standard_normal(3), "b": rng.standard_normal((2, 2))}
        first.step(params, {name: value + 1 for name, value in params.items()})
        second.set_state(params, [value.copy() for value in first.get_state(params)])
        twin = {name: value.copy() for name, value in params.items()}
        first.step(params, {name: np.ones_like(value) for name, value in params.items()})
        second.step(twin, {name: np.ones_like(value) for name, value in twin.items()})
        for name in params:
            np.testing.assert_array_equal(params[name], twin[name])


def test_mistakes_are_explained():
    """Arguments and gradients that make no sense say so; nothing is updated then."""
    for call in (
        lambda: SGD(-1),
        lambda: SGD("fast"),
        lambda: SGD(float("nan")),
        lambda: SGD(momentum=1.0),
        lambda: SGD(nesterov=True),
        lambda: Adam(beta_1=1.0),
        lambda: Adam(epsilon=-1),
        lambda: CosineDecay(0.1, 0),
    ):
        with pytest.raises(ConfigError, match=r"(SGD|Adam|CosineDecay): expected .* got"):
            call()
    params = {"w": np.ones(2), "v": np.ones(2)}
    with pytest.raises(ConfigError, match="known parameters, got 'u'"):
        SGD(0.1).step(params, {"w": np.ones(2), "u": np.ones(2)})
    with pytest.raises(ShapeError, match=r"shape \(2,\) for 'v', got \(3,\)"):
        SGD(0.1).step(params, {"w": np.ones(2), "v": np.ones(3)})
    assert params["w"].tolist() == [1, 1]
    with pytest.raises(ConfigError, match="one of adam, sgd; got 'rmsprop'"):
        get("Sequential", "rmsprop")


def test_large_parameters_are_updated_in_pieces_to_the_same_bits():
    """An Adam step on 100,000 numbers is that of each number by itself."""
    rng = np.random.default_rng(0)
    start, grad = rng.standard_normal((2, 100_000))
    whole, parts = {"w": start.copy()}, {f"w{i}": start[i::4].copy() for i in range(4)}
    for params, grads in (
        (whole, {"w": grad}),
        (parts, {f"w{i}": grad[i::4].copy() for i in range(4)}),
    ):
        optimizer = Adam(0.1)
        for _ in range(3):
            optimizer.step(params, grads)
    for i in range(4):
        np.testing.assert_array_equal(whole["w"][i::4], parts[f"w{i}"])


def test_an_optimizer_of_one_s_own_sees_whole_parameters():
    """A class that replaces ``update`` gets each parameter whole, whatever it derives from."""

    class Normed(SGD):
        def update(self, param, grad, slots):
            super().update(param, grad / np.linalg.norm(grad), slots)

    params = {"w": np.zeros(100_000)}
    Normed(1.0).step(params, {"w": np.ones(100_000)})
    assert np.linalg.norm(params["w"]) == pytest.approx(1)
