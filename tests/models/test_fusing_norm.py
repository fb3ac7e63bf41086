"""BatchNorm together with what follows it: what is planned, and that the numbers are the same."""

import numpy as np
import pytest

from minicnn import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool,
    Input,
    LeakyReLU,
    MaxPool,
    Model,
    ReLU,
    Residual,
    Sequential,
)
from minicnn.models.fused_norm import FusedNorm
from minicnn.models.fused_relu import FusedReLU


class OwnNorm(BatchNorm):
    """Someone's own, with another backward pass."""

    def backward(self, dy, cache):
        return dy, super().backward(dy, cache)[1]


def planned(*layers, **options):
    """Of each node its class; of a FusedNorm if it adds, its limits, if over x, its windows."""
    options = {"kernels": "compiled", "seed": 0} | options
    return [
        (unit.merges, unit.then.relu, unit.then.most, unit.over_x, unit.pool)[
            : 5 if unit.pool else 4
        ]
        if isinstance(unit, FusedNorm)
        else type(unit).__name__
        for node in Sequential([Input((9, 9, 2)), *layers], **options).fused().nodes
        for unit in [node.layer]
    ]


INF = float("inf")


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (lambda: [BatchNorm()], ["InputLayer", (False, False, INF, False)]),
        (lambda: [Conv2D(2, 1), BatchNorm(), ReLU()], ["FusedConv", (False, True, INF, True)]),
        (
            lambda: [DepthwiseConv2D(2), BatchNorm(), ReLU(max_value=6)],
            ["InputLayer", "DepthwiseConv2D", (False, True, 6, True)],
        ),
        (
            lambda: [Conv2D(2, 1, activation="relu"), BatchNorm(), Activation("relu6")],
            ["FusedConv", (False, True, 6, False)],
        ),
        (
            lambda: [BatchNorm(), ReLU(negative_slope=0.1)],
            ["InputLayer", (False, False, INF, False), "FusedReLU"],
        ),
        (
            lambda: [Residual([Conv2D(2, 1), BatchNorm()]), ReLU()],
            ["InputLayer", "FusedConv", (True, True, INF, True)],
        ),
        (
            lambda: [Residual([Conv2D(2, 1), BatchNorm()], [BatchNorm()])],
            ["InputLayer", "FusedConv", (False, False, INF, False), (True, False, INF, True)],
        ),
        (
            lambda: [BatchNorm(), ReLU(), MaxPool((2, 3))],
            ["InputLayer", (False, True, INF, False, (2, 3))],
        ),
        (
            lambda: [BatchNorm(), MaxPool(3, strides=2), AvgPool(2)],
            ["InputLayer", (False, False, INF, False), "MaxPool", "AvgPool"],
        ),
        (lambda: [BatchNorm(axis=1)], ["InputLayer", "BatchNorm"]),
        (lambda: [BatchNorm(axis=3)], ["InputLayer", (False, False, INF, False)]),
        (lambda: [OwnNorm(), ReLU()], ["InputLayer", "OwnNorm", "FusedReLU"]),
    ],
)
def test_the_planner_takes_what_it_can(layers, expected):
    """After a BatchNorm along the last axis go one sum and one ReLU, of the library's passes."""
    assert planned(*layers()) == expected


def test_other_kernels_take_each_layer_by_itself():
    """Without the capability BatchNorm and ReLU are nodes of their own."""
    layers = [Conv2D(2, 1), BatchNorm(), ReLU()]
    assert planned(*layers, kernels="vectorized") == ["FusedConv", "BatchNorm", "ReLU"]


def test_a_sum_that_broadcasts_stays_apart():
    """Only arrays of one shape are added in the same pass."""
    image = Input((6, 6, 3))
    few = GlobalAvgPool(keepdims=True)(image)
    y = Add()([BatchNorm()(image), few])
    kinds = [type(n.layer).__name__ for n in Model(image, y, kernels="compiled").fused().nodes]
    assert sorted(kinds) == ["Add", "FusedNorm", "GlobalAvgPool", "InputLayer"]


def relus(*layers):
    """Of each FusedReLU the layers it stands for, whether over x, its slope and its limit."""
    model = Sequential([Input((9, 9, 2)), *layers], kernels="compiled")
    return [
        (len(unit.stands_for), unit.merges, unit.over_x, unit.then.slope, unit.then.most)
        for node in model.fused().nodes
        for unit in [node.layer]
        if isinstance(unit, FusedReLU)
    ]


