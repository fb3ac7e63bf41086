"""Keras' networks: their parameters as published, their arguments, and what is refused."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Input, Model, Rescaling, applications
from minicnn._keras.signatures import signatures
from minicnn.applications import mobilenet, networks
from minicnn.errors import ConfigError, ShapeError
from minicnn.initializers import left_unset

# From keras.io/api/applications and the models' summaries there.
PARAMETERS = {
    "VGG16": 138_357_544,
    "VGG19": 143_667_240,
    "ResNet50": 25_636_712,
    "ResNet101": 44_707_176,
    "ResNet152": 60_419_944,
    "ResNet50V2": 25_613_800,
    "ResNet101V2": 44_675_560,
    "ResNet152V2": 60_380_648,
    "MobileNet": 4_253_864,
    "MobileNetV2": 3_538_984,
    "Xception": 22_910_480,
    "InceptionV3": 23_851_784,
    "DenseNet121": 8_062_504,
    "DenseNet169": 14_307_880,
    "DenseNet201": 20_242_984,
    "EfficientNetB0": 5_330_571,
    "EfficientNetB1": 7_856_239,
    "EfficientNetB2": 9_177_569,
    "EfficientNetB3": 12_320_535,
    "EfficientNetB4": 19_466_823,
    "EfficientNetB5": 30_562_527,
    "EfficientNetB6": 43_265_143,
    "EfficientNetB7": 66_658_687,
}
BOTH = ("densenet", "mobilenet", "resnet50")


def built(name, *args, **kwargs):
    """The network, whose arrays take no memory."""
    with left_unset():
        return getattr(applications, name)(*args, weights=None, **kwargs)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_that_keras_publishes(name):
    """Of the whole network, for ImageNet's classes and images of the default size."""
    model = built(name)
    assert model.count_params() == PARAMETERS[name]
    assert model.output_shape == (1000,)
    assert model.input_shape[0] == model.input_shape[1]


def test_every_function_is_counted_and_shown():
    """Those that Keras' list has are here, in dir too, and each says what it is."""
    assert PARAMETERS.keys() == signatures()["applications"].keys()
    for name in PARAMETERS:
        function = getattr(applications, name)
        assert name in dir(applications)
        assert function.__name__ == name
        assert f"{PARAMETERS[name]:,} parameters" in function.__doc__


# Names that are a module and a function ---------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        "from minicnn.applications import {0}; from minicnn.applications.{0} import {1}",
        "from minicnn.applications.{0} import {1}; from minicnn.applications import {0}",
        "import minicnn; {0} = minicnn.applications.{0}; {0}.preprocess_input",
        "import minicnn.applications.{0} as {0}; {0}.decode_predictions",
        "from minicnn.applications.{0} import *; from minicnn.applications import *",
    ],
)
def test_modules_of_keras_are_our_networks_in_any_order_of_imports(lines):
    """Three names are both: ``preprocess_input`` is in them, and they are called."""
    code = [
        line
        for name in BOTH
        for line in (lines.format(name, "preprocess_input"), f"assert callable({name})")
    ]
    code.append("assert mobilenet((32, 32, 3), 7).output_shape == (7,)")
    subprocess.run([sys.executable, "-c", "\n".join(code)], check=True)


@pytest.mark.parametrize("name", BOTH)
def test_a_module_that_is_called_is_like_the_function(name):
    """It has the function's signature and errors, and can be pickled."""
    module, network = getattr(applications, name), networks.NETWORKS[name]
    assert inspect.signature(module) == inspect.signature(network)
    assert pickle.loads(pickle.dumps(module)) is module
    assert pickle.loads(pickle.dumps(network)) is network
    with pytest.raises(ConfigError, match=f"{name}: expected 2 or more classes"):
        module((32, 32, 3), classes=1)


def test_importing_minicnn_loads_none_of_them():
    """Nor what downloads their weights."""
    code = "import sys, minicnn; minicnn.applications.small; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "minicnn.applications.networks" in loaded
    modules = {f"minicnn.applications.{name}" for name in applications._MODULES}
    assert not (modules | {"pooch", "minicnn.applications.request"}) & set(loaded)


# Arguments ---------------------------------------------------------------------------------------


def test_heads_are_keras_own():
    """Features as they are, their means or maxima, or classes with the activation asked for."""
    shape = (32, 32, 3)
    assert built("VGG16", False, input_shape=shape).output_shape == (1, 1, 512)
    for pooling, last in (("avg", "global_average_pooling2d"), ("max", "global_max_pooling2d")):
        model = built("VGG16", False, input_shape=shape, pooling=pooling)
        assert (model.output_shape, model.layers[-1].name) == ((512,), last)
    model = built("ResNet50", False, input_shape=shape, pooling="max")
    assert model.layers[-1].name == "max_pool"
    model = built("DenseNet121", input_shape=shape, classes=7, classifier_activation=None)
    assert model.output_shape == (7,)
    assert (model.layers[-1].name, model.layers[-1].activation) == ("predictions", None)
    model = built("MobileNet", shape, dropout=0.3, classes=7, classifier_activation=None)
    assert model.get_layer("dropout").rate == 0.3
    assert model.layers[-1].activation == "linear"


