"""Small folders of drawn pictures, a folder for each class."""

import random

import numpy as np
from PIL import Image


def draw_folder(folder, n, classes=3, side=24, broken_every=0):
    """n pictures whose pixels tell their number (see ``number_of``); returns the broken ones."""
    broken = []
    for i in range(n):
        path = folder / f"class{i % classes}" / f"{i:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = random.Random(i).randbytes(12 * 12 * 3)
        x = np.frombuffer(noise, np.uint8).reshape(12, 12, 3).repeat(side // 12, 0)
        x = x.repeat(side // 12, 1).copy()
        x[: side // 12, : side // 12] = i & 255, i >> 8 & 255, i >> 16
        if broken_every and i % broken_every == broken_every // 2:
            path.write_bytes(b"no picture")
            broken.append(i)
        else:
            Image.fromarray(x).save(path)
    return broken


def numbers_of(x):
    """The numbers of pictures that ``draw_folder`` drew, of their size there."""
    r, g, b = (x[:, 0, 0, c].astype(int) for c in range(3))
    return r + 256 * g + 65536 * b
