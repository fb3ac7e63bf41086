"""A small network and its runs, for the tests of checkpoints."""

import numpy as np

from minicnn import Adam, Dense, Input, Sequential

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def network(*extra, seed=0, optimizer=None, metrics=("accuracy",)):
    model = Sequential([Input((4,)), Dense(3), *extra, Dense(2, activation="softmax")], seed=seed)
    model.compile(optimizer or Adam(0.01), "sparse_categorical_crossentropy", list(metrics))
    return model


def fit(model, folder, epochs=2, x=X, y=Y, **options):
    options = {"checkpoint": folder, "batch_size": 8, "verbose": 0} | options
    return model.fit(x, y, epochs=epochs, **options)
