"""Grad-CAM, saliency, occlusion and feature maps, against loops and finite differences."""

import numpy as np
import pytest

from minicnn import (
    AvgPool,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    MaxPool,
    Model,
    ReLU,
    Rescaling,
    Sequential,
    applications,
    explain,
)
from minicnn.applications import NETWORKS, unet
from minicnn.errors import ConfigError, ShapeError

RNG = np.random.default_rng(0)


def network(end="softmax", classes=3, **options):
    """Two convolutions with a pool between them, and dropout."""
    model = Sequential(
        [
            *(Input((12, 10, 2)), Conv2D(4, 3, padding="same"), BatchNorm(), ReLU()),
            *(MaxPool(2), Conv2D(5, 3, activation="tanh"), Dropout(0.5), GlobalAvgPool()),
            Dense(classes, activation=end),
        ],
        seed=1,
        **options,
    )
    model.class_names = [f"kind {i}" for i in range(classes)]
    return model


def score(model, x, of):
    """The class' score before the softmax or sigmoid, by its name."""
    dense = model.layers[-1]
    logits = x
    for layer in model.layers[:-1]:
        logits, _ = layer.forward(logits)
    logits = logits @ dense.params["kernel"] + dense.params["bias"]
    return logits[0, of] if logits.shape[1] > 1 else logits[0, 0] * (1 if of else -1)


@pytest.mark.parametrize(("end", "classes"), [("softmax", 3), (None, 3), ("sigmoid", 1)])
def test_saliency_is_the_largest_of_the_finite_differences(end, classes):
    """At every pixel, over the channels, of the score before the last activation."""
    model = network(end, classes, dtype="float64")
    x = RNG.normal(size=(12, 10, 2))
    for of in (0, 1):
        found = explain.saliency(model, x, of)
        slopes = np.empty(x.shape)
        for at in np.ndindex(*x.shape):
            step = np.zeros_like(x)
            step[at] = 1e-6
            ends = [score(model, (x + sign * step)[None], of) for sign in (1, -1)]
            slopes[at] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(found.map, abs(slopes).max(axis=-1), rtol=1e-4, atol=1e-9)


def test_grad_cam_is_the_formula_written_out():
    """Behind the maps a mean and a dense layer, whose gradients are known."""
    model = network(dtype="float64")
    x = RNG.normal(size=(12, 10, 2))
    found = explain.grad_cam(model, x, of="kind 2", layer="conv2d_1")
    maps = explain.feature_maps(model, x, "conv2d_1")
    dense = model.layers[-1].params["kernel"][:, 2]
    # Behind the maps come dropout, which does nothing here, and the mean over the places.
    weights = dense / maps[..., 0].size
    expected = np.maximum((maps * weights).sum(axis=-1), 0)
    np.testing.assert_allclose(found.map, expected, rtol=1e-10)
    assert (found.of, found.name, found.layer) == (2, "kind 2", "conv2d_1")
    assert found.value == pytest.approx(model.predict(x[None])[0, 2])


def test_gradients_of_maps_are_those_of_finite_differences():
    """Behind the maps an activation, a pool and two dense layers, which are run by hand."""
    model = Sequential(
        [
            *(Input((9, 8, 2)), Conv2D(3, 3), ReLU(), MaxPool(2), Flatten()),
            *(Dense(6, activation="tanh"), Dense(3, activation="softmax")),
        ],
        seed=2,
        dtype="float64",
    )
    x = RNG.normal(size=(9, 8, 2))
    found = explain.grad_cam(model, x, of=1, layer="conv2d")
    maps = explain.feature_maps(model, x, "conv2d")

    def score_of(maps):
        y = maps[None]
        for layer in model.layers[1:-1]:
            y, _ = layer.forward(y)
        last = model.layers[-1].params
        return (y @ last["kernel"] + last["bias"])[0, 1]

    slopes = np.empty(maps.shape)
    for at in np.ndindex(*maps.shape):
        step = np.zeros_like(maps)
        step[at] = 1e-6
        slopes[at] = (score_of(maps + step) - score_of(maps - step)) / 2e-6
    expected = np.maximum((maps * slopes.mean(axis=(0, 1))).sum(axis=-1), 0)
    np.testing.assert_allclose(found.map, expected, rtol=1e-5, atol=1e-9)


def test_a_single_output_without_sigmoid_is_a_logit():
    """Above 0 it speaks for class 1; class 0 has its negative, with a sigmoid the rest of 1."""
    x = RNG.normal(size=(12, 10, 2))
    plain, squashed = network(None, 1), network("sigmoid", 1)
    logit, p = plain.predict(x[None])[0, 0], squashed.predict(x[None])[0, 0]
    for model, value, other in ((plain, logit, -logit), (squashed, p, 1 - p)):
        assert explain.grad_cam(model, x).of == int(logit > 0)
        assert explain.saliency(model, x, 1).value == pytest.approx(value, abs=1e-6)
        assert explain.saliency(model, x, 0).value == pytest.approx(other, abs=1e-6)


def test_bytes_are_covered_as_numbers_are():
    """A fill between two bytes is not cut: bytes and the same numbers give the same map."""
    x = RNG.integers(0, 256, (12, 10, 2)).astype(np.uint8)
    for fill in (None, 9.9):
        maps = [explain.occlusion(network(), one, 1, fill=fill).map for one in (x, x / 1.0)]
        np.testing.assert_allclose(*maps, atol=1e-6)


