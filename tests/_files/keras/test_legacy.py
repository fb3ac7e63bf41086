"""The legacy .h5 of Keras 3 and tf.keras, and that files are read back before they count."""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from legacy_helpers import NORM, X, Y, file_of_keras_2, old_layer, put, small, trained
from minicnn import (
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPool,
    Residual,
    Sequential,
    load_model,
)
from minicnn._files.keras import legacy
from minicnn.errors import ConfigError, ModelFileError

rng = np.random.default_rng(0)


def same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_layout_is_keras_own(tmp_path):
    """The attributes and groups are those that Keras 3 writes and follows."""
    model = trained(small(seed=0))
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        config = json.loads(file.attrs["model_config"])
        training = json.loads(file.attrs["training_config"])
        weights = file["model_weights"]
        assert config["class_name"] == "Sequential"
        assert set(config["config"]["layers"][1]) == {"class_name", "config"}
        assert training["optimizer_config"]["class_name"] == "Adam"
        assert training["loss"]["class_name"] == "SparseCategoricalCrossentropy"
        assert training["metrics"] == ["accuracy"]
        names = [layer.name for layer in model.stack]
        assert list(weights.attrs["layer_names"]) == names
        (kernel, _) = weights["dense"].attrs["weight_names"]
        assert kernel == "dense/kernel"
        np.testing.assert_array_equal(weights["dense"][kernel][()], model.get_weights()[0])
        state = file["optimizer_weights"].attrs["weight_names"]
        assert list(state[:2]) == ["iteration", "learning_rate"]
        assert len(state) == 2 + 2 * 6
        assert int(file["optimizer_weights/iteration"][()]) == 3


def test_large_models_fit(tmp_path, monkeypatch):
    """Neither the description nor the names are bound by the 64 kB of an HDF5 attribute."""
    monkeypatch.setattr(legacy, "NAMES_LIMIT", 200)
    model = Sequential([Input((1,)), *(Dense(1, use_bias=False) for _ in range(280))], seed=0)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert len(file.attrs["model_config"]) > 1 << 16
        attributes = file["model_weights"].attrs
        assert "layer_names" not in attributes
        assert [len(attributes[f"layer_names{i}"]) for i in range(2)] == [200, 81]
    same_weights(load_model(tmp_path / "m.h5"), model)


# tf.keras --------------------------------------------------------------------------------


def initializer(name):
    return {"class_name": name, "config": {"seed": None} if "Glorot" in name else {}}


CONV = {
    "filters": 2,
    "kernel_size": {"class_name": "__tuple__", "items": [3, 3]},
    "strides": [1, 1],
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "groups": 1,
    "activation": "relu",
    "use_bias": True,
    "kernel_initializer": initializer("GlorotUniform"),
    "bias_initializer": initializer("Zeros"),
    "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.01}},
    "activity_regularizer": None,
    "kernel_constraint": None,
}

HEAD = {"units": 3, "activation": "softmax", "use_bias": True}
ADAM = {
    "name": "Adam",
    "learning_rate": 0.0078125,  # is the same in single precision
    "decay": 0.0,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-07,
    "amsgrad": False,
}
TRAINING = {
    "loss": {
        "class_name": "SparseCategoricalCrossentropy",
        "config": {"reduction": "auto", "name": "l", "from_logits": False, "ignore_class": None},
    },
    "metrics": [
        [
            {
                "class_name": "MeanMetricWrapper",
                "config": {"name": "acc", "dtype": "float32", "fn": "sparse_categorical_accuracy"},
            }
        ]
    ],
    "weighted_metrics": None,
    "loss_weights": None,
    "optimizer_config": {"class_name": "Adam", "config": ADAM},
}


