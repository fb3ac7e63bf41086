"""What layers and models do otherwise where a Keras script runs."""

import importlib

import numpy as np
import pytest

import minicnn
from minicnn import (
    Input,
    Model,
    Sequential,
    losses,
)
from minicnn.errors import ConfigError
from minicnn.layers import Activation, Conv2D, Dense, Dropout, InputLayer, RandomFlip, Rescaling
from minicnn.optimizers import Adam

pytestmark = pytest.mark.usefixtures("as_keras")


def network(**options):
    """A dense layer."""
    return Sequential([Input((4,)), Dense(1, **options)])


def test_a_layer_called_on_arrays_computes():
    """It is built for the array, and gives what its forward gives, with ``.numpy()``."""
    layer = Conv2D(2, 3, name="first")
    x = np.ones((1, 5, 5, 3), np.float32)
    y = layer(x)
    assert np.array_equal(y.numpy(), layer.forward(x)[0])
    assert Rescaling(0.5)(np.array([[2, 4]])).numpy().tolist() == [[1.0, 2.0]]


def test_dropout_called_on_arrays_does_nothing_unless_it_trains():
    """Called as it is it passes on; with ``training=True`` it drops."""
    x = np.ones((4, 100), np.float32)
    assert (Dropout(0.5)(x) == 1).all()
    assert (Dropout(0.5)(x, training=True) == 0).any()


def test_augmentation_called_on_arrays_changes_them():
    """A layer, or a model, of augmentation alone works when it is called, as in Keras."""
    x = np.arange(200, dtype=np.float32).reshape(50, 2, 2, 1)
    for flip in (RandomFlip("horizontal"), Sequential([RandomFlip("horizontal")])):
        assert not np.array_equal(flip(x), x)


def test_a_model_called_on_arrays_predicts():
    """A model gives the tensor of its outputs."""
    model = network()
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(model(x).numpy(), model.predict(x))


def test_an_optimizer_may_be_shared():
    """The second model gets a copy with the same arguments, and a word is said."""
    optimizer = Adam(0.01, beta_1=0.5)
    models = [network(), network()]
    models[0].compile(optimizer, "mse")
    with pytest.warns(UserWarning, match="gets a copy"):
        models[1].compile(optimizer, "mse")
    x, y = np.ones((8, 4)), np.ones(8)
    for model in models:
        model.fit(x, y, verbose=0)
    assert models[0].optimizer is optimizer
    assert models[1].optimizer is not optimizer
    assert models[1].optimizer.get_config() == optimizer.get_config()


def test_what_trains_is_what_trained_when_the_model_was_compiled():
    """A part frozen after its own compile still trains alone, and not within a later model."""
    part = network()
    part.compile("sgd", "mse")
    part.trainable = False
    whole = Sequential([Input((4,)), Dense(4), part])
    whole.compile("sgd", "mse")
    x, y = np.ones((8, 4)), np.full(8, 9.0)
    before = part.get_weights()
    whole.train_on_batch(x, y)
    assert all(map(np.array_equal, before, part.get_weights()))
    part.train_on_batch(x, y)
    assert not all(map(np.array_equal, before, part.get_weights()))
    assert not part.trainable


def test_names_may_have_slashes():
    """Keras 2's "conv1/bn" is "conv1_bn", and is found under either name."""
    with pytest.warns(UserWarning, match="'conv1/bn' is 'conv1_bn' here"):
        model = network(name="conv1/bn")
    assert model.get_layer("conv1/bn") is model.get_layer("conv1_bn")


def test_metrics_are_each_outputs():
    """A flat list of metrics counts for each of several outputs, as in Keras 2."""
    x = Input((4,))
    model = Model(x, [Dense(1, name="a")(x), Dense(1, name="b")(x)])
    model.compile("sgd", "mse", ["mae"])
    logs = model.evaluate(np.ones((2, 4)), [np.ones(2)] * 2, verbose=0, return_dict=True)
    assert {"a_mae", "b_mae"} < logs.keys()
    assert model.metrics_names == ["loss", "a_loss", "b_loss", "a_mae", "b_mae"]


def test_results_have_numpy():
    """``metric.result().numpy()`` and ``loss(y_true, y_pred).numpy()`` are plain numbers."""
    metric = minicnn.metrics.MeanIoU(num_classes=2)
    metric.update_state([0, 1], [0, 1])
    assert metric.result().numpy() == 1.0
    loss = minicnn.losses.MeanSquaredError()
    assert loss(np.ones((2, 1)), np.zeros((2, 1))).numpy() == 1.0


