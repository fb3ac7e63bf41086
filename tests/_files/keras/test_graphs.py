"""Keras' graphs: Residual, models within models, and what is refused."""

import json

import h5py
import numpy as np
import pytest

from keras_helpers import (
    X,
    Y,
    call,
    config_of,
    dense,
    graph,
    kernels,
    layer,
    output,
    same_weights,
    saved,
    sequential,
    trained,
    weights_of,
    within,
    write,
)
from minicnn import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    BatchNorm,
    Dense,
    Input,
    InputLayer,
    Lion,
    Nadam,
    ReLU,
    Residual,
    RMSprop,
    Sequential,
    load_model,
)
from minicnn.errors import ConfigError, ModelFileError
from minicnn.optimizers.schedules import CosineDecay


def nested():
    """Blocks within blocks, whose layers have the same names, and a way around of two layers."""
    inner = Residual([Dense(4), BatchNorm(), ReLU(), Dense(4)], name="inner")
    return [
        Input((4,)),
        Dense(4),
        Residual([inner, Dense(5)], [Dense(6), Dense(5)]),
        Residual([Residual([Dense(5)])]),
        Dense(3, activation="softmax"),
    ]


# Residual as a functional model ----------------------------------------------------------


def test_residual_is_a_graph_in_the_order_of_keras(tmp_path):
    """Layers, their groups and what Adam remembers go by the distance from the end, as in Keras."""
    block = Residual([Dense(5, name="b")], [Dense(6, name="c"), Dense(5, name="d")], name="sum")
    model = Sequential(
        [Input((4,)), Dense(4, name="a"), block, Dense(3, "softmax", name="e")], seed=0
    )
    trained(model).save(tmp_path / "m.keras")
    described = config_of(tmp_path / "m.keras")
    assert described["class_name"] == described["registered_name"] == "Functional"
    layers = {layer["name"]: layer for layer in described["config"]["layers"]}
    # b and d are one step from the sum, and the sum names b first; c is two steps from it.
    assert list(layers) == ["input_layer", "a", "c", "b", "d", "sum", "e"]
    assert described["config"]["output_layers"] == [["e", 0, 0]]
    assert layers["sum"]["class_name"] == "Add"
    (call,) = layers["sum"]["inbound_nodes"]
    assert [part["config"]["keras_history"] for part in call["args"][0]] == [
        ["b", 0, 0],
        ["d", 0, 0],
    ]
    assert call["args"][0][0]["config"]["shape"] == [None, 5]
    with weights_of(tmp_path / "m.keras") as file:
        names = ["dense", "dense_1", "dense_2", "dense_3", "dense_4"]
        written = [file[f"layers/{name}/vars"].attrs["name"] for name in names]
        assert written == ["a", "c", "b", "d", "e"]
        shapes = [file[f"optimizer/vars/{i}"].shape for i in range(2, 22, 4)]
        assert shapes == [(4, 4), (4, 6), (4, 5), (6, 5), (5, 3)]
        np.testing.assert_array_equal(
            file["optimizer/vars/10"][()], model.optimizer.slots["sum.b.kernel"]["momentum"]
        )
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert file["layers/dense_2/vars"].attrs["name"] == "b"


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(0.01),
        SGD(0.01, momentum=0.9, nesterov=True),
        Adam(0.01, amsgrad=True),
        AdamW(CosineDecay(0.01, 20)),
        RMSprop(0.01, momentum=0.5, centered=True),
        Adagrad(0.1),
        Nadam(0.01),
        Lion(0.01),
    ],
    ids=repr,
)
def test_training_goes_on_from_either_file(optimizer, ending, tmp_path):
    """Blocks within blocks come back equal, and train on to the bit, with layers frozen too."""
    model = Sequential(nested(), seed=0)
    model.layers[1].layers[0].layers[0].trainable = False
    model.layers[2].trainable = False
    trained(model, type(optimizer).from_config(optimizer.get_config()))
    model.class_names = ("a", "b", "c")
    path = tmp_path / f"m.{ending}"
    model.save(path)
    again = load_model(path)
    assert len(again.params) == len(model.params)
    assert again.class_names == model.class_names
    frozen = [name for name, layer in again.leaves() if layer.params and not layer.trainable]
    assert frozen == ["inner_dense", "residual_1_residual_dense"]
    assert [repr(x) for x in (again.optimizer, again.loss, again.metrics)] == [
        repr(x) for x in (model.optimizer, model.loss, model.metrics)
    ]
    for each in (model, again):
        each.fit(X, Y, batch_size=4, epochs=1, verbose=0)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    whole = (sorted(w.ravel().tolist() for w in one.get_weights()) for one in (model, again))
    assert next(whole) == next(whole)


