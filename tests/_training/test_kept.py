"""What is kept from prediction to prediction is never of a model that has changed."""

import copy
import pickle
import threading

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adam,
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Input,
    LeakyReLU,
    MaxPool,
    Model,
    PReLU,
    ReLU,
    Rescaling,
    Sequential,
)
from minicnn._training import kept
from minicnn._training.program import Inference
from minicnn.constraints import MaxNorm
from minicnn.losses import SparseCategoricalCrossentropy
from minicnn.regularizers import L2

X = np.random.default_rng(3).standard_normal((2, 8, 8, 3)).astype(np.float32)


def network(kernels=None):
    return Sequential(
        [
            Input((8, 8, 3)),
            Rescaling(0.5),
            Conv2D(4, 3, padding="same", activation="relu", name="first"),
            MaxPool(2, name="pool"),
            Conv2D(4, 3, use_bias=False, activation=LeakyReLU(0.2), name="second"),
            Conv2D(4, 1, activation=PReLU(), name="learned"),
            Conv2D(4, 1, name="third"),
            BatchNorm(name="norm"),
            ReLU(name="relu"),
            Flatten(),
            Dense(3, activation="softmax", name="scores"),
        ],
        seed=0,
        kernels=kernels,
    )


def anew(model, x=X):
    """What a plan made just now predicts."""
    return Inference(model).outputs([x])[0].copy()


