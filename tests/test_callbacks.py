"""Callbacks: each one's rule with hand-made figures, and all of them in a training."""

import csv
import json
import os
import signal

import numpy as np
import pytest

import minicnn
from minicnn import SGD, Adam, Dense, Dropout, Input, Sequential
from minicnn._parallel import shards
from minicnn.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
    TimeBudget,
)
from minicnn.callbacks import time_budget as clock
from minicnn.errors import ConfigError, DivergenceError, ModelFileError
from minicnn.metrics import Metric, Recall
from minicnn.optimizers.schedules import ExponentialDecay

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


def epochs_run(values, stop):
    callbacks = [given(stop.monitor, values), stop]
    return len(fit(network(), callbacks, len(values), validation_data=(X, Y)).epoch)


# EarlyStopping ---------------------------------------------------------------------------


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


def test_early_stopping_forgets_an_earlier_training():
    """The same object serves twice, and the second training begins anew."""
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


def break_weights(model):
    model.set_weights([np.nan * weights for weights in model.get_weights()])


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
    """A metric's own name may be anything; where its class tells nothing, a mode is wanted."""

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


def test_a_figure_that_never_comes_is_an_error():
    """A typo, and before the first step a validation that there is not, are said."""
    for callback in (
        EarlyStopping(),
        ReduceLROnPlateau(),
        ModelCheckpoint("a.keras", save_best_only=True),
    ):
        model = network()
        message = r"expected the figure 'val_loss'.* Give fit validation_data"
        with pytest.raises(ConfigError, match=message):
            fit(model, callback)
        assert model.optimizer.iterations == 0
    with pytest.raises(ConfigError, match=r"got loss, accuracy\. Did you mean 'accuracy'"):
        fit(network(), EarlyStopping("acuracy", mode="max"))
    with pytest.raises(ConfigError, match="the figure 'val_acuracy'"):
        fit(network(), EarlyStopping("val_acuracy", mode="max"), validation_data=(X, Y))


def test_several_figures_cannot_be_followed():
    """A metric that gives one for each class is refused by name, with what to do."""
    model, one_hot = network(), np.eye(2)[Y]
    loss = minicnn.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, [minicnn.metrics.F1Score(name="f1")])
    with pytest.raises(ConfigError, match=r"'f1' as one figure, got 2 .* average='macro'"):
        model.fit(X, one_hot, verbose=0, callbacks=EarlyStopping("f1"))


@pytest.mark.parametrize("value", ["0.3", "a", float("nan"), [1]])
def test_limits_are_numbers(value):
    """A baseline and a threshold that could not be compared are refused at once."""
    with pytest.raises(ConfigError, match="EarlyStopping: expected baseline as a number"):
        EarlyStopping(baseline=value)
    with pytest.raises(ConfigError, match="initial_value_threshold as a number"):
        ModelCheckpoint("a.keras", initial_value_threshold=value)


def test_epochs_without_validation_are_not_counted(tmp_path):
    """With validation_freq=2 what follows a val_ figure looks at every second epoch alone."""
    stop = EarlyStopping(patience=1, min_delta=99)
    plateau = ReduceLROnPlateau(patience=1, min_delta=99)
    keep = ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True)
    history = fit(network(), [keep, plateau, stop], 9, validation_data=(X, Y), validation_freq=2)
    assert history.epoch == [0, 1, 2, 3]
    assert history.history["learning_rate"] == [0.1] * 4
    assert all(int(path.stem) % 2 == 0 for path in tmp_path.iterdir())


# Rates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "options", "rates"),
    [
        ([5, 4, 4, 4, 4], {"patience": 1}, [1, 1, 1, 0.1, 0.01]),
        ([5, 5, 5, 5, 5, 5], {"patience": 1, "cooldown": 2}, [1, 1, 0.1, 0.1, 0.01, 0.01]),
        ([5, 5, 5, 5, 5, 5], {"patience": 2, "cooldown": 1}, [1, 1, 1, 0.1, 0.1, 0.01]),
        ([5, 5, 5, 5], {"patience": 1, "factor": 0.5, "min_lr": 0.4}, [1, 1, 0.5, 0.4]),
        ([5, 4.99995, 4.99992, 1], {"patience": 1}, [1, 1, 0.1, 0.01]),
        ([1, 2, 3, 3], {"patience": 1, "mode": "max"}, [1, 1, 1, 1]),
    ],
)
def test_reduce_lr_on_plateau(values, options, rates):
    """The rate of each epoch, worked out by hand, is in the history."""
    plateau = ReduceLROnPlateau("f", **{"mode": "min"} | options)
    history = fit(network(optimizer=SGD(1.0)), [given("f", values), plateau], len(values))
    assert history.history["learning_rate"] == pytest.approx(rates)


