"""Saved models come back as they were; damaged and foreign files get one line."""

import io
import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn import (
    SGD,
    Activation,
    Adam,
    AvgPool,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Input,
    Layer,
    MaxPool,
    ReLU,
    Rescaling,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    export_onnx,
    import_onnx,
)
from minicnn import load_model as load
from minicnn._cli.convert import convert
from minicnn._files.atomic import replacing
from minicnn.data.images import load_image
from minicnn.errors import ConfigError, ModelFileError
from minicnn.losses import CategoricalCrossentropy, MeanSquaredError
from minicnn.metrics import BinaryAccuracy
from minicnn.optimizers.schedules import CosineDecay, LearningRateSchedule
from minicnn.regularizers import Regularizer


def every_layer_model():
    return Sequential(
        [
            Input((16, 16, 3)),
            Rescaling(1 / 255, offset=-0.5),
            Conv2D(4, 3, padding="same", use_bias=False, kernel_initializer="he_normal"),
            BatchNorm(momentum=0.9),
            ReLU(negative_slope=0.1),
            MaxPool(2, padding="same"),
            Conv2D(6, (2, 3), strides=(2, 1), activation="tanh"),
            AvgPool(2),
            Conv2D(6, 1),
            Sigmoid(),
            Dropout(0.2),
            GlobalAvgPool(keepdims=True),
            Flatten(),
            Dense(5, activation="relu"),
            Tanh(),
            Activation("linear"),
            Dense(3),
            Softmax(),
        ],
        seed=0,
    )


@pytest.fixture
def saved(tmp_path):
    model = every_layer_model()
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8), rng.integers(0, 3, 20)
    model.fit(x, y, epochs=2, verbose=0)
    model.class_names = ("a", "b", "c")
    path = tmp_path / "model.keras"
    model.save(path)
    return model, path, x, y


def test_every_layer_comes_back(saved):
    """A model of every layer predicts the same bits after a round trip, and keeps its names."""
    model, path, x, _ = saved
    again = load(path)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert [layer.name for layer in again.stack] == [layer.name for layer in model.stack]
    assert again.class_names == ("a", "b", "c")
    assert again.get_weights()[0].dtype == np.float32


def test_training_goes_on_with_the_same_numbers(saved):
    """Optimizer and generator come back too: both models take the same next steps, to the bit."""
    model, path, x, y = saved
    again = load(path)
    for m in (model, again):
        m.fit(x, y, epochs=2, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), SGD(0.1, momentum=0.9, nesterov=True), Adam(CosineDecay(0.1, 50)), Adam(0.1)],
    ids=repr,
)
def test_compiled_as_it_was(optimizer, tmp_path):
    """Optimizer, schedule, loss and metrics come back with their arguments; float64 stays."""
    model = Sequential([Input((3,)), Dense(2, activation="softmax")], dtype="float64", seed=0)
    metric = BinaryAccuracy(threshold=0.3)
    model.compile(optimizer, CategoricalCrossentropy(label_smoothing=0.1), [metric, "accuracy"])
    model.fit(np.eye(3), np.eye(3)[:, :2], verbose=0)
    model.save(tmp_path / "m.keras")
    again = load(tmp_path / "m.keras")
    assert repr(again.optimizer) == repr(optimizer)
    assert again.optimizer.iterations == 1
    assert repr(again.loss) == repr(model.loss)
    assert repr(again.metrics) == repr(model.metrics)
    assert again.dtype == np.float64


def test_layout_is_keras_own(saved):
    """The zip, the groups and the attributes are those that Keras 3 writes."""
    _, path, _, _ = saved
    with zipfile.ZipFile(path) as archive:
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
        assert set(archive.namelist()) == {"metadata.json", "config.json", "model.weights.h5"}
        config = json.loads(archive.read("config.json"))
        data = archive.read("model.weights.h5")
    assert config["class_name"] == "Sequential"
    first, *rest = config["config"]["layers"]
    assert first["class_name"] == "InputLayer"
    assert first["config"]["batch_shape"] == [None, 16, 16, 3]
    assert {layer["module"] for layer in rest} == {"keras.layers"}
    with h5py.File(io.BytesIO(data)) as file:
        groups = set(file["layers"])
        assert {"conv2d", "conv2d_1", "max_pooling2d", "re_lu", "batch_normalization"} <= groups
        assert "input_layer" not in groups
        variables = file["layers/batch_normalization/vars"]
        assert variables.attrs["name"] == "batch_normalization"
        assert sorted(variables) == ["0", "1", "2", "3"]
        assert int(file["optimizer/vars/0"][()]) == 2
        assert float(file["optimizer/vars/1"][()]) == pytest.approx(0.01)


