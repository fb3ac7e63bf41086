"""The pixels that a number depends on: against gradients, and against published numbers."""

import numpy as np
import pytest

from minicnn import (
    Add,
    AvgPool,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool,
    Input,
    MaxPool,
    Model,
    ReLU,
    Residual,
    SeparableConv2D,
    Sequential,
    applications,
    explain,
    layers,
)
from minicnn.errors import ConfigError, ShapeError
from minicnn.explain.receptive_fields import fields
from minicnn.layers import Layer
from minicnn.layers.graph import Graph
from random_graphs import random_graph

SIZE = (29, 23, 2)
ONES = {"kernel_initializer": "ones", "use_bias": False}


def windows():
    """Strides, paddings, dilation and kernels that are wider than high."""
    return Sequential(
        [
            Input(SIZE),
            layers.ZeroPadding2D(((1, 0), (2, 1))),
            Conv2D(1, (3, 2), padding="same", **ONES),
            AvgPool(2),
            DepthwiseConv2D((2, 3), strides=2, padding="same", depthwise_initializer="ones"),
            layers.Cropping2D(((1, 0), (0, 1))),
            SeparableConv2D(
                1, 2, dilation_rate=2, depthwise_initializer="ones", pointwise_initializer="ones"
            ),
        ],
        dtype="float64",
    )


def ways():
    """Ways of other reach that meet, and a Residual."""
    x = Input(SIZE)
    y = Conv2D(2, 3, strides=2, padding="same", **ONES)(x)
    one = Conv2D(2, (1, 5), padding="same", **ONES)(y)
    other = AvgPool(3, strides=1, padding="same")(Conv2D(1, 3, padding="same", **ONES)(y))
    y = Concatenate()([one, other])
    y = Residual([Conv2D(3, 3, dilation_rate=2, padding="same", **ONES), BatchNorm()])(y)
    return Model(x, ReLU()(Add()([y, Conv2D(3, 1, **ONES)(y)])), dtype="float64")


def up(how):
    """Down and up again, as in a U-Net."""

    def make():
        x = Input((24, 16, 1))
        wide = Conv2D(2, 3, padding="same", **ONES)(x)
        y = Conv2D(2, 3, padding="same", **ONES)(AvgPool(2)(wide))
        y = Conv2D(1, 3, padding="same", **ONES)(AvgPool(2)(y))
        y = how()(how()(y))
        y = Add()([wide, layers.Conv2D(2, 1, **ONES)(y)])
        return Model(x, Conv2D(1, 3, padding="same", **ONES)(y), dtype="float64")

    return make


NETWORKS = {
    "windows": windows,
    "ways": ways,
    "nearest": up(lambda: layers.UpSampling2D(2)),
    "bilinear": up(lambda: layers.UpSampling2D(2, interpolation="bilinear")),
    "transposed": up(lambda: layers.Conv2DTranspose(1, 3, strides=2, padding="same", **ONES)),
    "resized": lambda: Sequential(
        [Input((20, 30, 1)), Conv2D(1, 3, **ONES), layers.Resizing(12, 40), AvgPool(2)],
        dtype="float64",
    ),
}


def pixels(model, layer, position):
    """The rows and columns of pixels with a gradient; of a place all channels."""
    part = Model(model.input, model.get_layer(layer).output, dtype="float64")
    rng = np.random.default_rng(0)
    y, caches = part.forward(1 + rng.random((1, *model.input_shape)))
    dy = np.zeros_like(y)
    dy[(0, *position)] = 1
    dx = part.backward(dy, caches)[0]
    found = np.abs(dx[0]).sum(-1) > 0
    return tuple(np.nonzero(found.any(axis=axis))[0] for axis in (1, 0))


def box(found):
    """The first and the last, and one further, as a window has them; empty in the padding."""
    return [(int(each.min()), int(each.max()) + 1) if len(each) else None for each in found]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_window_is_where_the_gradient_is(name):
    """At every layer, in corners and inside: with ones as weights nothing cancels out."""
    model = NETWORKS[name]()
    rng = np.random.default_rng(1)
    for layer in model.layers:
        field = explain.receptive_field(model, layer)
        h, w, _ = layer.output_shape(layer.input_shape) if layer.merges else layer.output.sizes
        for at in [(0, 0), (h - 1, w - 1), *rng.integers(0, (h, w), (4, 2)).tolist()]:
            window = [(one.start, one.stop) for one in field.window(at)]
            empty = any(start == stop for start, stop in window)
            found = box(pixels(model, layer.name, at))
            assert found == ([None, None] if empty else window), (layer.name, at)
    assert not field.whole


def test_size_stride_and_start():
    """They say what ``window`` says, away from the border."""
    model = ways()
    field = explain.receptive_field(model, "add")
    at = np.array([5, 5])
    first = np.add(field.start, at * field.stride).astype(int)
    rows, columns = field.window(at)
    assert (rows.start, columns.start) == tuple(first)
    assert (rows.stop, columns.stop) == tuple(np.minimum(first + field.size, SIZE[:2]))
    assert str(field) == f"{field.size[0]}x{field.size[1]}"


