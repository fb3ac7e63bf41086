"""The loop: training, its figures, Ctrl-C, divergence, and data that do not fit."""

import os
import pickle
import re
import signal
import threading
import weakref

import numpy as np
import pytest

from minicnn import SGD, Activation, Adam, Dense, Input, Sequential, Sigmoid, Softmax
from minicnn.data import Dataset
from minicnn.errors import ConfigError, DataError, DivergenceError, ShapeError
from minicnn.losses import SparseCategoricalCrossentropy
from minicnn.metrics import SparseCategoricalAccuracy
from minicnn.testing import numeric_gradient
from sequential_helpers import X, Y, compiled, network

rng = np.random.default_rng(0)


def test_it_learns():
    """Fifty pictures told apart by colour are learned."""
    model = compiled()
    history = model.fit(X, Y, batch_size=16, epochs=30, verbose=0)
    assert history.history["loss"][-1] < 0.4 * history.history["loss"][0]
    assert model.evaluate(X, Y, return_dict=True)["accuracy"] >= 0.9


def test_the_same_seed_gives_the_same_bits():
    """Two runs of one seed have equal weights and histories to the bit; another seed has not."""
    runs = []
    for seed in (3, 3, 4):
        model = compiled(seed)
        history = model.fit(X, Y, batch_size=16, epochs=2, validation_data=(X, Y), verbose=0)
        runs.append((history.history, [w.tobytes() for w in model.get_weights()]))
    assert runs[0] == runs[1]
    assert runs[0][1] != runs[2][1]
    assert set(runs[0][0]) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_the_global_generator_is_never_touched():
    """Building, training and predicting leave NumPy's global generator where it was."""
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    model = compiled()
    model.fit(X, Y, epochs=1, verbose=0)
    model.predict(X)
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


