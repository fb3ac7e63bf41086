"""CIFAR-10: small photographs of ten kinds of things."""

from minicnn.datasets.checking import Arrays
from minicnn.datasets.cifar import archive, read

SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> Arrays:
    """50,000 pictures to train on and 10,000 to test: ``(x_train, y_train), (x_test, y_test)``.

    x: uint8 (N, 32, 32, 3); y: uint8 (N, 1): 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer,
    5 dog, 6 frog, 7 horse, 8 ship, 9 truck. Raises ``DataError`` where the file, of 170 MB, cannot
    be had. By Alex Krizhevsky, Vinod Nair and Geoffrey Hinton.

        (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    """
    path = archive("cifar-10-batches-py", SHA256)
    return read(path, [f"data_batch_{i}" for i in range(1, 6)], ["test_batch"], "labels")
