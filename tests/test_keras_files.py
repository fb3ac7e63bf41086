"""Keras' files: graphs, models within models, releases, the legacy format, and what is refused."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    BatchNorm,
    Conv2DTranspose,
    Dense,
    Input,
    LayerNorm,
    Lion,
    Nadam,
    ReLU,
    Residual,
    RMSprop,
    Sequential,
    load_model,
)
from minicnn._files.keras import compile_arguments
from minicnn.errors import ConfigError, ModelFileError
from minicnn.optimizers.schedules import CosineDecay

rng = np.random.default_rng(0)
X = rng.standard_normal((12, 4)).astype(np.float32)
Y = np.arange(12) % 3


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


def trained(model, optimizer="adam", epochs=2):
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, Y, batch_size=4, epochs=epochs, verbose=0)
    return model


def same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def weights_of(path):
    with zipfile.ZipFile(path) as archive:
        return h5py.File(io.BytesIO(archive.read("model.weights.h5")))


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
    assert repr(again.layers) == repr(model.layers)
    assert list(again.params) == list(model.params)
    assert again.class_names == model.class_names
    assert again.layers[2].trainable is False
    assert [repr(x) for x in (again.optimizer, again.loss, again.metrics)] == [
        repr(x) for x in (model.optimizer, model.loss, model.metrics)
    ]
    for each in (model, again):
        each.fit(X, Y, batch_size=4, epochs=1, verbose=0)
    same_weights(model, again)


def test_names_are_unique_in_the_file_and_come_back(tmp_path):
    """A name that is there twice gets its Residual's before it; odd names of a user's come back."""
    inner = [Dense(4, name="x"), Dense(4, name="y"), Dense(4, name="r_y"), Dense(4, name="r_2")]
    layers = [Input((4,)), Dense(4, name="x"), Residual(inner, name="r"), Dense(4, name="r_x")]
    model = Sequential(layers, seed=0)
    model.save(tmp_path / "m.keras")
    names = [layer["name"] for layer in config_of(tmp_path / "m.keras")["config"]["layers"]]
    assert names == ["input_layer", "x", "r_x_1", "y", "r_r_y", "r_2", "r", "r_x"]
    again = load_model(tmp_path / "m.keras")
    assert [layer.name for layer in again.layers[1].layers] == ["x_1", "y", "r_y", "r_2"]
    same_weights(model, again)


def test_an_input_within_a_residual_is_not_saved(tmp_path):
    """Keras has no input in the middle of a model."""
    model = Sequential([Input((4,)), Residual([Input((4,)), Dense(4)])])
    with pytest.raises(ConfigError, match=r"Residual 'residual': expected no Input"):
        model.save(tmp_path / "m.keras")


# What Keras writes -----------------------------------------------------------------------


def call(*names):
    """Keras 3's description of a call on the outputs of layers."""
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
        for name in names
    ]
    return [{"args": [tensors] if len(names) > 1 else tensors, "kwargs": {}}]


def layer(class_name, name, inputs=(), **config):
    config |= {"name": name, "trainable": True}
    if class_name == "InputLayer":
        config["batch_shape"] = [None, 2]
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": config,
        "registered_name": class_name,  # as Keras 3.0 has it
        "name": name,
        "inbound_nodes": call(*inputs) if inputs else [],
    }


def dense(name, *inputs):
    return layer("Dense", name, inputs, units=2, activation="linear", dtype="float32")


def graph(*layers, output="end"):
    config = {"name": "net", "trainable": True, "layers": list(layers)}
    config |= {"input_layers": ["in", 0, 0], "output_layers": [output, 0, 0]}
    return {"module": "keras", "class_name": "Functional", "config": config}


def kernels(*factors):
    """What the arrays of layers dense, dense_1, ... are that multiply by these numbers."""
    arrays = {}
    for i, factor in enumerate(factors):
        group = f"layers/dense{f'_{i}' * (i > 0)}/vars"
        arrays |= {f"{group}/0": np.eye(2) * factor, f"{group}/1": np.zeros(2)}
    return arrays


def write(path, config, arrays, attributes=()):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        for name, (key, value) in dict(attributes).items():
            file[name].attrs[key] = value
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def output(model):
    return model.predict(np.ones((1, 2)))[0].tolist()


