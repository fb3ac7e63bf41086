"""Explanations of single numbers: the terms add up to the activation and to the gradient."""

import json

import numpy as np
import pytest

from minicnn import (
    Activation,
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    GlobalAvgPool,
    Input,
    MaxPool,
    Model,
    Rescaling,
    Sequential,
)
from minicnn.applications import course, lenet5, resnet20, small, unet
from minicnn.errors import ConfigError, DataError, ShapeError
from minicnn.explain.telling import shown
from minicnn.layers import InputLayer, Layer
from minicnn.testing.cases import LAYERS, MERGING

CASES = [case for case in (*LAYERS, *MERGING) if not isinstance(case.make(), InputLayer)]
POSITIONS = 20


def network_of(case):
    """A network of one layer of the table, with numbers in its arrays, and one picture for it."""
    inputs = [Input(shape) for shape in (case.input_shape if case.merges else [case.input_shape])]
    layer = case.make()
    model = Model(inputs, layer(inputs if case.merges else inputs[0]), dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    for array in model.arrays().values():
        array[...] = array + rng.uniform(0.1, 0.5, array.shape)
    x = case.x()
    return model, [one[:1] for one in x] if case.merges else x[:1]


def positions(shape, rng):
    return [tuple(int(rng.integers(n)) for n in shape) for _ in range(POSITIONS)]


def adds_up(explanation, rounding=1e-12):
    """The terms are the number, but for the order in which they are added."""
    one = explanation
    size = np.abs(one.terms.products).sum() + sum(map(abs, one.constants.values()))
    assert one.total == pytest.approx(
        one.terms.products.sum() + sum(one.constants.values()), rel=1e-14, abs=1e-14 * size
    )
    assert abs(one.result - one.value) <= rounding * (size + abs(one.value) + 0.01)
    json.dumps(one.to_dict(), allow_nan=False)
    assert max(map(len, str(one).split("\n"))) <= 80


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.make())[:70])
def test_terms_add_up_for_every_layer(case):
    """Of each layer of the table, at 20 places: to the activation, and to the loss' gradient."""
    model, x = network_of(case)
    rng = np.random.default_rng(2)
    shape = model.output_shape
    name = model.graph().nodes[-1].name
    for at in positions(shape, rng):
        one = model.explain(x, name, at)
        adds_up(one)
        assert one.rule != "slopes" or "Lambda" in one.kind
    model.compile("sgd", "mean_squared_error")
    label = rng.standard_normal(shape)
    for i, (input_name, input_shape) in enumerate(
        zip(model.input_names, model.input_shapes, strict=True)
    ):
        for at in positions(input_shape, rng)[: POSITIONS if i == 0 else 5]:
            adds_up(model.explain_gradient(x, input_name, at, label=label))


