"""What a rank tells the others in a step, seen in one process whose others are its echo."""

import numpy as np
import pytest

import minicnn
from minicnn._parallel.ranks import Ranks
from minicnn._training.distributed import Joint
from minicnn._training.program import Program, may_be_cut
from minicnn.errors import DivergenceError
from minicnn.layers import BatchNorm, Conv2D, Dense, Flatten, Input


class Echo(Ranks):
    """Ranks that all say what this one says."""

    def __init__(self, count):
        self.number, self.count, self._buffers = 0, count, {}
        self.told, self.heard = np.array([7]), None
        self.gathers = self.swaps = 0

    def gathered(self, numbers):
        self.gathers += 1
        return np.stack([numbers] * self.count)

    def swap(self, *pairs):
        self.swaps += 1
        for out, into in pairs:
            into[...] = out[0]


@pytest.fixture
def program():
    x = np.random.default_rng(0).random((12, 6, 6, 2), np.float32)
    layers = [Input((6, 6, 2)), Conv2D(3, 3), BatchNorm(), Flatten(), Dense(2)]
    model = minicnn.Sequential(layers, seed=0)
    model.compile("sgd", "mse")
    model.evaluate(x, np.zeros((12, 2)), verbose=0)
    return Program(model), minicnn.data.fitting.data_of("fit", x, np.zeros((12, 2), np.float32))


@pytest.mark.parametrize(("count", "swaps"), [(2, 1), (3, 2)])
def test_a_step_is_few_exchanges(program, count, swaps):
    """Gradients, loss, predictions and what else is told travel at once, in two halves from three
    ranks on; a BatchNorm takes two exchanges more."""
    made, data = program
    ranks = Echo(count)
    shards = made.shards(data, np.random.default_rng(0), ranks)
    found = shards.gradients(data.arrays, np.arange(12))
    assert (ranks.swaps, ranks.gathers) == (swaps, 2)
    assert ranks.heard.tolist() == [[7]] * count
    assert found.predictions[0].shape == (12, 2)
    own = shards.result(shards.cut(data.arrays, np.arange(12)), 0)
    assert found.loss == pytest.approx(count * own.loss)
    for name, grad in own.grads.items() if count == 2 else ():  # others have other slices
        np.testing.assert_allclose(found.grads[name], count * grad, rtol=1e-6)


def test_a_part_whose_loss_is_no_number_tells_as_much(program):
    """The others, whose loss may be one, wait for what its BatchNorm tells in the backward pass."""
    made, data = program
    data.xs[0][0] = np.nan
    ranks = Echo(2)
    shards = made.shards(data, np.random.default_rng(0), ranks)
    found = shards.gradients(data.arrays, np.arange(12))
    assert not np.isfinite(found.loss)
    assert not found.grads
    assert (ranks.swaps, ranks.gathers) == (1, 2)
    assert made.layers[2].state["moving_mean"].tolist() == [0, 0, 0]


def test_a_layer_whose_state_moves_on_computes_whole_batches():
    """It would see a part of the batch, even if it says that its gradients add up."""

    class Counting(BatchNorm):
        additive, joins_parts = True, False

        def next_state(self, cache):
            return super().next_state(cache)

    for layer, cut in ((Counting(), False), (BatchNorm(), True)):
        model = minicnn.Sequential([Input((4,)), layer, Dense(2)], seed=0)
        model.compile("sgd", "mse")
        model.build()
        assert may_be_cut(model.layers, model.layers) == cut


def test_all_ranks_raise_what_the_first_that_knows_found():
    """A rank whose part of the batch is sound has nothing better to say than the others."""

    class Three(Echo):
        def collected(self, value):
            return ["the loss itself. A", "conv2d. B", "dense. C"]

    joint = Joint.__new__(Joint)
    joint.ranks = Three(3)
    assert str(joint.diagnosis(DivergenceError("the loss itself. A"))) == "conv2d. B"
