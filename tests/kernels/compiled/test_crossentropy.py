"""Softmax and cross-entropy in one call against the loss."""

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential
from minicnn._training.program import Program
from minicnn.data.fitting import Data
from minicnn.kernels import KERNELS
from minicnn.losses import SparseCategoricalCrossentropy

RNG = np.random.default_rng(6)


@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-6), ("float64", 1e-14)])
@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (1, 2), (7, 10), (64, 1000)])
def test_it_is_the_loss_its_gradient_and_the_softmax(rows, classes, dtype, close):
    z = (30 * RNG.standard_normal((rows, classes))).astype(dtype)
    labels = RNG.integers(0, classes, rows)
    loss, p, dz = KERNELS["compiled"].crossentropy(labels, z)
    expected = SparseCategoricalCrossentropy(from_logits=True)
    assert loss == pytest.approx(expected(labels, z.astype(float)), rel=100 * close)
    np.testing.assert_allclose(dz, expected.gradient(labels, z.astype(float)), atol=close)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=10 * close)
    assert p.dtype == dz.dtype == dtype


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_number_that_is_none_shows_in_the_loss(wrong):
    z = np.zeros((3, 4), np.float32)
    z[1, 2] = wrong
    assert not np.isfinite(KERNELS["compiled"].crossentropy(np.zeros(3, int), z)[0])


@pytest.mark.parametrize("last", [None, "softmax"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_step_is_the_same_as_with_the_loss_alone(last, weighted):
    model = Sequential([Input((5,)), Dense(4, last)], seed=0, dtype="float64", kernels="compiled")
    model.compile("sgd", SparseCategoricalCrossentropy(from_logits=last is None))
    weights = RNG.random(9) if weighted else None
    data = Data((RNG.random((9, 5)),), (RNG.integers(0, 4, 9),), (weights,))
    program = Program(model)
    assert program.crossentropy is not None
    found = program.gradients(data, 0.5, RNG)
    program.crossentropy = None
    expected = program.gradients(data, 0.5, RNG)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    np.testing.assert_allclose(found.predictions[0], expected.predictions[0], rtol=1e-12)
    for name, grad in expected.grads.items():
        np.testing.assert_allclose(found.grads[name], grad, rtol=1e-10)


def test_losses_that_compute_otherwise_are_left_alone():
    class Doubled(SparseCategoricalCrossentropy):
        def slope(self, y_true, y_pred):
            return 2 * super().slope(y_true, y_pred)

    for loss in (Doubled(), SparseCategoricalCrossentropy(ignore_class=3), "mse"):
        model = Sequential([Input((5,)), Dense(4, "softmax")], seed=0, kernels="compiled")
        model.compile("sgd", loss)
        assert Program(model).crossentropy is None