NETWORKS = {
    "lenet5": (lenet5, (28, 28, 1), 10),
    "course": (course, (64, 64, 3), 6),
    "small": (small, (32, 32, 3), 4),
    "resnet20": (resnet20, (16, 16, 3), 5),
    "unet": (unet, (16, 16, 3), 3),
}


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETWORKS)
def test_terms_add_up_in_whole_networks(name, dtype):
    """At a place of each layer, of a picture of bytes: within the rounding of the dtype."""
    make, shape, classes = NETWORKS[name]
    model = type(made := make(shape, classes, seed=0)).from_config(
        made.get_config() | {"dtype": dtype}
    )
    assert model.dtype == dtype
    model.set_weights(made.get_weights())
    x = np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)
    rng, rounding = np.random.default_rng(4), 1e-4 if dtype == "float32" else 1e-12
    model.compile("sgd", "sparse_categorical_crossentropy")
    label = 1 if len(model.output_shape) == 1 else np.ones(model.output_shape[:-1], int)
    for node in model.graph().nodes:
        at = positions(node.layer.output_shape(node.shape), rng)[0]
        adds_up(model.explain(x, node.name, at), rounding)
    for node in [*model.graph().nodes[:-1:4], model.graph().nodes[0]]:
        at = positions(node.layer.output_shape(node.shape), rng)[0]
        adds_up(model.explain_gradient(x, node.name, at, label=label), rounding)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": (3, 2), "strides": (2, 1), "padding": "same"},
        {"kernel_size": 3, "dilation_rate": 2, "padding": ((1, 2), (0, 3))},
        {"kernel_size": 2, "groups": 2, "padding": "valid"},
    ],
    ids=str,
)
def test_the_window_of_a_convolution_is_the_one_of_the_loops(arguments):
    """Rows, columns, padding, pixels and kernel are those of the definition, written as loops."""
    layer = Conv2D(4, activation="tanh", bias_initializer="ones", name="conv", **arguments)
    model = Sequential([Input((6, 7, 4)), layer], seed=0, dtype="float64")
    x = np.random.default_rng(0).standard_normal((6, 7, 4))
    kernel, groups = layer.params["kernel"], arguments.get("groups", 1)
    (_, strides, pads, out), dilation = layer.windows(x.shape), layer.dilation
    for at in [(0, 0, 0), (out[0] - 1, out[1] - 1, 3), (1, 2, 2)]:
        wanted, padded = {}, 0
        for i in range(kernel.shape[0]):
            for j in range(kernel.shape[1]):
                row = at[0] * strides[0] - pads[0][0] + i * dilation[0]
                column = at[1] * strides[1] - pads[1][0] + j * dilation[1]
                if not (0 <= row < 6 and 0 <= column < 7):
                    padded += 1
                    continue
                for k in range(kernel.shape[2]):
                    c = at[2] // (4 // groups) * kernel.shape[2] + k
                    wanted[row, column, c] = (x[row, column, c], kernel[i, j, k, at[2]])
        one = model.explain(x, "conv", at)
        pairs = zip(one.terms.x, one.terms.weights, strict=True)
        found = dict(zip(one.terms.positions, pairs, strict=True))
        assert found == wanted
        assert one.window.padded == padded
        assert one.constants == {"bias": 1.0}
        assert one.value == pytest.approx(np.tanh(one.total), rel=1e-14)


def branched():
    """A network with a branch, a number read three times, a pool and a nested model."""
    conv = Conv2D(3, 3, padding="same", name="conv2d")
    inner = Sequential([Input((6, 6, 3)), conv], name="base", dtype="float64")
    x = Input((6, 6, 3), name="pixels")
    y = Rescaling(1 / 255, name="scaled")(x)
    z = MaxPool(3, strides=1, padding="same")(inner(y))
    z = BatchNorm()(Activation("gelu")(z))
    z = Add(name="sum")([z, y, y])
    out = Dense(4, activation="softmax", name="classes")(Flatten()(z))
    model = Model(x, [out, Dense(1, name="size")(GlobalAvgPool()(z))], dtype="float64", seed=0)
    model.compile("sgd", {"classes": "sparse_categorical_crossentropy", "size": "mse"},
                  loss_weights=[1.0, 0.5])  # fmt: skip
    rng = np.random.default_rng(1)
    for array in model.arrays().values():
        array[...] = array + rng.uniform(0.1, 0.5, array.shape)
    return model, rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)


def test_gradients_are_those_of_finite_differences():
    """Of a pixel, by a logit and by the sum of two losses, through branches and a pool."""
    model, x = branched()
    logits = Model(model.input, model.get_layer("classes").input, dtype="float64")
    dense = model.get_layer("classes")

    def logit(x):
        return (logits.predict(x[None]) @ dense.params["kernel"] + dense.params["bias"])[0, 2]

    def loss(x):
        share, size = model.predict(x[None])
        return -np.log(share[0, 1]) + 0.5 * (size[0, 0] - 3.0) ** 2

    for at in [(0, 0, 0), (3, 2, 1), (5, 5, 2)]:
        step = np.zeros(x.shape)
        step[at] = 1e-3
        for function, asked in (
            (logit, {"output": 2}),
            (logit, {"output": {"classes": 2}}),
            (loss, {"label": [1, 3.0]}),
        ):
            wanted = (function(x + step) - function(x - step)) / 2e-3
            one = model.explain_gradient(x, "pixels", at, **asked)
            adds_up(one)
            assert one.value == pytest.approx(wanted, rel=1e-5, abs=1e-9)
            adds_up(one.step())


