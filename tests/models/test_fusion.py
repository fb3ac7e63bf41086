"""Which layers are computed together, and that a model is the same with and without."""

import numpy as np
import pytest

from minicnn import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Layer,
    MaxPool,
    RandomFlip,
    ReLU,
    Rescaling,
    Sequential,
)
from minicnn.errors import ConfigError
from minicnn.metrics import Metric
from minicnn.models.fusing import FusedConv


class OwnReLU(ReLU):
    """Someone's own."""


class NoisyReLU(ReLU):
    """Someone's own, with another forward pass."""

    def forward(self, x, *, training=False, rng=None):
        return super().forward(x + 1, training=training, rng=rng)


def steps(*layers, kernels="vectorized", **options):
    return [
        (step.tail.relu, step.tail.pool, step.scale is not None)
        if isinstance(step, FusedConv)
        else type(step).__name__
        for node in Sequential([*layers], seed=0, kernels=kernels, **options).fused().nodes
        for step in [node.layer]
    ]


@pytest.mark.parametrize(
    ("layers", "planned"),
    [
        (lambda: [ReLU(), MaxPool(2)], [(True, "max", False)]),
        (lambda: [MaxPool(2), ReLU()], [(False, "max", False), "ReLU"]),
        (lambda: [Activation("relu"), AvgPool((2, 4))], [(True, "avg", False)]),
        (lambda: [ReLU(max_value=6), MaxPool(2)], [(False, "", False), "ReLU", "MaxPool"]),
        (lambda: [OwnReLU(), MaxPool(2)], [(True, "max", False)]),
        (lambda: [NoisyReLU(), MaxPool(2)], [(False, "", False), "NoisyReLU", "MaxPool"]),
        (lambda: [ReLU(), MaxPool(3, strides=2)], [(True, "", False), "MaxPool"]),
        (lambda: [ReLU(), MaxPool(3, padding="same")], [(True, "", False), "MaxPool"]),
        (lambda: [ReLU(), MaxPool(3)], [(True, "max", False)]),
        (lambda: [BatchNorm(), ReLU()], [(False, "", False), "BatchNorm", "ReLU"]),
        (lambda: [Activation("tanh")], [(False, "", False), "Activation"]),
        (lambda: [Rescaling(2.0)], [(False, "", False), "Rescaling"]),
        (lambda: [Conv2D(2, 1, activation="relu")], [(False, "", False), (True, "", False)]),
        (lambda: [Conv2D(2, 1, activation="tanh")], [(False, "", False), "Conv2D"]),
    ],
)
def test_the_planner_takes_what_it_can(layers, planned):
    """After a convolution go ReLU and windows side by side, with the library's passes only."""
    assert steps(Input((9, 9, 2)), Conv2D(3, 2), *layers(), kernels="vectorized") == planned


def test_rescaling_goes_in_at_the_head_alone():
    """Bytes are scaled on their way into the first convolution, not into a dense layer."""
    assert steps(Input((9, 9, 2)), Rescaling(0.5), Conv2D(3, 2)) == [(False, "", True)]
    assert steps(Input((4,)), Rescaling(0.5), Dense(2)) == ["InputLayer", "Rescaling", "Dense"]


@pytest.mark.parametrize("options", [{"fuse": False}, {"kernels": "reference"}])
def test_without_fusion_the_layers_run_one_by_one(options):
    """``fuse=False`` and the loops take each layer by itself."""
    layers = [Input((9, 9, 2)), Conv2D(3, 2), ReLU(), MaxPool(2)]
    assert steps(*layers, **options) == ["InputLayer", "Conv2D", "ReLU", "MaxPool"]


def network(**options):
    layers = [Input((17, 15, 3)), Rescaling(1 / 255, offset=-0.5)]
    layers += [Conv2D(4, 3, padding="same"), ReLU(), MaxPool(4)]
    layers += [Conv2D(5, 2, strides=2, activation="relu"), Conv2D(3, 1, use_bias=False), AvgPool(1)]
    model = Sequential([*layers, Flatten(), Dense(4, activation="softmax")], seed=0, **options)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-10)])
