"""Small networks run on one BLAS thread, unless the user has chosen."""

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minicnn import threads
from minicnn.threads import SMALL_BATCH, for_batches_of


def blas_threads():
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    """Start from two threads, whatever this machine and its user have chosen."""
    for name in threads.CHOICES:
        monkeypatch.delenv(name, raising=False)
    with threadpool_limits(2, user_api="blas"):
        if blas_threads() != 2:
            pytest.skip("this BLAS cannot use two threads")
        yield


def test_small_batches_get_one_thread():
    """Within a small run BLAS has one thread, and after it as many as before."""
    with for_batches_of(SMALL_BATCH):
        assert blas_threads() == 1
    assert blas_threads() == 2
    with for_batches_of(SMALL_BATCH + 1):
        assert blas_threads() == 2


def test_the_user_s_choice_stands(monkeypatch):
    """A number of threads that the user has set is not changed."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with for_batches_of(1):
        assert blas_threads() == 2


def test_runs_that_overlap_leave_no_limit_behind():
    """Two runs at once, the first ending first, end with as many threads as before."""
    inside, leave = threading.Event(), threading.Event()

    def other():
        with for_batches_of(1):
            inside.set()
            leave.wait(10)

    runner = threading.Thread(target=other)
    with for_batches_of(1):
        runner.start()
        assert inside.wait(10)
        assert blas_threads() == 1
    leave.set()
    runner.join()
    assert blas_threads() == 2
