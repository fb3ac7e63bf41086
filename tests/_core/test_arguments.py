"""Arguments that are taken for what they are not: truth values, texts, arrays, lost numbers."""

import inspect

import numpy as np
import pytest

import minicnn
from minicnn import SGD, Dense, Input, Sequential, callbacks, losses, metrics
from minicnn.errors import ConfigError, DataError, MiniCNNError
from minicnn.lr_finder import find_learning_rate

X = np.random.default_rng(0).random((16, 4)).astype("float32")
Y = np.arange(16) % 2


def network(**options):
    """A model that is built and compiled."""
    layers = [Input((4,)), Dense(2, activation="softmax")]
    model = Sequential(layers, **{"seed": 0} | options)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


NEEDED = {
    "Activation": {"activation": "relu"},
    "AlphaDropout": {"rate": 0.5},
    "BackupAndRestore": {"backup_dir": "b"},
    "CSVLogger": {"filename": "a"},
    "CenterCrop": {"height": 2, "width": 2},
    "Conv2D": {"filters": 2, "kernel_size": 3},
    "Conv2DTranspose": {"filters": 2, "kernel_size": 3},
    "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 5},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 5},
    "Clip": {"x_min": 0.0},
    "CustomScaleLayer": {"scale": 0.5},
    "Elementwise": {"function": "exp"},
    "Power": {"exponent": 2.0},
    "Reduce": {"function": "mean"},
    "Slice": {"key": 0},
    "Dense": {"units": 3},
    "Dot": {"axes": 1},
    "InputLayer": {"shape": (3,)},
    "RandomCrop": {"height": 2, "width": 2},
    "Resizing": {"height": 2, "width": 2},
    "LayerScale": {"init_values": 0.1, "projection_dim": 3},
    "DepthwiseConv2D": {"kernel_size": 3},
    "Dropout": {"rate": 0.5},
    "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    "GaussianNoise": {"stddev": 0.1},
    "Input": {"shape": (4, 4, 3)},
    "IoU": {"num_classes": 3, "target_class_ids": [0]},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 3},
    "OneHotMeanIoU": {"num_classes": 3},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
    "LearningRateScheduler": {"schedule": lambda epoch: 0.1},
    "ModelCheckpoint": {"filepath": "a.keras"},
    "Permute": {"dims": (2, 1, 3)},
    "PiecewiseConstantDecay": {"boundaries": [1], "values": [1, 2]},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 5},
    "RandomBrightness": {"factor": 0.1},
    "RandomContrast": {"factor": 0.1},
    "RandomRotation": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
    "Rescaling": {"scale": 0.5},
    "Reshape": {"target_shape": (48,)},
    "SeparableConv2D": {"filters": 2, "kernel_size": 3},
    "SpatialDropout2D": {"rate": 0.5},
    "TimeBudget": {"budget": 5},
}
NOT_MADE_SO = "Callback History Initializer LambdaCallback Layer Loss Metric Optimizer Regularizer "
NOT_MADE_SO += "Lambda Residual Schedule TensorBoard LearningRateSchedule ClassificationReport"
MODULES = (
    minicnn.layers, minicnn.optimizers, minicnn.optimizers.schedules, minicnn.losses,
    minicnn.metrics, minicnn.callbacks, minicnn.initializers, minicnn.regularizers,
)  # fmt: skip
CLASSES = {
    (cls.__name__, cls)
    for module in MODULES
    for name in module.__all__
    if isinstance(cls := getattr(module, name), type) and name not in NOT_MADE_SO.split()
}
TEXTS = {"name", "filename", "filepath", "backup_dir", "log_dir", "monitor", "separator"}
WRONG = (1j, float("nan"), {}, object(), np.ma.array([1.0], mask=[True]), np.array(["a", "b"]))


@pytest.mark.parametrize(("name", "cls"), sorted(CLASSES, key=lambda pair: str(pair[1])))
def test_constructors_take_nothing_for_something_else(name, cls):
    """No truth value counts as a number and no number or text as a truth value, in any class."""
    given = NEEDED.get(name, {})
    cls(**given)
    for argument, parameter in inspect.signature(cls).parameters.items():
        truth = isinstance(parameter.default, bool)
        wrong = [*WRONG, *(("no", 1, 0, [], None) if truth else (True, [True, True]))]
        wrong += [] if truth or argument in TEXTS else ["no"]
        if argument == "verbose":
            wrong = [*WRONG, 3, -1, "no", [True]]
        for value in wrong:
            with pytest.raises(MiniCNNError):
                cls(**given | {argument: value})


