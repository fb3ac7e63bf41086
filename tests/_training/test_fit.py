"""The arguments of fit and evaluate: weights, splits, steps, epochs, penalties, and weights in
files."""

import csv
import itertools

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import SGD, Adam, BatchNorm, Conv2D, Dense, Flatten, Input, ReLU, Residual, Sequential
from minicnn.callbacks import CSVLogger, LambdaCallback
from minicnn.data import Dataset
from minicnn.errors import ConfigError, DataError, MiniCNNError, ModelFileError, ShapeError
from minicnn.losses import SparseCategoricalCrossentropy
from minicnn.plots import plot_history
from minicnn.regularizers import L1, L2

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 4))
Y = rng.integers(0, 3, 20)
W = rng.uniform(0, 3, 20)


def network(seed=0, optimizer=None, **options):
    layers = [Input((4,)), Dense(5, activation="tanh", **options), Dense(3, activation="softmax")]
    model = Sequential(layers, seed=seed, dtype="float64")
    model.compile(optimizer or SGD(0.1), "sparse_categorical_crossentropy", ["accuracy"])
    return model


def fitted(x=X, y=Y, model=None, **options):
    model = model or network()
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0} | options
    history = model.fit(x, y, **options)
    return history, model.get_weights()


def same(one, other):
    return all(map(np.array_equal, one, other))


def log_loss(model, x, y):
    return -np.log(model.predict(x)[np.arange(len(y)), y])


# Weights of samples ----------------------------------------------------------------------


def test_the_weighted_loss_is_divided_by_the_number():
    """The loss is sum(w * loss) / N, not divided by the sum of the weights."""
    model = network()
    wanted = (W * log_loss(model, X, Y)).sum() / 20
    assert model.evaluate(X, Y, sample_weight=W)[0] == pytest.approx(wanted)
    history, _ = fitted(model=model, sample_weight=W, batch_size=20, epochs=1)
    assert history.history["loss"][0] == pytest.approx(wanted)


def test_metrics_are_not_weighted():
    """sample_weight and class_weight leave the accuracy as it is."""
    model = network()
    assert model.evaluate(X, Y, sample_weight=W)[1] == model.evaluate(X, Y)[1]
    for options in ({"sample_weight": W}, {"class_weight": {0: 9}}, {}):
        history, _ = fitted(batch_size=20, epochs=1, **options)
        assert history.history["accuracy"][0] == model.evaluate(X, Y)[1]


def test_whole_weights_repeat_samples():
    """A sample of weight 2 trains as two of weight 1, where the mean is over as many."""
    weights = np.array([2, 0] * 10)
    (history, got), (other, wanted) = (
        fitted(sample_weight=weights, batch_size=20),
        fitted(np.repeat(X, weights, axis=0), np.repeat(Y, weights), batch_size=20),
    )
    np.testing.assert_allclose(history.history["loss"], other.history["loss"])
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("labels", [lambda y: y, lambda y: y[:, None], lambda y: y.astype(float)])
def test_class_weights_are_sample_weights(labels):
    """Each sample has the weight of its class, and 1 if that is not named."""
    by_class = fitted(y=labels(Y), class_weight={0: 0.5, 2: 3.0})[1]
    assert same(by_class, fitted(sample_weight=np.array([0.5, 1, 3])[Y])[1])
    assert not same(by_class, fitted()[1])


