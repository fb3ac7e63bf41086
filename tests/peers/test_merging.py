"""Layers that take several inputs: the numbers and gradients of Keras and PyTorch."""

import numpy as np
import pytest

import minicnn
from minicnn import (
    Add,
    Average,
    Concatenate,
    Dot,
    Input,
    Maximum,
    Minimum,
    Model,
    Multiply,
    Subtract,
    load_model,
)
from minicnn.testing.cases import MERGING

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def agrees_with_keras(layer, theirs, xs, tf):
    """The layer's output and the gradients of its inputs are Keras' to the last digits."""
    y, cache = layer.forward(xs)
    dy = rng.standard_normal(y.shape)
    inputs = [tf.Variable(x) for x in xs]
    with tf.GradientTape() as tape:
        expected = theirs(inputs)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
    wanted = tape.gradient(expected, inputs, tf.constant(dy))
    for dx, other in zip(layer.backward(dy, cache)[0], wanted, strict=True):
        np.testing.assert_allclose(dx, other, rtol=1e-12, atol=1e-14)


def built(layer, shapes):
    layer.build(shapes, rng, "float64")
    return layer


def in_keras(layer, keras):
    """A layer of the same arguments, in double precision."""
    options = layer.get_config() | {"dtype": "float64"}
    return getattr(keras.layers, type(layer).__name__)(**options)


IN_KERAS = [case for case in MERGING if not case.not_in_keras]


@pytest.mark.parametrize("case", IN_KERAS, ids=repr)
def test_layer_in_keras(case, keras, tf):
    """Outputs and gradients are Keras' within 1e-12 in double precision."""
    layer = built(case.make(), case.input_shape)
    agrees_with_keras(layer, in_keras(layer, keras), case.x(), tf)


@pytest.mark.parametrize("shapes", [((40,), (40,)), ((40,),) * 3, ((8, 5), (5,)), ((5,), (8, 1))])
@pytest.mark.parametrize("cls", [Maximum, Minimum])
def test_equal_numbers_in_keras(cls, shapes, keras, tf):
    """Of inputs that are equal Keras gives the gradient to the same one."""
    xs = tuple(rng.integers(0, 3, (3, *shape)).astype("float64") for shape in shapes)
    layer = built(cls(), shapes)
    agrees_with_keras(layer, in_keras(layer, keras), xs, tf)


@pytest.mark.parametrize("length", [0.0, 1e-9, 1e-6, 1e-3])
def test_cosine_of_short_vectors_in_keras(length, keras, tf):
    """Vectors of no length, or nearly none, are normalized as in Keras."""
    layer = built(Dot(axes=1, normalize=True), ((5,), (5,)))
    xs = tuple(length * rng.standard_normal((3, 5)) for _ in range(2))
    agrees_with_keras(layer, in_keras(layer, keras), xs, tf)


@pytest.mark.parametrize("case", IN_KERAS, ids=repr)
def test_files_go_both_ways(case, keras, tmp_path):
    """A model of the layer that is saved here predicts the same in Keras, and comes back."""
    inputs = [Input(shape) for shape in case.input_shape]
    model = Model(inputs, case.make()(inputs))
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    xs = list(case.x("float32"))
    y = model.predict(xs)
    np.testing.assert_allclose(theirs.predict(xs, verbose=0), y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(again.predict(xs), y, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in ("add", "subtract", "multiply", "average", "maximum", "minimum")),
        ("concatenate", {}),
        ("concatenate", {"axis": 1}),
        ("dot", {}),
        ("dot", {"axes": (1, 2), "normalize": True}),
    ],
)
def test_function_in_keras(name, options, keras):
    """The function makes the layer that Keras' function makes, of the same arguments and shape."""

    def made(library):
        inputs = [library.Input((3, 3)), library.Input((3, 3))]
        y = getattr(library.layers, name)(inputs, name="one", **options)
        return library.Model(inputs, y).layers[-1], y.shape

    (ours, shape), (theirs, wanted) = made(minicnn), made(keras)
    assert (type(ours).__name__, shape) == (type(theirs).__name__, wanted)
    config = theirs.get_config()
    for argument, value in ours.get_config().items():
        assert np.array_equal(value, config[argument]), argument


IN_TORCH = [
    (Add(), ((3, 4), (3, 4), (1, 4)), lambda t, a, b, c: a + b + c),
    (Subtract(), ((3, 4), (3, 1)), lambda t, a, b: a - b),
    (Multiply(), ((3, 4), (3, 4), (1, 4)), lambda t, a, b, c: a * b * c),
    (Average(), ((3, 4), (3, 4), (3, 1)), lambda t, a, b, c: (a + b + c) / 3),
    (Maximum(), ((3, 4), (3, 4), (1, 4)), lambda t, a, b, c: t.maximum(t.maximum(a, b), c)),
    (Minimum(), ((3, 4), (3, 4), (1, 4)), lambda t, a, b, c: t.minimum(t.minimum(a, b), c)),
    (Concatenate(1), ((3, 4), (2, 4)), lambda t, a, b: t.cat((a, b), 1)),
    (Dot((2, 1)), ((3, 4), (4, 2)), lambda t, a, b: t.bmm(a, b)),
    (
        Dot(1, normalize=True),
        ((5,), (5,)),
        lambda t, a, b: t.nn.functional.cosine_similarity(a, b)[:, None],
    ),
]


@pytest.mark.parametrize(
    ("layer", "shapes", "function"), IN_TORCH, ids=[repr(c[0]) for c in IN_TORCH]
)
def test_layer_in_torch(layer, shapes, function, torch):
    """Outputs and gradients agree with PyTorch's in double precision within 1e-12."""
    layer = built(layer, shapes)
    xs = tuple(rng.standard_normal((6, *shape)) for shape in shapes)
    y, cache = layer.forward(xs)
    dy = rng.standard_normal(y.shape)
    leaves = [torch.tensor(x, requires_grad=True) for x in xs]
    expected = function(torch, *leaves)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    for dx, leaf in zip(layer.backward(dy, cache)[0], leaves, strict=True):
        np.testing.assert_allclose(dx, leaf.grad.numpy(), rtol=1e-12, atol=1e-14)