def test_names_are_unique_in_the_file_and_come_back(tmp_path):
    """A name that is there twice gets its Residual's before it."""
    inner = [Dense(4, name="x"), Dense(4, name="y"), Dense(4, name="r_y"), Dense(4, name="r_2")]
    layers = [Input((4,)), Dense(4, name="x"), Residual(inner, name="r"), Dense(4, name="r_x")]
    model = Sequential(layers, seed=0)
    model.save(tmp_path / "m.keras")
    names = [layer["name"] for layer in config_of(tmp_path / "m.keras")["config"]["layers"]]
    assert names == ["input_layer", "x", "r_x_1", "y", "r_y", "r_2", "r", "r_x"]
    again = load_model(tmp_path / "m.keras")
    assert [layer.name for layer in again.layers] == names
    same_weights(model, again)


def test_an_input_within_a_residual_is_not_saved(tmp_path):
    """Keras has no input in the middle of a model."""
    model = Sequential([Input((4,)), Residual([InputLayer((4,)), Dense(4)])])
    with pytest.raises(ConfigError, match=r"Residual 'residual': expected no Input"):
        model.save(tmp_path / "m.keras")


# What Keras writes -----------------------------------------------------------------------


def test_layers_may_stand_in_any_order(tmp_path):
    """Layers take each other's output, whatever their order in the file."""
    config = graph(dense("end", "a"), layer("InputLayer", "in"), dense("a", "in"))
    model = load_model(write(tmp_path / "m.keras", config, kernels(3, 2)))
    assert [each.name for each in model.layers] == ["in", "a", "end"]
    assert output(model) == [6, 6]
    assert model.layers[1].get_weights()[0][0, 0] == 2


def test_sums_of_keras(tmp_path):
    """x + f(x), f(x) + g(x), a sum within a sum, and one layer with three ways: 2, 3, 5 and 7."""
    config = graph(
        layer("InputLayer", "in"),
        dense("a", "in"),
        dense("b", "in"),
        layer("Add", "ab", ("in", "a")),
        dense("c", "ab"),
        layer("Add", "sum", ("ab", "c")),
        layer("Add", "all", ("b", "sum")),
        layer("Add", "x2", ("all", "in")),
        dense("end", "x2"),
    )
    path = write(tmp_path / "m.keras", config, kernels(2, 3, 5, 7))
    model = load_model(path)
    assert output(model) == [7 * (3 + (1 + 2) * (1 + 5) + 1)] * 2
    model.save(path)
    assert repr(load_model(path).layers) == repr(model.layers)
    assert output(load_model(path)) == output(model)
    names = [each["name"] for each in config_of(path)["config"]["layers"]]
    assert sorted(names) == sorted(each["name"] for each in config["config"]["layers"])


def test_training_in_a_graph_says_nothing(tmp_path):
    """Keras 3 notes training=False of a layer that drops, and drops in fit nevertheless."""
    drop = layer("Dropout", "drop", ("in",), rate=0.5)
    drop["inbound_nodes"][0]["kwargs"] = {"training": False}
    config = graph(layer("InputLayer", "in"), drop, dense("end", "drop"))
    assert output(load_model(write(tmp_path / "m.keras", config, kernels(2)))) == [2, 2]