@pytest.mark.parametrize("factor", [1, 1.5, 0, -1, "a", float("nan")])
def test_a_factor_that_lowers_nothing_is_refused(factor):
    """The factor must lie between 0 and 1."""
    with pytest.raises(ConfigError, match="ReduceLROnPlateau: expected factor"):
        ReduceLROnPlateau(factor=factor)


def test_learning_rate_scheduler():
    """A function of the epoch, or of the epoch and the rate, sets it before the epoch."""
    for schedule, wanted in (
        (lambda epoch: 1 / (epoch + 1), [1, 1 / 2, 1 / 3]),
        (lambda epoch, rate: rate / 2, [0.05, 0.025, 0.0125]),
    ):
        history = fit(network(), LearningRateScheduler(schedule))
        assert history.history["learning_rate"] == pytest.approx(wanted)


def test_a_schedule_that_fails_says_so_itself():
    """A TypeError from within the function is not taken for one of its signature."""

    def schedule(epoch, rate):
        return "a" + epoch

    with pytest.raises(TypeError, match="can only concatenate"):
        fit(network(), LearningRateScheduler(schedule))
    with pytest.raises(ConfigError, match="the rate of its schedule as a number, 0 or more"):
        fit(network(), LearningRateScheduler(lambda epoch: -1))
    with pytest.raises(ConfigError, match=r"expected a function, got 0\.1"):
        LearningRateScheduler(0.1)


@pytest.mark.parametrize("callback", [ReduceLROnPlateau("loss"), LearningRateScheduler(float)])
def test_a_schedule_and_a_callback_do_not_share_the_rate(callback):
    """An optimizer with a schedule is refused before the first step."""
    model = network(optimizer=SGD(ExponentialDecay(0.1, 10, 0.9)))
    with pytest.raises(ConfigError, match="Use the one or the other"):
        fit(model, callback)
    assert model.optimizer.iterations == 0


# Files -----------------------------------------------------------------------------------


def test_checkpoints_are_named(tmp_path):
    """Names count epochs from 1 and hold figures; what is saved is the model of that epoch."""
    model, weights = network(), []
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    path = tmp_path / "new" / "m-{epoch:02d}-{f:.1f}.keras"
    fit(model, [given("f", [3, 1, 2]), keep, ModelCheckpoint(path)])
    names = ["m-01-3.0.keras", "m-02-1.0.keras", "m-03-2.0.keras"]
    assert sorted(path.name for path in path.parent.iterdir()) == names
    again = minicnn.load_model(path.parent / names[1]).get_weights()
    assert all(map(np.array_equal, again, weights[1]))


def test_only_the_best_is_kept(tmp_path):
    """save_best_only writes when the figure beats the best, and the threshold, and on a second fit
    goes on from there."""
    for threshold, wanted in ((None, [1, 2, 4]), (2, [4])):
        folder = tmp_path / str(threshold)
        keep = ModelCheckpoint(
            folder / "{epoch}.weights.h5",
            "f",
            mode="min",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=threshold,
        )
        model = network()
        fit(model, [given("f", [3, 2, 2, 1]), keep], 4)
        fit(model, [given("f", [3, 2, 1]), keep])
        assert sorted(int(path.name.split(".")[0]) for path in folder.iterdir()) == wanted
        last = network(seed=1)
        last.load_weights(folder / "4.weights.h5")


def test_checkpoints_after_batches(tmp_path):
    """save_freq counts batches through all epochs: of nine, the fourth and the eighth."""
    path = tmp_path / "{epoch}-{batch}.keras"
    fit(network(), ModelCheckpoint(path, save_freq=4))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["2-1", "3-2"]


