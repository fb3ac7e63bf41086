"""Mistakes that a newcomer makes: each is said in one line, with its cause and what to do."""

import inspect
import warnings

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import (
    SGD,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    Input,
    MaxPool,
    Normalization,
    ReLU,
    Rescaling,
    Sequential,
    load_model,
)
from minicnn.applications import NETWORKS, resnet20, small
from minicnn.data import load_hdf5
from minicnn.data.synthetic import fingers, write_fingers
from minicnn.errors import MiniCNNError
from minicnn.losses import MeanSquaredError, SparseCategoricalCrossentropy
from minicnn.models.memory import check_memory
from minicnn.optimizers import Adam
from mistake_helpers import CATEGORICAL, NAMES, ONE_HOT, SPARSE, N, X, Y, network

rng = np.random.default_rng(0)


def fit(model, x=X, y=Y, **options):
    return model.fit(x, y, verbose=0, **options)


def unscaled():
    """The network of someone who has forgotten Rescaling."""
    model = Sequential([Input((12, 12, 3)), Conv2D(2, 3), Flatten(), Dense(6, "softmax")], seed=0)
    model.compile("sgd", SPARSE)
    return model


def twice():
    """The network of someone who has one Rescaling too many."""
    scaled = [Rescaling(1 / 255), Rescaling(1 / 255)]
    model = Sequential([Input((12, 12, 3)), *scaled, Flatten(), Dense(6, "softmax")], seed=0)
    model.compile("sgd", SPARSE)
    return model