def test_plus_is_an_add(tmp_path):
    """What was written as x + y in Keras is no layer there, but a sum all the same."""
    plus = layer("Add", "add", ("in", "a")) | {"module": "keras.src.ops.numpy"}
    plus["inbound_nodes"][0]["args"] = plus["inbound_nodes"][0]["args"][0]
    config = graph(layer("InputLayer", "in"), dense("a", "in"), plus, dense("end", "add"))
    assert output(load_model(write(tmp_path / "m.keras", config, kernels(2, 5)))) == [15, 15]


def test_models_within_models(tmp_path):
    """A Sequential and a graph within a model: their arrays are found in groups of their own."""
    base = within(
        "Functional",
        "base",
        layer("InputLayer", "in"),
        dense("a", "in"),
        layer("Add", "add", ("in", "a")),
        inputs=("aug",),
    )
    aug = within("Sequential", "aug", layer("InputLayer", "i"), dense("end"), inputs=("in",))
    config = graph(layer("InputLayer", "in"), aug, base, dense("end", "base"))
    arrays = {
        "layers/sequential/layers/dense/vars/0": np.eye(2) * 2,
        "layers/sequential/layers/dense/vars/1": np.zeros(2),
        "layers/functional/layers/dense/vars/0": np.eye(2) * 3,
        "layers/functional/layers/dense/vars/1": np.zeros(2),
        **kernels(5),
    }
    path = write(tmp_path / "m.keras", config, arrays)
    model = load_model(path)
    assert output(model) == [2 * (1 + 3) * 5] * 2
    assert [each.name for each in model.layers] == ["in", "aug", "base", "end"]
    assert [each.name for each in model.get_layer("base").layers] == ["in", "a", "add"]
    model.save(path)
    assert output(load_model(path)) == [40, 40]
    model.save(tmp_path / "m.h5")
    assert output(load_model(tmp_path / "m.h5")) == [40, 40]
    config["class_name"] = "Sequential"
    model = load_model(write(path, config, arrays))
    assert output(model) == [40, 40]
    del arrays["layers/functional/layers/dense/vars/1"]
    with pytest.raises(ModelFileError, match="2 arrays in layers/functional/layers/dense, got 1"):
        load_model(write(path, config, arrays))
    arrays = {**kernels(5, 1), "layers/sequential/layers/dense_1/vars/0": np.eye(2)}
    with pytest.raises(ModelFileError):
        load_model(write(path, config, arrays))


@pytest.mark.parametrize("blocks", [False, True])
def test_weights_of_models_within_models(blocks, tmp_path):
    """The arrays and the optimizer's, where the inner model is a row or has blocks."""
    body = [Dense(4, name="b"), ReLU(), Dense(4, name="a")]
    body = [Residual(body, name="sum")] if blocks else body
    inner = Sequential(body, name="body")
    layers = [Input((4,)), Dense(4, name="c"), inner, Dense(3, activation="softmax", name="d")]
    model = trained(Sequential(layers, seed=0))
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    kind = "functional" if blocks else "sequential"
    with h5py.File(path) as file:
        assert file[f"layers/{kind}/layers/dense/vars"].attrs["name"] == "b"
    again = Sequential.from_config(model.get_config())
    again.compile("adam", "sparse_categorical_crossentropy")
    again.load_weights(path)
    assert again.optimizer.iterations == 6
    same_weights(again, model)
    for each in (model, again):
        each.fit(X, Y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    same_weights(again, model)


def test_what_to_do_about_sizes_and_precisions_is_said(tmp_path):
    """An input of any size, and half precision, come with the way out."""
    config = sequential(layer("InputLayer", "in"), dense("end"))
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, None, None, 3]
    with pytest.raises(ModelFileError, match=r"got \[None, None, None, 3\]. In Keras make the mod"):
        load_model(write(tmp_path / "m.keras", config, {}))
    with pytest.raises(ModelFileError, match="make the model with the dtype policy 'float32'"):
        load_model(write(tmp_path / "m.keras", REFUSED["half precision"][0], {}))


