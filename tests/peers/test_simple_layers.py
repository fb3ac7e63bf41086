"""Activations and the layers that came with them: the same numbers as Keras and PyTorch."""

import numpy as np
import pytest

from minicnn import (
    ELU,
    GlobalMaxPool,
    LayerNorm,
    LeakyReLU,
    UpSampling2D,
    ZeroPadding2D,
)
from minicnn.activations import ACTIVATIONS

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def tf():
    pytest.importorskip("keras", reason="Keras is not installed")
    return pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def gradient_in_keras(tf, function, x, dy):
    """(y, dx) of a function of Keras'."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        total = tf.reduce_sum(y * dy)
    return y.numpy(), tape.gradient(total, x).numpy()


CORNERS = np.array([-1e4, -6, -3, -0.0, 0, 3, 6, 1e4], np.float32)
"""Where slopes change, and far out."""


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_in_keras(name, tf):
    """Each activation gives Keras' outputs within 1e-5 and gradients within 1e-4."""
    import keras

    peer = keras.activations.get(name)
    x = np.concatenate([CORNERS, rng.standard_normal(92).astype("f4") * 4]).reshape(10, 10)
    if name == "exponential":
        x = np.clip(x, -20, 5)
    if "softmax" in name:
        x = x[1:]  # the row with 10,000 in it is tested without a peer
    dy = rng.standard_normal(x.shape).astype("f4")
    y, kept = ACTIVATIONS[name].activate(x)
    dx = ACTIVATIONS[name].gradient(dy, kept)
    expected, expected_dx = gradient_in_keras(tf, peer, x, dy)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-4, atol=1e-4)


def compare_with_torch(torch, native, peer, x, rtol=1e-9):
    """minicnn's (y, dx) of x and PyTorch's, dx within rtol."""
    y, back = native(x)
    dy = rng.standard_normal(y.shape)
    tx = torch.tensor(x, requires_grad=True)
    ty = peer(tx)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(back(dy), tx.grad.numpy(), rtol=rtol, atol=1e-9)


IN_TORCH = {
    "relu": "relu",
    "relu6": "relu6",
    "elu": "elu",
    "selu": "selu",
    "gelu": "gelu",
    "silu": "silu",
    "mish": "mish",
    "softplus": "softplus",
    "softsign": "softsign",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "hard_sigmoid": "hardsigmoid",
    "hard_silu": "hardswish",
    "hard_swish": "hardswish",
    "swish": "silu",
    "leaky_relu": "leaky_relu",
    "exponential": "exp",
    "linear": "clone",
}


@pytest.mark.parametrize("name", IN_TORCH)
def test_activation_in_torch(name, torch):
    """Each activation that PyTorch has agrees with it in double precision, forward and back."""

    def native(x):
        y, kept = ACTIVATIONS[name].activate(x)
        return y, lambda dy: ACTIVATIONS[name].gradient(dy, kept)

    far = [-1e4, -100.0, 100.0, 1e4]
    x = np.concatenate([far, rng.standard_normal(100) * 4])
    if name == "exponential":
        x = x.clip(-100, 100)
    home = torch.nn.functional if hasattr(torch.nn.functional, IN_TORCH[name]) else torch
    peer = getattr(home, IN_TORCH[name])
    # Above its threshold PyTorch's softplus is x.
    options = {"softplus": {"threshold": 100}, "leaky_relu": {"negative_slope": 0.2}}.get(name, {})
    rtol = 1e-7 if name == "hard_sigmoid" else 1e-9  # PyTorch's 1 / 6 is a float32 backward
    compare_with_torch(torch, native, lambda t: peer(t, **options), x, rtol)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmaxes_in_torch(name, torch):
    """Softmax and its logarithm agree with PyTorch's in double precision, forward and back."""

    def native(x):
        y, kept = ACTIVATIONS[name].activate(x)
        return y, lambda dy: ACTIVATIONS[name].gradient(dy, kept)

    peer = getattr(torch.nn.functional, name)
    x = rng.standard_normal((20, 5)) * 30
    compare_with_torch(torch, native, lambda t: peer(t, dim=-1), x)


def images(peer):
    """A function of PyTorch's on images with the channels last."""
    return lambda t: peer(t.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


LAYERS_IN_TORCH = [
    (LeakyReLU(), lambda f: lambda t: f.leaky_relu(t, 0.3)),
    (ELU(alpha=0.4), lambda f: lambda t: f.elu(t, 0.4)),
    (UpSampling2D((3, 2)), lambda f: images(lambda t: f.interpolate(t, scale_factor=(3, 2)))),
    (
        UpSampling2D((3, 2), interpolation="bilinear"),
        lambda f: images(
            lambda t: f.interpolate(t, scale_factor=(3, 2), mode="bilinear", align_corners=False)
        ),
    ),
    (ZeroPadding2D(((1, 0), (2, 3))), lambda f: images(lambda t: f.pad(t, (2, 3, 1, 0)))),
    (GlobalMaxPool(keepdims=True), lambda f: images(lambda t: f.adaptive_max_pool2d(t, 1))),
]


@pytest.mark.parametrize(("layer", "function"), LAYERS_IN_TORCH, ids=lambda value: repr(value)[:30])
def test_layer_in_torch(layer, function, torch):
    """Each layer that PyTorch has as a function agrees with it in double precision."""

    def native(x):
        y, cache = layer.forward(x)
        return y, lambda dy: layer.backward(dy, cache)[0]

    x = rng.standard_normal((2, 4, 5, 3))
    compare_with_torch(torch, native, function(torch.nn.functional), x)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (LayerNorm(epsilon=1e-5), (3,)),
        (LayerNorm((2, 3), epsilon=1e-5), (5, 3)),
        (LayerNorm((1, 2, 3), epsilon=1e-5), (4, 5, 3)),
    ],
    ids=repr,
)
def test_layer_norm_in_torch(layer, shape, torch):
    """Layer normalization agrees with PyTorch in double precision, parameters included."""
    layer.build((4, 5, 3), rng, "float64")
    layer.params = {name: rng.standard_normal(shape) for name in layer.params}
    x = rng.standard_normal((2, 4, 5, 3))
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    dx, grads = layer.backward(dy, cache)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, *layer.params.values())]
    ty = torch.nn.functional.layer_norm(leaves[0], shape, *leaves[1:], eps=1e-5)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-9, atol=1e-9)
    for native, leaf in zip([dx, *grads.values()], leaves, strict=True):
        np.testing.assert_allclose(native, leaf.grad.numpy(), rtol=1e-9, atol=1e-9)


def test_ties_of_global_max_pooling_elsewhere(tf, torch):
    """With equal maxima PyTorch's first takes the gradient, as here; TensorFlow divides it."""
    x = np.array([[[[1.0], [7.0]], [[7.0], [7.0]]]])
    layer = GlobalMaxPool(keepdims=True)
    y, cache = layer.forward(x)
    dx = layer.backward(np.ones_like(y), cache)[0]
    tx = torch.tensor(x, requires_grad=True)
    torch.nn.functional.adaptive_max_pool2d(tx.permute(0, 3, 1, 2), 1).sum().backward()
    np.testing.assert_array_equal(dx, tx.grad.numpy())
    _, shared = gradient_in_keras(tf, lambda t: tf.reduce_max(t, axis=(1, 2)), x, 1.0)
    np.testing.assert_allclose(shared.ravel(), [0, 1 / 3, 1 / 3, 1 / 3])
