"""The same numbers as Keras and PyTorch, from the same weights and the same data."""

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adam,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    MaxPool,
    ReLU,
    Rescaling,
    Sequential,
    Sigmoid,
    load_model,
)
from minicnn.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from minicnn.optimizers.schedules import CosineDecay

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


LAYERS = [
    (Conv2D(5, 3), (9, 8, 3)),
    (Conv2D(4, 4, padding="same"), (9, 8, 3)),
    (Conv2D(4, (2, 3), strides=(2, 1), padding="same", activation="tanh"), (9, 8, 3)),
    (Conv2D(4, 5, strides=3, padding="same", use_bias=False), (10, 7, 2)),
    (MaxPool(), (9, 8, 3)),
    (MaxPool(3, strides=2, padding="same"), (8, 9, 3)),
    (AvgPool(3, strides=2, padding="same"), (8, 9, 3)),
    (AvgPool((2, 3)), (8, 9, 3)),
    (GlobalAvgPool(), (4, 5, 3)),
    (BatchNorm(), (4, 5, 3)),
    (BatchNorm(axis=1, momentum=0.7, epsilon=1e-5), (4, 5, 3)),
    (Dense(4, activation="softmax"), (6,)),
    (ReLU(max_value=1, negative_slope=0.1, threshold=0.5), (6,)),
    (Rescaling(0.5, offset=-1), (6,)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: repr(value))
def test_layer_in_keras(layer, shape, keras, tmp_path):
    """A saved layer gives Keras' outputs within 1e-5, outside training and in it."""
    model = Sequential([Input(shape), type(layer).from_config(layer.get_config())], seed=0)
    model.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    x = rng.standard_normal((6, *shape)).astype(np.float32)
    for training in (False, True):
        y, caches = model.forward(x, training=training)
        expected = np.asarray(theirs(x, training=training))
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    model.update_state(caches)
    for ours, other in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-6)


def small_network():
    return Sequential(
        [
            Input((12, 12, 3)),
            Rescaling(1 / 255),
            Conv2D(6, 3, padding="same", use_bias=False),
            BatchNorm(momentum=0.9),
            ReLU(),
            MaxPool(2),
            Conv2D(8, 2, activation="tanh"),
            AvgPool(2, padding="same"),
            Sigmoid(),
            Flatten(),
            Dropout(0.0),
            Dense(3, activation="softmax"),
        ],
        seed=0,
    )


X = rng.integers(0, 256, (64, 12, 12, 3), dtype=np.uint8)
Y = rng.integers(0, 3, 64)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: SGD(0.05),
        lambda: SGD(0.05, momentum=0.9),
        lambda: SGD(0.05, momentum=0.9, nesterov=True),
        lambda: Adam(1e-3),
        lambda: Adam(CosineDecay(2e-3, 60)),
    ],
    ids=lambda make: repr(make()),
)
def test_fifty_steps_in_keras(optimizer, keras, tmp_path):
    """Fifty steps without shuffle end in Keras' weights within 1e-3, and its history."""
    model = small_network()
    model.compile(optimizer(), "sparse_categorical_crossentropy", ["accuracy"])
    model.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    options = {"batch_size": 13, "epochs": 10, "shuffle": False, "verbose": 0}
    ours = model.fit(X, Y, validation_data=(X, Y), **options).history
    other = theirs.fit(X.astype("f4"), Y, validation_data=(X.astype("f4"), Y), **options).history
    assert set(ours) == set(other)
    for name in ours:
        np.testing.assert_allclose(ours[name], other[name], rtol=1e-3, atol=1e-3)
    for a, b in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_files_go_both_ways(keras, tmp_path):
    """What Keras saved after training on our file is read here, equal to the bit."""
    model = small_network()
    model.compile(Adam(1e-3), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    for a, b in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(theirs.optimizer.iterations) == 2
    theirs.fit(X.astype("f4"), Y, verbose=0)
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    for a, b in zip(again.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    expected = theirs.predict(X.astype("f4"), verbose=0)
    np.testing.assert_allclose(again.predict(X), expected, rtol=1e-5, atol=1e-6)
    assert again.optimizer.iterations == 4


@pytest.mark.parametrize(
    "loss",
    [
        MeanSquaredError(),
        BinaryCrossentropy(label_smoothing=0.1),
        BinaryCrossentropy(from_logits=True),
        CategoricalCrossentropy(label_smoothing=0.2),
        CategoricalCrossentropy(from_logits=True),
        SparseCategoricalCrossentropy(),
        SparseCategoricalCrossentropy(from_logits=True),
    ],
    ids=repr,
)
def test_losses_in_keras(loss, keras):
    """Each loss gives Keras' number within 1e-6."""
    z = rng.standard_normal((7, 4))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = rng.integers(0, 4, 7)
    y = labels if isinstance(loss, SparseCategoricalCrossentropy) else np.eye(4)[labels]
    prediction = z if getattr(loss, "from_logits", False) else p
    theirs = getattr(keras.losses, type(loss).__name__)(**loss.get_config(), dtype="float64")
    assert loss(y, prediction) == pytest.approx(float(theirs(y, prediction)), rel=1e-6)


@pytest.mark.parametrize(
    ("stride", "pad", "kernel"), [(1, 0, (3, 3)), (2, 1, (3, 2)), (3, 2, (5, 5)), (1, 2, (2, 4))]
)
def test_convolution_in_torch(stride, pad, kernel, torch):
    """Convolution agrees with PyTorch in double precision within 1e-9, forward and back."""
    layer = Conv2D(4, kernel, strides=stride, padding=pad)
    layer.build((9, 8, 3), np.random.default_rng(0), "float64")
    x = rng.standard_normal((2, 9, 8, 3))
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    dx, grads = layer.backward(dy, cache)
    tx = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    tw = torch.tensor(layer.params["kernel"].transpose(3, 2, 0, 1), requires_grad=True)
    ty = torch.nn.functional.conv2d(tx, tw, stride=stride, padding=pad)
    ty.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    for ours, theirs in (
        (y, ty.detach().numpy().transpose(0, 2, 3, 1)),
        (dx, tx.grad.numpy().transpose(0, 2, 3, 1)),
        (grads["kernel"], tw.grad.numpy().transpose(2, 3, 1, 0)),
        (grads["bias"], dy.sum(axis=(0, 1, 2))),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("size", "stride", "pad"), [(2, 2, 0), (3, 2, 1), (3, 1, 0), (2, 3, 0)])
def test_pooling_in_torch(size, stride, pad, torch):
    """Pooling agrees with PyTorch in double precision within 1e-9, forward and back."""
    x = rng.standard_normal((2, 9, 8, 3))
    pools = torch.nn.functional
    for layer, pool in (
        (MaxPool(size, stride, pad), lambda t: pools.max_pool2d(t, size, stride, pad)),
        (
            AvgPool(size, stride, pad),
            lambda t: pools.avg_pool2d(t, size, stride, pad, count_include_pad=False),
        ),
    ):
        y, cache = layer.forward(x)
        dy = rng.standard_normal(y.shape)
        tx = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
        ty = pool(tx)
        ty.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
        np.testing.assert_allclose(y, ty.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-9)
        dx = layer.backward(dy, cache)[0]
        expected = tx.grad.numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(dx, expected, rtol=1e-9, atol=1e-12)
