"""A batch in shares, with partners or without, gives what the batch gives."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

import minicnn
from minicnn._files import hdf5
from minicnn._parallel import shards, workers
from minicnn._training import loop, program
from minicnn.data.fitting import Data
from minicnn.errors import DivergenceError

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="partners are for Linux"),
    # Python 3.12 says so of what the callbacks here fork while BLAS has threads.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def cut_all(monkeypatch):
    """Cut the smallest batch, and fork for the shortest training."""
    monkeypatch.setattr(shards, "WORTH_CUTTING", 0)
    monkeypatch.setattr(shards, "WORTH_FORKING", 0)
    monkeypatch.setattr(shards, "SMALLEST", 2)
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

    monkeypatch.setattr(shards.os, "fork", watched)
    monkeypatch.setattr(shards, "may_fork", lambda: True)
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
    monkeypatch.setattr(shards, "may_fork", lambda: False)
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
    undisturbed, killed = trained(2), []
    step = loop._train_batch

    def kill_first(*arguments):
        if len(partners) == 2 and not killed:
            killed.append(os.kill(partners[-1], signal.SIGKILL))
        return step(*arguments)

    monkeypatch.setattr(loop, "_train_batch", kill_first)
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

    monkeypatch.setattr(shards.os, "fork", once)
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
    monkeypatch.setattr(shards, "may_fork", lambda: False)
    assert same(with_partners, trained(2, network(minicnn.Dropout(0.5))))
    masks = []

    def compute(part, share, rng):
        masks.append(rng.random(4).tolist())
        return shards.Result(0.0, np.zeros((len(part.x), 1)), {})

    def drawn(random, count):
        minicnn.set_threads(count)
        options = {"work": 10**8, "images": 1, "cut": True, "random": random}
        rng = np.random.default_rng(0)
        part = Data(*data(16))
        cut = shards.Shares(compute, part, {}, (1,), np.dtype("f4"), 16, rng=rng, **options)
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
    step = loop._train_batch

    def interrupted(*arguments):
        for pid in (*partners, os.getpid()):
            os.kill(pid, signal.SIGINT)
        return step(*arguments)

    monkeypatch.setattr(loop, "_train_batch", interrupted)
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

    step, before = loop._train_batch, signal.signal(signal.SIGTERM, note)

    def terminated(*arguments):
        if not seen.exists():
            for pid in (*partners, os.getpid()):
                os.kill(pid, signal.SIGTERM)
        return step(*arguments)

    monkeypatch.setattr(loop, "_train_batch", terminated)
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

    monkeypatch.setattr(shards.os, "pipe", first_only)
    assert same(with_partners, trained(2))
    assert len(partners) == 1
    assert len(os.listdir("/proc/self/fd")) == opened


def test_predictions_are_the_same_with_partners(partners, monkeypatch):
    """Runs of whole batches, filled by three processes, are what one process fills."""
    minicnn.set_threads(3)
    model, x = network(), data(50)[0]
    predicted = model.predict(x, batch_size=8)
    assert len(partners) == 2
    monkeypatch.setattr(shards, "may_fork", lambda: False)
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

    monkeypatch.setattr(shards.os, "fork", once)
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


# Workers to which something happens -------------------------------------------------------


def at_batch(number, act, epoch=0):
    """A callback that acts once, after that batch of that epoch."""
    seen = []

    def note(batch, logs):
        seen.append(batch)
        if len(seen) == epoch * 3 + number + 1:
            act()

    return minicnn.callbacks.LambdaCallback(on_train_batch_end=note)


def reap(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def stop(pid):
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.parametrize("harm", [stop, reap, lambda pid: os.kill(pid, signal.SIGKILL)])
def test_whatever_happens_to_a_worker_changes_no_bit(harm, partners):
    """One that is stopped, killed, or waited for by the program is given up: the same bits."""
    undisturbed = trained(2, callbacks=at_batch(1, lambda: None))
    opened = len(os.listdir("/proc/self/fd"))
    with pytest.warns(RuntimeWarning, match="A process that helped to train .*, with the same res"):
        disturbed = trained(2, callbacks=at_batch(1, lambda: harm(partners[-1])))
    assert same(undisturbed, disturbed)
    assert len(partners) == 6  # with callbacks of others they are forked for each epoch
    assert len(os.listdir("/proc/self/fd")) == opened


def test_a_worker_that_never_answers_is_given_up(partners, monkeypatch):
    """One that hangs has a time to answer, by what such a share takes; then it is ended."""
    undisturbed, here = trained(2), os.getpid()
    monkeypatch.setattr(workers, "TICK", 0.01)
    monkeypatch.setattr(workers, "PATIENCE", 0.1)
    compute = loop._gradients

    def hangs(*arguments):
        if os.getpid() != here:
            time.sleep(600)
        return compute(*arguments)

    monkeypatch.setattr(loop, "_gradients", hangs)
    with pytest.warns(RuntimeWarning, match="does not answer"):
        assert same(undisturbed, trained(2))


def test_the_program_may_stop_waiting_for_its_children(partners):
    """SIGCHLD ignored in mid-training: the workers go on, and their end is no error."""

    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    undisturbed = trained(2, callbacks=at_batch(1, lambda: None))
    try:
        ignored = trained(2, callbacks=at_batch(1, ignore))
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    assert same(undisturbed, ignored)


@pytest.mark.parametrize("harm", [stop, reap])
def test_predictions_are_the_same_whatever_happens_to_a_worker(harm, partners, monkeypatch):
    """A worker that is stopped or gone leaves its run of the predictions to the program."""
    minicnn.set_threads(2)
    model, x = network(), data(50)[0]
    predicted, infer = model.predict(x, batch_size=8), program.chain.infer
    here = os.getpid()

    def disturbed(*arguments):
        if os.getpid() != here:
            signal.pause()
        if len(partners) == 2:
            harm(partners.pop())
        return infer(*arguments)

    monkeypatch.setattr(program.chain, "infer", disturbed)
    with pytest.warns(RuntimeWarning, match="A process that helped to predict"):
        np.testing.assert_array_equal(predicted, model.predict(x, batch_size=8))


@pytest.mark.parametrize("moment", ["fork", "own share", "wait"])
def test_ctrl_c_in_predict_leaves_no_worker(moment, partners, monkeypatch):
    """Interrupted right after the fork, in its own run or in waiting, predict ends its workers.

    The fixture sees that none is left, at work or as a zombie.
    """
    minicnn.set_threads(3)
    model, x, here = network(), data(50)[0], os.getpid()
    infer, fork, is_ready = program.chain.infer, os.fork, workers.is_ready

    def interrupted(wanted, call, *arguments, **named):
        if os.getpid() != here:
            signal.pause()
        if moment == wanted and (wanted != "fork" or len(partners) == 1):
            signal.raise_signal(signal.SIGINT)
        return call(*arguments, **named)

    def forked():
        return fork() and interrupted("fork", lambda: partners[-1])

    monkeypatch.setattr(program.chain, "infer", partial(interrupted, "own share", infer))
    monkeypatch.setattr(workers, "is_ready", partial(interrupted, "wait", is_ready))
    monkeypatch.setattr(os, "fork", forked)
    with pytest.raises(KeyboardInterrupt):
        model.predict(x, batch_size=8)
    assert len(partners) == (1 if moment == "fork" else 2)


def test_a_process_forked_by_a_callback_is_not_waited_for(partners):
    """It holds the workers' pipes; fit ends all the same, and so does a worker that was killed."""
    others, fork = [], os.fork

    def start():
        os.kill(partners[-1], signal.SIGKILL)
        others.append(fork())
        if not others[0]:
            time.sleep(600)
            os._exit(0)

    undisturbed = trained(2, callbacks=at_batch(1, lambda: None))
    with pytest.warns(RuntimeWarning, match="has ended"):
        disturbed = trained(2, callbacks=at_batch(1, start))
    assert same(undisturbed, disturbed)
    assert os.waitpid(others[0], os.WNOHANG) == (0, 0)
    reap(others[0])


