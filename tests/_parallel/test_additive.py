"""A batch is cut for all layers and losses that promise to be additive, and for no others."""

import sys

import numpy as np
import pytest

import minicnn
from minicnn._parallel import workers
from shard_helpers import data, network, same, trained

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only"),
    pytest.mark.usefixtures("cut_all"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def kernels_of_numpy(monkeypatch):
    """Compiled ones use all cores by themselves, and no workers."""
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")


class Cubed(minicnn.Layer):
    """y = gain * x ** 3, each number by itself."""

    additive = True

    def build(self, input_shape, rng, dtype):
        super().build(input_shape, rng, dtype)
        self.add_param("gain", input_shape[-1:], rng, "ones")

    def forward(self, x, *, training=False, rng=None):
        return self.params["gain"] * x**3, x

    def backward(self, dy, cache):
        gain = (dy * cache**3).sum(axis=tuple(range(dy.ndim - 1)))
        return 3 * dy * cache**2 * self.params["gain"], {"gain": gain}


class Silent(Cubed):
    """The same, and promises nothing of its pass."""

    def backward(self, dy, cache):
        return super().backward(dy, cache)


class Mine(minicnn.ReLU):
    """The library's passes, by another name."""


@pytest.mark.parametrize("extra", [Cubed, Mine])
def test_layers_that_promise_it_share_the_work(extra, pids, monkeypatch):
    """With workers, and with the same shards one after another, all bits are equal."""
    with_workers = trained(3, network(extra()))
    assert len(pids) == 2
    monkeypatch.setattr(workers, "may_fork", lambda: False)
    assert same(with_workers, trained(3, network(extra())))
    (weights, history), (whole, wanted) = with_workers, trained(1, network(extra()))
    assert history["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
    for a, b in zip(weights, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


def test_a_layer_that_promises_nothing_is_not_cut(pids):
    """The whole batch, whatever the number of threads."""
    assert same(trained(1, network(Silent())), trained(3, network(Silent())))
    assert not pids


class Doubled(minicnn.losses.MeanSquaredError):
    """Another loss of each sample."""

    def per_sample(self, y_true, y_pred):
        return 2 * super().per_sample(y_true, y_pred)

    def slope(self, y_true, y_pred):
        return 2 * super().slope(y_true, y_pred)


@pytest.mark.parametrize("additive", [False, True])
def test_a_loss_is_cut_if_it_promises_it(additive, pids):
    """A custom loss has the workers only if it says so."""
    loss = type("Own", (Doubled,), {"additive": True} if additive else {})()
    x, y = data()
    histories = []
    for count in (1, 3):
        minicnn.set_threads(count)
        model = network()
        model.compile("sgd", loss)
        histories.append(model.fit(x, np.eye(3)[y], batch_size=8, verbose=0).history["loss"])
    assert len(pids) == 2 * additive
    assert histories[0] == pytest.approx(histories[1], rel=1e-5)