@pytest.mark.parametrize("seed", range(8))
def test_no_gradient_is_outside(seed):
    """Of graphs drawn at random: shared layers, models within, several images, broadcasts."""
    model, xs = random_graph(seed, "float64")[:2]
    graph, rng = model.graph(), np.random.default_rng(seed)
    xs = model.batch(xs)
    for number, field in enumerate(fields(graph)):
        part = Graph(graph.given, graph.nodes, (number,))
        (y,), caches = part.forward(xs, False, None)
        if field is None or number < graph.given:
            assert field is None or y.ndim == 4
            continue
        at = tuple(rng.integers(0, y.shape[1:]))
        dy = np.zeros_like(y)
        dy[(slice(None), *at)] = 1
        for dx in part.backward([dy], caches)[0]:
            if dx is not None and dx.ndim == 4:
                outside = np.abs(dx)
                outside[(slice(None), *field.window(at))] = 0
                assert not outside.any(), number


PUBLISHED = {
    "MobileNet": ("conv_pw_13_relu", 315, 32),
    "VGG16": ("block5_pool", 212, 32),
    "ResNet50": ("conv5_block3_out", 483, 32),
    "MobileNetV2": ("out_relu", 491, 32),
    "InceptionV3": ("mixed10", 1311, 32),
}
"""Size and stride as Araujo et al. (2019) list them."""


@pytest.mark.parametrize(
    "name", ["MobileNet", *(pytest.param(n, marks=pytest.mark.slow) for n in list(PUBLISHED)[1:])]
)
def test_published_numbers(name):
    """Of networks that everybody knows."""
    layer, size, stride = PUBLISHED[name]
    build = getattr(applications, name)
    model = build(weights=None, include_top=False, input_shape=(96, 96, 3))
    field = explain.receptive_field(model, layer)
    assert (field.size, field.stride) == ((size, size), (stride, stride))


def test_what_sees_everything():
    """Behind a Dense, a global pool, and a gate that one of these makes."""
    x = Input((8, 8, 3))
    y = Conv2D(3, 3, padding="same")(x)
    gate = Dense(3, activation="sigmoid")(GlobalAvgPool()(y))
    gated = layers.Multiply(name="gated")([y, layers.Reshape((1, 1, 3))(gate)])
    model = Model(x, Dense(2)(Flatten()(gated)))
    for name in ("flatten", "dense_1", "global_average_pooling2d", "gated"):
        field = explain.receptive_field(model, name)
        assert field.whole, name
        assert (field.size, field.stride, field.start) == ((8, 8), (0, 0), (0, 0))
        assert field.window((3, 3)) == (slice(0, 8), slice(0, 8))
        assert str(field) == "all"
    assert explain.receptive_field(model, "conv2d").size == (3, 3)
    mixed = Sequential([Input((8, 8, 4)), Conv2D(4, 1), layers.GroupNormalization(2)])
    assert explain.receptive_field(mixed, -1).whole


def test_a_flattened_image():
    """Each number still sees its window; a Dense sees all."""
    model = Sequential(
        [Input(SIZE), Conv2D(2, 3, **ONES), AvgPool(2), Flatten(), layers.Dropout(0.5), Dense(2)],
        dtype="float64",
    )
    field = explain.receptive_field(model, "dropout")
    assert field.size == (4, 4)
    window = [(one.start, one.stop) for one in field.window(71)]
    assert window == box(pixels(model, "dropout", (71,)))
    assert explain.receptive_field(model, "dense").whole


class Shifted(Layer):
    """Each pixel and its neighbour to the right."""

    def forward(self, x, *, training=False, rng=None):
        return x + np.roll(x, -1, axis=2), None

    def backward(self, dy, cache):
        return dy + np.roll(dy, 1, axis=2), {}


def test_a_custom_layer_is_measured():
    """Its backward pass tells what it takes."""
    model = Sequential([Input((9, 9, 2)), Shifted(), Conv2D(2, 3)])
    assert explain.receptive_field(model, "conv2d").size == (3, 4)


def test_what_is_refused():
    """A layer that is not there or sees no image; a position that is none."""
    model = Sequential([Input((9, 9, 2)), Conv2D(2, 3), MaxPool(2)])
    with pytest.raises(ConfigError, match="receptive_field: expected one of the layers"):
        explain.receptive_field(model, "conv")
    with pytest.raises(ShapeError, match=r"window: expected a position as \(row, column\)"):
        explain.receptive_field(model, "conv2d").window((1,))
    flat = Sequential([Input((4,)), Dense(2)])
    with pytest.raises(ConfigError, match="expected a layer that depends on an image"):
        explain.receptive_field(flat, "dense")
