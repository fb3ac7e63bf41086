"""Images a second: ``minicnn data import`` against Pillow alone, decoding on all cores in threads.

    python benchmarks/importing.py [--images 4000] [--size 64 64] [--rounds 5]

In turn, on JPEG files of one size (width, height) that are drawn first. Pillow alone opens, decodes
and resizes each, and keeps none; the import writes them all into a file besides. Processor time is
that of all threads and processes.
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from minicnn._parallel.threads import get_threads
from minicnn.data.making import import_images

SIZE = 64, 64


def draw(folder, count, size):
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        picture = coarse.resize(size, Image.Resampling.BICUBIC)
        picture.save(folder / "ab"[i % 2] / f"{i:06}.jpg", quality=85)


def decode(path):
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        if picture.size != SIZE:
            picture = picture.resize(SIZE, Image.Resampling.BOX)
        return np.asarray(picture).shape


def pillow(folder):
    paths = sorted(folder.rglob("*.jpg"))
    with ThreadPoolExecutor(get_threads()) as pool:
        assert set(pool.map(decode, paths)) == {(*SIZE, 3)}


def importing(folder):
    import_images(folder, folder.with_suffix(".h5"), overwrite=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--size", type=int, nargs=2, default=(64, 64))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        draw(folder, options.images, options.size)
        best = {pillow: (float("inf"), 0.0), importing: (float("inf"), 0.0)}
        for _ in range(options.rounds):
            for work in best:
                start, used = time.perf_counter(), sum(os.times()[:4])
                work(folder)
                took = time.perf_counter() - start
                best[work] = min(best[work], (took, sum(os.times()[:4]) - used))
    rates = {work: options.images / seconds for work, (seconds, _) in best.items()}
    for work, name in ((pillow, "Pillow alone"), (importing, "minicnn data import")):
        each = 1e6 * best[work][1] / options.images
        print(
            f"{name:20} {rates[work]:8,.0f} images a second, {each:,.0f} us of processor time each"
        )
    print(f"{rates[importing] / rates[pillow]:.2f} times Pillow's rate, on {get_threads()} threads")


if __name__ == "__main__":
    main()
