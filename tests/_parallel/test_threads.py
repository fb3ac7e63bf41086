"""Work is cut into shards on as many threads as the user wants, with one BLAS thread in each."""

import itertools
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import minicnn
from minicnn._parallel import threads
from minicnn._parallel.threads import get_threads, product, set_threads, shards, working
from minicnn.errors import ConfigError

LARGE = 1e9
"""A second of work."""


def blas_threads():
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


@pytest.fixture(autouse=True)
def no_choice(monkeypatch):
    """Start from no choice, whatever the user of this machine has set, and leave none."""
    for name in threads.CHOICES:
        monkeypatch.delenv(name, raising=False)
    yield
    set_threads(None)


def test_the_user_s_choice_stands(monkeypatch):
    """set_threads goes before the environment, and that before the number of cores."""
    assert get_threads() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert get_threads() == 3
    set_threads(5)
    assert get_threads() == 5
    set_threads(None)
    assert get_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert get_threads() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", True])
def test_a_wrong_number_is_refused(wrong):
    """A number of threads is a whole one of at least 1."""
    with pytest.raises(ConfigError, match=r"set_threads: expected a whole number of at least 1"):
        set_threads(wrong)


def test_shards_cover_the_range_in_order_each_on_its_own_thread():
    """Three threads get an image each, and the results come back in order."""
    set_threads(3)
    barrier = threading.Barrier(3, timeout=10)

    def work(first, last):
        barrier.wait()  # passes only when all three are at work at once
        return first, last, threading.get_ident()

    with working():
        results = shards(3, work, LARGE)
    assert [result[:2] for result in results] == [(0, 1), (1, 2), (2, 3)]
    assert len({result[2] for result in results}) == 3


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_where_work_is_cut_depends_on_the_work_alone(threads):
    """The same cost makes the same shards at any number of threads; little work makes one."""
    set_threads(threads)
    with working():
        for cost, count in ((0, 1), (299_999, 1), (300_000, 2), (1_400_000, 4), (1e12, 64)):
            cuts = shards(100, lambda first, last: (first, last), cost)
            assert len(cuts) == count
            assert cuts[0][0] == 0
            assert cuts[-1][1] == 100
            assert all(a[1] == b[0] for a, b in itertools.pairwise(cuts))
        assert shards(0, lambda first, last: (first, last), LARGE) == [(0, 0)]


def test_this_thread_does_all_shards_outside_work_and_within_a_shard():
    """Outside ``working``, and within a shard, no other thread is asked."""
    set_threads(4)

    def where(first, last):
        return threading.get_ident()

    assert set(shards(8, where, LARGE)) == {threading.get_ident()}
    with working():
        inner = shards(2, lambda first, last: (where(0, 0), shards(8, where, LARGE)), LARGE)
    assert all(set(idents) == {ident} for ident, idents in inner)


def test_an_error_in_a_shard_reaches_the_caller():
    """What a worker raises is raised where the work was asked for, and the workers live on."""
    set_threads(2)

    def work(first, last):
        if first:
            raise ValueError("of the second shard")
        return first

    with working():
        with pytest.raises(ValueError, match="of the second shard"):
            shards(2, work, LARGE)
        assert shards(2, lambda first, last: first, LARGE) == [0, 1]


def test_an_interrupt_leaves_no_shard_running():
    """When Ctrl-C ends the caller's shard, those begun end, and those not begun never do."""
    set_threads(2)
    begun, ended = [], []

    def work(first, last):
        if threading.current_thread() is threading.main_thread():
            while not begun:
                time.sleep(0.001)
            raise KeyboardInterrupt
        begun.append(first)
        time.sleep(0.05)
        ended.append(first)

    with working(), pytest.raises(KeyboardInterrupt):
        shards(64, work, LARGE)
    assert begun == ended
    assert len(ended) < 10


def test_workers_share_the_caller_s_error_settings():
    """An overflow that the caller has silenced is silent on the other threads too."""
    set_threads(2)
    huge = np.full(2, 1e300)
    with working(), np.errstate(over="ignore"):
        shards(2, lambda first, last: huge[first:last] * huge[first:last], LARGE)


def test_blas_has_one_thread_within():
    """Within, BLAS has one thread, and after it as many as before."""
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with working():
            assert blas_threads() == 1
        assert blas_threads() == before