@pytest.mark.parametrize("best", [False, True])
def test_epochs_without_the_figures_of_their_name_are_not_saved(best, tmp_path):
    """With validation_freq=2 the epochs without val_loss are left out, not an error."""
    path = tmp_path / "{epoch}-{val_loss:.2f}.keras"
    keep = ModelCheckpoint(path, "loss", save_best_only=best)
    history = fit(network(), keep, 4, validation_data=(X, Y), validation_freq=2)
    names = [f"{e}-{history.history['val_loss'][e // 2 - 1]:.2f}.keras" for e in (2, 4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_checkpoints_that_cannot_be(tmp_path):
    """Wrong endings are refused at once, and a name that is no figure when it is wanted."""
    for path, options in (("a.h5", {}), ("a.keras", {"save_weights_only": True})):
        with pytest.raises(ConfigError, match="expected a filepath that ends in"):
            ModelCheckpoint(path, **options)
    for options in ({"mode": "best"}, {"save_freq": 0}, {"save_freq": "batch"}):
        with pytest.raises(ConfigError, match="ModelCheckpoint: expected"):
            ModelCheckpoint("a.keras", **options)
    with pytest.raises(ConfigError, match="the names loss, accuracy, epoch alone"):
        fit(network(), ModelCheckpoint(tmp_path / "{val_loss}.keras"))


def rows(path, separator=","):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=separator))


def test_csv_logger(tmp_path):
    """A row an epoch, readable while the training goes on; append goes on without a header."""
    path, seen = tmp_path / "log.csv", []
    look = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(len(rows(path, ";"))))
    history = fit(network(), [CSVLogger(path, ";"), look], validation_data=(X, Y))
    assert seen == [2, 3, 4]
    names = sorted(history.history)
    columns = [history.history[name] for name in names]
    assert rows(path, ";") == [
        ["epoch", *names],
        *([str(epoch), *map(str, row)] for epoch, row in enumerate(zip(*columns, strict=True))),
    ]
    fit(network(), CSVLogger(path, ";", append=True), 5, initial_epoch=3)
    assert [row[0] for row in rows(path, ";")] == ["epoch", "0", "1", "2", "3", "4"]
    assert rows(path, ";")[-1][-1] == "NA"
    fit(network(), CSVLogger(path, append=False), 1)
    assert len(rows(path)) == 2
    with pytest.raises(ConfigError, match="separator as one character"):
        CSVLogger(path, "::")


def test_csv_logger_makes_its_folder(tmp_path):
    """A folder that is missing is made; a file that cannot be is said in one line."""
    fit(network(), CSVLogger(tmp_path / "new" / "log.csv"), 1)
    assert len(rows(tmp_path / "new" / "log.csv")) == 2
    for path in (tmp_path / "new", tmp_path / "new" / "log.csv" / "a"):
        with pytest.raises(ConfigError, match="cannot be "):
            fit(network(), CSVLogger(path), 1)


def test_csv_logger_writes_several_figures_as_a_list(tmp_path):
    """The numbers of each class are in one cell, to the last digit."""
    figures = np.array([1 / 3, 2 / 3, 0.25])
    fit(network(), [given("f", [figures]), CSVLogger(tmp_path / "log.csv")], 1)
    head, row = rows(tmp_path / "log.csv")
    assert json.loads(row[head.index("f")]) == figures.tolist()


def test_csv_logger_with_validation_now_and_then(tmp_path):
    """The columns of the validation are there though the first epoch has none."""
    fit(network(), CSVLogger(tmp_path / "a"), validation_data=(X, Y), validation_freq=2)
    head, *body = rows(tmp_path / "a")
    assert head == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert [row[-1] == "NA" for row in body] == [True, False, True]


LOGS = [
    {"loss": 0.5, "accuracy": 0.25},
    {"learning_rate": 0.1, "loss": 0.75, "val_loss": np.float32(0.5), "accuracy": 1.0},
    {"accuracy": 0.5, "f1": np.array([0.25, 0.5])},
    {"hits": 3, "loss": 2.0},
]


