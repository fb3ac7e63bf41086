"""What to expect of more ranks: a model of a step, and the two figures of a network that it needs.

A step on n ranks takes as long as the part of one rank, and what travels:

    t(2) = compute + calls latency + latency + bytes / bandwidth
    t(n) = compute + calls log2(n) latency
           + 2 (latency + (n - 2) message + (n - 1) / n bytes / bandwidth)

Two ranks swap the gradients, of so many bytes. Of more, these are cut into n slices: n - 1
messages, which travel together, bring each rank those of its slice, n - 1 the sums of all.
What else the ranks tell each other goes along, but for BatchNorm, which needs two small exchanges,
of log2(n) rounds each: their number are the ``calls``.
"""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minicnn._parallel.ranks import Ranks

QUICK = 0.25
"""Of repeated calls as many are quicker than the one that counts: others are disturbed."""

MESSAGES = 16
"""Small ones that are sent at the same time, to measure what one more takes."""

SMALL, LARGE = 1 << 20, 1 << 23
"""Bytes between which the bandwidth is measured."""


class Network(NamedTuple):
    """What carries bytes between ranks."""

    latency: float
    """Seconds of a round in which next to nothing travels."""
    bandwidth: float
    """Bytes a second, with the time in which they are added up."""
    message: float = 0.0
    """Seconds that one more message at the same time takes."""


def reduction_seconds(ranks: int, nbytes: int, network: Network) -> float:
    """What it takes to add up so many bytes of gradients.

    >>> round(reduction_seconds(2, 10**6, Network(1e-4, 1e8)), 6)
    0.0101
    """
    if ranks == 2:
        return network.latency + nbytes / network.bandwidth
    waiting = network.latency + (ranks - 2) * network.message
    return 2 * (waiting + (ranks - 1) / ranks * nbytes / network.bandwidth)


def step_seconds(
    ranks: int, compute: float, nbytes: int, network: Network, calls: int = 0
) -> float:
    """A step, of which a rank computes its part in ``compute`` seconds, with so many calls.

    >>> step_seconds(1, 0.5, 10**6, Network(1e-4, 1e8))
    0.5
    """
    if ranks == 1:
        return compute
    small = calls * math.ceil(math.log2(ranks)) * network.latency
    return compute + small + reduction_seconds(ranks, nbytes, network)


def efficiency(ranks: int, compute: float, nbytes: int, network: Network, calls: int = 0) -> float:
    """The part of the time in which a rank computes.

    >>> efficiency(1, 0.5, 10**6, Network(1e-4, 1e8))
    1.0
    """
    return compute / step_seconds(ranks, compute, nbytes, network, calls)


def most_ranks(
    compute: float,
    nbytes: int,
    network: Network,
    calls: int = 0,
    least: float = 0.5,
    most: int = 1024,
) -> int:
    """The most ranks, in powers of 2, of which each computes that part of the time or more.

    >>> most_ranks(0.1, 400_000, Network(5e-5, 1.1e9, 1e-4))
    256
    """
    found = 1
    while 2 * found <= most and efficiency(2 * found, compute, nbytes, network, calls) >= least:
        found *= 2
    return found


def measured(ranks: Ranks, repeats: int = 9) -> Network:
    """The network between the ranks, measured by the calls that training makes.

    Calls follow each other, as in training: no rank begins one before it has the last one's result.
    """

    def seconds(call: Callable[[], object], count: int) -> float:
        took = []
        for _ in range(repeats):
            ranks.meet()
            begun = time.perf_counter()
            for _ in range(count):
                call()
            took.append((time.perf_counter() - begun) / count)
        return float(np.quantile(ranks.gathered(np.array(took[1:])).max(axis=0), QUICK))

    rounds = math.ceil(math.log2(ranks.count))
    nothing = np.zeros(1)
    latency = seconds(lambda: ranks.gathered(nothing), 50) / rounds
    many = [([nothing] * ranks.count, np.empty((ranks.count, 1))) for _ in range(MESSAGES)]
    times = seconds(lambda: ranks.swap(many[0]), 20), seconds(lambda: ranks.swap(*many), 20)
    message = max(0.0, times[1] - times[0]) / (MESSAGES - 1) / (ranks.count - 1)
    small, large = (np.ones(nbytes // 4, np.float32) for nbytes in (SMALL, LARGE))
    times = seconds(lambda: ranks.summed([small]), 2), seconds(lambda: ranks.summed([large]), 2)
    travel = 2 * (ranks.count - 1) / ranks.count * (LARGE - SMALL)
    return Network(latency, travel / max(times[1] - times[0], 1e-9), message)
