"""The same ``fit`` call here and in Keras, from the same file and on the same data."""

import csv
import os

import numpy as np
import pytest

from minicnn import (
    SGD,
    Activation,
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPool,
    Rescaling,
    Sequential,
    callbacks,
    load_model,
    metrics,
    utils,
)
from minicnn.callbacks.callback_list import EVENTS
from minicnn.regularizers import L1L2

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)
X = rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
Y = rng.integers(0, 3, 60)
VAL = (rng.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8), rng.integers(0, 3, 30))
W = rng.uniform(0, 2, 60)


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


def network(optimizer=None, **options):
    layers = [Input((8, 8, 3)), Rescaling(1 / 255), Conv2D(4, 3, padding="same", **options)]
    layers += [Activation("tanh"), MaxPool(2), BatchNorm(momentum=0.9), Flatten()]
    layers += [Dense(3, activation="softmax", **options)]
    model = Sequential(layers, seed=0)
    model.compile(optimizer or SGD(0.05), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def both(keras, folder, make_callbacks=lambda module: [], model=None, **options):
    """(our model, our history, Keras' model, its history) after the same training."""
    model = model or network()
    model.save(folder / "m.keras")
    theirs = keras.models.load_model(folder / "m.keras")
    options = {"batch_size": 12, "epochs": 10, "shuffle": False, "verbose": 0} | options
    ours = model.fit(X, Y, callbacks=make_callbacks(callbacks), **options)
    if "validation_data" in options:
        x, *rest = options["validation_data"]
        options["validation_data"] = (x.astype("f4"), *rest)
    other = theirs.fit(X.astype("f4"), Y, callbacks=make_callbacks(keras.callbacks), **options)
    return model, ours, theirs, other


def check_equal(model, ours, theirs, other):
    assert ours.epoch == other.epoch
    assert set(ours.history) == set(other.history)
    for name, figures in ours.history.items():
        np.testing.assert_allclose(figures, other.history[name], rtol=1e-3, err_msg=name)
    for a, b in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_weight": {0: 0.3, 2: 4.0}},
        {"sample_weight": W},
        {"sample_weight": W, "validation_split": 0.25},
        {"class_weight": {0: 0.3, 2: 4.0}, "validation_split": 0.25},
        {"validation_split": 0.33, "batch_size": 7},
        {"validation_data": VAL},
        {"validation_data": VAL, "validation_split": 0.5},
        {"validation_data": (*VAL, np.linspace(0, 3, 30))},
        {"validation_data": VAL, "validation_freq": 3},
        {"validation_data": VAL, "validation_freq": [1, 4, 9]},
        {"validation_data": VAL, "validation_steps": 2, "validation_batch_size": 7},
        {"validation_data": VAL, "validation_batch_size": 11},
        {"steps_per_epoch": 5},
        {"initial_epoch": 4},
        {"initial_epoch": 10},
        {"batch_size": 13},
        {"batch_size": 99},
    ],
    ids=lambda options: ", ".join(options) or "plain",
)
def test_arguments(options, keras, tmp_path):
    """Ten epochs of 5 steps give the same history and weights within 1e-3."""
    check_equal(*both(keras, tmp_path, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"class_weight": {0: 0.3, 2: 4.0}, "validation_data": VAL},
        {"sample_weight": W, "validation_data": (*VAL, np.linspace(0, 3, 30))},
        {"validation_data": VAL},
    ],
    ids=lambda options: ", ".join(options),
)
def test_weighted_metrics(options, keras, tmp_path):
    """Beside the metrics without weights, under Keras' names and with its values within 1e-3.

    A file carries them to Keras and back.
    """
    model = network()
    crossentropy = metrics.SparseCategoricalCrossentropy(name="ce")
    model.compile(
        SGD(0.05), "sparse_categorical_crossentropy", ["accuracy"],
        weighted_metrics=["accuracy", crossentropy],
    )  # fmt: skip
    found = both(keras, tmp_path, model=model, **options)
    assert "weighted_accuracy" in found[1].history
    check_equal(*found)
    found[2].save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    assert [getattr(m, "name", m) for m in again.weighted_metrics] == ["accuracy", "ce"]


@pytest.mark.parametrize("kind", ["kernel", "bias"])
@pytest.mark.parametrize("penalty", ["l1", "l2", L1L2(0.02, 0.003)], ids=repr)
def test_regularizers(penalty, kind, keras, tmp_path):
    """Penalties count in loss and val_loss, and weights follow their slopes."""
    model = network(**{f"{kind}_regularizer": penalty})
    check_equal(*both(keras, tmp_path, model=model, validation_data=VAL))


