"""Models of any form: how they are put together, what they compute, and mistakes."""

import copy
import os
import re
import signal

import numpy as np
import pytest

import minicnn
from minicnn import (
    Activation,
    Add,
    BatchNorm,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    InputLayer,
    MaxPool,
    Model,
    Multiply,
    ReLU,
    Residual,
    Sequential,
    load_model,
    metrics,
)
from minicnn.errors import ConfigError, DataError, ShapeError
from minicnn.layers import concatenate
from minicnn.losses import MeanSquaredError
from minicnn.models import clone_model
from minicnn.testing import numeric_gradient


def two_ways(seed=0, dtype="float64"):
    """Two inputs, two outputs: a shared layer, merges, arithmetic and a model within."""
    image, row = Input((6, 6, 2), name="image"), Input((4,), name="row")
    x = Conv2D(3, 3, padding="same", activation="tanh", name="conv")(image)
    x = Concatenate()([image, x])
    inner_in = Input((6, 6, 5))
    inner = Model(
        inner_in, GlobalAvgPool()(BatchNorm()(inner_in) * 0.5 + 1), name="inner", dtype=dtype
    )
    shared = Dense(5, activation="tanh", name="shared")
    a, b = shared(row), shared(2 * row - 1)
    whole = concatenate([inner(x), a, b, Multiply()([a, b])])
    classes = Dense(3, activation="softmax", name="classes")(whole)
    number = Dense(1, name="number", kernel_regularizer="l2")(whole)
    return Model([image, row], [classes, number], seed=seed, dtype=dtype)


def data(count=12):
    rng = np.random.default_rng(0)
    x = [rng.random((count, 6, 6, 2)), rng.random((count, 4))]
    return x, [rng.integers(0, 3, count), rng.random((count, 1))]


def compiled(model, **options):
    model.compile(
        "adam",
        loss={"classes": "sparse_categorical_crossentropy", "number": "mse"},
        metrics={"classes": ["accuracy"], "number": "mae"},
        loss_weights={"classes": 2.0, "number": 0.5},
        **options,
    )
    return model


# The same numbers by hand ---------------------------------------------------------------


def test_numbers_are_those_of_the_layers_one_by_one():
    """What a graph gives is what its layers give when they are called in turn."""
    model = two_ways()
    (image, row), _ = data()

    def run(layer, x):
        return layer.forward(x)[0]

    x = np.concatenate([image, run(model.get_layer("conv"), image)], axis=-1)
    inner = model.get_layer("inner").layers[1]
    pooled = (run(inner, x) * 0.5 + 1).mean(axis=(1, 2))
    shared = model.get_layer("shared")
    a, b = run(shared, row), run(shared, 2 * row - 1)
    whole = np.concatenate([pooled, a, b, a * b], axis=1)
    for got, name in zip(model.predict([image, row]), ("classes", "number"), strict=True):
        np.testing.assert_allclose(got, run(model.get_layer(name), whole), rtol=1e-12)


def test_gradients_are_central_differences():
    """Of both outputs together, for every parameter and both inputs, in training."""
    model = two_ways()
    xs, _ = data(4)
    ys, caches = model.forward(xs, training=True)
    rng = np.random.default_rng(1)
    dys = [rng.standard_normal(y.shape) for y in ys]
    dxs, grads = model.backward(dys, caches)
    assert grads.keys() == model.params.keys()

    def total():
        return sum(
            float((y * dy).sum()) for y, dy in zip(model.forward(xs, True)[0], dys, strict=True)
        )

    for i, dx in enumerate(dxs):
        kept = xs[i].copy()

        def moved(value, i=i):
            xs[i] = value
            return total()

        np.testing.assert_allclose(dx, numeric_gradient(moved, kept), rtol=1e-5, atol=1e-7)
        xs[i] = kept
    for name, param in model.params.items():
        kept = param.copy()

        def changed(value, param=param):
            param[...] = value
            return total()

        wanted = numeric_gradient(changed, kept)
        param[...] = kept
        np.testing.assert_allclose(grads[name], wanted, rtol=1e-5, atol=1e-7, err_msg=name)


