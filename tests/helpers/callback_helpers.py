"""A small network and its trainings, for the tests of callbacks."""

import numpy as np

import minicnn
from minicnn import SGD, Dense, Input, Sequential
from minicnn.callbacks import LambdaCallback

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def network(seed=0, optimizer=None, *extra):
    model = Sequential([Input((4,)), Dense(3, activation="tanh"), *extra, Dense(2)], seed=seed)
    loss = minicnn.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or SGD(0.1, momentum=0.9), loss, ["accuracy"])
    return model


def fit(model, callbacks, epochs=3, **options):
    return model.fit(X, Y, batch_size=8, epochs=epochs, callbacks=callbacks, verbose=0, **options)


def given(name, values, **others):
    """A callback that puts these figures into the logs, epoch by epoch."""

    def put(epoch, logs):
        logs[name] = values[epoch]

    return LambdaCallback(on_epoch_end=put, **others)


def break_weights(model):
    model.set_weights([np.nan * weights for weights in model.get_weights()])