def test_a_functional_chain_is_a_sequential(tmp_path):
    """Layers that take each other's output are in a row, whatever their order in the file."""
    config = graph(dense("end", "a"), layer("InputLayer", "in"), dense("a", "in"))
    model = load_model(write(tmp_path / "m.keras", config, kernels(3, 2)))
    assert [type(each).__name__ for each in model.stack] == ["Input", "Dense", "Dense"]
    assert [each.name for each in model.layers] == ["a", "end"]
    assert output(model) == [6, 6]
    assert model.layers[0].get_weights()[0][0, 0] == 2


def test_sums_of_keras_are_residuals(tmp_path):
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
    outer = model.layers[0]
    assert (outer.name, outer.shortcut) == ("x2", None)
    model.save(path)
    assert repr(load_model(path).layers) == repr(model.layers)
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


def within(class_name, name, *layers, inputs=()):
    """A model within the model."""
    described = graph(*layers, output=layers[-1]["name"])
    described |= {"class_name": class_name, "name": name}
    described["config"]["name"] = name
    return described | {"inbound_nodes": call(*inputs) if inputs else []}


def test_models_within_models_are_laid_flat(tmp_path):
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
    # The name of a layer within gives way to that of the model's own.
    assert [each.name for each in model.layers] == ["dense", "add", "end"]
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
def test_weights_of_models_within_models_go_by_their_names(blocks, tmp_path):
    """The arrays, and the optimizer's where its order is known, find their layers laid flat."""
    body = [Dense(4, name="b"), ReLU(), Dense(4, name="a")]
    body = [Residual(body, name="sum")] if blocks else body
    layers = [Input((4,)), Dense(4, name="c"), *body, Dense(3, activation="softmax", name="d")]
    model = trained(Sequential(layers, seed=0))
    path, flat = tmp_path / "m.weights.h5", tmp_path / "flat.weights.h5"
    model.save_weights(flat)
    groups = {"a": "sequential/layers/dense_1", "b": "sequential/layers/dense", "c": "dense"}
    groups |= {"d": "dense_1"}
    with h5py.File(flat) as old, h5py.File(path, "w") as file:
        old.copy("optimizer", file)
        for group in old["layers"].values():
            name = group["vars"].attrs["name"]
            if name in groups:
                old.copy(group, file, f"layers/{groups[name]}")
    again = Sequential.from_config(model.get_config())
    again.compile("adam", "sparse_categorical_crossentropy")
    if blocks:
        with pytest.warns(UserWarning, match=r"models in the model\. The optimizer is left as it"):
            again.load_weights(path)
        assert again.optimizer.iterations == 0
    else:
        again.load_weights(path)
        assert again.optimizer.iterations == 6
    same_weights(again, model)
    with h5py.File(path, "a") as file:
        del file["layers/sequential/layers/dense/vars"].attrs["name"]
    with pytest.raises(ModelFileError, match=r"of a model that has models within, where no .*'b'"):
        again.load_weights(path)


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


