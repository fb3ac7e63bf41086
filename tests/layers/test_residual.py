"""Residual: layers within a layer."""

import numpy as np
import pytest

from minicnn import Adam, BatchNorm, Conv2D, Dense, Input, ReLU, Residual, Sequential, load_model
from minicnn.errors import ConfigError, ShapeError

X = np.random.default_rng(0).standard_normal((12, 4)).astype(np.float32)
Y = np.arange(12) % 3


def test_two_branches_that_end_apart_say_so():
    """The message has both shapes, and what to add."""
    with pytest.raises(ShapeError, match=r"\(6, 6, 3\).*got \(4, 4, 8\).*Give it a shortcut"):
        Residual([Conv2D(8, 3)]).output_shape((6, 6, 3))
    with pytest.raises(ShapeError, match="Let the shortcut end in the same shape"):
        Residual([Conv2D(8, 3)], [Conv2D(4, 3)]).output_shape((6, 6, 3))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Residual([]), "expected layers, got none"),
        (lambda: Residual(3), "expected layers as a list of layers, got 3"),
        (lambda: Residual([3]), "expected layers as a list of layers"),
        (lambda: Residual([Dense(4, name="a")], [Dense(4, name="a")]), "two called 'a'"),
    ],
)
def test_what_is_no_list_of_layers(wrong, message):
    """Each is a line that names the argument."""
    with pytest.raises(ConfigError, match=message):
        wrong()


def test_a_layer_is_in_one_place_only():
    """A layer used twice, also at different depths, is refused: it would be updated twice."""
    layer = Dense(4)
    with pytest.raises(ConfigError, match="expected a new layer, got Dense"):
        Residual([layer, Residual([layer])])
    with pytest.raises(ConfigError, match="expected a new layer, got Dense"):
        Sequential([Input((4,)), layer, Residual([layer])])


def test_built_layers_keep_their_weights():
    """Layers of another model may be taken over; what does not fit leaves that model as it was."""
    base = Sequential([Input((4,)), Dense(4), Dense(4)], seed=0)
    before = base.get_weights()
    model = Sequential([Input((4,)), Residual(base.layers), Dense(2)], seed=1)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    with pytest.raises(ShapeError, match=r"expected input of shape \(N, \.\.\., 4\)"):
        Sequential([Input((4,)), Dense(5), Residual([*base.layers, Dense(5)])])
    for a, b in zip(before, base.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def trained(model, epochs=2):
    model.compile(Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0)
    return model


def network():
    inner = Residual([Dense(4), BatchNorm(), ReLU(), Dense(4)], name="inner")
    layers = [Residual([inner, Dense(4)], [Dense(4)]), ReLU(), Dense(3, activation="softmax")]
    return Sequential([Input((4,)), *layers], seed=0)


def test_frozen_parts_stay_as_they_are_and_come_back_so(tmp_path):
    """Of a frozen block one layer may be trained: it alone moves, also after a file."""
    model = network()
    block = model.layers[0]
    block.trainable = False
    block.layers[1].trainable = True
    before = {name: array.copy() for name, array in block.arrays().items()}
    trained(model).save(tmp_path / "m.keras")
    moved = {n for n, a in block.arrays().items() if not np.array_equal(a, before[n])}
    assert moved == {"dense.kernel", "dense.bias"}
    again = load_model(tmp_path / "m.keras")
    plain = [name.replace("residual.", "residual_") for name in model.params]
    assert list(again.params) == plain  # Keras has no blocks, but the layers within
    for each in (model, again):
        each.fit(X, Y, epochs=1, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Scaled(Residual):
    """A custom block, with a forward pass of its own."""

    def forward(self, x, *, training=False, rng=None):
        y, cache = super().forward(x, training=training, rng=rng)
        return 2 * y, cache

    def backward(self, dy, cache):
        return super().backward(2 * dy, cache)


def test_a_custom_block_is_one_layer(tmp_path):
    """A class derived from Residual keeps its passes in a model, and its class in a file."""
    model = Sequential([Input((4,)), Scaled([Dense(4), ReLU()]), Dense(3, "softmax")], seed=0)
    assert [node.name for node in model.nodes] == ["input_layer", "scaled", "dense"]
    trained(model).save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"Scaled": Scaled})
    assert type(again.layers[0]) is Scaled
    for each in (model, again):
        each.fit(X, Y, epochs=1, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_saved_model_predicts_the_same(tmp_path):
    """Blocks within blocks come back from a file, moving statistics included."""
    model = trained(network())
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras").predict(X), model.predict(X))
