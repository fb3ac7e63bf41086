"""The networks of ``minicnn.applications`` are those of Keras: layers, numbers, what is refused."""

import json

import numpy as np
import pytest

import minicnn
from application_helpers import (
    CLASSES,
    SMALLEST,
    check_images_matter,
    check_outputs,
    images,
    network,
)
from minicnn import applications
from minicnn._keras.signatures import signatures
from minicnn.applications import imagenet_utils

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

IN_SHORT = ("MobileNet", "MobileNetV2", "EfficientNetB0")
TEN = (
    *IN_SHORT,
    *("VGG16", "VGG19", "ResNet50", "ResNet50V2", "Xception", "InceptionV3", "DenseNet121"),
)
MODULES = sorted(applications._MODULES)


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(autouse=True)
def names_from_the_first(keras):
    """Keras counts layers without a name in a session, minicnn in a model."""
    keras.backend.clear_session()


def slow_but(*quick):
    return [pytest.param(n, marks=() if n in quick else pytest.mark.slow) for n in TEN]


def check_same_layers(ours, theirs):
    """Names in the same order, and the shapes and parameters that ``summary`` shows."""
    assert ours.name == theirs.name
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        assert one.output.sizes == other.output.shape[1:], one.name
        assert one.count_params() == other.count_params(), one.name
        assert getattr(one, "momentum", None) == getattr(other, "momentum", None), one.name
        assert getattr(one, "epsilon", None) == getattr(other, "epsilon", None), one.name
        assert getattr(one, "rate", None) == getattr(other, "rate", None), one.name


def made(library, which, /, **arguments):
    size = SMALLEST.get(which, 32)
    make = getattr(library.applications, which)
    return make(weights=None, input_shape=(size, size, 3), **arguments)


@pytest.mark.parametrize("name", slow_but(*IN_SHORT))
def test_outputs_of_the_same_weights(name, keras, tmp_path):
    """By ``get_weights`` and ``set_weights``, and by a file that the function is given."""
    theirs = network(keras, name)
    x = images(theirs)
    expected = np.asarray(theirs(x, training=False))
    check_images_matter(expected)
    ours = made(minicnn, name, classes=CLASSES)
    ours.set_weights(theirs.get_weights())
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    check_outputs(ours.predict(x), expected)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    again = getattr(applications, name)(
        weights=tmp_path / "theirs.weights.h5", input_shape=ours.input_shape, classes=CLASSES
    )
    np.testing.assert_array_equal(again.predict(x), ours.predict(x))


@pytest.mark.parametrize("name", slow_but(*IN_SHORT, "VGG16"))
def test_layers_are_keras_own(name, keras):
    """With each kind of head, also where images are of an odd size."""
    for arguments in (
        {"classes": CLASSES, "classifier_activation": None},
        {"include_top": False, "pooling": "avg"},
        {"include_top": False, "pooling": "max"},
        {"include_top": False, "name": "features"},
    ):
        keras.backend.clear_session()
        check_same_layers(made(minicnn, name, **arguments), made(keras, name, **arguments))
    keras.backend.clear_session()
    arguments = {"weights": None, "input_shape": (101, 90, 1), "classes": CLASSES}
    ours, theirs = (getattr(m.applications, name)(**arguments) for m in (minicnn, keras))
    check_same_layers(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(signatures()["applications"]) - set(TEN)))
def test_layers_of_the_larger_ones(name, keras):
    """Those of the same families, whose numbers are those of the ten."""
    check_same_layers(made(minicnn, name, classes=CLASSES), made(keras, name, classes=CLASSES))


@pytest.mark.parametrize(("name", "alpha"), [("MobileNet", 0.25), ("MobileNetV2", 1.3)])
def test_other_widths(name, alpha, keras):
    """Filters are rounded as in Keras, and the names have the width."""
    for size in (32, 96, 160):
        keras.backend.clear_session()
        arguments = {"alpha": alpha, "weights": None, "input_shape": (size, size, 3)}
        ours, theirs = (getattr(m.applications, name)(**arguments) for m in (minicnn, keras))
        check_same_layers(ours, theirs)


