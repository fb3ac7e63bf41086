"""Custom classes in Keras' files, and the names of layers, classes and metrics."""

import numpy as np
import pytest

import minicnn
from keras_helpers import dense, graph, kernels, layer, output, saved, sequential, within, write
from minicnn import Dense, Input, Residual, Sequential, load_model
from minicnn.errors import ConfigError, ModelFileError

rng = np.random.default_rng(0)


# Classes of somebody's own ---------------------------------------------------------------


class Conv2D(minicnn.Conv2D):
    """Somebody's own layer, which is called as one of Keras'."""

    def forward(self, x, *, training=False, rng=None):
        y, cache = super().forward(x, training=training, rng=rng)
        return 2 * y, cache


class MaxPool(minicnn.MaxPool):
    """Somebody's own, of a class that is called otherwise in Keras."""


class MeanSquaredError(minicnn.losses.MeanSquaredError):
    """Somebody's own loss."""


OWN = {each.__name__: each for each in (Conv2D, MaxPool, MeanSquaredError)}


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_class_of_ones_own_is_never_taken_for_one_of_ours(ending, tmp_path):
    """What is saved of one that is called Conv2D asks for it, as a layer and as a loss."""
    model = Sequential([Input((4, 4, 1)), Conv2D(2, 3, name="mine"), MaxPool(), Dense(1)], seed=0)
    model.compile("sgd", MeanSquaredError())
    path = saved(model, tmp_path / f"m.{ending}")
    again = load_model(path, OWN)
    assert [type(each).__name__ for each in again.layers] == ["Conv2D", "MaxPool", "Dense"]
    assert type(again.loss) is MeanSquaredError
    x = np.ones((1, 4, 4, 1))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    for left_out in ("Conv2D", "MaxPool"):
        given = {name: each for name, each in OWN.items() if name != left_out}
        with pytest.raises(ModelFileError, match=f"got '{left_out}', a custom class"):
            load_model(path, given)
    given = {name: each for name, each in OWN.items() if name != "MeanSquaredError"}
    if ending == "keras":
        with pytest.raises(ModelFileError, match="loss: expected a class that minicnn has, got 'M"):
            load_model(path, given)
    else:
        with pytest.warns(UserWarning, match="loss: expected a class that minicnn has, got 'Mean"):
            assert load_model(path, given).optimizer is None


FOREIGN = [
    {"module": None, "registered_name": "mine>{}"},
    {"module": None, "registered_name": "{}"},
    {"module": "keras.layers", "registered_name": "mine>{}"},
    {"module": "__main__", "registered_name": None},
    {"module": "keras_cv.layers"},
    {"class_name": "mine>{}"},
    {"class_name": "Custom>{}"},
]
KERAS_OWN = [
    {"module": "keras.src.layers.core.dense", "registered_name": "{}"},
    {"module": "tf_keras.src.layers.core.dense", "registered_name": None},
    {"class_name": "keras>{}"},
    {},
]


def marked(described, marks):
    """A class as one of somebody's own is described, or one of Keras' in other ways."""
    described = {
        key: described[key] for key in described if key not in ("module", "registered_name")
    }
    return described | {
        key: mark and mark.format(described["class_name"]) for key, mark in marks.items()
    }


@pytest.mark.parametrize("marks", FOREIGN, ids=repr)
def test_a_layer_of_somebodys_own_is_refused(marks, tmp_path):
    """In whatever way a file says it of a Dense, of a model in the model, and of the model."""
    own = sequential(layer("InputLayer", "in"), marked(dense("end"), marks))
    path = write(tmp_path / "m.keras", own, kernels(2))
    with pytest.raises(ModelFileError, match=r"got 'Dense', a custom class.*custom_obj"):
        load_model(path)
    assert output(load_model(path, {"Dense": Dense})) == output(
        load_model(path, {"a>Dense": Dense})
    )
    inner = marked(within("Sequential", "m", layer("InputLayer", "in"), dense("end")), marks)
    with pytest.raises(ModelFileError, match="got 'Sequential', a custom class"):
        load_model(write(path, sequential(layer("InputLayer", "in"), inner), kernels(2)))
    with pytest.raises(ModelFileError, match="expected a Sequential or a Functional model"):
        load_model(write(path, marked(sequential(layer("InputLayer", "in")), marks), {}))


