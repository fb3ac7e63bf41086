"""Losses by hand-worked numbers, by finite differences, and where exp overflows."""

import math

import numpy as np
import pytest

from minicnn import losses
from minicnn._core.traits import keeps
from minicnn.activations import sigmoid, softmax
from minicnn.errors import ConfigError, DataError
from minicnn.losses import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    Dice,
    Hinge,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
    get,
)
from minicnn.testing import numeric_gradient
from minicnn.testing.cases import LOSSES

rng = np.random.default_rng(0)
LOGITS = rng.standard_normal((5, 4))
LABELS = rng.integers(0, 4, 5)
ONE_HOT = np.eye(4)[LABELS]
BITS = rng.integers(0, 2, (5, 4))


@pytest.mark.parametrize(("loss", "y_true", "y_pred"), LOSSES, ids=[repr(c.loss) for c in LOSSES])
def test_gradient_is_that_of_the_loss(loss, y_true, y_pred):
    """The gradient is what central differences of the loss give, and keeps the dtype."""
    one_each = np.linspace(0, 2, len(y_pred))
    of_losses = np.linspace(0, 2, y_pred[..., 0].size).reshape(y_pred.shape[:-1])
    weights = [] if isinstance(loss, Tversky) else [one_each, of_losses]
    for weight in (None, *weights):
        numeric = numeric_gradient(lambda p, w=weight: loss(y_true, p, w), y_pred)
        found = loss.gradient(y_true, y_pred, weight)
        np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-9)
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


def test_hand_worked_distances_and_hinges():
    """Losses between numbers and the hinges give the numbers worked out by hand."""
    y, p = np.array([[1.0, 2.0, 3.0]]), np.array([[1.5, 5.0, 3.0]])
    assert MeanAbsoluteError()(y, p) == pytest.approx((0.5 + 3) / 3)
    assert Huber()(y, p) == pytest.approx((0.125 + 2.5) / 3)
    assert Huber(4)(y, p) == pytest.approx((0.125 + 4.5) / 3)
    for bits in (np.array([[1, 0]]), np.array([[1, -1]])):
        assert Hinge()(bits, np.array([[0.25, 0.5]])) == pytest.approx((0.75 + 1.5) / 2)
        assert SquaredHinge()(bits, np.array([[0.25, 0.5]])) == pytest.approx(
            (0.75**2 + 1.5**2) / 2
        )
    scores = np.array([[0.2, 0.9, 0.4], [3.0, 0.1, 0.2], [-0.5, -0.4, -0.3]])
    assert CategoricalHinge()(np.eye(3)[[0, 0, 2]], scores) == pytest.approx((1.7 + 0 + 1.3) / 3)


def test_hand_worked_focal_losses():
    """A focal loss is the cross-entropy times alpha and the wrong probability's power."""
    y, p = np.array([1, 0]), np.array([[0.9], [0.2]])
    sure, less = 0.1**2 * -math.log(0.9), 0.2**2 * -math.log(0.8)
    assert BinaryFocalCrossentropy()(y, p) == pytest.approx((sure + less) / 2)
    balanced = BinaryFocalCrossentropy(apply_class_balancing=True)
    assert balanced(y, p) == pytest.approx((0.25 * sure + 0.75 * less) / 2)
    assert BinaryFocalCrossentropy(gamma=0)(y, p) == pytest.approx(BinaryCrossentropy()(y, p))
    rows = np.array([[0.9, 0.1], [0.2, 0.8]])
    loss = CategoricalFocalCrossentropy(alpha=(1, 3))
    assert loss(np.eye(2), rows) == pytest.approx((sure + 3 * less) / 2)


def test_the_weighted_mean_is_not_divided_by_the_sum_of_weights():
    """Weights of 2 double the loss, and a weight of 0 leaves its sample in the count."""
    y, p = np.array([[0.0], [0.0]]), np.array([[1.0], [3.0]])
    assert MeanSquaredError()(y, p, np.array([2, 0])) == 1
    assert MeanSquaredError()(y, p, np.array([[2.0], [2.0]])) == 10
    assert MeanSquaredError().gradient(y, p, np.array([2, 0])).tolist() == [[2], [0]]


def test_ignored_labels_are_outside_the_mean():
    """The mean is over the labels that count, and with none of them it is 0, not NaN."""
    loss = SparseCategoricalCrossentropy(ignore_class=-1)
    p = np.array([[0.5, 0.5], [0.2, 0.8], [0.1, 0.9]])
    labels, nothing = np.array([0, 1, -1]), np.array([-1, -1, -1])
    assert loss(labels, p) == pytest.approx(-math.log(0.5 * 0.8) / 2)
    assert loss(labels, p, np.array([1, 0, 5])) == pytest.approx(-math.log(0.5) / 2)
    assert loss(nothing, p) == 0
    assert not loss.gradient(nothing, p).any()
    assert not keeps(loss, "additive")
    assert keeps(SparseCategoricalCrossentropy(), "additive")


def test_only_a_plain_mean_may_be_cut():
    """Every loss that promises it, and no other, is the mean over the parts of a batch."""
    for loss, y_true, y_pred in LOSSES:
        n = len(y_pred)
        parts = [(y_true[:1], y_pred[:1]), (y_true[1:], y_pred[1:])]
        total = sum(loss(y, p) * len(p) / n for y, p in parts)
        assert (total == pytest.approx(loss(y_true, y_pred))) == keeps(loss, "additive")


