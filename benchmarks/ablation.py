"""What each idea in the vectorized kernels is worth: a training step with all of them but one.

    python benchmarks/ablation.py

Each variant runs in a process of its own; they take turns, and medians are compared.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import numpy as np
from frameworks import MiniCNNVectorized, cores
from networks import BATCH, NETWORKS, pictures

import minicnn
from minicnn.kernels.vectorized import convolution, strips, workspace
from minicnn.models import fusing

ROUNDS = 3
MEASURED = ("signs", "lenet", "vgg")


def nothing():
    """nothing"""


def cores_but_one():
    """all cores but one"""
    minicnn.set_threads(1)


def memory_again():
    """memory that is used again"""
    workspace.empty = np.empty
    workspace.LARGEST_KEPT = 1


def cache_blocks():
    """blocks that fit the cache (columns of a whole shard)"""
    strips.BLOCK_BYTES = strips.GROUP_BYTES = 1 << 40


def strips_of_outputs():
    """strips (each output by itself)"""
    strips.strip_for = lambda *shape: 1


def fused_passes():
    """ReLU and pooling in the same pass"""
    fusing.fused = lambda graph: graph


def winners_alone():
    """gathering the winners' patches after a large max pool"""
    convolution.SPARSE = float("inf")


def shared_columns():
    """one set of columns for both gradients"""
    chosen = convolution.backward_method

    def backward_method(place, need_dx):
        way, cost = chosen(place, need_dx)
        return "gather" if way == "both" else way, cost

    convolution.backward_method = backward_method


WITHOUT = {
    variant.__name__: variant
    for variant in (
        nothing,
        cores_but_one,
        cache_blocks,
        strips_of_outputs,
        fused_passes,
        winners_alone,
        shared_columns,
        memory_again,
    )
}


def main():
    """Print a line for each variant."""
    times = {(name, network): [] for name in WITHOUT for network in MEASURED}
    for number in range(ROUNDS):
        for name in WITHOUT:
            command = [sys.executable, __file__, name]
            for network, value in json.loads(subprocess.check_output(command)).items():
                times[name, network].append(value)
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
    print(f"| ms per training step, without | {' | '.join(MEASURED)} |")
    print("|---" * (len(MEASURED) + 1) + "|")
    for name, variant in WITHOUT.items():
        cells = [f"{statistics.median(times[name, network]):.3g}" for network in MEASURED]
        print(f"| {variant.__doc__} | {' | '.join(cells)} |")


def measure(name):
    """Milliseconds of a step in each network, without what has that name."""
    framework, found = MiniCNNVectorized(cores()), {}
    WITHOUT[name]()
    for key in MEASURED:
        network = NETWORKS[key]
        framework.build(network)
        framework.load(*pictures(network, network.steps * BATCH))
        framework.train(1)
        started = time.perf_counter()
        framework.train(1)
        found[key] = 1000 * (time.perf_counter() - started) / network.steps
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], usage=argparse.SUPPRESS, allow_abbrev=False
    )
    parser.add_argument(
        "without",
        nargs="?",
        choices=WITHOUT,
        metavar="VARIANT",
        help=f"measure that one alone, and print JSON: {', '.join(WITHOUT)}",
    )
    options = parser.parse_args()
    if options.without:
        print(json.dumps(measure(options.without)))
    else:
        main()
