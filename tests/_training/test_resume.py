"""Exact resume: a training killed anywhere and resumed ends in the bits of the one left alone.

Run as a script, this file is the training that gets killed:

    python test_resume.py SCRIPT FOLDER HOW    (HOW: "alone", or the arguments of ``arm``)
"""

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import Adam, Input, Sequential
from minicnn._cli.main import main as command
from minicnn._training import checkpoints
from minicnn._training.program import Program
from minicnn._training.run import Run
from minicnn.callbacks import (
    BackupAndRestore,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from minicnn.metrics import AUC, F1Score, Precision
from minicnn.optimizers import SGD, AdamW, Nadam, RMSprop
from minicnn.optimizers.schedules import ExponentialDecay

rng = np.random.default_rng(0)
X = rng.integers(0, 255, (44, 8, 8, 3)).astype(np.uint8)
Y = rng.integers(0, 3, 44)
EPOCHS = 4


def network(*between):
    layers = [Input((8, 8, 3)), minicnn.Rescaling(1 / 255), *between]
    return Sequential([*layers, minicnn.Flatten(), minicnn.Dense(3, activation="softmax")])


def sgd_and_batchnorm(folder):
    model = network(minicnn.Conv2D(4, 3), minicnn.BatchNorm(), minicnn.ReLU(), minicnn.Dropout(0.3))
    model.compile(SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy", ["accuracy"])
    return model, {"x": X, "y": Y, "batch_size": 8, "validation_data": (X[:9], Y[:9])}


def adam_with_callbacks_and_augmentation(folder):
    model = network(
        minicnn.RandomFlip(),
        minicnn.RandomTranslation(0.2, 0.2),
        minicnn.Conv2D(4, 3),
        minicnn.ReLU(),
    )
    metrics = ["accuracy", AUC(50), F1Score(), Precision(class_id=1)]
    model.compile(Adam(0.01), "categorical_crossentropy", metrics)
    callbacks = [
        EarlyStopping("val_loss", patience=2, restore_best_weights=True),
        ReduceLROnPlateau("loss", factor=0.3, patience=1, min_delta=1.0),
        ModelCheckpoint(folder / "best-{epoch}.weights.h5", save_weights_only=True, save_freq=4),
        CSVLogger(folder / "log.csv"),
    ]
    options = {"callbacks": callbacks, "validation_split": 0.2, "batch_size": 6}
    return model, {"x": X, "y": np.eye(3)[Y], **options}


def weights_and_few_steps(folder):
    model = network(minicnn.Conv2D(4, 3, kernel_regularizer="l2"), minicnn.GaussianNoise(0.1))
    model.compile(Nadam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    weights = np.linspace(0, 2, len(X))
    return model, {"x": X, "y": Y, "sample_weight": weights, "batch_size": 8, "steps_per_epoch": 4}


def in_order_with_a_schedule(folder):
    model = network(minicnn.Conv2D(4, 3), minicnn.LayerNorm(), minicnn.Dropout(0.5))
    model.compile(RMSprop(ExponentialDecay(0.01, 3, 0.9)), "sparse_categorical_crossentropy")
    often = {"shuffle": False, "steps_per_epoch": 8, "validation_freq": 2}
    return model, {"x": X, "y": Y, "batch_size": 8, "validation_data": (X, Y), **often}


def class_weights(folder):
    model = network(minicnn.Conv2D(4, 3), minicnn.Dropout(0.3), minicnn.RandomContrast(0.2))
    model.compile(AdamW(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    return model, {"x": X, "y": Y, "batch_size": 8, "class_weight": {0: 2.0}}


class Restless:
    """A callback of one's own: every third batch it halves the rate, or freezes a layer."""

    def __init__(self):
        self.batches = 0

    def get_state(self):
        return {"batches": self.batches}

    def set_state(self, state):
        self.batches = state["batches"]

    def on_train_batch_end(self, batch, logs):
        self.batches += 1
        if self.batches % 3 == 0:
            self.model.optimizer.learning_rate *= 0.9

    def on_epoch_end(self, epoch, logs):
        self.model.layers[1].trainable = epoch % 2 == 1


def callbacks_of_ones_own(folder):
    model = network(minicnn.Conv2D(4, 3), minicnn.ReLU(), minicnn.Dropout(0.2))
    model.compile(Adam(0.01, amsgrad=True), "sparse_categorical_crossentropy", ["accuracy"])
    scheduler = LearningRateScheduler(lambda epoch, rate: rate * 0.8)
    return model, {"x": X, "y": Y, "batch_size": 8, "callbacks": [Restless(), [scheduler]]}


def backup_and_restore(folder):
    model, options = sgd_and_batchnorm(folder)
    backup = BackupAndRestore(folder / "run", save_freq=3, delete_checkpoint=False)
    return model, options | {"callbacks": [backup]}


SCRIPTS = {
    script.__name__: script
    for script in (
        sgd_and_batchnorm,
        adam_with_callbacks_and_augmentation,
        weights_and_few_steps,
        in_order_with_a_schedule,
        class_weights,
        callbacks_of_ones_own,
        backup_and_restore,
    )
}
STATUSES = {"SIGKILL": -signal.SIGKILL, "SIGINT": 130, "SIGTERM": 143}
PLACES = ("batch", "judge", "fsync", "replace", "write")


def main(script, folder, how):
    """Train, and print what came of it; or be killed."""
    folder = Path(folder)
    minicnn.utils.set_random_seed(3)
    model, options = SCRIPTS[script](folder)
    if script != "backup_and_restore" and how != "alone":
        options |= {"checkpoint": folder / "run", "resume": True}
    if how != "alone":
        arm(*how.split(":"))
    history = model.fit(**options, epochs=EPOCHS, verbose=0)
    if history.interrupted:
        sys.exit(history.exit_status)
    slots = [a for _, slots in sorted(model.optimizer.slots.items()) for a in slots.values()]
    log = folder / "log.csv"
    print(
        json.dumps(
            {
                "weights": digest(model.get_weights()),
                "slots": digest(slots),
                "iterations": model.optimizer.iterations,
                "rate": float(model.optimizer.learning_rate),
                "generator": str(model.rng.bit_generator.state),
                "history": str(history.history) + str(history.epoch) + str(history.epochs_of),
                "log": log.read_text() if log.exists() else "",
                "files": sorted(p.name for p in folder.glob("best*")),
            }
        )
    )


def digest(arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def arm(sign, place, number, often):
    """Send this process a signal when it comes to a place for the ``number``-th time.

    That is a training batch, a batch of the validation, or some part of a save. ``often`` "batch"
    has a checkpoint after each batch, "epoch" after each epoch.
    """
    checkpoints.FRACTION = float("inf")
    checkpoints.EVERY = 0.0 if often == "batch" else float("inf")
    calls = itertools.count(1)

    def strike():
        if next(calls) == int(number):
            os.kill(os.getpid(), getattr(signal, sign))

    def struck(owner, name):
        usual = getattr(owner, name)

        def before(*arguments, **options):
            strike()
            return usual(*arguments, **options)

        setattr(owner, name, before)

    def opened(path, *arguments, usual=Path.open, **options):
        file = usual(path, *arguments, **options)
        if path.name.startswith(".checkpoint") and arguments == ("wb",):
            file.write(b"\x89HDF\r\n\x1a\n" + bytes(5000))
            file.flush()
            strike()
            file.seek(0)
            file.truncate()
        return file

    if place == "batch":
        struck(Run, "train")
    elif place == "judge":
        struck(Program, "evaluate")
    elif place in ("fsync", "replace"):
        struck(os, place)
    elif place == "write":
        Path.open = opened


def run(script, folder, how):
    """What a process that trains so prints, or None if it was killed or interrupted."""
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, script, str(folder), how],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 0:
        return json.loads(done.stdout)
    sign = how.split(":")[0]
    # A callback leaves SIGTERM its usual meaning; fit(checkpoint=...) does not.
    usual = (script, sign) == ("backup_and_restore", "SIGTERM")
    assert done.returncode == (-signal.SIGTERM if usual else STATUSES[sign]), done.stderr
    return None


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What comes of a script when it is left alone, which is found out once."""
    return cache(lambda script: run(script, tmp_path_factory.mktemp(script), "alone"))


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("sgd_and_batchnorm", "SIGKILL:batch:9:batch"),
        ("adam_with_callbacks_and_augmentation", "SIGINT:judge:3:epoch"),
        ("adam_with_callbacks_and_augmentation", "SIGKILL:write:10:batch"),
        ("weights_and_few_steps", "SIGKILL:replace:12:batch"),
        ("in_order_with_a_schedule", "SIGTERM:batch:11:epoch"),
        ("class_weights", "SIGKILL:batch:9:epoch"),
        ("callbacks_of_ones_own", "SIGINT:batch:8:epoch"),
        ("backup_and_restore", "SIGKILL:fsync:5:epoch"),
    ],
)
def test_killed_and_resumed(script, how, alone, tmp_path):
    """SIGKILL, Ctrl-C and SIGTERM leave no trace in what comes of a training."""
    assert run(script, tmp_path, how) is None
    assert run(script, tmp_path, "none::0:epoch") == alone(script)
    assert not list((tmp_path / "run").glob(".checkpoint*"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_killed_and_resumed_again_and_again(script, alone, tmp_path):
    """Of each script trainings are killed at random, up to three times each, in all 70 times."""
    chance = np.random.default_rng(100 + list(SCRIPTS).index(script))
    hits = 0
    for i in itertools.count():
        folder = tmp_path / str(i)
        folder.mkdir()
        for _ in range(3):
            often = str(chance.choice(["batch", "epoch"]))
            place = str(chance.choice(PLACES))
            sign = "SIGKILL" if place == "write" else str(chance.choice(list(STATUSES)))
            most = 15 if often == "batch" or place in ("batch", "judge") else 6
            how = f"{sign}:{place}:{chance.integers(1, most)}:{often}"
            if run(script, folder, how) is not None:
                break  # it was through before
            hits += 1
        assert run(script, folder, "none::0:epoch") == alone(script), how
        assert not list((folder / "run").glob(".checkpoint*"))
        if hits >= 10:
            return


@pytest.fixture
def a_run(tmp_path, monkeypatch, capsys):
    """The folder of a run of the command line, which has gone through one epoch."""
    monkeypatch.chdir(tmp_path)
    for name in ("train", "test"):
        with h5py.File(f"{name}.h5", "w") as file:
            file[f"{name}_set_x"], file[f"{name}_set_y"] = X.repeat(4, 1).repeat(4, 2), Y
    data = ["--train", "train.h5", "--test", "test.h5", "--model", "small"]
    assert command(["train", *data, "--epochs", "1", "--out", "runs/a"]) == 0
    capsys.readouterr()
    return tmp_path / "runs/a"


def test_a_run_goes_on_from_anywhere(a_run, tmp_path, monkeypatch):
    """Its data are found from another folder, and what a kill left of its files is gone."""
    monkeypatch.chdir("/")
    for name in (".curves-0a1b2c3d.png", ".model-0a1b2c3d.keras", ".checkpoint-0a1b2c3d.h5"):
        (a_run / name).touch()
    (a_run / ".mine").touch()
    assert command(["train", "--resume", str(a_run), "--epochs", "2"]) == 0
    assert [p.name for p in a_run.iterdir() if p.name.startswith(".")] == [".mine"]


def test_the_folder_above_the_runs(a_run, capsys):
    """It is no run, and the line says what one is."""
    assert command(["train", "--resume", "runs"]) == 2
    line = "runs: expected the folder of a run, such as runs/fingers-1, got one without settings.j"
    assert line in capsys.readouterr().err


if __name__ == "__main__":
    main(*sys.argv[1:])
