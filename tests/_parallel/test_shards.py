"""A batch in shards, with workers or without, gives what the batch gives."""

import os
import signal
import sys

import numpy as np
import pytest

import minicnn
from minicnn._parallel import shards, workers
from minicnn._training.run import Run
from minicnn.errors import DivergenceError
from shard_helpers import at_batch, data, network, same, trained

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are for Linux"),
    pytest.mark.usefixtures("cut_all"),
    # Python 3.12 says so of what the callbacks here fork while BLAS has threads.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def kernels_of_numpy(monkeypatch):
    """Compiled ones use all cores by themselves, and no workers."""
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")


def test_workers_change_no_bit(pids, monkeypatch):
    """With workers, and with the same shards computed one after another, all bits are equal."""
    with_workers = trained(3)
    assert len(pids) == 2
    monkeypatch.setattr(workers, "may_fork", lambda: False)
    assert same(with_workers, trained(3))
    assert len(pids) == 2


def test_shards_add_up_to_the_batch():
    """Three shards of unequal size train as the whole batch does, but for the last digits."""
    (weights, history), (whole, wanted) = trained(3), trained(1)
    for a, b in zip(weights, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    assert history["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
    assert history["accuracy"] == wanted["accuracy"]


def test_batches_in_order_are_cut_too(pids):
    """Without shuffling the shards are the same images as in the whole batch."""
    (weights, _), (whole, _) = trained(2, shuffle=False), trained(1, shuffle=False)
    for a, b in zip(weights, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    assert len(pids) == 1


def test_a_worker_that_is_killed_is_missed_by_no_bit(pids, monkeypatch):
    """When the system kills a worker, its shards are computed here, with the same result."""
    undisturbed, killed = trained(2), []
    step = Run.train

    def kill_first(*arguments):
        if len(pids) == 2 and not killed:
            killed.append(os.kill(pids[-1], signal.SIGKILL))
        return step(*arguments)

    monkeypatch.setattr(Run, "train", kill_first)
    with pytest.warns(RuntimeWarning, match="A process that helped to train has ended"):
        disturbed = trained(2)
    assert same(undisturbed, disturbed)
    assert len(pids) == 2


def test_where_no_process_can_be_had_training_goes_on(pids, monkeypatch):
    """When the system refuses the second worker, the first ends, and all is computed here."""
    with_workers = trained(3)
    fork, opened = os.fork, len(os.listdir("/proc/self/fd"))

    def once():
        if len(pids) > 2:
            raise BlockingIOError("no more processes")
        return fork()

    monkeypatch.setattr(os, "fork", once)
    assert same(with_workers, trained(3))
    assert len(pids) == 3
    assert len(os.listdir("/proc/self/fd")) == opened


def test_a_batch_that_is_more_than_its_parts_is_not_cut(pids):
    """Batch normalization sees the whole batch, whatever the number of threads."""
    extra = minicnn.BatchNorm
    assert same(trained(1, network(extra())), trained(3, network(extra())))
    assert not pids


def test_images_draw_the_same_however_their_batch_is_cut(pids, monkeypatch):
    """Dropout is cut: the same bits with and without workers, the same masks in any number of
    shards, and the generator goes on from the same place."""
    with_workers = trained(2, network(minicnn.Dropout(0.5)))
    assert pids
    monkeypatch.setattr(workers, "may_fork", lambda: False)
    assert same(with_workers, trained(2, network(minicnn.Dropout(0.5))))
    layers = minicnn.Dropout(0.3), minicnn.GaussianNoise(0.5), minicnn.RandomTranslation(0.1, 0.2)

    def drawn(count):
        made = []

        def compute(part, fraction, rng):
            x = part[0]
            made.append([layer.forward(x, training=True, rng=rng)[0] for layer in layers])
            made[-1] += [rng.normal(size=(len(x), 3)), np.stack([rng.integers(9, size=2)] * len(x))]
            return shards.Result(0.0, (np.zeros((len(x), 1)),), {})

        rng = np.random.default_rng(0)
        x = np.random.default_rng(1).random((27, 4, 5, 3))
        cut = workers.InProcess(shards.Shards(compute, (x,), 27, count, True, rng))
        cut.gradients((x,), np.arange(27))
        joined = [np.concatenate(parts) for parts in zip(*made, strict=True)]
        return [*joined, rng.random(3)]

    alone = drawn(1)
    for count in (2, 3):
        for one, other in zip(alone, drawn(count), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_layer_of_someone_s_own_is_not_cut(pids):
    """A layer from elsewhere may forget to say that it needs the whole batch."""

    class Centred(minicnn.Layer):
        def forward(self, x, *, training=False, rng=None):
            return x - x.mean(axis=0), None

        def backward(self, dy, cache):
            return dy - dy.mean(axis=0), {}

    assert same(trained(1, network(Centred())), trained(3, network(Centred())))
    assert not pids


def test_a_loss_that_is_no_number_is_met_in_any_shard(pids):
    """A loss that overflows in a worker's shard ends the training with the layer's name."""
    minicnn.set_threads(2)
    layers = [minicnn.Input((6, 6, 2)), minicnn.Conv2D(4, 3), minicnn.Flatten(), minicnn.Dense(3)]
    model = minicnn.Sequential(layers, seed=3)
    model.compile(minicnn.SGD(1e30), "mse")
    x = data()[0]
    with pytest.raises(DivergenceError, match="the first to go was the output of Dense"):
        model.fit(x, np.ones((len(x), 3)), batch_size=8, epochs=3, verbose=0)
    assert pids


def test_ctrl_c_ends_the_workers_too(pids, monkeypatch):
    """An interrupt, which reaches all processes of a terminal, ends the training as ever."""
    step = Run.train

    def interrupted(*arguments):
        for pid in (*pids, os.getpid()):
            os.kill(pid, signal.SIGINT)
        return step(*arguments)

    monkeypatch.setattr(Run, "train", interrupted)
    minicnn.set_threads(2)
    history = network().fit(*data(), batch_size=8, epochs=3, verbose=0)
    assert history.interrupted
    assert pids


def test_the_program_s_signal_handlers_are_not_the_workers(pids, monkeypatch, tmp_path):
    """A handler that saves the model on SIGTERM runs in the program alone."""
    seen = tmp_path / "seen"

    def note(signum, frame):
        with seen.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")

    step, before = Run.train, signal.signal(signal.SIGTERM, note)

    def terminated(*arguments):
        if not seen.exists():
            for pid in (*pids, os.getpid()):
                os.kill(pid, signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(Run, "train", terminated)
    try:
        trained(2)  # nor does SIGTERM end the workers, of which there would be a warning
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen.read_text(encoding="utf-8").split() == [str(os.getpid())]


def test_no_pipe_left_means_no_workers(pids, monkeypatch):
    """When no more files can be opened, nothing stays open and training goes on."""
    with_workers = trained(2)
    pipe, made, opened = os.pipe, [], len(os.listdir("/proc/self/fd"))

    def first_only():
        if made:
            raise OSError(24, "Too many open files")
        made.append(pipe())
        return made[0]

    monkeypatch.setattr(os, "pipe", first_only)
    assert same(with_workers, trained(2))
    assert len(pids) == 1
    assert len(os.listdir("/proc/self/fd")) == opened


def test_predictions_are_the_same_with_workers(pids, monkeypatch):
    """Runs of whole batches, filled by three processes, are what one process fills."""
    minicnn.set_threads(3)
    model, x = network(), data(50)[0]
    predicted = model.predict(x, batch_size=8)
    assert len(pids) == 2
    monkeypatch.setattr(workers, "may_fork", lambda: False)
    np.testing.assert_array_equal(predicted, model.predict(x, batch_size=8))
    np.testing.assert_array_equal(
        predicted, np.concatenate([model.predict(x[i : i + 8]) for i in range(0, 50, 8)])
    )


def test_predictions_go_on_where_no_process_can_be_had(pids, monkeypatch):
    """When the system refuses all workers but one, the program fills the rest."""
    minicnn.set_threads(4)
    model, x = network(), data(50)[0]
    predicted, fork = model.predict(x, batch_size=8), os.fork

    def once():
        if len(pids) > 3:
            raise BlockingIOError("no more processes")
        return fork()

    monkeypatch.setattr(os, "fork", once)
    np.testing.assert_array_equal(predicted, model.predict(x, batch_size=8))
    assert len(pids) == 4


class Fails(minicnn.Layer):
    """Fails in a worker, or everywhere."""

    here = None

    def forward(self, x, *, training=False, rng=None):
        if os.getpid() != self.here:
            raise RuntimeError("not here")
        return x, None


def test_what_a_worker_leaves_undone_is_predicted_here(pids):
    """When a worker fails, its run is filled by the program, or fails there with its error."""
    minicnn.set_threads(2)
    layer = Fails()
    model = minicnn.Sequential([minicnn.Input((4,)), layer, minicnn.Dense(2)], seed=0)
    layer.here = os.getpid()
    x = np.random.default_rng(0).standard_normal((40, 4))
    predicted = model.predict(x, batch_size=8)
    np.testing.assert_array_equal(predicted[-8:], model.predict(x[-8:]))
    layer.here = None
    with pytest.raises(RuntimeError, match="not here"):
        model.predict(x, batch_size=8)
    assert pids


def test_predictions_are_the_program_s_own():
    """What a process that is forked later writes into them does not come back."""
    minicnn.set_threads(2)
    predicted = network().predict(data(50)[0], batch_size=8)
    before = predicted.copy()
    if not (child := os.fork()):
        predicted[...] = 7
        os._exit(0)
    os.waitpid(child, 0)
    np.testing.assert_array_equal(predicted, before)


def test_a_training_within_a_training_has_workers_of_its_own(pids):
    """A callback may train and predict with another model while the workers wait."""
    other = []

    def train():
        other.append(trained(2, network(minicnn.ReLU())))
        other.append(network().predict(data()[0], batch_size=8))

    undisturbed, alone = (
        trained(2, callbacks=at_batch(1, lambda: None)),
        trained(2, network(minicnn.ReLU())),
    )
    forked = len(pids)
    assert same(undisturbed, trained(2, callbacks=at_batch(1, train)))
    assert same(alone, other[0])
    assert len(pids) > 2 * forked - 2


def change_images(x, y, weights):
    x[...] = 255 - x


def change_labels(x, y, weights):
    y[...] = (y + 1) % 3


def change_weights(x, y, weights):
    weights[::2] = 0


@pytest.mark.parametrize("change", [change_images, change_labels, change_weights])
@pytest.mark.parametrize("event", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_end"])
def test_data_changed_in_place_count_with_workers_as_without(change, event, pids, monkeypatch):
    """Images, labels and sample weights that a callback changes count from the next batch on."""

    def found(really):
        x, y = data()
        weights, seen = np.ones(len(y)), []
        model = network()

        def act(number, logs):
            seen.append(number)
            if really and len(seen) == 2:
                change(x, y, weights)

        minicnn.set_threads(2)
        callback = minicnn.callbacks.LambdaCallback(**{event: act})
        options = {"sample_weight": weights, "callbacks": callback}
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, **options)
        return model.get_weights(), history.history

    changed = found(True)
    assert len(pids) == 3
    monkeypatch.setattr(workers, "may_fork", lambda: False)
    assert same(changed, found(True))
    assert not same((changed[0], 0), (found(False)[0], 0))


@pytest.mark.parametrize("what", ["loss", "array"])
def test_arguments_count_from_the_next_epoch_with_workers_as_without(what, pids, monkeypatch):
    """So do an argument of the loss, and an array that is put in the place of a layer's."""

    def found(really):
        model = network()
        loss = minicnn.losses.Huber()
        model.compile(minicnn.Adam(0.01), loss, ["accuracy"])

        def change():
            if what == "loss":
                loss.delta = 0.05
            else:
                layer = model.layers[1]
                layer.params["kernel"] = layer.params["kernel"] + 0.1

        x, y = data()
        minicnn.set_threads(2)
        callback = at_batch(0, change if really else lambda: None)
        history = model.fit(x, np.eye(3)[y], batch_size=8, epochs=2, verbose=0, callbacks=callback)
        return model.get_weights(), history.history

    changed, forked = found(True), len(pids)
    assert forked
    monkeypatch.setattr(workers, "may_fork", lambda: False)
    assert same(changed, found(True))
    unchanged = found(False)
    assert changed[1]["loss"][0] == unchanged[1]["loss"][0]
    assert changed[1]["loss"][1] != unchanged[1]["loss"][1]