def same(found, expected):
    """Equal but for the order in which a BLAS adds, which may depend on its threads."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def put(name, key, value):
    def change(model):
        model.get_layer(name).params[key] = np.full_like(model.get_layer(name).params[key], value)

    return change


def fill(name, key, value, arrays="params"):
    def change(model):
        getattr(model.get_layer(name), arrays)[key][...] = value

    return change


def attribute(name, key, value):
    return lambda model: setattr(model.get_layer(name), key, value)


def train(model):
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, np.array([0, 1]), epochs=2, verbose=0)


CHANGES = {
    "set_weights": lambda model: model.set_weights([w + 0.1 for w in model.get_weights()]),
    "weights in place": fill("first", "kernel", 0.1),
    "another kernel": put("first", "kernel", 0.1),
    "another bias": put("third", "bias", 0.3),
    "another array of an activation": put("learned", "activation.alpha", 0.7),
    "an activation's array in place": fill("learned", "activation.alpha", 0.7),
    "moving variance in place": fill("norm", "moving_variance", 9.0, "state"),
    "gamma in place": fill("norm", "gamma", 3.0),
    "activation": attribute("first", "activation", "linear"),
    "activation by a layer": attribute("second", "activation", LeakyReLU(0.6)),
    "an attribute of an activation": lambda model: setattr(
        model.get_layer("second").activation, "negative_slope", 0.9
    ),
    "threshold": attribute("relu", "max_value", 0.1),
    "epsilon": attribute("norm", "epsilon", 0.5),
    "trainable": attribute("norm", "trainable", False),
    "scale": lambda model: setattr(model.layers[0], "scale", 2.0),
    "training": train,
    "pop": lambda model: model.pop(),
    "add": lambda model: model.add(Dense(2)),
    "fuse": lambda model: setattr(model, "fuse", False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_after_a_change_predictions_are_those_of_a_new_plan(name):
    model = network()
    before = model.predict(X)
    model.predict_on_batch(X)
    CHANGES[name](model)
    expected = anew(model)
    same(model.predict_on_batch(X), expected)
    same(model.predict(X), expected)
    same(model.predict(X, batch_size=1), expected)
    if name not in ("trainable", "fuse"):
        assert before.shape != expected.shape or np.abs(before - expected).max() > 1e-6


def recompiled(*args, **options):
    return lambda model: model.compile(*copy.deepcopy(args), **options)


TRAINING_CHANGES = {
    name: change for name, change in CHANGES.items() if name not in ("pop", "add")
} | {
    "another optimizer": recompiled(Adam(), "sparse_categorical_crossentropy"),
    "another loss": recompiled(SGD(0.1), "mse"),
    "a loss's attribute": lambda model: setattr(model.loss, "reduction", "sum"),
    "another weight": recompiled(SGD(0.1), "sparse_categorical_crossentropy", loss_weights=[3.0]),
    "more metrics": recompiled(SGD(0.1), "sparse_categorical_crossentropy", ["accuracy"]),
    "a convolution frozen": attribute("third", "trainable", False),
    "a regularizer": attribute("third", "kernel_regularizer", L2(0.5)),
    "a constraint": attribute("third", "kernel_constraint", MaxNorm(0.1)),
    "all frozen but the last": lambda model: [
        setattr(layer, "trainable", False) for layer in model.layers[:-1]
    ],
}


def steps(model, y):
    """What two steps and an evaluation give, and the weights that they leave."""
    found = [model.train_on_batch(X, y, return_dict=True) for _ in range(2)]
    found.append(model.evaluate(X, y, verbose=0, return_dict=True))
    return found, model.get_weights()


@pytest.mark.parametrize("name", TRAINING_CHANGES)
def test_after_a_change_steps_are_those_of_a_new_plan(name):
    """A plan kept from step to step trains and evaluates to the bit as one made just now."""
    model, like, unchanged = (network() for _ in range(3))
    for one in (model, like, unchanged):
        one.compile(SGD(0.1), "sparse_categorical_crossentropy")
        steps(one, np.array([0, 1]))
    for one in (model, like):
        TRAINING_CHANGES[name](one)
    like.kept = kept.Kept()
    y = np.eye(3, dtype=np.float32)[:2] if name == "another loss" else np.array([0, 1])
    (logs, weights), (expected, expected_weights) = steps(model, y), steps(like, y)
    assert logs == expected
    assert all(map(np.array_equal, weights, expected_weights))
    if name not in ("another loss", "more metrics", "fuse"):
        before, weights_before = steps(unchanged, y)
        assert logs != before or not all(map(np.array_equal, weights, weights_before))


def test_a_plan_to_train_is_kept_until_fit_and_for_the_librarys_losses_alone():
    model = network()
    model.compile(SGD(0.1), "sparse_categorical_crossentropy")
    steps(model, np.array([0, 1]))
    held = model.kept.program.plan
    steps(model, np.array([0, 1]))
    assert held is not None
    assert model.kept.program.plan is held
    model.fit(X, np.array([0, 1]), verbose=0)
    assert model.kept.program.plan is None

    class Ours(SparseCategoricalCrossentropy):
        pass

    model.compile(SGD(0.1), Ours())
    steps(model, np.array([0, 1]))
    assert model.kept.program.plan is None


def test_loaded_weights_count(tmp_path):
    model, other = network(), network()
    other.set_weights([array + 0.1 for array in other.get_weights()])
    other.save_weights(tmp_path / "other.weights.h5")
    before = model.predict(X)
    model.load_weights(tmp_path / "other.weights.h5")
    same(model.predict(X), other.predict(X))
    assert np.abs(model.predict(X) - before).max() > 1e-6


def test_other_kernels_by_the_environment_are_noticed(monkeypatch):
    monkeypatch.setenv("MINICNN_KERNELS", "vectorized")
    model = network()
    model.predict(X)
    held = model.kept.inference.plan
    monkeypatch.setenv("MINICNN_KERNELS", "reference")
    model.predict(X)
    assert model.kept.inference.plan is not held


def test_a_plan_is_kept_as_long_as_nothing_changes():
    model = network()
    model.predict(X)
    held = model.kept.inference.plan
    model.predict(X[:1])
    model.predict_on_batch(X)
    assert held is not None
    assert model.kept.inference.plan is held
    model.get_layer("first").activation = None
    model.predict(X)
    assert model.kept.inference.plan is not held


def test_copies_and_pickles_have_plans_of_their_own():
    model = network()
    before = model.predict(X)
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.twin()]
    for twin in twins:
        assert twin.kept is not model.kept
        assert twin.kept.inference.plan is None
        same(twin.predict(X), before)
    for twin in twins[:2]:
        twin.get_layer("first").params["kernel"][...] = 0
        same(model.predict(X), before)


def test_layers_shared_by_two_models_are_watched_by_both():
    a = Input((8, 8, 3))
    conv = Conv2D(3, 3, padding="same")
    relu = ReLU()
    one = Model(a, relu(conv(a)))
    two = Model(a, Add()([a, one.output]))
    one.predict(X), two.predict(X)
    relu.max_value = 0.05
    for model in (one, two):
        same(model.predict(X), anew(model))


class Doubling(ReLU):
    """Of a user: what its attributes mean is not known."""

    factor = 2

    def forward(self, x, *, training=False, rng=None):
        y, cache = super().forward(x, training=training, rng=rng)
        return y * type(self).factor, cache


def test_nothing_is_kept_of_classes_that_are_not_the_librarys(monkeypatch):
    model = Sequential([Input((8, 8, 3)), Conv2D(3, 3), Doubling()], seed=0)
    before = model.predict(X)
    assert model.kept.inference.plan is None
    monkeypatch.setattr(Doubling, "factor", 3)
    np.testing.assert_allclose(model.predict(X), before * 1.5, rtol=1e-6)
    monkeypatch.delattr(Doubling, "forward")
    same(model.predict(X), anew(model))


def test_nothing_is_kept_of_activations_that_are_functions():
    factors = [2.0]
    model = Sequential(
        [Input((8, 8, 3)), Conv2D(3, 3, activation=lambda x: x * factors[0])], seed=0
    )
    model.predict(X)
    factors[0] = 3.0
    same(model.predict(X), anew(model))


def test_threads_that_predict_at_once_do_not_share_memory():
    model = network()
    images = [np.full((4, 8, 8, 3), i / 8, np.float32) for i in range(8)]
    expected = [anew(model, x) for x in images]
    wrong = []

    def work(i):
        for _ in range(60):
            if not np.array_equal(model.predict_on_batch(images[i]), expected[i]):
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_one_who_predicts_within_a_prediction_has_memory_of_its_own():
    model = network()
    other = X[::-1] * 2
    expected = anew(model)
    with kept.inference(model) as outer:
        made = outer.outputs([X])[0]
        model.predict_on_batch(other)
        same(made, expected)


def test_a_prediction_that_fails_lets_go(monkeypatch):
    model = network()
    before = model.predict(X)
    with monkeypatch.context() as broken:
        broken.setattr(Inference, "answer", lambda self, xs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.predict_on_batch(X)
    same(model.predict_on_batch(X), before)
    assert not model.kept.inference.lock.locked()


def test_large_memory_is_given_back_after_a_prediction(monkeypatch):
    model = network()
    monkeypatch.setattr(kept, "MOST_MEMORY", -1)
    model.predict(X)
    assert model.kept.inference.plan is None


def test_predictions_are_arrays_of_the_user():
    model = network()
    first = model.predict_on_batch(X)
    before = first.copy()
    model.predict_on_batch(X[::-1] * 3)
    same(first, before)
    assert first.flags.owndata
    assert first.flags.writeable


def test_what_calls_compute_in_counts_as_memory():
    made = Inference(network("vectorized"))
    made.outputs([X])
    arrays = sum(array.nbytes for array in made.workspace.arrays)
    folded = sum(array.nbytes for array in made.folded[0].conv.params.values())
    made.workspace.scratch = np.empty(100, np.uint8)
    assert made.nbytes == arrays + folded + 100
    assert arrays > 0
