"""Files that Keras opens and goes on with, and Keras' own files here."""

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    BatchNorm,
    Dense,
    Input,
    Lion,
    Nadam,
    ReLU,
    Residual,
    RMSprop,
    Sequential,
    load_model,
)
from minicnn.applications import mobilenet, resnet20
from minicnn.errors import ModelFileError
from minicnn.optimizers.schedules import CosineDecay

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (12, 8, 8, 3)).astype(np.float32)
NUMBERS = rng.standard_normal((12, 4)).astype(np.float32)
Y = np.arange(12) % 3


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


def blocks():
    """Blocks within blocks; in one the way around is longer, so that Keras counts it first."""
    inner = Residual([Dense(4, use_bias=False), BatchNorm(), ReLU(), Dense(4)], name="inner")
    layers = [
        Input((4,)),
        Dense(4),
        Residual([inner, Dense(5)], [Dense(6), Residual([Dense(6)]), Dense(5)]),
        Residual([Residual([Dense(5)])]),
        Dense(3, activation="softmax"),
    ]
    return Sequential(layers, seed=0)


MODELS = {
    "blocks": (blocks, NUMBERS),
    "resnet20": (lambda: resnet20((8, 8, 3), 3, seed=0), IMAGES),
    "mobilenet": (lambda: mobilenet((8, 8, 3), 3, seed=0), IMAGES),
}


def step(model, x):
    """One epoch of three batches, in order, without what is drawn at random."""
    model.fit(x, Y, batch_size=4, epochs=1, verbose=0, shuffle=False)


def same(ours, theirs, x, tolerance=1e-5):
    np.testing.assert_allclose(
        ours.predict(x), theirs.predict(x, verbose=0), atol=tolerance, rtol=tolerance
    )


