"""Work done ahead by threads: its order, its errors, and the end of the threads."""

import os
import threading
import time

import pytest

from minicnn._parallel.ahead import READER, ahead


def workers():
    return sum(thread.name == READER for thread in threading.enumerate())


def settles(count):
    """Whether there are no more than so many threads of ours, after a moment."""
    for _ in range(200):
        if workers() <= count:
            return True
        time.sleep(0.01)
    return False


def test_results_in_order_and_not_far_ahead():
    """Whichever is done first, results come in the items' order; few are begun beforehand."""
    begun = []

    def work(n):
        begun.append(n)
        time.sleep(0.002 * (3 - n % 4))
        return n * n

    results = ahead(work, range(20), threads=3, most=5)
    assert next(results) == 0
    assert max(begun) <= 5
    assert list(results) == [n * n for n in range(1, 20)]


def test_threads_end_with_the_iterator():
    """When all is given, when it is dropped, and when an error comes, in its place."""
    before = workers()
    assert list(ahead(str, range(3), threads=2, most=2)) == ["0", "1", "2"]
    assert settles(before)
    dropped = ahead(str, range(100), threads=2, most=4)
    next(dropped)
    del dropped
    assert settles(before)
    failing = ahead(lambda n: 6 // (3 - n), range(9), threads=2, most=9)
    assert [next(failing) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(failing)
    assert settles(before)


def test_without_threads(monkeypatch):
    """Where the system gives no thread, the results are the same."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert list(ahead(str, range(5), threads=2, most=3)) == list("01234")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_goes_on():
    """A child has none of the threads: it does what is left by itself."""
    results = ahead(str, range(50), threads=2, most=4)
    next(results)
    child = os.fork()
    if not child:
        os._exit(int(list(results) != [str(n) for n in range(1, 50)]))
    assert os.waitpid(child, 0)[1] == 0
    assert next(results) == "1"