@pytest.mark.parametrize("cut", range(len(LOGS) + 1))
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_each_number_is_under_its_own_heading(tmp_path, cut, separator):
    """Whatever comes in whichever epoch, and wherever another logger goes on with the file."""
    path = tmp_path / "log.csv"
    for first, last, append in ((0, cut, False), (cut, len(LOGS), True)):
        log = CSVLogger(path, separator, append=append)
        log.on_train_begin({})
        for epoch in range(first, last):
            log.on_epoch_end(epoch, LOGS[epoch])
    head, *body = rows(path, separator)
    assert len(set(head)) == len(head)
    assert head[:3] == ["epoch", "accuracy", "loss"]
    for epoch, (row, logs) in enumerate(zip(body, LOGS, strict=True)):
        found = dict(zip(head, row, strict=True))
        assert found.pop("epoch") == str(epoch)
        for name, text in found.items():
            value = logs.get(name, "NA")
            assert text == str(value.tolist() if isinstance(value, np.ndarray) else value)


@pytest.mark.parametrize(
    "text",
    [
        b"name,loss\nmine,0.5\n",
        b"epoch;loss\n0;0.5\n",
        b"epoch,loss\n0,0.5,0.25\n",
        b"epoch,loss,loss\n0,0.5,0.25\n",
        b"epoch,loss\n0,0.5\nepoch,accuracy\n0,0.25\n",
        b"\x89HDF\r\n\x1a\n\x00\xff",
        b"\n\n",
    ],
)
def test_what_is_no_log_is_not_appended_to(tmp_path, text):
    """It is refused in one line before the first step, and stays as it is."""
    path = tmp_path / "log.csv"
    path.write_bytes(text)
    model = network()
    before = model.get_weights()
    with pytest.raises(ConfigError, match="expected a table to append to"):
        fit(model, CSVLogger(path, append=True), 1)
    assert path.read_bytes() == text
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfepoch,loss\r\n0,0.5", b"epoch,loss\n0,0.5\n", b""])
def test_a_log_that_was_edited_is_appended_to(tmp_path, text):
    """A missing last end of line, Windows' ends of lines and mark, or an empty file do no harm."""
    path = tmp_path / "log.csv"
    path.write_bytes(text)
    log = CSVLogger(path, append=True)
    log.on_train_begin({})
    log.on_epoch_end(1, {"loss": 0.25, "accuracy": 1.0})
    with open(path, newline="", encoding="utf-8-sig") as file:
        found = list(csv.DictReader(file))
    if text:
        assert (found[0]["epoch"], found[0]["loss"]) == ("0", "0.5")
    assert (found[-1]["epoch"], found[-1]["loss"], found[-1]["accuracy"]) == ("1", "0.25", "1.0")
    assert len(found) == 1 + bool(text)


@pytest.mark.parametrize("optimizer", [lambda: SGD(0.1, momentum=0.9), Adam])
@pytest.mark.parametrize("killed_in", [(1, 2), (2, 0), (4, 1), (4, "end")])
def test_a_killed_training_goes_on(optimizer, killed_in, tmp_path):
    """Run again in a new model it ends in the bits of the run left alone, and cleans up."""

    def made(seed):
        return network(seed, optimizer(), Dropout(0.3))

    def halve(epoch, logs):
        last.model.optimizer.learning_rate *= 0.7

    last = LambdaCallback(on_epoch_end=halve)
    alone = made(0)
    fit(alone, last, 5)
    epoch = 0

    def begin(number, logs):
        nonlocal epoch
        epoch = number

    def kill(batch, logs):
        if (epoch, batch) == killed_in:
            raise RuntimeError("killed")

    killer = LambdaCallback(
        on_epoch_begin=begin,
        on_train_batch_begin=kill,
        on_epoch_end=lambda number, logs: kill("end", logs),
    )
    with pytest.raises(RuntimeError, match="killed"):
        fit(made(0), [last, killer, BackupAndRestore(tmp_path)], 5)
    assert len(list(tmp_path.iterdir())) == 2
    again = made(None)
    history = fit(again, [last, BackupAndRestore(tmp_path)], 5)
    assert history.history == alone.history.history
    assert history.epoch == list(range(5))
    assert all(map(np.array_equal, alone.get_weights(), again.get_weights()))
    assert not list(tmp_path.iterdir())


