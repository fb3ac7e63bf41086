"""``minicnn doctor --mpi``: the MPI that is here, how fast it adds up, and what to expect."""

import time

import numpy as np

import minicnn
from minicnn._cli.launch import become
from minicnn._core.console import say
from minicnn._parallel import threads
from minicnn._parallel.ranks import launched, world
from minicnn._parallel.scaling import Network, measured, most_ranks, step_seconds
from minicnn.applications import NETWORKS
from minicnn.layers import BatchNorm
from minicnn.layers.building import walk
from minicnn.models.model import Model

BATCH = 64
SHOWN = (1, 2, 4, 16, 64, 256)
SIZES = {"small": (64, 64, 3), "vgg": (32, 32, 3)}
"""The networks that are measured, and the shapes of their images."""


def report() -> int:
    """Measure and print; started alone, on two processes of this machine."""
    if not launched():
        become(2, ["-m", "minicnn", "doctor", "--mpi"])
    ranks = world("doctor --mpi")
    if ranks is None:
        say("One process: start several, as by mpiexec -n 2 minicnn doctor --mpi.")
        return 0
    with ranks.together():
        ranks.meet()
        network = measured(ranks)
        steps = {name: _step(name) for name in SIZES}
        if not ranks.number:
            _print(ranks.hosts, network, steps)
    return 0


def _step(name: str) -> tuple[float, int, int]:
    """(seconds, bytes of gradients, calls) of a step of a network on one rank."""
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, *SIZES[name]), np.float32)
    y = rng.integers(0, 10, BATCH)
    model: Model = NETWORKS[name](SIZES[name], 10, 0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    took = []
    for _ in range(6):
        begun = time.perf_counter()
        model.train_on_batch(x, y)
        took.append(time.perf_counter() - begun)
    calls = 2 * sum(isinstance(layer, BatchNorm) for layer in walk(model.stack))
    nbytes = sum(array.nbytes for array in model.params.values())
    return float(np.median(took[1:])), nbytes, calls


def _print(hosts: list[str], network: Network, steps: dict[str, tuple[float, int, int]]) -> None:
    import mpi4py
    from mpi4py import MPI

    several = MPI.Query_thread() >= MPI.THREAD_MULTIPLE
    machines = ", ".join(f"{hosts.count(host)} on {host}" for host in dict.fromkeys(hosts))
    rows = {
        "minicnn": minicnn.__version__,
        "mpi4py": mpi4py.__version__,
        "MPI": MPI.Get_library_version().strip("\0\n").splitlines()[0].replace("\t", " ")[:60],
        "ranks": f"{len(hosts)}: {machines}",
        "threads": f"{threads.get_threads()} in rank 0",
        "signs of life": "yes" if several else "no: this MPI allows no calls by several threads",
        "latency": f"{network.latency * 1e6:,.0f} us a round",
        "bandwidth": f"{network.bandwidth / 1e6:,.0f} MB/s, with the sums",
    }
    for label, value in rows.items():
        say(f"{label:<18}{value}")
    counts = "".join(f"{n:>9}" for n in SHOWN)
    say(f"Images a second to expect over this network, in batches of {BATCH} a rank:")
    say(f"{'ranks':<8}{counts}   of use")
    for name, (compute, nbytes, calls) in steps.items():
        rates = [n * BATCH / step_seconds(n, compute, nbytes, network, calls) for n in SHOWN]
        most = most_ranks(compute, nbytes, network, calls)
        say(f"{name:<8}{''.join(f'{rate:>9,.0f}' for rate in rates)}   up to {most:,}")