def test_fused_is_one_by_one():
    """A convolution whose output one node alone reads is fused; the numbers are the same."""
    image = Input((8, 8, 3))
    x = MaxPool(2)(ReLU()(Conv2D(4, 3, padding="same")(image)))
    y = Conv2D(4, 3, padding="same")(x)
    outputs = Dense(2)(Flatten()(Add()([ReLU()(y), y, x])))  # y is read twice
    nets = [Model(image, outputs, seed=0, kernels="vectorized")]
    nets.append(copy.deepcopy(nets[0]))
    nets[1].fuse = False
    kinds = [type(node.layer).__name__ for node in nets[0].fused().nodes]
    assert kinds == ["FusedConv", "FusedConv", "ReLU", "Add", "Flatten", "Dense"]
    x, y = np.random.default_rng(0).random((20, 8, 8, 3)), np.ones((20, 2))
    for net in nets:
        net.compile("sgd", "mse")
        net.fit(x, y, batch_size=5, epochs=2, verbose=0, shuffle=False)
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_value_is_let_go_when_nobody_needs_it():
    """In predicting, of a row of layers no more than two outputs are there at a time."""
    alive = []

    class Watch(Activation):
        def forward(self, x, *, training=False, rng=None):
            alive.append(sum(1 for ref in held if ref() is not None))
            y = x + 1
            held.append(weakref_of(y))
            return y, None

    import weakref

    held = []
    weakref_of = weakref.ref
    x = image = Input((4,))
    for _ in range(6):
        x = Watch("linear")(x)
    model = Model(image, Add()([x, image]))
    model.predict(np.ones((2, 4)))
    assert max(alive) <= 1


# Putting together ------------------------------------------------------------------------