def deep_sums(count):
    layers, before = [layer("InputLayer", "in")], "in"
    for i in range(count):
        layers.append(dense(f"d{i}", before))
        before = f"d{i}"
    for i in reversed(range(count)):
        layers.append(layer("Add", f"s{i}", (f"d{i - 1}" if i else "in", before)))
        before = f"s{i}"
    return graph(*layers, output=before)


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
    "two inputs": (
        graph(*chain(), layer("InputLayer", "j"), layer("Add", "end", ("in", "j"))),
        "sums of two ways that begin at one layer",
    ),
    "two inputs by name": (
        {**graph(*chain("end")), "config": graph(*chain("end"))["config"]
         | {"input_layers": [["in", 0, 0], ["j", 0, 0]]}},
        "one input and one output, got 2 input_layers",
    ),
    "two outputs": (
        {**graph(*chain("end")), "config": graph(*chain("end"))["config"]
         | {"output_layers": [["in", 0, 0], ["end", 0, 0]]}},
        "one input and one output, got 2 output_layers",
    ),
    "concatenated": (
        graph(*chain("a"), layer("Concatenate", "end", ("in", "a"))),
        "the 'Concatenate' called 'end' with 2 inputs",
    ),
    "three summands": (
        graph(*chain("a", "b"), layer("Add", "end", ("in", "a", "b"))),
        "the 'Add' called 'end' with 3 inputs",
    ),
    "multiplied": (
        graph(*chain("a"), layer("Multiply", "end", ("in", "a"))),
        "the 'Multiply' called 'end' with 2 inputs",
    ),
    "shared": (
        graph(*chain("a"), dense("end", "a") | {"inbound_nodes": call("in") + call("a")}),
        "layers that are used once, got 'end', used 2 times",
    ),
    "added to itself": (
        graph(*chain("a"), layer("Add", "end", ("a", "a"))),
        "sums of two ways .* in 'end'",
    ),
    "crossing": (
        graph(*chain("a", "b"), layer("Add", "c", ("a", "in")), layer("Add", "end", ("b", "c"))),
        "sums of two ways .* in 'c'",
    ),
    "a cycle": (graph(layer("InputLayer", "in"), dense("a", "end"), dense("end", "a")), "behind"),
    "dangling": (graph(*chain("a"), dense("end", "b")), "'b', which is not there"),
    "a second call": (
        graph(*chain("a"), dense("end", "a") | {"inbound_nodes": [[["a", 2, 0, {}]]]}),
        "layers of one output, used once, got another before 'end'",
    ),
    "the same name": (graph(*chain("end", "end")), "two 'end'"),
    "leading nowhere": (graph(*chain("a"), dense("b", "in"), dense("end", "a")), "got 'b', which"),
    "no output": (graph(*chain("a"), output="b"), "lead to the output, 'b', got 'a'"),
    "an output in the middle": (graph(*chain("a", "b"), output="a"), "got 'b', which does not"),
    "nothing": (graph(), "does not describe layers|which is not there"),
    "a mask": (called(kwargs={"mask": call("a")}), "input alone, got 'end' with 'mask'"),
    "inference in tf.keras": (
        graph(*chain("a"), dense("end") | {"inbound_nodes": [[["a", 0, 0, {"training": False}]]]}),
        "input alone, got 'end' with 'training'",
    ),
    "a number": (called(args=[*call("a")[0]["args"], 2]), "input alone, got 'end' with numbers"),
    "no call": (called(args=[]), "the 'Dense' called 'end' with 0 inputs"),
    "a call of nonsense": (called(args=3), "does not describe layers"),
    "Lambda": (graph(*chain("a"), layer("Lambda", "end", ("a",))), "minicnn has, got 'Lambda'"),
    "a Residual, whose layers nobody counts": (
        {"class_name": "Sequential", "config": {"name": "s", "layers": [layer("InputLayer", "in"),
            layer("Residual", "end", layers=[layer("ReLU", "r")] * 2000)]}},
        r"sums as Keras has them \(Add\), got 'end' of class 'Residual'",
    ),
    "layers where no layers belong": (
        graph(*chain("a"), layer("Dense", "end", ("a",), units=[layer("Residual", "x")])),
        "expected units as a whole number",
    ),
    "own class": (graph(*chain("a"), layer("Mine", "end", ("a",))), "minicnn has, got 'Mine'"),
    "sums too deep": (deep_sums(21), "at most 20 sums within each other"),
    "models too deep": (deep_models(25), "at most 20 models within each other"),
    "too many layers": (graph(*chain(*map(str, range(3000)))), "at most 1000 layers, got 3001"),
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
        ("Dense", {"units": 2, "kernel_constraint": {"class_name": "MaxNorm", "config": {}}}),
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


# Classes of somebody's own ---------------------------------------------------------------


class Conv2D(minicnn.Conv2D):
    """Somebody's own layer, which is called as one of Keras'."""

    def forward(self, x, *, training=False, rng=None):
        y, cache = super().forward(x, training=training, rng=rng)
        return 2 * y, cache


class MaxPool(minicnn.MaxPool):
    """Somebody's own, of a class that is called otherwise in Keras."""


class MeanSquaredError(minicnn.losses.MeanSquaredError):
    """Somebody's own loss."""


