"""The kinds of convolution give Keras' and PyTorch's numbers, forward and back."""

import numpy as np
import pytest

from minicnn import (
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    Input,
    SeparableConv2D,
    Sequential,
    load_model,
)

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


LAYERS = [
    (Conv2D(4, 3, dilation_rate=2), (9, 8, 3)),
    (Conv2D(4, (2, 3), padding="same", dilation_rate=(3, 2), activation="tanh"), (9, 8, 3)),
    (Conv2D(4, (3, 4), padding="same", dilation_rate=(1, 2), use_bias=False), (5, 4, 3)),
    (Conv2D(6, 3, groups=2), (7, 8, 4)),
    (Conv2D(6, 4, strides=2, padding="same", groups=3), (9, 8, 6)),
    (Conv2D(12, 2, groups=6, activation="relu"), (5, 5, 12)),
    (Conv2D(6, 3, padding="same", groups=3, use_bias=False), (5, 5, 3)),
    (Conv2D(4, 3, padding="same", dilation_rate=2, groups=2), (6, 7, 4)),
    (DepthwiseConv2D(3), (9, 8, 3)),
    (DepthwiseConv2D(4, padding="same", depth_multiplier=3, activation="tanh"), (9, 8, 2)),
    (DepthwiseConv2D((2, 3), strides=2, padding="same", use_bias=False), (9, 8, 3)),
    (DepthwiseConv2D(2, strides=3, depth_multiplier=2), (9, 8, 3)),
    (DepthwiseConv2D(3, padding="same", dilation_rate=2), (9, 8, 3)),
    (DepthwiseConv2D(3, 2, padding="same", depth_multiplier=2, dilation_rate=2), (9, 8, 3)),
    (SeparableConv2D(5, 3), (9, 8, 3)),
    (SeparableConv2D(5, 4, 2, "same", depth_multiplier=2, activation="tanh"), (9, 8, 3)),
    (SeparableConv2D(5, (3, 2), padding="same", dilation_rate=2, use_bias=False), (9, 8, 3)),
    (Conv2DTranspose(4, 3), (5, 4, 3)),
    (Conv2DTranspose(4, 3, padding="same", activation="tanh"), (5, 4, 3)),
    (Conv2DTranspose(4, 3, strides=2), (5, 4, 3)),
    (Conv2DTranspose(4, 3, strides=2, padding="same"), (5, 4, 3)),
    (Conv2DTranspose(4, 4, strides=2, padding="same", use_bias=False), (5, 4, 3)),
    (Conv2DTranspose(4, 5, strides=(2, 3), padding="same"), (5, 4, 3)),
    (Conv2DTranspose(4, 2, strides=3), (5, 4, 3)),
    (Conv2DTranspose(4, (1, 2), strides=3, padding="same"), (5, 4, 3)),
    (Conv2DTranspose(4, 3, strides=2, output_padding=1), (5, 4, 3)),
    (Conv2DTranspose(4, 3, strides=2, output_padding=0), (5, 4, 3)),
    (Conv2DTranspose(4, 2, strides=3, output_padding=1), (5, 4, 3)),
    (Conv2DTranspose(4, (3, 4), strides=2, padding="same", output_padding=(0, 1)), (5, 4, 3)),
    (Conv2DTranspose(4, 5, strides=3, padding="same", output_padding=2), (5, 4, 3)),
    (Conv2DTranspose(4, (5, 2), strides=3, padding="same", output_padding=1), (5, 4, 3)),
    (Conv2DTranspose(4, 3, dilation_rate=2), (5, 4, 3)),
    (Conv2DTranspose(4, (2, 3), padding="same", dilation_rate=(3, 2)), (5, 4, 3)),
]


