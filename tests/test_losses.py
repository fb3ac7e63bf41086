"""Losses by hand-worked numbers, by finite differences, and where exp overflows."""

import math

import numpy as np
import pytest

from minicnn.activations import sigmoid, softmax
from minicnn.errors import ConfigError, DataError
from minicnn.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
    get,
)
from minicnn.testing import numeric_gradient

rng = np.random.default_rng(0)
LOGITS = rng.standard_normal((5, 4))
LABELS = rng.integers(0, 4, 5)
ONE_HOT = np.eye(4)[LABELS]
BITS = rng.integers(0, 2, (5, 4))

CASES = {
    "mse": (MeanSquaredError(), ONE_HOT, LOGITS),
    "sparse": (SparseCategoricalCrossentropy(), LABELS, softmax(LOGITS) * 1.3),
    "sparse logits": (SparseCategoricalCrossentropy(from_logits=True), LABELS, LOGITS),
    "categorical": (CategoricalCrossentropy(), ONE_HOT, softmax(LOGITS) * 0.7),
    "categorical logits": (CategoricalCrossentropy(from_logits=True), ONE_HOT, LOGITS),
    "categorical smoothed": (
        CategoricalCrossentropy(from_logits=True, label_smoothing=0.2),
        ONE_HOT,
        LOGITS,
    ),
    "binary": (BinaryCrossentropy(), BITS, sigmoid(LOGITS)),
    "binary logits": (BinaryCrossentropy(from_logits=True), BITS, LOGITS),
    "binary smoothed": (BinaryCrossentropy(label_smoothing=0.1), BITS, sigmoid(LOGITS)),
    "binary flat labels": (BinaryCrossentropy(), BITS[:, 0], sigmoid(LOGITS[:, :1])),
    "sparse per pixel": (
        SparseCategoricalCrossentropy(from_logits=True),
        rng.integers(0, 3, (2, 2, 2)),
        rng.standard_normal((2, 2, 2, 3)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_that_of_the_loss(name):
    """The gradient is what central differences of the loss give, and keeps the dtype."""
    loss, y_true, y_pred = CASES[name]
    numeric = numeric_gradient(lambda p: loss(y_true, p), y_pred)
    np.testing.assert_allclose(loss.gradient(y_true, y_pred), numeric, rtol=1e-6, atol=1e-9)
    assert loss.gradient(y_true, y_pred.astype(np.float32)).dtype == np.float32


def test_hand_worked_values():
    """Each loss gives the number worked out by hand."""
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    expected = -(math.log(0.7) + math.log(0.8)) / 2
    assert SparseCategoricalCrossentropy()(np.array([0, 2]), p) == pytest.approx(expected)
    assert SparseCategoricalCrossentropy()(np.array([[0], [2]]), p) == pytest.approx(expected)
    assert CategoricalCrossentropy()(np.eye(3)[[0, 2]], p) == pytest.approx(expected)
    q = np.array([[0.9], [0.2]])
    expected = -(math.log(0.9) + math.log(0.8)) / 2
    assert BinaryCrossentropy()(np.array([1, 0]), q) == pytest.approx(expected)
    assert MeanSquaredError()(np.array([[1.0, 2.0]]), np.array([[2.0, 4.0]])) == 2.5
    smoothed = -(0.9 * math.log(0.7) + 0.05 * math.log(0.2) + 0.05 * math.log(0.1))
    loss = CategoricalCrossentropy(label_smoothing=0.15)
    assert loss(np.eye(3)[[0]], p[:1]) == pytest.approx(smoothed)


def test_logits_and_probabilities_agree():
    """A loss on logits is the same loss on their softmax or sigmoid."""
    for loss in (SparseCategoricalCrossentropy(), CategoricalCrossentropy(), BinaryCrossentropy()):
        y = LABELS if isinstance(loss, SparseCategoricalCrossentropy) else ONE_HOT
        squash = sigmoid if isinstance(loss, BinaryCrossentropy) else softmax
        assert loss.on_logits()(y, LOGITS) == pytest.approx(loss(y, squash(LOGITS)), rel=1e-12)
        assert not loss.from_logits


def test_the_fused_gradient_is_p_minus_y():
    """From logits the gradient is (p - y) / N."""
    loss = SparseCategoricalCrossentropy(from_logits=True)
    expected = (softmax(LOGITS) - ONE_HOT) / 5
    np.testing.assert_allclose(loss.gradient(LABELS, LOGITS), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_nothing_overflows(size):
    """Logits of any size give a finite loss and gradient, and no warning."""
    z = np.array([[size, -size, 0.0], [-size, size, size]], np.float32)
    for loss, y in (
        (SparseCategoricalCrossentropy(from_logits=True), np.array([1, 0])),
        (CategoricalCrossentropy(from_logits=True), np.eye(3)[[1, 0]]),
        (BinaryCrossentropy(from_logits=True), np.eye(3)[[1, 0]]),
    ):
        assert np.isfinite(loss(y, z))
        assert np.isfinite(loss.gradient(y, z)).all()


def test_probabilities_of_zero_and_one_are_clipped_as_in_keras():
    """A sure and wrong answer costs -log 1e-7, not infinity."""
    y, p = np.array([1]), np.array([[1.0, 0.0]])
    assert SparseCategoricalCrossentropy()(y, p) == pytest.approx(-math.log(1e-7))
    assert BinaryCrossentropy()(y, np.array([[0.0]])) == pytest.approx(-math.log(1e-7))
    assert np.isfinite(SparseCategoricalCrossentropy().gradient(y, p)).all()
    assert np.isfinite(BinaryCrossentropy().gradient(y, np.array([[0.0]]))).all()


def test_mistakes_are_explained():
    """Labels that do not fit say what was expected, what came and what to do."""
    p = softmax(LOGITS)
    sparse, categorical = SparseCategoricalCrossentropy(), CategoricalCrossentropy()
    with pytest.raises(DataError, match="labels from 0 to 3, as the model has 4 outputs, got 4"):
        sparse(np.array([0, 1, 2, 3, 4]), p)
    with pytest.raises(DataError, match=r"labels from 0 to 3.*got -1"):
        sparse(np.array([0, 1, 2, 3, -1]), p)
    with pytest.raises(DataError, match=r"got 0\.5"):
        sparse(np.array([0, 1, 2, 3, 0.5]), p)
    with pytest.raises(DataError, match="one-hot go with 'categorical_crossentropy'"):
        sparse(ONE_HOT, p)
    with pytest.raises(DataError, match="class numbers go with 'sparse_categorical_crossentropy'"):
        categorical(LABELS, p)
    with pytest.raises(DataError, match=r"BinaryCrossentropy: expected labels from 0 to 1, got 2"):
        BinaryCrossentropy()(np.array([2]), np.array([[0.5]]))
    with pytest.raises(ConfigError, match="label_smoothing as a number, 0 or more and 1"):
        CategoricalCrossentropy(label_smoothing=2)
    with pytest.raises(ConfigError, match=r"expected loss as Loss or one of binary_cross"):
        get("Sequential", "cross_entropy")
