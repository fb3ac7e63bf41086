"""Checkpoints: what is written when, what is refused, and what a full disk or a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import Adam, Dense, Dropout, Input, Sequential
from minicnn._files import atomic, checkpoint
from minicnn._files.lock import held
from minicnn._training import checkpoints
from minicnn._training.signals import signals_set_a_flag
from minicnn.callbacks import EarlyStopping, LambdaCallback, TimeBudget
from minicnn.callbacks import time_budget as clock
from minicnn.data.arrays import Stream
from minicnn.errors import ConfigError, DivergenceError, ModelFileError
from minicnn.metrics import AUC, Metric
from minicnn.optimizers import SGD
from minicnn.optimizers.schedules import ExponentialDecay

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def network(*extra, seed=0, optimizer=None, metrics=("accuracy",)):
    model = Sequential([Input((4,)), Dense(3), *extra, Dense(2, activation="softmax")], seed=seed)
    model.compile(optimizer or Adam(0.01), "sparse_categorical_crossentropy", list(metrics))
    return model


def fit(model, folder, epochs=2, x=X, y=Y, **options):
    options = {"checkpoint": folder, "batch_size": 8, "verbose": 0} | options
    return model.fit(x, y, epochs=epochs, **options)


# The file --------------------------------------------------------------------------------


TREE = {
    "numbers": [1, 2.5, float("inf"), -0.0, 2**127, True, None, "text"],
    "of numpy": [np.float64(0.1), np.int32(7)],
    "arrays": {"a b/c.": np.arange(6.0).reshape(2, 3), "bits": np.array([True, False])},
    "more": [np.zeros((0, 3), np.float32), np.array(5, np.int64), np.arange(6).reshape(2, 3).T],
}


def test_a_tree_comes_back(tmp_path):
    """Numbers to the last bit, texts, lists, dictionaries, arrays with their dtypes."""
    checkpoint.write(tmp_path / "a.h5", TREE, None)
    again = checkpoint.read(tmp_path / "a.h5")
    assert again["numbers"] == TREE["numbers"]
    assert str(again["numbers"][3]) == "-0.0"
    assert again["of numpy"] == [0.1, 7]
    arrays = [*TREE["arrays"].values(), *TREE["more"]]
    found = [*again["arrays"].values(), *again["more"]]
    for array, other in zip(arrays, found, strict=True):
        assert array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)
    assert list(again["arrays"]) == list(TREE["arrays"])


@pytest.mark.parametrize("value", [{1, 2}, {1: 2}, {"$array": 1}, object(), np.array(["a"]), 1j])
def test_what_a_tree_cannot_hold(value, tmp_path):
    """It is named with its place, and nothing is written."""
    with pytest.raises(ConfigError, match=r"^checkpoint: expected .* at callbacks/Mine/0\.$"):
        checkpoint.write(tmp_path / "a.h5", {"callbacks": {"Mine": [value]}}, None)
    assert not list(tmp_path.iterdir())


def test_the_one_before_is_kept(tmp_path):
    """Each file that is written makes the last one the previous one."""
    newest, previous = tmp_path / "a.h5", tmp_path / "b.h5"
    for i in range(3):
        checkpoint.write(newest, {"i": i}, previous)
    assert [checkpoint.read(path)["i"] for path in (newest, previous)] == [2, 1]


def rewritten(path, change):
    """The checkpoint with its tree changed, and a checksum that is right."""
    with h5py.File(path, "r+") as file:
        tree = json.loads(bytes(file["tree"][()]))
        change(tree, file)
        text = json.dumps(tree).encode()
        del file["tree"], file["checksum"]
        file["tree"] = np.frombuffer(text, np.uint8)
        file["checksum"] = np.uint32(checkpoint.zlib.crc32(text))


def claim(*what):
    def change(tree, file):
        tree["model"]["weights"]["dense"]["kernel"] = {"$array": list(what)}

    return change


def compressed(tree, file):
    zeros = np.zeros(1_000_000)
    file.create_dataset("zeros", data=zeros, compression="gzip")
    checksum = checkpoint.checksum(zeros)
    tree["callbacks"] = {"Nobody": {"$array": ["zeros", [1_000_000], "float64", checksum]}}


def external(tree, file):
    file.create_dataset("there", (4, 3), np.float32, external=[("/etc/passwd", 0, 48)])
    claim("there", [4, 3], "float32", 0)(tree, file)


def deep(tree, file):
    for _ in range(150):
        tree["deep"] = [tree.get("deep")]


KERNEL = "model/weights/dense/kernel"


@pytest.mark.parametrize(
    "change",
    [
        claim(KERNEL, [4, 3], "float32", 0),
        claim(KERNEL, [3, 4], "float32", 0),
        claim(KERNEL, [4, 3], "float64", 0),
        claim("model/weights/nowhere", [4, 3], "float32", 0),
        claim("model", [4, 3], "float32", 0),
        claim(KERNEL, [2**40, 2**40], "float32", 0),
        claim(KERNEL, [-1, 3], "float32", 0),
        claim(KERNEL, "ab", "float32", 0),
        claim(KERNEL, [4, 3], "O", 0),
        claim([KERNEL], [4, 3], "float32", 0),
        claim(KERNEL),
        claim(),
        compressed,
        external,
        deep,
    ],
)
def test_hostile_trees(change, tmp_path):
    """Claims that are not so get one line, before anything large is read."""
    fit(network(), tmp_path, 1)
    rewritten(tmp_path / "checkpoint.h5", change)
    (tmp_path / "checkpoint.previous.h5").unlink()
    model = network(seed=1)
    before = model.get_weights()
    with pytest.raises(ModelFileError, match=r"checkpoint\.h5") as caught:
        fit(model, tmp_path, resume=True)
    assert "\n" not in str(caught.value)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_a_tree_with_a_bit_flipped(tmp_path):
    """What reads well but is not what was written is damaged."""
    fit(network(), tmp_path, 1)
    with h5py.File(tmp_path / "checkpoint.h5", "r+") as file:
        text = bytes(file["tree"][()])
        file["tree"][...] = np.frombuffer(text.replace(b'"epoch": 1', b'"epoch": 0'), np.uint8)
    with pytest.raises(ModelFileError, match="expected a checkpoint, got a damaged one"):
        checkpoint.read(tmp_path / "checkpoint.h5")


def put(path, value):
    """Put a value at a path into the tree."""

    def change(tree, file):
        *parents, last = path.split("/")
        for key in parents:
            tree = tree[int(key) if isinstance(tree, list) else key]
        tree[int(last) if isinstance(tree, list) else last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("epoch", "one"),
        put("epoch", -1),
        put("epoch", None),
        put("step", 99),
        put("step", 1.5),
        put("generator", {"bit_generator": "PCG64"}),
        put("generator/state/state", -1),
        put("generator", None),
        put("stream/taken", 10**12),
        put("stream/taken", "all"),
        put("stream/generator", 3),
        put("model/weights", {}),
        put("model/weights/dense/kernel", 0.5),
        put("model/trainable", 3),
        put("model", None),
        put("optimizer/learning_rate", float("nan")),
        put("optimizer/learning_rate", None),
        put("optimizer/counters", [0]),
        put("optimizer/slots", {"dense.kernel": {}}),
        put("optimizer/slots", {"nothing": {"momentum": 1}}),
        put("optimizer/slots", []),
        put("running", None),
        put("running/metrics", []),
        put("running/metrics/0", None),
        put("running/metrics/0/right", [1]),
        put("running/metrics/1/true_positives", 1),
        put("running/metrics/1/num_thresholds", 7),
        put("running/total", "much"),
        put("history/epoch", 1),
        put("history/figures", [["loss", [1], [2]]]),
        put("history/figures", 1),
        put("callbacks", None),
        put("callbacks/EarlyStopping", None),
        put("callbacks/EarlyStopping/wait", "long"),
        put("callbacks/EarlyStopping/monitor", "loss"),
        put("callbacks/EarlyStopping/best_weights", [1]),
        put("callbacks/EarlyStopping/best_weights", 1),
    ],
    ids=lambda change: change.__closure__[0].cell_contents,
)
def test_hostile_states(change, tmp_path):
    """A state that no training can have gets one line and changes nothing."""

    def stop(batch, logs):
        os.kill(os.getpid(), signal.SIGINT)

    def trained():
        model = network(Dropout(0.1))
        model.compile(Adam(), "categorical_crossentropy", ["accuracy", AUC(4)])
        return model

    early = EarlyStopping("loss", restore_best_weights=True)
    fit(
        trained(),
        tmp_path,
        y=np.eye(2)[Y],
        callbacks=[early, LambdaCallback(on_train_batch_end=stop)],
    )
    rewritten(tmp_path / "checkpoint.h5", change)
    model = trained()
    before = model.get_weights(), model.rng.bit_generator.state, model.optimizer.iterations
    with pytest.raises(ModelFileError, match="expected a checkpoint of this training, got a dam"):
        fit(model, tmp_path, y=np.eye(2)[Y], resume=True, callbacks=early)
    assert all(map(np.array_equal, before[0], model.get_weights()))
    assert (model.rng.bit_generator.state, model.optimizer.iterations) == before[1:]


# What is kept, and when ------------------------------------------------------------------


def test_when_they_are_written(tmp_path, monkeypatch):
    """After an epoch if that takes a twentieth of the time; within one after 30 seconds too."""
    now = 0.0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    points = checkpoints.Checkpoints(tmp_path, {}, {}, None)

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
    by_batches = checkpoints.Checkpoints(tmp_path, {}, {}, 4)
    assert [by_batches.due(1, step, 9) for step in range(9)] == [i in (3, 7) for i in range(9)]
    by_epochs = checkpoints.Checkpoints(tmp_path, {}, {}, "epoch")
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
    assert set(names) == {"checkpoint.h5", "checkpoint.previous.h5"}


def test_a_folder_in_use_by_another_process(tmp_path):
    """It is refused as long as that process lives, its partners or not, and no longer."""
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


def test_rates_on_resuming(tmp_path):
    """A rate that is a number comes from the checkpoint, to the last bit; a schedule does not."""

    def shrink(epoch, logs):
        model.optimizer.learning_rate /= 3

    model = network()
    fit(model, tmp_path / "a", callbacks=LambdaCallback(on_epoch_end=shrink))
    again = network(optimizer=Adam(0.5))
    with pytest.warns(RuntimeWarning, match=r"learning_rate was 0\.01 and is now 0\.5; going") as w:
        fit(again, tmp_path / "a", resume=True)
    assert len(w) == 1
    assert w[0].filename == __file__
    assert again.optimizer.learning_rate == 0.01 / 3 / 3
    fit(again, tmp_path / "a", resume=True)
    fit(network(), tmp_path / "a", 3, resume=True)
    fit(network(optimizer=Adam(ExponentialDecay(0.1, 1, 0.9))), tmp_path / "b")
    slower = network(optimizer=Adam(ExponentialDecay(0.1, 1, 0.5)))
    fit(slower, tmp_path / "b", resume=True)
    assert slower.optimizer.learning_rate == 0.1 * 0.5**6


def test_another_machine_is_told(tmp_path, monkeypatch):
    """Where the bits may differ there is one warning that says why."""
    fit(network(), tmp_path)
    same = checkpoints.machine()
    other = same | {"the version of NumPy": "1.0", "the number of threads": 99}
    monkeypatch.setattr(checkpoints, "machine", lambda: other)
    with pytest.warns(
        RuntimeWarning, match="NumPy was .* and is now '1.0'; the number of thr"
    ) as w:
        fit(network(), tmp_path, resume=True)
    assert len(w) == 1


@pytest.mark.parametrize("damage", [b"", b"nothing", None, 0.5, 0.9])
def test_the_previous_one_takes_over(damage, tmp_path, monkeypatch):
    """A newest one that is damaged is left aside with a warning, and never becomes the previous."""
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    fit(network(Dropout(0.3)), tmp_path, 3)
    newest = tmp_path / "checkpoint.h5"
    whole = newest.read_bytes()
    if damage is None:
        newest.unlink()  # as after a kill between the two changes of names
        history = fit(network(Dropout(0.3), seed=None), tmp_path, 3, resume=True)
    else:
        cut = bytearray(whole)
        if isinstance(damage, float):
            start = int(damage * len(whole))
            cut[start : start + 2000] = bytes(2000)
        else:
            cut = damage
        newest.write_bytes(cut)
        with pytest.warns(RuntimeWarning, match=r"Going on from .*previous\.h5\.$") as told:
            history = fit(network(Dropout(0.3), seed=None), tmp_path, 3, resume=True)
        assert told[0].filename == __file__
        assert "download" not in str(told[0].message)
    assert history.history == fit(network(Dropout(0.3)), None, 3).history
    for name in ("checkpoint.h5", "checkpoint.previous.h5"):
        checkpoint.read(tmp_path / name)
        (tmp_path / name).write_bytes(b"nothing")
    both = r"checkpoint\.h5: .*previous\.h5: .*\. Take another folder, or delete what is d"
    with pytest.raises(ModelFileError, match=both) as caught:
        fit(network(), tmp_path, resume=True)
    assert caught.value.__context__ is None


def test_a_broken_model_is_never_written(tmp_path, monkeypatch):
    """When weights are no longer finite, the checkpoint stays that of before."""
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    model = network()

    def break_it(batch, logs):
        if batch == 1:
            model.layers[0].params["bias"][...] = np.inf

    with pytest.raises(DivergenceError):
        fit(model, tmp_path, callbacks=LambdaCallback(on_train_batch_end=break_it))
    tree = checkpoint.read(tmp_path / "checkpoint.h5")
    assert (tree["epoch"], tree["step"]) == (0, 1)
    assert np.isfinite(tree["model"]["weights"]["dense"]["bias"]).all()


def test_a_callback_without_a_state_begins_anew(tmp_path):
    """It is told of the beginning again, and of that of the epoch; then all is put back."""

    class Mine:
        def on_train_begin(self, logs):
            self.model.optimizer.learning_rate = 7.0

        def on_epoch_begin(self, epoch, logs):
            self.begun = epoch

        def on_train_batch_end(self, batch, logs):
            told.append((self.params["resumed"], self.begun, batch))
            if len(told) == 2:
                os.kill(os.getpid(), signal.SIGINT)

    told = []
    fit(network(), tmp_path, 1, callbacks=Mine())
    again = network()
    fit(again, tmp_path, 1, resume=True, callbacks=Mine())
    assert told == [(False, 0, 0), (False, 0, 1), (True, 0, 2)]


def test_a_time_budget_counts_on(tmp_path, monkeypatch):
    """What was used before counts, the time in between does not."""
    now = 0.0

    def tick(batch, logs):
        nonlocal now
        now += 1

    monkeypatch.setattr(clock.time, "monotonic", lambda: now)
    ticking = LambdaCallback(on_train_batch_end=tick)
    fit(network(), tmp_path, 2, callbacks=[ticking, TimeBudget(10)])
    now += 1000
    history = fit(network(), tmp_path, 9, resume=True, callbacks=[ticking, TimeBudget(10)])
    assert history.epoch == [0, 1, 2]


def test_the_rows_of_a_log_are_not_doubled(tmp_path):
    """Those that come again after a kill are taken away first."""
    log = minicnn.callbacks.CSVLogger(tmp_path / "log.csv")

    def die(batch, logs):
        if len(log.columns) and batch == 2:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fit(network(), tmp_path, 3, callbacks=[log, LambdaCallback(on_train_batch_end=die)])
    with (tmp_path / "log.csv").open("a") as file:
        file.write("1,0.5,0.5\n2,0.5,0.5\n")
    fit(network(), tmp_path, 3, resume=True, callbacks=log)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "2"]


@pytest.mark.parametrize("found", ["", "epoch,loss\nanother,log,altogether\n" * 9, None])
def test_a_log_that_is_another(found, tmp_path):
    """Its rows stay, those to come are put after them under a heading, and there is a warning."""
    path = tmp_path / "log.csv"
    log = minicnn.callbacks.CSVLogger(path)
    fit(network(), tmp_path / "run", 2, callbacks=log)
    path.unlink() if found is None else path.write_text(found)
    with pytest.warns(RuntimeWarning, match="expected the rows of the training so far") as told:
        fit(network(), tmp_path / "run", 3, resume=True, callbacks=log)
    assert len(told) == 1
    text = path.read_text()
    assert text.startswith(found or "epoch,accuracy,loss,")
    assert text.removeprefix(found or "").splitlines()[-1].startswith("2,")
    assert len(text.splitlines()) == (20 if found else 2)


def test_a_log_with_other_columns_goes_on_under_its_own_heading(tmp_path):
    """Where the file of a resumed run is another table, each number is under its heading."""
    path = tmp_path / "log.csv"
    log = minicnn.callbacks.CSVLogger(path)
    fit(network(), tmp_path / "run", 2, callbacks=log)
    path.write_text("epoch,val_loss,loss,mine\n0,1,2,3")
    with pytest.warns(RuntimeWarning, match="expected the rows of the training so far"):
        history = fit(network(), tmp_path / "run", 3, resume=True, callbacks=log)
    loss, accuracy = history.history["loss"][2], history.history["accuracy"][2]
    assert path.read_text().splitlines() == [
        "epoch,val_loss,loss,mine,accuracy",
        "0,1,2,3,NA",
        f"2,NA,{loss},NA,{accuracy}",
    ]


METRICS = [
    getattr(minicnn.metrics, name)
    for name in minicnn.metrics.__all__
    if isinstance(getattr(minicnn.metrics, name), type)
    and issubclass(getattr(minicnn.metrics, name), Metric)
    and name != "Metric"
]


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_goes_on(metric):
    """With its state in a new one it gives what it would have given."""
    sparse = "Sparse" in metric.__name__
    predictions = rng.random((6, 3))
    labels = rng.integers(0, 3, 6)
    labels = labels if sparse else np.eye(3)[labels]
    one, other = metric(), metric()
    one.update_state(labels[:4], predictions[:4])
    state = one.get_state()
    one.update_state(labels[4:], predictions[4:])
    other.update_state(labels[:1], predictions[:1])
    other.set_state(state)
    other.update_state(labels[4:], predictions[4:])
    assert np.array_equal(one.result(), other.result())
    with pytest.raises(ConfigError, match="saved state"):
        other.set_state({"name": "mine"})


def test_a_history_comes_back(tmp_path):
    """Floats, several figures of an epoch, and figures that not all epochs bring."""
    history, again = minicnn.callbacks.History(), minicnn.callbacks.History()
    history.append({"loss": 0.1, "f1": np.array([0.1, 0.2])})
    history.append({"loss": 1 / 3, "f1": np.array([0.3, 1 / 7]), "val_loss": 3, "odd": "text"})
    checkpoint.write(tmp_path / "a.h5", history.get_state(), None)
    again.set_state(checkpoint.read(tmp_path / "a.h5"))
    assert (again.epoch, again.epochs_of) == (history.epoch, history.epochs_of)
    assert str(again.history) == str(history.history)


@pytest.mark.parametrize("shuffled", [True, False])
def test_a_stream_goes_on(shuffled):
    """From any batch on, without the draws from the generator that came since."""
    made = [np.random.default_rng(0), np.random.default_rng(9)]
    for taken in range(9):
        streams = [Stream(10, 3, generator if shuffled else None) for generator in made]
        for _ in range(taken):
            next(streams[0])
        made[0].random(3)
        streams[1].set_state(streams[0].get_state())
        made[1].bit_generator.state = made[0].bit_generator.state
        for _ in range(6):
            numbers = [np.arange(10)[next(stream)] for stream in streams]
            np.testing.assert_array_equal(*numbers)


# Disks and signals -----------------------------------------------------------------------


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    """It is found out before the first step; later the training goes on, with one warning."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/run: cannot be made: not a directory\.$"):
        fit(network(), tmp_path / "file/run")

    with monkeypatch.context() as patched:

        def refuse(*arguments, **options):
            raise OSError(30, "Read-only file system")

        patched.setattr(atomic.Path, "touch", refuse)
        with pytest.raises(ConfigError, match=r"cannot be written to: read-only file system\.$"):
            fit(network(), tmp_path / "run")

    content, sync, asked = checkpoint._content, os.fsync, []

    def noted(tree):
        asked.append(tree["epoch"])
        return content(tree)

    def full(descriptor):
        if asked[-1] in (1, 2):
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    monkeypatch.setattr(checkpoint, "_content", noted)
    monkeypatch.setattr(os, "fsync", full)
    alone = fit(network(), None, 3)
    with pytest.warns(RuntimeWarning, match="no space left on device. The training goes on") as w:
        assert fit(network(), tmp_path / "run", 3).history == alone.history
    assert asked == [0, 1, 2, 3]
    assert len(w) == 1


