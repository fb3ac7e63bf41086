"""Explanations of single numbers: the terms add up to the activation and to the gradient."""

import json

import numpy as np
import pytest

from minicnn import (
    Input,
    Model,
)
from minicnn.applications import course, lenet5, resnet20, small, unet
from minicnn.layers import InputLayer
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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
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
