"""Files that callbacks write: models, logs and backups."""

import csv
import json
import os

import numpy as np
import pytest

import minicnn
from callback_helpers import X, Y, fit, given, network
from minicnn import SGD, Adam, Dense, Dropout
from minicnn.callbacks import BackupAndRestore, CSVLogger, LambdaCallback, ModelCheckpoint
from minicnn.errors import ConfigError, ModelFileError


def test_checkpoints_are_named(tmp_path):
    """Names count epochs from 1 and hold logs; the file has the model of that epoch."""
    model, weights = network(), []
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    path = tmp_path / "new" / "m-{epoch:02d}-{f:.1f}.keras"
    fit(model, [given("f", [3, 1, 2]), keep, ModelCheckpoint(path)])
    names = ["m-01-3.0.keras", "m-02-1.0.keras", "m-03-2.0.keras"]
    assert sorted(path.name for path in path.parent.iterdir()) == names
    again = minicnn.load_model(path.parent / names[1]).get_weights()
    assert all(map(np.array_equal, again, weights[1]))


def test_only_the_best_is_kept(tmp_path):
    """save_best_only writes when the metric beats the best, and the threshold, and continues from
    there in a second fit."""
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
def test_epochs_without_the_metrics_of_their_name_are_not_saved(best, tmp_path):
    """With validation_freq=2 the epochs without val_loss are left out, not an error."""
    path = tmp_path / "{epoch}-{val_loss:.2f}.keras"
    keep = ModelCheckpoint(path, "loss", save_best_only=best)
    history = fit(network(), keep, 4, validation_data=(X, Y), validation_freq=2)
    names = [f"{e}-{history.history['val_loss'][e // 2 - 1]:.2f}.keras" for e in (2, 4)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_checkpoints_that_cannot_be(tmp_path):
    """Wrong endings are refused at once, and a name that is no metric when it is needed."""
    for path, options in (("a.weights.h5", {}), ("a.keras", {"save_weights_only": True})):
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
    """A row an epoch, readable during the run; append adds rows without a header."""
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


def test_csv_logger_writes_several_numbers_as_a_list(tmp_path):
    """The numbers of each class are in one cell, to the last digit."""
    values = np.array([1 / 3, 2 / 3, 0.25])
    fit(network(), [given("f", [values]), CSVLogger(tmp_path / "log.csv")], 1)
    head, row = rows(tmp_path / "log.csv")
    assert json.loads(row[head.index("f")]) == values.tolist()


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
def test_each_number_is_under_its_heading(tmp_path, cut, separator):
    """In whichever epoch it comes, and wherever another logger continues the file."""
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
def test_a_killed_run_is_resumed(optimizer, killed_in, tmp_path):
    """Run again in a new model it ends with the bits of an uninterrupted run, and cleans up."""

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
    assert len(list(tmp_path.iterdir())) == 3
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
    assert names == [
        *("checkpoint.h5", "checkpoint.previous.h5", "checkpoint.start.h5"),
        "checkpoint.weights.h5",
    ]
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


def test_a_drive_that_fills_costs_no_run(tmp_path, monkeypatch):
    """A file that fails later is a warning; one that cannot be written at all is an error."""
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