def told(call):
    """All that is said when something is done: the error's line, or the warnings', in order."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            call()
        except MiniCNNError as error:
            return [*(str(w.message) for w in warned), str(error)]
    assert all(w.filename == __file__ for w in warned), "a warning points at the user's line"
    return [str(w.message) for w in warned]


BEGINNERS = {
    "input shape": (
        lambda: fit(network(shape=(8, 8, 3))),
        ["expected input of shape (N, 8, 8, 3), got (24, 12, 12, 3)", "Input((12, 12, 3))"],
    ),
    "forgotten Flatten": (
        lambda: fit(network(6, "softmax", SPARSE, (12, 12, 3), ReLU())),
        ["the model's outputs have shape (N, 10, 10, 6)", "(N, classes). Put Flatten()"],
    ),
    "wrong loss": (
        lambda: fit(network(loss=CATEGORICAL)),
        ["labels of shape (N, 6), like the predictions, got (24,)", SPARSE],
    ),
    "one-hot": (
        lambda: fit(network(), y=ONE_HOT),
        ["labels that are class numbers, of shape (N,), got (24, 6)", f"go with '{CATEGORICAL}'"],
    ),
    "not compiled": (
        lambda: fit(Sequential([Input((12, 12, 3)), Flatten(), Dense(6)])),
        ["expected a compiled model", "compile(optimizer, loss"],
    ),
    "wrong units": (lambda: fit(network(5)), ["the model has 5 outputs, got 5", "Dense(6)"]),
    "text labels": (
        lambda: fit(network(), y=NAMES),
        ["got text, <U3 (24,), such as 'ant'", "np.unique(y, return_inverse=True)"],
    ),
    "unscaled": (lambda: fit(unscaled()), ["from 0 to 255", "unscaled", "Rescaling(1 / 255)"]),
    "channels first": (
        lambda: fit(network(), X.transpose(0, 3, 1, 2)),
        ["got (24, 3, 12, 12)", "channels-last", "x.transpose(0, 2, 3, 1)"],
    ),
    "more in a batch than there is": (
        lambda: fit(network(), batch_size=10_000),
        ["batch_size=10000 is more than the 24 images", "batch_size=32"],
    ),
    "another name of an argument": (
        lambda: fit(network(), validation=(X, Y)),
        ["argument 'validation' =", "Did you mean 'validation_data'?"],
    ),
    "an order of axes": (
        lambda: Sequential(
            [Input((12, 12, 3)), MaxPool(2), Conv2D(2, 3, data_format="channels_first")]
        ),
        ["channels first, as data_format says, got channels last", "x.transpose(0, 2, 3, 1)"],
    ),
    "a folder that is not there": (
        lambda: network().save("nowhere/a.keras"),
        ["no such file or directory", "Make the folder 'nowhere' first."],
    ),
    "validation shape": (
        lambda: fit(network(), validation_data=(X[:, :8, :8], Y)),
        ["fit, validation_data: expected input of shape (N, 12, 12, 3)", "Prepare both"],
    ),
    "an argument": (
        lambda: fit(network(), val_data=(X, Y)),
        ["'val_data' = (array uint8 (24, 12, 12, 3), array int64 (24,))", "'validation_data'"],
    ),
    "an activation": (lambda: Dense(6, activation="rleu"), ["got 'rleu'", "mean 'relu'"]),
    "lists of other sizes": (
        lambda: fit(network(), [X[0].tolist(), X[1, :8].tolist()], [0, 1]),
        ["rows of different shapes, such as (12, 12, 3) and (8, 12, 3)", "Resize the images"],
    ),
    "labels in a row": (
        lambda: fit(network(), y=Y[None]),
        ["got 24 images and 1 labels", "take y[0]"],
    ),
    "labels that are no classes": (
        lambda: fit(network(), y=Y + 0.5),
        ["labels from 0 to 5", "got 0.5", "'mean_squared_error'"],
    ),
    "no such file": (
        lambda: load_hdf5("dataset/train_signs.h5"),
        ["there is no folder 'dataset'", "mean 'datasets/train_signs.h5'"],
    ),
    "no such key": (
        lambda: load_hdf5("datasets/train_signs.h5", "train_x", "train_set_y"),
        ["expected a dataset 'train_x', got train_set_x, train_set_y", "mean 'train_set_x'"],
    ),
    "no such model": (
        lambda: load_model("signs.keras"),
        ["signs.keras: cannot be read: no such file", "mean 'sign.keras'"],
    ),
    "NaN among the images": (
        lambda: fit(network(), np.where(np.arange(N) == 7, np.nan, X.T).T),
        ["NaN or infinity among the images, in 1 of 24, first in number 7", "nan_to_num"],
    ),
    "a loss that is NaN": (
        lambda: fit(network(1, None, "mse", optimizer=SGD(1e9), metrics=[]), epochs=9),
        ["Conv2D 'conv2d'", "finite", "smaller learning rate"],
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with one data file and one model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    with h5py.File("datasets/train_signs.h5", "w") as file:
        file["train_set_x"], file["train_set_y"] = X, Y
    network().save("sign.keras")
    return tmp_path


@pytest.mark.parametrize("mistake", BEGINNERS)
def test_a_beginners_mistake_names_its_cause_and_what_to_do(mistake, folder):
    """Twenty mistakes: one line each, with what was wrong and what to do about it."""
    call, wanted = BEGINNERS[mistake]
    (line,) = told(call)
    assert "\n" not in line
    assert len(line) <= 350
    for part in wanted:
        assert part in line


# What fit warns of ---------------------------------------------------------------------------


def two(last, loss, units=1):
    return lambda: fit(network(units, last, loss, metrics=[]), y=Y % 2)


WARNED = {
    "bytes as floats": (lambda: fit(unscaled(), X.astype("f4")), "unscaled"),
    "16 bits": (lambda: fit(network(), X.astype("u2") * 257), "Take Rescaling(1 / 65535)"),
    "scaled twice": (lambda: fit(network(), X / 255), "scaled once more by the model's Resc"),
    "scaled twice within": (
        lambda: fit(twice()),
        "are scaled more than once by the model's Rescaling layers, and reach Dense",
    ),
    "standardized": (lambda: fit(network(), X / 64 - 2), "from -2 to 1.98 are scaled once more"),
    "one softmax": (two("softmax", "binary_crossentropy"), "over one output is always 1"),
    "one softmax, mse": (two("softmax", "mse"), "Dense(1, 'sigmoid')"),
    "one class": (two("sigmoid", CATEGORICAL), "CategoricalCrossentropy of one output is"),
    "no sigmoid": (two(None, "binary_crossentropy"), "BinaryCrossentropy(from_logits=True)"),
    "relu for sigmoid": (two("relu", "binary_crossentropy"), "'sigmoid' instead of 'relu'"),
    "no softmax": (lambda: fit(network(6, None)), "got outputs such as"),
    "sigmoid for softmax": (
        lambda: fit(network(6, "sigmoid", CATEGORICAL), y=ONE_HOT),
        "outputs that do not sum to 1. End the model in activation='softmax' instead of 'sigm",
    ),
    "a softmax before": (
        lambda: fit(network(6, "softmax", SPARSE, (12, 12, 3), Flatten(), Dense(4, "softmax"))),
        "the softmax of Dense 'dense' is not the model's last",
    ),
    "accuracy of numbers": (
        lambda: fit(network(1, None, "mse"), y=Y / 7),
        "'accuracy' counts classes (BinaryAccuracy), got labels such as 0.143",
    ),
    "accuracy of rows": (
        lambda: fit(network(3, None, "mse"), y=rng.random((N, 3))),
        "For numbers (regression) watch 'mae'",
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_fit_warns_once_of_what_will_not_learn(name):
    """One warning, at the user's line, that says what is so and what to do."""
    call, wanted = WARNED[name]
    (line,) = told(call)
    assert wanted in line
    assert len(line) <= 300


