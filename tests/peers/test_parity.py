"""The same numbers as Keras and PyTorch, from the same weights and the same data."""

import numpy as np
import pytest

from minicnn import (
    SGD,
    Activation,
    Adagrad,
    Adam,
    AdamW,
    AlphaDropout,
    AvgPool,
    BatchNorm,
    Conv2D,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GroupNormalization,
    Identity,
    Input,
    InputLayer,
    LayerNorm,
    LeakyReLU,
    Lion,
    MaxPool,
    Nadam,
    Normalization,
    Permute,
    PReLU,
    ReLU,
    Rescaling,
    Reshape,
    Residual,
    RMSprop,
    Sequential,
    Sigmoid,
    Softmax,
    SpatialDropout2D,
    UnitNormalization,
    load_model,
)
from minicnn.layers.building import walk
from minicnn.optimizers.schedules import CosineDecay
from minicnn.testing.cases import LAYERS, REGULARIZERS

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


IN_KERAS = [case for case in LAYERS if not case.not_in_keras]


def model_of(layer, shape, dtype="float32"):
    """A model of a new layer of that kind, with numbers in its arrays that are not all 0 or 1."""
    head = [] if isinstance(layer, InputLayer) else [Input(shape)]
    model = Sequential([*head, type(layer).from_config(layer.get_config())], seed=0, dtype=dtype)
    # Of no axes is Normalization's count alone, a whole number in Keras.
    weights = model.get_weights()
    model.set_weights([w + rng.uniform(0.1, 0.5, w.shape) if w.ndim else w for w in weights])
    return model


def in_order(layer, arrays):
    """Keras counts the arrays of the two ways of a sum in another order."""
    arrays = [np.asarray(array) for array in arrays]
    by_sum = isinstance(layer, Residual)
    return sorted(arrays, key=lambda a: (a.shape, a.sum())) if by_sum else arrays


@pytest.mark.parametrize("case", IN_KERAS, ids=repr)
def test_layer_in_keras(case, keras, tmp_path):
    """Outputs are Keras' within 1e-5, gradients within 1e-4, in training too, and it comes back."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    layer, shape = case.make(), case.input_shape
    model = model_of(layer, shape)
    model.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    x = rng.standard_normal((6, *shape)).astype(np.float32)
    draws = any(part.random for part in walk([layer]))
    for training in (False,) if draws else (False, True):
        y, caches = model.forward(x, training=training)
        dy = rng.standard_normal(y.shape).astype(np.float32)
        dx, grads = model.backward(dy, caches)
        inputs = tf.Variable(x)
        with tf.GradientTape() as tape:
            expected = theirs(inputs, training=training)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
        leaves = [inputs, *(v.value for v in theirs.trainable_variables)]
        wanted_dx, *wanted = tape.gradient(expected, leaves, tf.constant(dy))
        np.testing.assert_allclose(dx, wanted_dx, rtol=1e-4, atol=1e-4)
        pairs = zip(in_order(layer, grads.values()), in_order(layer, wanted), strict=True)
        for ours, other in pairs:
            np.testing.assert_allclose(ours, other, rtol=1e-4, atol=1e-4)
    if not draws:
        model.update_state(caches)
    weights = (in_order(layer, one.get_weights()) for one in (model, theirs))
    for ours, other in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-6)
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-5)


def channels_first(function):
    """A function of PyTorch's on images with the channels last."""
    return lambda x, *params: function(x.permute(0, 3, 1, 2), *params).permute(0, 2, 3, 1)


