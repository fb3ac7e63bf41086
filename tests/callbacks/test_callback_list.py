"""The moments of a run, which callbacks are called then, and with what."""

import numpy as np
import pytest

import minicnn
from callback_helpers import X, Y, fit, network
from minicnn import Adam, Dense, Dropout, Sequential
from minicnn.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    TerminateOnNaN,
    TimeBudget,
)
from minicnn.errors import ConfigError

rng = np.random.default_rng(0)


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
    """Nested lists and None too; a value put into the logs is seen by the next and kept."""
    calls, seen = [], []
    first, second = Recorder(calls, "a"), Recorder(calls, "b")
    put = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(f=7))
    look = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    history = fit(network(), [first, [None, (second,)], look, put, look], 1)
    assert [call[0] for call in calls] == ["a", "b"] * (len(calls) // 2)
    assert ["f" in logs for logs in seen] == [False, True]
    assert history.history["f"] == [7]


def test_what_a_callback_knows():
    """The model and the run's parameters; setters are called, and logs have metrics."""

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
    """An earlier epoch's validation is not in the logs of on_train_end, as in Keras."""
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


def test_a_custom_callback_takes_any_arguments():
    """A class derived from one here passes on what it needs, with setters that call super()."""

    class Mine(EarlyStopping):
        def __init__(self, *values, **options):
            super().__init__(values[0], **options)
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
    """It has what any other would, and starts fresh in a second run."""
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
    """The library's callbacks change no layer, unless they were given a function."""

    class Mine(EarlyStopping): ...

    patched = Callback()
    patched.on_epoch_end = print
    foreign = [Mine(), patched, LambdaCallback(on_epoch_end=print), LearningRateScheduler(float)]
    foreign.append(Recorder([]))
    library = [
        EarlyStopping(),
        CSVLogger("a"),
        TimeBudget(1),
        TerminateOnNaN(),
        BackupAndRestore("a"),
    ]
    callbacks = minicnn.callbacks.callback_list.CallbackList
    assert all(callbacks(callback, None, {}).foreign for callback in foreign)
    assert not callbacks(library, None, {}).foreign


# What a callback changes -----------------------------------------------------------------


def scale(model, batch):
    if batch == 1:
        model.set_weights([0.9 * weights for weights in model.get_weights()])


def scale_a_kernel(model, batch):
    if batch == 1:
        model.layers[1].params["kernel"][...] *= 2


def set_a_rate(model, epoch, batch):
    model.layers[3].rate = 0.7


def freeze(model, epoch, batch):
    if batch == 1:
        model.layers[1].trainable = epoch == 1


def freeze_all_along(model, epoch, batch):
    model.layers[1].trainable = False


def set_an_array(model, epoch, batch):
    if epoch == batch == 0:
        kernel = model.layers[1].params["kernel"]
        model.layers[1].params["kernel"] = np.full_like(kernel, 0.1)


def set_the_loss(model, epoch, batch):
    model.loss.delta = 0.05


def nothing(*given):
    pass


@pytest.mark.parametrize("event", ["on_train_batch_end", "on_train_batch_begin", "on_epoch_end"])
@pytest.mark.parametrize(
    ("weights", "arguments"),
    [
        (scale, nothing),
        (scale_a_kernel, freeze_all_along),
        (nothing, set_a_rate),
        (nothing, freeze),
        (nothing, set_an_array),
        (nothing, set_the_loss),
    ],
)
@pytest.mark.parametrize("kernels", ["compiled", "vectorized"])
def test_when_a_change_counts(weights, arguments, event, kernels, monkeypatch):
    """Weights count from the next batch, arguments from the next epoch, as when batches are trained
    on one by one, and arguments are changed between epochs."""
    monkeypatch.setenv("MINICNN_KERNELS", kernels)
    x = rng.normal(size=(24, 6, 6, 2)).astype(np.float32)
    y = np.eye(3)[rng.integers(0, 3, 24)]

    def made():
        layers = [minicnn.Input((6, 6, 2)), minicnn.Rescaling(2)]
        layers += [minicnn.Conv2D(4, 3, activation="relu", kernel_regularizer="l2")]
        layers += [minicnn.Flatten(), Dropout(0.1), Dense(3, activation="softmax")]
        model = Sequential(layers, seed=3)
        model.compile(Adam(0.01), minicnn.losses.Huber())
        return model

    model, at = made(), [0]

    def act(number, logs):
        for batch in (0, 1) if event == "on_epoch_end" else (number,):
            weights(model, batch)
            arguments(model, at[0], batch)

    def note(epoch, logs):
        at[0] = epoch

    callback = LambdaCallback(**{"on_epoch_begin": note, event: act})
    model.fit(x, y, batch_size=8, epochs=4, verbose=0, shuffle=False, callbacks=callback)

    wanted = made()
    for epoch in range(4):
        for batch in range(3):
            if event == "on_train_batch_begin":
                weights(wanted, batch)
            wanted.train_on_batch(x[8 * batch : 8 * batch + 8], y[8 * batch : 8 * batch + 8])
            if event == "on_train_batch_end":
                weights(wanted, batch)
        if event == "on_epoch_end":
            weights(wanted, 1)
        for batch in range(3 if "batch" in event else 2):
            arguments(wanted, epoch, batch)
    for a, b in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def change_images(x, y, weights):
    x[...] = 255 - x


def change_labels(x, y, weights):
    y[...] = (y + 1) % 3


def change_weights(x, y, weights):
    weights[::2] = 0


@pytest.mark.parametrize("change", [change_images, change_labels, change_weights])
@pytest.mark.parametrize("event", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_end"])
def test_data_changed_in_place_count_from_the_next_batch(change, event):
    """Images, labels and sample weights, as when batches are trained on one by one."""

    def given():
        generator = np.random.default_rng(1)
        x = generator.integers(0, 256, (24, 6), np.uint8)
        return x, generator.integers(0, 3, 24), np.ones(24)

    def made():
        layers = minicnn.Input((6,)), minicnn.Rescaling(1 / 255), Dense(3, activation="softmax")
        model = Sequential(layers, seed=0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    def changing(data):
        seen = []

        def act(*number):
            seen.append(number)
            if len(seen) == 2:
                change(*data)

        return act

    model, data = made(), given()
    callback, options = LambdaCallback(**{event: changing(data)}), {"epochs": 3, "verbose": 0}
    x, y, w = data
    model.fit(x, y, 8, sample_weight=w, shuffle=False, callbacks=callback, **options)

    wanted, data = made(), given()
    act = changing(data)
    for _ in range(3):
        for batch in range(3):
            if event == "on_train_batch_begin":
                act()
            x, y, w = (array[8 * batch : 8 * batch + 8] for array in data)
            wanted.train_on_batch(x, y, w)
            if event == "on_train_batch_end":
                act()
        if event == "on_epoch_end":
            act()
    for a, b in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