def test_fit_warns_of_nothing_honest():
    """Scaled images, features of any size, losses of logits, and averaged softmaxes are fine."""
    logits = SparseCategoricalCrossentropy(from_logits=True)
    head = [Input((12, 12, 3)), Rescaling(1 / 127.5, -1)]
    centred = Sequential([*head, Conv2D(2, 3), Flatten(), Dense(6, "softmax")], seed=0)
    centred.compile("sgd", SPARSE)
    table = Sequential([Input((4,)), Dense(1)], seed=0)
    table.compile("sgd", "mse")
    normed = Sequential(
        [Input((12, 12, 3)), Conv2D(2, 3, use_bias=False), BatchNorm(), Flatten(), Dense(6)], seed=0
    )
    normed.compile("sgd", logits)
    places = Sequential([Input((12, 12, 3)), Conv2D(6, 3, activation="softmax"), GlobalAvgPool()])
    places.compile("sgd", SPARSE)
    given = Normalization(mean=120.0, variance=2500.0)
    by_hand = Sequential([Input((12, 12, 3)), given, Conv2D(2, 3), Flatten(), Dense(6, "softmax")])
    by_hand.compile("sgd", SPARSE)
    for call in (
        lambda: fit(by_hand),
        lambda: fit(network()),
        lambda: fit(network(), X.astype(float)),
        lambda: fit(network(), np.zeros(X.shape)),
        lambda: fit(unscaled(), X / 255),
        lambda: fit(unscaled(), X / 64 - 2),
        lambda: fit(network(6, None, logits)),
        lambda: fit(network(1, "sigmoid", "binary_crossentropy"), y=Y % 2),
        lambda: fit(network(6, "sigmoid", "binary_crossentropy"), y=ONE_HOT),
        lambda: fit(network(6, "softmax", "mse"), y=ONE_HOT),
        lambda: fit(table, rng.integers(0, 999, (N, 4)), Y),
        lambda: fit(centred),
        lambda: fit(normed),
        lambda: fit(places, X / 255),
        lambda: fit(network(), batch_size=N + 1),
    ):
        assert told(call) == []


# Labels, losses, metrics and names -------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "labels", "outputs", "remedy"),
    [
        (SPARSE, Y + 1, 6, "Count the classes from 0: y - 1"),
        (SPARSE, Y + 1, 9, None),
        (SPARSE, Y % 2, 1, "Dense(1, 'sigmoid')"),
        (SPARSE, Y % 2 * 2 - 1, 2, "(y + 1) // 2"),
        (SPARSE, Y - 1, 6, "ignore_class="),
        ("binary_crossentropy", Y, 10, SPARSE),
        ("binary_crossentropy", Y, 1, SPARSE),
        ("binary_crossentropy", Y % 2 + 1, 1, "Count the classes from 0"),
        ("binary_crossentropy", np.eye(2)[Y % 2], 1, "Dense(2, 'softmax')"),
        ("mse", Y, 6, "np.eye(6)[y]"),
        ("mse", Y / 7, 6, "Dense(1)"),
        (CATEGORICAL, ONE_HOT, 5, "Dense(6)"),
    ],
)
def test_labels_that_do_not_fit_a_loss(loss, labels, outputs, remedy):
    """The line names the other loss, the other layer, or the arithmetic."""
    found = minicnn.losses.get("Sequential", loss)
    lines = told(lambda: found.targets(labels, (outputs,)))
    assert (remedy is None and not lines) or remedy in lines[0]


