"""A function as a layer, and what tensors make of Python's signs and brackets."""

import copy
import pickle

import numpy as np
import pytest

from minicnn import Dense, Flatten, Input, Lambda, Model, Sequential, load_model, ops
from minicnn import backend as K  # noqa: N812 - as scripts have it
from minicnn.errors import ConfigError, ShapeError
from minicnn.layers import BatchNorm, Conv2D
from minicnn.models import clone_model
from minicnn.testing import numeric_gradient

rng = np.random.default_rng(0)
IMAGES = rng.uniform(0.2, 2.0, (3, 4, 5, 3))

FUNCTIONS = {
    "scaling": (lambda x: x / 127.5 - 1, lambda x: x / 127.5 - 1),
    "a mean colour": (lambda x: x - np.array([1.0, 2, 3]), lambda x: x - [1.0, 2, 3]),
    "an array in front": (lambda x: np.ones((1, 1, 3)) * x, lambda x: x),
    "slicing": (lambda x: x[:, 1:3, ::2], lambda x: x[:, 1:3, ::2]),
    "the order of channels": (lambda x: x[..., ::-1], lambda x: x[..., ::-1]),
    "one channel": (lambda x: x[:, :, :, 1], lambda x: x[:, :, :, 1]),
    "a power": (lambda x: x**2 + 1 / x, lambda x: x**2 + 1 / x),
    "a quotient": (lambda x: x / (x + 1), lambda x: x / (x + 1)),
    "means": (lambda x: ops.mean(x, axis=[1, 2]), lambda x: x.mean((1, 2))),
    "keras 2": (
        lambda x: K.l2_normalize(K.batch_flatten(K.sqrt(x)), axis=1),
        lambda x: np.sqrt(x.reshape(3, -1) / x.reshape(3, -1).sum(1, keepdims=True)),
    ),
    "logarithms": (lambda x: K.log(x) * K.exp(-x), lambda x: np.log(x) * np.exp(-x)),
    "bounds": (
        lambda x: K.clip(x, 0.5, 1.5) + K.maximum(x, 1.1),
        lambda x: x.clip(0.5, 1.5) + x.clip(1.1),
    ),
    "maxima": (lambda x: ops.max(x, axis=-1, keepdims=True), lambda x: x.max(-1, keepdims=True)),
    "deviation": (lambda x: ops.std(x, axis=(1, 2)), lambda x: x.std((1, 2))),
    "axes": (
        lambda x: K.squeeze(K.expand_dims(K.permute_dimensions(x, (0, 3, 1, 2)), 1), 1),
        lambda x: x.transpose(0, 3, 1, 2),
    ),
    "stacking": (lambda x: ops.stack([x, -x], axis=1), lambda x: np.stack([x, -x], 1)),
    "a flip": (lambda x: ops.flip(x, 2), lambda x: x[:, :, ::-1]),
    "nothing": (lambda x: x, lambda x: x),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numbers_and_gradients(name):
    """What NumPy makes of the same function, and central differences of it."""
    function, plain = FUNCTIONS[name]
    layer = Lambda(function)
    layer.build(IMAGES.shape[1:], rng, "float64")
    y, cache = layer.forward(IMAGES)
    np.testing.assert_allclose(y, plain(IMAGES), rtol=1e-12)
    assert layer.output_shape(IMAGES.shape[1:]) == y.shape[1:]
    dy = rng.standard_normal(y.shape)
    dx, grads = layer.backward(dy, cache)
    wanted = numeric_gradient(lambda x: float(np.sum(plain(x) * dy)), IMAGES)
    np.testing.assert_allclose(dx, wanted, rtol=1e-6, atol=1e-7)
    assert grads == {}


def test_the_function_is_called_once():
    """However often the network is built, run and trained."""
    calls = []

    def function(x, factor):
        calls.append(x)
        return x * factor

    model = Sequential([Input((4,)), Lambda(function, arguments={"factor": 3.0}), Dense(2)], seed=0)
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 2)), epochs=2, verbose=0)
    model.predict(np.ones((8, 4)))
    model.summary()
    assert len(calls) == 1
    np.testing.assert_allclose(model.layers[0].forward(np.ones((1, 4)))[0], 3.0)


