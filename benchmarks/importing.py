"""Images a second: ``minicnn data import`` against Pillow alone, decoding on all cores in threads.

    python benchmarks/importing.py [--images 4000] [--side 64] [--rounds 5]

In turn, on JPEG files of one size that are drawn first. Pillow alone opens, decodes and resizes
each, and keeps none; the import writes them all into a file besides.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from minicnn._parallel.threads import get_threads
from minicnn.data.making import import_images

SIZE = 64, 64


def draw(folder, count, side):
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        picture = coarse.resize((side, side), Image.Resampling.BICUBIC)
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
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        draw(folder, options.images, options.side)
        best = {pillow: float("inf"), importing: float("inf")}
        for _ in range(options.rounds):
            for work in best:
                start = time.perf_counter()
                work(folder)
                best[work] = min(best[work], time.perf_counter() - start)
    rates = {work: options.images / seconds for work, seconds in best.items()}
    for work, name in ((pillow, "Pillow alone"), (importing, "minicnn data import")):
        print(f"{name:20} {rates[work]:8,.0f} images a second")
    print(f"{rates[importing] / rates[pillow]:.2f} times Pillow's rate, on {get_threads()} threads")


if __name__ == "__main__":
    main()
