"""Checkpoints: what is written when, what is refused, and whose folder it is."""

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

import minicnn
from checkpoint_helpers import X, Y, fit, network
from minicnn import Adam, Dense, Input, Sequential
from minicnn._files import checkpoint
from minicnn._files.lock import held
from minicnn._training import checkpoints
from minicnn.callbacks import EarlyStopping, LambdaCallback
from minicnn.errors import ConfigError
from minicnn.optimizers import SGD
from minicnn.optimizers.schedules import ExponentialDecay


def test_when_they_are_written(tmp_path, monkeypatch):
    """After an epoch if that takes a twentieth of the time; within one after 30 seconds too."""
    now = 0.0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    points = checkpoints.Checkpoints(tmp_path, {}, {}, None, {})

    def state():
        nonlocal now
        now += 0.5
        return {}

    assert points.due(1, 0, 9)
    points.write(state)
    seen = []
    for moment in (10.0, 10.6, 30.0, 30.6):
        now = moment
        seen.append((points.due(1, 0, 9), points.due(1, 3, 9)))
    assert seen == [(False, False), (True, False), (True, False), (True, True)]
    points.cost = 3.0
    assert not points.due(1, 0, 9)
    by_batches = checkpoints.Checkpoints(tmp_path, {}, {}, 4, {})
    assert [by_batches.due(1, step, 9) for step in range(9)] == [i in (3, 7) for i in range(9)]
    by_epochs = checkpoints.Checkpoints(tmp_path, {}, {}, "epoch", {})
    assert [by_epochs.due(1, step, 9) for step in range(9)] == [i == 0 for i in range(9)]


def test_a_run_that_is_through(tmp_path):
    """Resumed it gives its history at once; with more epochs it is that of a longer run."""
    stop = EarlyStopping("loss", mode="max", restore_best_weights=True, patience=9)
    first = network()
    history = fit(first, tmp_path, 2, callbacks=stop)
    batches = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    again = network(seed=None)
    assert fit(again, tmp_path, 2, resume=True, callbacks=[watch, stop]).history == history.history
    assert batches == []
    assert all(map(np.array_equal, first.get_weights(), again.get_weights()))
    longer = network(seed=None)
    more = fit(longer, tmp_path, 4, resume=True, callbacks=[watch, stop])
    alone = network()
    assert more.history == fit(alone, None, 4, callbacks=[stop]).history
    assert more.epoch == [0, 1, 2, 3]
    assert len(batches) == 6
    assert all(map(np.array_equal, alone.get_weights(), longer.get_weights()))


def test_a_folder_that_has_a_checkpoint_is_not_overwritten(tmp_path):
    """Without resume=True it is refused in one line, and what is there stays."""
    fit(network(), tmp_path)
    before = (tmp_path / "checkpoint.h5").read_bytes()
    with pytest.raises(ConfigError, match=r"expected a folder without .* Give resume=True to go"):
        fit(network(), tmp_path)
    assert (tmp_path / "checkpoint.h5").read_bytes() == before
    with pytest.raises(ConfigError, match="expected checkpoint=, the folder"):
        fit(network(), None, resume=True)
    with pytest.raises(ConfigError, match="expected checkpoint= or BackupAndRestore, got both"):
        fit(network(), tmp_path, callbacks=minicnn.callbacks.BackupAndRestore(tmp_path))


