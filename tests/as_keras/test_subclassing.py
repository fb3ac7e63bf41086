"""Models and layers of scripts whose ``call`` puts layers together."""

import numpy as np
import pytest

from minicnn import Input, Model, Sequential
from minicnn.errors import ConfigError
from minicnn.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, Layer, MaxPooling2D
from minicnn.models import load_model

pytestmark = pytest.mark.usefixtures("as_keras")

X = np.linspace(0, 1, 4 * 6 * 6 * 2, dtype=np.float32).reshape(4, 6, 6, 2)
Y = np.array([0, 1, 2, 0])


def block_class():
    """A layer of three, one of which is made in ``build``; it drops in training alone."""

    class Block(Layer):
        def __init__(self, filters, **kwargs):
            super().__init__(**kwargs)
            self.filters = filters
            self.bn = BatchNorm()
            self.drop = Dropout(0.5)

        def build(self, input_shape):
            assert input_shape == (None, 6, 6, 2)
            self.conv = Conv2D(self.filters, 3, padding="same")
            super().build(input_shape)
            self.built = True

        def call(self, inputs, training=None):
            x = self.bn(self.conv(inputs), training=training)
            if training:
                x = self.drop(x)
            return x * 2 + inputs

        def get_config(self):
            return {**super().get_config(), "filters": self.filters}

    return Block


def network_class():
    """A model of a block and a head, which is its first attribute."""
    block = block_class()

    class Net(Model):
        def __init__(self, classes):
            super().__init__(name="net")
            self.head = Sequential([Flatten(), Dense(classes, activation="softmax")])
            self.blocks = [block(2)]

        def call(self, x, training=False):
            for one in self.blocks:
                x = one(x, training=training)
            return self.head(x)

    return Net


def test_a_model_learns_like_the_functional_one():
    """Its layers are in Keras' order, and the loss of each epoch is that of the same graph."""
    model = network_class()(3)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.build((None, 6, 6, 2))
    assert [w.shape for w in model.get_weights()][:2] == [(72, 3), (3,)]
    assert [type(one).__name__ for one in model.layers] == ["Sequential", "Block"]
    block = model.blocks[0]
    block.drop.rate = 0.0
    x = Input((6, 6, 2))
    conv = Conv2D(2, 3, padding="same")
    y = Flatten()(BatchNorm()(conv(x)) * 2 + x)
    same = Model(x, Dense(3, activation="softmax")(y))
    head, rest = model.get_weights()[:2], model.get_weights()[2:]
    bn, kernel = rest[:4], rest[4:]
    same.set_weights([*kernel, *bn, *head])
    same.compile("sgd", "sparse_categorical_crossentropy")
    ours, theirs = (
        m.fit(X, Y, epochs=3, shuffle=False, verbose=0).history["loss"] for m in (model, same)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    np.testing.assert_allclose(model.predict(X), same.predict(X), rtol=1e-4)


def test_what_is_dropped_in_training_alone_is_there_in_training():
    """``if training:`` around Dropout makes it drop in a forward pass of training, and no other."""
    layer = block_class()(2)
    assert not np.array_equal(layer(X, training=True), layer(X, training=True))
    assert np.array_equal(layer(X), layer(X))


def test_a_layer_is_saved_with_its_arguments(tmp_path):
    """``load_model`` with its class makes the same model again."""
    block = block_class()
    model = Sequential([Input((6, 6, 2)), block(2), Flatten(), Dense(3)])
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"Block": block})
    np.testing.assert_allclose(again.predict(X), model.predict(X), rtol=1e-6)


def test_weights_are_saved_and_loaded(tmp_path):
    """Another model of the class takes the file once it knows the shape."""
    net = network_class()
    one, other = net(3), net(3)
    one.build((None, 6, 6, 2))
    one.save_weights(tmp_path / "m.weights.h5")
    other(X)
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-6)