@pytest.mark.parametrize("name", slow_but("MobileNetV2"))
def test_two_steps_of_a_new_head(name, keras):
    """On a frozen network of equal weights: the head learns the same, and nothing else changes."""
    theirs = network(keras, name)
    x, y = images(theirs), np.arange(8) % CLASSES
    size, weights = theirs.input_shape[1], theirs.get_weights()
    bases = [made(library, name, include_top=False, pooling="avg") for library in (keras, minicnn)]
    count = len(bases[0].get_weights())
    kernel = np.random.default_rng(0).normal(0, 0.1, (bases[1].output_shape[0], CLASSES))
    heads = []
    for library, base in zip((keras, minicnn), bases, strict=True):
        base.set_weights(weights[:count])
        for layer in base.layers if library is keras else ():
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # which set_weights leaves out
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0  # as in fit Keras' Model forgets training=False of a model within
        base.trainable = False
        image = library.Input((size, size, 3))
        features = base(image, training=False)
        model = library.Model(image, library.layers.Dense(CLASSES, activation="softmax")(features))
        model.layers[-1].set_weights([kernel, np.zeros(CLASSES)])
        eager = {"run_eagerly": True} if library is keras else {}  # making a graph takes longer
        optimizer = library.optimizers.SGD(0.01)
        model.compile(optimizer, "sparse_categorical_crossentropy", **eager)
        losses = model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0).history["loss"]
        assert all(map(np.array_equal, base.get_weights(), weights[:count]))
        heads.append((*model.layers[-1].get_weights(), losses[0]))
    (kernel_1, bias_1, loss_1), (kernel_2, bias_2, loss_2) = heads
    np.testing.assert_allclose(loss_2, loss_1, rtol=1e-3)
    for one, other, start in ((kernel_1, kernel_2, kernel), (bias_1, bias_2, 0)):
        assert np.linalg.norm(one - other) < 1e-3 * np.linalg.norm(one - start)


# What goes in and comes out ----------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_preprocess_input(module, keras):
    """To the bit, of bytes and of floats, one image or several, channels last or first."""
    ours, theirs = (getattr(m.applications, module) for m in (minicnn, keras))
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3))
    for dtype in ("u1", "f4", "f8", "i8"):
        for given, form in ((x, None), (x[0], "channels_last"), (x, "channels_first")):
            modes = ("caffe", "tf", "torch") if module == "imagenet_utils" else (None,)
            for mode in modes:
                options = {"data_format": form} | ({"mode": mode} if mode else {})
                found = ours.preprocess_input(given.astype(dtype), **options)
                expected = theirs.preprocess_input(given.astype(dtype), **options)
                np.testing.assert_array_equal(found, expected)
                assert found.dtype == expected.dtype


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_a_model_that_prepares_its_images_in_keras(mode, keras, tmp_path):
    """The step is layers, which Keras reads and computes as it does its own."""
    image = minicnn.Input((4, 5, 3))
    minicnn.Model(image, imagenet_utils.preprocess_input(image, mode=mode)).save(
        tmp_path / "model.keras"
    )
    x = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("f4")
    expected = keras.applications.imagenet_utils.preprocess_input(x.copy(), mode=mode)
    found = keras.models.load_model(tmp_path / "model.keras")(x)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("module", [m for m in MODULES if m != "imagenet_utils"])
def test_a_module_has_what_keras_module_has(module, keras):
    """Its functions and no others, by the same names."""
    ours, theirs = (getattr(m.applications, module) for m in (minicnn, keras))
    assert {name for name in dir(theirs) if not name.startswith("_")} == set(ours.__all__)


def test_decode_predictions(keras, tmp_path, monkeypatch):
    """With classes of our own making: the same names, order and scores, among equal ones too."""
    names = {str(i): [f"n{i:08}", f"thing {i}"] for i in range(1000)}
    (tmp_path / "models").mkdir()
    (tmp_path / "models/imagenet_class_index.json").write_text(json.dumps(names))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(imagenet_utils, "CLASSES", ("http://nowhere.invalid/a.json", None))
    theirs = keras.src.applications.imagenet_utils
    monkeypatch.setattr(theirs, "CLASS_INDEX", names)
    scores = np.random.default_rng(0).integers(0, 50, (4, 1000)).astype(np.float32)
    for top in (1, 5, 40):
        assert imagenet_utils.decode_predictions(scores, top) == theirs.decode_predictions(
            scores, top=top
        )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("VGG16", {"weights": "no/such/file.h5"}),
        ("VGG16", {"classes": 10}),
        ("VGG16", {"input_shape": (100, 100, 3)}),
        ("ResNet50", {"include_top": False, "input_shape": (100, 100, 1)}),
        ("ResNet50", {"weights": None, "input_shape": (31, 100, 3)}),
        ("Xception", {"weights": None, "input_shape": (100, 70, 3)}),
        ("InceptionV3", {"weights": None, "input_shape": (100, 74, 3)}),
        ("DenseNet121", {"weights": None, "input_shape": (None, None, 3)}),
        ("EfficientNetB0", {"weights": None, "include_top": False, "input_shape": (40, 40)}),
        ("MobileNet", {"alpha": 0.3}),
        ("MobileNet", {"depth_multiplier": 2}),
        ("MobileNetV2", {"alpha": 0.3}),
    ],
)
def test_both_refuse(name, arguments, keras):
    """What is a mistake in Keras is one here, before anything is downloaded."""
    for library in (keras, minicnn):
        with pytest.raises(ValueError, match=r"(?i)expected|must|should|one of"):
            getattr(library.applications, name)(**arguments)