def test_metrics_name_the_other_metric():
    """Class numbers and one-hot labels each have a metric of another name."""
    for metric, y in (("categorical_accuracy", Y), ("binary_accuracy", Y)):
        (line,) = told(lambda m=metric, y=y: fit(network(metrics=[m]), y=y))
        assert "'sparse_categorical_accuracy', or just 'accuracy'" in line
    model = network(loss=CATEGORICAL, metrics=["sparse_categorical_accuracy"])
    assert "'categorical_accuracy', or just" in told(lambda: fit(model, y=ONE_HOT))[0]


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda: Conv2D(4, 3, padding="smae"), "Did you mean 'same'?"),
        (lambda: MaxPool(2, padding="SMAE"), "'same'"),
        (lambda: Dense(4, activation="ReLU"), "Did you mean 'relu'?"),
        (lambda: network(optimizer="RMSPOP"), "Did you mean 'rmsprop'?"),
        (lambda: network(optimizer=Adam), "Make an object: Adam(...)"),
        (lambda: network(loss=MeanSquaredError), "Make an object: MeanSquaredError(...)"),
        (lambda: network(loss="crossentropy"), f"{SPARSE} (class numbers)"),
        (lambda: network(loss="sparse_categorical_crosentropy"), f"Did you mean '{SPARSE}'?"),
        (lambda: network(metrics=["acuracy"]), "Did you mean 'accuracy'?"),
        (lambda: fit(network(loss=None)), "compiled with a loss, got none"),
        (lambda: fit(network(), validation_data=(X, Y + 1)), "fit, validation_data: Sparse"),
        (lambda: fit(network(), validation_data=X), "got array uint8 (24, 12, 12, 3)"),
        (lambda: fit(network(), class_weight="balanced"), "such as {0: 1.0, 1: 5.0}"),
    ],
)
def test_names_and_arguments_say_what_to_write(call, remedy):
    """A slip in a name names the name; a class, a function or another thing says what is meant."""
    (line,) = told(call)
    assert remedy in line
    assert len(line) <= 310


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: small((3, 64, 64), 6), "small: expected images of shape (N, H, W, C), got (1, 3,"),
        (lambda: small((64, 64), 6), "small: expected input_shape as (height, width, channels)"),
        (lambda: resnet20(64, 6), "resnet20: expected input_shape as (height, width, channels)"),
        (lambda: small((64, 64, 3), "6"), "small: expected classes as a whole number"),
        (lambda: small((64, 64, 3), 1), "small: expected 2 or more classes, got 1"),
        (lambda: small((64, 64, 3), num_classes=6), "Did you mean 'classes'?"),
        (lambda: small((64, 64, 3), 6, augment=ReLU()), "augment as a list of layers, got ReLU()"),
        (lambda: Sequential([Input((4,)), Dense]), "got the class Dense. Make one: Dense(...)."),
        (lambda: Sequential([Input((4,)), "relu"]), "got 'relu'. Write Activation('relu')."),
        (lambda: Sequential([Input((4,)), [Dense(3)]]), "with a star before them: *layers."),
        (lambda: Sequential(Input((4,)), Dense(3)), "Give all layers in one list"),
        (lambda: Input(64, 64, 3), "Give the sizes in one tuple: (64, 64, 3)."),
        (lambda: fingers("6", 0), "fingers: expected n of 0 or more, got '6'."),
        (lambda: fingers(6, 0.5), "fingers: expected seed as a whole number"),
        (lambda: write_fingers(5), "write_fingers: expected folder as a path, got 5."),
    ],
)
def test_what_makes_no_network_or_picture_is_one_line(call, wanted):
    """Arguments of which nothing can be made are refused in the name of what was called."""
    (line,) = told(call)
    assert wanted in line


def test_networks_of_applications_keep_their_signature():
    """What help shows is what the function takes, and the table has each under its name."""
    assert list(inspect.signature(small).parameters) == [
        "input_shape", "classes", "seed", "augment"
    ]  # fmt: skip
    assert all(name == make.__name__ for name, make in NETWORKS.items())


# Memory and divergence -------------------------------------------------------------------------


def test_a_batch_that_no_memory_holds_is_refused_with_its_size(monkeypatch):
    """Before the system ends the process: how much it takes, and a batch size that fits."""
    model = network()
    monkeypatch.setattr("minicnn.models.memory.installed_memory", lambda: 10**8)
    ask = (model, model.fused(), model.optimizer)
    check_memory("fit", *ask, 64)
    (line,) = told(lambda: check_memory("fit", *ask, 10**6))
    assert "a batch of 1,000,000 images takes" in line
    size = int(line.partition("batch_size=")[2].partition(";")[0])
    check_memory("fit", *ask, size)
    (line,) = told(lambda: fit(model, np.broadcast_to(X[:1], (10**5, *X.shape[1:])),
                               np.zeros(10**5, int), batch_size=10**5))  # fmt: skip
    assert line.startswith("fit: a batch of 100,000 images takes")


@pytest.mark.parametrize("where", ["fit", "predict", "build"])
def test_memory_that_is_not_there_is_one_line(where, monkeypatch):
    """A MemoryError from within says which layer or batch, and what to do."""

    def none_left(*args, **options):
        raise MemoryError("Unable to allocate 916. GiB")

    if where == "build":
        monkeypatch.setattr(Dense, "build", none_left)
        (line,) = told(network)
        assert "Dense 'dense' does not fit in memory" in line
        return
    model = network()
    monkeypatch.setattr(Flatten, "forward", none_left)
    (line,) = told(lambda: getattr(model, where)(X, **({"y": Y} if where == "fit" else {})))
    assert "does not fit in memory (Unable to allocate 916. GiB). Try a smaller batch_size" in line


def test_numbers_too_large_for_the_model_are_not_the_rates_fault():
    """Images that overflow single precision are named as such."""
    (line,) = told(lambda: fit(network(), X * 1e300))
    assert "too large for float32: scale them" in line
