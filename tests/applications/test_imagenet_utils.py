"""Images as networks expect them, and classes by name, with numbers worked out by hand."""

import json

import numpy as np
import pytest

from minicnn import Input, Model, applications
from minicnn.applications import imagenet_utils
from minicnn.applications.imagenet_utils import decode_predictions, preprocess_input
from minicnn.errors import ConfigError, DataError

FAMILIES = {
    "vgg16": "caffe",
    "vgg19": "caffe",
    "resnet": "caffe",
    "resnet50": "caffe",
    "resnet_v2": "tf",
    "mobilenet": "tf",
    "mobilenet_v2": "tf",
    "xception": "tf",
    "inception_v3": "tf",
    "densenet": "torch",
}
MODES = ("caffe", "tf", "torch")


def pictures():
    return np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)


def test_modes_by_hand():
    """One pixel, red 255, green 51, blue 0, in each of the three ways."""
    pixel = np.array([[[255, 51, 0]]], np.uint8)
    for mode, wanted in (
        ("caffe", [0 - 103.939, 51 - 116.779, 255 - 123.68]),
        ("tf", [1, 51 / 127.5 - 1, -1]),
        ("torch", [0.515 / 0.229, (0.2 - 0.456) / 0.224, -0.406 / 0.225]),
    ):
        y = preprocess_input(pixel, mode=mode)
        assert (y.dtype, y.shape) == (np.float32, (1, 1, 3))
        np.testing.assert_allclose(y[0, 0], wanted, rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_arrays_tensors_and_both_orders_give_the_same(mode):
    """What is given is left as it is; doubles stay doubles."""
    x = pictures()
    y = preprocess_input(x, mode=mode)
    for given, dtype in ((x, "f4"), (x.astype("f4"), "f4"), (x.astype("f8"), "f8")):
        before = given.copy()
        found = preprocess_input(given, mode=mode)
        np.testing.assert_array_equal(given, before)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-5)
    turned = preprocess_input(np.moveaxis(x, -1, 1), "channels_first", mode)
    np.testing.assert_array_equal(np.moveaxis(turned, 1, -1), y)
    np.testing.assert_array_equal(preprocess_input(x[0], mode=mode), y[0])
    image = Input((4, 5, 3))
    model = Model(image, preprocess_input(image, mode=mode))
    np.testing.assert_allclose(model.predict(x), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_has_its_mode(name):
    """``preprocess_input`` of a module is that of its networks; ``decode_predictions`` is one."""
    module = getattr(applications, name)
    x = pictures()
    np.testing.assert_array_equal(
        module.preprocess_input(x), preprocess_input(x, None, FAMILIES[name])
    )
    assert module.decode_predictions is decode_predictions


def test_efficientnet_takes_images_as_they_are():
    """It scales them itself."""
    x = pictures()
    assert applications.efficientnet.preprocess_input(x) is x
    assert FAMILIES.keys() == applications._MODULES.keys() - {"efficientnet", "imagenet_utils"}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ([[[1, 2, 3]]], None, "keras"),
            ConfigError,
            "mode as 'caffe', 'tf' or 'torch', got 'keras'",
        ),
        (([[[1, 2, 3]]], "first"), ConfigError, "data_format as None, 'channels_last' or"),
        ((Input((4, 5, 3)), "channels_first"), ConfigError, "Models here are channels-last"),
        ((np.zeros((2, 4, 5, 1)),), DataError, r"got \(2, 4, 5, 1\)\. np\.repeat"),
        ((np.zeros((2, 4, 5, 3)), "channels_first"), DataError, r"images of \(..., 3, H, W\)"),
        ((["cat"],), DataError, "x as an array of numbers"),
    ],
)
def test_what_is_no_image_is_one_line(arguments, error, message):
    """Arguments that cannot be, and arrays that are no colour images."""
    with pytest.raises(error, match=f"preprocess_input: expected .*{message}|{message}"):
        preprocess_input(*arguments)


@pytest.fixture
def class_names(tmp_path, monkeypatch):
    """A file like Keras', where Keras keeps its own."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(imagenet_utils, "CLASSES", ("http://nowhere.invalid/classes.json", None))
    (tmp_path / "models").mkdir()
    names = {str(i): [f"n{i:08}", f"thing {i}"] for i in range(1000)}
    (tmp_path / "models/imagenet_class_index.json").write_text(json.dumps(names))


def test_predictions_are_named_the_likeliest_first(class_names):
    """With the scores as they were, and no more than there are classes."""
    scores = np.zeros((2, 1000), np.float32)
    scores[0, [3, 999, 0]] = 0.5, 0.3, 0.2
    scores[1, 7] = 1
    first, second = decode_predictions(scores, top=3)
    assert first == [
        ("n00000003", "thing 3", np.float32(0.5)),
        ("n00000999", "thing 999", np.float32(0.3)),
        ("n00000000", "thing 0", np.float32(0.2)),
    ]
    assert second[0] == ("n00000007", "thing 7", 1)
    assert [len(one) for one in decode_predictions(scores)] == [5, 5]
    assert len(decode_predictions(scores, top=2000)[0]) == 1000


def test_predictions_of_other_networks_are_refused(class_names):
    """Neither other numbers of classes nor a single image's row, nor a top of none."""
    for shape in ((2, 10), (1000,)):
        with pytest.raises(DataError, match=r"expected predictions of shape \(N, 1000\)"):
            decode_predictions(np.zeros(shape))
    with pytest.raises(ConfigError, match="decode_predictions: expected top as a whole number"):
        decode_predictions(np.zeros((1, 1000)), top=0)
