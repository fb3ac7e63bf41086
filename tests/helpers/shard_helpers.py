"""A network, and what lets one process compute its batches in shards, as several ranks do."""

import numpy as np

import minicnn
from minicnn._parallel.shards import Shards
from minicnn._training.program import Program


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


def in_shards(monkeypatch, count):
    """Batches are cut into so many shards, computed here one after another."""
    whole = Program.shards

    def cut(self, like, rng, ranks=None):
        return Shards(whole(self, like, rng).compute, rng, count, random=True)

    monkeypatch.setattr(Program, "shards", cut)