FULL = """
import resource, signal, sys
import numpy as np
from minicnn import *
from minicnn.errors import MiniCNNError
model = Sequential([Input((200,)), Dense(100), Dense(2, activation="softmax")], seed=0)
model.compile("adam", "sparse_categorical_crossentropy")
x, y = np.ones((8, 200)), np.zeros(8, int)
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
history = model.fit(x, y, verbose=0, checkpoint="run", epochs=1)
model.save("model.keras")
history.to_csv("history.csv")
limit(20_000)
model.layers[0].params["bias"][...] = 9
history.append({"loss": 1.0} | {f"name{i}": 2.0 for i in range(3000)})
for save in (
    lambda: model.save("model.keras"),
    lambda: history.to_csv("history.csv"),
    lambda: model.fit(x, y, verbose=0, checkpoint="other", epochs=1),
):
    try:
        save()
        print("saved")
    except MiniCNNError as error:
        print(error)
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(x, y, verbose=0, checkpoint="run", resume=True, epochs=5)
print(*[w.message for w in caught])
"""


def test_a_full_disk(tmp_path):
    """With files limited to 20 kB the old ones stay as they are, and each error is one line."""
    done = subprocess.run(
        [sys.executable, "-c", FULL],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *errors, warning = done.stdout.splitlines()
    names = ["model.keras", "history.csv", "other/checkpoint.h5"]
    assert errors == [f"{name}: cannot be written: file too large." for name in names]
    assert warning.startswith("run/checkpoint.h5: cannot be written: file too large. The training")
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert names == [
        *("history.csv", "model.keras", "other", "run"),
        *("run/checkpoint.h5", "run/checkpoint.previous.h5"),
    ]
    assert minicnn.saving.load_model(tmp_path / "model.keras").layers[0].params["bias"].max() < 1
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 2
    assert checkpoint.read(tmp_path / "run/checkpoint.h5")["epoch"] == 1


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once(sign, tmp_path, monkeypatch):
    """Even from within a save, and without half a file; the handlers are put back."""
    model, usual, before = network(), os.fsync, [signal.getsignal(s) for s in (2, 15)]
    fit(model, tmp_path, 1)

    def press(descriptor):
        os.kill(os.getpid(), sign)
        os.kill(os.getpid(), sign)
        usual(descriptor)

    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, "fsync", press)
    with pytest.raises(KeyboardInterrupt if sign == signal.SIGINT else SystemExit) as caught:
        fit(network(), tmp_path, 9, resume=True)
    if sign == signal.SIGTERM:
        assert caught.value.code == 143
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert [signal.getsignal(s) for s in (2, 15)] == before