LAYERS_IN_TORCH = [
    (Dense(4, activation="sigmoid"), (6,), lambda t, x, k, b: t.sigmoid(x @ k + b)),
    (Flatten(), (4, 5, 3), lambda t, x: t.flatten(x, 1)),
    (Activation("tanh"), (4, 5, 3), lambda t, x: t.tanh(x)),
    (Softmax(axis=1), (4, 5), lambda t, x: t.softmax(x, 1)),
    (ReLU(), (4, 5), lambda t, x: t.relu(x)),
    (Rescaling(0.5, offset=-1), (4, 5), lambda t, x: x * 0.5 - 1),
    (GlobalAvgPool(), (4, 5, 3), lambda t, x: x.mean((1, 2))),
    (InputLayer((4, 5)), (4, 5), lambda t, x: x.clone()),
    (Identity(), (4, 5), lambda t, x: x.clone()),
    (
        Normalization(mean=(0.5, -1.0), variance=(4.0, 0.25)),
        (4, 2),
        lambda t, x: (x - t.tensor((0.5, -1.0))) / t.tensor((2.0, 0.5)),
    ),
    (Permute((3, 1, 2)), (4, 5, 3), lambda t, x: x.permute(0, 3, 1, 2)),
    (Reshape((3, -1)), (4, 5, 3), lambda t, x: x.reshape(len(x), 3, -1)),
    (Cropping2D(((1, 0), (2, 1))), (4, 5, 3), lambda t, x: x[:, 1:, 2:-1]),
    (Rescaling((0.5, 2.0, 1.0)), (4, 5, 3), lambda t, x: x * t.tensor([0.5, 2.0, 1.0])),
    (UnitNormalization(), (4, 5, 3), lambda t, x: t.nn.functional.normalize(x, dim=-1)),
    (UnitNormalization((1, 2)), (4, 5, 3), lambda t, x: t.nn.functional.normalize(x, dim=(1, 2))),
    *(
        (
            GroupNormalization(groups, epsilon=1e-5),
            (4, 5, 6),
            lambda t, x, gamma, beta, groups=groups: channels_first(
                lambda x: t.nn.functional.group_norm(x, groups, gamma, beta)
            )(x),
        )
        for groups in (1, 3, 6)
    ),
    (
        PReLU(shared_axes=(1, 2)),
        (4, 5, 3),
        lambda t, x, a: channels_first(lambda x: t.nn.functional.prelu(x, a.reshape(-1)))(x),
    ),
    (
        BatchNorm(epsilon=1e-5),
        (4, 5, 3),
        lambda t, x, *p: channels_first(
            lambda x: t.nn.functional.batch_norm(x, None, None, *p, training=True)
        )(x),
    ),
]


@pytest.mark.parametrize(
    ("layer", "shape", "function"), LAYERS_IN_TORCH, ids=[repr(c[0]) for c in LAYERS_IN_TORCH]
)
def test_layer_in_torch(layer, shape, function, torch):
    """Outputs and gradients in training agree with PyTorch's in double precision within 1e-9."""
    model = model_of(layer, shape, "float64")
    x = rng.standard_normal((6, *shape))
    y, caches = model.forward(x, training=True)
    dy = rng.standard_normal(y.shape)
    dx, grads = model.backward(dy, caches)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, *model.params.values())]
    expected = function(torch, *leaves)
    expected.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    for ours, leaf in zip([dx, *grads.values()], leaves, strict=True):
        np.testing.assert_allclose(ours, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)


NOISE = [
    Dropout(0.3),
    Dropout(0.6, noise_shape=(None, 1, 4, None)),
    SpatialDropout2D(0.25),
    GaussianNoise(0.7),
    AlphaDropout(0.3),
]