def test_backups_leave_other_files_alone(tmp_path):
    """A file of another name in the same folder is neither read nor deleted."""
    other = tmp_path / "checkpoint.weights.h5"
    other.write_bytes(b"mine")
    fit(network(), BackupAndRestore(tmp_path, save_freq=2))
    assert other.read_bytes() == b"mine"
    fit(network(), BackupAndRestore(tmp_path, delete_checkpoint=False))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint.h5", "checkpoint.previous.h5", "checkpoint.weights.h5"]
    batches = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    history = fit(network(), [watch, BackupAndRestore(tmp_path, delete_checkpoint=False)])
    assert (history.epoch, batches) == ([0, 1, 2], [])


def test_a_backup_that_does_not_fit_changes_nothing(tmp_path):
    """The backup of another model, and a damaged one, are refused."""
    fit(network(), BackupAndRestore(tmp_path, delete_checkpoint=False))
    other = network(0, None, Dense(3))
    model = network()
    for broken, target in ((False, other), (True, model)):
        if broken:
            for path in tmp_path.iterdir():
                path.write_text("broken")
        before = target.get_weights(), target.rng.bit_generator.state
        with pytest.raises((ConfigError, ModelFileError), match="expected"):
            fit(target, BackupAndRestore(tmp_path))
        assert all(map(np.array_equal, before[0], target.get_weights()))
        assert before[1] == target.rng.bit_generator.state


# Ends ------------------------------------------------------------------------------------


def test_terminate_on_nan(capsys):
    """What is an error without it ends the training quietly, with the epochs before recorded."""
    for callbacks in ([], [TerminateOnNaN()]):
        model = network()

        def break_it(epoch, logs, model=model):
            if epoch == 2:
                break_weights(model)

        callbacks = [*callbacks, LambdaCallback(on_epoch_begin=break_it)]
        if len(callbacks) == 1:
            with pytest.raises(DivergenceError):
                fit(model, callbacks, 5)
        else:
            assert fit(model, callbacks, 5).epoch == [0, 1]


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [(90, 90), (1.5, 1.5), ("90s", 90), ("5min", 300), ("1h30min", 5400), (" 1h 30 m ", 5400)],
)
def test_budgets_are_read(budget, seconds):
    """Seconds, or text with units."""
    assert TimeBudget(budget).seconds == seconds


@pytest.mark.parametrize("budget", ["", "90", "5 parsecs", "min", -1, 0, "0s", True, None, [1]])
def test_budgets_that_are_none(budget):
    """Anything else is one clear line."""
    with pytest.raises(ConfigError, match="fit: expected time_budget"):
        TimeBudget(budget)


@pytest.mark.parametrize(
    ("budget", "batches"),
    [(2.5, [3]), (3, [3]), (5, [3]), (6.5, [3, 3]), (1.5, [2]), (100, [3, 3, 3])],
)
def test_time_budget(budget, batches, monkeypatch):
    """With a clock that a batch moves on by a second, so many batches are done in each epoch."""
    now = 0.0

    def tick(batch, logs):
        nonlocal now
        now += 1
        done[-1] += 1

    monkeypatch.setattr(clock.time, "monotonic", lambda: now)
    done = []
    ticking = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: done.append(0), on_train_batch_end=tick
    )
    history = fit(network(), ticking, time_budget=budget)
    assert done == batches
    assert history.epoch == list(range(len(batches)))


@pytest.mark.parametrize(
    ("budget", "batches", "judged"),
    [(2.5, 3, 0), (4.5, 3, 2), (9, 3, 3)],
)
def test_time_budget_holds_for_validation(budget, batches, judged, monkeypatch):
    """A validation is left out, or cut, when time is up; its figures are then not recorded."""
    now, done = 0.0, {"train": 0, "test": 0}

    def tick(kind):
        def move(batch, logs):
            nonlocal now
            now += 1
            done[kind] += 1

        return move

    monkeypatch.setattr(clock.time, "monotonic", lambda: now)
    ticking = LambdaCallback(on_train_batch_end=tick("train"), on_test_batch_end=tick("test"))
    options = {"validation_data": (X, Y), "validation_batch_size": 8, "time_budget": budget}
    history = fit(network(), [ticking, EarlyStopping()], **options)
    assert done == {"train": batches, "test": judged}
    assert history.epoch == [0]
    assert ("val_loss" in history.history) == (judged == 3)


