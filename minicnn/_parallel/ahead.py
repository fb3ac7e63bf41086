"""Work done ahead by threads, while the results before it are used."""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

__all__ = ["READER", "ahead"]

READER = "minicnn reader"
"""The name of these threads."""

T = TypeVar("T")
S = TypeVar("S")


class _Task:
    """A piece of work, and where its result or error will be."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self.done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()


def ahead(work: Callable[[S], T], items: Iterable[S], threads: int, most: int) -> Generator[T]:
    """``work(item)`` for each item, in their order, by so many threads that end with the iterator.

    At most ``most`` items are begun whose results were not asked for. An error of ``work`` is
    raised where its result would come. Items are drawn by the thread that iterates; ``work`` must
    leave nothing undone when it is called twice for one, as it is in a process forked meanwhile.

    >>> list(ahead(lambda n: n * n, range(5), threads=2, most=3))
    [0, 1, 4, 9, 16]
    """
    todo: SimpleQueue[_Task | None] = SimpleQueue()
    coming, waiting, process = iter(items), deque[_Task](), os.getpid()
    started = _start(threads, work, todo)
    try:
        while True:
            for item in islice(coming, most - len(waiting)):
                waiting.append(_Task(item))
                todo.put(waiting[-1])
            if not waiting:
                return
            task = waiting.popleft()
            if not started or (os.getpid() != process and task.done.empty()):
                yield work(task.item)
                continue
            result, error = task.done.get()
            if error is not None:
                raise error
            yield result
    finally:
        with suppress(Empty):
            while True:
                todo.get_nowait()
        for _ in range(started):
            todo.put(None)


def _start(threads: int, work: Callable[[Any], Any], todo: "SimpleQueue[_Task | None]") -> int:
    """Start so many threads, or as many as the system allows; returns how many."""
    for started in range(threads):
        thread = threading.Thread(target=_serve, args=(work, todo), name=READER, daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            return started
    return threads


def _serve(work: Callable[[Any], Any], todo: "SimpleQueue[_Task | None]") -> None:
    while (task := todo.get()) is not None:
        try:
            task.done.put((work(task.item), None))
        except BaseException as error:
            task.done.put((None, error))
        del task  # and with it the result, while the thread waits