OWN = {each.__name__: each for each in (Conv2D, MaxPool, MeanSquaredError)}


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_class_of_ones_own_is_never_taken_for_one_of_ours(ending, tmp_path):
    """What is saved of one that is called Conv2D asks for it, as a layer and as a loss."""
    model = Sequential([Input((4, 4, 1)), Conv2D(2, 3, name="mine"), MaxPool(), Dense(1)], seed=0)
    model.compile("sgd", MeanSquaredError())
    path = saved(model, tmp_path / f"m.{ending}")
    again = load_model(path, OWN)
    assert [type(each).__name__ for each in again.layers] == ["Conv2D", "MaxPool", "Dense"]
    assert type(again.loss) is MeanSquaredError
    x = np.ones((1, 4, 4, 1))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    for left_out in ("Conv2D", "MaxPool"):
        given = {name: each for name, each in OWN.items() if name != left_out}
        with pytest.raises(ModelFileError, match=f"got '{left_out}', a class of somebody's own"):
            load_model(path, given)
    given = {name: each for name, each in OWN.items() if name != "MeanSquaredError"}
    if ending == "keras":
        with pytest.raises(ModelFileError, match="loss: expected a class that minicnn has, got 'M"):
            load_model(path, given)
    else:
        with pytest.warns(UserWarning, match="loss: expected a class that minicnn has, got 'Mean"):
            assert load_model(path, given).optimizer is None


FOREIGN = [
    {"module": None, "registered_name": "mine>{}"},
    {"module": None, "registered_name": "{}"},
    {"module": "keras.layers", "registered_name": "mine>{}"},
    {"module": "__main__", "registered_name": None},
    {"module": "keras_cv.layers"},
    {"class_name": "mine>{}"},
    {"class_name": "Custom>{}"},
]
KERAS_OWN = [
    {"module": "keras.src.layers.core.dense", "registered_name": "{}"},
    {"module": "tf_keras.src.layers.core.dense", "registered_name": None},
    {"class_name": "keras>{}"},
    {},
]


def marked(described, marks):
    """A class as one of somebody's own is described, or one of Keras' in other ways."""
    described = {
        key: described[key] for key in described if key not in ("module", "registered_name")
    }
    return described | {
        key: mark and mark.format(described["class_name"]) for key, mark in marks.items()
    }


@pytest.mark.parametrize("marks", FOREIGN, ids=repr)
def test_a_layer_of_somebodys_own_is_refused(marks, tmp_path):
    """In whatever way a file says it of a Dense, of a model in the model, and of the model."""
    own = sequential(layer("InputLayer", "in"), marked(dense("end"), marks))
    path = write(tmp_path / "m.keras", own, kernels(2))
    with pytest.raises(ModelFileError, match=r"got 'Dense', a class of somebody's own.*custom_obj"):
        load_model(path)
    assert output(load_model(path, {"Dense": Dense})) == output(
        load_model(path, {"a>Dense": Dense})
    )
    inner = marked(within("Sequential", "m", layer("InputLayer", "in"), dense("end")), marks)
    with pytest.raises(ModelFileError, match="got 'Sequential', a class of somebody's own"):
        load_model(write(path, sequential(layer("InputLayer", "in"), inner), kernels(2)))
    with pytest.raises(ModelFileError, match="expected a Sequential or a Functional model"):
        load_model(write(path, marked(sequential(layer("InputLayer", "in")), marks), {}))


@pytest.mark.parametrize("marks", FOREIGN, ids=repr)
def test_objects_of_somebodys_own_are_refused(marks, tmp_path):
    """Initializers, regularizers, losses, metrics, optimizers and schedules, by the argument."""

    def own(name, **config):
        return marked({"class_name": name, "config": config}, marks)

    for argument, value in (
        ("kernel_initializer", own("Zeros")),
        ("bias_regularizer", own("L2")),
    ):
        described = dense("end")
        described["config"][argument] = value
        path = tmp_path / "m.keras"
        write(path, sequential(layer("InputLayer", "in"), described), kernels(2))
        with pytest.raises(ModelFileError, match=f"{argument}: expected a class that minicnn has"):
            load_model(path)
    decay = own("CosineDecay", initial_learning_rate=0.1, decay_steps=2)
    for argument, compiled in (
        ("loss", {"loss": own("MeanSquaredError")}),
        ("metrics", {"metrics": [own("MeanAbsoluteError")]}),
        ("optimizer", {"optimizer": own("SGD")}),
        ("learning_rate", {"optimizer": {"class_name": "SGD", "config": {"learning_rate": decay}}}),
    ):
        described = sequential(layer("InputLayer", "in"), dense("end"))
        described["compile_config"] = {"optimizer": "sgd", "loss": "mse", **compiled}
        write(path, described, kernels(2))
        with pytest.raises(ModelFileError, match=f"{argument}: expected a class that minicnn has"):
            load_model(path)