# The moments -----------------------------------------------------------------------------


class Recorder:
    """A class without a parent, with a method for every moment."""

    def __init__(self, calls, name=""):
        self.calls = calls
        self.name = name

    def __getattr__(self, name):
        raise AttributeError(name)

    def _note(self, *what):
        self.calls.append((self.name, *what) if self.name else what)


def _method(event):
    def method(self, *arguments):
        self._note(event, *arguments[:-1])

    return method


for _event in minicnn.callbacks.callback_list.EVENTS:
    setattr(Recorder, _event, _method(_event))


def test_the_order_of_all_moments():
    """Two epochs of two batches, the second one validated, in order."""
    calls = []
    model = network()
    history = model.fit(
        X[:12],
        Y[:12],
        batch_size=8,
        epochs=2,
        verbose=0,
        callbacks=Recorder(calls),
        validation_data=(X[:6], Y[:6]),
        validation_batch_size=4,
        validation_freq=2,
    )
    assert calls == [
        ("on_train_begin",),
        ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0),
        ("on_train_batch_end", 0),
        ("on_train_batch_begin", 1),
        ("on_train_batch_end", 1),
        ("on_epoch_end", 0),
        ("on_epoch_begin", 1),
        ("on_train_batch_begin", 0),
        ("on_train_batch_end", 0),
        ("on_train_batch_begin", 1),
        ("on_train_batch_end", 1),
        ("on_test_begin",),
        ("on_test_batch_begin", 0),
        ("on_test_batch_end", 0),
        ("on_test_batch_begin", 1),
        ("on_test_batch_end", 1),
        ("on_test_end",),
        ("on_epoch_end", 1),
        ("on_train_end",),
    ]
    assert history.history.keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_callbacks_are_called_in_the_order_of_the_list():
    """Nested lists and None too; a figure put into the logs is seen by the next and kept."""
    calls, seen = [], []
    first, second = Recorder(calls, "a"), Recorder(calls, "b")
    put = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(f=7))
    look = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    history = fit(network(), [first, [None, (second,)], look, put, look], 1)
    assert [call[0] for call in calls] == ["a", "b"] * (len(calls) // 2)
    assert ["f" in logs for logs in seen] == [False, True]
    assert history.history["f"] == [7]


def test_what_a_callback_knows():
    """The model, and how it is trained; methods that set them are called, and logs have figures."""

    class Old:
        def set_model(self, model):
            self.mine = model

        def set_params(self, params):
            self.how = params

        def on_batch_end(self, batch, logs):
            assert set(logs) == {"loss", "accuracy"}
            self.last = batch

        def on_train_end(self, logs):
            self.logs = logs

    old, new, model = Old(), Callback(), network()
    new.on_epoch_end = lambda epoch, logs: None
    history = fit(model, [old, new])
    assert (old.mine, old.last, new.model) == (model, 2, model)
    assert old.how["epochs"] == new.params["epochs"] == old.how["steps"] == 3
    assert old.logs == {name: values[-1] for name, values in history.history.items()}


def test_the_last_logs_are_those_of_the_last_epoch():
    """What an earlier epoch's validation brought is not in those of on_train_end, as in Keras."""
    seen = []
    end = LambdaCallback(on_train_end=seen.append)
    fit(network(), end, validation_data=(X, Y), validation_freq=2)
    assert set(seen[0]) == {"loss", "accuracy"}


def test_stopping_in_mid_epoch():
    """stop_training ends it after the batch at hand; the epoch is validated and recorded."""
    calls = []
    recorder, model = Recorder(calls), network()

    def stop(batch, logs):
        model.stop_training = batch == 1

    callbacks = [recorder, LambdaCallback(on_batch_end=stop)]
    history = fit(model, callbacks, validation_data=(X, Y))
    assert model.optimizer.iterations == 2
    assert [call[1] for call in calls if call[0] == "on_train_batch_end"] == [0, 1]
    assert history.epoch == [0]
    assert "val_loss" in history.history


def test_a_parent_s_methods_can_be_called_and_do_nothing():
    """A callback may call ``super()`` as Keras' do, and on_batch_end is still found behind it."""
    seen = []

    class Polite(Callback):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs=logs)
            seen.append("epoch")

        def on_batch_end(self, batch, logs=None):
            super().on_batch_end(batch, logs)
            seen.append("batch")

    fit(network(), Polite(), epochs=1)
    assert seen[-2:] == ["batch", "epoch"]