def test_several_inputs_and_outputs():
    """A tuple of arrays is what ``call`` takes apart; each output has its loss."""

    class Two(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = Dense(3), Dense(1)

        def call(self, inputs):
            wide, deep = inputs
            return self.a(wide), self.b(deep)

    model = Two()
    model.compile(optimizer="sgd", loss=["mse", "mae"], loss_weights=[1.0, 0.0])
    wide, deep = np.ones((4, 2), np.float32), np.ones((4, 5), np.float32)
    history = model.fit((wide, deep), (np.ones((4, 3)), np.ones((4, 1))), verbose=0).history
    np.testing.assert_allclose(history["loss"], history["dense_loss"])
    assert [y.shape for y in model.predict((wide, deep))] == [(4, 3), (4, 1)]


def test_a_parent_is_begun_by_its_name():
    """``keras.Model.__init__(self)``, of older scripts, and a count of steps that is a tensor."""

    class Head(Layer):
        def __init__(self):
            Layer.__init__(self)
            self.dense = Dense(2)

        def call(self, x):
            return self.dense(x)

    class Network(Model):
        def __init__(self):
            Model.__init__(self, name="mine")
            self.head = Head()

        def call(self, x):
            return self.head(x)

    model = Network()
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 2)), batch_size=4, verbose=0)
    assert (model.name, len(model.weights), model.optimizer.iterations.numpy()) == ("mine", 2, 2)


def test_a_layer_with_forward_is_minicnn_s():
    """A class that has forward and backward stays what it is, even with a ``call``."""

    class Twice(Layer):
        def forward(self, x, *, training=False, rng=None):
            return 2 * x, None

        def call(self, x):
            raise AssertionError

    assert np.array_equal(Sequential([Input((6, 6, 2)), Twice()]).predict(X), 2 * X)


def made(**methods):
    """A model with such methods."""
    return type("Net", (Model,), methods)()


MISTAKES = {
    "arithmetic with numbers": (
        lambda: made(call=lambda self, x: np.sin(x))(X), "Its call may only call layers"
    ),
    "control flow on values": (
        lambda: made(call=lambda self, x: x if x > 0 else -x)(X), "Its call may only call layers"
    ),
    "another network in training": (
        lambda: made(call=lambda self, x, training: x * 2 if training else Flatten()(x))(X),
        "got two networks in one",
    ),
    "train_step": (
        lambda: made(train_step=lambda self, data: None).compile("sgd"),
        "its train_step takes derivatives",
    ),
    "add_weight": (
        lambda: made(call=lambda self, x: x, build=lambda self, s: self.add_weight("w", (1,)))(X),
        "add_weight makes an array whose derivative nobody knows",
    ),
    "no shape": (
        lambda: made(call=lambda self, x: x).get_weights(), "expected the shape of one input"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISTAKES)
def test_what_cannot_be_traced_is_said_in_one_line(kind):
    """Who, and what to write instead."""
    call, says = MISTAKES[kind]
    with pytest.raises(ConfigError, match=says) as caught:
        call()
    assert str(caught.value).startswith("Net: ")
    assert "\n" not in str(caught.value)


def test_layers_take_no_place_that_minicnn_keeps():
    """An attribute of minicnn's own cannot hold layers."""

    def begin(self):
        super(type(self), self).__init__()
        self.stack = [Dense(3)]

    with pytest.raises(ConfigError, match="stack is minicnn's own attribute"):
        made(__init__=begin, call=lambda self, x: x)


def test_a_layer_that_learns_is_made_once():
    """One made within ``call`` would be a new one each time."""

    class Own(Layer):
        def call(self, x):
            return Dense(3)(x)

    with pytest.raises(ConfigError, match="Make it in __init__"):
        Own()(X)


def test_a_layer_without_weights_is_used_at_several_sizes():
    """One MaxPooling2D twice within a layer's ``call``, as in many an encoder."""

    class Encoder(Layer):
        def __init__(self):
            super().__init__()
            self.first = Conv2D(2, 3, padding="same")
            self.pool = MaxPooling2D()

        def call(self, x):
            return self.pool(self.pool(self.first(x)))

    encoder = Encoder()
    model = Sequential([Input((8, 8, 1)), encoder])
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1))
    y = encoder.first.forward(x.astype(np.float32))[0]
    expected = y.reshape(2, 2, 4, 2, 4, 2).max(axis=(2, 4))
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5)