@pytest.mark.parametrize("marks", KERAS_OWN, ids=repr)
def test_classes_of_keras_in_all_its_spellings(marks, tmp_path):
    """Full paths of modules, tf.keras' and none at all are Keras' own."""
    described = sequential(layer("InputLayer", "in"), marked(dense("end"), marks))
    assert output(load_model(write(tmp_path / "m.keras", described, kernels(2)))) == [2, 2]


@pytest.mark.parametrize(
    "given", [[Dense], {"Adam": int}, {"Conv2D": "os.system"}, {3: Dense}, "Dense", {"a": Dense(2)}]
)
def test_custom_objects_are_names_and_classes(given, tmp_path):
    """Anything else is said in one line before the file is opened."""
    with pytest.raises(ConfigError, match="load_model: expected custom_objects as a dict of names"):
        load_model(tmp_path / "nowhere.keras", custom_objects=given)


# Names -----------------------------------------------------------------------------------

BAD_NAMES = ["", "a/b", "a//b", "/", ".", "..", "a\0", "\x1b[2J\x1b[31mEVIL\nsecond", "\ud800", 3]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_names_that_no_file_or_terminal_takes(name, tmp_path):
    """A layer, or a model, is never called so, whether a script names it or a file does."""
    expected = "expected name as a text of printable characters without '/', got"
    with pytest.raises(ConfigError, match=f"Dense: {expected}"):
        Dense(2, name=name)
    with pytest.raises(ConfigError, match=f"Dense: {expected}"):
        Dense(2).name = name
    with pytest.raises(ConfigError, match=f"Sequential: {expected}"):
        Sequential(name=name)
    if isinstance(name, str) and name and "/" not in name:
        path = tmp_path / "m.keras"
        write(path, sequential(layer("InputLayer", "in"), dense(name)), kernels(2))
        with pytest.raises(ModelFileError, match=f"Dense: {expected}"):
            load_model(path)


def test_names_with_a_path_in_files(tmp_path):
    """What tf.keras called block1/conv is block1_conv here, in a row and in a graph."""
    layers = layer("InputLayer", "b/in"), dense("b/a", "b/in"), dense("b/c", "b/a")
    described = graph(*layers, output="b/c")
    described["config"]["input_layers"] = ["b/in", 0, 0]
    for config in (described, sequential(*layers)):
        model = load_model(write(tmp_path / "m.keras", config, kernels(2, 3)))
        assert [each.name for each in model.stack] == ["b_in", "b_a", "b_c"]
        assert output(model) == [6, 6]


def test_names_of_classes_and_metrics_can_be_printed(tmp_path):
    """Those of classes are spelled out where a file would colour the terminal; metrics' refused."""
    model = Sequential([Input((2,)), Dense(2)])
    model.class_names = ("\x1b[31mred", "two\nlines", "\ud800", "grün")
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"m.{ending}")
        again = load_model(tmp_path / f"m.{ending}")
        assert again.class_names == ("\\x1b[31mred", "two\\nlines", "\\ud800", "grün")
    with pytest.raises(ConfigError, match="BinaryAccuracy: expected name as a text of printable"):
        minicnn.metrics.BinaryAccuracy(name="\x1b[2J")


def test_one_name_is_taken_in_h5(tmp_path):
    """Keras has a group of that name there, and none in .keras."""
    name = "top_level_model_weights"
    for taken in (Dense(2, name=name), Residual([Dense(2)], name=name)):
        model = Sequential([Input((2,)), taken])
        model.save(tmp_path / "m.keras")
        with pytest.raises(ConfigError, match=f"expected no layer called '{name}'"):
            model.save(tmp_path / "m.h5")


