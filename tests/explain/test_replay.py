"""A step of a run, done again from its checkpoints."""

import numpy as np
import pytest

from minicnn import (
    Dense,
    Flatten,
    Input,
    Model,
    Sequential,
    explain,
    layers,
    losses,
    optimizers,
    runs,
)
from minicnn._training.program import Program
from minicnn.callbacks import LearningRateScheduler, ReduceLROnPlateau
from minicnn.data.loaders import PyDataset
from minicnn.errors import ConfigError, DivergenceError, ModelFileError
from minicnn.optimizers.schedules import CosineDecay, ExponentialDecay

X = np.random.default_rng(0).integers(0, 256, (44, 8, 8, 1)).astype(np.uint8)
Y = np.arange(44) % 3
WEIGHTS = np.linspace(0.5, 2, 44)


class Noise(PyDataset):
    """Batches that are read one by one."""

    def __len__(self):
        return 6

    def __getitem__(self, i):
        return X[7 * i : 7 * i + 7], Y[7 * i : 7 * i + 7]


def random_row():
    """Augmentation, noise, dropout, moving statistics; a schedule, and pictures held out."""
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.Rescaling(1 / 255),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPool(2),
            layers.GaussianNoise(0.1),
            Flatten(),
            layers.Dropout(0.3),
            Dense(3, activation="softmax"),
        ]
    )
    rate = ExponentialDecay(0.01, 5, 0.9)
    model.compile(optimizers.Adam(rate), "sparse_categorical_crossentropy", ["accuracy"])
    return model, (X, Y), {"batch_size": 5, "epochs": 4, "validation_split": 0.2}, {}


def graph():
    """Ways that meet, momentum, penalties, clipped norms, weights; rates that callbacks set."""
    x = Input((8, 8, 1))
    one = layers.Conv2D(3, 3, padding="same", activation="relu", kernel_regularizer="l2")(
        layers.Rescaling(1 / 255)(x)
    )
    y = layers.Concatenate()([one, layers.Conv2D(2, 1)(one)])
    model = Model(x, Dense(3)(layers.GlobalAvgPool()(y)), seed=0)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.SGD(0.1, momentum=0.9, clipnorm=0.2), loss)
    callbacks = [
        LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        ReduceLROnPlateau("val_loss", factor=0.5, patience=1),
    ]
    more = {"callbacks": callbacks, "sample_weight": WEIGHTS}
    fit = {"batch_size": 8, "epochs": 5, "steps_per_epoch": 4, "validation_data": (X, Y)}
    return model, (X, Y), fit, more


def batches():
    """Data that come in batches, in another order each epoch."""
    model = Sequential([Flatten(), Dense(4, "tanh"), Dense(3, "softmax")], seed=2)
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    return model, (Noise(),), {"epochs": 4}, {}


@pytest.fixture
def gradients(monkeypatch):
    """What the optimizer is given in each step of a run, by its number."""
    seen, update = {}, Program.update

    def noting(self, grads):
        before = {name: array.copy() for name, array in self.params.items()}
        update(self, grads)  # adds the penalties'
        after = {name: array.copy() for name, array in self.params.items()}
        grads = {name: grad.copy() for name, grad in grads.items()}
        seen.setdefault(self.optimizer.iterations, (before, grads, after))

    monkeypatch.setattr(Program, "update", noting)
    return seen


