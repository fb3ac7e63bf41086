"""The networks of keras.applications: from Keras' files, back into them, and trained."""

import gc

import numpy as np
import pytest

import minicnn
from application_helpers import (
    CLASSES,
    check_images_matter,
    check_outputs,
    images,
    network,
)

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

FAMILIES = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "Xception",
)
OTHERS = (
    *("ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
    *("DenseNet169", "DenseNet201"),
    *(f"EfficientNetB{i}" for i in range(1, 8)),
    *(f"EfficientNetV2{size}" for size in ("B1", "B2", "B3", "S", "M", "L")),
    *("MobileNetV3Large", "NASNetLarge", "VGG19"),
    *("ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2"),
)


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(autouse=True)
def quick_groups(keras, monkeypatch):
    """ConvNeXt's convolutions, a group for each channel, as Keras' depthwise ones.

    Keras lets XLA compile a grouped convolution anew in every call, half a second each.
    """
    grouped = keras.layers.Conv2D.convolution_op

    def convolution_op(self, inputs, kernel):
        if not self.groups == self.filters == inputs.shape[-1] > 1:
            return grouped(self, inputs, kernel)
        kernel = keras.ops.transpose(kernel, (0, 1, 3, 2))
        return keras.ops.depthwise_conv(inputs, kernel, self.strides, self.padding)

    monkeypatch.setattr(keras.layers.Conv2D, "convolution_op", convolution_op)


@pytest.fixture
def in_double_precision(keras):
    """Both compute in float64: BatchNorms that see eight values of a channel magnify rounding."""
    for dtype in ("float64", "float32"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        if dtype == "float64":
            yield


@pytest.fixture
def folder(keras, tmp_path):
    """A folder for files of up to a gigabyte: they go when the test ends, as do the models."""
    yield tmp_path
    for path in tmp_path.iterdir():
        path.unlink()
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("name", FAMILIES)
def test_outputs_here_and_back_in_keras(name, keras, folder):
    """A file of Keras' computes the same here, and the file that is written here does in Keras."""
    check_there_and_back(keras, name, folder, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_outputs_of_the_others(name, keras, folder, in_double_precision):
    """So do those of the rest, in float64: in hundreds of layers float32 rounds away up to 1e-3."""
    check_there_and_back(keras, name, folder, 1e-6)


def check_there_and_back(keras, name, folder, tolerance):
    theirs = network(keras, name)
    x = images(theirs)
    expected = np.asarray(theirs(x, training=False))
    check_images_matter(expected)
    theirs.save(folder / "theirs.keras")
    names = [layer.name for layer in theirs.layers]
    del theirs
    keras.backend.clear_session()
    gc.collect()
    ours = minicnn.load_model(folder / "theirs.keras")
    assert [layer.name for layer in ours.layers] == names
    check_outputs(ours.predict(x), expected, tolerance)
    ours.save(folder / "ours.keras")
    del ours
    gc.collect()
    again = keras.models.load_model(folder / "ours.keras")
    assert [layer.name for layer in again.layers] == names
    check_outputs(np.asarray(again(x, training=False)), expected, tolerance)


def test_every_network_is_tried(keras):
    """No function of keras.applications is left out."""
    functions = {name for name in dir(keras.applications) if name[0].isupper()}
    assert {*FAMILIES, *OTHERS} == functions
    assert len(FAMILIES) + len(OTHERS) == len(functions)


IN_SHORT = ("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "MobileNetV3Small", "ResNet50")
"""The families that are trained in every run; the others take minutes."""


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in IN_SHORT else pytest.mark.slow) for n in FAMILIES],
)
def test_five_steps(name, frozen, keras, folder, in_double_precision):
    """From equal weights, five steps on eight images end in equal ones, frozen halves as they were.

    Equal is within 1e-3 of the weights of each array, and within 1% of the way that all went. At
    100 times this rate a change of 1e-12 in the first weights moves MobileNetV2's last by 4%.
    """
    theirs = network(keras, name)
    x, y = images(theirs), np.arange(8) % CLASSES
    theirs.save(folder / "theirs.keras")
    ours = minicnn.load_model(folder / "theirs.keras")
    start = theirs.get_weights()
    for library, model in ((keras, theirs), (minicnn, ours)):
        if frozen:
            for layer in model.layers[: len(model.layers) // 2]:
                layer.trainable = False
        eager = {"run_eagerly": True} if library is keras else {}  # making a graph takes longer
        optimizer = library.optimizers.SGD(learning_rate=1e-5)
        model.compile(optimizer, "sparse_categorical_crossentropy", **eager)
        model.fit(x, y, batch_size=8, epochs=5, shuffle=False, verbose=0)
    still = {id(v) for layer in theirs.layers if not layer.trainable for v in layer.weights}
    moved = errors = 0.0
    for a, b, before, variable in zip(
        ours.get_weights(), theirs.get_weights(), start, theirs.weights, strict=True
    ):
        if id(variable) in still:
            np.testing.assert_array_equal(a, before, err_msg=variable.path)
            np.testing.assert_array_equal(b, before, err_msg=variable.path)
        error = np.linalg.norm(a - b)
        assert error <= 1e-3 * np.linalg.norm(b), variable.path
        errors += error**2
        moved += np.linalg.norm(b - before) ** 2
    assert errors <= 1e-4 * moved
    assert bool(still) == frozen
