"""The folder of a run, opened again."""

import json

import numpy as np
import pytest

import minicnn
from minicnn import Dense, Flatten, Input, Model, Sequential, layers, ops, runs
from minicnn._cli.main import main
from minicnn.errors import ConfigError, ModelFileError
from minicnn.layers import Layer
from picture_helpers import write_pair

X = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1)).astype(np.uint8)
Y = np.arange(12) % 3


def graph():
    """A network with two ways that meet, and a number as its rate."""
    x = Input((8, 8, 1))
    one = layers.Conv2D(3, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(x))
    y = layers.Concatenate()([one, layers.Conv2D(2, 1)(one)])
    return Model(x, Dense(3, activation="softmax")(layers.GlobalAvgPool()(y)), seed=0)


def row():
    """Layers that are built by their first data."""
    return Sequential([Flatten(), layers.BatchNormalization(), Dense(3, activation="softmax")])


@pytest.mark.parametrize("network", [graph, row])
def test_a_run_opens_without_its_script(tmp_path, network):
    """The model has the checkpoint's weights, loss and optimizer: its next step is the same."""
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, Y, epochs=2, checkpoint=tmp_path, verbose=0)
    found = runs.load_run(tmp_path)
    again = found.model()
    assert found.history.history == history.history
    assert found.epochs == 2
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.train_on_batch(X, Y) == model.train_on_batch(X, Y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_data_of_a_run(tmp_path, monkeypatch):
    """``minicnn train`` knows its files, a script's run takes those it is given."""
    monkeypatch.chdir(tmp_path)
    write_pair("train.h5", "test.h5")
    files = ["--train", "train.h5", "--test", "test.h5", "--model", "lenet5"]
    assert main(["train", "--epochs", "1", "--out", "run", "--quiet", *files]) == 0
    found = runs.load_run("run")
    train, test = found.data()
    model = found.model()
    assert train.class_names == model.class_names
    accuracy = model.evaluate(test, return_dict=True)["accuracy"]
    assert accuracy == found.history.history["val_accuracy"][-1]
    (tmp_path / "run/settings.json").unlink()
    with pytest.raises(ConfigError, match=r"one of a script\. Give its files"):
        runs.load_run("run").data()
    given, nothing = runs.load_run("run").data("test.h5")
    assert len(given) == len(test)
    assert nothing is None


def test_the_checkpoint_before_a_damaged_one(tmp_path):
    """A newest checkpoint that is cut short gives way to the one before it."""
    model = row()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=2, checkpoint=tmp_path, verbose=0)
    newest = tmp_path / "checkpoint.h5"
    newest.write_bytes(newest.read_bytes()[:1000])
    if (tmp_path / "checkpoint.previous.h5").exists():
        (tmp_path / "checkpoint.previous.h5").unlink()
    with pytest.raises(ModelFileError, match=r"checkpoint\.h5"):
        runs.load_run(tmp_path)


class Twice(Layer):
    """A custom layer."""

    def forward(self, x, *, training=False, rng=None):
        """Two times x."""
        return 2 * x, None

    def backward(self, dy, cache):
        """Two times dy."""
        return 2 * dy, {}


def test_custom_classes(tmp_path):
    """A custom class is asked for by its name, and taken."""
    model = Sequential([Input((8, 8, 1)), Twice(), Flatten(), Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, checkpoint=tmp_path, verbose=0)
    found = runs.load_run(tmp_path)
    with pytest.raises(ConfigError, match="got 'Twice'"):
        found.model()
    again = found.model({"Twice": Twice})
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_no_run(tmp_path):
    """What is no folder of a run is refused in one line."""
    with pytest.raises(ConfigError, match="got a folder without"):
        runs.load_run(tmp_path)
    with pytest.raises(ConfigError, match="got none"):
        runs.load_run(tmp_path / "nowhere")
    (tmp_path / "file").write_text(json.dumps({}))
    with pytest.raises(ConfigError, match="got a file"):
        runs.load_run(tmp_path / "file")


def cubic(y, p):
    """A custom loss."""
    return ops.mean(ops.abs(y - p) ** 3, axis=-1)


def test_a_run_with_a_custom_loss(tmp_path):
    """Without ``compile`` its network opens without the loss; with it the loss is asked for."""
    model = Sequential([Input((8, 8, 1)), Flatten(), Dense(1)], seed=0)
    model.compile("adam", cubic)
    x = X / 255
    model.fit(x, Y / 2, checkpoint=tmp_path, verbose=0)
    found = runs.load_run(tmp_path)
    with pytest.raises(ConfigError, match="cubic"):
        found.model()
    again = found.model(compile=False)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.loss is None
    assert found.model({"cubic": cubic}).train_on_batch(x, Y) == model.train_on_batch(x, Y)


def test_a_step_of_a_run(tmp_path, monkeypatch, capsys):
    """The table has the run's batch and fits 80 columns; a branch at the run's rate is the run."""
    monkeypatch.chdir(tmp_path)
    write_pair("train.h5", "test.h5")
    files = ["--train", "train.h5", "--test", "test.h5", "--model", "course"]
    options = ["--epochs", "2", "--batch-size", "5", "--learning-rate", "0.01", "--quiet"]
    assert main(["train", "--out", "run", *options, *files]) == 0
    found = runs.load_run("run")
    capsys.readouterr()
    replay = ["replay", "run", "--step", "2"]
    assert main([*replay, "--learning-rate", "0.01", "--out", "again.keras"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    step = str(found.replay(2)).splitlines()
    assert lines[: len(step)] == step
    assert max(map(len, [*step, *lines[-4:]])) <= 80
    losses = [line.split()[1:3] for line in lines[-3:-1]]
    assert all(run == branch for run, branch in losses)
    again = minicnn.load_model("again.keras")
    assert all(map(np.array_equal, again.get_weights(), found.model().get_weights()))
    assert main([*replay, "--train", "test.h5"]) == 2
    assert "expected the data of the run in run" in capsys.readouterr().err
    assert main([*replay, "--out", "again.keras"]) == 2
    assert "give --learning-rate" in capsys.readouterr().err
    (tmp_path / "test.h5").unlink()
    assert main(replay) == 0  # it is for branches
    capsys.readouterr()
    for out in ("none/again.keras", "again.onnx", "run"):
        assert main([*replay, "--learning-rate", "0.01", "--out", out]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)  # before the branch is trained
