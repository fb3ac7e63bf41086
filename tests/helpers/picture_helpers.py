"""Two small files of pictures, as ``minicnn train`` takes them."""

import h5py
import numpy as np


def write_pair(train, test, classes=3, images=(60, 30)):
    """Pictures (32, 32, 3) whose brightness tells their class."""
    rng = np.random.default_rng(0)
    for path, part, n in ((train, "train", images[0]), (test, "test", images[1])):
        y = np.arange(n) % classes
        x = rng.integers(0, 90, (n, 32, 32, 3)) + 60 * y[:, None, None, None]
        with h5py.File(path, "w") as file:
            file[f"{part}_set_x"] = x.astype(np.uint8)
            file[f"{part}_set_y"] = y
            file["list_classes"] = np.array([f"kind {i}".encode() for i in range(classes)])
