"""Models as JSON texts, and custom classes that a program makes known by name."""

import json

import numpy as np
import pytest

import minicnn
from minicnn import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    Model,
    ReLU,
    Residual,
    Sequential,
)
from minicnn.errors import ConfigError, ModelFileError
from minicnn.models import model_from_config, model_from_json
from minicnn.saving import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)


def row():
    return Sequential([
        Input((6, 6, 3)), Conv2D(4, 3, activation="relu", kernel_regularizer="l2"), BatchNorm(),
        Dropout(0.5), Flatten(), Dense(2, activation="softmax"),
    ], name="small")  # fmt: skip


def graph():
    image = Input((6, 6, 3))
    x = Conv2D(3, 3, padding="same")(image)
    inner = Sequential([Input((6, 6, 3)), Conv2D(3, 1)], name="inner")
    x = Residual([Conv2D(3, 3, padding="same"), ReLU()])(Add()([x, inner(image)]))
    return Model(image, [Dense(2, name="a")(GlobalAvgPool()(x)), Dense(1)(Flatten()(x))])


@pytest.mark.parametrize("make", [row, graph])
def test_a_model_comes_back_from_its_text(make):
    """With its weights put in, it predicts the same; without, it has others."""
    model = make()
    again = model_from_json(model.to_json())
    x = np.random.default_rng(0).random((3, 6, 6, 3)).astype(np.float32)
    assert not np.array_equal(again.get_weights()[0], model.get_weights()[0])
    again.set_weights(model.get_weights())
    for a, b in zip(again.predict(x), model.predict(x), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.name == model.name
    assert again.optimizer is None


def test_weights_within_models_differ_too():
    """A model within a model is not the same each time."""
    text = graph().to_json()
    first, second = (model_from_json(text).get_layer("inner").get_weights()[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_the_text_is_json_with_json_s_options():
    """``indent`` and the like; what json.dumps has not is refused."""
    model = row()
    found = json.loads(model.to_json(indent=2))
    assert found["class_name"] == "Sequential"
    assert "\n  " in model.to_json(indent=2)
    assert model.to_json(sort_keys=True).startswith('{"build_config"')
    with pytest.raises(ConfigError, match=r"to_json: expected arguments of json\.dumps"):
        model.to_json(colour="red")
    with pytest.raises(ConfigError, match="Start with Input"):
        Sequential([Dense(3)]).to_json()


def test_how_a_model_was_compiled_is_in_the_text():
    """As Keras 3 has it; what cannot be compiled is a warning."""
    model = row()
    model.compile(minicnn.SGD(0.25), "sparse_categorical_crossentropy", ["accuracy"])
    again = model_from_json(model.to_json())
    assert again.optimizer.learning_rate == 0.25
    text = model.to_json().replace("SGD", "Foo")
    with pytest.warns(UserWarning, match="model_from_json: .*Foo.*The model is not compiled"):
        assert model_from_json(text).optimizer is None


KERAS_2 = {
    "class_name": "Sequential",
    "config": {
        "name": "sequential_1",
        "layers": [
            {
                "class_name": "Conv2D",
                "config": {
                    "name": "conv2d_1", "trainable": True, "batch_input_shape": [None, 8, 8, 1],
                    "dtype": "float32", "filters": 4, "kernel_size": [3, 3], "strides": [1, 1],
                    "padding": "valid", "data_format": "channels_last", "dilation_rate": [1, 1],
                    "activation": "relu", "use_bias": True,
                    "kernel_initializer": {
                        "class_name": "VarianceScaling",
                        "config": {
                            "scale": 1.0, "mode": "fan_avg", "distribution": "uniform",
                            "seed": None,
                        },
                    },
                    "bias_initializer": {"class_name": "Zeros", "config": {}},
                    "kernel_regularizer": None, "bias_regularizer": None,
                    "activity_regularizer": None, "kernel_constraint": None,
                    "bias_constraint": None,
                },
            },
            {
                "class_name": "Flatten",
                "config": {"name": "flatten_1", "trainable": True, "dtype": "float32"},
            },
            {
                "class_name": "Dense",
                "config": {
                    "name": "dense_1", "trainable": True, "dtype": "float32", "units": 3,
                    "activation": "softmax", "use_bias": True,
                },
            },
        ],
    },
    "keras_version": "2.3.1",
    "backend": "tensorflow",
}  # fmt: skip
"""As Keras 2.3.1 writes it: written down by hand."""


def test_a_text_of_keras_2_is_read():
    """Its names of arguments, without a layer for the input; the old list of layers as well."""
    for config in (KERAS_2, KERAS_2 | {"config": KERAS_2["config"]["layers"]}):
        model = model_from_json(json.dumps(config))
        assert (model.input_shape, model.output_shape) == ((8, 8, 1), (3,))
        assert model.count_params() == 40 + 435
        assert model_from_config(config).count_params() == 475


def test_configs_come_back():
    """``get_config`` through ``model_from_config`` and ``from_config``."""
    for make in (row, graph):
        model = make()
        described = {"class_name": type(model).__name__, "config": model.get_config()}
        assert model_from_config(described).get_config() == model.get_config()
        assert type(model).from_config(model.get_config()).get_config() == model.get_config()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the text is damaged"),
        ("[1, 2]", "the text is damaged"),
        ("{}", "expected a Sequential or a Functional model, got None"),
        ('{"class_name": "Sequential"}', "does not describe layers as Keras does"),
        ('{"class_name": "Dense", "config": {"units": 3}}', "got 'Dense'"),
        (json.dumps(KERAS_2).replace('"Flatten"', '"LSTM"'), "expected layers that minicnn has"),
        (json.dumps(KERAS_2).replace('"units": 3', '"units": -3'), "expected units"),
        ("[" * 100_000, "damaged"),
    ],
)
def test_texts_that_make_no_model(text, said):
    """One line each."""
    with pytest.raises(ModelFileError, match=f"^model_from_json.*{said}"):
        model_from_json(text)


def test_what_is_no_text_and_no_config():
    """Is answered with the function that takes it."""
    with pytest.raises(ConfigError, match=r"expected json_string as a text.*model_from_config"):
        model_from_json(KERAS_2)
    with pytest.raises(ConfigError, match=r"expected config as a dict.*Sequential\.from_config"):
        model_from_config(row().get_config())
    with pytest.raises(ConfigError, match=r"has no model_from_yaml: Keras 2\.6 took it out"):
        minicnn.models.model_from_yaml  # noqa: B018
    with pytest.raises(ConfigError, match=r"has no to_yaml: Keras 2\.6 took it out: use to_json"):
        row().to_yaml()


# Custom classes ----------------------------------------------------------------------------


class Halved(ReLU):
    """A custom layer."""


class Dense2(Dense):
    """Another."""


@pytest.fixture(autouse=True)
def _as_it_was():
    with CustomObjectScope({}):
        yield


@pytest.fixture
def custom(tmp_path):
    """A model with a custom layer: as a text and as a file."""
    model = Sequential([Input((4,)), Dense2(3), Halved()])
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    return model.to_json(), tmp_path


def loads(custom, **arguments):
    """Read the model in all ways; each must find the custom layers."""
    text, folder = custom
    for model in (
        model_from_json(text, **arguments),
        model_from_config(json.loads(text), **arguments),
        minicnn.load_model(folder / "model.keras", **arguments),
        minicnn.load_model(folder / "model.h5", **arguments),
        Sequential.from_config(
            Sequential([Dense2(3), Halved()], name="x").get_config(), **arguments
        ),
    ):
        assert [type(layer) for layer in model.layers] == [Dense2, Halved]


def test_custom_classes_must_be_made_known(custom):
    """As an argument, in a scope, in the table, or by a decorator."""
    known = {"Halved": Halved, "Dense2": Dense2}
    with pytest.raises(ModelFileError, match="got 'Dense2', a custom class"):
        model_from_json(custom[0])
    loads(custom, custom_objects=known)
    with custom_object_scope(known) as scope:
        loads(custom)
        assert scope.custom_objects == known
    with pytest.raises(ModelFileError, match="got 'Dense2', a custom class"):
        model_from_json(custom[0])
    get_custom_objects().update(known)
    loads(custom)
    get_custom_objects().clear()
    register_keras_serializable()(Dense2)
    assert register_keras_serializable(package="mine", name="Halved")(Halved) is Halved
    loads(custom)


def test_registered_names(custom):
    """What they are, and what a name is of."""
    register_keras_serializable("mine", "half")(Halved)
    assert get_registered_name(Halved) == "mine>half"
    assert get_registered_name(Dense2) == "Dense2"
    assert get_registered_object("mine>half") is Halved
    assert get_registered_object("half") is None
    assert get_registered_object("half", {"half": Dense2}) is Dense2

    @register_keras_serializable()
    def a_function():
        pass

    assert get_registered_object("Custom>a_function") is a_function
    with pytest.raises(
        ConfigError, match=r"Write it with brackets: @register_keras_serializable\(\)"
    ):
        register_keras_serializable(Halved)


def test_registered_classes_take_no_name_of_minicnn_s():
    """A file's Dense stays Dense, whoever registers one; a scope says it on purpose."""

    class Dense(Dense2):
        pass

    register_keras_serializable()(Dense)
    text = Sequential([Input((4,)), minicnn.Dense(3)]).to_json()
    assert type(model_from_json(text).layers[0]) is minicnn.Dense
    with CustomObjectScope({"Dense": Dense}):
        assert type(model_from_json(text).layers[0]) is Dense


def test_names_in_a_scope_are_found_where_names_are_given():
    """``compile`` and layers take the name of a custom loss, metric or initializer."""

    class Threes(minicnn.initializers.Initializer):
        def __call__(self, shape, rng, dtype):
            return np.full(shape, 3, dtype)

    class Mine(minicnn.losses.MeanSquaredError):
        pass

    with CustomObjectScope({"threes": Threes, "Mine": Mine}):
        model = Sequential([Input((4,)), Dense(1, kernel_initializer="threes")])
        model.compile("sgd", "Mine")
    assert model.get_weights()[0].tolist() == [[3.0]] * 4
    assert type(model.loss) is Mine
    with pytest.raises(ConfigError, match="got 'threes'"):
        Dense(1, kernel_initializer="threes")


def test_scopes_end_when_something_goes_wrong():
    """And what is no dictionary of classes is said."""
    with pytest.raises(ZeroDivisionError), CustomObjectScope({"Halved": Halved}):
        1 / 0  # noqa: B018
    assert "Halved" not in get_custom_objects()
    with pytest.raises(ConfigError, match="CustomObjectScope: expected custom_objects as a dict"):
        CustomObjectScope([Halved])
    with pytest.raises(ConfigError, match="model_from_json: expected custom_objects as a dict"):
        model_from_json("{}", {"x": 3})
