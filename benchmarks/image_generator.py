"""Pictures a second of ``ImageDataGenerator``, beside Keras' if it is asked for.

    python benchmarks/image_generator.py [--peer keras]

Batches of 32 pictures that lie in memory are drawn, turned, shifted, zoomed and so on: here on all
threads, by Keras on its one. Then the same from files, which are decoded in the first pass, and
here are kept for later ones. They take turns; of each the quickest of some rounds counts. Keras'
needs SciPy.
"""

import argparse
import importlib
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

BATCH = 32
ROUNDS = 5
SIZES = {32: 512, 150: 96}
"""Pixels of a side, and how many pictures."""

MOVES = {
    "rotation_range": 20,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "zoom_range": 0.2,
    "shear_range": 10,
    "horizontal_flip": True,
}
ARGUMENTS = {
    "nothing": {},
    "flip": {"horizontal_flip": True},
    "shift, flip": {name: MOVES[name] for name in [*list(MOVES)[1:3], "horizontal_flip"]},
    "whole pixels, flip": {"width_shift_range": 5, "height_shift_range": 5}
    | {"vertical_flip": True},
    "rotation, shift, zoom, shear, flip": MOVES,
    "the same, reflected": MOVES | {"fill_mode": "reflect"},
    "the same, nearest pixel": MOVES | {"interpolation_order": 0},
    "brightness": {"brightness_range": (0.5, 1.5)},
    "channels": {"channel_shift_range": 30},
    "standardized": {"samplewise_center": True, "samplewise_std_normalization": True},
}
FILES = ["nothing", "flip", "rotation, shift, zoom, shear, flip"]
"""What is measured with pictures that are read from JPEG files as well."""

MODULES = {
    "minicnn": "minicnn.preprocessing.image",
    "keras": "keras.src.legacy.preprocessing.image",
}


def main(arguments=None):
    """Print a row for each kind of change and size."""
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(description=about, usage=argparse.SUPPRESS)
    parser.add_argument("--peer", choices=["keras"], help="measure Keras' generator as well")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="the quickest of them counts")
    options = parser.parse_args(arguments)
    names = ["minicnn"] + [options.peer] * bool(options.peer)
    modules = {name: importlib.import_module(MODULES[name]) for name in names}
    peer = " Keras' | times |" if options.peer else ""
    print(f"| pictures a second | side | minicnn |{peer}\n|---|--:|--:|{'--:|--:|' * bool(peer)}")
    for side, n in SIZES.items():
        x = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)
        for title, changes in ARGUMENTS.items():
            flows = {
                name: module.ImageDataGenerator(**changes).flow(x, batch_size=BATCH, seed=0)
                for name, module in modules.items()
            }
            print_row(title, side, n, flows, options.rounds)
        with TemporaryDirectory() as folder:
            write_files(folder, x)
            for title in FILES:
                with redirect_stdout(StringIO()):  # it says how many it found
                    flows = {
                        name: module.ImageDataGenerator(**ARGUMENTS[title]).flow_from_directory(
                            folder, (side, side), batch_size=BATCH, seed=0
                        )
                        for name, module in modules.items()
                    }
                print_row(f"files, first pass: {title}", side, n, flows, 1)
                print_row(f"files, later passes: {title}", side, n, flows, options.rounds)


def write_files(folder, x):
    """Write pictures as JPEG files twice as high and as wide, in a folder of one class."""
    (Path(folder) / "class").mkdir()
    for i, pixels in enumerate(x):
        picture = Image.fromarray(pixels)
        picture = picture.resize((2 * picture.width, 2 * picture.height))
        picture.save(Path(folder) / f"class/{i}.jpg")


def print_row(title, side, n, flows, rounds):
    """Print how many of n pictures a second each flow gives."""
    seconds = {name: [] for name in flows}
    for _ in range(rounds):
        for name, flow in flows.items():
            seconds[name].append(a_pass(flow))
    rates = [n / min(seconds[name]) for name in flows]
    times = f" {rates[1]:,.0f} | {rates[0] / rates[1]:.1f} |" if len(flows) > 1 else ""
    print(f"| {title} | {side} | {rates[0]:,.0f} |{times}", flush=True)


def a_pass(flow):
    """Seconds that all batches of a flow take."""
    started = time.perf_counter()
    for i in range(len(flow)):
        flow[i]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
