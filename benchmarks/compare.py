"""Compare minicnn's speed and memory with PyTorch's and Keras' on six networks.

    pip install ".[peers,notebook]"
    python benchmarks/compare.py

takes about a quarter of an hour on two cores, prints tables and writes ``compare.csv`` and
``compare.png``. A peer that is not installed is left out; Keras on JAX is slow and takes part when
it is asked for.

First all must find the same losses for the same weights. Then every framework works in a process
of its own, one of minicnn's in a notebook's kernel, with the number of threads, one or all, that is
faster for it. They take turns: a machine that slows down for a while slows all of them. Medians are
compared.
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
from framework import INFERENCE, LATENCY, STEP
from frameworks import FRAMEWORKS, LEFT_OUT, OURS, better_coretype, cores, processor
from networks import BATCH, NETWORKS
from report import (
    ABOVE_IMPORTS,
    IMPORT,
    NUMPY,
    PEAK,
    TRAINED,
    Figure,
    tables,
    write_chart,
    write_csv,
)
from workers import BenchmarkError, Worker, environment, worker

TOLERANCE = 1e-4
"""How far a loss may be from the others', relative to them."""

REQUESTS = {
    STEP: {"do": "train", "epochs": 1},
    INFERENCE: {"do": "predict"},
    LATENCY: {"do": "predict one", "images": BATCH, "seconds": 0.3},
}


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
        f"Batches of {BATCH}, float32, Adam. Times: medians of {options.rounds} rounds in turns "
        "(and quartiles), then the number of threads.",
        end="\n\n",
    )
    print(tables(figures, options.networks))
    write_csv(figures, versions, options.out / "compare.csv")
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
    for option, known, without in (
        ("--networks", NETWORKS, ()),
        ("--frameworks", FRAMEWORKS, LEFT_OUT),
    ):
        default = [name for name in known if name not in without]
        others = f"; and {', '.join(without)}" if without else ""
        parser.add_argument(
            option,
            nargs="+",
            choices=known,
            default=default,
            metavar="NAME",
            help=f"default: {', '.join(default)}{others}",
        )
    parser.add_argument("--rounds", type=whole, default=5, help="default: 5")
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
    """Have all compute the losses of one batch from the same weights; returns their versions.

    Without dropout, which each draws in its own way.
    """
    versions = {}
    losses = {network: [] for network in networks}
    for key in keys:
        with worker(key, cores()) as process:
            versions[key] = process.version
            for network in taken_of(key, networks):
                process.ask("build", network=network, dropout=False)
                process.ask("load", images=BATCH)
                losses[network].append((key, process.ask("losses")))
    for network, found in losses.items():
        outside = {key: both[0] for key, both in found}
        within = {key: both[1] for key, both in found if len(both) > 1}
        compare_losses(network, outside)
        compare_losses(f"{network}, in training", within)
        middles = [f"{np.median(list(part.values())):.5f}" for part in (outside, within) if part]
        say(f"{network}: all find losses of {' and, in training, '.join(middles)}")
    return versions


def taken_of(key, networks):
    """The networks on which a framework is measured."""
    return [network for network in networks if network in FRAMEWORKS[key].networks]


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
    contestants = {quantity: {} for quantity in REQUESTS}
    figures = []
    with ExitStack() as stack:
        for key in keys:
            if not taken_of(key, [network]):
                continue
            settings = {1, cores()} if FRAMEWORKS[key].counts_threads else {cores()}
            workers = {n: stack.enter_context(worker(key, n)) for n in sorted(settings)}
            memory = {n: warm_up(workers[n], network, key) for n in workers}
            for process in workers.values():
                process.ask("load", images=steps * BATCH)
            chosen = {}
            for quantity in FRAMEWORKS[key].quantities:
                chosen[quantity] = threads = fastest(workers, REQUESTS[quantity])
                contestants[quantity][key] = threads, workers[threads]
            for threads in settings - set(chosen.values()):
                workers[threads].close()
            if STEP in chosen and not FRAMEWORKS[key].in_notebook:
                for quantity, taken in memory[chosen[STEP]].items():
                    megabytes = [taken / 1e6]
                    figures.append(summary(key, network, quantity, chosen[STEP], megabytes, "MB"))
            best = ", ".join(f"{quantity} {chosen[quantity]}" for quantity in chosen)
            say(f"{network}: {FRAMEWORKS[key].title}, best threads: {best}")
        for quantity, request in REQUESTS.items():
            figures += in_turns(network, quantity, request, contestants[quantity], rounds)
            say(f"{network}: {rounds} rounds of {quantity}")
    return figures


