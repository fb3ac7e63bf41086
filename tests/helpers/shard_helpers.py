"""A network whose batches are cut, and what watches its workers."""

import numpy as np

import minicnn


def network(*extra):
    layers = [minicnn.Input((6, 6, 2)), minicnn.Rescaling(1 / 255)]
    layers += [minicnn.Conv2D(4, 3, padding="same"), minicnn.ReLU(), minicnn.MaxPool(2), *extra]
    layers += [minicnn.Flatten(), minicnn.Dense(3, activation="softmax")]
    model = minicnn.Sequential(layers, seed=3)
    model.compile(minicnn.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def data(n=23):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 6, 6, 2), np.uint8), rng.integers(0, 3, n)


def trained(count, model=None, **options):
    minicnn.set_threads(count)
    model = model or network()
    history = model.fit(*data(), batch_size=8, epochs=3, verbose=0, **options)
    return model.get_weights(), history.history


def same(one, other):
    assert one[1] == other[1]
    return all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))


def at_batch(number, act, epoch=0):
    """A callback that acts once, after that batch of that epoch."""
    seen = []

    def note(batch, logs):
        seen.append(batch)
        if len(seen) == epoch * 3 + number + 1:
            act()

    return minicnn.callbacks.LambdaCallback(on_train_batch_end=note)