def test_class_weights_of_one_hot_labels():
    """One-hot labels have classes, too."""
    found = []
    for options in ({"class_weight": {1: 4}}, {"sample_weight": np.array([1, 4, 1])[Y]}):
        model = network()
        model.compile("sgd", "categorical_crossentropy")
        found.append(fitted(y=np.eye(3)[Y], model=model, **options)[1])
    assert same(*found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": {0: 1}, "sample_weight": W}, "class_weight or sample_weight, got both"),
        ({"class_weight": [1, 2]}, "class_weight as a dictionary"),
        ({"class_weight": {"cat": 1}}, "class_weight for class numbers, got 'cat'"),
        ({"class_weight": {0: -1}}, r"class_weight\[0\] as a number, 0 or more"),
        ({"class_weight": {0: np.nan}}, r"class_weight\[0\] as a number"),
        ({"sample_weight": W[:-1]}, r"sample_weight as 20 numbers, .* got float64 \(19,\)"),
        ({"sample_weight": ["a"] * 20}, "sample_weight as 20 numbers"),
        ({"sample_weight": W * np.nan}, "NaN or infinity in sample_weight"),
        ({"validation_split": 1}, "validation_split as a number"),
        ({"validation_split": -0.1}, "validation_split as a number"),
        ({"validation_split": 0.999}, "leaves images on both sides"),
        ({"validation_split": 0.01, "x": X[:1], "y": Y[:1]}, "leaves images on both sides"),
        ({"validation_data": X}, "validation_data: expected a dataset, a pair"),
        ({"validation_data": (X,)}, "validation_data: expected a dataset, a pair"),
        ({"validation_data": (X, Y[:3])}, "fit, validation_data: expected as many labels"),
        ({"validation_data": (X, Y, W[:3])}, "fit, validation_data: expected sample_weight"),
        ({"validation_data": (X[:, :3], Y)}, "expected input of shape"),
        ({"validation_data": (X, np.eye(5)[Y])}, "expected labels"),
        ({"validation_freq": 0}, "validation_freq as a whole number"),
        ({"validation_freq": [1, 0.5]}, "validation_freq as a whole number"),
        ({"validation_freq": "2"}, "validation_freq as a whole number"),
        ({"validation_steps": 0}, "validation_steps as a whole number"),
        ({"validation_batch_size": 0}, "expected a whole number of at least 1"),
        ({"batch_size": 0}, "expected a whole number of at least 1"),
        ({"steps_per_epoch": 0}, "steps_per_epoch as a whole number"),
        ({"steps_per_epoch": 1.5}, "steps_per_epoch as a whole number"),
        ({"initial_epoch": -1}, "initial_epoch as a whole number"),
        ({"epochs": 0}, "epochs as a whole number"),
        ({"time_budget": "soon"}, "expected time_budget"),
        ({"verbose": 3}, "expected verbose"),
        ({"class_wieght": {0: 1}}, "Did you mean 'class_weight'"),
    ],
)
def test_what_makes_no_sense_is_said_before_the_first_step(options, message):
    """Wrong values are one clear line, and nothing has been trained."""
    model = network()
    before = model.get_weights()
    with pytest.raises((ConfigError, DataError, ShapeError), match=message) as caught:
        fitted(model=model, **options)
    assert "\n" not in str(caught.value)
    assert model.optimizer.iterations == 0
    assert same(before, model.get_weights())


def test_class_weights_of_labels_that_are_no_classes():
    """Numbers between classes have no class."""
    model = network()
    model.compile("sgd", "mse")
    with pytest.raises(DataError, match="class numbers or one-hot with class_weight"):
        fitted(y=Y + 0.5, model=model, class_weight={0: 1})


# Validation ------------------------------------------------------------------------------


def test_validation_split_takes_the_tail():
    """The last fraction is held out, whatever the shuffling; its weights with it."""
    weighted = {"sample_weight": W, "shuffle": True}
    history, got = fitted(validation_split=0.27, **weighted)
    cut = 14  # 20 * 0.73 is 14.6
    weighted["sample_weight"] = W[:cut]
    held_out = (X[cut:], Y[cut:], W[cut:])
    other, wanted = fitted(X[:cut], Y[:cut], validation_data=held_out, **weighted)
    assert history.history == other.history
    assert same(got, wanted)


def test_validation_split_of_sorted_data_warns():
    """Classes that are in the tail alone are named; without such there is no warning."""
    with pytest.warns(UserWarning, match=r"last 4 images, .* is of class 2\. Shuffle") as caught:
        fitted(y=np.repeat([0, 1, 2], [8, 8, 4]), validation_split=0.2)
    assert caught[0].filename == __file__
    fitted(y=np.arange(20) % 3, validation_split=0.2)


def test_class_weights_leave_the_validation_alone():
    """class_weight counts in training alone, also with validation_split, as in Keras."""
    model = network()
    history, _ = fitted(
        model=model, validation_split=0.5, class_weight={0: 5, 1: 5, 2: 5}, epochs=1
    )
    assert history.history["val_loss"][0] == pytest.approx(log_loss(model, X[10:], Y[10:]).mean())


def test_validation_data_may_be_weighted():
    """val_loss is that of evaluate with the same weights, val_accuracy that without."""
    model = network()
    history, _ = fitted(model=model, validation_data=(X, Y, W))
    loss, accuracy = model.evaluate(X, Y, sample_weight=W)
    assert history.history["val_loss"][-1] == pytest.approx(loss)
    assert history.history["val_accuracy"][-1] == accuracy


def test_validation_data_goes_before_a_split():
    """Where both are given nothing is held out, and a dataset serves as well as a pair."""
    dataset = Dataset(X, Y)
    one = fitted(validation_data=dataset, validation_split=0.5)
    other = fitted(validation_data=(X, Y))
    assert one[0].history == other[0].history
    assert same(one[1], other[1])