def test_penalties_of_frozen_layers(keras, tmp_path):
    """What is not trained has no penalty in either."""
    model = network(kernel_regularizer="l2")
    model.layers[1].trainable = False
    check_equal(*both(keras, tmp_path, model=model, validation_data=VAL))


STOPS = [
    {},
    {"patience": 2},
    {"patience": 2, "restore_best_weights": True},
    {"monitor": "loss", "min_delta": 0.05, "restore_best_weights": True},
    {"monitor": "val_accuracy", "patience": 1, "restore_best_weights": True},
    {"monitor": "val_accuracy", "mode": "min", "patience": 3},
    {"monitor": "loss", "patience": 3, "baseline": 0.2, "restore_best_weights": True},
    {"monitor": "loss", "patience": 3, "baseline": 0.9},
    {"start_from_epoch": 4, "restore_best_weights": True},
    {"monitor": "loss", "mode": "max", "patience": 2, "restore_best_weights": True},
]


@pytest.mark.parametrize("options", STOPS, ids=repr)
def test_early_stopping(options, keras, tmp_path):
    """Both stop after the same epoch, with the same weights."""

    def make(module):
        return [module.EarlyStopping(**options)]

    check_equal(*both(keras, tmp_path, make, validation_data=VAL))


@pytest.mark.parametrize("freq", [2, [3, 4, 8]])
def test_what_watches_with_validation_now_and_then(freq, keras, tmp_path):
    """Epochs without validation count for none of the callbacks."""

    def make(module):
        plateau = module.ReduceLROnPlateau(patience=1, min_delta=0.3)
        return [plateau, module.EarlyStopping(patience=2, min_delta=0.3)]

    check_equal(*both(keras, tmp_path, make, validation_data=VAL, validation_freq=freq))


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 2, "factor": 0.5, "min_delta": 0.1},
        {"patience": 1, "cooldown": 2, "min_delta": 1},
        {"patience": 2, "cooldown": 1, "min_delta": 1, "factor": 0.5, "min_lr": 0.02},
        {"monitor": "val_accuracy", "patience": 0},
        {"monitor": "loss", "mode": "max", "patience": 3, "min_lr": 0.05},
    ],
    ids=repr,
)
def test_reduce_lr_on_plateau(options, keras, tmp_path):
    """Both lower the rate after the same epochs."""

    def make(module):
        return [module.ReduceLROnPlateau(**options)]

    check_equal(*both(keras, tmp_path, make, validation_data=VAL))