@pytest.mark.parametrize("leave", [True, False])
def test_a_process_forked_by_a_callback_leaves_the_workers_alone(leave, partners, monkeypatch):
    """Whether it leaves the training by an exception or goes on with it: the bits are the same."""
    undisturbed = trained(2, callbacks=at_batch(1, lambda: None))
    here, others, ask = os.getpid(), [], workers.Worker.ask

    def here_alone(worker):
        if os.getpid() != here and worker.pids[0] in partners[:-1]:
            os._exit(3)
        ask(worker)

    monkeypatch.setattr(workers.Worker, "ask", here_alone)

    def start():
        others.append(os.fork())
        if leave and not others[0]:
            raise ZeroDivisionError

    trainings = len(partners)
    try:
        found = trained(2, callbacks=at_batch(1, start))
        if os.getpid() != here:
            os._exit(0 if same(undisturbed, found) else 1)
    except ZeroDivisionError:
        os._exit(0 if os.getpid() != here else 1)
    finally:
        if os.getpid() != here:
            os._exit(1)
    assert os.waitpid(others[0], 0)[1] == 0
    assert same(undisturbed, found)
    assert len(partners) == 2 * trainings + 1


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


def test_a_training_within_a_training_has_workers_of_its_own(partners):
    """A callback may train and predict with another model while the workers wait."""
    other = []

    def train():
        other.append(trained(2, network(minicnn.ReLU())))
        other.append(network().predict(data()[0], batch_size=8))

    undisturbed, alone = (
        trained(2, callbacks=at_batch(1, lambda: None)),
        trained(2, network(minicnn.ReLU())),
    )
    forked = len(partners)
    assert same(undisturbed, trained(2, callbacks=at_batch(1, train)))
    assert same(alone, other[0])
    assert len(partners) > 2 * forked - 2


def change_images(x, y, weights):
    x[...] = 255 - x


def change_labels(x, y, weights):
    y[...] = (y + 1) % 3


def change_weights(x, y, weights):
    weights[::2] = 0


