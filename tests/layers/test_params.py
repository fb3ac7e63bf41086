"""A layer declares an array in one line, and parses its arguments once."""

import copy
import pickle
from typing import NamedTuple

import numpy as np
import pytest

import minicnn.layers
from minicnn import (
    AvgPool,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Input,
    Layer,
    LayerNorm,
    MaxPool,
    SeparableConv2D,
    Sequential,
    UpSampling2D,
    ZeroPadding2D,
)
from minicnn.errors import ConfigError
from minicnn.initializers import Constant, GlorotUniform, HeNormal
from minicnn.regularizers import L1, L2
from minicnn.saving import load_model
from minicnn.testing import check_layer


class Cache(NamedTuple):
    x: np.ndarray


class Gain(Layer):
    """y = gain * x, with all options for the gain."""

    additive = True

    def __init__(self, gain_initializer="he_normal", gain_regularizer=None):
        super().__init__()
        self.gain_initializer = gain_initializer
        self.gain_regularizer = gain_regularizer

    def build(self, input_shape, rng, dtype):
        super().build(input_shape, rng, dtype)
        self.add_param("gain", input_shape[-1:], rng)

    def forward(self, x, *, training=False, rng=None):
        x = self.check_input(x)
        return x * self.param("gain"), Cache(x)

    def backward(self, dy, cache):
        axes = tuple(range(dy.ndim - 1))
        return dy * self.params["gain"], {"gain": (dy * cache.x).sum(axis=axes)}


def built(layer, shape=(3,), dtype="float64", seed=0):
    layer.build(shape, np.random.default_rng(seed), dtype)
    return layer


def test_a_param_is_found_by_its_name():
    """It begins as <name>_initializer says, in the layer's dtype, and has <name>_regularizer."""
    gain = built(Gain(), dtype="float32")
    wanted = HeNormal()((3,), np.random.default_rng(0), "float32")
    np.testing.assert_array_equal(gain.params["gain"], wanted)
    assert gain.params["gain"].dtype == np.float32
    assert gain.regularizers() == {}
    assert repr(built(Gain(gain_regularizer="l2")).regularizers()) == "{'gain': L2()}"
    assert built(Gain(Constant(5))).params["gain"].tolist() == [5, 5, 5]
    check_layer(lambda: Gain(gain_regularizer="l2"), input_shape=(4, 3))


def test_arguments_of_another_name_have_a_prefix():
    """Keras calls them depthwise_initializer for a kernel, and for a depthwise_kernel."""
    given = {"depthwise_initializer": "ones", "depthwise_regularizer": L1(0.1)}
    alone = built(DepthwiseConv2D(2, **given), (4, 4, 2))
    assert (alone.params["kernel"] == 1).all()
    assert {name: repr(r) for name, r in alone.regularizers().items()} == {"kernel": "L1(l1=0.1)"}
    across = SeparableConv2D(2, 2, pointwise_regularizer=L2(0.2), **given)
    found = built(across, (4, 4, 2)).regularizers()
    assert list(found) == ["depthwise_kernel", "pointwise_kernel"]
    assert repr(found["pointwise_kernel"]) == "L2(l2=0.2)"


def test_a_param_that_nothing_begins_is_refused():
    """One line says what to do; an initializer that is none is named by its argument."""

    class Bare(Layer):
        def build(self, input_shape, rng, dtype):
            super().build(input_shape, rng, dtype)
            self.add_param("gain", (3,), rng)

    with pytest.raises(ConfigError, match=r"^Bare: .*'gain' begins.* Keep one as self\.gain_init"):
        built(Bare())
    with pytest.raises(ConfigError, match="Gain: expected gain_initializer as Initializer or one"):
        built(Gain("he"))


def test_arrays_are_drawn_in_the_order_of_their_declaration():
    """What comes from the generator is what the initializers draw of it one after another."""
    layer = built(SeparableConv2D(3, 2, bias_initializer="random_normal"), (4, 4, 2))
    rng = np.random.default_rng(0)
    for name, shape in (("depthwise_kernel", (2, 2, 2, 1)), ("pointwise_kernel", (1, 1, 2, 3))):
        wanted = GlorotUniform()(shape, rng, "float64")
        np.testing.assert_array_equal(layer.params[name], wanted)
    assert list(layer.params) == ["depthwise_kernel", "pointwise_kernel", "bias"]


def test_building_again_makes_new_arrays():
    """The arrays are others, those of a copy are not touched, and none is left of before."""
    first = Conv2D(2, 2)
    built(first, (4, 4, 1))
    kept = copy.copy(first)
    before = kept.params["kernel"]
    vars(first)["use_bias"] = False
    built(first, (4, 4, 1), seed=1)
    assert list(first.params) == ["kernel"]
    assert list(kept.params) == ["kernel", "bias"]
    assert kept.params["kernel"] is before
    assert not np.array_equal(first.params["kernel"], before)


def test_state_is_declared_likewise():
    """It begins with zeros, is no parameter, and needs no argument."""

    class Counts(Layer):
        def build(self, input_shape, rng, dtype):
            super().build(input_shape, rng, dtype)
            self.add_state("seen", (2,), rng)
            self.add_state("least", (), rng, "ones")

    layer = built(Counts(), dtype="float32")
    assert layer.params == {}
    assert {name: array.tolist() for name, array in layer.state.items()} == {
        "seen": [0, 0],
        "least": 1,
    }
    assert {array.dtype for array in layer.weights} == {np.dtype("float32")}