def test_sigterm_keeps_its_meaning_without_a_checkpoint(tmp_path):
    """With one the training ends after the batch, and the history says how to exit."""

    def terminate(batch, logs):
        handlers.append(signal.getsignal(signal.SIGTERM))
        if options:
            os.kill(os.getpid(), signal.SIGTERM)

    handlers, options = [], {}
    callbacks = LambdaCallback(on_train_batch_end=terminate)
    model = network()
    assert fit(model, None, callbacks=callbacks).exit_status == 0
    assert set(handlers) == {signal.SIG_DFL}
    options = {"verbose": 2}
    history = fit(network(), tmp_path, callbacks=callbacks)
    assert (history.interrupted, history.exit_status, history.epoch) == (True, 143, [])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_look(sign):
    """It is raised again when the handlers are back; one that was told of is not."""
    seen = []
    with signals_set_a_flag(sigterm=True) as stop:
        os.kill(os.getpid(), sign)
        stop.told = True
    usual = signal.getsignal(sign)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signal, "raise_signal", seen.append)
        with signals_set_a_flag(sigterm=True):
            os.kill(os.getpid(), sign)
    assert signal.getsignal(sign) is usual
    assert seen == [sign]


def test_handlers_of_the_program_and_other_threads():
    """A handler of the program's own stays, and outside the main thread nothing is touched."""

    def mine(number, frame): ...

    found = []

    def look():
        with signals_set_a_flag(sigterm=True) as stop:
            found.append((signal.getsignal(signal.SIGTERM), bool(stop)))

    before = signal.signal(signal.SIGTERM, mine)
    try:
        look()
    finally:
        signal.signal(signal.SIGTERM, before)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [(mine, False), (before, False)]


