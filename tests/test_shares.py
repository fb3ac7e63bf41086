"""A batch in shares, with partners or without, gives what the batch gives."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import minicnn
from minicnn import shares, training
from minicnn.errors import DivergenceError
from minicnn.files import hdf5

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="partners are for Linux")


@pytest.fixture(autouse=True)
def cut_all(monkeypatch):
    """Cut the smallest batch, and fork for the shortest training."""
    monkeypatch.setattr(shares, "WORTH_CUTTING", 0)
    monkeypatch.setattr(shares, "WORTH_FORKING", 0)
    monkeypatch.setattr(shares, "SMALLEST", 2)
    yield
    minicnn.set_threads(None)
    hdf5._end_readers()
    with pytest.raises(ChildProcessError):  # no partner is left behind
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def partners(monkeypatch):
    """The process numbers of all partners that are forked."""
    seen = []
    fork = os.fork

    def watched():
        pid = fork()
        seen.append(pid)
        return pid

    monkeypatch.setattr(shares.os, "fork", watched)
    monkeypatch.setattr(shares, "may_fork", lambda: True)
    return seen


def network(*extra):
    layers = [minicnn.Input((6, 6, 2)), minicnn.Rescaling(1 / 255)]
    layers += [minicnn.Conv2D(4, 3, padding="same"), minicnn.ReLU(), minicnn.MaxPool(2), *extra]
    layers += [minicnn.Flatten(), minicnn.Dense(3, activation="softmax")]
    model = minicnn.Sequential(layers, seed=3)
    model.compile(minicnn.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def data(n=23):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 6, 6, 2), np.uint8), rng.integers(0, 3, n)


def trained(count, model=None, **options):
    minicnn.set_threads(count)
    model = model or network()
    history = model.fit(*data(), batch_size=8, epochs=3, verbose=0, **options)
    return model.get_weights(), history.history


def same(one, other):
    assert one[1] == other[1]
    return all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))


def test_partners_change_no_bit(partners, monkeypatch):
    """With partners, and with the same shares computed one after another, all bits are equal."""
    with_partners = trained(3)
    assert len(partners) == 2
    monkeypatch.setattr(shares, "may_fork", lambda: False)
    assert same(with_partners, trained(3))
    assert len(partners) == 2


def test_shares_add_up_to_the_batch():
    """Three shares of unequal size train as the whole batch does, but for the last digits."""
    (weights, history), (whole, wanted) = trained(3), trained(1)
    for a, b in zip(weights, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    assert history["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
    assert history["accuracy"] == wanted["accuracy"]


def test_batches_in_order_are_cut_too(partners):
    """Without shuffling the shares are the same images as in the whole batch."""
    (weights, _), (whole, _) = trained(2, shuffle=False), trained(1, shuffle=False)
    for a, b in zip(weights, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    assert len(partners) == 1


def test_a_partner_that_is_killed_is_missed_by_no_bit(partners, monkeypatch):
    """When the system kills a partner, its shares are computed here, with the same result."""
    undisturbed = trained(2)
    step = training._train_batch

    def kill_first(*arguments):
        os.kill(partners[-1], signal.SIGKILL)
        return step(*arguments)

    monkeypatch.setattr(training, "_train_batch", kill_first)
    with pytest.warns(RuntimeWarning, match="A process that helped to train has ended"):
        disturbed = trained(2)
    assert same(undisturbed, disturbed)
    assert len(partners) == 2


def test_where_no_process_can_be_had_training_goes_on(partners, monkeypatch):
    """When the system refuses the second partner, the first ends, and all is computed here."""
    with_partners = trained(3)
    fork, opened = os.fork, len(os.listdir("/proc/self/fd"))

    def once():
        if len(partners) > 2:
            raise BlockingIOError("no more processes")
        return fork()

    monkeypatch.setattr(shares.os, "fork", once)
    assert same(with_partners, trained(3))
    assert len(partners) == 3
    assert len(os.listdir("/proc/self/fd")) == opened


def test_a_batch_that_is_more_than_its_parts_is_not_cut(partners):
    """Batch normalization sees the whole batch, whatever the number of threads."""
    extra = minicnn.BatchNorm
    assert same(trained(1, network(extra())), trained(3, network(extra())))
    assert not partners


def test_each_share_draws_from_a_generator_of_its_own(partners, monkeypatch):
    """Dropout is cut: the same bits with and without partners, other masks in each share."""
    with_partners = trained(2, network(minicnn.Dropout(0.5)))
    assert partners
    monkeypatch.setattr(shares, "may_fork", lambda: False)
    assert same(with_partners, trained(2, network(minicnn.Dropout(0.5))))
    masks = []

    def compute(numbers, share, rng):
        masks.append(rng.random(4).tolist())
        return shares.Result(0.0, np.zeros((len(numbers), 1)), {})

    def drawn(random, count):
        minicnn.set_threads(count)
        options = {"work": 10**8, "images": 1, "cut": True, "random": random}
        rng = np.random.default_rng(0)
        cut = shares.Shares(compute, {}, (1,), np.dtype("f4"), batch_size=16, rng=rng, **options)
        cut.run(np.arange(16))
        cut.run(np.arange(16))
        return [masks.pop() for _ in range(2 * count)]

    assert len(set(map(tuple, drawn(True, 2)))) == 4
    alone = np.random.default_rng(0)
    assert drawn(True, 1)[::-1] == [alone.random(4).tolist() for _ in range(2)]


def test_a_layer_of_someone_s_own_is_not_cut(partners):
    """A layer from elsewhere may forget to say that it needs the whole batch."""

    class Centred(minicnn.Layer):
        def forward(self, x, *, training=False, rng=None):
            return x - x.mean(axis=0), None

        def backward(self, dy, cache):
            return dy - dy.mean(axis=0), {}

    assert same(trained(1, network(Centred())), trained(3, network(Centred())))
    assert not partners


def test_a_loss_that_is_no_number_is_met_in_any_share(partners):
    """A loss that overflows in a partner's share ends the training with the layer's name."""
    minicnn.set_threads(2)
    layers = [minicnn.Input((6, 6, 2)), minicnn.Conv2D(4, 3), minicnn.Flatten(), minicnn.Dense(3)]
    model = minicnn.Sequential(layers, seed=3)
    model.compile(minicnn.SGD(1e30), "mse")
    x = data()[0]
    with pytest.raises(DivergenceError, match="the first to go was the output of Dense"):
        model.fit(x, np.ones((len(x), 3)), batch_size=8, epochs=3, verbose=0)
    assert partners


def test_ctrl_c_ends_the_partners_too(partners, monkeypatch):
    """An interrupt, which reaches all processes of a terminal, ends the training as ever."""
    step = training._train_batch

    def interrupted(*arguments):
        for pid in (*partners, os.getpid()):
            os.kill(pid, signal.SIGINT)
        return step(*arguments)

    monkeypatch.setattr(training, "_train_batch", interrupted)
    minicnn.set_threads(2)
    history = network().fit(*data(), batch_size=8, epochs=3, verbose=0)
    assert history.interrupted
    assert partners


def test_the_program_s_signal_handlers_are_not_the_partners(partners, monkeypatch, tmp_path):
    """A handler that saves the model on SIGTERM runs in the program alone."""
    seen = tmp_path / "seen"

    def note(signum, frame):
        with seen.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")

    step, before = training._train_batch, signal.signal(signal.SIGTERM, note)

    def terminated(*arguments):
        if not seen.exists():
            for pid in (*partners, os.getpid()):
                os.kill(pid, signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(training, "_train_batch", terminated)
    try:
        trained(2)  # nor does SIGTERM end the partners, of which there would be a warning
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen.read_text(encoding="utf-8").split() == [str(os.getpid())]


def test_no_pipe_left_means_no_partners(partners, monkeypatch):
    """When no more files can be opened, nothing stays open and training goes on."""
    with_partners = trained(2)
    pipe, made, opened = os.pipe, [], len(os.listdir("/proc/self/fd"))

    def first_only():
        if made:
            raise OSError(24, "Too many open files")
        made.append(pipe())
        return made[0]

    monkeypatch.setattr(shares.os, "pipe", first_only)
    assert same(with_partners, trained(2))
    assert len(partners) == 1
    assert len(os.listdir("/proc/self/fd")) == opened


def test_predictions_are_the_same_with_partners(partners, monkeypatch):
    """Runs of whole batches, filled by three processes, are what one process fills."""
    minicnn.set_threads(3)
    model, x = network(), data(50)[0]
    predicted = model.predict(x, batch_size=8)
    assert len(partners) == 2
    monkeypatch.setattr(shares, "may_fork", lambda: False)
    np.testing.assert_array_equal(predicted, model.predict(x, batch_size=8))
    np.testing.assert_array_equal(
        predicted, np.concatenate([model.predict(x[i : i + 8]) for i in range(0, 50, 8)])
    )


def test_predictions_go_on_where_no_process_can_be_had(partners, monkeypatch):
    """When the system refuses all partners but one, the program fills the rest."""
    minicnn.set_threads(4)
    model, x = network(), data(50)[0]
    predicted, fork = model.predict(x, batch_size=8), os.fork

    def once():
        if len(partners) > 3:
            raise BlockingIOError("no more processes")
        return fork()

    monkeypatch.setattr(shares.os, "fork", once)
    np.testing.assert_array_equal(predicted, model.predict(x, batch_size=8))
    assert len(partners) == 4


class Fails(minicnn.Layer):
    """Fails in a partner, or everywhere."""

    here = None

    def forward(self, x, *, training=False, rng=None):
        if os.getpid() != self.here:
            raise RuntimeError("not here")
        return x, None


def test_what_a_partner_leaves_undone_is_predicted_here(partners):
    """When a partner fails, its run is filled by the program, or fails there with its error."""
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
    assert partners


def test_only_a_process_without_other_threads_is_forked():
    """Beside a thread of someone else's, which may hold a lock, there are no partners."""
    code = (
        "import signal, threading, time, minicnn\n"
        "from minicnn import shares, threads\n"
        "with threads.working(): threads.set_threads(2); threads.shards(2, lambda a, b: a, 1e9)\n"
        "print(shares.may_fork())\n"
        "end = threading.Event(); other = threading.Thread(target=end.wait); other.start()\n"
        "print(shares.may_fork()); end.set(); other.join()\n"
        "time.sleep(0.2)  # until the system has seen it end\n"
        "print(shares.may_fork())\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(shares.may_fork())\n"
        "inner = []\n"
        "t = threading.Thread(target=lambda: inner.append(shares.may_fork()))\n"
        "t.start(); t.join(); print(inner[0])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout.split() == ["True", "False", "True", "False", "False"], out.stderr


def test_partners_end_when_their_process_is_killed():
    """A training that is killed outright leaves no partner running."""
    code = (
        "import numpy as np, minicnn\n"
        "from minicnn import shares\n"
        "shares.WORTH_CUTTING = shares.WORTH_FORKING = 0\n"
        "shares.may_fork = lambda: True\n"
        "minicnn.set_threads(3)\n"
        "model = minicnn.Sequential([minicnn.Input((4,)), minicnn.Dense(2)], seed=0)\n"
        "model.compile('sgd', 'mse')\n"
        "fork = shares.os.fork\n"
        "def shown():\n"
        "    pid = fork()\n"
        "    if pid: print(pid, flush=True)\n"
        "    return pid\n"
        "shares.os.fork = shown\n"
        "model.fit(np.ones((64, 4)), np.ones((64, 2)), batch_size=32, epochs=10**6, verbose=0)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while any(running(pid) for pid in pids):
        assert time.monotonic() < deadline, "a partner goes on without its process"
        time.sleep(0.05)


def running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
