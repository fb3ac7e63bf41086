"""Images a second of one rank and of several: minicnn and PyTorch's DistributedDataParallel.

    python benchmarks/ranks.py

takes about five minutes on two quiet cores, and prints a table. Each rank has one thread and
batches of 64 images; DDP reduces by gloo. minicnn's BatchNorm is that of the whole batch, DDP's
that of each rank. Rounds of all contestants take turns, so that none has a better moment. The last
column is what a rank computes for, in milliseconds of its core an image, where the clock cannot be
trusted: waiting for others is in it where that is done awake.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

BATCH = 64
EPOCHS = 4
"""In a process; the first is not measured."""

STEPS = {"small": 20, "vgg": 4}
LIMIT = 300
"""Seconds: ranks of a peer may wait for each other for ever."""

CONTESTANTS = ("minicnn", "torch", "torch-channels-last")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", default=list(STEPS), choices=STEPS)
    parser.add_argument("--frameworks", nargs="+", default=list(CONTESTANTS), choices=CONTESTANTS)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rank", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.rank:
        return serve(*options.rank)
    heads = "1 rank", f"{options.ranks} ranks", "", "CPU ms", "CPU ms"
    print(f"{'network':<10}{'framework':<22}{''.join(f'{head:>9}' for head in heads)}")
    for network in options.networks:
        found = {(key, n): [] for key in options.frameworks for n in (1, options.ranks)}
        for _ in range(options.rounds):
            for (key, n), rates in found.items():
                rates.append(measure(key, network, n))
        rates = {what: statistics.median(r for r, _ in each) for what, each in found.items()}
        costs = {what: statistics.median(c for _, c in each) for what, each in found.items()}
        for key in options.frameworks:
            one, several = rates[key, 1], rates[key, options.ranks]
            cost, more = costs[key, 1], costs[key, options.ranks]
            print(
                f"{network:<10}{key:<22}{one:>9,.0f}{several:>9,.0f}{several / one:>8.2f}x"
                f"{cost:>9.3f}{more:>9.3f}"
            )
        peers = [rates[key, options.ranks] for key in options.frameworks if key != "minicnn"]
        if peers and "minicnn" in options.frameworks:
            ratio = rates["minicnn", options.ranks] / max(peers)
            print(f"{network:<10}minicnn / the faster peer, {options.ranks} ranks: {ratio:.2f}x")
    return 0


def measure(key, network, ranks):
    """(images a second of all ranks together, milliseconds of a core for an image)."""
    command = [sys.executable, __file__, "--rank", key, network]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    if key == "minicnn":
        mpiexec = Path(sys.executable).parent / "mpiexec"
        found = str(mpiexec) if mpiexec.exists() else shutil.which("mpiexec")
        begun = [[found, "-n", str(ranks), *command]]
        each = [environment]
    else:
        environment |= {"WORLD_SIZE": str(ranks), "MASTER_PORT": str(free_port())}
        begun = [command] * ranks
        each = [environment | {"RANK": str(rank)} for rank in range(ranks)]
    processes = [
        subprocess.Popen(one, env=with_it, stdout=subprocess.PIPE, text=True)
        for one, with_it in zip(begun, each, strict=True)
    ]
    try:
        said = [process.communicate(timeout=LIMIT)[0] for process in processes]
    except subprocess.TimeoutExpired:
        for process in processes:
            process.kill()
        sys.exit(f"ranks: {key} on {network} has not ended after {LIMIT} s.")
    if any(process.returncode for process in processes):
        sys.exit(f"ranks: {key} on {network} failed.")
    found = json.loads(said[0].strip().splitlines()[-1])
    return found["rate"], found["cost"]


def serve(key, name):
    """One rank: train, and let the first say how fast."""
    import networks

    network = networks.NETWORKS[name]
    rank, ranks, seconds = (minicnn_rank if key == "minicnn" else torch_rank)(key, network, name)
    if not rank:
        images = STEPS[name] * BATCH * ranks
        clock, cpu = (statistics.median(each[1:]) for each in zip(*seconds, strict=True))
        print(json.dumps({"rate": images / clock, "cost": 1e3 * cpu * ranks / images}))
    return 0


def minicnn_rank(key, network, name):
    """(rank, how many, seconds of each epoch by the clock and of the core)."""
    import networks
    from frameworks import MiniCNN

    import minicnn

    ranks, rank = int(os.environ["PMI_SIZE"]), int(os.environ["PMI_RANK"])
    contestant = MiniCNN(1)
    contestant.build(network)
    x, y = networks.pictures(network, STEPS[name] * BATCH * ranks)
    begun, seconds = [], []
    clock = minicnn.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: begun.append(now()),
        on_epoch_end=lambda epoch, logs: seconds.append(since(begun[-1])),
    )
    contestant.model.fit(
        x,
        y,
        batch_size=BATCH * ranks,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[clock],
        distributed=True,
    )
    return rank, ranks, seconds


def torch_rank(key, network, name):
    """The same with DDP; a single rank goes without it."""
    import networks
    import torch
    from frameworks import FRAMEWORKS

    ranks, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
    contestant = FRAMEWORKS[key](1)
    contestant.batch = BATCH
    contestant.build(network)
    if ranks > 1:
        torch.distributed.init_process_group("gloo", rank=rank, world_size=ranks)
        contestant.model = torch.nn.parallel.DistributedDataParallel(contestant.model)
    x, y = networks.pictures(network, STEPS[name] * BATCH * ranks)
    contestant.load(*(np.ascontiguousarray(array[rank::ranks]) for array in (x, y)))
    seconds = []
    for _ in range(EPOCHS):
        begun = now()
        contestant.train(1)
        seconds.append(since(begun))
    if ranks > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return rank, ranks, seconds


def now():
    return time.perf_counter(), time.process_time()


def since(begun):
    return tuple(after - before for before, after in zip(begun, now(), strict=True))


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