OTHERS = {
    "seed was 0 and is now 1": {"seed": 1},
    "batch_size was 8 and is now 4": {"batch_size": 4},
    "batch_size was 8 and is now 5": {"batch_size": np.int64(5)},
    "shuffle was True and is now False": {"shuffle": False},
    "steps_per_epoch was None and is now 2": {"steps_per_epoch": 2},
    "initial_epoch was 0 and is now 1": {"initial_epoch": 1},
    "data.x.shape[0] was 20 and is now 19": {"x": X[:19], "y": Y[:19]},
    "data.x.checksum was": {"x": X + 1},
    "data.y.checksum was": {"y": 1 - Y},
    "data.x.dtype was 'float32' and is now 'float64'": {"x": X.astype(float)},
    "data.sample_weight was None and is now": {"sample_weight": np.ones(20)},
    "validation was None and is now": {"validation_data": (X, Y)},
    "layers[1].config.units was 3 and is now 4": {"units": 4},
    "the number of layers was 3 and is now 4": {"extra": [Dense(3)]},
    "optimizer.class_name was 'Adam' and is now 'SGD'": {"optimizer": SGD(0.01)},
    "optimizer.config.beta_1 was 0.9 and is now 0.8": {"optimizer": Adam(0.01, beta_1=0.8)},
    "optimizer.config.learning_rate was 'a number' and is now 'a schedule'": {
        "optimizer": Adam(ExponentialDecay(0.1, 1, 0.9))
    },
    "metrics[0] was 'accuracy' and is now 'acc'": {"metrics": ["acc"]},
}


