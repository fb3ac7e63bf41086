"""Training from a file beside training from memory: images a second of the course's network.

    python benchmarks/streaming.py

makes a file of each kind, of ``--gb`` gigabytes of pictures of hands, in a folder that is removed
in the end, and takes a few minutes. Memory and files train in turn, with a fresh model each time;
the median of the rounds counts, from the end of the first step on. "Alone" is how many images a
second come from the file when nothing is computed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from minicnn import HDF5Dataset
from minicnn.applications import course
from minicnn.callbacks import Callback
from minicnn.data.streaming import drawn, order_of
from minicnn.data.synthetic import fingers

BATCH, DEEP = 64, 80
"""Images in a batch, and in a chunk: about 1 MB."""
KINDS = {
    "contiguous": {},
    "chunked": {"chunks": (DEEP, 64, 64, 3)},
    "gzip": {"chunks": (DEEP, 64, 64, 3), "compression": "gzip"},
    "gzip, shuffle": {"chunks": (DEEP, 64, 64, 3), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (DEEP, 64, 64, 3), "compression": "lzf"},
    "h5py's chunks": {"chunks": True},
}


class Clock(Callback):
    """The time at which each step ended."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())


def main(arguments=None):
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--gb", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300, help="of each training")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    options = parser.parse_args(arguments)
    m = int(options.gb * 2**30 / (64 * 64 * 3))
    some, labels = fingers(min(m, 2000), seed=0)
    y = np.resize(labels, m)
    with tempfile.TemporaryDirectory() as folder:
        data = {}
        for kind in options.kinds:
            path = Path(folder, f"{kind}.h5")
            write(path, some, y, KINDS[kind])
            data[kind] = HDF5Dataset(path, seed=0)
        x = np.concatenate([some] * -(-m // len(some)))[:m]
        # Once for all: the pages of the files, and the compiled kernels.
        alone = {kind: max(read_alone(source) for _ in range(2)) for kind, source in data.items()}
        rates = {kind: [] for kind in ("memory", *data)}
        for _ in range(options.rounds):
            for kind in rates:
                given = (x, y) if kind == "memory" else (data[kind],)
                rates[kind].append(trained(given, options.steps))
        report(rates, alone, Path(folder))
    return 0


def write(path, some, y, layout):
    """A file in the course's layout whose images repeat ``some``."""
    with h5py.File(path, "w") as file:
        shape = (len(y), *some.shape[1:])
        x = file.create_dataset("train_set_x", shape, np.uint8, **layout)
        for first in range(0, len(y), len(some)):
            x[first : first + len(some)] = some[: len(y) - first]
        file["train_set_y"] = y


def read_alone(source):
    """Images a second of one pass that only draws the batches."""
    began = time.perf_counter()
    for one in drawn(source, BATCH, order_of(source, 0)):
        one.x[one.places]
    return len(source) / (time.perf_counter() - began)


def trained(given, steps):
    """Images a second of so many steps, after the first."""
    model = course((64, 64, 3), 6, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    clock = Clock()
    model.fit(*given, batch_size=BATCH, steps_per_epoch=steps, verbose=0, callbacks=[clock])
    return (steps - 1) * BATCH / (clock.times[-1] - clock.times[0])


def report(rates, alone, folder):
    """The table."""
    medians = {kind: statistics.median(found) for kind, found in rates.items()}
    print("| from | MB | images/s | of memory | alone, images/s |")
    print("|---|---|---|---|---|")
    for kind, rate in medians.items():
        of_memory = [a / b for a, b in zip(rates[kind], rates["memory"], strict=True)]
        size = "" if kind == "memory" else f"{Path(folder, f'{kind}.h5').stat().st_size / 1e6:.0f}"
        apart = "" if kind == "memory" else f"{alone[kind]:,.0f}"
        print(f"| {kind} | {size} | {rate:,.0f} | {statistics.median(of_memory):.0%} | {apart} |")


if __name__ == "__main__":
    sys.exit(main())