@pytest.mark.parametrize(("freq", "judged"), [(2, [1, 3]), (3, [2]), ([1, 4], [0, 3]), ([9], [])])
def test_validation_now_and_then(freq, judged, tmp_path):
    """The history knows which epochs were judged; table, log and picture have gaps there."""
    history, _ = fitted(
        epochs=5,
        validation_data=(X, Y),
        validation_freq=freq,
        callbacks=CSVLogger(tmp_path / "log"),
    )
    assert len(history.history["loss"]) == 5
    assert history.epochs("loss") == list(range(5))
    assert len(history.history.get("val_loss", [])) == len(judged)
    history.to_csv(tmp_path / "table")
    for name, blank, first in (("table", "", 1), ("log", "NA", 0)):
        with open(tmp_path / name, newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["epoch"]) - first for row in rows] == list(range(5))
        if judged or name == "log":
            filled = [i for i, row in enumerate(rows) if row["val_loss"] != blank]
            assert filled == judged
    if judged:
        assert history.epochs("val_loss") == judged
        lines = plot_history(history).axes[0].get_lines()
        assert [list(line.get_xdata()) for line in lines] == [
            [1, 2, 3, 4, 5],
            [epoch + 1 for epoch in judged],
        ]


def test_validation_steps_and_batches():
    """Of the validation only the first steps count; the batch size changes nothing but their
    number."""
    model = network()
    history, _ = fitted(
        model=model, epochs=1, validation_data=(X, Y), validation_steps=2, validation_batch_size=3
    )
    assert history.history["val_loss"][0] == pytest.approx(log_loss(model, X[:6], Y[:6]).mean())
    sizes = [fitted(validation_data=(X, Y), validation_batch_size=size)[0] for size in (1, 7, 99)]
    for one, other in itertools.pairwise(sizes):
        assert one.history["val_loss"] == pytest.approx(other.history["val_loss"])


# Steps and epochs ------------------------------------------------------------------------


def test_steps_per_epoch_go_on_through_the_data():
    """Five epochs of three steps are the 15 steps of three epochs of five."""
    (short, got), (long, wanted) = (
        fitted(batch_size=4, epochs=5, steps_per_epoch=3, shuffle=True),
        fitted(batch_size=4, epochs=3, shuffle=True),
    )
    assert same(got, wanted)
    assert np.mean(short.history["loss"]) == pytest.approx(np.mean(long.history["loss"]))


def test_more_steps_than_a_pass():
    """An epoch may be longer than the data; they begin again, with the short batch each time."""
    (_, got), (_, wanted) = fitted(epochs=1, steps_per_epoch=6), fitted(epochs=2)
    assert same(got, wanted)


def test_initial_epoch():
    """epochs is the number of the last one, and the history counts on from the first."""
    seen = []
    note = LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    history, _ = fitted(epochs=5, initial_epoch=3, callbacks=note)
    assert history.epoch == seen == history.epochs("loss") == [3, 4]
    model = network()
    before = model.get_weights()
    assert fitted(model=model, epochs=3, initial_epoch=3)[0].history == {}
    assert same(before, model.get_weights())


def test_a_time_budget_that_is_enough_changes_nothing():
    """The figures and weights are those without one."""
    one, other = fitted(time_budget="1h"), fitted()
    assert one[0].history == other[0].history
    assert same(one[1], other[1])


# Penalties -------------------------------------------------------------------------------


def penalized(**options):
    return network(kernel_regularizer=L2(0.3), bias_regularizer=L1(0.2), **options)


def test_penalties_count_in_every_loss():
    """loss, val_loss and evaluate have them, whatever the weights of the samples."""
    model = penalized()
    model.layers[0].params["bias"][...] = rng.normal(size=5)

    def wanted(weights=1.0):
        kernel, bias = model.layers[0].params.values()
        penalty = 0.3 * (kernel**2).sum() + 0.2 * np.abs(bias).sum()
        return (weights * log_loss(model, X, Y)).mean() + penalty

    assert model.evaluate(X, Y, batch_size=7)[0] == pytest.approx(wanted())
    assert model.evaluate(X, Y, sample_weight=W)[0] == pytest.approx(wanted(W))
    before = wanted(W)
    history, _ = fitted(
        model=model, sample_weight=W, batch_size=20, epochs=1, validation_data=(X, Y)
    )
    assert history.history["loss"][0] == pytest.approx(before)
    assert history.history["val_loss"][0] == pytest.approx(wanted())


