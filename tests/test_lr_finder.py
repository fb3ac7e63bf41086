"""The learning-rate finder: what it finds, and that it leaves no trace."""

import itertools
import os
import signal

import numpy as np
import pytest

from minicnn import SGD, Adam, BatchNorm, Dense, Dropout, Input, Sequential, lr_finder
from minicnn._core import console
from minicnn.errors import ConfigError
from minicnn.lr_finder import find_learning_rate
from minicnn.optimizers.schedules import CosineDecay
from minicnn.plots import plot_learning_rates

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 5)).astype(np.float32)
Y = X @ RNG.standard_normal((5, 1)).astype(np.float32)


def test_it_finds_the_rates_at_which_a_quadratic_can_be_learned():
    """For a linear model the loss diverges above 2 / (the largest eigenvalue of its Hessian).

    The labels are noisy, so that there is a loss left that can grow."""
    model = Sequential([Input((5,)), Dense(1, use_bias=False)], seed=0)
    model.compile(SGD(), "mse")
    limit = 2 / np.linalg.eigvalsh(2 * X.T @ X / len(X)).max()
    noisy = Y + 0.1 * RNG.standard_normal(Y.shape)
    found = find_learning_rate(model, X, noisy, batch_size=200, lowest=1e-4, highest=100, steps=120)
    assert limit / 300 < found.suggestion < limit
    assert found.rates[-1] > limit  # the sweep continued until the loss grew, and ended there
    assert len(found.rates) < 120
    np.testing.assert_allclose(found.rates[1:] / found.rates[:-1], 1e6 ** (1 / 119))


@pytest.mark.parametrize("features", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_rounding_does_not_decide_on_the_rate(seed, features):
    """On data that a linear model fits exactly the loss reaches 0, and from then on its
    running mean falls at any rate; the suggestion still converges, whatever the rounding."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, features)).astype(np.float32)
    y = x @ rng.standard_normal((features, 1)).astype(np.float32)
    limit = 2 / np.linalg.eigvalsh(2 * x.T @ x / len(x)).max()
    for order in range(3):
        numbers = np.random.default_rng(order).permutation(len(x))
        model = Sequential([Input((features,)), Dense(1, use_bias=False)], seed=0)
        model.compile(SGD(), "mse")
        found = find_learning_rate(
            model, x[numbers], y[numbers], batch_size=200, lowest=1e-4, highest=100, steps=120
        )
        assert limit / 300 < found.suggestion < limit / 2


@pytest.mark.parametrize("seed", range(5))
def test_noise_before_the_fall_is_not_taken_for_it(seed, monkeypatch):
    """On a noisy curve that is flat up to 1e-3, falls, and rises from 6e-2 on, the rate is one at
    which the loss falls."""
    log_rates = np.linspace(-6, 0, 100)
    losses = 2.8 - 1.5 / (1 + np.exp(-4 * (log_rates + 2.7))) + np.exp(5 * (log_rates + 1.2))
    losses += np.random.default_rng(seed).normal(0, 0.4, 100)
    step = lr_finder._Sweep.on_epoch_end

    def put(sweep, epoch, logs):
        step(sweep, epoch, {"loss": losses[epoch]})

    monkeypatch.setattr(lr_finder._Sweep, "on_epoch_end", put)
    model = Sequential([Input((5,)), Dense(1)], seed=0)
    model.compile(SGD(), "mse")
    assert 1e-3 < find_learning_rate(model, X[:32], 0 * Y[:32]).suggestion < 3e-2


def test_the_longest_fall_is_the_longest():
    """It is as long as that found by trying all subsets, and falls."""
    for seed in range(20):
        losses = np.random.default_rng(seed).integers(0, 9, 9).tolist()
        rows = (c for n in range(1, 10) for c in itertools.combinations(losses, n))
        longest = max(len(c) for c in rows if all(a > b for a, b in itertools.pairwise(c)))
        found = [losses[i] for i in lr_finder._longest_fall(losses)]
        assert len(found) == longest
        assert all(a > b for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("rate", [1e-3, CosineDecay(1e-3, 100)], ids=["number", "schedule"])
def test_it_leaves_the_model_as_it_was(rate):
    """Training after the search gives the same bits as without it, in mid-training too."""

    def trained(search):
        layers = [Dense(8, activation="relu"), BatchNorm(), Dropout(0.3), Dense(1)]
        model = Sequential([Input((5,)), *layers], seed=1)
        model.compile(Adam(rate), "mse")
        model.fit(X, Y, epochs=2, verbose=0)
        if search:
            history = model.history
            find_learning_rate(model, X, Y, steps=12)
            assert model.history is history
        model.fit(X, Y, epochs=2, verbose=0)
        return model.get_weights()

    for a, b in zip(trained(False), trained(True), strict=True):
        np.testing.assert_array_equal(a, b)


def test_ctrl_c_is_not_swallowed(monkeypatch):
    """It is raised again when all is restored."""
    model = Sequential([Input((5,)), Dense(1)], seed=0)
    model.compile(SGD(0.5), "mse")
    weights, step = model.get_weights(), lr_finder._Sweep.on_epoch_end

    def press(sweep, epoch, logs):
        step(sweep, epoch, logs)
        if epoch == 4:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(lr_finder._Sweep, "on_epoch_end", press)
    with pytest.raises(KeyboardInterrupt):
        find_learning_rate(model, X, Y)
    assert all(map(np.array_equal, weights, model.get_weights()))
    assert model.optimizer.learning_rate == 0.5
    assert model.history is None


def test_what_cannot_be_searched_is_said_in_a_line():
    """A model that is not compiled or not built, wrong bounds, a loss that is never a number."""
    model = Sequential([Input((5,)), Dense(1)], seed=0)
    with pytest.raises(ConfigError, match="expected a compiled model"):
        find_learning_rate(model, X, Y)
    model.compile("sgd", "mse")
    with pytest.raises(ConfigError, match=r"highest as a number, above 0\.1"):
        find_learning_rate(model, X, Y, lowest=0.1, highest=0.01)
    with pytest.raises(ConfigError, match="a number for the smallest rates"):
        find_learning_rate(model, X, 1e30 * Y, lowest=1e10, highest=1e20)


def test_the_curve_can_be_drawn(tmp_path):
    """The picture is written, with the suggestion in its legend."""
    model = Sequential([Input((5,)), Dense(1)], seed=0)
    model.compile("adam", "mse")
    found = find_learning_rate(model, X, Y, steps=15)
    figure = plot_learning_rates(found, tmp_path / "rates.png")
    assert (tmp_path / "rates.png").stat().st_size > 1000
    assert f"{found.suggestion:.1e}" in figure.axes[0].get_legend().get_texts()[0].get_text()


def test_decay_is_set_aside_and_put_back(monkeypatch):
    """Rates are those of the sweep, whatever ``decay`` would make of them; it is there again."""
    monkeypatch.setattr(console, "_said", {"decay"})
    found = []
    for optimizer in (SGD(0.1), SGD(0.1, decay=0.5)):
        model = Sequential([Input((5,)), Dense(1)], seed=0)
        model.compile(optimizer, "mse")
        found.append(find_learning_rate(model, X, Y, batch_size=20).losses)
    np.testing.assert_array_equal(*found)
    assert (optimizer.decay, optimizer.learning_rate) == (0.5, 0.1)