def test_all_is_taken_back():
    """After ``take_back`` a layer refuses arrays, and names refuse slashes, as they did."""
    from minicnn.as_keras import manners

    manners.take_back()
    with pytest.raises(ConfigError):
        Dense(1)(np.ones((2, 4)))
    with pytest.raises(ConfigError):
        Dense(1, name="a/b")


def test_shapes_have_the_batch_axis(as_keras):
    """Those of layers and models begin with None, as in Keras, and layers still compute theirs."""
    from keras import Input, Model
    from keras.layers import Add, Conv2D, Dense, Flatten, MaxPooling2D
    from keras.models import Sequential

    base = Sequential([Conv2D(4, 3, input_shape=(8, 8, 3)), MaxPooling2D()])
    assert base.output_shape == (None, 3, 3, 4)
    assert base.input_shape == (None, 8, 8, 3)
    assert base.layers[0].output_shape == (None, 6, 6, 4)
    assert base.layers[-1].output_shape[-1] == 4
    assert repr(base.layers[1].output_shape) == "(None, 3, 3, 4)"
    assert base.layers[0].output_shape((10, 10, 3)) == (8, 8, 4)
    top = Sequential([Flatten(input_shape=base.output_shape[1:]), Dense(2)])
    x = Input((8, 8, 3))
    model = Model(x, Add()([top(base(x)), Dense(2)(Flatten()(x))]))
    assert model.predict(np.ones((2, 8, 8, 3))).shape == (2, 2)
    assert model.layers[-1].output_shape == (None, 2)


def test_shapes_of_models_have_a_batch_axis():
    """A script reads (None, ...), and ``base.output_shape[1:]`` is the shape of an image."""
    base = Sequential([Input((8, 8, 3)), Conv2D(2, 3)])
    assert base.input_shape == (None, 8, 8, 3)
    assert base.output_shape == (None, 6, 6, 2)
    top = Sequential([Input(base.output_shape[1:]), Conv2D(1, 6)])
    whole = Model(base.input, top(base.output))
    assert whole.output_shape == (None, 1, 1, 1)
    assert whole.predict(np.ones((2, 8, 8, 3))).shape == (2, 1, 1, 1)
    two = Model(base.input, [base.output, base.input])
    assert two.output_shape == [(None, 6, 6, 2), (None, 8, 8, 3)]


def test_labels_of_adversarial_networks_may_be_noisy():
    """Binary cross-entropy of labels such as 1.05 is computed, as in Keras, by the formula."""
    y, p = np.array([[1.05], [-0.1]]), np.array([[0.8], [0.3]])
    expected = np.mean(-(y * np.log(p) + (1 - y) * np.log(1 - p)))
    assert losses.BinaryCrossentropy()(y, p) == pytest.approx(expected)


def test_models_are_saved_into_folders_that_are_made(tmp_path):
    """``save_weights("training/cp-0000.ckpt")`` makes the folder, as with TensorFlow's formats."""
    model = Sequential([Input((3,)), Dense(2)])
    model.save_weights(tmp_path / "training" / "cp-0000.ckpt")
    model.save(tmp_path / "models" / "one.h5")
    assert (tmp_path / "training" / "cp-0000.ckpt").exists()
    assert (tmp_path / "models" / "one.h5").exists()


def test_a_model_is_built_for_a_shape_with_the_batch_axis():
    """``build((None, 28, 28, 1))`` and ``build((32, 28, 28, 1))`` are of images (28, 28, 1)."""
    for first in (None, 32):
        model = Sequential([Conv2D(2, 3)])
        model.build((first, 28, 28, 1))
        assert model.input_shapes == [(28, 28, 1)]


def test_shapes_of_symbolic_tensors_have_the_methods_of_tensorflow():
    """``x.get_shape().as_list()`` is a list with None for the batch axis."""
    x = Conv2D(2, 3)(Input((8, 8, 3)))
    assert x.get_shape().as_list() == x.shape.as_list() == [None, 6, 6, 2]
    assert x.shape == (None, 6, 6, 2)
    assert x.shape.rank == x.shape.ndims == 4


def test_arguments_of_queues_do_nothing():
    """``workers`` and its like are taken by fit, evaluate and predict, with a warning."""
    model = network()
    model.compile("sgd", "mse")
    x, y = np.zeros((4, 4)), np.zeros((4, 1))
    with pytest.warns(UserWarning, match="fit: .*workers and use_multiprocessing do nothing"):
        model.fit(x, y, workers=2, verbose=0)
    with pytest.warns(UserWarning, match="evaluate: .*do nothing"):
        model.evaluate(x, y, use_multiprocessing=True)
    with pytest.warns(UserWarning, match="predict: .*do nothing"):
        assert model.predict(x, max_queue_size=3).shape == (4, 1)


