"""How many hosts a network can use: a model of a step, and how well it foretells what is measured.

    sudo python benchmarks/rank_scaling.py

takes about five minutes and needs ip, tc and unshare. It makes hosts on this machine, as network
namespaces with links that ``tc`` slows down, measures latency and bandwidth between 2 of them, and
training on 2 and on 4, of a layer of 100,100 parameters, with a pause in the place of most of what
a rank would compute. The model of minicnn/_parallel/scaling.py, from these figures and the time
that a rank does not wait, should be within 15%. Then it prints what the model says of up to 1,024
hosts. ``--table`` prints that alone.
"""

import argparse
import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from minicnn._parallel.scaling import (
    Network,
    efficiency,
    measured,
    reduction_seconds,
    step_seconds,
)

LIMITS = (1000, 300, 100)
"""Megabits a second of each link."""

NETWORKS = {
    "Wi-Fi": Network(3e-3, 2.5e6, 2e-5),
    "1 Gbit/s": Network(1e-4, 110e6, 2e-5),
    "10 Gbit/s": Network(4e-5, 1.1e9, 2e-5),
    "25 Gbit/s": Network(2.5e-5, 2.5e9, 2e-5),
    "100 Gbit/s, RDMA": Network(3e-6, 1e10, 2e-6),
}
"""Usual figures, and not measured here."""

TRAINED = {"small": (0.016, 408_000, 8), "vgg": (0.24, 5_346_000, 0), "resnet50": (8.0, 94e6, 106)}
"""Seconds of a step of 64 images on one core, bytes of gradients, and small exchanges in a step."""

HOSTS = (2, 4, 16, 64, 256, 1024)
STEPS, BATCH, BRIDGE, SUBNET = 40, 16, "minicnnsb", "10.77.9"
PAUSE = 0.02
"""Seconds that stand for what a rank computes: four ranks on two cores would wait for these."""

LOGIN = """#!/bin/sh
while case $1 in -*) true;; *) false;; esac; do shift; done
host=${1##*.}; shift
exec ip netns exec minicnns$host unshare --uts --ipc --mount sh -c \\
  "hostname host$host; mount -t tmpfs none /dev/shm; $*"
"""


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="print the table alone")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.rank:
        return serve()
    if not options.table:
        check()
    table()
    return 0


def check():
    """Print what was measured beside what the model says."""
    print(
        f"{'link':<14}{'hosts':>6}{'latency':>10}{'message':>10}{'MB/s':>8}"
        f"{'compute':>9}{'measured':>10}{'model':>8}{'off':>7}"
    )
    for rate in LIMITS:
        network = None
        for count in (2, 4):
            with hosts(count, rate) as run:
                found = run()
            network = network or Network(*found["network"])
            said = model(found["compute"], found["calls"], count, found["bytes"], network)
            off = said / found["step"] - 1
            print(
                f"{f'{rate} Mbit/s':<14}{count:>6}{network.latency * 1e6:>7.0f} us"
                f"{network.message * 1e6:>7.0f} us{network.bandwidth / 1e6:>8.1f}"
                f"{found['compute'] * 1e3:>9.1f}{found['step'] * 1e3:>7.1f} ms{said * 1e3:>8.1f}"
                f"{off:>7.0%}",
                flush=True,
            )


def model(compute, calls, count, nbytes, network):
    """``step_seconds``, with the exchanges of BatchNorm too."""
    small = calls * math.ceil(math.log2(count)) * network.latency
    return compute + small + reduction_seconds(count, nbytes, network)


def table():
    """Print the part of the time in which a host computes, and how many hosts are of use."""
    print(f"\n{'':<30}{''.join(f'{n:>7}' for n in HOSTS)}   most at 50%")
    for name, (compute, nbytes, calls) in TRAINED.items():
        for link, network in NETWORKS.items():
            parts = [compute / step_seconds(n, compute, nbytes, network, calls) for n in HOSTS]
            assert abs(efficiency(2, compute, nbytes, network) - parts[0]) < 1
            most = max(n for n in (1, *HOSTS) if n == 1 or parts[HOSTS.index(n)] >= 0.5)
            said = "".join(f"{part:>7.0%}" for part in parts)
            print(f"{name:<10}{link:<20}{said}   {most:,}")


