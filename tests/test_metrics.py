"""Accuracy in its three senses, and the interval around it."""

import math

import numpy as np
import pytest

from minicnn.errors import ConfigError, DataError
from minicnn.metrics import (
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    for_shapes,
    get,
    wilson_interval,
)


def test_running_over_batches():
    """The figure is over all batches since the last reset."""
    metric = SparseCategoricalAccuracy()
    assert math.isnan(metric.result())
    metric.update_state(np.array([0, 1]), np.array([[0.9, 0.1], [0.9, 0.1]]))
    metric.update_state(np.array([[1]]), np.array([[0.1, 0.9]]))
    assert metric.result() == pytest.approx(2 / 3)
    metric.reset_state()
    assert math.isnan(metric.result())


def test_binary_is_strictly_above_the_threshold():
    """0.5 is not above 0.5, so it counts as class 0, as in Keras."""
    metric = BinaryAccuracy()
    metric.update_state(np.array([[0], [1]]), np.array([[0.5], [0.5]]))
    assert metric.result() == 0.5


def test_accuracy_means_what_the_shapes_say():
    """'accuracy' is binary, sparse or categorical by the shapes, under the user's name."""
    for labels_rank, output_shape, kind in (
        (1, (1,), BinaryAccuracy),
        (2, (1,), BinaryAccuracy),
        (1, (6,), SparseCategoricalAccuracy),
        (2, (6,), CategoricalAccuracy),
    ):
        for name in ("accuracy", "acc"):
            metric = for_shapes("test", get("test", name), labels_rank, output_shape)
            assert type(metric) is kind
            assert metric.name == name
    with pytest.raises(
        ConfigError, match="expected metrics as Metric or one of accuracy, acc, bin"
    ):
        get("test", "acuracy")


def test_labels_that_do_not_fit():
    """Labels of a wrong shape raise, instead of being broadcast to a wrong answer."""
    with pytest.raises(DataError, match=r"expected labels of shape \(2,\), got \(3,\)"):
        SparseCategoricalAccuracy().update_state(np.zeros(3), np.zeros((2, 4)))
    with pytest.raises(DataError, match="expected labels of shape"):
        CategoricalAccuracy().update_state(np.zeros(4), np.zeros((4, 4)))


def test_wilson_interval():
    """The interval solves |p - p0| = z sqrt(p0 (1 - p0) / n), Wilson's own equation."""
    z = 1.959963984540054
    for right, total in ((0, 10), (10, 10), (114, 120), (33, 50)):
        low, high = wilson_interval(right, total)
        p = right / total
        assert 0 <= low <= p <= high <= 1
        for bound in (low, high):
            if 0 < bound < 1:
                assert abs(p - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / total))
    assert wilson_interval(0, 10)[0] == 0
    with pytest.raises(ConfigError, match="got 3 of 2"):
        wilson_interval(3, 2)
