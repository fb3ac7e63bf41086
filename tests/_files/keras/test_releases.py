"""Files of Keras' releases, and how a model in them was compiled."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from keras_helpers import (
    X,
    Y,
    config_of,
    dense,
    kernels,
    layer,
    output,
    same_weights,
    saved,
    sequential,
    trained,
    weights_of,
    write,
)
from minicnn import Adam, Conv2DTranspose, Dense, Input, LayerNorm, Sequential, load_model
from minicnn._keras.compiled import compile_arguments
from minicnn.errors import ModelFileError
from minicnn.optimizers.schedules import CosineDecay

# Releases --------------------------------------------------------------------------------


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
