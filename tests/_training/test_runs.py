"""Runs beside each other: an evaluation, another model, another fit change nothing of a run."""

import copy
import threading

import numpy as np
import pytest

from minicnn import BatchNorm, Dense, Dropout, Input, Sequential, metrics
from minicnn.errors import ConfigError
from minicnn.metrics import Metric, Precision, Recall

rng = np.random.default_rng(0)
X = rng.random((48, 5)).astype("float32")
Y = (X.sum(axis=1) > 2.5).astype(int)


class Share(Metric):
    """The share of predictions above a threshold, with attributes that reset_state keeps."""

    def __init__(self, threshold, watched=None):
        self.threshold = threshold
        self.watched = watched
        self.extra = {"calls": [0]}
        super().__init__("share")

    def reset_state(self):
        self.counts = np.zeros(2)

    def update_state(self, y_true, y_pred):
        self.extra["calls"][0] += 1
        self.counts += np.count_nonzero(y_pred > self.threshold), np.size(y_pred)

    def result(self):
        return self.counts[0] / self.counts[1] if self.counts[1] else np.nan


class Both(Metric):
    """F1 out of two metrics of the library's, as Keras scripts write it."""

    def __init__(self, name="both"):
        self.precision, self.recall = Precision(), Recall()
        super().__init__(name)

    def reset_state(self):
        self.precision.reset_state()
        self.recall.reset_state()

    def update_state(self, y_true, y_pred):
        self.precision.update_state(y_true, y_pred)
        self.recall.update_state(y_true, y_pred)

    def result(self):
        p, r = self.precision.result(), self.recall.result()
        return 2 * p * r / (p + r) if p + r else 0.0


def network(chosen=()):
    """A model that draws, normalizes and is compiled."""
    layers = [Dense(6, activation="relu"), BatchNorm(), Dropout(0.3), Dense(1)]
    model = Sequential([Input((5,)), *layers, Dense(1, activation="sigmoid")], seed=0)
    model.compile("adam", "binary_crossentropy", list(chosen))
    return model


class Looks:
    """Evaluates and predicts wherever it can."""

    def on_train_batch_end(self, batch, logs):
        """In the middle of an epoch."""
        self.model.evaluate(X[:7], Y[:7])
        self.model.predict(X[:9])
        logs.clear()

    def on_test_batch_end(self, batch, logs):
        """In the middle of the validation."""
        self.model.evaluate(X[:5], Y[:5])

    def on_epoch_end(self, epoch, logs):
        """After it; and trains a copy, which is another model."""
        before = self.model.history
        copy.deepcopy(self.model).fit(X, Y, verbose=0)
        assert self.model.history is before


def test_an_evaluation_in_a_callback_changes_nothing_of_the_run():
    """Logs, weights and moving statistics are to the bit those of a run without it."""

    def run(callbacks):
        model = network(["binary_accuracy", metrics.AUC(), Precision(), Share(0.4), Both()])
        data = (X[:20], Y[:20])
        history = model.fit(
            X, Y, epochs=3, batch_size=10, verbose=0, validation_data=data, callbacks=callbacks
        )
        return history.history, model.get_weights()

    (plain, weights), (looked, looked_weights) = run(None), run([Looks()])
    assert plain == looked
    for a, b in zip(weights, looked_weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_metric_that_was_given_stays_as_it_is():
    """Neither fit nor evaluate updates, resets or renames it, and two models may have it."""
    metric = Share(0.4)
    metric.update_state(Y[:1], np.array([0.9]))
    one, other = network([Share(0.2), metric]), network([metric])
    history = one.fit(X, Y, verbose=0).history
    assert set(history) == {"loss", "share", "share_1"}
    assert set(other.fit(X, Y, verbose=0).history) == {"loss", "share"}
    assert set(other.evaluate(X, Y, return_dict=True)) == {"loss", "share"}
    assert metric.name == "share"
    assert metric.result() == 1
    assert metric.extra == {"calls": [1]}


def test_one_metric_twice_counts_once_for_each_name():
    """The same object twice in one list gives two equal figures."""
    metric = Precision()
    history = network([metric, metric]).fit(X, Y, verbose=0).history
    assert history["precision"] == history["precision_1"]


def test_a_metric_sees_the_model_that_is_trained():
    """What a metric holds of the model is not copied: it follows the weights and the rate."""

    class Follows(Share):
        def result(self):
            model = self.watched
            return float(model.get_weights()[0].sum() + model.optimizer.learning_rate)

    model = network()
    model.compile("adam", "binary_crossentropy", [Follows(0.5, model)])
    history = model.fit(X, Y, epochs=2, verbose=0).history
    assert history["share"][-1] == float(
        model.get_weights()[0].sum() + model.optimizer.learning_rate
    )


def test_a_metric_that_cannot_be_copied_is_one_line():
    """It says which metric, why, and what to define."""
    model = network([Share(0.5, threading.Lock())])
    with pytest.raises(
        ConfigError, match=r"got a Share that copy\.deepcopy refuses .*__deepcopy__"
    ):
        model.fit(X, Y, verbose=0)


def test_a_metric_made_of_metrics_goes_on_from_its_state():
    """``get_state`` holds what the metrics within have counted, and ``set_state`` gives it back."""
    metric, again, whole = Both(), Both(), Both()
    labels, predictions = Y.reshape(-1, 1), X[:, :1]
    metric.update_state(labels[:20], predictions[:20])
    again.set_state(metric.get_state())
    again.update_state(labels[20:], predictions[20:])
    whole.update_state(labels, predictions)
    assert again.result() == whole.result() > 0


def test_a_model_is_trained_by_one_fit_at_a_time():
    """A callback that trains its own model is told to train a copy; afterwards fit works again."""

    class Again:
        def on_epoch_end(self, epoch, logs):
            self.model.fit(X, Y, verbose=0)

    model = network()
    with pytest.raises(ConfigError, match="in the middle of its fit"):
        model.fit(X, Y, verbose=0, callbacks=[Again()])
    model.fit(X, Y, verbose=0)
