"""The model: building, names, weights, summary, and what it says when something is wrong."""

import json
import re

import numpy as np
import pytest

from minicnn import (
    SGD,
    Activation,
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
    RandomFlip,
    ReLU,
    Rescaling,
    Sequential,
    Softmax,
)
from minicnn.errors import ConfigError, DataError, ShapeError
from minicnn.losses import BinaryCrossentropy, SparseCategoricalCrossentropy
from minicnn.metrics import Precision
from sequential_helpers import X, Y, compiled, network


def test_layers_are_named_as_keras_names_them():
    """Names count the layers of a class in one model, and every model starts anew."""
    for _ in range(2):
        names = [layer.name for layer in network().layers]
        assert names == [
            "rescaling",
            "conv2d",
            "batch_normalization",
            "re_lu",
            "max_pooling2d",
            "conv2d_1",
            "average_pooling2d",
            "flatten",
            "dropout",
            "dense",
        ]
    assert "conv2d_1.kernel" in network().params


def test_building_without_an_input_layer():
    """A model without Input is built by its first data, or by build(shape)."""
    model = Sequential([Flatten(), Dense(2)], seed=0)
    assert not model.built
    assert model.predict(X).shape == (50, 2)
    model = Sequential([Dense(3)])
    model.build((4,))
    assert model.output_shape == (3,)
    with pytest.raises(ConfigError, match="Start with Input"):
        Sequential([Dense(3)]).summary(batch_size=8)
    with pytest.raises(ConfigError, match="expected layers, got none"):
        Sequential().build((3,))


def test_frozen_layers_keep_their_weights():
    """A layer that is not trainable gives no gradients and does not move."""
    model = compiled()
    model.layers[1].trainable = model.layers[2].trainable = False
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    after = model.get_weights()
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [True] * 5 + [False] * 4


def test_a_trunk_can_be_used_again():
    """Layers of a trained model keep their arrays in a new one, under a new head."""
    trained = network()
    model = Sequential([Input((8, 8, 3)), *trained.layers[:-1], Dense(4)], seed=1)
    assert model.layers[1].params["kernel"] is trained.layers[1].params["kernel"]
    assert model.output_shape == (4,)
    with pytest.raises(ConfigError, match=r"'rescaling' was built for float32 inputs of shape \(8"):
        Sequential([Input((9, 9, 3)), *trained.layers])


def test_weights_round_trip():
    """set_weights takes what get_weights gives; the wrong ones change nothing."""
    first, second = network(0), network(1)
    second.set_weights(first.get_weights())
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    before = second.get_weights()
    with pytest.raises(ShapeError, match="expected 9 arrays, got 1"):
        second.set_weights(before[:1])
    wrong = [np.zeros_like(w) for w in before]
    wrong[-1] = np.zeros(3)
    with pytest.raises(ShapeError, match=r"expected shape \(2,\) for dense.bias, got \(3,\)"):
        second.set_weights(wrong)
    assert all(np.array_equal(a, b) for a, b in zip(second.get_weights(), before, strict=True))


def test_weights_of_one_layer():
    """A layer found by name or place gives copies of its arrays and takes others like them."""
    model = network(0)
    layer = model.get_layer("conv2d_1")
    assert layer is model.get_layer(index=5) is model.layers[5]
    kernel, bias = layer.get_weights()
    assert (kernel.shape, bias.shape) == ((2, 2, 4, 5), (5,))
    layer.set_weights([kernel + 1, bias + 2])
    assert layer.weights[0] is layer.params["kernel"]
    np.testing.assert_array_equal(layer.params["kernel"], kernel + 1)
    np.testing.assert_array_equal(layer.params["bias"], np.full(5, 2))
    with pytest.raises(ShapeError, match=r"Conv2D 'conv2d_1': expected shape \(5,\) for conv2d_1"):
        layer.set_weights([kernel, bias[1:]])
    np.testing.assert_array_equal(layer.params["kernel"], kernel + 1)
    with pytest.raises(ConfigError, match=r"one of the layers rescaling, conv2d,.*got 'conv2d_2'"):
        model.get_layer("conv2d_2")
    with pytest.raises(ConfigError, match=r"one of the layers.*got 11"):
        model.get_layer(index=11)
    with pytest.raises(ConfigError, match="expected the layer's name or its index"):
        model.get_layer()


