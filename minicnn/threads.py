"""How many threads BLAS uses while a network runs.

OpenBLAS gives every product to all cores and waits, spinning, for the last one.
For the small products of a small network that gains little: ``minicnn train`` takes
a seventh longer on one thread of an idle machine with two cores. But when
another program has one of the cores, each product waits for its turn, and a run
of 18 seconds was seen to take 106. Small networks therefore get one thread.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

SMALL_BATCH = 1_000_000_000
"""Multiply-adds of a batch, going forward, up to which a second thread gains little."""

CHOICES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
"""Where a user says how many threads; then nothing is changed here."""


@contextmanager
def for_batches_of(multiply_adds: int) -> Iterator[None]:
    """Within, BLAS uses one thread if batches of that much work are small ones.

    The limit is one for the whole process. When runs overlap in threads, threadpoolctl
    lets only the first of them change it and put it back.
    """
    if multiply_adds > SMALL_BATCH or any(name in os.environ for name in CHOICES):
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
