"""Functions as losses: their values and gradients against finite differences and our own losses."""

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Input, Sequential, backend, losses, ops
from minicnn.errors import ConfigError, ModelFileError
from minicnn.losses.traced import of_function
from minicnn.models import load_model

RNG = np.random.default_rng(0)


def dice(y_true, y_pred):
    """A sum over all that a batch holds, in a ratio."""
    true, pred = backend.flatten(y_true), backend.flatten(y_pred)
    both = backend.sum(true * pred)
    return 1 - (2.0 * both + 1) / (backend.sum(true) + backend.sum(pred) + 1)


def dice_and_crossentropy(y_true, y_pred):
    """With a loss of minicnn's as a function."""
    return losses.binary_crossentropy(y_true, y_pred) + dice(y_true, y_pred)


def with_an_object(y_true, y_pred):
    """With a loss of minicnn's as an object, and a penalty."""
    return losses.BinaryCrossentropy()(y_true, y_pred) + 0.1 * ops.mean(ops.abs(y_pred))


def contrastive(y_true, y_pred):
    """With a maximum of a number and a tensor."""
    far = ops.square(ops.maximum(1 - y_pred, 0))
    return ops.mean(y_true * ops.square(y_pred) + (1 - y_true) * far)


def huber(y_true, y_pred):
    """With a comparison and a choice."""
    error = y_true - y_pred
    return ops.where(ops.abs(error) < 0.4, ops.square(error) / 2, ops.abs(error) - 0.5)


def focal(y_true, y_pred):
    """With labels that choose, powers and logarithms."""
    right = ops.where(ops.equal(y_true, 1), y_pred, ops.ones_like(y_pred))
    wrong = ops.where(ops.equal(y_true, 0), y_pred, ops.zeros_like(y_pred))
    return -ops.mean((1 - right) ** 2 * ops.log(right)) - ops.mean(wrong**2 * ops.log(1.0 - wrong))


def jaccard(y_true, y_pred):
    """With sums over some axes, one number for each image and channel."""
    both = ops.sum(ops.abs(y_true * y_pred), axis=[1, 2])
    total = ops.sum(ops.abs(y_true) + ops.abs(y_pred), axis=[1, 2])
    return 1 - (both + 1) / (total - both + 1)


def weighted(y_true, y_pred):
    """With the cross-entropy of each number."""
    each = backend.binary_crossentropy(y_true, y_pred)
    return backend.mean(each * (3 * y_true + 1 - y_true))


def slices(y_true, y_pred):
    """With parts of the last axis, as a triplet loss has them."""
    near, far = y_pred[:, 0:1] - y_pred[:, 1:2], y_pred[:, 0:1] - y_pred[:, 2:3]
    distance = ops.sum(near**2, axis=1) - ops.sum(far**2, axis=1)
    return ops.sum(ops.maximum(distance + 0.2, 0.0), axis=0)


def across_the_batch(y_true, y_pred):
    """With axis 0, which is that of the batch here."""
    middle = ops.mean(y_pred, axis=0, keepdims=True)
    return ops.mean(ops.square(y_pred - middle), axis=-1) + ops.mean(y_pred[1:] * y_true[1:])


IMAGES, ROWS = (3, 4, 4, 1), (5, 3)
CASES = [
    (dice, IMAGES), (dice_and_crossentropy, IMAGES), (jaccard, IMAGES), (weighted, IMAGES),
    (with_an_object, ROWS), (contrastive, ROWS), (huber, ROWS), (focal, ROWS), (slices, ROWS),
    (across_the_batch, ROWS),
]  # fmt: skip


@pytest.mark.parametrize(("function", "shape"), CASES, ids=lambda x: getattr(x, "__name__", None))
@pytest.mark.parametrize("weights", [False, True])
def test_gradients_are_those_of_finite_differences(function, shape, weights):
    """The gradient of every number, with and without weights of the samples."""
    loss = of_function(function)
    y = (RNG.random(shape) > 0.5).astype(float)
    p = RNG.uniform(0.05, 0.95, shape)
    # A loss that gives one number for each sample takes weights; so does one for all of them.
    w = (RNG.uniform(0.5, 2, len(p)),) if weights else ()
    found = loss.gradient(y, p, *w)
    for at in np.ndindex(*shape):
        step = np.zeros(shape)
        step[at] = 1e-6
        quotient = (loss(y, p + step, *w) - loss(y, p - step, *w)) / 2e-6
        assert found[at] == pytest.approx(quotient, rel=1e-5, abs=1e-8)


def test_a_function_of_a_loss_is_that_loss():
    """The mean squared error written as a function trains to the same weights as ours."""
    x, y = RNG.random((12, 4), np.float32), RNG.random((12, 2), np.float32)
    trained = []
    for loss in ("mse", lambda true, pred: ops.mean(ops.square(pred - true), axis=-1)):
        model = Sequential([Input((4,)), Dense(3, activation="tanh"), Dense(2)], seed=1)
        model.compile("adam", loss)
        history = model.fit(x, y, batch_size=5, epochs=3, verbose=0, validation_split=0.25)
        trained.append((model.get_weights(), history.history))
    for one, other in zip(trained[0][0], trained[1][0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    for name, values in trained[0][1].items():
        np.testing.assert_allclose(values, trained[1][1][name], rtol=1e-4)


class Huber(losses.Loss):
    """As in Keras: a call of labels and predictions, and a config."""

    def __init__(self, threshold=1.0, **kwargs):
        self.threshold = threshold
        super().__init__(**kwargs)

    def call(self, y_true, y_pred):
        """Quadratic near 0, linear beyond."""
        error = ops.abs(y_true - y_pred)
        small, t = error < self.threshold, self.threshold
        return ops.where(small, error**2 / 2, t * error - t**2 / 2)

    def get_config(self):
        """With the threshold."""
        return {**super().get_config(), "threshold": self.threshold}


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_models_are_saved_with_the_name_of_a_custom_loss(tmp_path, name):
    """A function and a class are found in ``custom_objects``; without them one line says so."""

    def mine(y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    x, y = RNG.random((8, 4)), RNG.random((8, 1))
    for loss, custom in ((mine, {"mine": mine}), (Huber(0.5), {"Huber": Huber})):
        model = Sequential([Input((4,)), Dense(1)])
        model.compile("sgd", loss)
        model.fit(x, y, verbose=0)
        model.save(tmp_path / name)
        again = load_model(tmp_path / name, custom_objects=custom)
        assert again.evaluate(x, y) == model.evaluate(x, y)
        assert load_model(tmp_path / name, compile=False).predict(x).shape == (8, 1)
        if name == "m.h5":  # as in Keras, a warning: it is loaded, but not compiled
            continue
        with pytest.raises(ModelFileError, match=r"custom_objects=\{name: (object|class)\}"):
            load_model(tmp_path / name)


def test_what_no_layer_does_is_refused_in_one_line():
    """The loss, the function within, and what to write instead are named."""
    model = Sequential([Input((8, 8, 1)), Conv2D(1, 3, activation="sigmoid")])

    def ranked(y_true, y_pred):
        return ops.mean(ops.sort(y_pred) - y_true)

    def broken(y_true, y_pred):
        return y_pred.no_such_method()

    x, y = np.zeros((2, 8, 8, 1)), np.zeros((2, 6, 6, 1))
    for loss, words in ((ranked, "ranked: sort: expected arrays"), (broken, "no_such_method")):
        model.compile("sgd", loss)
        with pytest.raises(ConfigError, match=words) as error:
            model.fit(x, y, verbose=0)
        assert "\n" not in str(error.value)
        assert "docs/write_your_own.md" in str(error.value)