def test_a_row_is_a_sequential():
    """The same layers as a row and as a graph: the same weights and training, to the bit."""
    layers = lambda: [Conv2D(3, 3), ReLU(), Flatten(), Dropout(0.3), Dense(2, activation="softmax")]  # noqa: E731
    row = Sequential([Input((6, 6, 1)), *layers()], seed=3)
    x = begin = Input((6, 6, 1))
    for layer in layers():
        x = layer(x)
    graph = Model(begin, x, seed=3)
    images, y = np.random.default_rng(0).random((10, 6, 6, 1)), np.arange(10) % 2
    for model in (row, graph):
        model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    assert (
        row.fit(images, y, epochs=2, verbose=0).history
        == graph.fit(images, y, epochs=2, verbose=0).history
    )
    for a, b in zip(row.get_weights(), graph.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sub_models_share_their_layers():
    """``Model(m.input, layer.output)`` is a part, ``Model(layer.output, m.output)`` the rest."""
    image = Input((6, 6, 2))
    x = Conv2D(3, 3, name="block")(image)
    model = Model(image, Dense(2, name="head")(Flatten()(x)), seed=0)
    images = np.random.default_rng(0).random((3, 6, 6, 2))
    front = Model(model.input, model.get_layer("block").output)
    rest = Model(model.get_layer("block").output, model.output)
    assert front.get_layer("block") is model.get_layer("block")
    np.testing.assert_array_equal(rest.predict(front.predict(images)), model.predict(images))
    row = Sequential([Input((4,)), Dense(3), Dense(2)])
    features = Model(row.inputs, [layer.output for layer in row.layers])
    assert [y.shape for y in features.predict(np.ones((5, 4)))] == [(5, 3), (5, 2)]


def test_a_shared_layer_has_one_name_and_its_gradients_add_up():
    """A layer that is called twice, and a model that is, have their arrays once."""
    x, y = Input((3,)), Input((3,))
    base = Sequential([Input((3,)), Dense(2, activation="tanh")], name="base", seed=0)
    model = Model([x, y], Add()([base(x), base(y)]), seed=0)
    assert list(model.params) == ["base.dense.kernel", "base.dense.bias"]
    ones = np.ones((2, 3))
    out, caches = model.forward([ones, ones])
    _, grads = model.backward(np.ones_like(out), caches)
    alone, caches = base.forward(ones)
    _, once = base.backward(np.ones_like(alone), caches)
    np.testing.assert_allclose(grads["base.dense.kernel"], 2 * once["dense.kernel"], rtol=1e-6)


def test_inference_mode_stays():
    """A model called with training=False keeps its moving statistics, though it learns."""
    base = Sequential([Input((3,)), BatchNorm(), Dropout(0.9)], name="base")
    x = Input((3,))
    model = Model(x, Dense(1)(base(x, training=False)), seed=0)
    model.compile("sgd", "mse")
    before = base.layers[0].state["moving_mean"].copy()
    gamma = base.layers[0].params["gamma"].copy()
    model.fit(np.random.default_rng(0).random((8, 3)), np.ones((8, 1)), verbose=0)
    np.testing.assert_array_equal(base.layers[0].state["moving_mean"], before)
    assert (base.layers[0].params["gamma"] != gamma).any()


def test_copies_are_apart():
    """deepcopy and clone_model: the same network, other arrays; a clone has new ones."""
    model, (xs, _) = two_ways(), data()
    expected = model.predict(xs)
    for twin in (copy.deepcopy(model), clone_model(model)):
        assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
        if twin.seed is not None:
            for a, b in zip(twin.predict(xs), expected, strict=True):
                np.testing.assert_array_equal(a, b)
        twin.set_weights([w + 1 for w in twin.get_weights()])
        for a, b in zip(model.predict(xs), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    deep = Input((2,))
    x = deep
    for _ in range(1500):
        x = ReLU()(x)
    copy.deepcopy(Model(deep, x))  # as deep as one likes


def test_layers_stand_in_the_order_of_keras():
    """By the distance from the end; arithmetic on tensors is no layer."""
    x = Input((4,), name="in")
    a = Dense(4, name="a")(x)
    b = Dense(4, name="b")(a)
    model = Model(x, Dense(1, name="end")(Add(name="add")([x * 2.0, b])))
    assert [layer.name for layer in model.layers] == ["in", "a", "b", "add", "end"]


def test_a_build_that_fails_leaves_nothing_behind():
    """Layers that were built before the one that fails are as new, and can be used again."""

    class Broken(Dense):
        def build(self, input_shape, rng, dtype):
            raise ConfigError("broken")

    x = Input((4,))
    good = Dense(3)
    y = good(x)
    with pytest.raises(ConfigError, match="broken"):
        Model(x, Broken(2)(y))
    assert not good.built
    assert good.params == {}
    assert Model(x, y).predict(np.ones((2, 4))).shape == (2, 3)


# Training --------------------------------------------------------------------------------


def test_losses_of_several_outputs_add_up_by_their_weights():
    """loss = 2 * classes_loss + 0.5 * number_loss + the penalty, in fit and in evaluate."""
    model = compiled(two_ways())
    xs, ys = data()
    logs = model.evaluate(xs, ys, return_dict=True)
    assert list(logs) == ["loss", "classes_loss", "number_loss", "classes_accuracy", "number_mae"]
    penalty = 0.01 * (model.get_layer("number").params["kernel"] ** 2).sum()
    total = 2 * logs["classes_loss"] + 0.5 * logs["number_loss"] + penalty
    np.testing.assert_allclose(logs["loss"], total, rtol=1e-12)
    p, v = model.predict(xs)
    np.testing.assert_allclose(logs["classes_loss"], -np.log(p[np.arange(12), ys[0]]).mean())
    np.testing.assert_allclose(logs["number_loss"], ((v - ys[1]) ** 2).mean())
    as_list = model.evaluate(xs, ys)
    assert as_list == [
        logs[k] for k in ("loss", "classes_loss", "number_loss", "classes_accuracy", "number_mae")
    ]
    history = model.fit(xs, ys, epochs=3, validation_split=0.25, verbose=0).history
    assert {"loss", "val_loss", "classes_loss", "val_number_mae"} <= history.keys()
    assert history["loss"][-1] < history["loss"][0]


def test_arrays_by_name_and_in_lists_are_the_same():
    """Inputs, labels and weights as lists or as dictionaries of names."""
    xs, ys = data()
    weights = [np.linspace(0, 1, 12), np.ones(12)]
    by_name = {"row": xs[1], "image": xs[0]}, {"number": ys[1], "classes": ys[0]}
    named = {"classes": weights[0], "number": weights[1]}
    model = compiled(two_ways())
    one = model.evaluate(xs, ys, sample_weight=weights)
    assert one == model.evaluate(*by_name, sample_weight=named)
    assert one != model.evaluate(xs, ys)
    with_keys = Model(
        {"i": model.inputs[0], "r": model.inputs[1]}, {"c": model.outputs[0]}, dtype="float64"
    )
    assert list(with_keys.predict({"r": xs[1], "i": xs[0]})) == ["c"]


def test_weighted_metrics_of_outputs():
    """They weigh samples as the loss does, under names that are free, and need a third argument."""
    model, (xs, ys) = two_ways(), data()
    wanted = {"classes": ["accuracy"], "number": ["mse"]}
    losses = {"classes": "sparse_categorical_crossentropy", "number": "mse"}
    model.compile("sgd", losses, {"number": ["mse"]}, weighted_metrics=wanted)
    weights = {"classes": np.arange(12.0) % 2, "number": np.linspace(0, 3, 12)}
    logs = model.evaluate(xs, ys, sample_weight=weights, return_dict=True)
    p, v = model.predict(xs)
    right = (p.argmax(axis=1) == ys[0])[1::2].mean()
    squares = ((v - ys[1]) ** 2).reshape(12, -1).mean(axis=1)
    np.testing.assert_allclose(logs["classes_accuracy"], right)
    np.testing.assert_allclose(logs["number_mse"], squares.mean())
    expected = np.average(squares, weights=weights["number"])
    np.testing.assert_allclose(logs["number_weighted_mse"], expected)
    plain = model.evaluate(xs, ys, return_dict=True)
    np.testing.assert_allclose(plain["number_weighted_mse"], plain["number_mse"])

    class Without(metrics.Metric):
        def reset_state(self): ...

        def update_state(self, y_true, y_pred): ...

        def result(self):
            return 0.0

    with pytest.raises(ConfigError, match="weighted_metrics that take weights, got the Without"):
        model.compile("sgd", "mse", weighted_metrics=[[Without("w")], None])


def test_an_output_without_a_loss_is_not_trained():
    """Layers that no loss depends on stay as they are."""
    model = two_ways()
    model.compile("sgd", loss=[None, "mse"])
    xs, ys = data()
    before = model.get_layer("classes").get_weights()
    logs = model.fit(xs, ys, verbose=0).history
    assert list(logs) == ["loss"]
    for a, b in zip(model.get_layer("classes").get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_steps_on_one_batch():
    """train_on_batch is a step of fit; test_on_batch and predict_on_batch change nothing."""
    xs, ys = data()
    one, other = compiled(two_ways()), compiled(two_ways())
    other.fit(xs, ys, batch_size=12, shuffle=False, verbose=0)
    logs = one.train_on_batch(xs, ys, return_dict=True)
    assert logs["loss"] == other.history.history["loss"][0]
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.test_on_batch(xs, ys) == other.evaluate(xs, ys)
    for a, b in zip(one.predict_on_batch(xs), other.predict(xs), strict=True):
        np.testing.assert_array_equal(a, b)


# Files and runs --------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_graph_comes_back_from_a_file_and_trains_on(ending, tmp_path):
    """Weights, losses, optimizer and order: the next epoch ends in the same bits."""
    model = compiled(two_ways(dtype="float32"))
    xs, ys = data()
    model.fit(xs, ys, epochs=2, verbose=0)
    model.save(tmp_path / f"m.{ending}")
    again = load_model(tmp_path / f"m.{ending}")
    assert (again.loss_weights, again.input_names) == ([2.0, 0.5], ["image", "row"])
    for each in (model, again):
        each.fit(xs, ys, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.save_weights(tmp_path / "m.weights.h5")
    other = compiled(two_ways(seed=9, dtype="float32"))
    other.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_graph_resumes_to_the_same_bits(tmp_path):
    """Stopped in the middle of an epoch and resumed, of several inputs and outputs."""
    xs, ys = data(20)

    class Stop(minicnn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs):
            if stops and batch == 2:
                os.kill(os.getpid(), signal.SIGINT)

    whole, part, again = (compiled(two_ways()) for _ in range(3))
    options = {"batch_size": 4, "epochs": 3, "verbose": 0}
    stops = False
    whole.fit(xs, ys, callbacks=[Stop()], **options)
    stops = True
    part.fit(xs, ys, callbacks=[Stop()], checkpoint=tmp_path / "run", **options)
    assert part.history.interrupted
    stops = False
    again.fit(xs, ys, callbacks=[Stop()], checkpoint=tmp_path / "run", resume=True, **options)
    assert again.history.history == whole.history.history
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# Mistakes --------------------------------------------------------------------------------

IMAGE = Input((6, 6, 2), name="image")
OTHER = Input((6, 6, 2), name="other")
ARRAY = np.ones((2, 6, 6, 2))

# ruff: noqa: E501
MISTAKES = {
    "an array": (lambda: Conv2D(3, 3)(ARRAY), r"Conv2D: expected to be called on .* forward\(x\) gives"),
    "a layer": (lambda: Conv2D(3, 3)(ReLU()), r"got ReLU\(\)\. Call that one first: ReLU\(\.\.\.\)\(x\)"),
    "a shape": (lambda: Conv2D(3, 3)((6, 6, 2)), r"Begin with x = Input\(shape\)"),
    "wrong rank": (lambda: Conv2D(3, 3, name="c")(Flatten()(IMAGE)), r"Conv2D 'c': expected input of"),
    "window too large": (lambda: Conv2D(3, 9, name="c")(IMAGE), r"Conv2D 'c': expected an image of at least 9x9"),
    "shapes to merge": (lambda: Add(name="sum")([IMAGE, Conv2D(2, 3)(IMAGE)]), r"Add 'sum': .* broadcast"),
    "two of one": (lambda: Dense(3)([IMAGE, OTHER]), r"Dense: expected one input, got 2"),
    "another input": (
        lambda: Model(IMAGE, Add()([IMAGE, OTHER])), r"depends on InputLayer 'other' too\. Put it among"
    ),
    "an output that is a layer": (lambda: Model(IMAGE, ReLU()), r"expected outputs .* Call the layer"),
    "an array as input": (lambda: Model(ARRAY, IMAGE), r"expected inputs as what Input\(shape\)"),
    "the same input twice": (lambda: Model([IMAGE, IMAGE], ReLU()(IMAGE)), "got one twice"),
    "a class with a call method": (
        lambda: type("Mine", (Model,), {"__init__": lambda self: Model.__init__(self)})(),
        "A class derived from Model cannot define call instead",
    ),
    "no inputs": (lambda: Model([], IMAGE), "expected inputs, got none"),
    "one name twice": (
        lambda: Model(IMAGE, ReLU(name="a")(ReLU(name="a")(IMAGE))), "different names, got two called 'a'"
    ),
    "a layer that is used twice": (
        lambda: twice().output, r"expected a layer that is used once, for its output, .* used 2 times"
    ),
    "a layer in no model": (lambda: ReLU().output, "used 0 times. Put it into a model first"),
    "numbers of a tensor": (lambda: np.sin(ReLU()(IMAGE)), "got a tensor without any"),
    "a condition": (lambda: bool(IMAGE), "got a tensor without any"),
    "a power of tensors": (lambda: IMAGE**OTHER, r"expected a number as the exponent of '\*\*'"),
    "plus text": (lambda: IMAGE + "a", "another tensor, a finite number or one for each channel for '\\+'"),
    "divided by 0": (lambda: IMAGE / 0, "a finite number other than 0 for '/'"),
    "divided by text": (lambda: IMAGE / "a", "for '/'"),
    "a tensor in a row": (lambda: Sequential([ReLU()(IMAGE)]), r"Of tensors make Model\(inputs, outputs\)"),
    "a merge in a row": (lambda: Sequential([Input((3,)), Add()]), r"use Model\(inputs, outputs\)"),
    "training as text": (lambda: ReLU()(IMAGE, training="no"), "expected training as True or False"),
    "another shape for a model": (
        lambda: Sequential([Input((3,)), Dense(2)])(Input((4,))), r"expected inputs of shape \(3,\)"
    ),
    "another dtype within": (
        lambda: Model(IMAGE, Sequential([Input((6, 6, 2)), ReLU()], dtype="float64")(IMAGE)),
        "expected models of float32",
    ),
}  # fmt: skip


def twice():
    layer = Dense(2)
    layer(layer(Input((2,))))
    return layer


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_building_are_one_line(mistake):
    """Who, what was expected, what came, and what to do."""
    make, message = MISTAKES[mistake]
    with pytest.raises((ConfigError, ShapeError)) as error:
        make()
    assert re.search(message, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


GIVEN = {
    "one array of two": (lambda m, x, y: m.fit(x[0], y), "expected 2 arrays, for image, row"),
    "three arrays": (lambda m, x, y: m.predict([*x, x[0]]), "expected 2 arrays, for image, row, got 3"),
    "another name": (lambda m, x, y: m.predict({"image": x[0], "raw": x[1]}), "one array for each of image, row"),
    "exchanged": (lambda m, x, y: m.predict(x[::-1]), r"InputLayer 'image': expected input of shape"),
    "other lengths": (lambda m, x, y: m.predict([x[0], x[1][:3]]), "as many samples in each input, got 12, 3"),
    "labels of one": (lambda m, x, y: m.fit(x, y[0]), "expected labels for each of the outputs classes, number"),
    "fewer labels": (lambda m, x, y: m.fit(x, [y[0], y[1][:5]]), "got 12 samples and 5 labels of 'number'"),
    "no labels": (lambda m, x, y: m.fit(x), "y is missing"),
    "weights of one": (
        lambda m, x, y: m.fit(x, y, sample_weight=np.ones(12)), "sample_weight for each of the outputs"
    ),
    "class weights": (lambda m, x, y: m.fit(x, y, class_weight={0: 1.0}), "class_weight for a model of one output"),
    "a loss of another": (lambda m, x, y: m.compile("sgd", {"klasses": "mse"}), "got 'klasses'"),
    "three losses": (lambda m, x, y: m.compile("sgd", ["mse"] * 3), "for each of the 2 outputs"),
    "one list of metrics": (lambda m, x, y: m.compile("sgd", "mse", ["mae"] * 3), "for each of the 2 outputs"),
    "a weight below 0": (lambda m, x, y: m.compile("sgd", "mse", loss_weights=[1, -1]), "loss_weights"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", GIVEN)
def test_data_that_do_not_fit_are_one_line(mistake):
    """Before the first step."""
    call, message = GIVEN[mistake]
    with pytest.raises((ConfigError, DataError, ShapeError)) as error:
        call(compiled(two_ways()), *data())
    assert message in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_is_told_by_its_summary(capsys):
    """What each layer takes stands in the last column; the memory of a graph is known."""
    model = two_ways()
    model.summary(batch_size=8)
    out = capsys.readouterr().out
    assert re.search(r"concatenate  .* image, conv\n  \(Concatenate\)\n", out)
    assert "besides the data: about" in out
    assert repr(model).startswith("Model('model', 10 layers, 6x6x2, 4 -> 3, 1, ")


def test_parts_of_a_model_are_found():
    """By name and by place; inputs and outputs have the names of their layers."""
    model = two_ways()
    assert model.get_layer("inner").get_layer(index=0).shape == (6, 6, 5)
    assert (model.input_names, model.output_names) == (["image", "row"], ["classes", "number"])
    assert isinstance(model.loss, type(None))
    model.compile("sgd", MeanSquaredError())
    assert [type(loss) for loss in model.loss] == [MeanSquaredError] * 2
    assert isinstance(model.layers[0], InputLayer)


def test_residual_and_transposed_convolutions_in_a_graph():
    """Residual stands for nodes there too; a small U-Net takes and gives images."""
    image = Input((8, 8, 1))
    down = Residual([Conv2D(4, 3, padding="same"), ReLU()], [Conv2D(4, 1)])(image)
    low = Conv2D(8, 3, padding="same", activation="relu")(MaxPool(2)(down))
    up = Conv2DTranspose(4, 2, strides=2)(low)
    mask = Conv2D(1, 1, activation="sigmoid")(Concatenate()([up, down]))
    model = Model(image, mask, seed=0)
    assert sum(node.name.startswith("residual.") for node in model.nodes) == 4
    x = np.random.default_rng(0).random((16, 8, 8, 1))
    model.compile(minicnn.Adam(0.02), "binary_crossentropy")
    losses = model.fit(x, (x > 0.5).astype(float), epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]
