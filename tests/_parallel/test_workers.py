"""Workers to which something happens, and programs that end while they are at work."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest

import minicnn
from minicnn._parallel import processes, workers
from minicnn._training.program import Program
from minicnn.layers.graph import Graph
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


def reap(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def stop(pid):
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.parametrize("harm", [stop, reap, lambda pid: os.kill(pid, signal.SIGKILL)])
def test_whatever_happens_to_a_worker_changes_no_bit(harm, pids):
    """One that is stopped, killed, or waited for by the program is given up: the same bits."""
    undisturbed = trained(2, callbacks=at_batch(1, lambda: None))
    opened = len(os.listdir("/proc/self/fd"))
    with pytest.warns(RuntimeWarning, match="A process that helped to train .*, with the same res"):
        disturbed = trained(2, callbacks=at_batch(1, lambda: harm(pids[-1])))
    assert same(undisturbed, disturbed)
    assert len(pids) == 6  # with callbacks of others they are forked for each epoch
    assert len(os.listdir("/proc/self/fd")) == opened


def test_a_worker_that_never_answers_is_given_up(pids, monkeypatch):
    """One that hangs has a time to answer, by what such a shard takes; then it is ended."""
    undisturbed, here = trained(2), os.getpid()
    monkeypatch.setattr(processes, "TICK", 0.01)
    monkeypatch.setattr(processes, "PATIENCE", 0.1)
    compute = Program.gradients

    def hangs(*arguments):
        if os.getpid() != here:
            time.sleep(600)
        return compute(*arguments)

    monkeypatch.setattr(Program, "gradients", hangs)
    with pytest.warns(RuntimeWarning, match="does not answer"):
        assert same(undisturbed, trained(2))


def test_the_program_may_stop_waiting_for_its_children(pids):
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
def test_predictions_are_the_same_whatever_happens_to_a_worker(harm, pids, monkeypatch):
    """A worker that is stopped or gone leaves its run of the predictions to the program."""
    minicnn.set_threads(2)
    model, x = network(), data(50)[0]
    predicted, infer = model.predict(x, batch_size=8), Graph.infer
    here = os.getpid()

    def disturbed(*arguments):
        if os.getpid() != here:
            signal.pause()
        if len(pids) == 2:
            harm(pids.pop())
        return infer(*arguments)

    monkeypatch.setattr(Graph, "infer", disturbed)
    with pytest.warns(RuntimeWarning, match="A process that helped to predict"):
        np.testing.assert_array_equal(predicted, model.predict(x, batch_size=8))


@pytest.mark.parametrize("moment", ["fork", "own share", "wait"])
def test_ctrl_c_in_predict_leaves_no_worker(moment, pids, monkeypatch):
    """Interrupted right after the fork, in its own run or in waiting, predict ends its workers.

    The fixture sees that none is left, at work or as a zombie.
    """
    minicnn.set_threads(3)
    model, x, here = network(), data(50)[0], os.getpid()
    infer, fork, is_ready = Graph.infer, os.fork, processes.is_ready

    def interrupted(wanted, call, *arguments, **named):
        if os.getpid() != here:
            signal.pause()
        if moment == wanted and (wanted != "fork" or len(pids) == 1):
            signal.raise_signal(signal.SIGINT)
        return call(*arguments, **named)

    def forked():
        return fork() and interrupted("fork", lambda: pids[-1])

    monkeypatch.setattr(Graph, "infer", lambda *given: interrupted("own share", infer, *given))
    monkeypatch.setattr(processes, "is_ready", partial(interrupted, "wait", is_ready))
    monkeypatch.setattr(os, "fork", forked)
    with pytest.raises(KeyboardInterrupt):
        model.predict(x, batch_size=8)
    assert len(pids) == (1 if moment == "fork" else 2)


def test_a_process_forked_by_a_callback_is_not_waited_for(pids):
    """It holds the workers' pipes; fit ends all the same, and so does a worker that was killed."""
    others, fork = [], os.fork

    def start():
        os.kill(pids[-1], signal.SIGKILL)
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
def test_a_process_forked_by_a_callback_leaves_the_workers_alone(leave, pids, monkeypatch):
    """Whether it leaves the training by an exception or goes on with it: the bits are the same."""
    undisturbed = trained(2, callbacks=at_batch(1, lambda: None))
    here, others, ask = os.getpid(), [], workers.ForkedProcess.ask

    def here_alone(worker):
        if os.getpid() != here and worker.pids[0] in pids[:-1]:
            os._exit(3)
        ask(worker)

    monkeypatch.setattr(workers.ForkedProcess, "ask", here_alone)

    def start():
        others.append(os.fork())
        if leave and not others[0]:
            raise ZeroDivisionError

    trainings = len(pids)
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
    assert len(pids) == 2 * trainings + 1


def test_only_a_process_without_other_threads_is_forked():
    """Beside a thread of someone else's, which may hold a lock, there are no workers."""
    code = (
        "import signal, threading, time, minicnn\n"
        "from minicnn._parallel import processes, threads\n"
        "with threads.working(): threads.set_threads(2); threads.shards(2, lambda a, b: a, 1e9)\n"
        "print(processes.may_fork())\n"
        "end = threading.Event(); other = threading.Thread(target=end.wait); other.start()\n"
        "print(processes.may_fork()); end.set(); other.join()\n"
        "time.sleep(0.2)  # until the system has seen it end\n"
        "print(processes.may_fork())\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(processes.may_fork())\n"
        "inner = []\n"
        "t = threading.Thread(target=lambda: inner.append(processes.may_fork()))\n"
        "t.start(); t.join(); print(inner[0])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout.split() == ["True", "False", "True", "False", "False"], out.stderr


def test_where_no_thread_can_be_started_no_process_is_forked():
    """The system would refuse it, and OpenBLAS would lose its threads and not get them again."""
    code = (
        "import threading; from minicnn._parallel import processes; print(processes.may_fork())\n"
        'def refuse(thread): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = refuse; print(processes.may_fork())\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout.split() == ["True", "False"], out.stderr


TRAINS = """
import os, signal, sys, time
import numpy as np, minicnn
from minicnn._parallel import shards, workers
shards.WORTH_CUTTING = workers.WORTH_FORKING = 0
workers.may_fork = lambda: True
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