def reference():
    """The network that the files below are of."""
    layers = [
        Input((6, 6, 1)),
        Conv2D(2, 3, padding="same", activation="relu", kernel_regularizer="l2", name="conv"),
        BatchNorm(momentum=0.9, name="bn"),
        MaxPool(2, name="pool"),
        Flatten(name="flatten"),
        Dense(3, activation="softmax", name="head"),
    ]
    model = Sequential(layers, seed=0)
    model.compile(Adam(ADAM["learning_rate"]), "sparse_categorical_crossentropy")
    model.fit(IMAGES, Y, batch_size=4, verbose=0)
    return model


IMAGES = rng.standard_normal((12, 6, 6, 1)).astype(np.float32)


def old_file(path, model, layers, training, old_adam, class_name="Sequential", **config):
    """What tf.keras writes; ``old_adam`` as before 2.11, with all m before all v."""
    config |= {"name": "net", "layers": layers}
    with h5py.File(path, "w") as file:
        if layers is not None:
            described = {"class_name": class_name, "config": config}
            file.attrs["model_config"] = json.dumps(described).encode()
            file.attrs["training_config"] = json.dumps(training)
            file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        weights = file.create_group("model_weights") if layers is not None else file
        weights.attrs["layer_names"] = np.array([layer.name.encode() for layer in model.layers])
        for layer in model.layers:
            names = [f"{layer.name}/{name}:0" for name in layer.arrays()]
            put(weights.create_group(layer.name), "weight_names", names, layer.weights)
        if layers is not None:
            iterations, rate, *slots = model.optimizer.get_state(model.params)
            params = [name.replace(".", "/") for name in model.params]
            if old_adam:
                names = [f"Adam/{name}/{kind}:0" for kind in "mv" for name in params]
                slots = slots[::2] + slots[1::2]
                names, arrays = ["Adam/iter:0", *names], [iterations, *slots]
            else:
                names = [f"Adam/{kind}/{name}:0" for name in params for kind in "mv"]
                names = ["Adam/iteration:0", "Adam/learning_rate:0", *names]
                arrays = [iterations, rate, *slots]
            put(file.create_group("optimizer_weights"), "weight_names", names, arrays)
    return path


def old_layers(functional):
    links = ["in", "conv", "bn", "pool", "flatten"] if functional else []
    first = [old_layer("InputLayer", "in", "", batch_input_shape=[None, 6, 6, 1], sparse=False)]
    shape = {} if functional else {"batch_input_shape": [None, 6, 6, 1]}
    return (first if functional else []) + [
        old_layer("Conv2D", "conv", *links[:1], **CONV, **shape),
        old_layer("BatchNormalization", "bn", *links[1:2], **NORM),
        old_layer("MaxPooling2D", "pool", *links[2:3], pool_size=[2, 2], data_format=None),
        old_layer("Flatten", "flatten", *links[3:4], data_format="channels_last"),
        old_layer("Dense", "head", *links[4:5], **HEAD),
    ]


@pytest.mark.parametrize("old_adam", [False, True])
@pytest.mark.parametrize("functional", [False, True])
def test_files_of_tf_keras(functional, old_adam, tmp_path):
    """Both forms of model and both of Adam's state: training goes on to the bit."""
    model = reference()
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["head", 0, 0]]}
    path = old_file(
        tmp_path / "m.h5",
        model,
        old_layers(functional),
        TRAINING,
        old_adam,
        "Functional" if functional else "Sequential",
        **(ends if functional else {}),
    )
    again = load_model(path)
    assert repr(again.metrics) == "[SparseCategoricalAccuracy(name='acc')]"
    assert again.optimizer.iterations == 3
    again.rng.bit_generator.state = model.rng.bit_generator.state
    for each in (model, again):
        each.fit(IMAGES, Y, batch_size=4, verbose=0)
    same_weights(model, again)