def our_pass(layer, shape, dtype):
    """(layer, x, y, dy, dx, grads) of a new layer with numbers in all of its arrays."""
    layer = type(layer).from_config(layer.get_config())
    rng = np.random.default_rng(0)
    layer.build(shape, rng, dtype)
    for array in layer.params.values():
        array[...] += rng.uniform(-0.1, 0.1, array.shape)
    x = rng.standard_normal((4, *shape)).astype(dtype)
    y, cache = layer.forward(x, training=True)
    dy = rng.standard_normal(y.shape).astype(dtype)
    return layer, x, y, dy, *layer.backward(dy, cache)


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: repr(value))
def test_convolution_in_keras(layer, shape, keras):
    """Outputs agree within 1e-5 and all gradients within 1e-4, from the same arguments."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow")
    import tensorflow as tf

    ours, x, y, dy, dx, grads = our_pass(layer, shape, "float32")
    theirs = getattr(keras.layers, type(layer).__name__)(**layer.get_config())
    theirs.build((None, *shape))
    assert [w.name for w in theirs.weights] == list(ours.params)
    theirs.set_weights(list(ours.params.values()))
    with tf.GradientTape() as tape:
        tx = tf.Variable(x)
        ty = theirs(tx)
    assert tuple(ty.shape) == tuple(theirs.compute_output_shape(x.shape)) == y.shape
    np.testing.assert_allclose(y, ty, rtol=1e-5, atol=1e-5)
    wanted = tape.gradient(ty, [tx, *(w.value for w in theirs.weights)], dy)
    for a, b in zip([dx, *grads.values()], wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


OWN_PADDING = [
    (Conv2D(4, 3, padding=((1, 3), (0, 2)), dilation_rate=(2, 3), groups=2), (6, 7, 4)),
    (DepthwiseConv2D(2, 3, padding=(3, 1), depth_multiplier=2), (9, 8, 3)),
    (SeparableConv2D(5, 3, padding=2), (4, 5, 3)),
]


def in_torch(layer, shape, x, arrays, torch):
    """What PyTorch makes of x, channels last, with arrays laid out as ours."""
    F = torch.nn.functional
    place, dilation = layer.windows(shape), layer.dilation
    (top, bottom), (left, right) = place.pads
    kernel, x = arrays[next(iter(arrays))], x.permute(0, 3, 1, 2)
    if isinstance(layer, Conv2DTranspose):
        y = F.conv_transpose2d(
            x, kernel.permute(3, 2, 0, 1), None, place.strides, 0, 0, 1, dilation
        )
        h, w, _ = layer.output_shape(shape)
        y = F.pad(y, (0, max(0, left + w - y.shape[3]), 0, max(0, top + h - y.shape[2])))
        y = y[:, :, top : top + h, left : left + w]
    else:
        x = F.pad(x, (left, right, top, bottom))
        if isinstance(layer, Conv2D):
            weight, groups = kernel.permute(3, 2, 0, 1), layer.groups
        else:
            weight, groups = kernel.permute(2, 3, 0, 1).flatten(0, 1)[:, None], shape[2]
        y = F.conv2d(x, weight, None, place.strides, 0, dilation, groups)
    if "pointwise_kernel" in arrays:
        y = F.conv2d(y, arrays["pointwise_kernel"].permute(3, 2, 0, 1))
    y = y.permute(0, 2, 3, 1) + arrays.get("bias", 0)
    return getattr(torch, layer.activation)(y) if layer.activation else y


@pytest.mark.parametrize(("layer", "shape"), LAYERS + OWN_PADDING, ids=lambda value: repr(value))
def test_convolution_in_torch(layer, shape, torch):
    """In double precision outputs and all gradients agree with PyTorch's within 1e-9."""
    ours, x, y, dy, dx, grads = our_pass(layer, shape, "float64")
    tx = torch.tensor(x, requires_grad=True)
    arrays = {name: torch.tensor(a, requires_grad=True) for name, a in ours.params.items()}
    ty = in_torch(ours, shape, tx, arrays, torch)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-9, atol=1e-9)
    for a, b in zip([dx, *grads.values()], [tx, *arrays.values()], strict=True):
        np.testing.assert_allclose(a, b.grad.numpy(), rtol=1e-9, atol=1e-9)


def test_files_go_both_ways(keras, tmp_path):
    """Keras reads what is saved here, and what it saves is read here, with the same outputs."""
    model = Sequential(
        [
            Input((8, 9, 4)),
            Conv2D(6, 3, dilation_rate=2, groups=2, kernel_regularizer="l2"),
            DepthwiseConv2D(3, padding="same", depth_multiplier=2, depthwise_regularizer="l1"),
            SeparableConv2D(5, 2, activation="relu", pointwise_regularizer="l2"),
            Conv2DTranspose(3, 4, strides=2, padding="same", output_padding=1),
        ],
        seed=0,
    )
    x = np.random.default_rng(0).standard_normal((3, 8, 9, 4)).astype(np.float32)
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    expected = np.asarray(theirs(x))
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-4, atol=1e-5)
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    np.testing.assert_allclose(again.predict(x), expected, rtol=1e-4, atol=1e-5)
    held = [type(r).__name__ for layer in again.layers for r in layer.regularizers().values()]
    assert held == ["L2", "L1", "L2"]