@pytest.mark.parametrize("marks", FOREIGN, ids=repr)
def test_objects_of_somebodys_own_are_refused(marks, tmp_path):
    """Initializers, regularizers, losses, metrics, optimizers and schedules, by the argument."""

    def own(name, **config):
        return marked({"class_name": name, "config": config}, marks)

    for argument, value in (
        ("kernel_initializer", own("Zeros")),
        ("bias_regularizer", own("L2")),
    ):
        described = dense("end")
        described["config"][argument] = value
        path = tmp_path / "m.keras"
        write(path, sequential(layer("InputLayer", "in"), described), kernels(2))
        with pytest.raises(ModelFileError, match=f"{argument}: expected a class that minicnn has"):
            load_model(path)
    decay = own("CosineDecay", initial_learning_rate=0.1, decay_steps=2)
    for argument, compiled in (
        ("loss", {"loss": own("MeanSquaredError")}),
        ("metrics", {"metrics": [own("MeanAbsoluteError")]}),
        ("optimizer", {"optimizer": own("SGD")}),
        ("learning_rate", {"optimizer": {"class_name": "SGD", "config": {"learning_rate": decay}}}),
    ):
        described = sequential(layer("InputLayer", "in"), dense("end"))
        described["compile_config"] = {"optimizer": "sgd", "loss": "mse", **compiled}
        write(path, described, kernels(2))
        with pytest.raises(ModelFileError, match=f"{argument}: expected a class that minicnn has"):
            load_model(path)


@pytest.mark.parametrize("marks", KERAS_OWN, ids=repr)
def test_classes_of_keras_in_all_its_spellings(marks, tmp_path):
    """Full paths of modules, tf.keras' and none at all are Keras' own."""
    described = sequential(layer("InputLayer", "in"), marked(dense("end"), marks))
    assert output(load_model(write(tmp_path / "m.keras", described, kernels(2)))) == [2, 2]


@pytest.mark.parametrize(
    "given", [[Dense], {"Adam": int}, {"Conv2D": "os.system"}, {3: Dense}, "Dense", {"a": Dense(2)}]
)
def test_custom_objects_are_names_and_classes(given, tmp_path):
    """Anything else is said in one line before the file is opened."""
    with pytest.raises(ConfigError, match="load_model: expected custom_objects as a dict of names"):
        load_model(tmp_path / "nowhere.keras", custom_objects=given)


# Names -----------------------------------------------------------------------------------


BAD_NAMES = ["", "a/b", "a//b", "/", ".", "..", "a\0", "\x1b[2J\x1b[31mEVIL\nsecond", "\ud800", 3]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_names_that_no_file_or_terminal_takes(name, tmp_path):
    """A layer, or a model, is never called so, whether a script names it or a file does."""
    expected = "expected name as a text of printable characters without '/', got"
    with pytest.raises(ConfigError, match=f"Dense: {expected}"):
        Dense(2, name=name)
    with pytest.raises(ConfigError, match=f"Dense: {expected}"):
        Dense(2).name = name
    with pytest.raises(ConfigError, match=f"Sequential: {expected}"):
        Sequential(name=name)
    if isinstance(name, str) and name and "/" not in name:
        path = tmp_path / "m.keras"
        write(path, sequential(layer("InputLayer", "in"), dense(name)), kernels(2))
        with pytest.raises(ModelFileError, match=f"Dense: {expected}"):
            load_model(path)


def test_names_with_a_path_in_files(tmp_path):
    """What tf.keras called block1/conv is block1_conv here, in a row and in a graph."""
    layers = layer("InputLayer", "b/in"), dense("b/a", "b/in"), dense("b/c", "b/a")
    described = graph(*layers, output="b/c")
    described["config"]["input_layers"] = ["b/in", 0, 0]
    for config in (described, sequential(*layers)):
        model = load_model(write(tmp_path / "m.keras", config, kernels(2, 3)))
        assert [each.name for each in model.stack] == ["b_in", "b_a", "b_c"]
        assert output(model) == [6, 6]


def test_names_of_classes_and_metrics_can_be_printed(tmp_path):
    """Those of classes are spelled out where a file would colour the terminal; metrics' refused."""
    model = Sequential([Input((2,)), Dense(2)])
    model.class_names = ("\x1b[31mred", "two\nlines", "\ud800", "grün")
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"m.{ending}")
        again = load_model(tmp_path / f"m.{ending}")
        assert again.class_names == ("\\x1b[31mred", "two\\nlines", "\\ud800", "grün")
    with pytest.raises(ConfigError, match="BinaryAccuracy: expected name as a text of printable"):
        minicnn.metrics.BinaryAccuracy(name="\x1b[2J")


def test_one_name_is_taken_in_h5(tmp_path):
    """Keras has a group of that name there, and none in .keras."""
    name = "top_level_model_weights"
    for taken in (Dense(2, name=name), Residual([Dense(2)], name=name)):
        model = Sequential([Input((2,)), taken])
        model.save(tmp_path / "m.keras")
        with pytest.raises(ConfigError, match=f"expected no layer called '{name}'"):
            model.save(tmp_path / "m.h5")