def test_training_is_the_same_with_and_without(dtype, tolerance):
    """A model on bytes learns, judges and predicts the same, fused or layer by layer."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (40, 17, 15, 3), np.uint8), rng.integers(0, 4, 40)
    fused, plain = network(dtype=dtype), network(dtype=dtype, fuse=False)
    histories = [
        model.fit(x, y, batch_size=16, epochs=3, verbose=0, validation_data=(x, y)).history
        for model in (fused, plain)
    ]
    for name in histories[0]:
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=tolerance)
    for a, b in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance * 10, atol=tolerance)
    for floats in (x, x.astype(np.float64)):
        wanted = plain.predict(floats)
        np.testing.assert_allclose(fused.predict(floats), wanted, rtol=tolerance * 10)
        np.testing.assert_allclose(fused.forward(floats)[0], fused.predict(floats), rtol=tolerance)


def test_layers_added_later_are_planned_too():
    """A model that was used and then grew runs its new layer."""
    model = Sequential([Input((9, 9, 2)), Conv2D(3, 2)], seed=0)
    x = np.random.default_rng(0).standard_normal((2, 9, 9, 2))
    before = model.predict(x)
    model.add(ReLU())
    np.testing.assert_array_equal(model.predict(x), np.maximum(before, 0))


def test_a_frozen_convolution_learns_nothing():
    """A fused convolution that is not trainable keeps its kernel; the others learn."""
    model = network()
    model.layers[1].trainable = False
    before = model.get_weights()
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (8, 17, 15, 3), np.uint8)
    model.fit(x, rng.integers(0, 4, 8), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, *[True] * (len(changed) - 2)]


def test_a_change_of_a_layer_is_seen():
    """What fit and predict run is planned anew each time, so it is what forward computes."""
    model = Sequential([Input((9, 9, 2)), Rescaling(1.0), Conv2D(3, 2)], seed=0)
    x = np.random.default_rng(0).standard_normal((2, 9, 9, 2))
    before = model.predict(x)
    model.layers[0].scale = 2.0
    np.testing.assert_allclose(model.predict(x), 2 * before, rtol=1e-5)
    np.testing.assert_allclose(model.predict(x), model.forward(x)[0], rtol=1e-5)


def test_what_a_metric_computes_is_its_own():
    """Features that a metric takes from another model are not written over by the next batch."""
    encoder = Sequential([Input((9, 9, 2)), Conv2D(3, 2), MaxPool(2)], seed=0)
    images = np.random.default_rng(0).standard_normal((3, 4, 9, 9, 2))
    kept = []

    class Features(Metric):
        def update_state(self, y_true, y_pred):
            kept.append(encoder.forward(images[len(kept) % 3])[0])

        def result(self):
            return 0.0

        def reset_state(self):
            kept.clear()

    model = Sequential([Input((9, 9, 2)), Conv2D(3, 2), MaxPool(2), Flatten(), Dense(2)], seed=0)
    model.compile("sgd", "mse", [Features("features")])
    rng = np.random.default_rng(0)
    model.evaluate(rng.standard_normal((12, 9, 9, 2)), np.zeros((12, 2)), batch_size=4)
    for i, features in enumerate(kept[-3:]):
        np.testing.assert_array_equal(features, encoder.forward(images[i])[0])


def test_a_layer_of_one_s_own_behind_bytes_gets_numbers():
    """Augmentation hands bytes on, but not to a layer that someone else wrote."""

    class Centre(Layer):
        def forward(self, x, *, training=False, rng=None):
            return x - 128, None

        def backward(self, dy, cache):
            return dy, {}

    layers = [Input((2, 2, 1)), RandomFlip(), Centre(), Flatten()]
    images = np.full((3, 2, 2, 1), 7, np.uint8)
    for fuse in (True, False):
        model = Sequential(layers, seed=0, fuse=fuse)
        assert model.predict(images).tolist() == [[-121.0] * 4] * 3
        layers = [Input((2, 2, 1)), RandomFlip(), Centre(), Flatten()]


def test_an_unbuilt_model_says_so():
    """Before the model knows its input there is nothing to plan."""
    with pytest.raises(ConfigError, match="expected the shape of one input"):
        Sequential([Conv2D(3, 2), MaxPool(2)]).fused()