def test_siamese_distance(tmp_path):
    """A Lambda of two tensors, as of twin networks: trained, written and read."""
    a, b = Input((4,)), Input((4,))
    shared = Dense(3, name="shared")
    distance = Lambda(
        lambda t: K.sqrt(K.maximum(K.sum(K.square(t[0] - t[1]), axis=1, keepdims=True), 1e-7)),
        output_shape=lambda shapes: (shapes[0][0], 1),
        name="distance",
    )([shared(a), shared(b)])
    model = Model([a, b], distance, seed=0)
    x = [rng.standard_normal((6, 4)).astype("f"), rng.standard_normal((6, 4)).astype("f")]
    one, other = (shared.forward(part)[0] for part in x)
    wanted = np.linalg.norm(one - other, axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-5)
    model.compile("adam", "mse")
    first = model.evaluate(x, np.zeros(6))
    model.fit(x, np.zeros(6), epochs=20, verbose=0)
    assert model.evaluate(x, np.zeros(6)) < first
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"m.{ending}")
        again = load_model(tmp_path / f"m.{ending}")
        np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.stack[-1].name == "distance"


def test_copies():
    """A model with a Lambda is cloned, copied and pickled, and a run of it resumed."""
    layers = [Lambda(lambda x: x[..., ::-1] ** 2), Flatten(), Dense(2)]
    model = Sequential([Input((4, 5, 3)), *layers], seed=0)
    y = model.predict(IMAGES)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), clone_model(model)):
        again.set_weights(model.get_weights())
        np.testing.assert_array_equal(again.predict(IMAGES), y)
    unbuilt = clone_model(Sequential([Lambda(lambda x: x * 2)]))
    np.testing.assert_allclose(unbuilt.predict(IMAGES), IMAGES * 2, rtol=1e-6)


def test_runs_are_resumed(tmp_path):
    """The run's fingerprint knows a Lambda by what it does."""

    def trained(factor, epochs, **options):
        layers = [Lambda(lambda x: x * factor), Flatten(), Dense(2)]
        model = Sequential([Input((4, 5, 3)), *layers], seed=0)
        model.compile("adam", "mse")
        options = {"checkpoint": tmp_path / "c", "verbose": 0} | options
        model.fit(IMAGES, np.ones((3, 2)), batch_size=2, epochs=epochs, **options)
        return model.get_weights()

    whole = trained(2.0, 4, checkpoint=None)
    trained(2.0, 2)
    for one, other in zip(trained(2.0, 4, resume=True), whole, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ConfigError, match="scale"):
        trained(3.0, 4, resume=True)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.tanh(np.asarray(x)), r".*expected numbers here.*"),
        (lambda x: x > 0, r".*expected numbers here.*"),
        (lambda x: K.argmax(x), r"argmax: expected arrays, got a symbolic tensor"),
        (lambda x: K.sum(x), r"sum: expected the axis of a tensor"),
        (lambda x: x.numpy(), r"the function cannot be called with a symbolic tensor: Attr"),
        (lambda x: 3, r"expected a function that returns what it makes of its tensors"),
        (lambda x: x[0], r"Slice: expected \[:, ...\], as the first axis is that of the ba"),
        (lambda x: x[:, 7], r"Slice: index 7 is out of bounds"),
        (lambda x: x**x, r".*expected a number as the exponent"),
        (lambda x: x + "a", r".*expected another tensor, a finite number or one for each"),
        (lambda x, y: x, r"the function cannot be called .*missing 1 required"),
        (lambda x: Dense(3)(x), r"expected a function without layers that learn"),
        (lambda x: BatchNorm()(x), r"expected a function without layers that learn"),
        (lambda x: K.random_normal(K.shape(x)), r"random.normal: expected sizes.* GaussianNoise"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(function, message):
    """Who, what came, and where it is shown how a layer is written."""
    message = rf"^Lambda 'lambda': {message}"
    with pytest.raises((ConfigError, ShapeError), match=message) as error:
        Sequential([Input((4,)), Lambda(function)])
    assert "\n" not in str(error.value)


def test_arguments():
    """A function, and arguments of it in a dictionary."""
    for wrong in (3, "x", Conv2D):
        with pytest.raises(ConfigError, match="Lambda: expected a function, got"):
            Lambda(wrong)
    with pytest.raises(ConfigError, match="Lambda: expected arguments as a dictionary"):
        Lambda(lambda x: x, arguments=[1])
    with pytest.raises(ConfigError, match="Lambda: expected output_shape as a tuple of sizes or a"):
        Lambda(lambda x: x, "same")
    with pytest.raises(ConfigError, match="Lambda: expected no mask"):
        Lambda(lambda x: x, None, True)
    for shape in ((3,), (None, 4), lambda shapes: shapes[0], None):
        assert Lambda(lambda x: x, shape).output_shape((3,)) == (3,)


def test_a_file_runs_no_python(tmp_path):
    """What Keras writes of a Lambda is refused, as in its safe mode; the words say what to do."""
    with pytest.raises(ConfigError, match=r"which is not run from a file.* with keras.ops"):
        Lambda.accepted_config({"name": "one", "function": {"class_name": "__lambda__"}})
