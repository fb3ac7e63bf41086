"""Metrics and losses as functions, in calls and in compile; and functions of one's own."""

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential, load_model, losses, metrics
from minicnn.errors import ConfigError, DataError, ModelFileError

X = np.random.default_rng(0).standard_normal((12, 4))
Y = np.arange(12) % 3


def model(loss, wanted):
    """A classifier of three classes."""
    made = Sequential([Input((4,)), Dense(3, activation="softmax")], seed=0)
    made.compile("sgd", loss, wanted)
    return made


def test_functions_by_hand():
    """The loss of each sample, for lists and for a single sample, with the class's arguments."""
    np.testing.assert_allclose(losses.mse([[0, 2], [1, 1]], [[1, 0], [1, 1]]), [2.5, 0])
    assert losses.mean_absolute_error([1, 2], [2.0, 4.0]) == 1.5
    p = np.array([[0.25, 0.75]], np.float32)
    found = losses.categorical_crossentropy(np.array([[0, 1]]), p, label_smoothing=0.5)
    np.testing.assert_allclose(found, [-0.25 * np.log(0.25) - 0.75 * np.log(0.75)], rtol=1e-6)
    assert found.dtype == np.float32
    found = losses.sparse_categorical_crossentropy([1], [[0.0, 0.0]], from_logits=True)
    np.testing.assert_allclose(found, [np.log(2)], rtol=1e-6)
    rows = np.array([[0.1, 0.5, 0.4], [0.2, 0.3, 0.5]])
    assert metrics.top_k_categorical_accuracy(np.eye(3)[[2, 0]], rows, k=2).tolist() == [1, 0]
    assert metrics.categorical_accuracy(np.eye(3)[[1, 0]], rows).tolist() == [1, 0]
    assert metrics.binary_accuracy([[1, 0]], [[0.9, 0.8]]).tolist() == [[1, 0]]
    assert metrics.binary_accuracy([[1, 0]], [[0.9, 0.8]], threshold=0.85).tolist() == [[1, 1]]


def test_functions_answer_as_classes_do():
    """Arguments that are not there and labels that do not fit are one line."""
    with pytest.raises(ConfigError, match="mse: argument 'axs' = 3 is not supported"):
        losses.mse([1], [2], axs=3)
    with pytest.raises(DataError, match=r"expected labels of shape"):
        metrics.categorical_accuracy(np.zeros((2, 3)), np.zeros((2, 4)))


def test_a_function_stands_for_its_class():
    """In compile it is the loss or the metric of its name, and bears that name in logs."""
    made = model(losses.sparse_categorical_crossentropy, [metrics.sparse_categorical_accuracy])
    named = model("sparse_categorical_crossentropy", ["sparse_categorical_accuracy"])
    assert repr(made.loss) == repr(named.loss)
    for each in (made, named):
        each.fit(X, Y, epochs=2, verbose=0)
    assert made.history.history == named.history.history
    assert "sparse_categorical_accuracy" in made.history.history
    assert metrics.mse is losses.mse
    made.compile("sgd", losses.mse, [losses.mae, metrics.MSE])
    assert repr(made.metrics) == "[MeanAbsoluteError(name='mae'), MeanSquaredError(name='MSE')]"


def highest(y_true, y_pred):
    """The mean over the samples of the largest prediction."""
    return y_pred.max(axis=-1)


def test_a_function_of_one_s_own_is_a_metric(tmp_path):
    """It gives numbers of samples, whose mean is in the logs; in files it is its name."""
    made = model("sparse_categorical_crossentropy", [highest, "accuracy"])
    _, high, _ = made.evaluate(X, Y, batch_size=5)
    assert high == pytest.approx(made.predict(X).max(axis=-1).mean(), rel=1e-6)
    made.fit(X, Y, epochs=1, verbose=0, checkpoint=tmp_path / "run")
    assert "highest" in made.history.history
    for path in (tmp_path / "m.keras", tmp_path / "m.h5"):
        made.save(path)
        again = load_model(path, custom_objects={"highest": highest})
        assert again.evaluate(X, Y, return_dict=True) == made.evaluate(X, Y, return_dict=True)
    with pytest.raises(ModelFileError, match=r"got 'highest'.*compile=False"):
        load_model(tmp_path / "m.keras")
    with pytest.raises(ConfigError, match="expected of broken a number, or one for each sample"):
        model("sparse_categorical_crossentropy", [broken]).evaluate(X, Y)


def broken(y_true, y_pred):
    """No number."""
    return "text"


def test_reductions():
    """A sum and the single losses can be called; only the mean can be trained."""
    y, p = np.array([[0.0], [0.0]]), np.array([[1.0], [3.0]])
    assert losses.MeanSquaredError(reduction="sum")(y, p) == 10
    single = losses.MeanSquaredError(reduction=losses.Reduction.NONE)
    assert single(y, p).tolist() == [1, 9]
    assert single(y, p, [1, 2]).tolist() == [1, 18]
    assert losses.MeanSquaredError(reduction=losses.Reduction.AUTO)(y, p) == 5
    with pytest.raises(ConfigError, match="MeanSquaredError: expected reduction as 'sum_over"):
        losses.MeanSquaredError(reduction="average")
    with pytest.raises(ConfigError, match=r"whose mean is trained, .* got reduction='none'"):
        model(losses.MeanSquaredError(reduction="none"), None)


def test_means_and_sums_of_a_loop():
    """A metric that is called takes in a batch and gives the value so far."""
    mean, total = metrics.Mean(), metrics.Sum(name="all")
    assert (mean.result(), mean(4.0), mean([1.0, 1.0])) == (0, 4, 2)
    assert mean(np.full((2, 3), 5.0), sample_weight=[1.0, 0.0]) == pytest.approx(11 / 4)
    assert total([1.0, 2.0], sample_weight=[2.0, 1.0]) == 4
    mean.reset_states()
    assert mean.result() == 0


def test_iou_by_hand():
    """Of pixels: two classes found in part, one that never occurs, and pixels that do not count."""
    true = np.array([[0, 0, 1, 2, 9]])
    found = np.array([[0, 1, 1, 1, 1]])
    metric = metrics.MeanIoU(4, ignore_class=2)
    metric.update_state(true, found)
    assert metric.result() == pytest.approx((1 / 2 + 1 / 2) / 2)
    one = metrics.IoU(4, target_class_ids=[1])
    one.update_state(true, found, sample_weight=np.array([[1, 1, 2, 1, 1]]))
    assert one.result() == pytest.approx(2 / 4)
    with pytest.raises(DataError, match="probabilities of classes sparse_y_pred=False"):
        one.update_state(true, np.zeros((1, 5, 4)))
    with pytest.raises(ConfigError, match="target_class_ids as a whole number from 0 to 3"):
        metrics.IoU(4, target_class_ids=[4])