class Doubling(Layer):
    """y = factor * x: a class that no file may bring with it."""

    def __init__(self, factor=2, name=None):
        super().__init__(name)
        self.factor = factor

    def forward(self, x, *, training=False, rng=None):
        return x * self.factor, None

    def backward(self, dy, cache):
        return dy * self.factor, {}


def test_a_layer_of_ones_own_needs_custom_objects(tmp_path):
    """A file never imports a class by its name: the user hands it in."""
    model = Sequential([Input((3,)), Doubling(3), Dense(2)], seed=0)
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"got 'Doubling'.*custom_objects"):
        load(tmp_path / "m.keras")
    again = load(tmp_path / "m.keras", custom_objects={"Doubling": Doubling})
    np.testing.assert_array_equal(again.predict(np.eye(3)), model.predict(np.eye(3)))
    assert again.layers[0].factor == 3


def test_frozen_layers_stay_frozen(tmp_path):
    """trainable=False is kept in the file."""
    model = Sequential([Input((4, 4, 1)), Conv2D(2, 3), BatchNorm(), Flatten(), Dense(2)])
    model.layers[0].trainable = False
    model.save(tmp_path / "m.keras")
    assert [layer.trainable for layer in load(tmp_path / "m.keras").layers] == [
        False,
        True,
        True,
        True,
    ]