def trained(name, optimizer=None):
    make, x = MODELS[name]
    model = make()
    model.compile(optimizer or SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", ["acc"])
    step(model, x)
    return model, x


def sorted_weights(model):
    """All arrays, in an order that does not depend on that of the layers."""
    return sorted(model.get_weights(), key=lambda array: (array.shape, array.tobytes()))


def same_bits(one, other):
    for a, b in zip(sorted_weights(one), sorted_weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("name", MODELS)
def test_residual_networks_in_keras_and_back(name, ending, keras, tmp_path):
    """Weights equal to the bit, outputs within 1e-5, and the same model when it comes back."""
    model, x = trained(name)
    ours, back = tmp_path / f"ours.{ending}", tmp_path / f"back.{ending}"
    model.save(ours)
    theirs = keras.models.load_model(ours)
    same(model, theirs, x)
    same_bits(model, theirs)
    theirs.save(back)
    again = load_model(back)
    same_bits(again, model)
    assert [layer.name for layer in again.layers] == [layer.name for layer in theirs.layers]


@pytest.mark.parametrize("name", MODELS)
def test_weights_go_both_ways(name, keras, tmp_path):
    """load_weights of either takes what save_weights of the other wrote, optimizer and all."""
    model, x = trained(name)
    model.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    step(model, x)
    model.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    same(model, theirs, x)
    step(theirs, x)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    model.load_weights(tmp_path / "theirs.weights.h5")
    same(model, theirs, x)
    assert model.optimizer.iterations == 9


OPTIMIZERS = [
    SGD(0.01),
    SGD(0.01, momentum=0.9, nesterov=True),
    Adam(0.01),
    Adam(0.01, amsgrad=True),
    AdamW(CosineDecay(0.01, 20)),
    RMSprop(0.01, momentum=0.5, centered=True),
    Adagrad(0.1),
    Nadam(0.01),
    Lion(0.001),
]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_training_goes_on_in_both(optimizer, frozen, keras, tmp_path):
    """Three more steps from the state in the file give the same numbers, there and here."""
    model = blocks()
    if frozen:
        model.layers[1].layers[0].layers[0].trainable = False
        model.layers[2].trainable = False
    fresh = type(optimizer).from_config(optimizer.get_config())
    model.compile(fresh, "sparse_categorical_crossentropy")
    step(model, NUMBERS)
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    step(model, NUMBERS)
    step(theirs, NUMBERS)
    same(model, theirs, NUMBERS)
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    step(again, NUMBERS)
    step(theirs, NUMBERS)
    same(again, theirs, NUMBERS)


def test_optimizer_of_a_legacy_file(keras, tmp_path):
    """Here the state comes back from .h5; Keras restores of it the count of steps and the rate."""
    model, x = trained("blocks", Adam(0.01))
    model.save(tmp_path / "m.h5")
    theirs = keras.models.load_model(tmp_path / "m.h5")
    assert int(theirs.optimizer.iterations) == 3
    again = load_model(tmp_path / "m.h5")
    model.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    step(again, x)
    step(theirs, x)
    same(again, theirs, x)
    theirs.save(tmp_path / "theirs.h5")
    again = load_model(tmp_path / "theirs.h5")
    step(again, x)
    step(theirs, x)
    same(again, theirs, x)


# Models that Keras made ------------------------------------------------------------------


def laid_flat(k):
    """A Sequential and a functional model within one, and sums written with +."""
    layers = k.layers
    start = k.Input((8, 8, 3))
    augment = [layers.RandomFlip(), layers.Conv2D(2, 1), layers.BatchNormalization()]
    x = k.Sequential([*augment, layers.Conv2D(2, 1)])(start)
    x = x + layers.Conv2D(2, 1)(x)
    inner = k.Input((8, 8, 2))
    x = k.Model(inner, layers.Add()([inner, layers.Conv2D(2, 3, padding="same")(inner)]))(x)
    return k.Model(start, layers.Dense(3)(layers.Flatten()(x)))


def in_a_row(k):
    layers = k.layers
    head = k.Sequential([layers.Flatten(), layers.Dense(4), layers.Dropout(0.5)])
    body = [layers.Rescaling(0.1), layers.Conv2D(3, 3), layers.BatchNormalization(center=False)]
    rest = [layers.LeakyReLU(), layers.Conv2D(2, 2), head, layers.Dense(3)]
    return k.Sequential([k.Input((8, 8, 3)), k.Sequential(body), *rest])


def shortcut_first(k):
    layers = k.layers
    x = start = k.Input((8, 8, 3))
    for filters in (4, 4, 6):
        way = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        way = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(way))
        x = layers.Add()([layers.Conv2D(filters, 1)(x) if filters != x.shape[-1] else x, way])
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.add([x, layers.add([x, layers.Dense(6)(x)])])
    return k.Model(start, layers.Dense(3, activation="softmax")(x))


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("make", [laid_flat, in_a_row, shortcut_first])
def test_models_of_keras(make, ending, keras, tmp_path):
    """Models that are a row of layers with sums come from Keras, and go back there."""
    theirs = make(keras)
    theirs.compile("adam", "mse")
    theirs.save(tmp_path / f"theirs.{ending}")
    model = load_model(tmp_path / f"theirs.{ending}")
    same(model, theirs, IMAGES / 255)
    assert repr(model.loss) == "MeanSquaredError()"
    model.save(tmp_path / f"ours.{ending}")
    same(model, keras.models.load_model(tmp_path / f"ours.{ending}"), IMAGES / 255)


def test_a_graph_of_keras_trains_on(keras, tmp_path):
    """What the optimizer remembers goes to the right arrays where Keras' order is another."""
    theirs = shortcut_first(keras)
    theirs.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
    step(theirs, IMAGES / 255)
    theirs.save(tmp_path / "theirs.keras")
    model = load_model(tmp_path / "theirs.keras")
    step(model, IMAGES / 255)
    step(theirs, IMAGES / 255)
    same(model, theirs, IMAGES / 255)


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_float16", "int8"])
def test_other_precisions(policy, keras, tmp_path):
    """A model of another precision is refused; a float32 one takes its arrays as they are."""
    layers = [keras.layers.Dense(5), keras.layers.Dense(3)]
    try:
        keras.config.set_dtype_policy("float32" if policy == "int8" else policy)
        layers = [type(layer)(layer.units) for layer in layers]
        theirs = keras.Sequential([keras.Input((4,)), *layers])
    finally:
        keras.config.set_dtype_policy("float32")
    if policy == "int8":
        theirs.quantize("int8")
    theirs.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match="all compute in float32, or all in float64"):
        load_model(tmp_path / "m.keras")
    theirs.save_weights(tmp_path / "m.weights.h5")
    model = Sequential([Input((4,)), Dense(5), Dense(3)])
    if policy == "int8":
        with pytest.raises(ModelFileError, match="expected 2 arrays"):
            model.load_weights(tmp_path / "m.weights.h5")
        return
    model.load_weights(tmp_path / "m.weights.h5")
    for ours, other in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, np.asarray(other, np.float32))


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_class_of_somebodys_own_called_as_one_of_keras(ending, keras, tmp_path):
    """A layer registered under a package is refused, and never computed as Keras' of that name."""

    @keras.saving.register_keras_serializable("mine")
    class Dense(keras.layers.Dense):
        def call(self, x):
            return 2 * super().call(x)

    theirs = keras.Sequential([keras.Input((4,)), Dense(3)])
    theirs.save(tmp_path / f"m.{ending}")
    with pytest.raises(ModelFileError, match="got 'Dense', a custom class"):
        load_model(tmp_path / f"m.{ending}")


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_class_of_ones_own_goes_to_keras(ending, keras, tmp_path):
    """Keras asks for it as well, and makes it of a class registered there under the name."""

    class Doubled(Dense):
        def forward(self, x, *, training=False, rng=None):
            y, cache = super().forward(x, training=training, rng=rng)
            return 2 * y, cache

    class KerasDoubled(keras.layers.Dense):
        def call(self, x):
            return 2 * super().call(x)

    model = Sequential([Input((4,)), Doubled(3)], seed=0)
    model.save(tmp_path / f"m.{ending}")
    with pytest.raises(Exception, match="Doubled"):
        keras.models.load_model(tmp_path / f"m.{ending}")
    KerasDoubled.__name__ = "Doubled"  # Keras' groups of arrays are called after the class
    given = {"Doubled": KerasDoubled, "Custom>Doubled": KerasDoubled}
    same(model, keras.models.load_model(tmp_path / f"m.{ending}", given), NUMBERS)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_model_that_was_compiled_and_not_trained(ending, keras, tmp_path, recwarn):
    """Its optimizer remembers nothing yet, and nobody is warned of a loss."""
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    theirs.compile(keras.optimizers.Adam(0.01), "mse")
    theirs.save(tmp_path / f"m.{ending}")
    recwarn.clear()
    assert load_model(tmp_path / f"m.{ending}").optimizer.iterations == 0
    assert not recwarn.list


def test_weights_of_a_model_with_models_in_it(keras, tmp_path):
    """What is loaded whole takes the weights that Keras saved of the same model, and its Adam."""
    theirs = in_a_row(keras)
    theirs.compile("adam", "sparse_categorical_crossentropy")
    step(theirs, IMAGES / 255)
    theirs.save(tmp_path / "m.keras")
    model = load_model(tmp_path / "m.keras")
    step(theirs, IMAGES / 255)
    theirs.save_weights(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.weights.h5")
    same(model, theirs, IMAGES / 255)
    theirs.save(tmp_path / "m.keras")
    whole = load_model(tmp_path / "m.keras")
    ours, expected = (m.optimizer.get_state(m.params) for m in (model, whole))
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(a, b)
