"""How long the same convolution takes in each kernel set, and how far their results differ.

    python benchmarks/three_ways.py

takes less than a minute, and prints the table of docs/three_convolutions.md. All compute with one
thread; the sets take turns, and medians are compared.
"""

import argparse
import statistics
import sys

import numpy as np
from frameworks import processor
from threadpoolctl import threadpool_limits
from workers import timed

import minicnn
from minicnn.kernels import KERNELS
from minicnn.kernels.compiled import library

SETS = ("reference", "vectorized", "compiled")
IMAGES = 16
"""For the fast sets. The loops compute one image."""
ROUNDS = 5
CASES = {
    "signs' first: 64x64x3, 8 filters of 4x4": ((64, 64, 3), (4, 4, 3, 8), ((1, 2), (1, 2))),
    "vgg's second: 64x64x32, 32 filters of 3x3": ((64, 64, 32), (3, 3, 32, 32), ((1, 1), (1, 1))),
}
"""Image, kernel and pads."""


def main(arguments=None):
    about = __doc__.partition("\n")[0]
    argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS).parse_args(arguments)
    minicnn.set_threads(1)
    if library.loaded() is None:  # which has said why
        return 1
    print(f"{processor()}, one thread, compiled by {library.compiler_version()}.\n")
    print(f"| ms an image | {' | '.join(SETS)} | loops / C | largest difference |")
    print("|---" * (len(SETS) + 3) + "|")
    for title, case in CASES.items():
        for part in ("forward", "backward"):
            with threadpool_limits(1):
                times, difference = measure(part, *case)
            cells = [f"{t:.2g}" if t < 100 else f"{t:,.0f}" for t in map(times.get, SETS)]
            cells += [f"{times['reference'] / times['compiled']:,.0f}x", f"{difference:.0e}"]
            print(f"| {title}, {part} | {' | '.join(cells)} |", flush=True)
    return 0


def measure(part, image, shape, pads):
    """(milliseconds an image by set, the largest difference relative to the largest number)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((IMAGES, *image), np.float32)
    kernel = rng.standard_normal(shape, np.float32)
    bias = rng.standard_normal(shape[3], np.float32)
    dy = rng.standard_normal((IMAGES, *image[:2], shape[3]), np.float32)

    def compute(name, n):
        if part == "forward":
            return [KERNELS[name].conv2d(x[:n], kernel, bias, (1, 1), pads)]
        return KERNELS[name].conv2d_backward(dy[:n], x[:n], kernel, (1, 1), pads)

    found = {name: compute(name, 1) for name in SETS}  # which warms up as well
    difference = max(
        np.abs(others - loops).max() / np.abs(loops).max()
        for name in SETS
        for others, loops in zip(found[name], found["reference"], strict=True)
    )
    times = {name: [] for name in SETS}
    for i in range(ROUNDS):
        for name in SETS:
            n = 1 if name == "reference" else IMAGES
            if name != "reference" or i == 0:  # the loops take so long that once is enough
                times[name].append(1000 * timed(compute, name, n) / n)
    return {name: statistics.median(values) for name, values in times.items()}, difference


if __name__ == "__main__":
    sys.exit(main())
