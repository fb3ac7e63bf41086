"""Checkpoints in which a value of another kind stands in the place of any other."""

import copy
import json
import os
import signal
import warnings
import zlib

import h5py
import numpy as np
import pytest

from minicnn import Adam, BatchNorm, Dense, Dropout, Input, Sequential
from minicnn._files import checkpoint
from minicnn._training import checkpoints
from minicnn.callbacks import EarlyStopping, LambdaCallback, ReduceLROnPlateau, TimeBudget
from minicnn.errors import MiniCNNError, ModelFileError
from minicnn.metrics import AUC

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
Y = np.eye(3)[np.arange(12) % 3]

VALUES = [
    *(None, True, False, 0, 1, -1, 3, 0.5, float("nan"), float("inf"), 10**30, -(10**30)),
    *("text", "", [], [1], ["a"], [[]], {}, {"a": 1}),
    *(np.zeros(3), np.array(2.0), np.zeros(0), np.array(7), np.ones((2, 2), "i1"), np.array(True)),
]


def train(folder, seed=0, **options):
    """Train a network that has something of everything, or go on with it."""
    layers = [Input((4,)), Dense(3), BatchNorm(), Dropout(0.1), Dense(3, activation="softmax")]
    model = Sequential(layers, seed=seed)
    model.compile(Adam(0.01), "categorical_crossentropy", ["accuracy", AUC(4)])
    early = EarlyStopping("loss", restore_best_weights=True)
    callbacks = [early, ReduceLROnPlateau("loss"), TimeBudget("1h"), *options.pop("more", [])]
    before = model.get_weights()
    try:
        model.fit(
            *(X, Y, 4, 3),
            verbose=0,
            validation_data=(X, Y),
            checkpoint=folder,
            callbacks=callbacks,
            **options,
        )
    except ModelFileError:
        assert all(map(np.array_equal, before, model.get_weights()))
        raise


@pytest.fixture
def begun(tmp_path):
    """The path of a checkpoint from the middle of an epoch, the only one in its folder."""
    batches = []

    def stop(batch, logs):
        batches.append(batch)
        if len(batches) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    train(tmp_path, more=[LambdaCallback(on_train_batch_end=stop)])
    (tmp_path / "checkpoint.previous.h5").unlink()
    return tmp_path / "checkpoint.h5"


def places(tree, path=()):
    """The path of each value in a tree, itself first."""
    yield path
    pairs = enumerate(tree) if isinstance(tree, list) else ()
    for key, value in tree.items() if isinstance(tree, dict) else pairs:
        yield from places(value, (*path, key))


def changed(tree, path, value):
    """The tree with another value at that path."""
    tree = inner = copy.deepcopy(tree)
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = copy.deepcopy(value)
    return tree


def check(path, monkeypatch, each):
    """Put every value, or one of so many, in every place, and go on: it works, or gets one line."""
    good, content = checkpoint.read(path), path.read_bytes()
    assert good["step"] == 2
    refused = tried = 0
    for number, place in enumerate(list(places(good))[1:]):
        for value in VALUES[number % each :: each]:
            tree = changed(good, place, value)
            monkeypatch.setattr(checkpoints.checkpoint, "read", lambda path, tree=tree: tree)
            path.write_bytes(content)
            (path.parent / "checkpoint.previous.h5").unlink(missing_ok=True)
            tried += 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                try:
                    train(path.parent, resume=True)
                except MiniCNNError:
                    refused += 1
                except Exception as error:
                    raise AssertionError(f"{value!r} at {place}") from error
    assert refused > tried / 2


def test_a_value_in_the_place_of_another(begun, monkeypatch):
    """Each place of the tree with some of the values: no error from within comes out."""
    check(begun, monkeypatch, 61)


@pytest.mark.slow
def test_every_value_in_every_place(begun, monkeypatch):
    """All of them."""
    check(begun, monkeypatch, 1)


@pytest.mark.parametrize("place", [("about", "batch_size"), ("about",), ("given",), ("machine",)])
def test_an_array_where_trainings_are_compared(begun, place):
    """In the file itself, with the right checksums."""
    with h5py.File(begun, "r+") as file:
        tree = json.loads(bytes(file["tree"][()]))
        array = np.arange(6.0)
        file["more"] = array
        claim = {"$array": ["more", [6], "float64", checkpoint.checksum(array)]}
        text = json.dumps(changed(tree, place, claim)).encode()
        del file["tree"], file["checksum"]
        file["tree"], file["checksum"] = np.frombuffer(text, "u1"), np.uint32(zlib.crc32(text))
    if place[0] == "about":
        with pytest.raises(MiniCNNError, match="expected a training like the one to go on with"):
            train(begun.parent, resume=True)
    elif place[0] == "machine":
        with pytest.warns(RuntimeWarning, match="was None and is now|was array"):
            train(begun.parent, resume=True)
    else:
        train(begun.parent, resume=True)


def test_a_checkpoint_is_not_blamed_for_the_machine(begun, monkeypatch):
    """Where no process can read it, it is not damaged, and no older one takes its place."""
    monkeypatch.setattr("minicnn._files.reader_process.idle", [])
    monkeypatch.setattr("minicnn._files.reader_process.sys.executable", "/nowhere/python")
    with pytest.raises(MiniCNNError, match=r"no process can be started.*no such file") as error:
        train(begun.parent, resume=True)
    assert "damaged" not in str(error.value)


def test_a_checkpoint_that_is_open_for_writing_is_not_passed_over(begun):
    """What another program is about to write is waited for, not replaced by an older one."""
    os.link(begun, begun.with_name("checkpoint.previous.h5"))
    content = begun.read_bytes()
    begun.unlink()
    begun.write_bytes(content)
    with h5py.File(begun, "a") as file:
        file["more"] = np.zeros(10_000)
        file.flush()
        file["most"] = np.zeros(10_000)
        os.truncate(begun, 3000)
        with pytest.raises(MiniCNNError, match="is open for writing in another program"):
            train(begun.parent, resume=True)