def test_the_class_and_the_layer_are_found():
    """By default the predicted one, and the last convolution's maps, behind its activation."""
    model = network()
    x = RNG.normal(size=(12, 10, 2))
    found = explain.grad_cam(model, x)
    assert found.of == model.predict(x[None]).argmax()
    assert found.layer == "conv2d_1"
    last = Sequential([Input((8, 8, 1)), Conv2D(2, 3), MaxPool(2), Flatten(), Dense(2)])
    assert explain.grad_cam(last, np.ones((8, 8, 1))).layer == "conv2d"
    more = Sequential(
        [Input((8, 8, 1)), Conv2D(2, 3), BatchNorm(), ReLU(), MaxPool(2), Dropout(0.1)]
    )
    model = Model(more.input, Dense(2)(GlobalAvgPool()(more.output)))
    assert explain.grad_cam(model, np.ones((8, 8, 1))).layer == "re_lu"


def test_occlusion_is_predicting_covered_pictures():
    """Square by square; each pixel has the mean of the squares that cover it."""
    model = network()
    x = RNG.normal(size=(12, 10, 2)).astype(np.float32)
    found = explain.occlusion(model, x, of=1, size=(4, 3), stride=3, fill=0.5)
    before, total, count = model.predict(x[None])[0, 1], np.zeros((12, 10)), np.zeros((12, 10))
    for top in (0, 3, 6, 8):
        for left in (0, 3, 6, 7):
            covered = x.copy()
            covered[top : top + 4, left : left + 3] = 0.5
            lost = before - model.predict(covered[None])[0, 1]
            total[top : top + 4, left : left + 3] += lost
            count[top : top + 4, left : left + 3] += 1
    np.testing.assert_allclose(found.map, total / count, atol=1e-6)


def test_nothing_of_the_model_is_changed():
    """Weights, statistics and generator stay; the same call gives the same map."""
    model = network()
    x = RNG.integers(0, 256, (12, 10, 2)).astype(np.uint8)
    before, state = model.get_weights(), model.rng.bit_generator.state
    first = explain.saliency(model, x, samples=4, seed=3)
    np.testing.assert_array_equal(first.map, explain.saliency(model, x, samples=4, seed=3).map)
    explain.grad_cam(model, x)
    explain.occlusion(model, x)
    assert all(map(np.array_equal, model.get_weights(), before))
    assert model.rng.bit_generator.state == state


def test_branches_and_models_within_models():
    """A layer is found within another model, and a branch that joins later counts."""
    inner = Sequential([Input((8, 8, 1)), Conv2D(2, 3, padding="same", name="deep")], name="inner")
    x = Input((8, 8, 1))
    y = Concatenate()([inner(x), AvgPool(1)(x)])
    model = Model(x, Dense(2, activation="softmax")(GlobalAvgPool()(y)), seed=0)
    image = RNG.normal(size=(8, 8, 1))
    found = explain.grad_cam(model, image, of=0, layer="inner.deep")
    maps = explain.feature_maps(model, image, "deep")
    weights = model.layers[-1].params["kernel"][:2, 0] / 64
    np.testing.assert_allclose(found.map, np.maximum(maps @ weights, 0), atol=1e-6)


@pytest.mark.parametrize("name", [*NETWORKS, "unet"])
def test_every_network_of_ours(name):
    """A map without NaN, on pictures of bytes."""
    shape = (28, 28, 1) if name == "lenet5" else (32, 32, 3)
    model = (NETWORKS | {"unet": unet})[name](shape, 4, seed=0)
    found = explain.grad_cam(model, RNG.integers(0, 256, shape).astype(np.uint8))
    assert np.isfinite(found.map).all()
    assert min(found.map.shape) > 1


KERAS = [
    name
    for name in applications.__all__
    if name[0].isupper() and callable(getattr(applications, name, None))
]


@pytest.mark.slow
@pytest.mark.parametrize("name", KERAS)
def test_every_network_of_keras(name):
    """Each of ``applications`` under Keras' name, with random weights."""
    model = getattr(applications, name)(weights=None, input_shape=(96, 96, 3), classes=5)
    found = explain.grad_cam(model, RNG.normal(size=(96, 96, 3)))
    assert np.isfinite(found.map).all()


def test_what_has_no_map_is_refused_in_one_line():
    """Classes, layers, pictures and models that are not there or do not fit."""
    model = network()
    x = np.zeros((12, 10, 2))
    plain = Sequential([Input((4,)), Dense(2)])
    flat = Sequential([Input((4, 4, 1)), Rescaling(2.0), Flatten(), Dense(2)])
    two = Model(model.input, [model.output, model.layers[0].output])
    for call, words in (
        (lambda: explain.grad_cam(model, x, of="knd 1"), "Did you mean 'kind 1'"),
        (lambda: explain.grad_cam(model, x, of=3), "of the classes kind 0"),
        (lambda: explain.grad_cam(model, x, layer="conv"), "one of the layers input_layer, conv2d"),
        (lambda: explain.grad_cam(model, x, layer="dense"), "a layer of maps"),
        (lambda: explain.saliency(model, np.zeros((9, 9, 2))), "shape"),
        (lambda: explain.saliency(model, np.zeros((2, 12, 10, 2))), "one picture"),
        (lambda: explain.saliency(model, x, samples=0), "samples"),
        (lambda: explain.saliency(plain, np.zeros(4)), "a model of pictures"),
        (lambda: explain.grad_cam(two, x), "one input and one output"),
        (lambda: explain.occlusion(model, x, size=13), "size"),
    ):
        with pytest.raises((ConfigError, ShapeError), match=words) as error:
            call()
        assert "\n" not in str(error.value)
    assert explain.grad_cam(flat, np.ones((4, 4, 1))).layer == "rescaling"