def test_an_add_of_tf_keras(tmp_path):
    """Links in the older form, a sum, and the model called Model."""
    model = Sequential(
        [Input((4,)), Residual([Dense(4, name="a")], name="add"), Dense(3, name="head")], seed=0
    )
    layers = [
        old_layer("InputLayer", "in", "", batch_input_shape=[None, 4]),
        old_layer("Dense", "a", "in", units=4),
        old_layer("Add", "add", "in", "a"),
        old_layer("Dense", "head", "add", units=3),
    ]
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["head", 0, 0]]}
    described = {"class_name": "Model", "config": {"name": "net", "layers": layers, **ends}}
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(described)
        file.attrs["layer_names"] = []
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = ["in", "a", "add", "head"]
        weights.create_group("in").attrs["weight_names"] = np.array([])
        arrays = model.get_weights()
        for name in ("a", "head"):
            put(weights.create_group(name), "weight_names", ["k:0", "b:0"], arrays[:2])
            arrays = arrays[2:]
    again = load_model(tmp_path / "m.h5")
    assert [type(each).__name__ for each in again.layers] == ["InputLayer", "Dense", "Add", "Dense"]
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.optimizer is None


def test_arrays_of_a_model_within_go_by_their_names(tmp_path):
    """All arrays of a model within the model stand together, those that are not trained last."""
    inner = [Dense(4, name="a"), BatchNorm(name="bn"), Dense(4, name="b")]
    head = Dense(3, "softmax", name="head")
    model = trained(Sequential([Input((4,)), *inner, head], seed=0))
    described = {"class_name": "Sequential", "config": {"name": "block", "layers": [
        old_layer("InputLayer", "i", batch_input_shape=[None, 4]),
        old_layer("Dense", "a", units=4),
        old_layer("BatchNormalization", "bn", axis=[1]),
        old_layer("Dense", "b", units=4),
    ]}}  # fmt: skip
    layers = [
        old_layer("InputLayer", "in", batch_input_shape=[None, 4]),
        described,
        old_layer("Dense", "head", units=3),
    ]
    arrays = {f"{x.name}/{n}:0": a for x in model.layers for n, a in x.arrays().items()}
    with h5py.File(tmp_path / "m.h5", "w") as file:
        whole = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
        file.attrs["model_config"] = json.dumps(whole)
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = ["block", "head"]
        names = sorted((n for n in arrays if "head" not in n), key=lambda name: "moving" in name)
        put(weights.create_group("block"), "weight_names", names, [arrays[n] for n in names])
        names = [n for n in arrays if "head" in n]
        put(weights.create_group("head"), "weight_names", names, [arrays[n] for n in names])
    again = load_model(tmp_path / "m.h5")
    assert [layer.name for layer in again.layers] == ["block", "head"]
    assert [layer.name for layer in again.layers[0].layers] == ["a", "bn", "b"]
    same_weights(again, model)


def test_weights_alone(tmp_path):
    """What save_weights of tf.keras wrote is loaded, layer by layer; load_model says what it is."""
    model = reference()
    path = old_file(tmp_path / "w.h5", model, None, None, False)
    again = reference()
    again.set_weights([np.zeros_like(array) for array in again.get_weights()])
    again.load_weights(path)
    same_weights(again, model)
    with pytest.raises(ModelFileError, match="build the model, and call load_weights"):
        load_model(path)
    with pytest.raises(ModelFileError, match="expected the arrays of 2 layers, got those of 3"):
        Sequential([Input((4,)), Dense(5), Dense(3)]).load_weights(path)
    with pytest.raises(ModelFileError, match=r"expected shape \(4, 5\), got \(3, 3, 1, 2\)"):
        small().load_weights(path)
    with h5py.File(path, "a") as file:
        file["conv"].attrs["weight_names"] = ["conv/kernel:0"]
    with pytest.raises(ModelFileError, match="expected 2 arrays in 'conv', got 1"):
        again.load_weights(path)


def test_what_cannot_be_compiled_is_a_warning(tmp_path):
    """As in Keras, a model whose training is not understood loads, and is to be compiled again."""
    model = reference()
    training = TRAINING | {"optimizer_config": {"class_name": "Muon", "config": {}}}
    path = old_file(tmp_path / "m.h5", model, old_layers(False), training, False)
    with pytest.warns(UserWarning, match="got 'Muon'.*compile it again"):
        again = load_model(path)
    assert again.optimizer is None
    same_weights(again, model)
    assert load_model(path, compile=False).optimizer is None


