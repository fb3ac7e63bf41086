"""Keras 3's functions of tensors: NumPy's numbers for arrays, layers for symbolic tensors."""

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, Input, Model, Sequential, ops
from minicnn.config import set_floatx
from minicnn.errors import ConfigError, ShapeError


def test_the_precision_is_keras_s():
    """Python's numbers are float32, arrays keep their precision, whole numbers give float32."""
    assert ops.mean([1, 2]).dtype == "float32"
    assert ops.sqrt([4]).dtype == "float32"
    assert ops.mean(np.ones(3)).dtype == "float64"
    assert (np.ones(3, "float32") * 2.0).dtype == ops.multiply(np.ones(3, "f"), 2.0).dtype
    assert ops.argmax([[1, 3]], axis=1).dtype == "int32"
    assert ops.arange(3).dtype == "int32"
    assert ops.arange(3.0).dtype == ops.zeros(3).dtype == "float32"


def test_floatx_is_for_arrays_and_for_models():
    """What ``set_floatx`` says holds for new arrays and for models that are not told another."""
    try:
        set_floatx("float64")
        assert ops.zeros(3).dtype == "float64"
        model = Sequential([Input((4,)), Dense(3)])
        assert model.dtype == "float64"
        assert model.predict(np.ones((1, 4))).dtype == "float64"
    finally:
        set_floatx("float32")
    assert Sequential([Input((4,)), Dense(3)]).dtype == "float32"
    with pytest.raises(ConfigError, match="set_floatx: expected value as float32 or float64"):
        set_floatx("float16")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.add(np.ones(3), np.ones(4)), "add: operands could not be broadcast"),
        (lambda: ops.mean(np.ones((2, 3)), axis=2), "mean: axis 2 is out of bounds"),
        (lambda: ops.mean([[1.0], [1.0, 2.0]]), "mean: .*inhomogeneous"),
        (
            lambda: ops.mean(np.ones(3), keep_dims=True),
            "mean: argument 'keep_dims' = True .* Did you mean 'keepdims'",
        ),
        (lambda: ops.reshape(np.ones(3), (2, 2)), "reshape: cannot reshape array"),
        (lambda: ops.tan(Input((4,))), "tan: expected arrays, got a symbolic tensor"),
    ],
)
def test_mistakes_are_one_line(call, message):
    """Of the function, also where NumPy found it."""
    with pytest.raises((ConfigError, ShapeError), match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_functions_of_symbolic_tensors_are_layers():
    """A network written with them computes what one written with layers does."""
    x = Input((6, 6, 3))
    y = ops.relu(Conv2D(4, 3)(x))
    y = ops.concatenate([y, ops.maximum(y, ops.multiply(y, 0.5))], axis=-1)
    y = ops.reshape(ops.transpose(y, (0, 3, 1, 2)), (-1, 128))
    model = Model(x, ops.softmax(Dense(5)(y)), seed=0)
    images = np.random.default_rng(0).standard_normal((2, 6, 6, 3)).astype("float32")
    conv, dense = (layer for layer in model.layers if layer.params)
    a = np.maximum(conv.forward(images)[0], 0)
    a = np.concatenate([a, np.maximum(a, a / 2)], -1).transpose(0, 3, 1, 2).reshape(2, -1)
    expected = ops.softmax(dense.forward(a)[0])
    np.testing.assert_allclose(model.predict(images), expected, rtol=1e-5)


def test_resize_is_the_layer_s():
    """Of a batch, of one image, and of a symbolic tensor."""
    x = np.arange(8.0).reshape(1, 2, 4, 1)
    y = ops.image.resize(x, (4, 2))
    np.testing.assert_array_equal(ops.image.resize(x[0], (4, 2)), y[0])
    inputs = Input((2, 4, 1))
    model = Model(inputs, Flatten()(ops.image.resize(inputs, (4, 2))), dtype="float64")
    np.testing.assert_allclose(model.predict(x), y.reshape(1, -1))