def test_the_reference_kernels_train_the_same_model():
    """A model on plain loops takes the same steps as one on the fast kernels."""
    x, y = X[:6], Y[:6]
    losses = []
    for kernels in ("vectorized", "reference"):
        model = compiled(dtype="float64", kernels=kernels)
        losses.append(model.fit(x, y, batch_size=3, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-9)


def test_gradients_of_a_whole_model():
    """Backward through all layers gives central differences, for dx and every parameter."""
    model = network(dtype="float64")
    x, y = rng.uniform(0, 255, (4, 8, 8, 3)), np.array([0, 1, 1, 0])
    loss = SparseCategoricalCrossentropy()
    state = model.rng.bit_generator.state

    def value(batch):
        model.rng.bit_generator.state = state
        return loss(y, model.forward(batch, training=True)[0])

    model.rng.bit_generator.state = state
    predictions, caches = model.forward(x, training=True)
    dx, grads = model.backward(loss.gradient(y, predictions), caches)
    assert grads.keys() == model.params.keys()
    np.testing.assert_allclose(dx, numeric_gradient(value, x), rtol=1e-4, atol=1e-9)
    for name, param in model.params.items():
        kept = param.copy()

        def moved(new, param=param):
            param[...] = new
            return value(x)

        numeric = numeric_gradient(moved, kept)
        param[...] = kept
        np.testing.assert_allclose(grads[name], numeric, rtol=1e-4, atol=1e-8, err_msg=name)


def test_a_loop_of_ones_own_takes_the_same_steps_as_fit():
    """forward, gradient, backward, step and update_state are what fit is made of."""
    fitted, looped = compiled(dtype="float64"), network(dtype="float64")
    fitted.fit(X, Y, batch_size=25, epochs=2, shuffle=False, verbose=0)
    optimizer, loss = Adam(1e-2), SparseCategoricalCrossentropy()
    for start in (0, 25, 0, 25):
        batch = slice(start, start + 25)
        predictions, caches = looped.forward(X[batch], training=True)
        _, grads = looped.backward(loss.gradient(Y[batch], predictions), caches)
        optimizer.step(looped.params, grads)
        looped.update_state(caches)
    for a, b in zip(fitted.get_weights(), looped.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


def test_figures_are_means_weighted_by_batch_size():
    """With weights that do not move, the running figures equal those over all images."""
    model = network()
    model.layers[-2].rate = 0.0
    model.layers[2].trainable = False
    model.compile(SGD(0.0), "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(X, Y, batch_size=16, verbose=0, validation_data=Dataset(X, Y))
    loss, accuracy = model.evaluate(X, Y, batch_size=7)
    assert history.history["loss"][0] == pytest.approx(loss, rel=1e-6)
    assert history.history["accuracy"][0] == pytest.approx(accuracy)
    assert history.history["val_loss"][0] == pytest.approx(loss, rel=1e-6)
    predictions = model.predict(X, batch_size=11)
    assert accuracy == np.mean(predictions.argmax(axis=1) == Y)
    expected = -np.log(predictions[np.arange(50), Y]).mean()
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        [Dense(2, activation="softmax")],
        [Dense(2), Softmax()],
        [Dense(2), Activation("softmax")],
    ],
    ids=["dense", "softmax", "activation"],
)
def test_softmax_is_fused_with_its_loss(head):
    """However the softmax ends the model, huge logits train without overflow."""
    model = Sequential([Input((3,)), *head], seed=0)
    model.compile(SGD(0.0), "sparse_categorical_crossentropy", ["accuracy"])
    x = np.array([[1e6, 0, -1e6], [-1e6, 5, 1e6]])
    logits = x @ model.params["dense.kernel"]
    wrong = logits.argmin(axis=1)
    loss = model.fit(x, wrong, verbose=0).history["loss"][0]
    shifted = logits - logits.max(axis=1, keepdims=True)
    exact = np.log(np.exp(shifted).sum(axis=1)) - shifted[[0, 1], wrong]
    assert loss == pytest.approx(exact.mean(), rel=1e-5)
    assert loss > 100  # far beyond what clipped probabilities could give


@pytest.mark.parametrize("head", [[Dense(1, activation="sigmoid")], [Dense(1), Sigmoid()]])
def test_sigmoid_is_fused_with_its_loss(head):
    """A sigmoid and binary cross-entropy train on labels (m,), with binary accuracy."""
    model = Sequential([Input((3,)), *head], seed=0)
    model.compile(Adam(0.1), "binary_crossentropy", ["accuracy"])
    x = rng.standard_normal((64, 3)) * 1e3
    history = model.fit(x, (x[:, 0] > 0).astype(int), epochs=20, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert history.history["accuracy"][-1] > 0.9


def test_one_hot_labels_and_metric_objects():
    """Categorical cross-entropy takes one-hot labels; a metric may be an object."""
    model = network()
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    model.fit(X, np.eye(2)[Y], verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy", [SparseCategoricalAccuracy(name="hit")])
    history = model.fit(X, Y, epochs=2, validation_data=(X, Y), verbose=0)
    assert set(history.history) == {"loss", "hit", "val_loss", "val_hit"}


def test_predicting_keeps_no_caches():
    """A layer's cache is gone when the next layer runs; in training all of them wait."""
    caches, alive = [], []

    class Watch(Activation):
        def forward(self, x, *, training=False, rng=None):
            alive.append(sum(cache() is not None for cache in caches))
            memory = np.zeros(1)
            caches.append(weakref.ref(memory))
            return x, memory

        def backward(self, dy, cache):
            return dy, {}

    layers = [Watch("linear"), Watch("linear"), Watch("linear"), Dense(2)]
    model = Sequential([Input((3,)), Dense(3), *layers], seed=0)
    model.compile("sgd", loss="mse")
    x, y = np.ones((4, 3)), np.ones((4, 2))
    model.predict(x, batch_size=2)
    model.evaluate(x, y, batch_size=2)
    assert alive == [0] * 12
    alive.clear()
    model.fit(x, y, batch_size=2, verbose=0)
    assert alive == [0, 1, 2] * 2


def test_progress(capsys):
    """Where there is no terminal, 1 and 2 are a line an epoch, and 0 nothing."""
    model = compiled()
    model.fit(X, Y, verbose=1, validation_data=(X, Y))
    captured = capsys.readouterr()
    assert re.fullmatch(r"epoch 1/1: loss \S+, .*val_accuracy \S+, 0s, \S+/step\n", captured.out)
    assert captured.err == ""
    model.fit(X, Y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    model.fit(X, Y, verbose=0)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_ctrl_c_keeps_what_was_learned():
    """Ctrl-C ends fit after the batch at hand, with whole epochs in the history."""
    model, steps = compiled(), []
    original = model.optimizer.step

    def step(params, grads):
        original(params, grads)
        steps.append(1)
        if len(steps) == 6:  # in the middle of the second epoch of four batches
            os.kill(os.getpid(), signal.SIGINT)

    model.optimizer.step = step
    before = model.get_weights()
    history = model.fit(X, Y, batch_size=16, epochs=50, verbose=0)
    assert len(steps) == 6
    assert history.interrupted
    assert history.epoch == [0]
    assert len(history.history["loss"]) == 1
    assert not np.array_equal(before[0], model.get_weights()[0])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_leaves_at_once():
    """Ctrl-C twice raises KeyboardInterrupt like any program."""
    model = compiled()

    def step(params, grads):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    model.optimizer.step = step
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_fit_in_a_thread():
    """Outside the main thread fit leaves signals alone and trains."""
    model = compiled()
    thread = threading.Thread(target=model.fit, args=(X, Y), kwargs={"verbose": 0})
    thread.start()
    thread.join()
    assert len(model.history.epoch) == 1


def test_divergence_is_named():
    """Numbers that run away stop the training and name the layer.

    Which are seen first, the loss or the moving variance, is a matter of how sums are cut.
    """
    model = compiled(optimizer=SGD(1e38))
    with pytest.raises(
        DivergenceError,
        match=r"became (nan|inf); the first to go was the output of [CB]\w+ '"
        r"|^BatchNorm '\w+': moving_variance is no longer finite",
    ):
        model.fit(X, Y, epochs=5, verbose=0)


def test_data_that_do_not_fit():
    """Images and labels that cannot be learned from say so before the first step."""
    model = compiled()
    before = model.get_weights()
    cases = [
        (
            (X[:, :6], Y),
            ShapeError,
            r"InputLayer 'input_layer': expected input of shape \(N, 8, 8, 3\)",
        ),
        ((X.transpose(0, 3, 1, 2), Y), ShapeError, r"channels-last: try x.transpose\(0, 2, 3, 1\)"),
        ((X[0], Y[:8]), ShapeError, "add the axis"),
        ((X, Y[:-1]), DataError, "50 images and 49 labels"),
        ((X[:0], Y[:0]), DataError, "expected images, got none"),
        ((X, Y + 1), DataError, "expected whole labels from 0 to 1.*got 2"),
        ((X, np.array(["a"] * 50)), DataError, "expected labels as an array of numbers"),
        ((X.astype(str), Y), DataError, "expected images as an array of numbers"),
        ((np.full(X.shape, np.nan), Y), DataError, "NaN or infinity"),
        ((X,), DataError, "got no y"),
        ((Dataset(X, Y), Y), DataError, "which has labels"),
    ]
    for arguments, error, message in cases:
        with pytest.raises(error, match=message):
            model.fit(*arguments, verbose=0)
    with pytest.raises(DataError, match="validation_data"):
        model.fit(X, Y, validation_data=(X, Y[:3]), verbose=0)
    with pytest.raises(ConfigError, match=r"validation_data: expected a dataset, a pair \(x, y\)"):
        model.fit(X, Y, validation_data=0.2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_an_optimizer_trains_one_model():
    """An optimizer that has another model's momenta is refused, not silently shared."""
    first, second = compiled(), network()
    with pytest.raises(ConfigError, match="expected an optimizer of its own, got the Adam"):
        second.compile(first.optimizer, "sparse_categorical_crossentropy")
    first.compile(first.optimizer, "mse")


def test_a_last_step_that_breaks_the_weights_is_found():
    """A step that runs away after the last loss was taken does not pass for training."""
    model = compiled(optimizer=SGD(1e39))
    with pytest.raises(DivergenceError, match="Conv2D 'conv2d': kernel is no longer finite"):
        model.fit(X, Y, batch_size=50, verbose=0)
    assert model.history.epoch == []


def test_a_metric_that_does_not_fit_is_found_before_the_first_step():
    """Labels that a metric cannot take raise before any weight has moved."""
    model = network()
    model.compile("sgd", "categorical_crossentropy", ["sparse_categorical_accuracy"])
    before = model.get_weights()
    with pytest.raises(DataError, match="SparseCategoricalAccuracy: expected labels of shape"):
        model.fit(X, np.eye(2)[Y], verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.history is None


def test_ctrl_c_in_validation_leaves_the_epoch_out():
    """An epoch whose validation was cut short is not recorded, and fit returns at once."""
    model = compiled()
    flatten, judged = model.layers[-3], []
    original = flatten.forward

    def forward(x, *, training=False, rng=None):
        if not training:
            judged.append(len(x))
            os.kill(os.getpid(), signal.SIGINT)
        return original(x, training=training, rng=rng)

    flatten.forward = forward
    history = model.fit(X, Y, batch_size=10, epochs=5, validation_data=(X, Y), verbose=0)
    assert history.interrupted
    assert history.epoch == []
    assert judged == [10]
