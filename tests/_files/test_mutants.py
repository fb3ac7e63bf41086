"""Files from strangers: thousands of damaged ones are read or refused in one line."""

from functools import cache

import numpy as np
import pytest

from hostile_helpers import attempt, rezipped, write_data
from minicnn import (
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPool,
    ReLU,
    Residual,
    Sequential,
    load_model,
)
from minicnn.data import load_hdf5


def network():
    """A small network that has been trained for a step."""
    layers = [
        *(Input((8, 8, 3)), Conv2D(4, 3, padding="same"), BatchNorm(), ReLU(), MaxPool()),
        *(Residual([Conv2D(4, 3, padding="same"), ReLU()]), Flatten(), Dense(3)),
    ]
    model = Sequential(layers, seed=0)
    model.compile(Adam(), "mse", metrics=["mae"])
    model.fit(np.ones((4, 8, 8, 3)), np.ones((4, 3)), verbose=0)
    return model


@cache
def same_network():
    """A network of the same layers, which one load after another may change."""
    return network()


def load_weights(path):
    """Load weights into it."""
    same_network().load_weights(path)


def train(path, **options):
    """Train it for an epoch, or what is left of one, with a checkpoint at that path."""
    data = np.ones((4, 8, 8, 3)), np.ones((4, 3))
    same_network().fit(*data, verbose=0, checkpoint=path.parent, **options)


def resume(path):
    """Go on from the checkpoint; there is no other."""
    (path.parent / "checkpoint.previous.h5").unlink(missing_ok=True)
    train(path, resume=True)


FORMATS = {
    "data": ("data.h5", write_data, load_hdf5),
    "keras": ("model.keras", lambda path: network().save(path), load_model),
    "weights": ("model.weights.h5", lambda path: network().save_weights(path), load_weights),
    "legacy": ("model.h5", lambda path: network().save(path), load_model),
    "checkpoint": ("checkpoint.h5", train, resume),
}
"""Name of a file, who writes a good one, who reads it."""

NUMBERS = [b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\0\x7f", b"\xff\xff", b"\1"]
"""Sizes and addresses that a program may forget to expect."""


def mutant(good, rng):
    """Some bytes changed, a run of them zeroed, moved or cut off, or a number put among them."""
    bad = bytearray(good)
    at, end = sorted(rng.integers(0, len(bad), 2))
    kind = rng.integers(8)
    if kind < 4:
        for position in rng.integers(0, len(bad), rng.integers(1, 20)):
            bad[position] = rng.integers(256)
    elif kind == 4:
        del bad[end:]
    elif kind == 5:
        end = min(end, at + 100)
        bad[at:end] = bytes(end - at)
    elif kind == 6:
        number = NUMBERS[rng.integers(len(NUMBERS))]
        bad[at : at + len(number)] = number
    else:
        end = min(end, at + 100)
        bad[at:end] = bad[:end][: end - at]
    return bytes(bad)


def check_mutants(format_, tmp_path, count):
    """Attempt so many files of a format that are good but for some bytes."""
    name, write, load = FORMATS[format_]
    path = tmp_path / name
    write(path)
    assert attempt(load, path) is None
    good, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for i in range(count):
        if format_ == "keras" and i % 4:
            which = ("metadata.json", "config.json", "model.weights.h5")[i % 4 - 1]
            path.write_bytes(good)
            bad = rezipped(path, lambda n, d, w=which: mutant(d, rng) if n == w else d)
        else:
            bad = mutant(good, rng)
        path.write_bytes(bad)
        refused += attempt(load, path) is not None
    assert refused > count / 4


@pytest.mark.parametrize("format_", FORMATS)
def test_mutants(format_, tmp_path):
    """A file with some bytes changed is read, or refused in one line; see above."""
    check_mutants(format_, tmp_path, 60)


@pytest.mark.slow
@pytest.mark.parametrize("format_", FORMATS)
def test_ten_thousand_mutants(format_, tmp_path):
    """None of 10,000 files of a format with some bytes changed does any harm."""
    check_mutants(format_, tmp_path, 10_000)