def in_turns(network, quantity, request, contestants, rounds):
    """The times of a quantity; ``contestants`` has each one's number of threads and process."""
    seconds = {key: [] for key in contestants}
    for _ in range(rounds):
        # In a new order each time: nobody always follows the same neighbour.
        for key in random.sample(list(contestants), len(contestants)):
            seconds[key].append(contestants[key][1].ask(**request))
    parts = 1 if quantity == LATENCY else NETWORKS[network].steps
    return [
        summary(
            key, network, quantity, threads, [1000 * value / parts for value in seconds[key]], "ms"
        )
        for key, (threads, _) in contestants.items()
    ]


def warm_up(process, network, key):
    """The peak memory of a new process that trains ten steps, with and without what imports take.

    Keras compiles a model in its first step. Who only predicts does that.
    """
    process.ask("build", network=network)
    process.ask("load", images=10 * BATCH)
    if STEP in FRAMEWORKS[key].quantities:
        process.ask("train", epochs=1)
    else:
        process.ask("predict")
    taken = process.ask("memory")
    return {PEAK: taken["peak"], ABOVE_IMPORTS: taken["above imports"]}


def fastest(workers, request):
    """The number of threads that is faster in two rounds, after one to warm up."""
    for process in workers.values():
        process.ask(**request)
    if len(workers) == 1:
        return next(iter(workers))
    seconds = {threads: [] for threads in workers}
    for _ in range(2):
        for threads, process in workers.items():
            seconds[threads].append(process.ask(**request))
    return min(seconds, key=lambda threads: np.median(seconds[threads]))


def summary(key, network, quantity, threads, values, unit):
    low, median, high = np.percentile(values, [25, 50, 75]).tolist()
    return Figure(key, network, quantity, threads, median, low, high, unit)


def measure_imports(keys, rounds):
    """The seconds that importing takes in a new process, and NumPy's share of them."""
    keys = [key for key in keys if not FRAMEWORKS[key].in_notebook]
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
    left_out = {"keras-jax", "minicnn-in-notebook", *layouts[1:]}
    seconds = {key: [] for key in signs if key not in left_out}
    for _ in range(rounds):
        for key in seconds:
            started = time.perf_counter()
            with Worker(key, signs[key].threads) as process:
                process.ask("build", network="signs")
                process.ask("load", images=1080)
                process.ask("train", epochs=20)
            seconds[key].append(time.perf_counter() - started)
    say("process start to trained network")
    return [
        summary(key, "signs", TRAINED, signs[key].threads, seconds[key], "s") for key in seconds
    ]


def machine(versions):
    ours = list(dict.fromkeys(versions[key] for key in versions if key in OURS))
    theirs = sorted({versions[key] for key in versions if key not in OURS})
    parts = [f"Python {platform.python_version()}", f"NumPy {np.__version__}", *ours, *theirs]
    if "OPENBLAS_CORETYPE" in os.environ:  # the user's, which may be half as fast
        parts.append(f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']}")
    line = f"{processor()}, {cores()} cores, {platform.system()}; {'; '.join(parts)}."
    if (better := better_coretype()) and "minicnn" in versions:
        line += f" The line minicnn is with OPENBLAS_CORETYPE={better}, as minicnn doctor advises."
    return line


if __name__ == "__main__":
    sys.exit(main())
