"""Fashion-MNIST: clothes, as small as the digits of MNIST and harder."""

import gzip
import math
from pathlib import Path

import numpy as np

from minicnn._core.shapes import Array
from minicnn._files.budget import Budget
from minicnn._files.downloads import fetched
from minicnn._files.hdf5 import regular_file_size
from minicnn.datasets.checking import Arrays, check, folder
from minicnn.errors import DataError

URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

# Keras checks none; these are those that its makers publish.
MD5 = {
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
}


def load_data() -> Arrays:
    """60,000 pictures to train on and 10,000 to test: ``(x_train, y_train), (x_test, y_test)``.

    x: uint8 (N, 28, 28), in grey; y: uint8 (N,): 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress,
    4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot. Raises ``DataError`` where the files,
    of 31 MB, cannot be had. By Zalando, MIT licence.

        (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    """
    paths = {
        name: fetched(name, URL + name, f"md5:{md5}", folder() / "fashion-mnist")
        for name, md5 in MD5.items()
    }
    y_train, x_train, y_test, x_test = map(read, paths.values())
    for x, y, part in ((x_train, y_train, "train"), (x_test, y_test, "t10k")):
        check(str(paths[f"{part}-images-idx3-ubyte.gz"]), x, y, (28, 28))
    return (x_train, y_train), (x_test, y_test)


def read(path: Path) -> Array:
    """The array in an idx file of bytes: its number of axes, its shape and then its numbers."""
    budget = Budget(str(path), DataError, regular_file_size(path, DataError))
    try:
        with gzip.open(path, "rb") as file:
            start = file.read(4)
            axes = start[3]
            shape = tuple(int(n) for n in np.frombuffer(file.read(4 * axes), ">u4"))
            size = math.prod(shape)
            budget.take("its shape", size)
            data = bytearray(file.read(size))
            if start[:3] != b"\0\0\x08" or len(shape) != axes or len(data) != size or file.read(1):
                raise ValueError
        return np.frombuffer(data, np.uint8).reshape(shape)
    except DataError:
        raise
    except Exception:  # gzip and zlib raise a dozen kinds on bytes that make no sense
        raise DataError(
            f"{path}: expected an idx file, compressed by gzip, got another kind, or a damaged one."
        ) from None