def test_a_model_is_frozen_whole():
    """``trainable`` of a model is that of all its layers: frozen, none of its arrays moves."""
    model = compiled()
    model.trainable = False
    assert not model.trainable
    assert not model.params
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.layers[-1].trainable = True
    assert model.trainable
    assert list(model.params) == ["dense.kernel", "dense.bias"]


def test_params_are_counted_by_hand():
    """Models and layers count their numbers, the moving statistics as well."""
    model = network()
    assert [layer.count_params() for layer in model.layers if layer.weights] == [108, 16, 85, 42]
    assert model.count_params() == 251
    with pytest.raises(ConfigError, match="Dense: expected a built layer"):
        Dense(3).count_params()
    with pytest.raises(ConfigError, match="Dense: expected a built layer"):
        Dense(3).set_weights([])


def test_summary_counts_by_hand(capsys):
    """Parameters and multiply-adds are those worked out by hand."""
    model = Sequential([Input((6, 6, 3)), Conv2D(4, 3), BatchNorm(), GlobalAvgPool(), Dense(2)])
    model.summary()
    text = capsys.readouterr().out
    for part in (
        "conv2d (Conv2D)",
        "4x4x4",
        "112",  # 3 * 3 * 3 * 4 + 4 parameters
        "1,728",  # 4 * 4 * 4 * 27 multiply-adds
        "138 parameters",  # 112 + 16 + 10
        "130 of them trainable",
        "1,800 multiply-adds",  # 1728 + 64 + 8
    ):
        assert part in text, text


def test_summary_with_a_batch_size_tells_the_memory(capsys):
    """A line says what training with the model's optimizer takes, or with Adam before compile."""
    model = Sequential([Input((512,)), Dense(4096), Dense(512)])  # 16 MiB of weights
    model.summary(batch_size=64)
    with_adam = " ".join(capsys.readouterr().out.split())
    model.compile(SGD(), loss="mse")
    model.summary(batch_size=64)
    with_sgd = " ".join(capsys.readouterr().out.split())
    pattern = r"about (\d+) MiB to train on batches of 64 with (\w+), (\d+) MiB to predict"
    adam, sgd = (re.search(pattern, line).groups() for line in (with_adam, with_sgd))
    assert (adam[1], sgd[1]) == ("Adam", "SGD")
    assert int(adam[0]) - int(sgd[0]) in range(31, 35)
    assert adam[2] == sgd[2]
    model.summary()
    assert "MiB to train" not in capsys.readouterr().out
    with pytest.raises(ConfigError, match="batch_size: expected a whole number of at least 1"):
        model.summary(batch_size=0)