def rewrite(path, **members):
    """The same archive with some members changed; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()} | members
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            if data is not None:
                archive.writestr(name, data)


def edited(path, change):
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    change(config)
    rewrite(path, **{"config.json": json.dumps(config)})


def weights(path, change):
    with zipfile.ZipFile(path) as archive:
        buffer = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(buffer, "a") as file:
        change(file)
    rewrite(path, **{"model.weights.h5": buffer.getvalue()})


def replaced(name, **options):
    def change(file):
        del file[name]
        file.create_dataset(name, **options)

    return change


def linked(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "x")


def layer_config(index, **changes):
    return lambda config: config["config"]["layers"][index]["config"].update(changes)


DAMAGE = {
    "missing": (lambda p: p.unlink(), "cannot be read: no such file"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "expected a file, got a folder"),
    "empty": (lambda p: p.write_bytes(b""), "expected a .keras file"),
    "another kind": (lambda p: p.write_bytes(b"hello" * 99), "expected a .keras file"),
    "cut short": (lambda p: os.truncate(p, p.stat().st_size // 2), "expected a .keras file"),
    "no config": (lambda p: rewrite(p, **{"config.json": None}), "one without config.json"),
    "no weights": (lambda p: rewrite(p, **{"model.weights.h5": None}), "one without model.w"),
    "bad json": (lambda p: rewrite(p, **{"config.json": b"{"}), "config.json is damaged"),
    "deep json": (lambda p: rewrite(p, **{"config.json": b"[" * 10**5}), "json is damaged"),
    "a list": (lambda p: rewrite(p, **{"config.json": b"[]"}), "config.json is damaged"),
    "bad weights": (lambda p: rewrite(p, **{"model.weights.h5": b"x" * 99}), "is damaged"),
    "a class of its own": (
        lambda p: edited(p, lambda c: c.update(class_name="MyModel")),
        "expected a Sequential or a Functional model, got 'MyModel'",
    ),
    "no graph": (
        lambda p: edited(p, lambda c: c.update(class_name="Functional")),
        "does not describe layers",
    ),
    "no layers": (lambda p: edited(p, lambda c: c["config"].clear()), "does not describe layers"),
    "lambda": (
        lambda p: edited(p, lambda c: c["config"]["layers"][2].update(class_name="Lambda")),
        "expected layers, got a Python function",
    ),
    "channels first": (
        lambda p: edited(p, layer_config(2, data_format="channels_first")),
        "'data_format' = 'channels_first' is not supported",
    ),
    "dilation": (lambda p: edited(p, layer_config(2, dilation_rate=[2, 0])), "dilation_rate"),
    "bad argument": (lambda p: edited(p, layer_config(2, filters=-1)), "filters as a whole"),
    "wrong type": (lambda p: edited(p, layer_config(2, strides={})), "expected strides"),
    "other filters": (lambda p: edited(p, layer_config(2, filters=5)), "expected shape"),
    "layer gone": (
        lambda p: weights(p, lambda f: f["layers"].pop("dense")),
        "expected 2 arrays in layers/dense, got none",
    ),
    "array gone": (
        lambda p: weights(p, lambda f: f["layers/dense/vars"].pop("1")),
        "expected 2 arrays in layers/dense, got 1",
    ),
    "wrong shape": (
        lambda p: weights(p, replaced("layers/dense/vars/1", data=np.zeros(7))),
        "expected shape",
    ),
    "strings": (
        lambda p: weights(p, replaced("layers/dense/vars/1", data=np.array([b"a"] * 5, object))),
        "expected numbers",
    ),
    "external data": (
        lambda p: weights(
            p,
            replaced(
                "layers/dense/vars/1",
                shape=(5,),
                dtype="f4",
                external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)],
            ),
        ),
        "points to data in other files",
    ),
    "bytes for numbers": (
        lambda p: weights(p, replaced("layers/dense/vars/1", data=np.array([b"a"] * 5))),
        "expected numbers",
    ),
    "negative iteration": (
        lambda p: weights(p, replaced("optimizer/vars/0", data=-1)),
        "iterations as a whole number of at least 0, got .*-1",
    ),
    **{
        f"{kind} of iterations": (
            lambda p, found=found: weights(p, replaced("optimizer/vars/0", data=found)),
            "expected iterations as a|expected numbers",
        )
        for kind, found in {
            "an infinity": 1e300,
            "half": 1.5,
            "the truth": True,
            "too many": np.uint64(2**64 - 1),
        }.items()
    },
    "a bias or not": (
        lambda p: edited(p, layer_config(2, use_bias="no")),
        "Conv2D: expected use_bias as True or False, got 'no'",
    ),
    "trained or not": (
        lambda p: edited(p, layer_config(2, trainable="no")),
        "Conv2D 'conv2d': expected trainable as True or False, got 'no'",
    ),
    "a maximum or not": (
        lambda p: edited(
            p, lambda c: c["compile_config"]["optimizer"]["config"].update(amsgrad="no")
        ),
        "Adam: expected amsgrad as True or False, got 'no'",
    ),
    "a generator of another kind": (
        lambda p: rewrite(p, **{"metadata.json": b'{"minicnn": {"generator": {"a": 1}}}'}),
        "makes no model",
    ),
    "link": (lambda p: weights(p, linked), "is a link, which minicnn does not follow"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_get_one_line(damage, saved):
    """Whatever is wrong with a model file, one line names the file and says what."""
    _, path, _, _ = saved
    harm, message = DAMAGE[damage]
    harm(path)
    with pytest.raises(ModelFileError, match=message) as error:
        load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_numpy_numbers_as_arguments(tmp_path):
    """Arguments that are NumPy's own numbers are saved like any other."""
    model = Sequential([Input((3,)), Dense(np.int64(2)), Dense(np.int32(1))], seed=0)
    model.compile(Adam(CosineDecay(np.float32(0.5), np.int64(5))), "mse")
    model.save(tmp_path / "m.keras")
    assert load(tmp_path / "m.keras").layers[0].units == 2


def test_what_cannot_be_compiled_can_still_predict(saved):
    """A file with an optimizer that is not here says so, and loads with compile=False."""
    model, path, x, _ = saved
    edited(path, lambda c: c["compile_config"]["optimizer"].update(class_name="Muon"))
    with pytest.raises(ModelFileError, match=r"got 'Muon'.* load it with compile=False"):
        load(path)
    again = load(path, compile=False)
    assert again.optimizer is None
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_damaged_model_files_never_crash(saved):
    """Bytes changed anywhere give the model or a ModelFileError, and nothing else."""
    _, path, _, _ = saved
    good, mutate, refused = path.read_bytes(), np.random.default_rng(1), 0
    for _ in range(300):
        bad = bytearray(good)
        for position in mutate.integers(0, len(bad), mutate.integers(1, 20)):
            bad[position] = mutate.integers(256)
        path.write_bytes(bad)
        try:
            load(path)
        except ModelFileError:
            refused += 1
    assert refused > 50