@contextlib.contextmanager
def hosts(count, rate):
    """So many hosts; within, what trains on them and returns what rank 0 has found."""

    def ip(*arguments, check=True):
        subprocess.run(["ip", *arguments], check=check, capture_output=True)

    with tempfile.TemporaryDirectory() as folder:
        try:
            ip("link", "add", BRIDGE, "type", "bridge")
            ip("addr", "add", f"{SUBNET}.254/24", "dev", BRIDGE)
            ip("link", "set", BRIDGE, "up")
            for i in range(1, count + 1):
                space, link = f"minicnns{i}", f"minicnnl{i}"
                ip("netns", "add", space)
                ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
                ip("link", "set", link, "master", BRIDGE, "up")
                ip("-n", space, "addr", "add", f"{SUBNET}.{i}/24", "dev", "eth0")
                ip("-n", space, "link", "set", "eth0", "up")
                ip("-n", space, "link", "set", "lo", "up")
                tc = ["tc", "-n", space, "qdisc", "add", "dev", "eth0", "root", "tbf"]
                limits = "rate", f"{rate}mbit", "burst", "32kb", "latency", "500ms"
                subprocess.run([*tc, *limits], check=True)
            login = Path(folder) / "login"
            login.write_text(LOGIN)
            login.chmod(0o755)

            def run():
                names = ",".join(f"{SUBNET}.{i}" for i in range(1, count + 1))
                how = ["-launcher", "ssh", "-launcher-exec", str(login), "-localhost"]
                how += [f"{SUBNET}.254", "-hosts", names, "-n", str(count), "-ppn", "1"]
                mpiexec = Path(sys.executable).parent / "mpiexec"
                said = subprocess.run(
                    [str(mpiexec), *how, sys.executable, os.path.abspath(__file__), "--rank"],
                    env=os.environ | {"MPIR_CVAR_NOLOCAL": "1", "OMP_NUM_THREADS": "1"},
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                    timeout=300,
                )
                return json.loads(said.stdout.strip().splitlines()[-1])

            yield run
        finally:
            for i in range(1, count + 1):
                ip("link", "del", f"minicnnl{i}", check=False)
                ip("netns", "del", f"minicnns{i}", check=False)
            ip("link", "del", BRIDGE, check=False)


def serve():
    """One rank: measure the network, and steps of training."""
    import minicnn
    from minicnn._parallel.ranks import Ranks, world

    ranks = world("rank_scaling")
    network = measured(ranks)
    waited, calls, clock, steps = [0.0], [0], [0.0], []

    def timed(method, counts):
        def call(self, *arguments):
            begun = time.perf_counter()
            found = method(self, *arguments)
            waited[0] += time.perf_counter() - begun
            calls[0] += counts
            return found

        return call

    def batch_begin(batch, logs):
        clock[0], waited[0], calls[0] = time.perf_counter(), 0.0, 0
        time.sleep(PAUSE)

    def batch_end(batch, logs):
        steps.append((time.perf_counter() - clock[0], waited[0], calls[0]))

    Ranks.swap, Ranks.gathered = timed(Ranks.swap, 0), timed(Ranks.gathered, 1)
    rng = np.random.default_rng(0)
    n = STEPS * BATCH * ranks.count
    x, y = rng.random((n, 1000), np.float32), rng.integers(0, 100, n)
    layers = [minicnn.Input((1000,)), minicnn.Dense(100, activation="softmax")]
    made = minicnn.Sequential(layers, seed=0)
    made.compile("sgd", "sparse_categorical_crossentropy")
    each = minicnn.callbacks.LambdaCallback(
        on_train_batch_begin=batch_begin, on_train_batch_end=batch_end
    )
    made.fit(x, y, batch_size=BATCH * ranks.count, verbose=0, callbacks=[each], distributed=True)
    # Of each step, how long it took, and how long the rank computed that did so longest.
    took, waits, several = map(np.array, zip(*steps[2:], strict=True))
    took = ranks.gathered(took).max(axis=0)
    computes = ranks.gathered(took - waits).max(axis=0)
    quick = np.argsort(took)[: len(took) // 2]  # of the others much was something else's
    if not ranks.number:
        step, compute = float(np.median(took[quick])), float(np.median(computes[quick]))
        found = {"network": network, "step": step, "compute": compute}
        found["calls"] = statistics.median(several.tolist())
        found["bytes"] = sum(array.nbytes for array in made.params.values())
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
