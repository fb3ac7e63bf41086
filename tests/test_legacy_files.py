"""The legacy .h5 of Keras 3 and tf.keras, and that files are read back before they count."""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

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
X = rng.standard_normal((12, 4)).astype(np.float32)
Y = np.arange(12) % 3


def same_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def small(**options):
    return Sequential(
        [Input((4,)), Dense(5), BatchNorm(), Dense(3, activation="softmax")], **options
    )


def trained(model):
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(X, Y, batch_size=4, verbose=0)
    return model


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


def old_layer(class_name, name, *inputs, **config):
    policy = {"class_name": "Policy", "config": {"name": "float32"}}
    config = {"name": name, "trainable": True, "dtype": policy, **config}
    described = {"class_name": class_name, "config": config}
    if inputs:
        calls = [[[before, 0, 0, {}] for before in inputs]] if inputs != ("",) else []
        described |= {"name": name, "inbound_nodes": calls}
    return described


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
NORM = {"axis": [3], "momentum": 0.9, "epsilon": 0.001, "center": True, "scale": True}
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


def put(group, name, names, arrays):
    group.attrs[name] = np.array([n.encode() for n in names])
    for each, array in zip(names, arrays, strict=True):
        group[each] = array


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


def test_an_add_of_tf_keras_is_a_residual(tmp_path):
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
    assert repr(again.layers[0]) == repr(load_model(tmp_path / "m.h5").layers[0])
    assert again.layers[0].shortcut is None
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
    assert [layer.name for layer in again.layers] == ["a", "bn", "b", "head"]
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
    training = TRAINING | {"optimizer_config": {"class_name": "Ftrl", "config": {}}}
    path = old_file(tmp_path / "m.h5", model, old_layers(False), training, False)
    with pytest.warns(UserWarning, match="got 'Ftrl'.*compile it again"):
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


# Keras 2 before TensorFlow 2 -----------------------------------------------------------

KERNEL = np.random.default_rng(1).standard_normal((3, 3, 2, 4)).astype(np.float32)
BIAS = np.arange(4, dtype=np.float32)
CONV_2 = {
    "name": "c",
    "trainable": True,
    "batch_input_shape": [None, 6, 6, 2],
    "dtype": "float32",
    "filters": 4,
    "kernel_size": [3, 3],
    "strides": [1, 1],
    "padding": "valid",
    "data_format": "channels_last",
    "dilation_rate": [1, 1],
    "activation": "linear",
    "use_bias": True,
    "kernel_initializer": {
        "class_name": "VarianceScaling",
        "config": {"scale": 2.0, "mode": "fan_in", "distribution": "normal", "seed": None},
    },
    "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
    "activity_regularizer": None,
    "kernel_constraint": None,
}
TRAINING_2 = {
    "optimizer_config": {"class_name": "SGD", "config": {"lr": 0.5, "decay": 0.0}},
    "loss": "mse",
    "metrics": ["acc"],
    "sample_weight_mode": None,
    "loss_weights": None,
}


def file_of_keras_2(path, *layers, arrays=None, version="2.2.2", backend="tensorflow", **training):
    """A Sequential as a list, as Keras before 2.2.3 has it: a convolution, then ``layers``."""
    arrays = {"c": (KERNEL, BIAS), **(arrays or {})}
    with h5py.File(path, "w") as file:
        config = [{"class_name": "Conv2D", "config": CONV_2}, *layers]
        described = {"class_name": "Sequential", "config": config}
        file.attrs["model_config"] = json.dumps(described).encode()
        file.attrs["training_config"] = json.dumps(TRAINING_2 | training).encode()
        file.attrs["keras_version"], file.attrs["backend"] = version.encode(), backend.encode()
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [name.encode() for name in arrays]
        for name, values in arrays.items():
            names = [f"{name}/{i}:0" for i in range(len(values))]
            put(weights.create_group(name), "weight_names", names, values)
    return path


def correlated(x, kernel):
    """The windows' products with the kernel, by plain loops."""
    y = np.empty((len(x), 4, 4, 4))
    for i in range(4):
        for j in range(4):
            y[:, i, j] = np.tensordot(x[:, i : i + 3, j : j + 3], kernel, 3) + BIAS
    return y