@pytest.mark.parametrize(
    "call",
    [
        lambda: network(seed=True),
        lambda: network(fuse="no"),
        lambda: network(dtype=np.array([1, 2])),
        lambda: network(kernels=["reference"]),
        lambda: network(name=np.array(["a", "b"])),
        lambda: network().compile("sgd", "mse", {}),
        lambda: network().compile("sgd", "mse", np.array(["mse"])),
        lambda: network().evaluate(X, Y, return_dict=1),
        lambda: network().evaluate(X, Y, batch_size=True),
        lambda: network().predict(X, batch_size=True),
        lambda: network().predict(X, verbose=np.array([0, 1])),
        lambda: network()(X, training="no"),
        lambda: network().get_layer(index=True),
        lambda: network().get_layer(np.array(["a", "b"])),
        lambda: network().save(True),
        lambda: network().load_weights(3),
        lambda: minicnn.load_model(0),
        lambda: find_learning_rate(network(), X, Y, batch_size=True),
        lambda: find_learning_rate(network(), X, Y, highest=True),
        lambda: minicnn.set_threads(True),
    ],
)
def test_models_take_nothing_for_something_else(call):
    """Each door of a model answers in one line."""
    with pytest.raises(ConfigError, match="expected"):
        call()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("shuffle", value) for value in ("no", "batch", 2, [], None, np.ones(2))),
        *(("resume", value) for value in ("no", 1, None)),
        *(("batch_size", value) for value in (True, 2.0, "2", float("nan"))),
        *(("epochs", value) for value in (True, 2.0, "2", -1)),
        *(("validation_split", value) for value in (True, "0.5", -0.5, float("nan"), [])),
        *(("verbose", value) for value in ("no", 3, [], 1.0, np.array([0, 1]))),
        ("validation_batch_size", True),
        ("validation_freq", True),
        ("initial_epoch", True),
        ("steps_per_epoch", True),
        ("validation_steps", True),
        ("time_budget", True),
        ("checkpoint", True),
    ],
)
def test_fit_takes_nothing_for_something_else(name, value):
    """Nor does fit, also where the argument would not be used; and nothing is trained."""
    model = network()
    before = model.get_weights()
    with pytest.raises(ConfigError, match="expected"):
        model.fit(X, Y, **{"verbose": 0, "validation_data": (X, Y)} | {name: value})
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_arrays_of_hyperparameters_are_lists():
    """NumPy's numbers and arrays do what Python's do, and are stored as those."""
    for given, plain in ((np.array([3, 2]), [3, 2]), (np.int64(3), 3), (np.array(3), 3)):
        layer = minicnn.Conv2D(2, given)
        assert layer.kernel_size == plain
        assert type(layer.kernel_size) is type(plain)
    assert minicnn.BatchNorm(center=np.False_).center is False
    assert callbacks.EarlyStopping(patience=np.int64(3)).patience == 3


def masked(values):
    """The first number is not there."""
    values = np.asarray(values)
    return np.ma.array(values, mask=np.arange(values.size).reshape(values.shape) == 0)


@pytest.mark.parametrize("lossy", [masked, lambda values: np.asarray(values) + 0j])
@pytest.mark.parametrize(
    "call",
    [
        lambda model, w: model.fit(w(X), Y, verbose=0),
        lambda model, w: model.fit(X, w(Y), verbose=0),
        lambda model, w: model.fit(X, Y, sample_weight=w(np.ones(16)), verbose=0),
        lambda model, w: model.fit(X, Y, validation_data=(w(X), Y), verbose=0),
        lambda model, w: model.predict(w(X)),
        lambda model, w: model.predict(list(w(X))),
        lambda model, w: model(w(X)),
        lambda model, w: model.backward(w(np.ones((16, 2))), model.forward(X)[1]),
        lambda model, w: model.set_weights([w(a) for a in model.get_weights()]),
        lambda model, w: model.layers[0].set_weights([w(a) for a in model.get_weights()]),
        lambda model, w: model.layers[0].forward(w(X)),
        lambda model, w: model.layers[0].backward(w(np.ones((16, 2))), model.forward(X)[1][1]),
        lambda model, w: losses.MeanSquaredError()(w(X), X),
        lambda model, w: losses.MeanSquaredError().gradient(X, w(X)),
        lambda model, w: metrics.MeanSquaredError().update_state(X, w(X)),
        lambda model, w: metrics.BinaryAccuracy().update_state(Y, w(X[:, :1])),
        lambda model, w: metrics.Precision().update_state(w(Y), X[:, :1]),
        lambda model, w: metrics.AUC().update_state(Y, w(X[:, 0])),
        lambda model, w: metrics.F1Score().update_state(np.eye(2)[Y], w(X[:, :2])),
        lambda model, w: metrics.confusion_matrix(Y, w(Y)),
        lambda model, w: SGD(0.1).step({"a": np.ones(3)}, {"a": w(np.ones(3))}),
    ],
)
def test_no_mask_and_no_imaginary_part_is_dropped(call, lossy):
    """Arrays of which NumPy would drop something are refused, and the weights stay."""
    model = network()
    before = model.get_weights()
    with pytest.raises(DataError, match=r"mask|complex|expected .*numbers"):
        call(model, lossy)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    full = np.ma.array(X, mask=np.zeros(X.shape, bool))
    np.testing.assert_array_equal(model.predict(full), model.predict(X))