def test_what_keras_drew_with_need_not_be_there():
    """``import pydot`` of old notebooks works without it."""
    assert importlib.import_module("pydot").Dot() is not None


def test_an_input_is_said_with_its_batch():
    """``batch_shape``, ``batch_size`` and ``tensor`` of Input and InputLayer are taken."""
    for x in (
        Input(batch_shape=(None, 8, 8, 1)),
        Input(shape=(8, 8, 1), batch_size=16),
        Input(tensor=Input((8, 8, 1))),
    ):
        assert x.shape == (None, 8, 8, 1)
    with pytest.warns(UserWarning, match="batch_input_shape"):
        model = Sequential([InputLayer(batch_input_shape=(None, 4)), Dense(1)])
    assert model.input_shape == (None, 4)
    with pytest.raises(ConfigError, match="Numbers go into"):
        Input(tensor=np.ones((2, 3)))
    with pytest.raises(ConfigError, match="expected a shape"):
        Input()
    with pytest.raises(ConfigError, match="expected shape, or batch_shape"):
        Input((3,), batch_shape=(None, 3))


def test_a_history_knows_what_the_run_was():
    """``history.params`` has the epochs and steps, as in Keras."""
    model = network()
    model.compile("sgd", "mse")
    history = model.fit(np.ones((8, 4)), np.ones(8), batch_size=4, epochs=2, verbose=0)
    assert (history.params["epochs"], history.params["steps"]) == (2, 2)
    model.reset_metrics()


def test_activations_take_symbolic_tensors_and_older_arguments():
    """A script's own activation may be made of those of Keras and TensorFlow."""
    activations = importlib.import_module("keras.activations")
    nn = importlib.import_module("tensorflow").nn
    x = np.array([[-2.0, 1.0, 9.0]], np.float32)
    for function, wanted in (
        (lambda z: activations.relu(z, max_value=6), [0.0, 1.0, 6.0]),
        (lambda z: activations.relu(z, negative_slope=0.5), [-1.0, 1.0, 9.0]),
        (lambda z: nn.leaky_relu(z, alpha=0.5), [-1.0, 1.0, 9.0]),
        (lambda z: activations.linear(z) * 2, [-4.0, 2.0, 18.0]),
    ):
        assert np.asarray(function(x))[0].tolist() == wanted
        model = Sequential([Input((3,)), Activation(function)])
        assert model.predict(x, verbose=0)[0].tolist() == wanted
    z = Sequential([Input((3,)), Activation(lambda z: activations.softmax(z))])
    assert z.predict(x).sum() == pytest.approx(1)
    assert Activation(activations.relu).activation == "relu"
    assert Activation(nn.leaky_relu).activation == "leaky_relu"


def test_a_script_of_keras_2_counts_arithmetic_among_the_layers():
    """``model.layers[4]`` of the course, behind a scaling written as x / 127.5 - 1."""
    x = Input((8, 8, 3))
    y = Conv2D(2, 3)(x / 127.5 - 1)
    model = Model(x, y)
    assert [layer.name for layer in model.layers] == [model.input.name, "conv2d"]
    importlib.import_module("tensorflow.keras.layers.experimental.preprocessing")
    assert model.layers[3].name == "conv2d"
    assert len(model.layers) == 4


def test_own_losses_and_metrics_are_given_tensors():
    """``y_pred.shape.as_list()``, ``y_true.dtype`` and ``.numpy()`` of a metric are there."""
    backend = importlib.import_module("keras.backend")

    def halves(y_true, y_pred):
        n = y_pred.shape.as_list()[-1]
        near, far = y_pred[:, : n // 2], y_pred[:, n // 2 :]
        return backend.mean(backend.square(near - far - backend.cast(y_true, y_pred.dtype)), axis=1)

    def largest(y_true, y_pred):
        assert y_true.get_shape().as_list()[1:] == [2]
        return y_pred.numpy().max()

    model = Sequential([Input((3,)), Dense(4)], seed=0)
    model.compile("sgd", halves, metrics=[largest])
    x, y = np.random.default_rng(0).normal(size=(4, 3)), np.ones((4, 2))
    history = model.fit(x, y, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert len(history["largest"]) == 3