def test_saving_needs_the_right_name_and_a_folder(tmp_path):
    """A path of another kind, and a folder that is not there, are said in one line."""
    model = Sequential([Input((3,)), Dense(2)])
    with pytest.raises(ConfigError, match=r"ends in .keras or .h5, got .*model\.onnx"):
        model.save(tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match=r"ends in .keras or .h5, got .*a\.weights\.h5"):
        model.save(tmp_path / "a.weights.h5")
    with pytest.raises(ConfigError, match="cannot be written: no such file or directory"):
        model.save(tmp_path / "nowhere" / "model.keras")


@pytest.mark.parametrize("name", ["best.model", "best", "best.hdf5", "best.ckpt"])
@pytest.mark.filterwarnings("ignore:save. .* is an HDF5 file")
def test_files_go_by_any_name(name, tmp_path):
    """As in Keras 2 a model, or its weights, are an HDF5 file under any other name."""
    x = np.ones((1, 3), np.float32)
    model, other = (Sequential([Input((3,)), Dense(2, name="d")], seed=s) for s in (0, 1))
    model.compile("adam", "mse")
    model.fit(x, np.ones((1, 2)), verbose=0)
    model.save(tmp_path / name)
    again = load(tmp_path / name)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.optimizer.iterations == 1
    model.save(tmp_path / name, include_optimizer=False)
    assert load(tmp_path / name).optimizer is None
    model.save_weights(tmp_path / name)
    other.load_weights(tmp_path / name)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    with pytest.raises(ConfigError, match="free, as overwrite=False says"):
        model.save_weights(tmp_path / name, overwrite=False)


@pytest.mark.parametrize("ending", [".h5", ".weights.h5"])
def test_weights_of_some_layers(ending, tmp_path):
    """By name in any order; those of other shapes are refused, or left as they are."""

    def network(*layers):
        return Sequential([Input((3,)), *layers], seed=len(layers))

    network(Dense(4, name="a"), Dense(2, name="b")).save_weights(path := tmp_path / f"w{ending}")
    saved = load_again = network(Dense(4, name="a"), Dense(2, name="b"))
    saved.load_weights(path)
    wider = network(Dense(4, name="a"), Dense(5, name="b"))
    before = wider.get_weights()
    with pytest.raises(ModelFileError, match=r"expected (arrays|shape) .*\(4, 2\)"):
        wider.load_weights(path, by_name=ending == ".h5", skip_mismatch=False)
    with pytest.warns(UserWarning, match="the arrays of b have other shapes"):
        wider.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(wider.get_weights()[0], load_again.get_weights()[0])
    np.testing.assert_array_equal(wider.get_weights()[2], before[2])
    if ending == ".h5":
        longer = network(Dense(3, name="new"), Dense(4, name="a"), Dense(2, name="other"))
        before = longer.get_weights()
        longer.load_weights(path, by_name=True)
        np.testing.assert_array_equal(longer.get_weights()[2], load_again.get_weights()[0])
        for i in (0, 1, 4, 5):
            np.testing.assert_array_equal(longer.get_weights()[i], before[i])


def test_a_failed_write_leaves_the_old_file(tmp_path):
    """If writing fails on the way, the old file stays and no other is left behind."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(error):
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(RuntimeError):
        fail(RuntimeError())
    with pytest.raises(ConfigError, match=r"a\.txt: cannot be written: no space left"):
        fail(OSError(28, "No space left on device"))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    with replacing(path) as unfinished:
        unfinished.write_text("new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == Path(tmp_path / "plain").stat().st_mode


class Twice(Regularizer):
    """Someone's own."""

    def __call__(self, x):
        return 2 * float(np.abs(x).sum())

    def gradient(self, x):
        return 2 * np.sign(x)


class OwnLoss(MeanSquaredError):  # noqa: N818 - a loss, no exception
    """Someone's own loss."""


