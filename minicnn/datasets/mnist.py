"""MNIST: handwritten digits."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from minicnn._files.archive import opened
from minicnn._files.downloads import fetched
from minicnn._files.paths import path_of
from minicnn.datasets.checking import Arrays, check, folder
from minicnn.errors import DataError

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
NAMES = ("x_train", "y_train", "x_test", "y_test")


def load_data(path: Any = "mnist.npz") -> Arrays:
    """60,000 digits to train on and 10,000 to test: ``(x_train, y_train), (x_test, y_test)``.

    x: uint8 (N, 28, 28), in grey; y: uint8 (N,), from 0 to 9. ``path`` is where the file, of
    11 MB, is kept, seen from Keras' folder of data sets. Raises ``DataError`` where it cannot be
    had. By Yann LeCun and Corinna Cortes, CC BY-SA 3.0; the file is Keras'.

        (x_train, y_train), (x_test, y_test) = mnist.load_data()
    """
    file = folder() / path_of("mnist.load_data", "path", path)
    file = fetched(file.name, URL, SHA256, file.parent)
    arrays = read(file)
    for part in ("train", "test"):
        check(str(file), arrays[f"x_{part}"], arrays[f"y_{part}"], (28, 28))
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def read(path: Path) -> dict[str, Any]:
    """The four arrays in an ``.npz`` file."""
    with opened(path, ".npz", DataError) as archive:
        return {
            name: np.lib.format.read_array(BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
            for name in NAMES
        }
