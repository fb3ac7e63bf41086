"""The cats of the deep-learning course, and pictures without a cat."""

from minicnn._core.shapes import Array
from minicnn._files.downloads import fetched
from minicnn.data.hdf5 import load_hdf5
from minicnn.datasets.checking import Arrays, folder
from minicnn.errors import DataError

# The course hands these files out to its participants; this is a participant's copy of them.
URL = (
    "https://raw.githubusercontent.com/ramakris/coursera-deeplearning/"
    "c79617ebb9ff38e765e821f80352adee93f19357/neuralnetworks/week2/datasets/"
)
SHA256 = {
    "train_catvnoncat.h5": "fbe56ab67c3ae28d564e3a644189117976d6b31af0a3ce9bb17dbf22908af242",
    "test_catvnoncat.h5": "6a9d39ce52fa85953c5834695b8534a30ed8cfd54971fb2f080b5a24d002b951",
}


def load_data() -> Arrays:
    """209 pictures to train on and 50 to test: ``(x_train, y_train), (x_test, y_test)``.

    x: uint8 (N, 64, 64, 3); y: int64 (N,): 0 no cat, 1 cat. Of the 50, 33 are cats, and one is in
    the training set too. The files, of 3 MB, are ``catvnoncat/*_catvnoncat.h5`` in Keras' folder of
    data sets. Raises ``DataError`` where they cannot be had.

        (x_train, y_train), (x_test, y_test) = cats.load_data()
    """
    train, test = (_part(name) for name in SHA256)
    return train, test


def _part(name: str) -> tuple[Array, Array]:
    path = fetched(name, URL + name, SHA256[name], folder() / "catvnoncat")
    data = load_hdf5(path)
    if data.x.shape[1:] != (64, 64, 3):
        raise DataError(f"{path}: expected pictures (64, 64, 3), got {data.x.shape[1:]}.")
    return data.x, data.y