def test_an_optimizer_without_its_state_starts_anew(tmp_path):
    """Keras 3 loses the state when it reads such a file, and writes what is left of it."""
    model = trained(small(seed=0))
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        names = file["optimizer_weights"].attrs["weight_names"]
        file["optimizer_weights"].attrs["weight_names"] = list(names[:2])
    with pytest.warns(UserWarning, match="expected 14 arrays of the optimizer, got 2"):
        again = load_model(tmp_path / "m.h5")
    assert again.optimizer.iterations == 0
    same_weights(again, model)


# Writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
def test_what_is_not_on_disk_as_written_takes_no_ones_place(name, tmp_path, monkeypatch):
    """A file is read back before it takes the name: a disk that loses bytes leaves the old one."""
    model = small(seed=0)
    write = model.save_weights if "weights" in name else model.save
    write(tmp_path / name)
    old = (tmp_path / name).read_bytes()
    model.set_weights([array + 1 for array in model.get_weights()])
    true_bytes, true_member = Path.write_bytes, zipfile.ZipFile.testzip
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: true_bytes(path, data[:-1]))
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda archive: "config.json")
    with pytest.raises(ConfigError, match="cannot be written: what was read back is not what was"):
        write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == [name]
    monkeypatch.setattr(Path, "write_bytes", true_bytes)
    monkeypatch.setattr(zipfile.ZipFile, "testzip", true_member)
    write(tmp_path / name)
    assert (tmp_path / name).read_bytes() != old


def test_what_releases_of_keras_2_wrote_otherwise(tmp_path):
    """Numbers as arrays of NumPy's, another name of BatchNormalization, weights of 1 for losses."""
    number = {"type": "ndarray", "value": 6.0}
    relu = {"class_name": "ReLU", "config": {"name": "r", "max_value": number}}
    norm = {"class_name": "BatchNormalizationV1", "config": {"name": "b", "axis": [3]}}
    arrays = {"b": (np.ones(4), np.zeros(4), np.zeros(4), np.ones(4))}
    path = file_of_keras_2(tmp_path / "m.h5", norm, relu, arrays=arrays, loss_weights=[1.0])
    model = load_model(path)
    assert [type(layer).__name__ for layer in model.layers] == ["Conv2D", "BatchNorm", "ReLU"]
    assert model.layers[-1].max_value == 6.0
    assert repr(model.optimizer) == "SGD(learning_rate=0.5)"


def test_the_first_adagrad_is_another_optimizer(tmp_path):
    """Its accumulators began at 0: the model is read and not compiled, and a warning says so."""
    adagrad = {"class_name": "Adagrad", "config": {"lr": 0.1, "decay": 0.0}}
    with pytest.warns(UserWarning, match="the Adagrad of Keras 2.2.2 is not supported"):
        model = load_model(file_of_keras_2(tmp_path / "m.h5", optimizer_config=adagrad))
    assert model.optimizer is None


def test_a_model_may_be_the_first_layer(tmp_path):
    """The shape of an image is then that of its first layer, at any depth."""
    model = load_model(file_of_keras_2(tmp_path / "m.h5"))
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        inner = json.loads(file.attrs["model_config"])
        for _ in range(2):
            outer = {"class_name": "Sequential", "config": [inner, old_layer("Flatten", "f")]}
            inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}
        file.attrs["model_config"] = json.dumps(outer).encode()
        del file["model_weights"].attrs["layer_names"]
        file["model_weights"].attrs["layer_names"] = [b"s", b"f"]
        file["model_weights"].move("c", "s")
        file["model_weights"].create_group("f").attrs["weight_names"] = np.zeros(0, "S1")
    again = load_model(tmp_path / "m.h5", compile=False)
    assert again.input_shape == (6, 6, 2)
    x = np.random.default_rng(2).random((2, 6, 6, 2))
    np.testing.assert_array_equal(again.predict(x), model.predict(x).reshape(2, -1))