def test_a_step_follows_the_slope_of_loss_and_penalty():
    """One step of SGD moves each parameter by the central difference of what evaluate tells."""
    model = penalized(optimizer=SGD(1.0))
    model.layers[0].params["bias"][...] = rng.normal(size=5)
    weights, slopes = model.get_weights(), []
    for i, array in enumerate(weights):
        slope = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            values = []
            for step in (1e-6, -1e-6):
                moved = [w.copy() for w in weights]
                moved[i][at] += step
                model.set_weights(moved)
                values.append(model.evaluate(X, Y)[0])
            slope[at] = (values[0] - values[1]) / 2e-6
        slopes.append(slope)
    model.set_weights(weights)
    _, after = fitted(model=model, batch_size=20, epochs=1)
    for old, slope, new in zip(weights, slopes, after, strict=True):
        np.testing.assert_allclose(new, old - slope, atol=1e-8)


def test_frozen_layers_have_no_penalty():
    """What is not trained is not counted, in a layer and in one within a Residual."""
    model = penalized()
    model.layers[0].trainable = False
    assert model.evaluate(X, Y)[0] == pytest.approx(log_loss(model, X, Y).mean())
    inner = [Dense(4, kernel_regularizer="l2"), Dense(4, kernel_regularizer=L2(0.5))]
    model = Sequential([Input((4,)), Residual(inner), Dense(3, activation="softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    inner[0].trainable = False
    wanted = log_loss(model, X, Y).mean() + 0.5 * (inner[1].params["kernel"] ** 2).sum()
    assert model.evaluate(X, Y) == pytest.approx(wanted, rel=1e-5)


def images(n=24):
    return rng.normal(size=(n, 6, 6, 2)), rng.integers(0, 3, n)


# A Residual in training ------------------------------------------------------------------


def test_a_residual_with_frozen_layers_trains_the_others():
    """Frozen convolution and statistics stay to the bit, all else moves, and back again."""
    inner = [Conv2D(2, 3, padding="same"), BatchNorm(), ReLU(), Conv2D(2, 3, padding="same")]
    block = Residual(inner, [Conv2D(2, 1)])
    head = [Flatten(), Dense(3, activation="softmax")]
    model = Sequential([Input((6, 6, 2)), block, *head], seed=0)
    model.compile(Adam(0.01), "sparse_categorical_crossentropy")
    inner[0].trainable = inner[1].trainable = False
    frozen = {
        "conv2d.kernel",
        "conv2d.bias",
        *(f"batch_normalization.{n}" for n in inner[1].params),
    }
    frozen |= {f"batch_normalization.{name}" for name in inner[1].state}
    before = {name: array.copy() for name, array in block.arrays().items()}
    x, y = images()
    loss = fitted(x, y, model, epochs=8)[0].history["loss"]
    assert loss[-1] < loss[0]
    stayed = {name for name, array in block.arrays().items() if np.array_equal(array, before[name])}
    assert stayed == frozen
    block.trainable = True
    fitted(x, y, model)
    assert not any(np.array_equal(a, before[name]) for name, a in block.arrays().items())


# Weights in files ------------------------------------------------------------------------


OPTIMIZERS = [lambda: SGD(0.1), lambda: SGD(0.1, momentum=0.9), Adam, minicnn.RMSprop]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_go_through_a_file(optimizer, tmp_path):
    """A new model that takes them trains on in the same bits: the optimizer's memory is there."""
    one, other = network(0, optimizer()), network(1, optimizer())
    fitted(model=one)
    one.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    assert same(one.get_weights(), other.get_weights())
    assert other.optimizer.iterations == 6
    assert same(fitted(model=one)[1], fitted(model=other)[1])


def test_the_learning_rate_goes_through_a_file(tmp_path):
    """The rate that a callback left is taken over, as in Keras; the same rate keeps its digits."""
    one, other = network(), network()
    one.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    assert other.optimizer.learning_rate == 0.1
    one.optimizer.learning_rate = 0.025
    one.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    assert other.optimizer.learning_rate == pytest.approx(0.025)


def test_weights_of_a_model_that_is_not_compiled(tmp_path):
    """Either side may be without an optimizer; weights are taken and nothing else."""
    path = tmp_path / "a.weights.h5"
    plain = Sequential([Input((4,)), Dense(5), Dense(3)], seed=2, dtype="float64")
    plain.save_weights(path)
    model = network(0, Adam())
    fitted(model=model)
    model.load_weights(path)
    assert same(plain.get_weights(), model.get_weights())
    assert model.optimizer.iterations == 6
    fitted(model=model)
    model.save_weights(path)
    plain.load_weights(path)
    assert same(plain.get_weights(), model.get_weights())


def other_shape(path):
    Sequential([Input((4,)), Dense(6), Dense(3)]).save_weights(path)


def other_layers(path):
    Sequential([Input((4,)), Dense(5)]).save_weights(path)


def no_file(path): ...


def no_hdf5(path):
    path.write_bytes(b"PK not this")


def negative_steps(path):
    network(1, Adam()).save_weights(path)
    with h5py.File(path, "r+") as file:
        file["optimizer/vars/0"][...] = -5


def wrong_rate(path):
    network(1, Adam()).save_weights(path)
    with h5py.File(path, "r+") as file:
        file["optimizer/vars/1"][...] = np.nan


@pytest.mark.parametrize(
    "write",
    [other_shape, other_layers, no_file, no_hdf5, negative_steps, wrong_rate],
)
def test_a_file_that_does_not_fit_changes_nothing(write, tmp_path):
    """The error is one line with the file's name, and weights and optimizer are as they were."""
    model = network(0, Adam())
    fitted(model=model)
    path = tmp_path / "a.weights.h5"
    write(path)
    before = model.get_weights(), model.optimizer.get_state(model.params)
    before = [[array.copy() for array in part] for part in before]
    with pytest.raises(ModelFileError, match=r"a\.weights\.h5") as caught:
        model.load_weights(path)
    assert "\n" not in str(caught.value)
    assert same(before[0], model.get_weights())
    assert same(before[1], model.optimizer.get_state(model.params))


def test_weights_files_have_their_ending(tmp_path):
    """A model's ending is refused for weights alone; weights are read from a model's file, too."""
    model, other = network(), network(seed=3)
    with pytest.raises(MiniCNNError, match=r"save_weights: expected a path that ends in \.weights"):
        model.save_weights(tmp_path / "a.keras")
    with pytest.raises(MiniCNNError, match=r"load_weights: expected a path that ends in \.weights"):
        model.load_weights(tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())
    for name in ("a.keras", "a.h5"):
        model.save(tmp_path / name)
        other.set_weights([0 * a for a in other.get_weights()])
        other.load_weights(tmp_path / name)
        assert same(model.get_weights(), other.get_weights())


def test_logits_and_weights():
    """With from_logits the weighted loss and steps are those of a softmax."""
    found = []
    for last, loss in (
        (Dense(3), SparseCategoricalCrossentropy(from_logits=True)),
        (Dense(3, activation="softmax"), SparseCategoricalCrossentropy()),
    ):
        model = Sequential([Input((4,)), last], seed=0, dtype="float64")
        model.compile(SGD(0.1), loss)
        found.append(fitted(model=model, sample_weight=W))
    assert found[0][0].history["loss"] == pytest.approx(found[1][0].history["loss"])
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("parent", ["dense", "softmax"])
def test_a_custom_forward_is_what_is_trained_and_evaluated(parent):
    """The loss is that of the model's predictions, though the custom layer ends in a softmax."""

    def clipped(y, cache):
        return np.clip(y, 0.2, 0.8), cache

    class ClippedDense(Dense):
        def forward(self, x, *, training=False, rng=None):
            return clipped(*super().forward(x, training=training, rng=rng))

    class ClippedSoftmax(minicnn.Softmax):
        def forward(self, x, *, training=False, rng=None):
            return clipped(*super().forward(x, training=training, rng=rng))

    last = [ClippedDense(2, activation="softmax")]
    if parent == "softmax":
        last = [Dense(2), ClippedSoftmax()]
    model = Sequential([Input((4,)), *last], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.set_weights([50 * array for array in model.get_weights()])
    x, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    picked = model.predict(x)[np.arange(20), y]
    assert picked.min() == np.float32(0.2)
    assert model.evaluate(x, y) == pytest.approx(-np.log(picked).mean(), rel=1e-5)


def test_classes_may_be_weighted_by_whole_floats():
    """As scikit-learn's recipe gives them for labels 0.0 and 1.0; others are no class numbers."""
    model = Sequential([Input((4,)), Dense(2, activation="softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2
    options = {"verbose": np.int64(0)}
    by_int = model.fit(x, y, class_weight={0: 1.0, 1: 2.0}, **options).history
    model = Sequential([Input((4,)), Dense(2, activation="softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    by_float = model.fit(x, y, class_weight={np.float64(0): 1.0, 1.0: 2.0}, **options).history
    assert by_int == by_float
    for wrong in (0.5, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="class_weight for class numbers"):
            model.fit(x, y, class_weight={wrong: 1.0}, **options)