@pytest.mark.parametrize("message", OTHERS)
def test_another_training_is_refused(message, tmp_path):
    """What differs is named, and nothing changes."""
    fit(network(), tmp_path)
    other = dict(OTHERS[message])
    made = {name: other.pop(name) for name in ("seed", "optimizer", "metrics") if name in other}
    model = network(*other.pop("extra", ()), **made)
    if "units" in other:
        layers = [Input((4,)), Dense(other.pop("units")), Dense(2, activation="softmax")]
        model = Sequential(layers)
        model.compile(Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    before = model.get_weights()
    with pytest.raises(ConfigError) as caught:
        fit(model, tmp_path, resume=True, **other)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(map(np.array_equal, before, model.get_weights()))


def stop_in(epoch, batch):
    """A callback that presses Ctrl-C then."""
    seen = []

    def begin(number, logs):
        seen.append(number)

    def press(number, logs):
        if (seen[-1], number) == (epoch, batch):
            os.kill(os.getpid(), signal.SIGINT)

    return LambdaCallback(on_epoch_begin=begin, on_train_batch_end=press)


def test_fewer_epochs_are_refused(tmp_path):
    """Those that are done cannot be undone, nor can the one that is begun."""
    fit(network(), tmp_path / "a", 3)
    with pytest.raises(ConfigError, match="expected epochs of at least 3, which are done, got 2"):
        fit(network(), tmp_path / "a", 2, resume=True)
    fit(network(), tmp_path / "b", 5, callbacks=stop_in(2, 1))
    with pytest.raises(ConfigError, match="expected epochs of at least 3, which are begun, got 2"):
        fit(network(), tmp_path / "b", 2, resume=True)
    assert fit(network(), tmp_path / "b", 3, resume=True).epoch == [0, 1, 2]


def test_a_model_without_a_seed_takes_what_it_had(tmp_path):
    """Only a seed that is given and another is refused."""
    first = fit(network(seed=4), tmp_path)
    assert fit(network(seed=None), tmp_path, resume=True).history == first.history


def test_what_is_said_of_a_checkpoint(tmp_path, capsys):
    """Where a training goes on, why nothing is left to do, and what Ctrl-C leaves."""
    path = tmp_path / "checkpoint.h5"
    fit(network(), tmp_path, 3, callbacks=stop_in(1, 1), verbose=2)
    assert (
        f"Stopped by Ctrl-C; {path} has all that it takes to resume: fit("
        in capsys.readouterr().out
    )
    fit(network(), tmp_path, 3, resume=True, verbose=2)
    assert f"Going on from {path}: epoch 2, batch 3.\n" in capsys.readouterr().out
    fit(network(), tmp_path, 3, resume=True, verbose=2)
    what = f"{tmp_path} holds this training, finished after 3 epochs: nothing to do.\n"
    assert capsys.readouterr().out == what

    def end(epoch, logs):
        model.stop_training = True

    model = network()
    fit(model, tmp_path, 9, resume=True, callbacks=LambdaCallback(on_epoch_end=end), verbose=2)
    assert f"Going on from {path}: epoch 4.\n" in capsys.readouterr().out
    fit(network(), tmp_path, 9, resume=True, verbose=2)
    assert (
        "ended by a callback or a time budget after 4 epochs: nothing to do"
        in capsys.readouterr().out
    )


def test_what_ctrl_c_leaves_of_a_broken_model(tmp_path, capsys):
    """Nobody is told that it is kept."""

    def break_it(batch, logs):
        model.layers[0].params["bias"][...] = np.nan
        os.kill(os.getpid(), signal.SIGINT)

    model = network()
    fit(model, tmp_path, callbacks=LambdaCallback(on_train_batch_end=break_it), verbose=2)
    assert "checkpoint.h5 is of some time before." in capsys.readouterr().out
    assert checkpoint.read(tmp_path / "checkpoint.h5")["step"] == 0


def test_callbacks_that_watch_something_else_are_refused(tmp_path):
    """The best figure of one is no use to another; one that comes or goes is no matter."""
    loss, accuracy = EarlyStopping("loss", patience=9), EarlyStopping("accuracy", patience=9)
    fit(network(), tmp_path, callbacks=loss)
    with pytest.raises(ConfigError, match=r"callbacks\.EarlyStopping\.monitor was 'loss' and is n"):
        fit(network(), tmp_path, resume=True, callbacks=accuracy)
    with pytest.raises(ConfigError, match=r"callbacks\.EarlyStopping\.mode was 'auto' and is now"):
        fit(network(), tmp_path, resume=True, callbacks=EarlyStopping("loss", mode="max"))
    fit(network(), tmp_path, 3, resume=True)
    fit(network(), tmp_path, 4, resume=True, callbacks=[loss, accuracy])


def test_a_layer_that_a_callback_froze(tmp_path):
    """The same model goes on from its own checkpoint; a script that freezes another is told."""

    def freeze(epoch, logs):
        model.layers[0].trainable = False

    model = network()
    fit(model, tmp_path, callbacks=LambdaCallback(on_epoch_end=freeze))
    fit(model, tmp_path, 3, resume=True)
    fit(network(), tmp_path, 4, resume=True)
    other = network()
    other.layers[1].trainable = False
    match = r"trainable\[2\] was True and is now False; going on with True"
    with pytest.warns(RuntimeWarning, match=match):
        fit(other, tmp_path, 5, resume=True)


class Own:
    """A callback of one's own that remembers something."""

    def __init__(self, state, error=None):
        self.state = state
        self.error = error

    def on_epoch_end(self, epoch, logs): ...

    def get_state(self):
        return self.state

    def set_state(self, state):
        if self.error:
            raise self.error
        self.state = state


def test_a_mistake_in_a_callback_of_ones_own(tmp_path):
    """It comes as it is: the checkpoint is not to blame."""
    fit(network(), tmp_path, callbacks=Own({}))
    with pytest.raises(KeyError, match="mine"):
        fit(network(), tmp_path, resume=True, callbacks=Own({}, KeyError("mine")))


STATES = [
    {"a": np.ones(2, ">f4")},
    {"": np.ones(2), ".": np.ones(3), "..": np.ones(4), "/": np.ones(5), "\ud800": np.ones(6)},
    {"a": np.float16(1) / np.arange(1, 4, dtype=np.float16), "b": np.zeros((0, 2)), "c": {}},
    {"a": [np.arange(3)] * 2000},
]


@pytest.mark.parametrize("state", STATES, ids=["order", "names", "kinds", "many"])
def test_what_is_written_can_be_read(state, tmp_path):
    """What a callback may keep it gets back."""
    fit(network(), tmp_path, callbacks=Own(state))
    again = Own(None)
    fit(network(), tmp_path, resume=True, callbacks=again)
    np.testing.assert_equal(again.state, state)


def test_what_could_not_be_read_is_not_written(tmp_path):
    """More arrays than a file may have, and dictionaries without end, are refused at once."""
    circle = {}
    circle["circle"] = circle
    with pytest.raises(ConfigError, match="expected at most 10,000 arrays, with the groups"):
        fit(network(), tmp_path, callbacks=Own({"a": [np.zeros(1)] * 9990}))
    with pytest.raises(ConfigError, match="it is nested too deep"):
        fit(network(), tmp_path, callbacks=Own(circle))
    assert not list(tmp_path.iterdir())


def test_any_figure_in_the_logs(tmp_path):
    """What a callback puts there comes back as it is in a training left alone."""
    figures = {
        "list": [1, 2],
        "ragged": [[1, 2], [3]],
        "pair": (1, np.float32(0.1)),
        "single": np.float32(0.1),
        "count": np.int64(3),
        "none": None,
        "scalar": np.array(0.5),
    }

    def put_in(epoch, logs):
        logs.update(figures)

    callback = LambdaCallback(on_epoch_end=put_in)
    alone = fit(network(), None, 3, callbacks=callback).history
    fit(network(), tmp_path, 2, callbacks=callback)
    again = fit(network(), tmp_path, 3, resume=True, callbacks=callback).history
    assert repr(again) == repr(alone)


def test_folders_that_cannot_be(tmp_path):
    """Each gets one line, as an error of minicnn's."""
    (tmp_path / "signs").touch()
    names = ["x" * 300, "a\0b", "\ud800", "run.h5", "signs.keras", "signs"]
    for name in names:
        with pytest.raises(ConfigError, match=r"cannot be made|expected checkpoint as a") as caught:
            fit(network(), os.path.join(tmp_path, name), resume=True)
        assert str(caught.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["signs"]


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    """One that may only be written to is written to, without a lock."""

    def refuse(path, *arguments, usual=os.open, **options):
        if path == tmp_path:
            raise PermissionError(13, "Permission denied")
        return usual(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    fit(network(), tmp_path, resume=True)
    assert checkpoint.read(tmp_path / "checkpoint.h5")["epoch"] == 2


def test_what_was_left_and_cannot_be_deleted(tmp_path):
    """A folder that looks like an unfinished file is no reason to end."""
    (tmp_path / ".checkpoint-x").mkdir()
    fit(network(), tmp_path)


def test_a_folder_in_use(tmp_path):
    """A second training in the same folder is refused while the first one lasts."""

    def begin_another(epoch, logs):
        with pytest.raises(ConfigError, match="in use by another training"):
            fit(network(), tmp_path, resume=True)
        told.append(epoch)

    told = []
    fit(network(), tmp_path, callbacks=LambdaCallback(on_epoch_end=begin_another))
    assert told == [0, 1]
    fit(network(), tmp_path, 3, resume=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert set(names) == {"checkpoint.h5", "checkpoint.previous.h5", "checkpoint.start.h5"}


def test_a_folder_in_use_by_another_process(tmp_path):
    """It is refused as long as that process lives, and no longer."""
    script = (
        "import os, sys, time; from pathlib import Path; from minicnn._files.lock import held\n"
        "with held(Path(sys.argv[1])):\n"
        "    if not os.fork():\n        print('held', flush=True)\n"
        "    time.sleep(5)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(ConfigError, match="in use by another training"):
            fit(network(), tmp_path)
        other.kill()
    fit(network(), tmp_path)


def test_a_forked_process_leaves_the_folder_alone(tmp_path):
    """It closes no file that it has opened since under the number of the lock."""
    with held(tmp_path), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside BLAS' threads
        pid = os.fork()
        if not pid:
            kept = os.open(tmp_path, os.O_RDONLY)
    if not pid:
        try:
            os.fstat(kept)
        except OSError:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_on_train_end_comes_when_the_first_write_fails(tmp_path, monkeypatch):
    """A callback that has begun is ended; a folder that cannot be written to is found before."""
    told = []
    names = ("on_train_begin", "on_train_end")
    told_of = LambdaCallback(**{n: (lambda logs, n=n: told.append(n)) for n in names})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        fit(network(), tmp_path / "file", callbacks=told_of)
    assert told == []
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="no space left"):
        fit(network(), tmp_path / "run", callbacks=told_of)
    assert told == list(names)
