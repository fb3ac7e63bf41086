"""What a resumed run takes from its checkpoint: rates, callbacks, logs, metrics, streams."""

import os
import signal
import time

import numpy as np
import pytest

import minicnn
from checkpoint_helpers import X, Y, network
from minicnn import Adam, Dropout, kernels
from minicnn._files import checkpoint
from minicnn._training import checkpoints
from minicnn.callbacks import LambdaCallback, TimeBudget
from minicnn.callbacks import time_budget as clock
from minicnn.data.arrays import Stream
from minicnn.errors import ConfigError, DivergenceError, ModelFileError
from minicnn.kernels import KERNELS
from minicnn.optimizers.schedules import ExponentialDecay
from minicnn.testing import cases

rng = np.random.default_rng(0)


def fit(model, folder, epochs=2, x=X, y=Y, **options):
    options = {"checkpoint": folder, "batch_size": 8, "verbose": 0} | options
    return model.fit(x, y, epochs=epochs, **options)


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
    same = checkpoints.machine({})
    other = same | {"the version of NumPy": "1.0", "the processor": "abacus"}
    monkeypatch.setattr(checkpoints, "machine", lambda about: other)
    with pytest.warns(
        RuntimeWarning, match="NumPy was .* and is now '1.0'; the processor was"
    ) as w:
        fit(network(), tmp_path, resume=True)
    assert len(w) == 1


def test_a_library_that_a_run_does_not_use_is_not_its_machine(tmp_path, monkeypatch):
    """Another model of the process may compute with compiled kernels."""
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")
    monkeypatch.setattr(kernels, "compiler_version", lambda: "cc 1.0")
    fit(network(), tmp_path)
    monkeypatch.setattr(kernels, "compiler_version", lambda: None)
    fit(network(), tmp_path, 3, resume=True)


def test_other_kernels_are_told(tmp_path, monkeypatch):
    """A run goes on with others, as on another machine."""
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")
    fit(network(), tmp_path)
    monkeypatch.setitem(KERNELS, "mine", KERNELS["vectorized"])
    monkeypatch.setenv("MINICNN_KERNELS", "mine")
    with pytest.warns(
        RuntimeWarning, match="the kernels was 'vectorized' and is now 'mine'. The training"
    ) as w:
        history = fit(network(), tmp_path, 3, resume=True)
    assert len(w) == 1
    assert len(history.epoch) == 3


@pytest.mark.parametrize("damage", [b"", b"nothing", None, 0.5, 0.9])
def test_the_previous_one_takes_over(damage, tmp_path, monkeypatch):
    """A newest one that is damaged is left aside with a warning, and never becomes the previous."""
    monkeypatch.setattr(checkpoints, "FRACTION", float("inf"))
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
    monkeypatch.setattr(checkpoints, "FRACTION", float("inf"))
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


METRICS = {type(case.metric): case.metric for case in cases.METRICS}.values()


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_every_metric_goes_on(metric):
    """With its state in a new one it gives what it would have given."""
    sparse = "Sparse" in type(metric).__name__
    predictions = rng.random((6, 6))
    labels = rng.integers(0, 6, 6)
    labels = labels if sparse else np.eye(6)[labels]
    one, other = (type(metric).from_config(metric.get_config()) for _ in range(2))
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


def test_what_reports_are_told_of(tmp_path):
    """The seconds of each epoch, those of a part of one before the run was stopped among them,
    how many epochs were asked for, and where; a checkpoint of before has none, and is resumed."""

    def stop(batch, logs):
        if batch == 1:
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

    fit(network(), tmp_path, 1)
    fit(network(), tmp_path, 3, resume=True, callbacks=LambdaCallback(on_train_batch_end=stop))
    time.sleep(0.7)
    fit(network(), tmp_path, 3, resume=True)
    path = tmp_path / "checkpoint.h5"
    tree = checkpoint.read(path)
    ran = tree["ran"]
    assert ran["asked"] == [[0, 1], [1, 3]]
    assert len(ran["seconds"]) == 3
    assert 0.2 < ran["seconds"][1] < 0.8, "not what lay between"
    assert "cores" in ran["on"]["the processor"]
    del tree["ran"]
    checkpoint.write(path, tree, None)
    fit(network(), tmp_path, 4, resume=True)
    assert [len(checkpoint.read(path)["ran"][key]) for key in ("asked", "seconds")] == [1, 1]