@pytest.mark.parametrize("change", [change_images, change_labels, change_weights])
@pytest.mark.parametrize("event", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_end"])
def test_data_changed_in_place_count_with_workers_as_without(change, event, partners, monkeypatch):
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
    assert len(partners) == 3
    monkeypatch.setattr(shards, "may_fork", lambda: False)
    assert same(changed, found(True))
    assert not same((changed[0], 0), (found(False)[0], 0))


@pytest.mark.parametrize("what", ["loss", "array"])
def test_arguments_count_from_the_next_epoch_with_workers_as_without(what, partners, monkeypatch):
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

    changed, forked = found(True), len(partners)
    assert forked
    monkeypatch.setattr(shards, "may_fork", lambda: False)
    assert same(changed, found(True))
    unchanged = found(False)
    assert changed[1]["loss"][0] == unchanged[1]["loss"][0]
    assert changed[1]["loss"][1] != unchanged[1]["loss"][1]


def test_only_a_process_without_other_threads_is_forked():
    """Beside a thread of someone else's, which may hold a lock, there are no partners."""
    code = (
        "import signal, threading, time, minicnn\n"
        "from minicnn._parallel import shards, threads\n"
        "with threads.working(): threads.set_threads(2); threads.shards(2, lambda a, b: a, 1e9)\n"
        "print(shards.may_fork())\n"
        "end = threading.Event(); other = threading.Thread(target=end.wait); other.start()\n"
        "print(shards.may_fork()); end.set(); other.join()\n"
        "time.sleep(0.2)  # until the system has seen it end\n"
        "print(shards.may_fork())\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(shards.may_fork())\n"
        "inner = []\n"
        "t = threading.Thread(target=lambda: inner.append(shards.may_fork()))\n"
        "t.start(); t.join(); print(inner[0])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout.split() == ["True", "False", "True", "False", "False"], out.stderr


def test_where_no_thread_can_be_started_no_process_is_forked():
    """The system would refuse it, and OpenBLAS would lose its threads and not get them again."""
    code = (
        "import threading; from minicnn._parallel import workers; print(workers.may_fork())\n"
        'def refuse(thread): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = refuse; print(workers.may_fork())\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout.split() == ["True", "False"], out.stderr


TRAINS = """
import os, signal, sys, time
import numpy as np, minicnn
from minicnn._parallel import shards
shards.WORTH_CUTTING = shards.WORTH_FORKING = 0
shards.may_fork = lambda: True
minicnn.set_threads(3)
fork = os.fork
def shown():
    pid = fork()
    if pid: print(pid, flush=True)
    return pid
os.fork = shown
model = minicnn.Sequential([minicnn.Input((4,)), minicnn.Dense(2)], seed=0)
model.compile('sgd', 'mse')
x, y = np.ones((64, 4)), np.ones((64, 2))
"""


@pytest.mark.parametrize("at_work", ["fit", "predict", "stopped", "beside another"])
def test_workers_end_when_their_process_is_killed(at_work):
    """Killed outright it leaves none: not a busy or a stopped one, nor one whose pipes a process
    holds that a callback has forked."""
    code = TRAINS
    if at_work == "predict":
        code += "minicnn.Dense.forward = lambda *arguments, **named: time.sleep(600)\n"
        code += "model.predict(x, batch_size=16)\n"
    else:
        code += "def act(batch, logs):\n"
        code += "    if batch == 0: os.fork() or time.sleep(600)\n" * (at_work == "beside another")
        code += "    if batch == 0: print('at work', flush=True)\n" * (at_work == "stopped")
        code += "    time.sleep(0.01)\n"
        code += "callback = minicnn.callbacks.LambdaCallback(on_train_batch_end=act)\n"
        code += "options = dict(batch_size=32, steps_per_epoch=10**6, verbose=0)\n"
        code += "model.fit(x, y, epochs=2, callbacks=callback, **options)\n"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    forked = [int(process.stdout.readline()) for _ in range(2 + (at_work == "beside another"))]
    if at_work == "stopped":
        process.stdout.readline()  # before, it may not have been told yet to end with its parent
        for pid in forked:
            stop(pid)
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    try:
        while any(running(pid) for pid in forked[:2]):
            assert time.monotonic() < deadline, "a worker goes on without its process"
            time.sleep(0.05)
    finally:
        for pid in filter(running, forked):
            os.kill(pid, signal.SIGKILL)


def test_a_pipe_that_nobody_reads_does_not_end_the_program():
    """With SIGPIPE as the system has it, a worker that is gone does not take the program along."""
    code = TRAINS + (
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "def act(batch, logs):\n"
        "    if batch == 0: [os.kill(pid, 9) or os.waitpid(pid, 0) for pid in pids]\n"
        "pids, kept = [], os.fork\n"
        "os.fork = lambda: pids.append(kept()) or pids[-1]\n"
        "callback = minicnn.callbacks.LambdaCallback(on_train_batch_end=act)\n"
        "model.fit(x, y, batch_size=32, verbose=0, callbacks=callback)\n"
        "print('done')\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0
    assert out.stdout.endswith("done\n")
    assert "A process that helped to train has ended" in out.stderr


def running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
