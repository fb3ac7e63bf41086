"""The .h5 of Keras 2 before TensorFlow 2, and what damage does to a legacy file."""

import h5py
import numpy as np
import pytest

from legacy_helpers import (
    BIAS,
    CONV_2,
    KERNEL,
    NORM,
    file_of_keras_2,
    old_layer,
    put,
    small,
    trained,
)
from minicnn import Conv2D, Input, Sequential, load_model
from minicnn.errors import ModelFileError


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
    assert [layer.name for layer in nested.layers] == ["c", "sequential"]
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
    "kernel_constraint": ({"class_name": "MaxNrm", "config": {}}, "kernel_constraint .*MaxNrm"),
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
    ("BatchNormalization", NORM_2 | {"mode": 1}, "'mode' = 1"),
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
        (sgd(decay="fast"), "'decay' = 'fast' is not supported"),
        (sgd(decay=-1.0), "InverseTimeDecay: expected decay_rate as a number, 0 or more"),
        (sgd(decay=0.01), "SGD(learning_rate=InverseTimeDecay(0.5, 1, 0.01))"),
        (sgd(clipnorm=1.0), "clipnorm of Keras 2.2.2 is not supported"),
        ({"sample_weight_mode": "temporal"}, "'sample_weight_mode' = 'temporal'"),
        ({"loss_weights": [0.5]}, "'loss_weights'"),
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
