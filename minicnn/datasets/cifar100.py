"""CIFAR-100: small photographs of a hundred kinds of things, in twenty groups."""

from typing import Any

import numpy as np

from minicnn.datasets.checking import Arrays
from minicnn.datasets.cifar import archive, read
from minicnn.errors import ConfigError, shown

SHA256 = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: Any = "fine") -> Arrays:
    """50,000 pictures to train on and 10,000 to test: ``(x_train, y_train), (x_test, y_test)``.

    x: uint8 (N, 32, 32, 3); y: int64 (N, 1), from 0 to 99, or with ``label_mode`` "coarse" from 0
    to 19. Raises ``ConfigError`` for another ``label_mode`` and ``DataError`` where the file, of
    169 MB, cannot be had. By Alex Krizhevsky, Vinod Nair and Geoffrey Hinton.

        (x_train, y_train), (x_test, y_test) = cifar100.load_data(label_mode="coarse")
    """
    if label_mode not in ("fine", "coarse"):
        raise ConfigError(
            f"cifar100.load_data: expected label_mode as 'fine' or 'coarse', got "
            f"{shown(label_mode)}."
        )
    path = archive("cifar-100-python", SHA256)
    train, test = read(path, ["train"], ["test"], f"{label_mode}_labels")
    # Keras' labels, too, are whole numbers as Python's lists become them.
    return (train[0], train[1].astype(np.int64)), (test[0], test[1].astype(np.int64))