class Typo:
    def on_epoch_finish(self, epoch, logs): ...


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Typo(), r"Typo has a method 'on_epoch_finish', which is never called"),
        (EarlyStopping, r"got the class EarlyStopping\. Make one: EarlyStopping\(\.\.\.\)"),
        (object(), "expected callbacks with methods such as on_epoch_end"),
        ("early", "expected callbacks with methods such as on_epoch_end, got 'early'"),
        ([3], "expected callbacks with methods such as on_epoch_end, got 3"),
    ],
)
def test_what_is_no_callback(wrong, message):
    """A typo, a class and other things are refused before the first step; the history stays."""
    model = network()
    model.history = before = minicnn.callbacks.History()
    with pytest.raises(ConfigError, match=message):
        fit(model, wrong)
    assert model.optimizer.iterations == 0
    assert model.history is before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: EarlyStopping(patiance=3), r"^EarlyStopping: .*'patiance'.*Did you mean 'patien"),
        (lambda: TimeBudget(), "^TimeBudget: missing a required argument: 'budget'"),
        (lambda: TimeBudget(1, 2), "^TimeBudget: too many positional arguments"),
        (lambda: BackupAndRestore("a", double_checkpoint=True), "^BackupAndRestore: .*'double_"),
        (lambda: TerminateOnNaN(raise_error=True), "^TerminateOnNaN: argument 'raise_error'"),
    ],
)
def test_arguments_that_a_callback_does_not_take(wrong, message):
    """They are refused by name, as those of a layer; what changes nothing is not."""
    with pytest.raises(ConfigError, match=message):
        wrong()
    assert BackupAndRestore("a", double_checkpoint=False).save_freq == "epoch"


def test_a_callback_of_ones_own_takes_what_it_wants():
    """A class derived from one here hands on what it wants, with setters that call super()."""

    class Mine(EarlyStopping):
        def __init__(self, *figures, **options):
            super().__init__(figures[0], **options)
            self.seen = []

        def set_model(self, model):
            super().set_model(model)
            self.seen.append(model)

        def set_params(self, params):
            super().set_params(params)
            self.seen.append(params["epochs"])

    mine, model = Mine("loss", 7, patience=2), network()
    fit(model, mine, 1)
    assert (mine.monitor, mine.patience, mine.model) == ("loss", 2, model)
    assert mine.seen == [model, 1]


def test_a_history_given_is_the_one_returned():
    """It has what any other would, and begins anew in a second training."""
    given_one, model = minicnn.callbacks.History(), network()
    for epochs in (3, 2):
        history = fit(model, [given_one, LearningRateScheduler(lambda epoch: 0.1)], epochs)
        assert history is given_one is model.history
        assert history.epoch == list(range(epochs))
        assert [len(values) for values in history.history.values()] == [epochs] * 3