def test_a_list_of_layers_is_a_sequential(tmp_path):
    """Also one within, whose name the file does not have; the optimizer's rate was called lr."""
    x = np.random.default_rng(2).random((2, 6, 6, 2))
    path = file_of_keras_2(tmp_path / "m.h5")
    model = load_model(path)
    np.testing.assert_allclose(model.predict(x), correlated(x, KERNEL), rtol=1e-4, atol=1e-5)
    assert repr(model.optimizer) == "SGD(learning_rate=0.5)"
    within = {"class_name": "Sequential", "config": [old_layer("Dense", "d", units=1)]}
    arrays = {"sequential_1": (np.ones((4, 1)), np.zeros(1))}
    nested = load_model(file_of_keras_2(tmp_path / "n.h5", within, arrays=arrays))
    assert [layer.name for layer in nested.layers] == ["c", "d"]
    np.testing.assert_allclose(
        nested.predict(x), model.predict(x).sum(-1, keepdims=True), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("alone", [False, True])
def test_kernels_of_theano_are_turned_around(alone, tmp_path):
    """Theano convolves: y[0] of a row x with a kernel k is x[0] k[2] + x[1] k[1] + x[2] k[0]."""
    path = file_of_keras_2(tmp_path / "m.h5", backend="theano")
    model = load_model(path, compile=False)
    if alone:
        with h5py.File(path) as file, h5py.File(tmp_path / "w.h5", "w") as other:
            for name, value in file["model_weights"].attrs.items():
                other.attrs[name] = value
            other.attrs["backend"] = "theano"
            file.copy("model_weights/c", other)
        model = Sequential([Input((6, 6, 2)), Conv2D(4, 3)])
        model.load_weights(tmp_path / "w.h5")
    x = np.zeros((1, 6, 6, 2))
    x[0, 0, :3, 0] = [100, 10, 1]  # meets the lowest row of the kernel, from its right end
    hand = 100 * KERNEL[2, 2, 0] + 10 * KERNEL[2, 1, 0] + KERNEL[2, 0, 0] + BIAS
    np.testing.assert_allclose(model.predict(x)[0, 0, 0], hand, rtol=1e-5, atol=1e-4)


OF_OLD = {
    "data_format": ("channels_first", "'data_format' = 'channels_first'"),
    "activity_regularizer": ({"class_name": "L1L2", "config": {}}, "'activity_regularizer'"),
    "kernel_constraint": ({"class_name": "MaxNorm", "config": {}}, "'kernel_constraint'"),
    "dtype": ("float16", "float16 in 'c'"),
    "nb_filter": (4, "'nb_filter'"),
    "border_mode": ("valid", "'border_mode'"),
    "dim_ordering": ("th", "'dim_ordering'"),
    "bias": (False, "'bias' = False"),
    "init": ("glorot_uniform", "'init'"),
    "subsample": ([1, 1], "'subsample'"),
    "input_dtype": ("float32", "'input_dtype'"),
    "stateful": (True, "'stateful'"),
    "activation": ("hard_sigmoid", r"'hard_sigmoid' of Keras 2.2.2 in 'c': 0.2 x \+ 0.5"),
}


@pytest.mark.parametrize("key", OF_OLD)
def test_arguments_of_old_that_change_the_meaning(key, tmp_path, monkeypatch):
    """What minicnn has not, or has as something else since Keras 3, is refused by its name."""
    value, message = OF_OLD[key]
    monkeypatch.setitem(CONV_2, key, value)
    with pytest.raises(ModelFileError, match=message):
        load_model(file_of_keras_2(tmp_path / "m.h5"))


NORM_2 = NORM | {"axis": -1, "name": "b"}
FOUR = {"b": [np.ones(4, np.float32)] * 4}
LAYERS_OF_OLD = [
    ("BatchNormalization", NORM | {"name": "b", "fused": True, "virtual_batch_size": None}, ""),
    ("BatchNormalization", NORM_2 | {"axis": [1, 3]}, r"expected axis as a whole .* \(1, 3\)"),
    ("BatchNormalization", NORM_2 | {"mode": 0}, "'mode' = 0"),
    ("BatchNormalization", NORM_2 | {"renorm": True}, "'renorm'"),
    ("BatchNormalization", NORM_2 | {"virtual_batch_size": 4}, "'virtual_batch_size'"),
    ("Dropout", {"name": "b", "rate": 0.5, "noise_shape": None, "seed": None}, ""),
    ("Dropout", {"name": "b", "p": 0.5}, "'p'"),
    ("Flatten", {"name": "b", "data_format": "channels_first"}, "channels_first"),
    ("UpSampling2D", {"name": "b", "size": [2, 2], "interpolation": "nearest"}, ""),
    ("UpSampling2D", {"name": "b", "interpolation": "bilinear"}, "'bilinear' of Keras 2.2.2"),
]


@pytest.mark.parametrize(("class_name", "config", "message"), LAYERS_OF_OLD)
def test_layers_of_old(class_name, config, message, tmp_path):
    """What says nothing is left out, what changes the meaning is refused by name."""
    arrays = FOUR if class_name == "BatchNormalization" else None
    layer = {"class_name": class_name, "config": config}
    path = file_of_keras_2(tmp_path / "m.h5", layer, arrays=arrays)
    if not message:
        assert load_model(path).layers[1].name == "b"
        return
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def test_a_file_of_keras_1_is_refused(tmp_path):
    """Whole models and weights alone: arguments and kernels mean something else there."""
    path = file_of_keras_2(tmp_path / "m.h5", version="1.2.2")
    model = Sequential([Input((6, 6, 2)), Conv2D(4, 3)])
    for load in (load_model, model.load_weights):
        with pytest.raises(ModelFileError, match=r"got one of Keras 1\.2\.2"):
            load(path)


def sgd(**config):
    return {"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.5, **config}}}


ADAM_2 = {"lr": 0.25, "beta_1": 0.9, "beta_2": 0.999, "epsilon": None, "amsgrad": False}


@pytest.mark.parametrize(
    ("training", "found"),
    [
        (sgd(decay=0.01), "'decay' = 0.01 is not supported"),
        (sgd(clipnorm=1.0), "clipnorm of Keras 2.2.2 is not supported"),
        ({"sample_weight_mode": "temporal"}, "'sample_weight_mode' = 'temporal'"),
        ({"loss_weights": [0.5]}, "'loss_weights'"),
        ({"weighted_metrics": ["acc"]}, "'weighted_metrics'"),
        (sgd(clipvalue=1.0), "SGD(learning_rate=0.5, clipvalue=1.0)"),
        ({"sample_weight_mode": {"c": None}, "loss": {"c": "mse"}}, "SGD(learning_rate=0.5)"),
        (
            {"optimizer_config": {"class_name": "Adam", "config": ADAM_2}},
            "Adam(learning_rate=0.25)",
        ),
    ],
)
def test_training_of_old(training, found, tmp_path, recwarn):
    """An optimizer is read as it was meant, or the model is not compiled and it is said why."""
    model = load_model(file_of_keras_2(tmp_path / "m.h5", **training))
    said = [str(warning.message) for warning in recwarn]
    if model.optimizer is None:
        assert len(said) == 1
        assert found in said[0]
    else:
        assert (repr(model.optimizer), said) == (found, [])


def test_state_in_another_order_is_left_aside(tmp_path):
    """Keras to 2.3 calls what an optimizer remembers Variable, and has all m before all v."""
    adam = {"optimizer_config": {"class_name": "Adam", "config": ADAM_2}}
    path = file_of_keras_2(tmp_path / "m.h5", **adam)
    with h5py.File(path, "a") as file:
        names = ["Adam/iterations:0", *(f"training/Adam/Variable_{i}:0" for i in range(4))]
        arrays = [np.int64(3), KERNEL, BIAS, KERNEL, BIAS]
        put(file.create_group("optimizer_weights"), "weight_names", names, arrays)
    with pytest.warns(UserWarning, match=r"in the order of Keras 2.3. The optimizer starts anew"):
        assert load_model(path).optimizer.iterations == 0


DAMAGE = {
    "not HDF5": (lambda path: path.write_bytes(b"hello" * 99), "expected an HDF5 file"),
    "config": (lambda path: attribute(path, "model_config", "{"), "model_config is damaged"),
    "training": (lambda path: attribute(path, "training_config", "[]"), "training_config is dam"),
    "number": (lambda path: attribute(path, "model_config", 3), "without the layers' description"),
    "layers": (lambda path: attribute(path, "model_config", "{}"), "got None"),
    "names": (
        lambda path: attribute(path, "layer_names", ["dense"], "model_weights"),
        "the arrays of 3 layers, got those of 1",
    ),
    "elsewhere": (
        lambda path: attribute(path, "weight_names", ["x", "y"], "model_weights/dense"),
        "'model_weights/dense/x' is missing",
    ),
    "numbers": (
        lambda path: attribute(path, "layer_names", 3, "model_weights"),
        "the arrays of 3 layers, got those of 0",
    ),
}


def attribute(path, name, value, group="/"):
    with h5py.File(path, "a") as file:
        file[group].attrs[name] = value


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_get_one_line(damage, tmp_path):
    """Whatever is wrong with a legacy file, one line names the file and says what."""
    trained(small(seed=0)).save(tmp_path / "m.h5")
    harm, message = DAMAGE[damage]
    harm(tmp_path / "m.h5")
    with pytest.raises(ModelFileError, match=message) as error:
        load_model(tmp_path / "m.h5")
    assert str(tmp_path / "m.h5") in str(error.value)
    assert "\n" not in str(error.value)


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
