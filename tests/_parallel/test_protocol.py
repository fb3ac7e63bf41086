"""The workers protocol: whoever computes the shards, the batch is the same to the bit."""

import sys

import numpy as np
import pytest

from minicnn._parallel import shards, workers
from minicnn._parallel.shards import Result, Shards, reduced
from minicnn._parallel.workers import Forked, InProcess, workers_for

DTYPE = np.dtype("float32")
BOTH = [
    InProcess,
    pytest.param(
        Forked, marks=pytest.mark.skipif(sys.platform != "linux", reason="workers are for Linux")
    ),
]


def example(count=3, random=True, batch_size=8):
    """A linear model with dropout in float32, a batch in so many shards; parameters, data."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 5), DTYPE), rng.standard_normal((20, 2), DTYPE)
    params = {"kernel": rng.standard_normal((5, 2), DTYPE), "bias": np.zeros(2, DTYPE)}

    def compute(part, fraction, rng):
        x, y, weights = part
        assert weights is None
        if random:
            x = x * (rng.random(x.shape) < 0.7)
        z = (x @ params["kernel"] + params["bias"]).astype(DTYPE)
        dz = (z - y) / len(y) * np.float32(fraction)
        loss = float(np.square(z - y).mean() * fraction)
        grads = {"kernel": (x.T @ dz).astype(DTYPE), "bias": dz.sum(axis=0)}
        return Result(loss, (z,), grads if np.isfinite(loss) else {})

    generator = np.random.default_rng(1)
    data = x, y, None
    return Shards(compute, data, batch_size, count, random, generator), params, data


def run(kind, steps=4, **options):
    """The bits of some steps of gradient descent, the last batch too small to be cut."""
    job, params, data = example(**options)
    made = kind(job) if kind is InProcess else kind(job, params, [(2,)], DTYPE)
    made.start()
    found = []
    try:
        for step in range(steps):
            numbers = np.arange(step, step + 8) if step < steps - 1 else np.array([3])
            loss, (predictions,), grads, _ = made.gradients(data, numbers)
            found += [loss, predictions.copy(), *(grads[name].copy() for name in sorted(grads))]
            for name in params:
                params[name] -= np.float32(0.1) * grads[name]
    finally:
        made.close()
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Shards of two samples."""
    monkeypatch.setattr(shards, "SMALLEST", 2)


@pytest.mark.parametrize("options", [{}, {"random": False}, {"count": 2}, {"count": 1}])
@pytest.mark.parametrize("kind", BOTH)
def test_whoever_computes_the_bits_are_the_same(kind, options):
    """Loss, predictions and gradients of every step, with and without layers that draw."""
    for one, other in zip(run(InProcess, **options), run(kind, **options), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", BOTH)
def test_closed_workers_still_compute(kind):
    """After ``close``, and before ``start``, a batch is computed in this process."""
    job, params, data = example(random=False)
    made = kind(job) if kind is InProcess else kind(job, params, [(2,)], DTYPE)
    before = made.gradients(data, np.arange(8))
    made.start()
    made.close()
    after = made.gradients(data, np.arange(8))
    assert before.loss == after.loss
    np.testing.assert_array_equal(before.grads["kernel"], after.grads["kernel"])


def test_shards_are_added_up_in_order():
    """The sums are those of the first and the second, then the third; nothing else is as exact."""

    def shard(value):
        return Result(value, (np.full((1, 1), value),), {"w": np.array([value], np.float32)})

    big, small = 1.0, 2.0**-24
    assert reduced([shard(big), shard(small), shard(small)]).grads["w"] == np.float32(1)
    assert reduced([shard(small), shard(small), shard(big)]).grads["w"] > np.float32(1)
    (predictions,) = reduced([shard(1.0), shard(2.0), shard(3.0)]).predictions
    assert predictions.tolist() == [[1], [2], [3]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", [0, 1])
def test_a_loss_that_is_no_number_has_no_gradients(bad, where):
    """In whichever shard it came up."""
    parts = [Result(1.0, (np.zeros((1, 1)),), {"w": np.ones(1)}) for _ in range(2)]
    parts[where] = Result(bad, (np.zeros((1, 1)),), {})
    result = reduced(parts)
    assert not np.isfinite(result.loss)
    assert result.grads == {}
    assert len(result.predictions[0]) == 2


def test_workers_are_forked_only_where_they_are_worth_it(monkeypatch):
    """For several shards, of a run that is long enough, where a process can be had."""
    monkeypatch.setattr(workers, "may_fork", lambda: True)
    enough = workers.WORTH_FORKING

    def kind(count, work):
        job, params, _ = example(count)
        return type(workers_for(job, params, [(2,)], DTYPE, work))

    assert kind(2, enough) is Forked
    assert kind(2, enough - 1) is InProcess
    assert kind(1, enough) is InProcess
    monkeypatch.setattr(workers, "may_fork", lambda: False)
    assert kind(2, enough) is InProcess