# Releases --------------------------------------------------------------------------------


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}


@pytest.mark.parametrize("part", ["model.weights.h5", "x.weights.h5"])
def test_files_from_windows(part, tmp_path):
    """Keras 2 has backslashes in the names of groups there, and a zip may have them in others."""
    layers = [Dense(4, name="a"), Dense(4), Dense(3, activation="softmax")]
    model = trained(Sequential([Input((4,)), *layers], seed=0))
    model.save(tmp_path / "a.keras")
    inside = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        config = archive.read("config.json")
        old = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    names = []
    old.visit(names.append)
    with h5py.File(inside, "w") as file:
        for name in names:
            if isinstance(old[name], h5py.Dataset):
                file[name.replace("/vars/", "|").replace("/", "\\").replace("|", "/vars/")] = old[
                    name
                ][()]
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "2.14.0"}')
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", inside.getvalue())
    if part == "model.weights.h5":
        again = load_model(tmp_path / "b.keras")
    else:
        (tmp_path / part).write_bytes(inside.getvalue())
        again = load_model(tmp_path / "a.keras")
        again.set_weights([np.zeros_like(array) for array in again.get_weights()])
        again.load_weights(tmp_path / part)
    same_weights(again, model)
    assert again.optimizer.iterations == model.optimizer.iterations
    with h5py.File(tmp_path / "c.weights.h5", "w") as file:
        file["layers\\dense\\vars\\0"] = file["layers/dense/vars/0"] = np.ones((4, 4))
    with pytest.raises(ModelFileError, match="expected datasets of different names, got two"):
        model.load_weights(tmp_path / "c.weights.h5")


def test_files_of_the_first_releases(tmp_path):
    """Their groups, seed generators and full module paths; layers are counted by number."""
    layers = [layer("InputLayer", "in"), layer("Dropout", "drop", rate=0.5)]
    layers += [dense(f"d{i}") for i in range(12)]
    arrays = kernels(*range(1, 13)) | {"layers/dropout/seed_generator/vars/0": np.zeros(2)}
    arrays = {
        key.replace("layers", "_layer_checkpoint_dependencies"): x for key, x in arrays.items()
    }
    model = load_model(write(tmp_path / "m.keras", sequential(*layers), arrays))
    assert [each.get_weights()[0][0, 0] for each in model.layers[1:]] == list(range(1, 13))


def test_half_precision_arrays_are_read_exactly(tmp_path):
    """float16 and bfloat16, which Keras marks, come as the float32 of the same number."""
    model = Sequential([Input((2,)), Dense(2)])
    upper = (np.float32([[1.5, -2], [0.1, 3e38]]).view(np.uint32) >> 16).astype("<u2")
    arrays = {"layers/dense/vars/0": upper.view("V2"), "layers/dense/vars/1": np.float16([0.1, 7])}
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file["layers/dense/vars/0"].attrs["dtype"] = "bfloat16"
    model.load_weights(path)
    kernel, bias = model.get_weights()
    expected = [[1.5, -2], [0.1, 3e38]]
    np.testing.assert_allclose(kernel, expected, rtol=2**-7)
    assert kernel[0].tolist() == [1.5, -2]
    assert bias.tolist() == [np.float32(np.float16(0.1)), 7]
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"].attrs["dtype"]
    with pytest.raises(ModelFileError, match="expected numbers"):
        model.load_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = np.zeros((2, 2), np.int8)
    with pytest.raises(ModelFileError, match="got int8, as quantized layers have it"):
        model.load_weights(path)


@pytest.mark.parametrize("left_out", [{"center": False}, {"scale": False}])
def test_batch_norm_without_one_array(left_out, tmp_path):
    """Without center or scale the other arrays move up."""
    layers = [layer("InputLayer", "in"), layer("BatchNormalization", "end", **left_out)]
    group = "layers/batch_normalization/vars"
    arrays = {f"{group}/{i}": np.full(2, 2.0 + i) for i in range(3)}
    model = load_model(write(tmp_path / "m.keras", sequential(*layers), arrays))
    assert [array[0] for array in model.get_weights()] == [2, 3, 4]
    assert list(model.layers[0].state) == ["moving_mean", "moving_variance"]