@pytest.mark.parametrize("count", [3, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("build", [random_row, graph, batches])
def test_steps_of_a_run(build, count, tmp_path, gradients):
    """Gradients and weights are those of the run, to the bit; a branch ends as the run did."""
    model, given, fit, more = build()
    history = model.fit(*given, checkpoint=tmp_path, verbose=0, **fit, **more)
    weights, rng = model.get_weights(), np.random.default_rng(0)
    steps = rng.choice(np.arange(1, max(gradients) + 1), count)
    for step in steps.tolist():
        replay = model.replay(tmp_path, step, *given, **more)
        before, grads, after = gradients[step]
        assert replay.params.keys() == grads.keys()
        for name, param in replay.params.items():
            np.testing.assert_array_equal(param.before, before[name])
            np.testing.assert_array_equal(param.gradient, grads[name])
            np.testing.assert_array_equal(param.after, after[name])
    assert all(map(np.array_equal, weights, model.get_weights()))
    held_out = fit.get("validation_data")
    branch = replay.branch(validation_data=held_out)
    assert all(map(np.array_equal, weights, branch.get_weights()))
    assert branch.history.history == history.history
    other = replay.branch(learning_rate=0.5, epochs=6, validation_data=held_out)
    assert len(other.history.epoch) == 6
    assert not np.array_equal(weights[0], other.get_weights()[0])


def test_a_run_that_was_resumed_with_another_schedule(tmp_path, gradients):
    """Steps before it follow the one, steps after it the other; a later start reaches them."""
    for epochs in (2, 4):
        model, given, fit, _ = random_row()
        model.optimizer.learning_rate = CosineDecay(0.01, 7 * epochs)
        more = {"checkpoint": tmp_path, "resume": epochs > 2, "verbose": 0}
        model.fit(*given, **fit | {"epochs": epochs} | more)
    found = runs.load_run(tmp_path)
    for step in (3, 14, 15, 20, 28):
        replay = found.replay(step, *given)
        for name, param in replay.params.items():
            np.testing.assert_array_equal(param.after, gradients[step][2][name])
        assert replay.learning_rate == CosineDecay(0.01, 14 if step < 15 else 28)(step - 1)


def test_what_a_step_has(tmp_path):
    """Batch, nodes, loss and update go together; the model is as it was before the step."""
    model, given, fit, _ = random_row()
    model.fit(*given, checkpoint=tmp_path, verbose=0, **fit)
    replay = runs.load_run(tmp_path).replay(12, *given)
    assert (replay.epoch, replay.batch) == (2, 5)
    np.testing.assert_array_equal(replay.x, X[replay.numbers])
    np.testing.assert_array_equal(replay.y, Y[replay.numbers])
    z, right = replay["dense"].y.astype(np.float64), np.arange(len(replay.y))
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    np.testing.assert_allclose(-np.log(p[right, replay.y]).mean(), replay.loss, rtol=1e-5)
    np.testing.assert_allclose(replay.predictions, p, rtol=1e-5)
    p[right, replay.y] -= 1
    np.testing.assert_allclose(replay["dense"].dy, p / len(p), atol=1e-6)
    kernel = replay.params["dense.kernel"]
    flat = replay["dense"].x
    np.testing.assert_allclose(kernel.gradient, flat.T @ replay["dense"].dy, atol=1e-6)
    np.testing.assert_array_equal(replay["dropout"].y, flat)
    assert np.any(replay["dropout"].y == 0)
    np.testing.assert_array_equal(replay.model.params["dense.kernel"], kernel.before)
    assert replay.model.optimizer.iterations == 11
    assert replay.learning_rate == replay.model.optimizer.learning_rate
    assert 0 < kernel.ratio < 0.1
    lines = str(replay).splitlines()
    assert lines[0] == "Step 12: epoch 2, batch 5 of 7, 5 samples"
    assert lines[1] == f"samples {' '.join(map(str, replay.numbers))}"
    assert max(map(len, lines)) <= 80
    with pytest.raises(ConfigError, match=r"replay: expected one of .*dense, got 'dens'"):
        replay["dens"]


def test_the_step_at_which_a_run_broke(tmp_path):
    """A loss that is no number is shown with what led to it; later steps there are none."""
    model = Sequential([Input((8, 8, 1)), layers.Rescaling(1 / 255), Flatten(), Dense(3), Dense(1)])
    model.compile(optimizers.SGD(1e3), "mse")
    with pytest.raises(DivergenceError):
        model.fit(X, Y, 2, 9, 0, checkpoint=tmp_path)
    step = model.optimizer.iterations + 1
    replay = model.replay(tmp_path, step, X, Y)
    assert not np.isfinite(replay.loss)
    assert replay.params == {}
    assert "loss " in str(replay)
    with pytest.raises(DivergenceError):
        model.replay(tmp_path, step + 1, X, Y)


def test_what_is_refused(tmp_path):
    """Another model, other data, no run, a step that is not there, callbacks that are missing."""
    model, given, fit, more = graph()
    model.fit(*given, checkpoint=tmp_path, verbose=0, **fit, **more)

    def refused(match, step=3, x=X, y=Y, of=model, error=ConfigError, folder=tmp_path, **other):
        with pytest.raises(error, match=match):
            of.replay(folder, step, x, y, **{**more, **other})

    refused(r"expected the data of the run in .* data\.x\.checksum was \d+ and is", x=X[::-1])
    refused(r"expected the data of the run .* data\.sample_weight", sample_weight=None)
    refused(r"expected a step from 1 to 20, .* reach, got 21\.", step=21)
    refused(r"replay: expected step as a whole number", step=0)
    refused(r"callbacks .* LearningRateScheduler, ReduceLROnPlateau, got none", callbacks=None)
    refused(r"expected the folder of a run, with checkpoint\.h5", folder=tmp_path / "no")
    another = Sequential([Input((8, 8, 1)), Flatten(), Dense(3)], seed=0)
    another.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    refused(r"expected the model of the run in .*, but ", of=another)
    for name in ("checkpoint.h5", "checkpoint.previous.h5", "checkpoint.start.h5"):
        (tmp_path / name).write_bytes(b"nothing")
    refused("checkpoint", error=ModelFileError)


def test_a_run_beside_which_somebody_watched(tmp_path):
    """The callbacks of ``explain`` change nothing, and need not be given again."""
    model, given, fit, more = graph()
    more["callbacks"] += [explain.Doctor(), explain.LayerStatistics()]
    model.fit(*given, checkpoint=tmp_path, verbose=0, **fit, **more)
    more["callbacks"] = more["callbacks"][:2]
    assert model.replay(tmp_path, 3, *given, **more).step == 3


def test_a_run_without_its_start(tmp_path):
    """Of the run of an older minicnn only what comes after its last checkpoints can be reached."""
    model, given, fit, more = graph()
    model.fit(*given, checkpoint=tmp_path, verbose=0, **fit, **more)
    (tmp_path / "checkpoint.start.h5").unlink()
    (tmp_path / "checkpoint.previous.h5").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match=r"from before step 3 in .*, got only .* after step 20"):
        model.replay(tmp_path, 3, *given, **more)


def test_an_epoch_that_went_otherwise(tmp_path):
    """A change of the learning rate that nobody knows of is found in the epoch's loss."""
    model = Sequential(
        [Input((8, 8, 1)), layers.Rescaling(1 / 255), Flatten(), Dense(3, "softmax")]
    )
    model.compile(optimizers.SGD(1e-2), "sparse_categorical_crossentropy")

    class Faster:
        """A callback without a state: the checkpoint does not know of it."""

        def on_train_batch_end(self, batch, logs):
            model.optimizer.learning_rate *= 1.1

    model.fit(X, Y, 8, 3, 0, Faster(), checkpoint=tmp_path)
    with pytest.warns(RuntimeWarning, match="epoch 1 of the run had the loss .* not the run's"):
        model.replay(tmp_path, 11, X, Y)


def test_a_generator(tmp_path):
    """Batches of a generator are drawn again from a new one; a branch needs one more."""

    def drawn():
        while True:
            yield from (Noise()[i] for i in range(6))

    model, _, _, _ = batches()
    model.fit(drawn(), epochs=3, steps_per_epoch=5, checkpoint=tmp_path, verbose=0)
    replay = model.replay(tmp_path, 8, drawn())
    np.testing.assert_array_equal(replay.x, Noise()[1][0])
    with pytest.raises(ConfigError, match="expected data that can be drawn again"):
        replay.branch()
