"""Attributes that are set after an object was made: they work, or are refused in one line."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import minicnn
from minicnn import (
    SGD,
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    MaxPool,
    RandomContrast,
    Residual,
    Sequential,
    callbacks,
)
from minicnn.callbacks import Callback, CSVLogger, EarlyStopping, LambdaCallback, TimeBudget
from minicnn.errors import ConfigError, MiniCNNError, NameUnknownError
from minicnn.initializers import HeNormal
from minicnn.losses import BinaryCrossentropy
from minicnn.metrics import Metric, Precision
from minicnn.optimizers import Optimizer
from minicnn.optimizers.schedules import ExponentialDecay
from minicnn.regularizers import L2

X = np.random.default_rng(0).random((16, 6, 6, 1)).astype("float32")
Y = np.arange(16) % 2


def network(*layers):
    """A model that is built and compiled."""
    model = Sequential([Input((6, 6, 1)), *layers, Flatten(), Dense(2, name="scores")], seed=0)
    model.compile(SGD(0.1), "mse")
    return model


UNKNOWN = [
    (lambda: Adam(), "learn_rate", "learning_rate"),
    (lambda: SGD(), "learning_rte", "learning_rate"),
    (lambda: Dense(3), "trainble", "trainable"),
    (lambda: Dropout(0.5), "rates", "rate"),
    (network, "metricss", "metrics"),
    (network, "stop_trainig", "stop_training"),
    (BinaryCrossentropy, "label_smoothin", "label_smoothing"),
    (Precision, "threshold", "thresholds"),
    (HeNormal, "seeds", "seed"),
    (L2, "l_2", "l2"),
    (lambda: ExponentialDecay(0.1, 5, 0.9), "decay_step", "decay_steps"),
    (lambda: EarlyStopping(), "patince", "patience"),
    (lambda: TimeBudget(5), "second", "seconds"),
    (lambda: LambdaCallback(on_epoch_end=print), "modell", "model"),
]


@pytest.mark.parametrize(("make", "wrong", "right"), UNKNOWN)
def test_a_name_that_nobody_reads_is_refused(make, wrong, right):
    """It names the nearest attribute that is there; copies refuse it as well."""
    made = make()
    for each in (made, copy.copy(made), copy.deepcopy(made)):
        with pytest.raises(NameUnknownError, match=f"no '{wrong}' to set. Did you mean '{right}'"):
            setattr(each, wrong, 1)
        assert not hasattr(each, wrong)
        each._mine = 5
        assert each._mine == 5
    for kind in (MiniCNNError, AttributeError, ValueError):
        assert issubclass(NameUnknownError, kind)


def test_classes_of_ones_own_take_any_name():
    """In the constructor, in methods and from outside."""

    class MyLayer(Layer):
        def __init__(self):
            super().__init__()
            self.anything = 1

        def build(self, input_shape, rng, dtype):
            super().build(input_shape, rng, dtype)
            self.later = 2

        def forward(self, x, *, training=False, rng=None):
            return x, None

        def backward(self, dy, cache):
            return dy, {}

    class MyMetric(Precision):
        def reset_state(self):
            super().reset_state()
            self.more = []

    class MyCallback(Callback):
        def on_epoch_end(self, epoch, logs):
            self.seen = epoch

    class MyOptimizer(SGD):
        pass

    class MyModel(Sequential):
        pass

    for made in (MyLayer(), MyMetric(), MyCallback(), MyOptimizer(), MyModel()):
        made.note = 3
        made = copy.deepcopy(made)
        assert made.note == 3
        made.another = 4
    callback = MyCallback()
    network(MyLayer()).fit(X, np.eye(2)[Y], verbose=0, callbacks=callback)
    assert callback.seen == 0


def test_pickled_objects_are_whole():
    """Layers, optimizers, metrics and callbacks come back as they were, and still refuse."""
    for made in (Dense(3, name="a"), Adam(0.5), Precision(0.3), EarlyStopping(patience=4)):
        again = pickle.loads(pickle.dumps(made))
        assert vars(again).keys() == vars(made).keys()
        with pytest.raises(NameUnknownError):
            again.nonsense = 1


def test_what_is_derived_from_an_argument_follows():
    """Setting an argument does what the constructor would have done with it."""
    contrast = RandomContrast(0.1)
    contrast.factor = (0.5, 0.25)
    assert vars(contrast) | {"name": None} == vars(RandomContrast((0.5, 0.25))) | {"name": None}
    metric = Precision()
    metric.update_state(Y[:, None], np.full((16, 1), 0.8))
    metric.thresholds = [0.5, 0.9]
    metric.update_state(Y[:, None], np.full((16, 1), 0.8))
    assert metric.result().tolist() == [0.5, 0]
    log = CSVLogger("a.csv")
    log.filename = "b/c.csv"
    assert log.filename.parent.name == "b"
    stop = EarlyStopping(patience=1)
    stop.wait = 7
    stop.patience = 3
    assert (stop.wait, stop.patience) == (7, 3)
    optimizer = SGD(0.1)
    optimizer.momentum = 0.5
    assert optimizer.slot_names == ("momentum",)


def test_a_layer_that_is_built_may_change_what_its_arrays_allow():
    """A rate, an activation or a momentum counts from then on; a number of units cannot."""
    drop, norm = Dropout(0.5), BatchNorm()
    model = network(drop, norm)
    before = model.get_weights()
    drop.rate = 0.0
    norm.momentum = 0.0
    scores = model.get_layer("scores")
    scores.activation = "relu"
    model.fit(X, np.eye(2)[Y], verbose=0, batch_size=16)
    assert model.predict(X).min() >= 0
    np.testing.assert_allclose(norm.state["moving_mean"], X.mean(axis=(0, 1, 2)), rtol=1e-5)
    model.set_weights(before)
    for layer, name, value in (
        (scores, "units", 5),
        (scores, "use_bias", False),
        (scores, "kernel_initializer", "zeros"),
        (norm, "axis", 1),
        (norm, "scale", False),
    ):
        kept = getattr(layer, name)
        with pytest.raises(ConfigError, match=f"{name} cannot become .* is built. Make a new"):
            setattr(layer, name, value)
        assert getattr(layer, name) == kept
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("layer", "name", "value", "message"),
    [
        (lambda: Conv2D(4, 3, padding="same"), "kernel_size", 5, "cannot become 5"),
        (lambda: Conv2D(4, 3), "filters", "8", "filters as a whole number"),
        (lambda: Conv2D(4, 3), "activation", "rleu", "Did you mean 'relu'"),
        (lambda: MaxPool(2), "pool_size", 3, "pool_size cannot become 3"),
        (lambda: Dropout(0.5), "rate", 1.5, "rate as a number"),
        (lambda: Dropout(0.5), "name", "a/b", "name as a text"),
        (lambda: Dropout(0.5), "trainable", "no", "trainable as True or False"),
        (lambda: Residual([Conv2D(1, 1)]), "layers", [Conv2D(1, 3)], "cannot become"),
        (lambda: Dense(3), "weights", [], "weights cannot be set. Use set_weights"),
    ],
)
def test_what_a_layer_cannot_be_is_one_line(layer, name, value, message):
    """And the layer stays as it is."""
    made = layer()
    network(made)
    with pytest.raises(ConfigError, match=message):
        setattr(made, name, value)


def test_a_model_takes_objects_and_compile_takes_names():
    """Text for the optimizer, the loss or the metrics is told of compile; a new rate just works."""
    model = network()
    for name, value in (("optimizer", "adam"), ("loss", "mae"), ("metrics", "accuracy")):
        with pytest.raises(ConfigError, match=rf"Call compile\({name}=\.\.\.\)"):
            setattr(model, name, value)
    for name, value in (("seed", 3), ("dtype", "float64"), ("kernels", "reference")):
        with pytest.raises(ConfigError, match=rf"Give it to Sequential\(layers, {name}=\.\.\.\)"):
            setattr(model, name, value)
    with pytest.raises(ConfigError, match="layers cannot be set"):
        model.layers = []
    with pytest.raises(ConfigError, match="fuse as True or False"):
        model.fuse = "no"
    other = network()
    with pytest.raises(ConfigError, match="an optimizer of its own"):
        model.optimizer = other.optimizer
    model.optimizer = Adam(0.5)
    with pytest.raises(ConfigError, match="an optimizer of its own"):
        other.compile(model.optimizer, "mse")
    model.optimizer.learning_rate = 0.25
    model.fit(X, np.eye(2)[Y], verbose=0)
    assert model.optimizer.iterations == 1
    with pytest.raises(ConfigError, match="amsgrad cannot become True"):
        model.optimizer.amsgrad = True


def test_two_layers_of_one_name_are_found():
    """A name that is set may be taken: the arrays of one layer would hide those of the other."""
    model = network(Conv2D(1, 1), Conv2D(1, 1))
    model.layers[1].name = model.layers[0].name
    with pytest.raises(ConfigError, match="two called 'conv2d'"):
        model.fit(X, np.eye(2)[Y], verbose=0)


NEEDED = {
    "IoU": (3, [0]),
    "OneHotIoU": (3, [0]),
    "MeanIoU": (3,),
    "OneHotMeanIoU": (3,),
    "PrecisionAtRecall": (0.5,),
    "RecallAtPrecision": (0.5,),
    "SensitivityAtSpecificity": (0.5,),
    "SpecificityAtSensitivity": (0.5,),
}
"""What metrics that have arguments without a default are made with."""


def test_every_class_can_be_set_as_it_was_made():
    """Each argument of each optimizer, loss and metric takes the value that it has."""
    for module, kind in (("optimizers", Optimizer), ("losses", object), ("metrics", Metric)):
        for name in getattr(minicnn, module).__all__:
            cls = getattr(getattr(minicnn, module), name)
            if isinstance(cls, type) and issubclass(cls, kind) and name not in (
                "Optimizer", "Loss", "Metric", "ClassificationReport", "Reduction",
            ):  # fmt: skip
                given = NEEDED.get(name, ())
                made = cls(*given)
                before = dict(vars(made))
                for argument in made.get_config():
                    setattr(made, argument, made.argument(argument))
                assert repr(made) == repr(cls(*given))
                assert vars(made).keys() == before.keys()


OTHERS = {"Callback", "History", "LambdaCallback", "TimeBudget"}
"""Callbacks that do not keep their arguments under the same names, or have none."""


@pytest.mark.parametrize("name", sorted(set(callbacks.__all__) - OTHERS))
def test_every_callback_can_be_set_as_it_was_made(name):
    """Each argument of the constructor takes the value that it has."""
    given = {
        "BackupAndRestore": ["backup"],
        "CSVLogger": ["log.csv"],
        "LearningRateScheduler": [abs],
        "ModelCheckpoint": ["best.keras"],
    }
    made = getattr(callbacks, name)(*given.get(name, ()))
    for argument in inspect.signature(type(made)).parameters:
        setattr(made, argument, getattr(made, argument))
    assert repr(made) == repr(getattr(callbacks, name)(*given.get(name, ())))


def test_names_of_classes_are_texts():
    """A list becomes a tuple; what would only be found when the model is saved is refused."""
    model = network()
    model.class_names = ["ant", "bee"]
    assert model.class_names == ("ant", "bee")
    for wrong in (5, "abc", None):
        with pytest.raises(ConfigError, match="class_names as a list of texts, got "):
            model.class_names = wrong