def test_names():
    """Losses go by Keras' names, and come back from their config."""
    for name, kind in (
        ("mse", MeanSquaredError),
        ("MAE", MeanAbsoluteError),
        ("bce", BinaryCrossentropy),
        ("huber", Huber),
        ("categorical_hinge", CategoricalHinge),
        ("squared_hinge", SquaredHinge),
        ("binary_focal_crossentropy", BinaryFocalCrossentropy),
        ("CategoricalFocalCrossentropy", CategoricalFocalCrossentropy),
    ):
        assert type(get("test", name)) is kind
    loss = CategoricalFocalCrossentropy(alpha=(0.1, 0.9), gamma=1)
    assert repr(type(loss).from_config(loss.get_config())) == repr(loss)


def test_logits_and_probabilities_agree():
    """A loss on logits is the same loss on their softmax or sigmoid."""
    for loss in (
        SparseCategoricalCrossentropy(),
        CategoricalCrossentropy(),
        BinaryCrossentropy(),
        CategoricalFocalCrossentropy(),
        BinaryFocalCrossentropy(),
    ):
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
        (BinaryFocalCrossentropy(gamma=0.5, from_logits=True), np.eye(3)[[1, 0]]),
        (CategoricalFocalCrossentropy(gamma=0.5, from_logits=True), np.eye(3)[[1, 0]]),
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
    with pytest.raises(DataError, match="Hinge: expected labels of -1 and 1, or of 0 and 1, got 2"):
        Hinge()(np.array([2]), np.array([[0.5]]))
    with pytest.raises(DataError, match="got all three"):
        Hinge()(np.array([-1, 0, 1]), np.array([[0.5]] * 3))
    with pytest.raises(ConfigError, match="one for each class, got 2"):
        CategoricalFocalCrossentropy(alpha=(0.5, 0.5))(ONE_HOT, p)
    with pytest.raises(ConfigError, match="Huber: expected delta as a number, above 0, got 0"):
        Huber(0)
    with pytest.raises(ConfigError, match="gamma as a number, 0 or more, got -1"):
        BinaryFocalCrossentropy(gamma=-1)
    with pytest.raises(ConfigError, match=r"ignore_class as a whole number or None, got 0\.5"):
        SparseCategoricalCrossentropy(ignore_class=0.5)
    with pytest.raises(DataError, match="expected labels as numbers, got <U1"):
        categorical(np.array(list("abcde")), p)


def test_weights_that_do_not_fit_are_explained():
    """Weights say what they should have been, instead of being broadcast."""
    y, p = np.zeros((3, 2)), np.zeros((3, 2))
    for weight, message in (
        (np.ones(2), r"expected sample_weight of shape \(3,\), one for each sample.*got \(2,\)"),
        (np.ones((3, 2)), r"got \(3, 2\)"),
        (2.0, r"got \(\)"),
        (np.array([1, np.nan, 1]), "sample_weight as finite numbers, got nan"),
        (np.array(list("abc")), "sample_weight as numbers"),
    ):
        with pytest.raises(DataError, match=message):
            MeanSquaredError()(y, p, weight)
        with pytest.raises(DataError, match=message):
            MeanSquaredError().gradient(y, p, weight)


def test_a_custom_loss_says_what_it_lacks():
    """A loss without per_sample or slope is told so by name."""

    class Lacking(Loss):
        pass

    with pytest.raises(TypeError, match="Lacking defines no per_sample"):
        Lacking()(np.zeros((1, 1)), np.zeros((1, 1)))


def test_a_forgotten_flatten_is_named():
    """Predictions that are images and labels that are one number each want Flatten."""
    with pytest.raises(DataError, match=r"Put Flatten\(\) or GlobalAvgPool\(\) before the last"):
        losses.SparseCategoricalCrossentropy().targets(np.array([0, 1]), (5, 5, 3))


@pytest.mark.parametrize("dtype", ["uint8", "uint64", "int8", "bool"])
def test_labels_of_any_dtype_give_the_same_gradient(dtype):
    """One-hot labels in small unsigned numbers do not wrap around in the gradient."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 4)
    labels = np.eye(3)[[0, 2, 1, 1]]
    for name in ("CategoricalHinge", "CategoricalCrossentropy", "MeanSquaredError", "Huber"):
        loss = getattr(losses, name)()
        expected = loss.gradient(labels, p)
        np.testing.assert_allclose(loss.gradient(labels.astype(dtype), p), expected)


def test_overlap_by_hand():
    """Of two images: what both have, over the halves of what is there, in all and of each."""
    y = np.array([[[1.0], [1.0]], [[0.0], [1.0]]])
    p = np.array([[[1.0], [0.5]], [[0.5], [0.0]]])
    assert Dice()(y, p) == pytest.approx(1 - 2 * 1.5 / 5)
    assert Tversky(1.0, 1.0)(y, p) == pytest.approx(1 - 1.5 / 3.5)
    assert Dice(axis=(1, 2))(y, p) == pytest.approx((1 - 2 * 1.5 / 3.5 + 1) / 2)
    assert not keeps(Dice(), "additive")
    with pytest.raises(DataError, match="Dice: expected no sample_weight"):
        Dice()(y, p, np.ones(2))
    with pytest.raises(DataError, match="predictions that have the axis 3"):
        Dice(axis=3)(y, p)