def test_sizes_that_are_not_said_are_the_network_s_own():
    """Keras leaves them open; here they are the default ones, and a list is a shape as well."""
    assert built("Xception", False).input_shape == (299, 299, 3)
    assert built("VGG19", False, input_shape=(None, None, 3)).input_shape == (224, 224, 3)
    assert built("VGG19", False, input_shape=[None, 64, 1]).input_shape == (224, 64, 1)
    assert built("EfficientNetB3").input_shape == (300, 300, 3)
    assert built("MobileNetV2", (160, 160, 3)).name == "mobilenetv2_1.00_160"
    assert built("MobileNet", (40, 50, 3), alpha=0.5).name == "mobilenet_0.50_40"


def test_widths_of_mobilenets():
    """``alpha`` scales the filters, in MobileNetV2 to multiples of 8, ``depth_multiplier`` more."""
    model = built("MobileNet", (32, 32, 3), alpha=0.25, depth_multiplier=2, include_top=False)
    assert model.get_layer("conv1").filters == 8
    assert model.get_layer("conv_dw_1").depth_multiplier == 2
    assert model.output_shape == (1, 1, 256)
    model = built("MobileNetV2", (32, 32, 3), alpha=0.35, include_top=False)
    assert model.get_layer("Conv1").filters == 16  # 11.2 to 8 would be a quarter less
    assert model.output_shape == (1, 1, 1280)
    assert built("MobileNetV2", alpha=1.4, include_top=False).output_shape == (7, 7, 1792)


def test_input_tensor_is_where_the_network_begins():
    """What stands before it is part of the model, and its input the model's."""
    image = Input((40, 40, 1), name="grey")
    x = Conv2D(3, 1, name="colours")(Rescaling(1 / 255)(image))
    model = built("MobileNet", input_tensor=x, include_top=False)
    assert model.input_shape == (40, 40, 1)
    assert [layer.name for layer in model.layers[:4]] == ["grey", "rescaling", "colours", "conv1"]
    left, right = Input((32, 32, 3), name="left"), Input((32, 32, 3), name="right")
    model = built("MobileNet", input_tensor=left + right, include_top=False)
    assert model.input_names == ["left", "right"]


def test_a_new_head_on_a_frozen_network():
    """Fine-tuning as Keras' guides have it: what is frozen stays, and the rest learns."""
    base = mobilenet.MobileNet((32, 32, 3), 0.25, include_top=False, weights=None, pooling="avg")
    base.trainable = False
    model = Model(base.input, Dense(3, activation="softmax")(base.output))
    model.compile("sgd", "sparse_categorical_crossentropy")
    before, bias = base.get_weights(), model.layers[-1].get_weights()[1]
    x, y = np.random.default_rng(0).normal(0, 1, (6, 32, 32, 3)), np.array([0, 0, 0, 0, 1, 2])
    model.fit(x, y, epochs=2, verbose=0)
    assert all(map(np.array_equal, before, base.get_weights()))
    assert not np.array_equal(bias, model.layers[-1].get_weights()[1])
    base.trainable = True
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=2, verbose=0)
    assert not any(map(np.array_equal, before[:3], base.get_weights()))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("VGG16", {"weights": "image-net"}, 'None, "imagenet" or the path of a file that is there'),
        ("VGG16", {"weights": 5}, "got 5"),
        ("VGG16", {"classes": 10}, r"expected classes=1000 .* got 10\. Take include_top=False"),
        ("VGG16", {"classes": 0, "weights": None}, "expected classes as a whole number"),
        ("ResNet50", {"input_shape": (64, 64, 3)}, r"expected input_shape \(224, 224, 3\) with"),
        ("ResNet50", {"input_shape": (64, 64, 1), "include_top": False}, "expected 3 channels"),
        ("Xception", {"input_shape": (70, 99, 3), "weights": None}, "of at least 71x71"),
        ("InceptionV3", {"input_shape": (74, 99, 3), "weights": None}, "of at least 75x75"),
        ("VGG19", {"input_shape": (64, 64), "weights": None}, "height, width, channels"),
        ("VGG19", {"input_shape": (None, None, 3), "weights": None}, "expected numbers"),
        ("VGG19", {"pooling": "mean", "weights": None}, "pooling as None, 'avg' or 'max'"),
        ("VGG19", {"classifier_activation": "relu"}, "classifier_activation as 'softmax' or None"),
        ("VGG19", {"input_tensor": np.ones(3), "weights": None}, "input_tensor as what Input"),
        ("VGG19", {"include_top": "no"}, "expected include_top as True or False"),
        ("VGG19", {"include_tops": False}, "Did you mean 'include_top'"),
        ("MobileNet", {"alpha": 0.3}, r"MobileNet: expected alpha of 0\.25, 0\.5, 0\.75, 1\.0"),
        ("MobileNet", {"depth_multiplier": 2}, "depth_multiplier=1"),
        ("MobileNetV2", {"alpha": 0.3}, r"MobileNetV2: expected alpha of 0\.35, 0\.5"),
        ("MobileNetV2", {"alpha": -1, "weights": None}, "alpha as a number, above 0"),
    ],
)
def test_what_keras_refuses_is_one_line(name, arguments, message):
    """Who, what was expected, what came, and what to do where there is something to do."""
    with pytest.raises(ConfigError, match=message) as error:
        getattr(applications, name)(**arguments)
    assert str(error.value).startswith(f"{name}: ")
    assert "\n" not in str(error.value)


def test_channels_first_is_refused_with_the_order():
    """As anywhere in minicnn."""
    with pytest.raises(ShapeError, match=r"VGG16: expected images of shape \(N, H, W, C\)"):
        applications.VGG16(False, None, input_shape=(3, 224, 224))