def test_what_keras_3_0_does_not_know_is_not_written(tmp_path):
    """Dtypes are bare names, and young arguments are left out where they say nothing."""
    up = Conv2DTranspose(2, 3, kernel_initializer="orthogonal")
    model = Sequential([Input((8, 8, 1)), up, LayerNorm(axis=2)], seed=0)
    model.compile("sgd", "mse")
    text = json.dumps(config_of(saved(model, tmp_path / "m.keras")))
    assert '"axis": [2]' in text
    assert '"name": "mean_squared_error"' in text
    assert repr(load_model(tmp_path / "m.keras").layers) == repr(model.layers)
    assert "output_padding" not in text
    assert "DTypePolicy" not in text
    assert '"dtype": "float32"' in text


def saved(model, path):
    model.save(path)
    return path


def test_orthogonal_has_two_names(tmp_path):
    """It is written under the one that all releases have, and read under both."""
    from minicnn.initializers import Orthogonal

    model = Sequential([Input((2,)), Dense(2, kernel_initializer=Orthogonal(2.0))], seed=0)
    path = saved(model, tmp_path / "m.keras")
    config = config_of(path)["config"]["layers"][1]["config"]["kernel_initializer"]
    assert config["class_name"] == "OrthogonalInitializer"
    same_weights(load_model(path), model)


def test_nadam_of_keras_3_0(tmp_path):
    """Its product of momenta stands before what it has of the parameters, later behind it."""
    model = trained(Sequential([Input((4,)), Dense(3, activation="softmax")], seed=0), "nadam")
    path = saved(model, tmp_path / "m.keras")
    with weights_of(path) as file:
        arrays = {f"layers/dense/vars/{i}": file[f"layers/dense/vars/{i}"][()] for i in range(2)}
        state = [file[f"optimizer/vars/{i}"][()] for i in range(7)]
    state.insert(2, state.pop())
    arrays |= {f"optimizer/vars/{i}": array for i, array in enumerate(state)}
    again = load_model(write(path, config_of(path), arrays))
    assert again.optimizer.u_product == model.optimizer.u_product < 1
    again.rng.bit_generator.state = model.rng.bit_generator.state
    for each in (model, again):
        each.fit(X, Y, epochs=1, verbose=0)
    same_weights(model, again)


def test_another_optimizers_state_is_a_warning(tmp_path):
    """What does not fit is left aside, as in Keras, and the weights are loaded."""
    model = trained(Sequential([Input((4,)), Dense(3, activation="softmax")], seed=0))
    path = saved(model, tmp_path / "m.keras")
    with weights_of(path) as file:
        arrays = {f"layers/dense/vars/{i}": file[f"layers/dense/vars/{i}"][()] for i in range(2)}
    arrays["optimizer/vars/0"] = 5
    with pytest.warns(
        UserWarning, match="expected 6 arrays of the optimizer, got 1. The optimizer"
    ):
        again = load_model(write(path, config_of(path), arrays))
    assert again.optimizer.iterations == 0
    same_weights(again, model)


@pytest.mark.parametrize("iterations", [0, 1])
@pytest.mark.parametrize("scheduled", [False, True])
def test_an_optimizer_that_never_stepped_is_no_warning(iterations, scheduled, tmp_path, recwarn):
    """Compiled and not trained, Keras keeps the count of steps and the rate: nothing is lost."""
    model = Sequential([Input((4,)), Dense(3)], seed=0)
    model.compile(Adam(CosineDecay(0.01, 20) if scheduled else 0.01), "mse")
    path = saved(model, tmp_path / "m.keras")
    with weights_of(path) as file:
        arrays = {f"layers/dense/vars/{i}": file[f"layers/dense/vars/{i}"][()] for i in range(2)}
    arrays["optimizer/vars/0"] = iterations
    if not scheduled:
        arrays["optimizer/vars/1"] = np.float32(0.01)
    again = load_model(write(path, config_of(path), arrays))
    assert again.optimizer.iterations == 0
    assert len(recwarn) == iterations
    trained(again)


