"""Compare minicnn's speed and memory with PyTorch's and Keras' on three small networks.

    pip install ".[peers]"
    python benchmarks/compare.py

takes about ten minutes on two cores, prints tables and writes ``compare.csv`` and
``compare.png``. A peer that is not installed is left out.

First all must find the same loss for the same weights. Then every framework works in a process
of its own with the number of threads, one or all, that is faster for it. They take turns:
a machine that slows down for a while slows all of them. Medians are compared.
"""

import argparse
import importlib.util
import os
import platform
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from frameworks import FRAMEWORKS, OURS, better_coretype, cores, processor
from networks import BATCH, NETWORKS
from report import (
    ABOVE_IMPORTS,
    IMPORT,
    INFERENCE,
    NUMPY,
    PEAK,
    STEP,
    TRAINED,
    Figure,
    tables,
    write_chart,
    write_csv,
)
from workers import BenchmarkError, Worker, environment

TOLERANCE = 1e-4
"""How far a loss may be from the others', relative to them."""

REQUESTS = {STEP: {"do": "train", "epochs": 1}, INFERENCE: {"do": "predict"}}


def main(arguments=None):
    options = parse(arguments)
    try:
        keys, missing = installed(options.frameworks)
        options.out.mkdir(parents=True, exist_ok=True)
        versions = check_losses(options.networks, keys)
        figures = []
        for network in options.networks:
            figures += measure_steps(network, keys, options.rounds)
        figures += measure_imports(keys, rounds=min(options.rounds, 3))
        if "signs" in options.networks:
            figures += measure_trained(figures, rounds=min(options.rounds, 3))
    except (BenchmarkError, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare: stopped.", file=sys.stderr)
        return 130
    print(machine(versions), end="\n\n")
    if missing:
        print(f"Not installed: {', '.join(missing)}.", end="\n\n")
    print(
        f"Batches of {BATCH}, float32, Adam. Steps and batches: medians of {options.rounds} rounds "
        "in turns (and quartiles), then the number of threads.",
        end="\n\n",
    )
    print(tables(figures, options.networks))
    write_csv(figures, options.out / "compare.csv")
    write_chart(figures, options.networks, options.out / "compare.png")
    say(f"written to {options.out}: compare.csv, compare.png")
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="compare.py",
        description=__doc__.partition("\n")[0],
        usage=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for option, known in (("--networks", NETWORKS), ("--frameworks", FRAMEWORKS)):
        parser.add_argument(
            option,
            nargs="+",
            choices=known,
            default=list(known),
            metavar="NAME",
            help=f"default: {', '.join(known)}",
        )
    parser.add_argument("--rounds", type=whole, default=11, help="default: 11")
    parser.add_argument("--out", type=Path, default=Path("benchmarks"), help="default: benchmarks/")
    return parser.parse_args(arguments)


def whole(text):
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def say(progress):
    print(f"{time.perf_counter() - STARTED:4.0f} s  {progress}", file=sys.stderr, flush=True)


STARTED = time.perf_counter()


def installed(wanted):
    """(keys, missing): what can be measured of ``wanted``, and the titles of what cannot."""
    keys, missing = [], []
    for key, framework in FRAMEWORKS.items():
        if key not in wanted:
            continue
        if not all(importlib.util.find_spec(module) for module in framework.modules):
            missing.append(framework.title)
        elif framework.applies():
            keys.append(key)
    if not keys:
        raise BenchmarkError("none of the frameworks is installed.")
    return keys, missing


def check_losses(networks, keys):
    """Have all compute the loss of one batch from the same weights; returns their versions."""
    versions = {}
    losses = {network: {} for network in networks}
    for key in keys:
        with Worker(key, cores()) as worker:
            versions[key] = worker.version
            for network in networks:
                worker.ask("build", network=network)
                worker.ask("load", images=BATCH)
                losses[network][key] = worker.ask("loss")
    for network in networks:
        compare_losses(network, losses[network])
        say(f"{network}: all find a loss of {losses[network][keys[0]]:.5f}")
    return versions


def compare_losses(network, losses):
    """Raise ``BenchmarkError``, with their names, if some losses are not the others'."""
    numbers = [loss for loss in losses.values() if np.isfinite(loss)]
    middle = float(np.median(numbers)) if numbers else float("nan")
    # "not within", so that a loss that is no number is off too
    off = [key for key in losses if not abs(losses[key] - middle) <= TOLERANCE * abs(middle)]
    if off:
        who = ", ".join(f"{FRAMEWORKS[key].title} finds {losses[key]:.6f}" for key in off)
        raise BenchmarkError(
            f"{network}: from the same weights {who}, but the median of all is {middle:.6f}."
        )


def measure_steps(network, keys, rounds):
    """The memory of training, and the times of training and inference in turns.

    Each has the number of threads that is faster for it.
    """
    steps = NETWORKS[network].steps
    contestants = {STEP: {}, INFERENCE: {}}
    figures = []
    with ExitStack() as stack:
        for key in keys:
            settings = {1, cores()} if FRAMEWORKS[key].counts_threads else {cores()}
            workers = {n: stack.enter_context(Worker(key, n)) for n in sorted(settings)}
            memory = {n: train_ten_steps(workers[n], network) for n in workers}
            for worker in workers.values():
                worker.ask("load", images=steps * BATCH)
            chosen = {}
            for quantity, request in REQUESTS.items():
                chosen[quantity] = threads = fastest(workers, request)
                contestants[quantity][key] = threads, workers[threads]
            for threads in settings - set(chosen.values()):
                workers[threads].close()
            for quantity, taken in memory[chosen[STEP]].items():
                figures.append(summary(key, network, quantity, chosen[STEP], [taken / 1e6], "MB"))
            best = ", ".join(f"{quantity} {chosen[quantity]}" for quantity in chosen)
            say(f"{network}: {FRAMEWORKS[key].title}, best threads: {best}")
        for quantity, request in REQUESTS.items():
            seconds = {key: [] for key in keys}
            for _ in range(rounds):
                # In a new order each time: nobody always follows the same neighbour.
                for key in random.sample(keys, len(keys)):
                    seconds[key].append(contestants[quantity][key][1].ask(**request))
            for key in keys:
                times = [1000 * value / steps for value in seconds[key]]
                threads = contestants[quantity][key][0]
                figures.append(summary(key, network, quantity, threads, times, "ms"))
            say(f"{network}: {rounds} rounds of {quantity}")
    return figures


def train_ten_steps(worker, network):
    """The peak memory of a new process that trains, with and without what imports take.

    It warms up as well: Keras compiles a model in its first step.
    """
    worker.ask("build", network=network)
    worker.ask("load", images=10 * BATCH)
    worker.ask("train", epochs=1)
    taken = worker.ask("memory")
    return {PEAK: taken["peak"], ABOVE_IMPORTS: taken["above imports"]}


def fastest(workers, request):
    """The number of threads that is faster in two rounds, after one to warm up."""
    for worker in workers.values():
        worker.ask(**request)
    if len(workers) == 1:
        return next(iter(workers))
    seconds = {threads: [] for threads in workers}
    for _ in range(2):
        for threads, worker in workers.items():
            seconds[threads].append(worker.ask(**request))
    return min(seconds, key=lambda threads: np.median(seconds[threads]))


def summary(key, network, quantity, threads, values, unit):
    low, median, high = np.percentile(values, [25, 50, 75]).tolist()
    return Figure(key, network, quantity, threads, median, low, high, unit)


def measure_imports(keys, rounds):
    """The seconds that importing takes in a new process, and NumPy's share of them."""
    modules = {NUMPY: ("numpy",)} | {key: FRAMEWORKS[key].modules for key in keys}
    seconds = {names: [] for names in modules.values()}
    clock = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    for _ in range(rounds):
        for names in seconds:
            key = next(key for key in modules if modules[key] == names)
            done = subprocess.run(
                [sys.executable, "-c", clock.format(names[0])],
                env=dict(os.environ) if key == NUMPY else environment(key, cores()),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise BenchmarkError(f"import {names[0]}: {done.stderr.strip().splitlines()[-1]}")
            seconds[names].append(float(done.stdout.split()[-1]))
    say("imports")
    return [summary(key, "", IMPORT, None, seconds[modules[key]], "s") for key in modules]


def measure_trained(figures, rounds):
    """The seconds from the start of a process to the end of one that has trained signs.

    Of PyTorch's layouts the one that trains faster takes part, and Keras on JAX does not:
    it would take minutes.
    """
    signs = {f.framework: f for f in figures if (f.network, f.quantity) == ("signs", STEP)}
    layouts = sorted(
        signs.keys() & {"torch", "torch-channels-last"}, key=lambda key: signs[key].median
    )
    left_out = {"keras-jax", *layouts[1:]}
    seconds = {key: [] for key in signs if key not in left_out}
    for _ in range(rounds):
        for key in seconds:
            started = time.perf_counter()
            with Worker(key, signs[key].threads) as worker:
                worker.ask("build", network="signs")
                worker.ask("load", images=1080)
                worker.ask("train", epochs=20)
            seconds[key].append(time.perf_counter() - started)
    say("process start to trained network")
    return [
        summary(key, "signs", TRAINED, signs[key].threads, seconds[key], "s") for key in seconds
    ]


def machine(versions):
    ours = [versions[key] for key in versions if key in OURS]
    theirs = sorted({versions[key] for key in versions if key not in OURS})
    parts = [f"Python {platform.python_version()}", f"NumPy {np.__version__}", *ours, *theirs]
    if "OPENBLAS_CORETYPE" in os.environ:  # the user's, which may be half as fast
        parts.append(f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']}")
    line = f"{processor()}, {cores()} cores, {platform.system()}; {', '.join(parts)}."
    if (better := better_coretype()) and "minicnn" in versions:
        line += f" The line minicnn is with OPENBLAS_CORETYPE={better}, as minicnn doctor advises."
    return line


if __name__ == "__main__":
    sys.exit(main())