@pytest.mark.parametrize(
    "schedule", [lambda epoch: 0.01 / (epoch + 1), lambda epoch, rate: rate * 0.8]
)
@pytest.mark.parametrize("optimizer", [lambda: SGD(0.05, momentum=0.9), lambda: Adam(0.001)])
def test_learning_rate_scheduler(schedule, optimizer, keras, tmp_path):
    """Both train each epoch with the same rate, which is in the history."""

    def make(module):
        return [module.LearningRateScheduler(schedule)]

    check_equal(*both(keras, tmp_path, make, model=network(optimizer())))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"validation_data": VAL},
        {"validation_data": VAL, "validation_freq": 3},
        {"initial_epoch": 5},
    ],
    ids=lambda options: ", ".join(options) or "plain",
)
def test_csv_logger(options, keras, tmp_path):
    """Both write the same columns and rows, twice to one file too."""

    def make(module):
        name = tmp_path / ("ours.csv" if module is callbacks else "theirs.csv")
        rates = module.LearningRateScheduler(lambda epoch: 0.05)
        return [rates, module.CSVLogger(os.fspath(name), separator=";", append=True)]

    for _ in range(2):
        both(keras, tmp_path, make, **options)
    tables = []
    for name in ("ours.csv", "theirs.csv"):
        with open(tmp_path / name, newline="") as file:
            tables.append(list(csv.reader(file, delimiter=";")))
    assert tables[0][0] == tables[1][0]
    assert [row[0] for row in tables[0]] == [row[0] for row in tables[1]]
    for ours, theirs in zip(tables[0][1:], tables[1][1:], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a == b or float(a) == pytest.approx(float(b), rel=1e-4, abs=1e-4)


def stop_in_mid_epoch(recorder, event, *number):
    if (event, *number) == ("on_train_batch_end", 2) and recorder.epoch == 1:
        recorder.model.stop_training = True


def stop_after_an_epoch(recorder, event, *number):
    if (event, *number) == ("on_epoch_end", 1):
        recorder.model.stop_training = True


def do_nothing(recorder, event, *number): ...


@pytest.mark.parametrize(
    ("act", "options"),
    [
        (do_nothing, {}),
        (do_nothing, {"validation_data": VAL, "validation_freq": 2}),
        (do_nothing, {"validation_split": 0.25, "initial_epoch": 1}),
        (do_nothing, {"steps_per_epoch": 5}),
        (stop_in_mid_epoch, {}),
        (stop_in_mid_epoch, {"validation_data": VAL}),
        (stop_after_an_epoch, {"validation_data": VAL}),
    ],
)
def test_the_calls_of_a_callback(act, options, keras, tmp_path):
    """An object of one class, derived from Keras', is called with the same events, numbers and
    figures in both; the order of two of them is that of the list."""
    calls = []

    def note(self, event, logs, *numbers):
        if event == "on_epoch_begin":
            self.epoch = numbers[0]
        figures = sorted(logs) if event.endswith("end") else []
        calls.append((self.number, event, *numbers, *figures))
        act(self, event, *numbers)

    def method(event):
        if event.startswith(("on_train_batch", "on_test_batch", "on_epoch")):
            return lambda self, number, logs: note(self, event, logs, number)
        return lambda self, logs: note(self, event, logs)

    own = {event: method(event) for event in EVENTS}
    recorder = type("Recorder", (keras.callbacks.Callback,), own)

    def make(module):
        made = [recorder(), recorder()]
        for number, one in enumerate(made):
            one.number = number
        return made

    results, found = both(keras, tmp_path, make, epochs=3, **options), calls
    check_equal(*results)
    half = len(found) // 2
    assert found[:half] == found[half:]


@pytest.mark.parametrize("steps", [None, 3])
def test_batches_that_come_one_by_one(steps, keras, tmp_path):
    """A PyDataset, and a generator, train and end their passes as in Keras."""

    def pieces(base):
        class Pieces(base):
            ends = 0

            def __len__(self):
                return 5

            def __getitem__(self, i):
                part = slice(i * 12, (i + 1) * 12)
                return X[part].astype("f4"), Y[part], W[part]

            def on_epoch_end(self):
                self.ends += 1

        return Pieces()

    model = network()
    model.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    one, other = pieces(utils.PyDataset), pieces(keras.utils.PyDataset)
    options = {"epochs": 4, "shuffle": False, "verbose": 0}
    ours = model.fit(one, validation_data=pieces(utils.PyDataset), **options)
    check_equal(model, ours, theirs, theirs.fit(other, validation_data=other, **options))
    assert one.ends == 4

    def endless():
        while True:
            yield from (one[i] for i in range(5))

    options |= {"steps_per_epoch": steps or 5}
    ours = model.fit(endless(), **options)
    check_equal(model, ours, theirs, theirs.fit(endless(), **options))
    np.testing.assert_allclose(
        model.predict(endless(), steps=2), theirs.predict(endless(), steps=2), rtol=1e-3, atol=1e-5
    )
    found = theirs.evaluate(endless(), steps=3, verbose=0)
    np.testing.assert_allclose(model.evaluate(endless(), steps=3), found, rtol=1e-3)


def test_weights_files_go_both_ways(keras, tmp_path):
    """Weights and the optimizer's memory go to Keras and back, equal to the bit, and both train
    on alike."""
    model, _, theirs, _ = both(keras, tmp_path, model=network(Adam(0.002)), epochs=2)
    model.optimizer.learning_rate = 0.0005
    model.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    for a, b in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    options = {"batch_size": 12, "epochs": 2, "shuffle": False, "verbose": 0}
    ours, other = model.fit(X, Y, **options), theirs.fit(X.astype("f4"), Y, **options)
    check_equal(model, ours, theirs, other)
    theirs.optimizer.learning_rate = 0.004
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    again = network(Adam(0.1))
    again.load_weights(tmp_path / "theirs.weights.h5")
    for a, b in zip(again.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    state = [np.asarray(v) for v in theirs.optimizer.variables]
    for a, b in zip(again.optimizer.get_state(again.params), state, strict=True):
        np.testing.assert_array_equal(a, b)
    check_equal(again, again.fit(X, Y, **options), theirs, theirs.fit(X.astype("f4"), Y, **options))