SAVING = """
import sys
from pathlib import Path
import numpy as np
from minicnn._files import atomic, checkpoint
from minicnn._files.lock import held
folder, i = Path(sys.argv[1]), int(sys.argv[2])
while True:
    i += 1
    tree = {"i": i, "arrays": [np.full(20_000, i, np.float32) for _ in range(4)]}
    checkpoint.write(folder / "checkpoint.h5", tree, folder / "checkpoint.previous.h5")
    print(i, flush=True)
"""


def kill_while_saving(folder, kills):
    """Kill a process that does nothing but save, and look at what it left."""
    chance, newest = np.random.default_rng(0), 0
    for _ in range(kills):
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVING, str(folder), str(newest)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
        )
        saver.stdout.readline()
        time.sleep(chance.uniform(0, 0.1))
        saver.kill()
        saver.communicate()
        found = []
        for path in folder.glob("checkpoint*"):
            tree = checkpoint.read(path)
            assert all((array == tree["i"]).all() for array in tree["arrays"])
            found.append(tree["i"])
        assert max(found) > newest
        newest = max(found)


def test_a_kill_while_saving_leaves_no_broken_file(tmp_path):
    """SIGKILL at random moments: whatever has the name of a checkpoint is a whole one."""
    kill_while_saving(tmp_path, 3)


@pytest.mark.slow
def test_a_hundred_kills_while_saving(tmp_path):
    """As above, a hundred times."""
    kill_while_saving(tmp_path, 100)