# How it was compiled ---------------------------------------------------------------------


FUNCTION = {"module": "builtins", "class_name": "function", "registered_name": "function"}
MSE = "MeanSquaredError()"


@pytest.mark.parametrize(
    ("config", "loss", "metrics"),
    [
        ({"loss": "mse"}, MSE, "[]"),
        ({"loss": ["mse"], "metrics": ["acc"]}, MSE, "['acc']"),
        ({"loss": {"end": "mse"}, "metrics": {"end": "acc"}}, MSE, "['acc']"),
        ({"loss": None, "metrics": None}, "None", "[]"),
        ({"loss": FUNCTION | {"config": "mean_squared_error"}}, MSE, "[]"),
        (
            {"loss": "mse", "metrics": [["acc", FUNCTION | {"config": "mean_absolute_error"}]]},
            MSE,
            "['acc', MeanAbsoluteError()]",
        ),
        (
            {"loss": {"class_name": "BinaryCrossentropy", "config": {
                "reduction": "auto", "name": "b", "from_logits": True, "axis": -1,
                "label_smoothing": 0.0, "fn": "binary_crossentropy"}}},
            "BinaryCrossentropy(from_logits=True)",
            "[]",
        ),
        (
            {"loss": "mse", "metrics": [[{"class_name": "MeanMetricWrapper", "config": {
                "name": "accuracy", "dtype": "float32", "fn": "sparse_categorical_accuracy"}}]]},
            MSE,
            "[SparseCategoricalAccuracy(name='accuracy')]",
        ),
    ],
)  # fmt: skip
def test_losses_and_metrics_as_keras_writes_them(config, loss, metrics):
    """Strings, objects, functions, lists and names of outputs are compiled as Keras does."""
    model = Sequential([Input((2,)), Dense(1)])
    model.compile(**compile_arguments({"optimizer": "adam", **config}))
    assert (repr(model.loss), repr(list(model.metrics))) == (loss, metrics)


def test_optimizers_as_keras_writes_them():
    """Schedules, and arguments that only some releases have and that say nothing."""
    config = {"learning_rate": 0.5, "decay": 0.0, "is_legacy_optimizer": False, "use_ema": False}
    config |= {"jit_compile": True, "ema_overwrite_frequency": 100, "ema_momentum": 0.99}
    model = Sequential([Input((2,)), Dense(1)])
    model.compile(
        **compile_arguments({"optimizer": {"class_name": "Custom>Adam", "config": config}})
    )
    assert repr(model.optimizer) == "Adam(learning_rate=0.5)"
    decay = {"class_name": "ExponentialDecay", "config": {
        "initial_learning_rate": 1.0, "decay_steps": 2, "decay_rate": 0.5, "staircase": False,
        "name": "ExponentialDecay"}}  # fmt: skip
    optimizer = {"class_name": "SGD", "config": {"learning_rate": decay, "name": "sgd"}}
    model.compile(**compile_arguments({"optimizer": optimizer}))
    assert repr(model.optimizer) == "SGD(learning_rate=ExponentialDecay(1.0, 2, 0.5))"


@pytest.mark.parametrize(
    "config",
    [
        {"loss_weights": [0.5]},
        {"weighted_metrics": ["accuracy"]},
        {"optimizer": {"class_name": "Adam", "config": {"use_ema": True}}},
        {"optimizer": {"class_name": "Adam", "config": {"decay": 0.1}}},
        {"loss": {"class_name": "MeanSquaredError", "config": {"reduction": "sum"}}},
    ],
)
def test_compiling_that_changes_the_meaning_is_refused(config, tmp_path):
    """What would train otherwise is refused by name, and the model loads with compile=False."""
    described = sequential(layer("InputLayer", "in"), dense("end"))
    described["compile_config"] = {"optimizer": "sgd", "loss": "mse", **config}
    path = write(tmp_path / "m.keras", described, kernels(2))
    with pytest.raises(ModelFileError, match=r"is not supported.*load it with compile=False"):
        load_model(path)
    assert output(load_model(path, compile=False)) == [2, 2]


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