def test_sums_and_relus_are_taken_together():
    """An Add with a ReLU of any kind, over the array of a convolution where one goes in."""
    assert relus(ReLU(6)) == [(1, False, False, 0, 6)]
    assert relus(LeakyReLU(0.1)) == [(1, False, False, 0.1, INF)]
    assert relus(DepthwiseConv2D(1), ReLU(negative_slope=0.5)) == [(1, False, True, 0.5, INF)]
    assert relus(Residual([Conv2D(2, 1)]), Activation("leaky_relu")) == [(2, True, True, 0.2, INF)]
    assert relus(Residual([ReLU(threshold=1)])) == [(1, True, False, 0, INF)]
    assert relus(Residual([Conv2D(2, 1, activation="relu")])) == [(1, True, False, 0, INF)]
    assert relus(ReLU(6, negative_slope=1)) == []


def network(**options):
    """Blocks as in ResNet and MobileNet, with an output that is a sum with a ReLU."""
    image = Input((10, 9, 3))
    x = ReLU()(BatchNorm(momentum=0.5)(Conv2D(4, 3, padding="same", use_bias=False)(image)))
    x = MaxPool((1, 2))(ReLU(1.5)(BatchNorm()(Conv2D(4, 3, padding="same", strides=(1, 1))(x))))
    x = LeakyReLU(0.1)(MaxPool((2, 1))(x))
    x = ReLU()(Add()([BatchNorm()(Conv2D(4, 3, padding="same")(x)), x]))
    x = Add()([x, Activation("leaky_relu")(Conv2D(4, 1)(x)), ReLU(0.4)(DepthwiseConv2D(1)(x))])
    x = LeakyReLU(0.1)(Add()([x, Conv2D(4, 1)(x)]))
    y = BatchNorm(scale=False)(Conv2D(5, 1)(x))
    z = BatchNorm(center=False)(DepthwiseConv2D(3, padding="same")(x))
    z = BatchNorm()(Conv2D(5, 1)(ReLU(max_value=0.5)(z)))
    out = Flatten()(ReLU()(Add()([y, z])))
    model = Model(image, [Dense(3, activation="softmax")(out), out], seed=0, **options)
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"], [["accuracy"], ["mae"]])
    return model


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-10)])
def test_training_is_the_same_in_one_pass(dtype, tolerance):
    """Losses, metrics, weights and moving statistics, against NumPy layer by layer."""
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 10, 9, 3)), [rng.integers(0, 3, 40), rng.random((40, 100))]
    models = [
        network(dtype=dtype, kernels="compiled"),
        network(dtype=dtype, kernels="compiled", fuse=False),
        network(dtype=dtype, kernels="vectorized", fuse=False),
    ]
    histories = [m.fit(x, y, batch_size=16, epochs=3, verbose=0).history for m in models]
    for other in (0, 1):
        for name, values in histories[2].items():
            np.testing.assert_allclose(histories[other][name], values, rtol=tolerance)
        for a, b in zip(models[other].get_weights(), models[2].get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance * 10, atol=tolerance)
        for a, b in zip(models[other].predict(x), models[2].predict(x), strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance * 10, atol=tolerance)


def test_a_frozen_norm_keeps_its_statistics():
    """Not trained, a fused BatchNorm normalizes by its moving statistics and learns nothing."""
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 9, 9, 2)), rng.integers(0, 3, 20)
    models = []
    for kernels in ("compiled", "vectorized"):
        layers = [Input((9, 9, 2)), Conv2D(4, 3), BatchNorm(), ReLU(), Flatten()]
        model = Sequential([*layers, Dense(3, activation="softmax")], seed=0, kernels=kernels)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.layers[1].trainable = False
        before = [array.copy() for array in model.layers[1].arrays().values()]
        model.fit(x, y, verbose=0, epochs=2)
        for a, b in zip(model.layers[1].arrays().values(), before, strict=True):
            np.testing.assert_array_equal(a, b)
        models.append(model)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_replayed_step_shows_what_the_nodes_gave(tmp_path):
    """The backward pass writes over what is not needed, but not over what replay keeps."""
    from minicnn._training.replaying import RecordedGraph

    model = network(kernels="compiled", dtype="float64")
    graph = model.fused()
    recorded = RecordedGraph(graph.given, graph.nodes, graph.outputs)
    x = np.random.default_rng(0).random((8, 10, 9, 3))
    ys, caches = recorded.forward([x], True, None)
    before = [step.made.copy() for step in recorded.forwards]
    recorded.backward([np.ones_like(y) for y in ys], caches)
    for step, made in zip(recorded.forwards, before, strict=True):
        np.testing.assert_array_equal(step.made, made)