def test_runs_that_overlap_leave_no_limit_behind():
    """Two runs at once, the first ending first, end with as many threads as before."""
    inside, leave = threading.Event(), threading.Event()

    def other():
        with working():
            inside.set()
            leave.wait(10)

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        runner = threading.Thread(target=other)
        with working():
            runner.start()
            assert inside.wait(10)
            assert blas_threads() == 1
        leave.set()
        runner.join()
        assert blas_threads() == before


def test_blas_has_one_thread_whichever_thread_runs():
    """Within a run of another thread too, and when of two runs the first has ended."""
    found, inside, leave = [], threading.Event(), threading.Event()

    def other():
        with working():
            inside.set()
            leave.wait(10)
            found.append(blas_threads())

    with threadpool_limits(2, user_api="blas"):
        runner = threading.Thread(target=other)
        runner.start()
        leave.set()
        runner.join()
        assert blas_threads() == 2
        inside.clear()
        leave.clear()
        runner = threading.Thread(target=other)
        with working():
            runner.start()
            assert inside.wait(10)
        leave.set()
        runner.join()
        assert blas_threads() == 2
    assert found == [1, 1]


@pytest.mark.parametrize("shape", [(300, 200, 100), (100, 200, 300), (3, 4, 5)])
def test_a_product_in_shards_is_the_product(shape, monkeypatch):
    """Cut by rows or by columns, the product is what one matmul gives."""
    m, k, n = shape
    monkeypatch.setattr(threads, "WORTH_SHARDS", 1000)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    set_threads(3)
    with working():
        np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(product(b.T, a.T), (a @ b).T, rtol=1e-12, atol=1e-12)


def network():
    return minicnn.Sequential(
        [
            minicnn.Input((9, 9, 2)),
            minicnn.Conv2D(4, 3, padding="same"),
            minicnn.ReLU(),
            minicnn.MaxPool(2),
            minicnn.Conv2D(3, 2),
            minicnn.Flatten(),
            minicnn.Dense(3, activation="softmax"),
        ],
        seed=1,
    )


def trained(count):
    set_threads(count)
    model, rng = network(), np.random.default_rng(0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(rng.random((50, 9, 9, 2)), rng.integers(0, 3, 50), batch_size=8, epochs=2, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("kernels", ["compiled", "vectorized"])
def test_training_gives_the_same_bits_at_any_number_of_threads(kernels, monkeypatch):
    """One thread, two or five: where work is cut, and the order of each sum, stay the same."""
    monkeypatch.setenv("MINICNN_KERNELS", kernels)
    monkeypatch.setattr(threads, "WORTH_SHARDS", 0)
    monkeypatch.setattr(threads, "SHARD", 1000)
    runs = [trained(1), trained(2), trained(5), trained(5)]
    for other in runs[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(runs[0], other, strict=True))


@pytest.mark.parametrize("allowed", [0, 1])
def test_where_no_thread_can_be_started_the_others_do_the_work(allowed, monkeypatch, vectorized):
    """At the system's limit there are fewer helpers, or none; the results are the same."""
    monkeypatch.setattr(threads, "WORTH_SHARDS", 0)
    monkeypatch.setattr(threads, "SHARD", 1000)
    wanted, start, started = trained(1), threading.Thread.start, []
    monkeypatch.setattr(threads._team, "tasks", [])

    def refuse(thread):
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert all(np.array_equal(a, b) for a, b in zip(wanted, trained(3), strict=True))
    assert len(threads._team.tasks) == allowed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_forked_at_work_leaves_blas_as_it_was():
    """A process that is forked within ``working`` gives BLAS its threads back when it leaves."""
    with threadpool_limits(2, user_api="blas"):
        with working():
            if not (child := os.fork()):
                status = 1
        if child == 0:
            with working():
                pass
            os._exit(0 if blas_threads() == 2 else status)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_gets_workers_of_its_own():
    """After a fork the child does not wait for threads that stayed with its parent."""
    code = (
        "import os; from minicnn._parallel.threads import *; set_threads(2)\n"
        "with working(): shards(2, lambda a, b: a, 1e9)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    with working(): print(shards(2, lambda a, b: a, 1e9), flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)"
    )
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, timeout=30
    )
    assert out.stdout.decode().strip() == "[0, 1]"