def test_arguments_that_make_no_sense():
    """Wrong arguments say who, what was expected, and what came."""
    model = network()
    with pytest.raises(ConfigError, match="expected a compiled model"):
        model.fit(X, Y, verbose=0)
    model = compiled()
    for options, message in (
        ({"epochs": 0}, "epochs as a whole number of at least 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"verbose": 3}, "verbose"),
    ):
        with pytest.raises(ConfigError, match=message):
            model.fit(X, Y, **{"verbose": 0} | options)
    for build, message in (
        (lambda: Sequential([Dense(2), "relu"]), "expected a layer, got 'relu'"),
        (lambda: Sequential([Dense(2), Input((2,))]), "Input only as the first layer"),
        (lambda: Sequential([Dense(2, name="a"), ReLU(name="a")]), "two called 'a'"),
        (lambda: Sequential(dtype="float16"), "float32 or float64, got 'float16'"),
        (lambda: Sequential(kernels="cuda"), "vectorized, compiled, got 'cuda'"),
        (lambda: Conv2D(0, 3), "filters as a whole number of at least 1, got 0"),
        (lambda: Conv2D(3, 3, padding="full"), "padding 'valid', 'same'"),
        (lambda: Conv2D(3, 3, activation="rleu"), "Did you mean 'relu'"),
        (lambda: Dense(0), "units as a whole number"),
        (lambda: Dense(2, kernel_initializer="glorot"), "Did you mean"),
        (lambda: Dropout(1), "rate as a number, 0 or more and below 1, got 1"),
        (lambda: BatchNorm(axis=0), "other than 0, the batch"),
        (lambda: BatchNorm(momentum=2), "momentum as a number, 0 or more and 1 or less, got 2"),
        (lambda: BatchNorm(epsilon=0), "epsilon as a number, above 0, got 0"),
        (lambda: Softmax(axis=0), "other than 0, the batch"),
        (lambda: ReLU(negative_slope=-1), "negative_slope as a number, 0 or more"),
        (lambda: ReLU(max_value=1, threshold=2), "max_value as a number, 2 or more, got 1"),
        (lambda: Dropout("a"), "rate as a number, 0 or more and below 1, got 'a'"),
        (lambda: Rescaling(None), "scale as a number, got None"),
        (lambda: Sequential(Dense(2)), "expected a list of layers"),
        (lambda: Sequential(seed=-1), "seed as a whole number of 0 or more"),
        (lambda: model.compile("sgd", "mse", 5), "metrics as a list, got 5"),
        (lambda: model.set_weights(None), "expected a list of arrays"),
        (lambda: Input((0, 3)), "whole numbers above 0"),
        (lambda: Input(3.5), "whole numbers above 0"),
        (lambda: Sequential([Input((4, 4, 1)), MaxPool(2, padding=2)]), "smaller than the window"),
    ):
        with pytest.raises(ConfigError, match=message):
            build()
    layer = Dense(2)
    with pytest.raises(ConfigError, match=r"again\. Make a second one"):
        Sequential([layer, layer])
    with pytest.raises(ConfigError, match="Dense 'dense': expected a built layer"):
        layer.forward(np.ones((1, 3)))
    with pytest.raises(ConfigError, match="Dropout: expected a generator in training"):
        Dropout(0.5).forward(np.ones((1, 3)), training=True)
    with pytest.raises(ShapeError, match=r"expected an image of at least 9x9.*got 8x8"):
        Sequential([Input((8, 8, 3)), Conv2D(1, 9)])
    with pytest.raises(ShapeError, match=r"expected input of shape \(N, \.\.\., 20\), got \(50, 8"):
        model.layers[-1].forward(X)


def test_logits_after_a_softmax_are_refused():
    """A loss on logits after a softmax or a sigmoid is a mistake that trains badly: refused."""
    model = network()
    model.compile("sgd", SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ConfigError, match=r"expected logits.*output of a softmax"):
        model.fit(X, Y, verbose=0)
    model = Sequential([Input((3,)), Dense(1, activation="sigmoid")])
    model.compile("sgd", BinaryCrossentropy(from_logits=True))
    with pytest.raises(ConfigError, match="output of a sigmoid"):
        model.evaluate(np.ones((2, 3)), [0, 1])


def test_batch_norm_by_hand():
    """Training uses the batch's biased variance, and momentum weighs the old value."""
    layer = BatchNorm(momentum=0.75, epsilon=0.5)
    layer.build((1,), np.random.default_rng(0), "float64")
    x = np.array([[1.0], [2.0], [6.0]])
    y, cache = layer.forward(x, training=True)
    variance = ((x - 3) ** 2).mean()
    np.testing.assert_allclose(y, (x - 3) / np.sqrt(variance + 0.5))
    state = layer.next_state(cache)
    assert state["moving_mean"][0] == pytest.approx(0.75 * 0 + 0.25 * 3)
    assert state["moving_variance"][0] == pytest.approx(0.75 * 1 + 0.25 * variance)
    layer.state = state
    y, cache = layer.forward(x)
    np.testing.assert_allclose(y, (x - 0.75) / np.sqrt(state["moving_variance"] + 0.5))
    assert layer.next_state(cache) is state
    layer.trainable = False
    np.testing.assert_array_equal(layer.forward(x, training=True)[0], y)


def test_dropout_keeps_the_mean_and_needs_its_generator():
    """In training a share of rate is dropped and the mean stays; outside nothing happens."""
    x = np.ones((200, 100))
    y, cache = Dropout(0.3).forward(x, training=True, rng=np.random.default_rng(0))
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(Dropout(0.3).backward(x, cache)[0], y)
    assert Dropout(0.3).forward(x)[0] is x


def test_repr_is_the_call():
    """A layer prints as the call that makes it, defaults left out."""
    assert repr(Conv2D(8, 4, padding="same")) == "Conv2D(8, 4, padding='same')"
    assert repr(Dense(6, "softmax")) == "Dense(6, activation='softmax')"
    assert repr(Adam(0.01)) == "Adam(learning_rate=0.01)"


def test_a_failed_build_can_be_tried_again():
    """A model that does not fit one size is built for the next as if nothing had been."""
    model = Sequential([Conv2D(4, 3), MaxPool(2), Conv2D(4, 9), Flatten(), Dense(2)], seed=0)
    with pytest.raises(ShapeError, match="Conv2D 'conv2d_1'"):
        model.predict(X)
    assert model.predict(np.zeros((1, 32, 32, 3))).shape == (1, 2)
    layer = Dense(2, bias_initializer="orthogonal")
    with pytest.raises(ConfigError, match="Orthogonal"):
        Sequential([Input((3,)), layer])
    assert not layer.built
    assert layer.params == {}


def test_a_layer_by_hand_takes_whole_numbers_and_lists():
    """Run by itself a layer makes floats of whole numbers; what is no number is refused."""
    y, _ = AvgPool(2).forward(np.arange(16).reshape(1, 4, 4, 1))
    assert y[0, :, :, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert ReLU().forward([[-1, 2]])[0].tolist() == [[0, 2]]
    with pytest.raises(DataError, match="ReLU: expected numbers, got <U1"):
        ReLU().forward([["a"]])


def test_backward_with_what_does_not_belong_together():
    """A dy of another shape, and too few caches, are refused by name."""
    for layer in (ReLU(), Softmax(), Flatten(), Activation("tanh"), MaxPool(1), GlobalAvgPool()):
        _, cache = layer.forward(np.ones((2, 2, 2, 3)))
        with pytest.raises(ShapeError, match=f"{type(layer).__name__}: expected dy of shape"):
            layer.backward(np.ones((1, 2)), cache)
    model = network()
    y, caches = model.forward(X)
    with pytest.raises(ConfigError, match="expected the 11 caches of one forward pass, got 10"):
        model.backward(y, caches[1:])
    assert model.backward(y.astype("f8"), caches)[1]["dense.bias"].dtype == np.float32


def test_kernels_are_the_models_own():
    """A layer that was built for other kernels is refused, not changed behind its model's back."""
    first = network()
    with pytest.raises(ConfigError, match=f"{first.kernels} kernels, got"):
        Sequential([Input((8, 8, 3)), *first.layers[:2]], kernels="reference")
    assert first.layers[1].kernel_set == first.kernels


def test_the_first_layer_may_say_the_shape_of_the_input():
    """``input_shape=`` on the first layer is an Input before it, as in older Keras scripts."""
    model = Sequential([Dense(3, input_shape=(4,)), Dense(2)], seed=0)
    assert [repr(layer) for layer in model.stack] == [
        "InputLayer((4,), name='input_layer')",
        "Dense(3, name='dense')",
        "Dense(2, name='dense_1')",
    ]
    assert model.built
    with pytest.raises(ConfigError, match="expected shape as a tuple"):
        Sequential([Dense(3, input_shape="4")])
    assert Sequential([Dense(3, input_shape=4)]).input_shape == (4,)


def test_layers_of_another_model_bring_its_input():
    """A model of built layers has the Input that they were built for, and can be saved."""
    base = Sequential([Input((4,)), Dense(3), Dense(2)], seed=0)
    model = Sequential([*base.layers[:-1], Dense(5, name="new")], seed=1)
    assert repr(model.stack[0]) == "InputLayer((4,), name='input_layer')"
    assert model.output_shape == (5,)
    assert np.array_equal(model.get_weights()[0], base.get_weights()[0])


def test_a_model_within_a_model_is_a_layer():
    """``Sequential([augmentation, ...])`` keeps it whole, as Keras does, under another name."""
    augmentation = Sequential([RandomFlip("horizontal"), Rescaling(1 / 255)])
    tail = Sequential([Dense(4), Dense(3)])
    model = Sequential([Input((4, 4, 1)), augmentation, Flatten(), Dense(4), tail], seed=0)
    assert [layer.name for layer in model.layers] == [
        "sequential", "flatten", "dense", "sequential_1",
    ]  # fmt: skip
    assert list(model.params)[-1] == "sequential_1.dense_1.bias"
    assert model.layers[3].get_layer("dense").units == 4
    base = Sequential([Input((4,)), Dense(3)], seed=0)
    assert Sequential([base, Dense(2)], seed=1).input_shape == (4,)


def test_calling_a_layer_on_an_array_says_what_to_do():
    """One line, not a TypeError: forward is for arrays."""
    with pytest.raises(ConfigError, match=r"Dense: expected to be called on .* forward\(x\) gives"):
        Dense(3)(np.ones((2, 4)))


def test_a_compile_that_fails_changes_nothing():
    """Optimizer, loss and metrics stay those of the compile before."""
    model = compiled()
    before = model.optimizer, model.loss, model.metrics
    with pytest.raises(ConfigError, match="nonsense"):
        model.compile("sgd", "nonsense", ["mse"])
    assert (model.optimizer, model.loss, model.metrics) == before


def test_metrics_have_names_of_their_own():
    """Two of a kind are counted as in Keras; one called "loss" would hide the loss."""
    model = Sequential([Input((4,)), Dense(2, activation="softmax")], seed=0)
    both = [Precision(class_id=0), Precision(class_id=1)]
    model.compile("adam", "categorical_crossentropy", both)
    logs = model.evaluate(np.eye(4), np.eye(2)[[0, 1, 0, 1]], return_dict=True)
    assert list(logs) == ["loss", "precision", "precision_1"]
    for metrics in ([Precision(name="loss")], ["accuracy", "accuracy"]):
        with pytest.raises(ConfigError, match="metrics of different names"):
            model.compile("adam", "categorical_crossentropy", metrics)
    for name in ("val_loss", "val_accuracy", "epoch", "learning_rate"):
        with pytest.raises(ConfigError, match=f"another name than '{name}'"):
            model.compile("adam", "categorical_crossentropy", [Precision(name=name)])


def test_a_last_axis_of_one_may_be_missing():
    """Images (N, 8, 8) are taken for (8, 8, 1), and numbers (N, 3, 1) for (3,), as in Keras."""
    model = Sequential([Input((8, 8, 1)), Conv2D(2, 3), Flatten(), Dense(3)], seed=0)
    model.compile("sgd", "mse")
    x, y = np.random.default_rng(0).random((5, 8, 8)), np.eye(3)[[0, 1, 2, 0, 1]]
    np.testing.assert_array_equal(model.predict(x), model.predict(x[..., None]))
    assert model.evaluate(x, y) == model.evaluate(x[..., None], y)
    assert len(model.fit(x, y, validation_data=(x, y), verbose=0).history) == 2
    row = Sequential([Input((3,)), Dense(2)], seed=0)
    np.testing.assert_array_equal(row.predict(y[..., None]), row.predict(y))
    for one in (x[0], x[0][..., None]):  # an image is no batch of rows
        with pytest.raises(ShapeError, match=rf"\(N, 8, 8, 1\), got {re.escape(str(one.shape))}"):
            model.predict(one)


def test_a_model_can_be_called():
    """``model(x)`` is the output for a batch; a verb that is not here says what to use."""
    model = network()
    np.testing.assert_allclose(model(X[:3]), model.forward(X[:3])[0], rtol=1e-5)
    with pytest.raises(ConfigError, match=r"has no to_yaml: Keras 2\.6 took it out"):
        model.to_yaml()
    assert not hasattr(model, "no_such_thing")


def test_a_model_is_made_again_from_its_config():
    """``from_config`` gives the same layers, through JSON, with weights of its own."""
    model = network()
    config = json.loads(json.dumps(model.get_config()))
    again = Sequential.from_config(config)
    assert again.get_config() == model.get_config()
    assert [repr(layer) for layer in again.stack] == [repr(layer) for layer in model.stack]
    assert not np.array_equal(again.get_weights()[0], model.get_weights()[0])


def test_pop_takes_off_the_last_layer():
    """The layer goes, with its call, and another may come; of none there is nothing to pop."""
    model = Sequential([Input((4,)), Dense(3, name="kept"), Dense(2, name="last")], seed=0)
    kept = model.layers[0].get_weights()
    last = model.pop()
    assert last.name == "last"
    assert not last.calls
    model.add(Dense(5, activation="softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(np.ones((6, 4)), np.arange(6) % 5, verbose=0)
    assert model.output_shape == (5,)
    np.testing.assert_array_equal(kept[0].shape, model.layers[0].get_weights()[0].shape)
    for _ in range(2):
        model.pop()
    with pytest.raises(ConfigError, match="expected layers, of which to take one off, got none"):
        model.pop()
    unbuilt = Sequential([Dense(3), Dense(2)])
    unbuilt.pop()
    assert len(unbuilt.layers) == 1