def test_steps_lead_to_the_picture_and_to_the_output():
    """From a logit back to a pixel; from a pixel's gradient on to where gradients begin."""
    model, x = branched()
    one, seen = model.explain(x, "classes", 2), []
    while one.rule != "given":
        adds_up(one)
        seen.append(one.layer)
        layer, position, product = one.parents()[0]
        assert (one.step().layer, one.step().position) == (layer, position)
        assert abs(product) == np.abs(one.terms.products).max()
        one = one.step()
    assert seen[0] == "classes"
    assert one.layer == "pixels"
    assert one.value == x[one.position]
    one = model.explain_gradient(x, "pixels", (2, 2, 1), output=1)
    while one.sources[0] != "output 1":
        one = one.step()
    assert (one.layer, one.position, one.value) == ("classes", (1,), 1.0)
    with pytest.raises(ConfigError, match="counted from 0, got 0"):
        one.step()


def test_a_layer_is_found_by_name_number_or_itself():
    """Also within a model: by its full name, by its own, and by the model's for its last."""
    model, x = branched()
    conv = model.get_layer("base").get_layer("conv2d")
    asked = ("base.conv2d", "conv2d", "base", conv, model.get_layer("base"), 2)
    names = [model.explain(x, layer, (1, 1, 1)).layer for layer in asked]
    assert names == ["base.conv2d"] * 6
    assert model.explain(x[None], "classes", -1).position == (3,)


def test_softmax_is_shown_with_all_logits():
    """The text has each class with its logit and its share, and marks the one asked for."""
    model, x = branched()
    one = model.explain(x, "classes", 3)
    shares = model.predict(x[None])[0][0]
    assert one.result == pytest.approx(shares[3], rel=1e-12)
    assert len(one.numbers["logits"]) == 4
    marked = [line for line in str(one).split("\n") if "<- this one" in line]
    assert [line.split()[0] for line in marked] == ["3"]
    assert f" {shown(shares[0])}" in str(one)


class LogSumExp(Layer):
    """A layer that no rule is written for: the logarithm of the sum of powers."""

    def output_shape(self, input_shape):
        return (1,)

    def forward(self, x, *, training=False, rng=None):
        return np.log(np.exp(x).sum(axis=-1, keepdims=True)), x

    def backward(self, dy, cache):
        powers = np.exp(cache)
        return dy * powers / powers.sum(axis=-1, keepdims=True), {}


def test_a_layer_that_is_no_sum_is_said_to_be_none():
    """Its slopes are shown, and what they leave over, which adds up all the same."""
    model = Sequential([Input((3,)), LogSumExp(name="custom")], dtype="float64")
    one = model.explain(np.array([0.5, 1.0, -2.0]), "custom", 0)
    adds_up(one)
    assert one.rule == "slopes"
    assert "no sum" in str(one)
    assert one.terms.weights.sum() == pytest.approx(1)


def test_mistakes_are_told():
    """A layer that is not there, a position outside, two pictures, output and label."""
    model, x = branched()
    with pytest.raises(ConfigError, match="expected one of the layers pixels, scaled, base"):
        model.explain(x, "conv9", 0)
    with pytest.raises(ShapeError, match=r"expected a position in sum as 3 whole numbers"):
        model.explain(x, "sum", (1, 2))
    with pytest.raises(ShapeError, match=r"within the shape \(6, 6, 3\) of sum, got \(6, 0, 0\)"):
        model.explain(x, "sum", (6, 0, 0))
    with pytest.raises(DataError, match="expected one picture, got 2"):
        model.explain(np.stack([x, x]), "sum", (0, 0, 0))
    with pytest.raises(ConfigError, match="expected output or label, got both"):
        model.explain_gradient(x, "sum", (0, 0, 0), output=1, label=[1, 3.0])
    with pytest.raises(ConfigError, match="expected one of the outputs classes, size, got 'a'"):
        model.explain_gradient(x, "sum", (0, 0, 0), output={"a": 1})


def test_a_notebook_shows_the_text():
    """Escaped, in one column width."""
    model, x = branched()
    text = model.explain(x, "classes", 3)._repr_html_()
    assert "<- this one" not in text
    assert "&lt;- this one" in text