class Halving(LearningRateSchedule):
    """Someone's own schedule."""

    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        return self.start / 2**step


def test_objects_of_one_s_own_come_back(tmp_path):
    """Regularizers, losses and schedules are made of the classes in custom_objects alone."""
    model = Sequential([Input((3,)), Dense(1, kernel_regularizer=Twice())], seed=0)
    model.compile(SGD(Halving(0.1)), OwnLoss())
    model.fit(np.eye(3), np.ones(3), epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    own = {"Twice": Twice, "OwnLoss": OwnLoss, "Halving": Halving}
    again = load(tmp_path / "m.keras", custom_objects=own)
    for each in (model, again):
        each.fit(np.eye(3), np.ones(3), epochs=2, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ModelFileError, match="Twice"):
        load(tmp_path / "m.keras")


def test_weights_of_another_model_are_refused(tmp_path):
    """A file with one layer more is another model's; another optimizer's memory is left aside."""
    two = Sequential([Input((4,)), Dense(4), Dense(4)], seed=0)
    two.save_weights(tmp_path / "two.weights.h5")
    one = Sequential([Input((4,)), Dense(4)], seed=1)
    before = one.get_weights()
    with pytest.raises(ModelFileError, match="those of a layer 'dense_1' as well"):
        one.load_weights(tmp_path / "two.weights.h5")
    assert np.array_equal(before[0], one.get_weights()[0])
    one.compile("adam", "mse")
    one.save_weights(tmp_path / "one.weights.h5")
    other = Sequential([Input((4,)), Dense(4)], seed=2)
    other.compile(SGD(0.1), "mse")
    with pytest.warns(UserWarning, match="The optimizer is left as it is"):
        other.load_weights(tmp_path / "one.weights.h5")
    assert np.array_equal(one.get_weights()[0], other.get_weights()[0])
    assert other.optimizer.learning_rate == 0.1


@pytest.mark.parametrize(
    "make",
    [
        lambda x: Dense(2, use_bias=x),
        lambda x: Dense(2, trainable=x),
        lambda x: setattr(Residual([Dense(2)]), "trainable", x),
        lambda x: BatchNorm(center=x),
        lambda x: GlobalAvgPool(x),
        lambda x: SGD(0.1, 0.9, x),
        lambda x: CategoricalCrossentropy(from_logits=x),
    ],
)
def test_what_is_true_or_false_is_nothing_else(make):
    """A text, a number or nothing in the place of True or False is said in one line."""
    for value in (True, False, np.True_):
        make(value)
    for value in ("no", 1, 0.0, None, []):
        with pytest.raises(ConfigError, match="as True or False, got"):
            make(value)


def test_a_link_is_written_through(tmp_path):
    """Saving to a link replaces the file that it leads to, and the link stays."""
    model = Sequential([Input((3,)), Dense(2)], seed=0)
    (tmp_path / "run").mkdir()
    (tmp_path / "best.keras").symlink_to(tmp_path / "run" / "m.keras")
    model.save(tmp_path / "best.keras")
    assert (tmp_path / "best.keras").is_symlink()
    np.testing.assert_array_equal(
        load(tmp_path / "run" / "m.keras").get_weights()[0], model.get_weights()[0]
    )


NO_PATHS = [None, 5, b"model.keras", io.BytesIO(), ["model.keras"]]


@pytest.mark.parametrize("path", NO_PATHS, ids=lambda path: type(path).__name__)
def test_what_is_no_path_is_said_in_one_line(path):
    """Every function that reads or writes a file of a model asks for a path, by its own name."""
    model = Sequential([Input((4,)), Dense(3)], seed=0)
    calls = {
        "load_model": lambda: load(path),
        "save": lambda: model.save(path),
        "save_weights": lambda: model.save_weights(path),
        "load_weights": lambda: model.load_weights(path),
        "export_onnx": lambda: export_onnx(model, path),
        "import_onnx": lambda: import_onnx(path),
        "convert": lambda: convert(path, "b.keras"),
        "load_image": lambda: load_image(path, (8, 8, 3)),
    }
    for who, call in calls.items():
        with pytest.raises(ConfigError, match=f"{who}: expected .* as a path, got"):
            call()
