"""EarlyStopping: its rule with hand-made metrics, and the best weights."""

import os
import signal

import numpy as np
import pytest

import minicnn
from callback_helpers import X, Y, break_weights, fit, given, network
from minicnn.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from minicnn.errors import ConfigError, DivergenceError
from minicnn.metrics import Metric, Recall


def epochs_run(values, stop):
    callbacks = [given(stop.monitor, values), stop]
    return len(fit(network(), callbacks, len(values), validation_data=(X, Y)).epoch)


@pytest.mark.parametrize(
    ("values", "options", "epochs"),
    [
        ([5, 4, 4, 1], {}, 3),
        ([5, 6, 1, 1], {}, 2),
        ([5, 4.5, 4, 1], {"min_delta": 0.5}, 2),
        ([5, 4.4, 4, 1], {"min_delta": 0.5}, 3),
        ([5, 6, 4, 5, 6, 1], {"patience": 2}, 5),
        ([5, 4, 3, 2, 2, 1], {"baseline": 1.5, "patience": 2}, 5),
        ([5, 4, 1, 2, 3, 0], {"baseline": 1.5, "patience": 2}, 5),
        ([1, 5, 5, 3, 4, 1], {"start_from_epoch": 3}, 5),
        ([1, 2, 3, 3, 4], {"mode": "max"}, 4),
        ([1, 1.4, 2, 3], {"mode": "max", "min_delta": 0.5}, 2),
        ([1, 2, 3, 3, 4], {"monitor": "val_accuracy"}, 4),
        ([1, 2, 3], {"monitor": "val_loss"}, 2),
    ],
)
def test_early_stopping_waits(values, options, epochs):
    """It ends after so many epochs, counted by hand."""
    options = {"monitor": "val_loss"} | options
    assert epochs_run(values, EarlyStopping(**options)) == epochs


def test_early_stopping_forgets_an_earlier_run():
    """The same object serves twice, and starts fresh in the second run."""
    stop = EarlyStopping(patience=1)
    assert [epochs_run(values, stop) for values in ([1, 2, 3], [9, 8, 8, 8])] == [2, 3]


def end_early(model):
    return [EarlyStopping("f", mode="min", patience=2, restore_best_weights=True)]


def end_all(model):
    return [EarlyStopping("f", mode="min", patience=99, restore_best_weights=True)]


def end_by_exception(model):
    def fail(epoch, logs):
        if epoch == 3:
            raise RuntimeError("enough")

    return [*end_all(model), LambdaCallback(on_epoch_begin=fail)]


def end_by_ctrl_c(model):
    def press(epoch, logs):
        if epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    return [*end_all(model), LambdaCallback(on_epoch_begin=press)]


def end_by_divergence(model):
    def break_it(epoch, logs):
        if epoch == 3:
            break_weights(model)

    return [*end_all(model), LambdaCallback(on_epoch_begin=break_it)]


@pytest.mark.parametrize(
    "ending", [end_early, end_all, end_by_exception, end_by_ctrl_c, end_by_divergence]
)
def test_the_best_weights_come_back_however_it_ends(ending, capsys):
    """After all of these ends the weights are those of the second epoch, to the bit."""
    model, weights = network(), []
    note = given("f", [3, 1, 2, 2], on_test_begin=None)
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    callbacks = [note, keep, *ending(model)]
    callbacks[2].verbose = 1
    if ending in (end_by_exception, end_by_divergence):
        with pytest.raises((RuntimeError, DivergenceError)):
            fit(model, callbacks, 4)
    else:
        history = fit(model, callbacks, 4)
        assert history.interrupted == (ending is end_by_ctrl_c)
    for got, wanted in zip(model.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert "the best epoch: 2." in capsys.readouterr().out


def test_which_way_is_better_is_asked_of_the_metric():
    """A metric's name may be anything; where its class tells nothing, a mode is required."""

    class Odd(Metric):
        def reset_state(self): ...
        def update_state(self, y_true, y_pred): ...
        def result(self):
            return 1.0

    recall = Recall(name="found")
    for metrics, wanted in (([recall], True), ([], None), ([Odd("found")], None)):
        stop = EarlyStopping("val_found")
        stop.model = network()
        stop.model.metrics = metrics
        stop.params = {"validation": True}
        if wanted is None:
            with pytest.raises(ConfigError, match="expected mode 'min' or 'max' for 'val_found'"):
                stop.on_train_begin({})
        else:
            assert stop.larger_is_better is wanted


def test_a_metric_that_never_comes_is_an_error():
    """A typo is an error, and before the first step so is a missing validation."""
    for callback in (
        EarlyStopping(),
        ReduceLROnPlateau(),
        ModelCheckpoint("a.keras", save_best_only=True),
    ):
        model = network()
        message = r"expected the metric 'val_loss'.* Give fit validation_data"
        with pytest.raises(ConfigError, match=message):
            fit(model, callback)
        assert model.optimizer.iterations == 0
    with pytest.raises(ConfigError, match=r"got loss, accuracy\. Did you mean 'accuracy'"):
        fit(network(), EarlyStopping("acuracy", mode="max"))
    with pytest.raises(ConfigError, match="the metric 'val_acuracy'"):
        fit(network(), EarlyStopping("val_acuracy", mode="max"), validation_data=(X, Y))


def test_a_metric_of_several_numbers_cannot_be_followed():
    """A metric that gives one for each class is refused by name, with what to do."""
    model, one_hot = network(), np.eye(2)[Y]
    loss = minicnn.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, [minicnn.metrics.F1Score(name="f1")])
    with pytest.raises(ConfigError, match=r"'f1' as one number, got 2 .* average='macro'"):
        model.fit(X, one_hot, verbose=0, callbacks=EarlyStopping("f1"))


@pytest.mark.parametrize("value", ["0.3", "a", float("nan"), [1]])
def test_limits_are_numbers(value):
    """A baseline and a threshold that could not be compared are refused at once."""
    with pytest.raises(ConfigError, match="EarlyStopping: expected baseline as a number"):
        EarlyStopping(baseline=value)
    with pytest.raises(ConfigError, match="initial_value_threshold as a number"):
        ModelCheckpoint("a.keras", initial_value_threshold=value)


def test_epochs_without_validation_are_not_counted(tmp_path):
    """With validation_freq=2 a callback that follows a val_ metric sees every second epoch only."""
    stop = EarlyStopping(patience=1, min_delta=99)
    plateau = ReduceLROnPlateau(patience=1, min_delta=99)
    keep = ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True)
    history = fit(network(), [keep, plateau, stop], 9, validation_data=(X, Y), validation_freq=2)
    assert history.epoch == [0, 1, 2, 3]
    assert history.history["learning_rate"] == [0.1] * 4
    assert all(int(path.stem) % 2 == 0 for path in tmp_path.iterdir())