class Double(Layer):
    """A layer without a constructor."""

    def forward(self, x, *, training=False, rng=None):
        return 2 * self.check_input(x), None

    def backward(self, dy, cache):
        return 2 * dy, {}


def test_a_custom_layer_needs_neither_constructor_nor_name(tmp_path):
    """It can be given a name all the same, which a file keeps; ``trainable`` likewise."""
    check_layer(Double, input_shape=(3,))
    gain = Gain("ones", name="gain", trainable=False)
    assert (gain.name, gain.trainable, gain.who) == ("gain", False, "Gain 'gain'")
    model = Sequential([Input((3,)), Double(name="twice"), gain, Double(), Dense(2)])
    assert [layer.name for layer in model.layers] == ["twice", "gain", "double", "dense"]
    model.save(tmp_path / "a.keras")
    again = load_model(tmp_path / "a.keras", custom_objects={"Gain": Gain, "Double": Double})
    assert [layer.name for layer in again.layers] == ["twice", "gain", "double", "dense"]
    assert not again.layers[1].trainable
    x = np.ones((2, 3))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    with pytest.raises(ConfigError, match="Gain: argument 'nam' = 'x' is not supported"):
        Gain(nam="x")
    with pytest.raises(ConfigError, match="Gain: expected name as a text"):
        Gain(name="a/b")


PARSED = [
    (lambda: Conv2D(2, 3, strides=2, padding="same"), (7, 6, 2)),
    (lambda: Conv2D(2, [3, 2], [1, 1], [[1, 0], [0, 1]], dilation_rate=[2, 1]), (7, 6, 2)),
    (lambda: DepthwiseConv2D(3, padding=1), (7, 6, 2)),
    (lambda: SeparableConv2D(2, 3), (7, 6, 2)),
    (lambda: Conv2DTranspose(2, 3, strides=2, output_padding=1), (4, 3, 2)),
    (lambda: Conv2D(1, 2, dilation_rate=900, padding=500), (4, 4, 1)),
    (lambda: Conv2DTranspose(1, 2, dilation_rate=900), (2, 2, 1)),
    (lambda: MaxPool(2), (7, 6, 2)),
    (lambda: AvgPool((3, 2), strides=1, padding="same"), (7, 6, 2)),
    (lambda: ZeroPadding2D(((1, 0), (2, 2))), (4, 4, 1)),
    (lambda: Cropping2D([1, 2]), (5, 6, 1)),
    (lambda: UpSampling2D(2), (4, 4, 1)),
    (lambda: LayerNorm(axis=[1, -1]), (4, 4, 2)),
]


@pytest.mark.parametrize(("make", "shape"), PARSED)
def test_no_pass_parses_an_argument(make, shape, monkeypatch):
    """After build, forward and backward go without the functions that read arguments."""
    layer, x = built(make(), shape), np.random.default_rng(1).standard_normal((2, *shape))
    layers = (layer, copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)))
    y, _ = layer.forward(x)

    def read(*arguments):
        raise AssertionError(arguments)

    for module in ("conv", "transpose", "pooling", "spatial"):
        for name in ("pair", "windows", "_four_sides", "check_padding"):
            monkeypatch.setattr(getattr(minicnn.layers, module), name, read, raising=False)
    monkeypatch.setattr(minicnn.layers.layernorm, "axis_of", read)
    for each in layers:
        np.testing.assert_array_equal(each.forward(x, training=True)[0], y)
        each.backward(y, each.forward(x, training=True)[1])


@pytest.mark.parametrize(("make", "shape"), PARSED)
def test_a_layer_that_was_never_built_for_such_images_takes_them(make, shape):
    """Windows are placed on images of another size as on those that the layer was built for."""
    if isinstance(make(), LayerNorm):
        return  # its arrays are for one size
    larger = (shape[0] + 3, shape[1] + 2, shape[2])
    layer, fitting = built(make(), shape), built(make(), larger)
    fitting.params = layer.params
    x = np.random.default_rng(1).standard_normal((2, *larger))
    (y, cache), (wanted, other) = layer.forward(x), fitting.forward(x)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(layer.backward(y, cache)[0], fitting.backward(y, other)[0])


def test_an_argument_that_is_set_counts():
    """Everything computed from it follows, in layers that are built and in subclasses."""
    x = np.random.default_rng(1).standard_normal((2, 5, 5, 1))
    conv = built(Conv2D(2, 3, padding="same", kernel_initializer="ones"), (5, 5, 1))
    y = conv.forward(x)[0]
    conv.padding = ((2, 0), (2, 0))
    np.testing.assert_allclose(conv.forward(x)[0][:, 1:, 1:], y[:, :-1, :-1])

    class Mine(Conv2D):
        pass

    class MyPadding(ZeroPadding2D):
        pass

    mine = built(Mine(2, 3), (5, 5, 1))
    mine.padding = "same"
    assert mine.forward(x)[0].shape == (2, 5, 5, 2)
    padding = MyPadding(1)
    padding.padding = 2
    assert padding.forward(x)[0].shape == (2, 9, 9, 1)
    library = ZeroPadding2D(1)
    library.padding = (0, 2)
    assert library.forward(x)[0].shape == (2, 5, 9, 1)
    norm = built(LayerNorm(axis=1), (5, 5, 1))
    norm.axis = 2
    np.testing.assert_allclose(norm.forward(x)[0].mean(axis=2), 0, atol=1e-12)
