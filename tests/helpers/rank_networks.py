"""What tests train on several ranks, and in one process: ``python rank_networks.py FOLDER CASE...``

Each case is trained, and rank 0 leaves its weights and history in FOLDER.
"""

import sys
from pathlib import Path

import numpy as np

import minicnn
from minicnn._parallel.ranks import launched_first, rank_count
from minicnn.data import HDF5Dataset
from minicnn.layers import (
    Add,
    AlphaDropout,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    Input,
    MaxPool,
    RandomBrightness,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    ReLU,
    Rescaling,
    SpatialDropout2D,
)
from minicnn.models import Model, Sequential

SHAPE, CLASSES = (10, 12, 3), 4


def data(n=90):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, *SHAPE), dtype=np.uint8)
    return x, rng.integers(0, CLASSES, n)


def plain(**options):
    return Sequential(
        [
            Input(SHAPE),
            Rescaling(1 / 255),
            Conv2D(6, 3, padding="same", activation="relu"),
            MaxPool(2),
            Flatten(),
            Dense(8, activation="relu", kernel_regularizer="l2"),
            Dense(CLASSES, activation="softmax"),
        ],
        seed=1,
        **options,
    )


def random(**options):
    """Layers that draw."""
    return Sequential(
        [
            Input(SHAPE),
            RandomFlip(),
            RandomRotation(0.1),
            RandomTranslation(0.1, 0.2),
            RandomBrightness(0.2),
            Rescaling(1 / 255),
            GaussianNoise(0.1),
            Conv2D(6, 3, activation="relu"),
            SpatialDropout2D(0.2),
            Flatten(),
            Dropout(0.3),
            AlphaDropout(0.1),
            Dense(CLASSES, activation="softmax"),
        ],
        seed=1,
        **options,
    )


def graph(**options):
    """BatchNorm alone, before a ReLU, after a sum and before a pooling; and Dropout."""
    x = Input(SHAPE)
    first = ReLU()(BatchNorm()(Conv2D(6, 3, padding="same")(Rescaling(1 / 255)(x))))
    y = Add()([first, BatchNorm()(Conv2D(6, 3, padding="same", use_bias=False)(first))])
    y = MaxPool(2)(ReLU()(BatchNorm(momentum=0.9)(ReLU()(y))))
    y = Dropout(0.2)(BatchNorm(scale=False)(GlobalAvgPool()(y)))
    return Model(x, Dense(CLASSES, activation="softmax")(y), seed=1, **options)


def arrays(folder):
    return data(), {"batch_size": 32, "validation_split": 0.2}


def stream(folder):
    return (HDF5Dataset(folder / "images.h5", x_key="x", y_key="y"),), {
        "batch_size": 32,
        "validation_data": data(20),
    }


def windows(folder):
    """A stream of which each rank reads the chunks that it needs."""
    found = HDF5Dataset(folder / "many.h5", x_key="x", y_key="y", buffer_mb=1)
    return (found,), {"batch_size": 32, "steps_per_epoch": 60}


def pictures(folder):
    found = minicnn.utils.image_dataset_from_directory(
        str(folder / "pictures"), image_size=SHAPE[:2], batch_size=24, seed=3, verbose=False
    )
    return (found,), {}


def generator(folder):
    made = minicnn.preprocessing.image.ImageDataGenerator(rotation_range=20, horizontal_flip=True)
    return (made.flow(*data(), batch_size=30, seed=5),), {}


NETWORKS = {"plain": plain, "random": random, "graph": graph}
SOURCES = {
    "arrays": arrays,
    "stream": stream,
    "windows": windows,
    "pictures": pictures,
    "generator": generator,
}


def write_data(folder):
    """The files that the sources read."""
    import h5py
    from PIL import Image

    x, y = data()
    with h5py.File(folder / "images.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(7, *SHAPE), compression="gzip")
        file["y"] = y
    many = data(3000)
    with h5py.File(folder / "many.h5", "w") as file:
        file.create_dataset("x", data=many[0], chunks=(1, *SHAPE), compression="gzip")
        file["y"] = many[1]
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        (folder / f"pictures/{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"pictures/{label}/{i}.png")


def trained(case, folder, distributed=False):
    """(weights, history) of a case such as "graph-stream-float64"."""
    network, source, dtype = case.split("-")
    model = NETWORKS[network](dtype=dtype)
    model.compile(
        minicnn.optimizers.SGD(0.02, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    arguments, named = SOURCES[source](folder)
    history = model.fit(*arguments, **named, epochs=2, verbose=0, distributed=distributed)
    return model.get_weights(), history.history


if __name__ == "__main__":
    folder, cases = Path(sys.argv[1]), sys.argv[2:]
    for case in cases:
        weights, history = trained(case, folder, distributed=True)
        if launched_first():
            np.savez(folder / f"{case}-{rank_count()}.npz", *weights, **history)