def test_functions_that_are_none():
    """LambdaCallback takes functions, under the names of the moments."""
    with pytest.raises(ConfigError, match=r"got 'on_epoch_ends'\. Did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ends=print)
    with pytest.raises(ConfigError, match="expected a function as on_epoch_end, got 3"):
        LambdaCallback(on_epoch_end=3)


def test_what_is_foreign():
    """Callbacks of the library's own change no layer, unless they were given a function."""

    class Mine(EarlyStopping): ...

    patched = Callback()
    patched.on_epoch_end = print
    foreign = [Mine(), patched, LambdaCallback(on_epoch_end=print), LearningRateScheduler(float)]
    foreign.append(Recorder([]))
    own = [EarlyStopping(), CSVLogger("a"), TimeBudget(1), TerminateOnNaN(), BackupAndRestore("a")]
    hooks = minicnn.callbacks.callback_list.Hooks
    assert all(hooks(callback, None, {}).foreign for callback in foreign)
    assert not hooks(own, None, {}).foreign


# Callbacks and partners ------------------------------------------------------------------


def set_weights(model, epoch, batch):
    if batch == 1:
        model.set_weights([0.9 * weights for weights in model.get_weights()])


def set_an_argument(model, epoch, batch):
    if (epoch, batch) == (0, 0):
        model.layers[3].rate = 0.7


def freeze(model, epoch, batch):
    if batch == 1:
        model.layers[1].trainable = epoch == 1


def set_what_is_frozen(model, epoch, batch):
    model.layers[1].trainable = False
    if batch == 1:
        model.layers[1].params["kernel"][...] *= 2


@pytest.mark.parametrize("change", [set_weights, set_an_argument, freeze, set_what_is_frozen])
@pytest.mark.parametrize("event", ["on_train_batch_end", "on_train_batch_begin", "on_epoch_end"])
def test_what_a_callback_changes_counts_with_partners_too(change, event, monkeypatch):
    """Weights from the next batch, arguments from the next epoch: the bits are those of no
    partners."""
    for name in ("WORTH_CUTTING", "WORTH_FORKING"):
        monkeypatch.setattr(shards, name, 0)
    monkeypatch.setattr(shards, "SMALLEST", 2)
    forked, found, fork = [], [], os.fork

    def watched():
        forked.append(fork())
        return forked[-1]

    monkeypatch.setattr(shards.os, "fork", watched)
    x = rng.normal(size=(24, 6, 6, 2)).astype(np.float32)
    y = rng.integers(0, 3, 24)
    for partners in (True, False, None):
        monkeypatch.setattr(shards, "may_fork", lambda partners=partners: partners)
        layers = [minicnn.Input((6, 6, 2)), minicnn.Rescaling(2)]
        layers += [minicnn.Conv2D(4, 3, activation="relu", kernel_regularizer="l2")]
        layers += [minicnn.Flatten(), Dropout(0.1), Dense(3, activation="softmax")]
        model = Sequential(layers, seed=3)
        model.compile(Adam(0.01), "sparse_categorical_crossentropy")
        at = [0]

        def act(number, logs, model=model, at=at):
            if event == "on_epoch_end":
                change(model, number, 0)
                change(model, number, 1)
            else:
                change(model, at[0], number)

        def note(epoch, logs, at=at):
            at[0] = epoch

        callback = LambdaCallback(**{"on_epoch_begin": note, event: act})
        callbacks = callback if partners is not None else None
        minicnn.set_threads(2)
        try:
            model.fit(x, y, batch_size=8, epochs=4, verbose=0, callbacks=callbacks)
        finally:
            minicnn.set_threads(None)
        found.append([weights.tobytes() for weights in model.get_weights()])
    assert len(forked) == 4
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_drive_that_fills_costs_no_run(tmp_path, monkeypatch):
    """What cannot be written any more is a warning; what cannot be written at all is an error."""
    monkeypatch.chdir(tmp_path)

    def block(epoch, logs):
        for name in ("log.csv", "m.keras"):
            if epoch == 1:
                os.unlink(name)
                os.mkdir(name)

    model = network()
    last = LambdaCallback(on_epoch_begin=block)
    with pytest.warns(RuntimeWarning) as said:
        history = model.fit(
            X,
            Y,
            epochs=3,
            verbose=0,
            callbacks=[last, CSVLogger("log.csv"), ModelCheckpoint("m.keras")],
        )
    assert len(history.history["loss"]) == 3
    lines = [str(warning.message) for warning in said]
    assert sum("without the row of epoch" in line for line in lines) == 2
    assert sum("The run goes on without this file." in line for line in lines) == 2
    for callback in (CSVLogger("log.csv"), ModelCheckpoint("m.keras")):
        with pytest.raises(ConfigError, match="cannot be written"):
            model.fit(X, Y, verbose=0, callbacks=[callback])