def chain(*names, first="in"):
    """Layers one after another."""
    pairs = zip((first, *names), names, strict=False)
    return [layer("InputLayer", "in"), *(dense(name, before) for before, name in pairs)]


def deep_models(count):
    model = dense("a")
    for i in range(count):
        model = within("Sequential", f"m{i}", model)
    return model | {"class_name": "Sequential"}


def called(**changes):
    described = dense("end", "a")
    described["inbound_nodes"][0] |= changes
    return graph(*chain("a"), described)


REFUSED = {
    "an input that is no input of the model": (
        graph(*chain(), layer("InputLayer", "j"), layer("Add", "end", ("in", "j"))),
        "depends on InputLayer 'j' too",
    ),
    "an input that is not there": (
        {**graph(*chain("end")), "config": graph(*chain("end"))["config"]
         | {"input_layers": [["in", 0, 0], ["j", 0, 0]]}},
        "'the outputs' takes its input from 'j', which is not there",
    ),
    "shapes that do not merge": (
        graph(*chain("a"), layer("Flatten", "f", ("in",)),
              layer("Reshape", "r", ("f",), target_shape=[2, 1]),
              layer("Concatenate", "end", ("r", "a"))),
        "Concatenate 'end': expected inputs that are alike",
    ),
    "a sum of one": (
        graph(*chain("a"), layer("Add", "end", ("a",))),
        "Add 'end': expected at least 2 inputs, got 1",
    ),
    "an operation": (
        graph(*chain("a"), layer("Tan", "end", ("a",)) | {"module": "keras.src.ops.numpy"}),
        "got the operation 'Tan' in 'end'",
    ),
    "an operation on text": (
        graph(*chain("a"), layer("Multiply", "end", ("a",)) | {
            "module": "keras.src.ops.numpy",
            "inbound_nodes": [{"args": [*call("a")[0]["args"], "x"], "kwargs": {}}]}),
        "expected multiply of two tensors, or of one and a number",
    ),
    "a cycle": (graph(layer("InputLayer", "in"), dense("a", "end"), dense("end", "a")), "behind"),
    "dangling": (graph(*chain("a"), dense("end", "b")), "'b', which is not there"),
    "a second call": (
        graph(*chain("a"), dense("end", "a") | {"inbound_nodes": [[["a", 2, 0, {}]]]}),
        "output 0 of call 2 of the layer 'a', which is not",
    ),
    "a second output": (
        graph(*chain("a"), dense("end", "a") | {"inbound_nodes": [[["a", 0, 1, {}]]]}),
        "output 1 of call 0 of the layer 'a', which is not",
    ),
    "two inputs of a Dense": (
        graph(*chain("a"), layer("Dense", "end", ("in", "a"), units=2)),
        "Dense 'end': expected one input, got 2",
    ),
    "the same name": (graph(*chain("end", "end")), "two 'end'"),
    "no output": (graph(*chain("a"), output="b"), "from 'b', which is not there"),
    "nothing": (graph(), "does not describe layers|which is not there"),
    "a mask": (called(kwargs={"mask": call("a")}), "input alone, got 'end' with 'mask'"),
    "a number": (called(args=[*call("a")[0]["args"], 2]), "input alone, got 'end' with numbers"),
    "no call": (called(args=[]), "expected inputs of the layer 'end', got none"),
    "a call of nonsense": (called(args=3), "does not describe layers"),
    "Lambda": (graph(*chain("a"), layer("Lambda", "end", ("a",))), "expected layers, got a Python"),
    "layers where no layers belong": (
        graph(*chain("a"), layer("Dense", "end", ("a",), units=[layer("Residual", "x")])),
        "expected units as a whole number",
    ),
    "own class": (graph(*chain("a"), layer("Mine", "end", ("a",))), "minicnn has, got 'Mine'"),
    "models too deep": (deep_models(25), "at most 20 models within each other"),
    "too many layers": (graph(*chain(*map(str, range(3000)))), "at most 2000 layers, got 3001"),
    "quantized": (
        graph(*chain("a"), layer("Dense", "end", ("a",), units=2, dtype={
            "class_name": "QuantizedDTypePolicy",
            "config": {"mode": "int8", "source_name": "float32"},
        })),
        "float32 in 'a', QuantizedDTypePolicy in 'end'",
    ),
    "half precision": (
        graph(layer("InputLayer", "in"), layer("Dense", "end", ("in",), units=2, dtype={
            "class_name": "DTypePolicy", "config": {"name": "mixed_float16"},
        })),
        "all compute in float32, or all in float64, got mixed_float16 in 'end'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_graphs_of_another_kind_are_refused(case, tmp_path):
    """One line names the file and the layer; nothing recurses as deep as a stranger likes."""
    config, message = REFUSED[case]
    path = write(tmp_path / "m.keras", config, {})
    with pytest.raises(ModelFileError, match=message) as error:
        load_model(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("class_name", "config"),
    [
        ("Conv2D", {"filters": 2, "kernel_size": 1, "data_format": "channels_first"}),
        ("MaxPooling2D", {"data_format": "channels_first"}),
        ("Flatten", {"data_format": "channels_first"}),
        ("BatchNormalization", {"renorm": True}),
        ("BatchNormalization", {"synchronized": True}),
        ("LayerNormalization", {"rms_scaling": True}),
        ("Dense", {"units": 2, "activity_regularizer": {"class_name": "L2", "config": {}}}),
        ("Dense", {"units": 2, "lora_rank": 2}),
        ("Dense", {"units": 2, "quantization_config": {"mode": "int8"}}),
    ],
)
def test_arguments_that_change_the_meaning_are_refused(class_name, config, tmp_path):
    """What a layer would compute otherwise is refused by the argument's name."""
    described = {"class_name": "Sequential", "config": {"name": "s", "layers": [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 4, 4, 2]}},
        {"class_name": class_name, "config": {"name": "end", **config}},
    ]}}  # fmt: skip
    described["config"]["layers"][0]["config"]["name"] = "in"
    with pytest.raises(ModelFileError, match=f"argument '{list(config)[-1]}' = .* not supported"):
        load_model(write(tmp_path / "m.keras", described, {}))


def places(value, path=()):
    """Where in a description something stands."""
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


NONSENSE = [None, -1, 1e308, "", "Add", [], {}, [[[]]], True, {"class_name": "Sequential"}]
NONSENSE += [{"class_name": "__tuple__", "items": 3}, {"class_name": "function", "config": {}}]


def test_descriptions_of_nonsense_never_crash(tmp_path):
    """Anything anywhere in a description gives the model or a ModelFileError, and nothing else."""
    model = trained(Sequential(nested(), seed=0), "sgd")
    path = saved(model, tmp_path / "m.keras")
    with weights_of(path) as file:
        found = []
        file.visit(found.append)
        arrays = {name: file[name][()] for name in found if isinstance(file[name], h5py.Dataset)}
    text, choose, refused = json.dumps(config_of(path)), np.random.default_rng(2), 0
    where = list(places(json.loads(text)))
    for _ in range(150):
        config = place = json.loads(text)
        *way, last = where[choose.integers(len(where))]
        for key in way:
            place = place[key]
        place[last] = NONSENSE[choose.integers(len(NONSENSE))]
        try:
            load_model(write(path, config, arrays))
        except ModelFileError:
            refused += 1
    assert refused > 50
