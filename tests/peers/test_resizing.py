"""Images resized and cropped: the numbers of Keras on TensorFlow, forward and back."""

import numpy as np
import pytest

from minicnn import CenterCrop, RandomCrop, Resizing

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)
SIZES = [
    ((7, 10), (9, 23)),
    ((13, 9), (5, 4)),
    ((8, 8), (8, 3)),
    ((1, 5), (3, 3)),
    ((30, 31), (4, 7)),
]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def compare(theirs, layer, image):
    """Our output and gradient beside those of a layer of Keras'."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    x = rng.standard_normal((2, *image, 3)).astype("f4")
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape).astype("f4")
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        expected = theirs(inputs)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    wanted = tape.gradient(expected, inputs, tf.constant(dy))
    np.testing.assert_allclose(layer.backward(dy, cache)[0], wanted, rtol=1e-4, atol=1e-4)


RESIZING = [
    Resizing(1, 1, interpolation, crop, pad, fill_value=0.5, antialias=antialias)
    for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
    for crop, pad, antialias in (
        (False, False, False),
        (False, False, True),
        (True, False, False),
        (False, True, True),
    )
]


@pytest.mark.parametrize("layer", RESIZING, ids=repr)
def test_resizing_in_keras(layer, keras):
    """Larger and smaller, by each interpolation, cropped and padded to the ratio."""
    for image, (height, width) in SIZES:
        made = Resizing.from_config(layer.get_config() | {"height": height, "width": width})
        compare(keras.layers.Resizing.from_config(made.keras_config()), made, image)


def test_center_crop_in_keras(keras):
    """The middle, odd pixels, and images that are too small."""
    for image, size in SIZES:
        compare(keras.layers.CenterCrop(*size), CenterCrop(*size), image)
        compare(keras.layers.CenterCrop(*size[::-1]), CenterCrop(*size[::-1]), image)


@pytest.mark.parametrize("layer", [RandomCrop(3, 3)], ids=repr)
def test_random_crop_in_keras(layer, keras):
    """Outside training it is Keras' resizing to the ratio; in it, both cut at all of the places."""
    for image, size in SIZES:
        theirs = keras.layers.Resizing(*size, crop_to_aspect_ratio=True)
        compare(theirs, RandomCrop(*size), image)
    x = np.arange(20.0, dtype="f4").reshape(1, 4, 5, 1)
    theirs = keras.layers.RandomCrop(3, 3)
    places = [
        {float(np.asarray(crop())[0, 0, 0, 0]) for _ in range(200)}
        for crop in (
            lambda: theirs(x, training=True),
            lambda: layer.forward(x, training=True, rng=rng)[0],
        )
    ]
    assert places == [{0, 1, 2, 5, 6, 7}] * 2
    assert theirs(x, training=False).shape == x.shape  # which is why the cases leave it out


@pytest.mark.parametrize("layer", [Resizing(9, 5), Resizing(3, 4), CenterCrop(3, 4)], ids=repr)
def test_resizing_in_torch(layer, torch):
    """Bilinear interpolation and the middle agree with PyTorch in double precision."""
    x = rng.standard_normal((2, 6, 7, 3))
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    leaf = torch.tensor(x, requires_grad=True)
    if isinstance(layer, CenterCrop):
        expected = leaf[:, 1:4, 1:5]
    else:
        size = layer.height, layer.width
        planes = leaf.permute(0, 3, 1, 2)
        expected = torch.nn.functional.interpolate(planes, size, mode="bilinear")
        expected = expected.permute(0, 2, 3, 1)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        layer.backward(dy, cache)[0], leaf.grad.numpy(), rtol=1e-9, atol=1e-12
    )