@pytest.mark.parametrize("layer", NOISE, ids=repr)
def test_noise_in_keras(layer, keras):
    """Mean, deviation and quantiles of 100,000 numbers are Keras', and what is drawn in common."""
    keras.utils.set_random_seed(0)
    theirs = getattr(keras.layers, type(layer).__name__)(**layer.get_config())
    x = np.full((500, 5, 4, 10), 2.0, np.float32)
    y, cache = layer.forward(x, training=True, rng=np.random.default_rng(0))
    expected = np.asarray(theirs(x, training=True))
    alike = [
        [np.unique(np.ptp(z, axis=axis)).size for axis in ((1, 2), 1, 2, 3)] for z in (y, expected)
    ]
    if not isinstance(layer, GaussianNoise):
        assert alike[0] == alike[1]
        np.testing.assert_allclose(np.unique(y), np.unique(expected), rtol=1e-6)
        dx = layer.backward(x, cache)[0]
        at_zero, _ = layer.forward(0 * x, training=True, rng=np.random.default_rng(0))
        np.testing.assert_allclose(dx, y - at_zero, rtol=1e-6, atol=1e-6)  # as x and dy are one
    spread = expected.std()
    draws = x.size // (20 if isinstance(layer, SpatialDropout2D) else 5 if cache else 1)
    sigma = spread * np.sqrt(2 / draws)
    assert abs(y.mean() - expected.mean()) < 5 * sigma
    assert y.std() == pytest.approx(spread, abs=5 * sigma)
    if isinstance(layer, GaussianNoise):
        at = np.linspace(0.05, 0.95, 10)
        np.testing.assert_allclose(np.quantile(y, at), np.quantile(expected, at), atol=10 * sigma)
    np.testing.assert_array_equal(layer.forward(x)[0], np.asarray(theirs(x, training=False)))


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_regularizer_in_keras(regularizer, keras):
    """Each penalty is Keras' within 1e-5, its gradient within 1e-4."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    theirs = getattr(keras.regularizers, type(regularizer).__name__)(**regularizer.get_config())
    x = rng.standard_normal((3, 4, 5)).astype(np.float32)
    weights = tf.Variable(x)
    with tf.GradientTape() as tape:
        penalty = theirs(weights)
    gradient = tape.gradient(penalty, weights, unconnected_gradients="zero")
    assert regularizer(x) == pytest.approx(float(penalty), rel=1e-5)
    np.testing.assert_allclose(regularizer.gradient(x), gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_regularizer_in_torch(regularizer, torch):
    """Penalties made of PyTorch's norms, and their gradients, agree within 1e-9."""
    x = rng.standard_normal((3, 4, 5))
    weights = torch.tensor(x, requires_grad=True)
    penalty = regularizer.l1 * weights.norm(1) + regularizer.l2 * weights.norm(2) ** 2
    penalty.backward()
    assert regularizer(x) == pytest.approx(penalty.item(), rel=1e-9)
    np.testing.assert_allclose(regularizer.gradient(x), weights.grad, rtol=1e-9, atol=1e-12)


def small_network():
    return Sequential(
        [
            Input((12, 12, 3)),
            Rescaling(1 / 255),
            Conv2D(6, 3, padding="same", use_bias=False),
            BatchNorm(momentum=0.9),
            ReLU(),
            DepthwiseConv2D(3, padding="same", activation="elu"),
            Conv2D(6, 1, use_bias=False, kernel_regularizer="l2"),
            BatchNorm(momentum=0.9),
            LeakyReLU(),
            MaxPool(2),
            Conv2D(8, 2, activation="tanh"),
            LayerNorm(),
            AvgPool(2, padding="same"),
            Sigmoid(),
            Flatten(),
            Dense(8, activation="gelu"),
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
        lambda: AdamW(1e-3, weight_decay=0.1),
        lambda: RMSprop(1e-3, momentum=0.5),
        lambda: Nadam(1e-3),
        lambda: Lion(1e-4),
        lambda: Adagrad(1e-2),
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


@pytest.mark.parametrize(
    ("layer", "name", "options"),
    [
        (cls(size, stride, pad), name, options)
        for cls, name, options in (
            (MaxPool, "max_pool2d", {}),
            (AvgPool, "avg_pool2d", {"count_include_pad": False}),
        )
        for size, stride, pad in ((2, 2, 0), (3, 2, 1), (3, 1, 0), (2, 3, 0))
    ],
    ids=repr,
)
def test_pooling_in_torch(layer, name, options, torch):
    """Pooling agrees with PyTorch in double precision within 1e-9, forward and back."""
    x = rng.standard_normal((2, 9, 8, 3))
    y, cache = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    tx = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    pool = getattr(torch.nn.functional, name)
    ty = pool(tx, layer.pool_size, layer.strides, layer.padding, **options)
    ty.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(y, ty.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-9)
    dx = layer.backward(dy, cache)[0]
    np.testing.assert_allclose(dx, tx.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-9, atol=1e-12)
