"""Functions of tensors as layers: the numbers, gradients and files of Keras' operations."""

import numpy as np
import pytest

import minicnn
from minicnn import Input, Lambda, Model, Sequential, load_model
from minicnn.errors import ModelFileError

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)
X = np.round(rng.uniform(0.1, 2, (3, 4, 5, 3)), 1)  # with some numbers that are equal

ONE = {
    "absolute": lambda ops, x: abs(x - 1),
    "square": lambda ops, x: ops.square(x),
    "sqrt": lambda ops, x: ops.sqrt(x),
    "exp": lambda ops, x: ops.exp(x),
    "log": lambda ops, x: ops.log(x),
    "log1p": lambda ops, x: ops.log1p(x),
    "sin": lambda ops, x: ops.sin(x),
    "cos": lambda ops, x: ops.cos(x),
    "clip": lambda ops, x: ops.clip(x, 0.5, 1.5),
    "maximum": lambda ops, x: ops.maximum(x, 1.0),
    "minimum": lambda ops, x: ops.minimum(x, 1.0),
    "power": lambda ops, x: x**3,
    "root": lambda ops, x: ops.power(x, 0.5),
    "mean": lambda ops, x: ops.mean(x, axis=(1, 2)),
    "sum": lambda ops, x: ops.sum(x, axis=-1, keepdims=True),
    "max": lambda ops, x: ops.max(x, axis=[1, 2]),
    "min": lambda ops, x: ops.min(x, axis=2, keepdims=True),
    "get_item": lambda ops, x: x[:, 1:3, ..., ::-1],
    "one place": lambda ops, x: x[:, -1, 0],
    "new axis": lambda ops, x: x[:, None],
    "maximum of two": lambda ops, x: ops.maximum(x, 2 - x),
    "several": lambda ops, x: ops.mean(ops.square(x * 0.5 + 1)[:, 1:], axis=1) - 3,
}
OURS = {
    "variance": lambda ops, x: ops.var(x, axis=(1, 2)),
    "deviation": lambda ops, x: ops.std(x, axis=1, keepdims=True),
    "quotient": lambda ops, x: x / (x + 1),
    "reciprocal": lambda ops, x: 2 / x,
    "normalize": lambda ops, x: ops.normalize(x, axis=-1),
    "flip": lambda ops, x: ops.flip(x, axis=1),
    "squeeze": lambda ops, x: ops.squeeze(ops.expand_dims(x, 1), 1),
    "stack": lambda ops, x: ops.stack([x, x * 2], axis=1),
    "pad": lambda ops, x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]),
    "resize": lambda ops, x: ops.image.resize(x, (7, 3)),
}


LAMBDAS = [
    (name, Lambda(lambda x, function=function: function(minicnn.ops, x)))
    for name, function in (ONE | OURS).items()
]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.mark.parametrize(("name", "layer"), LAMBDAS, ids=str)
def test_numbers_and_gradients(name, layer, keras, tf):
    """Both are Keras' to the last digits, also where numbers are equal."""
    function = (ONE | OURS)[name]
    layer.build(X.shape[1:], rng, "float64")
    y, cache = layer.forward(X)
    given = tf.Variable(X)
    with tf.GradientTape() as tape:
        theirs = function(keras.ops, given)
    np.testing.assert_allclose(y, theirs, rtol=1e-6 if name == "resize" else 1e-10)
    dy = rng.standard_normal(y.shape)
    dx, _ = layer.backward(dy, cache)
    wanted = tape.gradient(theirs, given, tf.constant(dy))
    single = name == "resize"  # as TensorFlow does it
    np.testing.assert_allclose(dx, wanted, rtol=1e-9, atol=1e-5 if single else 1e-9)


@pytest.mark.parametrize("name", [*ONE, *OURS])
def test_files_go_to_keras(name, keras, tmp_path):
    """A model with a Lambda that is saved here predicts the same in Keras, which names it so."""
    function = (ONE | OURS)[name]
    model = Sequential([Input(X.shape[1:]), Lambda(lambda x: function(minicnn.ops, x))])
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    x = X.astype("float32")
    np.testing.assert_allclose(model.predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ONE)
def test_files_come_from_keras(name, keras, tmp_path):
    """Keras' operations become layers, and go back to it; they are no layers of the model."""
    inputs = keras.Input(X.shape[1:])
    theirs = keras.Model(inputs, ONE[name](keras.ops, inputs))
    theirs.save(tmp_path / "theirs.keras")
    model = load_model(tmp_path / "theirs.keras")
    x = X.astype("float32")
    wanted = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-6)
    assert len(model.layers) == 1
    model.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), wanted, rtol=1e-5, atol=1e-6)


def test_the_operations_are_called_as_in_keras(keras):
    """A functional model of functions has Keras' names."""
    names = []
    for library in (keras, minicnn):
        keras.backend.clear_session()
        x = library.Input((4, 5, 3))
        y = library.ops.mean(abs(x[:, 1:3] ** 2), axis=1) + library.ops.sqrt(x)[:, 0]
        model = library.Model(x, y)
        every = model.operations if library is keras else model.stack
        names.append([one.name for one in every if "input" not in one.name])
    assert sorted(names[0]) == sorted(names[1])
    assert Model is minicnn.Model


def test_keras_lambdas_are_refused(keras, tmp_path):
    """A file with Python code in it is not run, and the words say what to do."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2, name="mine")])
    model.save(tmp_path / "theirs.keras")
    with pytest.raises(ModelFileError, match="Lambda 'mine': expected layers, got a Python"):
        load_model(tmp_path / "theirs.keras")
