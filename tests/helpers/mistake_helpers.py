"""Images, a network for them, and what is said when something is done."""

import numpy as np

from minicnn import Conv2D, Dense, Flatten, Input, Rescaling, Sequential

rng = np.random.default_rng(0)
N = 24
X = rng.integers(0, 256, (N, 12, 12, 3), dtype=np.uint8)
Y = np.arange(N) % 6
ONE_HOT = np.eye(6)[Y]
NAMES = np.array(["ant", "bee", "cat", "dog", "eel", "fox"])[Y]
SPARSE, CATEGORICAL = "sparse_categorical_crossentropy", "categorical_crossentropy"


def network(units=6, last="softmax", loss=SPARSE, shape=(12, 12, 3), *layers, **compiled):
    """A small compiled network, which scales its images."""
    before = [Input(shape), Rescaling(1 / 255), Conv2D(2, 3), *(layers or [Flatten()])]
    model = Sequential([*before, Dense(units, activation=last)], seed=0)
    model.compile(compiled.get("optimizer", "sgd"), loss, compiled.get("metrics", ["accuracy"]))
    return model
