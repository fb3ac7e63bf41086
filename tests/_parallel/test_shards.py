"""A batch in shards gives what the batch gives; one is cut if all parts promise to be additive."""

import numpy as np
import pytest

import minicnn
from minicnn._parallel.shards import Result, Shards, reduced
from minicnn._parallel.spread import Spread
from minicnn._training.program import WHOLE, Program
from minicnn.data.fitting import Data
from minicnn.errors import DivergenceError
from minicnn.layers import Concatenate, Conv2D, Dense, Flatten, Input
from minicnn.models import Model, clone_model
from shard_helpers import data, in_shards, network

# Training --------------------------------------------------------------------------------


def trained(monkeypatch, count, model=None, **options):
    model = model or network()
    with monkeypatch.context() as patch:
        in_shards(patch, count)
        history = model.fit(*data(), batch_size=8, epochs=3, verbose=0, **options)
    return model.get_weights(), history.history


def same(one, other):
    return one[1] == other[1] and all(map(np.array_equal, one[0], other[0]))


@pytest.mark.parametrize("options", [{}, {"shuffle": False}])
@pytest.mark.parametrize("kernels", ["vectorized", "compiled"])
def test_shards_add_up_to_the_batch(options, kernels, monkeypatch):
    """Three shards of unequal size train as the whole batch does, but for the last digits."""
    monkeypatch.setenv("MINICNN_KERNELS", kernels)
    weights, history = trained(monkeypatch, 3, **options)
    whole, wanted = trained(monkeypatch, 1, **options)
    for a, b in zip(weights, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    assert history["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
    assert history["accuracy"] == wanted["accuracy"]


@pytest.mark.parametrize("weighted", ["sample_weight", "class_weight"])
def test_shards_with_weights_and_penalties_add_up(weighted, monkeypatch):
    """A batch cut in three trains as the whole one does, penalties counted once."""
    options = {"sample_weight": np.linspace(0, 3, 23), "class_weight": {0: 3, 1: 0.1}}
    found = []
    for count in (1, 3):
        layers = [Input((6, 6, 2)), Conv2D(3, 3, activation="relu", kernel_regularizer="l2")]
        layers += [Flatten(), Dense(3, activation="softmax", bias_regularizer="l1")]
        model = minicnn.Sequential(layers, seed=0, dtype="float64")
        model.compile(minicnn.SGD(0.001), "sparse_categorical_crossentropy")
        found.append(trained(monkeypatch, count, model, **{weighted: options[weighted]}))
    (one, got), (other, wanted) = found
    assert got["loss"] == pytest.approx(wanted["loss"], rel=1e-10)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_shards_of_several_inputs_and_outputs_add_up(monkeypatch):
    """Each shard has its part of every input, label and loss."""
    image, row = Input((6, 6, 2)), Input((4,))
    whole = Concatenate()([Flatten()(Conv2D(3, 3)(image)), Dense(3)(row)])
    outputs = {"c": Dense(3, activation="softmax")(whole), "n": Dense(1)(whole)}
    model, rng, found = Model([image, row], outputs), np.random.default_rng(0), []
    xs = rng.standard_normal((32, 6, 6, 2)), rng.standard_normal((32, 4))
    ys = {"c": rng.integers(0, 3, 32), "n": rng.standard_normal((32, 1))}
    for count in (1, 2):
        copied = clone_model(model)
        copied.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
        copied.compile("sgd", {"c": "sparse_categorical_crossentropy", "n": "mse"})
        with monkeypatch.context() as patch:
            in_shards(patch, count)
            losses = copied.fit(list(xs), ys, batch_size=16, verbose=0, shuffle=False).history
        found.append([*copied.get_weights(), *losses.values()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_no_number_is_met_in_any_shard(monkeypatch):
    """A loss that overflows in a shard ends the training with the layer's name."""
    in_shards(monkeypatch, 2)
    layers = [Input((6, 6, 2)), Conv2D(4, 3), Flatten(), Dense(3)]
    model = minicnn.Sequential(layers, seed=3)
    model.compile(minicnn.SGD(1e30), "mse")
    x = data()[0]
    with pytest.raises(DivergenceError, match="the first to go was the output of Dense"):
        model.fit(x, np.ones((len(x), 3)), batch_size=8, epochs=3, verbose=0)


# Drawing ---------------------------------------------------------------------------------


def test_images_draw_the_same_however_their_batch_is_cut():
    """The same masks in any number of shards, and the generator goes on from the same place."""
    layers = minicnn.Dropout(0.3), minicnn.GaussianNoise(0.5), minicnn.RandomTranslation(0.1, 0.2)

    def drawn(count):
        made = []

        def compute(part, fraction, rng):
            x = part[0]
            made.append([layer.forward(x, training=True, rng=rng)[0] for layer in layers])
            made[-1] += [rng.normal(size=(len(x), 3)), np.stack([rng.integers(9, size=2)] * len(x))]
            return Result(0.0, (np.zeros((len(x), 1)),), {})

        rng = np.random.default_rng(0)
        x = np.random.default_rng(1).random((27, 4, 5, 3))
        Shards(compute, rng, count, random=True).gradients((x,), np.arange(27))
        joined = [np.concatenate(parts) for parts in zip(*made, strict=True)]
        return [*joined, rng.random(3)]

    alone = drawn(1)
    for count in (2, 3):
        for one, other in zip(alone, drawn(count), strict=True):
            np.testing.assert_array_equal(one, other)


def test_augmentation_differs_from_shard_to_shard(monkeypatch):
    """A batch in two shards draws for each image by itself, and the same again from a seed."""
    in_shards(monkeypatch, 2)
    drawn, draw = [], minicnn.RandomRotation.draw
    monkeypatch.setattr(
        minicnn.RandomRotation, "draw", lambda *args: drawn.append(draw(*args)) or drawn[-1]
    )
    for _ in range(2):
        network(minicnn.RandomRotation(0.5)).fit(*data(22), batch_size=22, verbose=0)
    first, second, *again = (angles.tolist() for angles in drawn)
    assert len(first) == len(second) == 11
    assert not set(first) & set(second)
    assert again == [first, second]


# What may be cut -------------------------------------------------------------------------


class Cubed(minicnn.Layer):
    """y = gain * x ** 3, each number by itself."""

    additive = True

    def build(self, input_shape, rng, dtype):
        super().build(input_shape, rng, dtype)
        self.add_param("gain", input_shape[-1:], rng, "ones")

    def forward(self, x, *, training=False, rng=None):
        return self.params["gain"] * x**3, x

    def backward(self, dy, cache):
        gain = (dy * cache**3).sum(axis=tuple(range(dy.ndim - 1)))
        return 3 * dy * cache**2 * self.params["gain"], {"gain": gain}


class Silent(Cubed):
    """The same, and promises nothing of its pass."""

    def backward(self, dy, cache):
        return super().backward(dy, cache)


class Mine(minicnn.ReLU):
    """The library's passes, by another name."""


class Doubled(minicnn.losses.MeanSquaredError):
    """Another loss of each sample."""

    def per_sample(self, y_true, y_pred):
        return 2 * super().per_sample(y_true, y_pred)

    def slope(self, y_true, y_pred):
        return 2 * super().slope(y_true, y_pred)


class ThreeRanks:
    """As much of ranks as a program asks for."""

    number, count = 1, 3

    def gathered(self, numbers):
        raise NotImplementedError


def shards_of(model):
    """Into how many shards three ranks cut the model's batches."""
    x, y = data()
    like = Data((x,), (np.eye(3)[y],), (None,))
    made = Program(model).shards(like, model.rng, ThreeRanks())
    assert isinstance(made, Spread)
    assert made.moved_by == ThreeRanks.number
    return made.count


def test_the_librarys_layers_share_the_work():
    """Those that draw, and BatchNorm, whose shards tell each other what it must know."""
    assert shards_of(network(minicnn.Dropout(0.5), minicnn.BatchNorm())) == 3


@pytest.mark.parametrize("extra", [Cubed, Mine])
def test_layers_that_promise_it_share_the_work(extra, monkeypatch):
    """A user's own too, which train in shards as in one piece."""
    assert shards_of(network(extra())) == 3
    weights, history = trained(monkeypatch, 3, network(extra()))
    whole, wanted = trained(monkeypatch, 1, network(extra()))
    assert history["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
    for a, b in zip(weights, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


def test_a_layer_that_promises_nothing_is_not_cut():
    """The whole batch, with a warning, whatever the number of ranks."""
    with pytest.warns(RuntimeWarning) as warned:
        assert shards_of(network(Silent())) == 1
    assert str(warned[0].message) == WHOLE


@pytest.mark.filterwarnings("ignore:fit. a layer or a loss:RuntimeWarning")
@pytest.mark.parametrize("additive", [False, True])
def test_a_loss_is_cut_if_it_promises_it(additive):
    """A custom loss is shared only if it says so."""
    model = network()
    model.compile("sgd", type("Own", (Doubled,), {"additive": True} if additive else {})())
    assert shards_of(model) == (3 if additive else 1)


# Adding up -------------------------------------------------------------------------------


def test_a_batch_that_is_too_small_is_one_shard():
    """Its samples are computed together, by all alike."""
    seen = []

    def compute(part, fraction, rng):
        seen.append((part[0].tolist(), fraction))
        return Result(1.0, (part[0],), {})

    made = Shards(compute, np.random.default_rng(0), 3)
    made.gradients((np.arange(9),), np.arange(5))
    made.gradients((np.arange(9),), np.arange(1, 7))
    assert seen == [([0, 1, 2, 3, 4], 1), ([1, 2], 1 / 3), ([3, 4], 1 / 3), ([5, 6], 1 / 3)]


def test_shards_are_added_up_in_order():
    """The sums are those of the first and the second, then the third; nothing else is as exact."""

    def shard(value):
        return Result(value, (np.full((1, 1), value),), {"w": np.array([value], np.float32)})

    big, small = 1.0, 2.0**-24
    assert reduced([shard(big), shard(small), shard(small)]).grads["w"] == np.float32(1)
    assert reduced([shard(small), shard(small), shard(big)]).grads["w"] > np.float32(1)
    (predictions,) = reduced([shard(1.0), shard(2.0), shard(3.0)]).predictions
    assert predictions.tolist() == [[1], [2], [3]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", [0, 1])
def test_a_loss_that_is_no_number_has_no_gradients(bad, where):
    """In whichever shard it came up."""
    parts = [Result(1.0, (np.zeros((1, 1)),), {"w": np.ones(1)}) for _ in range(2)]
    parts[where] = Result(bad, (np.zeros((1, 1)),), {})
    result = reduced(parts)
    assert not np.isfinite(result.loss)
    assert result.grads == {}
    assert len(result.predictions[0]) == 2
