"""What answers ``import keras`` and ``import tensorflow``."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

import minicnn
from minicnn.errors import AbsentError, ConfigError, NameUnknownError
from minicnn.optimizers import SGD, Adam, RMSprop

PATHS = {
    "keras.layers.Conv2D": "layers.Conv2D",
    "keras.layers.convolutional.Conv2D": "layers.Conv2D",
    "keras.layers.normalization.batch_normalization.BatchNormalization": (
        "layers.BatchNormalization"
    ),
    "keras.engine.topology.Layer": "layers.Layer",
    "keras.models.Sequential": "models.Sequential",
    "keras.utils.np_utils.to_categorical": "utils.to_categorical",
    "keras.preprocessing.image.ImageDataGenerator": "preprocessing.image.ImageDataGenerator",
    "keras_preprocessing.image.load_img": "utils.load_img",
    "keras.objectives.MeanSquaredError": "losses.MeanSquaredError",
    "keras.optimizers.legacy.Adam": "optimizers.Adam",
    "tf_keras.optimizers.SGD": "optimizers.SGD",
    "tensorflow.keras.callbacks.EarlyStopping": "callbacks.EarlyStopping",
    "tensorflow.python.keras.layers.core.Dense": "layers.Dense",
    "tensorflow.compat.v1.keras.layers.Flatten": "layers.Flatten",
    "tensorflow.keras.applications.vgg16.VGG16": "applications.vgg16.VGG16",
    "keras.constraints.maxnorm": "constraints.MaxNorm",
    "keras.regularizers.l1l2": "regularizers.L1L2",
    "keras.utils.visualize_util.plot": "utils.plot_model",
    "tensorflow.optimizers.Adam": "optimizers.Adam",
}
"""Paths of Keras 1 to 3, and where minicnn has the same."""


def at(path):
    """What is at a path, imported as far as it is a module."""
    parts = path.split(".")
    for i in range(len(parts) - 1, 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:i]))
        except ImportError:
            continue
        for name in parts[i:]:
            value = getattr(value, name)
        return value
    raise AssertionError(path)


@pytest.mark.parametrize(("path", "ours"), PATHS.items())
def test_paths_lead_to_what_minicnn_has(path, ours, as_keras):
    """Each path gives the very class or function that minicnn has under its own."""
    assert at(path) is at(f"minicnn.{ours}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("from keras.layers import LSTM", "minicnn.layers has no LSTM"),
        (
            "from keras.layers import Conv2d",
            "no such name either. Did you mean 'Conv2D'?",
        ),
        ("from keras.layer import Dense", "Did you mean 'layers'?"),
        ("import tensorflow as tf; tf.imag", "Did you mean 'image'?"),
        ("import tensorflow as tf; tf.data.TFRecordDataset", "reads no TFRecord files"),
        ("from keras.preprocessing.text import Tokenizer", "nothing for text"),
        ("import keras.nowhere", "keras.nowhere"),
        ("from keras.wrappers.scikit_learn import KerasClassifier", "scikit-learn's methods"),
        ("from keras.layers import Merge", "Concatenate"),
        ("from tensorflow import GradientTape", "examples/custom_loop.py"),
        ("import tensorflow as tf; tf.placeholder", "no sessions"),
        ("import tensorflow as tf; tf.image.ssim", "tensorflow.image.ssim"),
        ("import tensorflow_datasets", None),
    ],
)
def test_what_is_not_here_is_refused_in_a_line(line, says, as_keras):
    """A name that is not here raises one error, in a line, that says what to do."""
    with pytest.raises((ImportError, AttributeError)) as caught:
        exec(line, {})
    if says is None:
        assert isinstance(caught.value, ModuleNotFoundError)
        return
    assert isinstance(caught.value, AbsentError | NameUnknownError)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_everything_may_be_imported_from_a_module(as_keras):
    """``from keras.layers import *`` gives the layers, and no private name."""
    names = {}
    exec("from keras.layers import *\nfrom keras.models import *", names)
    assert names["Conv2D"] is minicnn.Conv2D
    assert names["Model"] is minicnn.Model
    del names["__builtins__"]
    assert not [name for name in names if name.startswith("_")]


def test_versions_and_devices_can_be_asked_for(as_keras):
    """A script finds versions that it can compare, and one processor."""
    tf = importlib.import_module("tensorflow")
    assert int(tf.__version__.split(".")[0]) == 2
    assert tf.__version__ == tf.version.VERSION
    assert int(tf.keras.__version__.split(".")[0]) == 3
    assert tf.config.list_physical_devices("GPU") == []
    assert tf.distribute.MirroredStrategy().num_replicas_in_sync == 1


def test_ipython_need_not_be_installed(as_keras):
    """A notebook's imports are answered by what does nothing, where IPython is not installed."""
    if importlib.util.find_spec("IPython").origin:
        pytest.skip("IPython is installed")
    names = {}
    exec("from IPython.display import SVG, clear_output\nSVG('x').show(); clear_output()", names)
    exec("from IPython import get_ipython\nget_ipython().magic('matplotlib inline')", names)
    from minicnn._core.console import notebook

    assert notebook() is None


def test_old_functions(as_keras):
    """``merge`` of Keras 1 adds, or joins; ``multi_gpu_model`` gives the model back."""
    merge = at("keras.layers.merge")
    x = np.ones((1, 2, 2, 3), np.float32)
    a, b = minicnn.Input((2, 2, 3)), minicnn.Input((2, 2, 3))
    with pytest.warns(UserWarning, match="merge"):
        joined = merge([a, b], mode="concat", concat_axis=3)
    added = merge([a, b])
    model = minicnn.Model([a, b], [joined, added])
    one, other = model.predict([x, 2 * x])
    assert one.shape == (1, 2, 2, 6)
    assert (other == 3).all()
    with pytest.raises(ConfigError, match="expected mode as one of 'sum'"):
        merge([a, b], mode="cos")
    with pytest.warns(UserWarning, match="processor"):
        assert at("keras.utils.multi_gpu_model")(model, gpus=2) is model


def test_an_imported_keras_is_refused(as_keras, monkeypatch):
    """Once Keras itself runs in the process, it is too late, and that is said in a line."""
    from minicnn.as_keras import finder

    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setitem(sys.modules, "keras", object())
    with pytest.raises(ConfigError, match=r"Import minicnn\.as_keras first"):
        finder.install()


def test_nothing_that_is_installed_is_touched(tmp_path):
    """A process that imports minicnn alone finds the Keras that is installed."""
    package = tmp_path / "keras"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '2.2.4'\nmine = True\n")
    before = {path: path.read_bytes() for path in package.iterdir()}
    program = "import minicnn, keras; assert keras.mine"
    ours = "import minicnn.as_keras, keras, minicnn; assert keras.Model is minicnn.Model"
    for code in (program, ours, program):
        environment = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
    assert {path: path.read_bytes() for path in package.iterdir()} == before


def test_settings_of_devices_do_nothing(as_keras):
    """Sessions, memory of graphics cards, strategies and log levels are taken and ignored."""
    import keras.backend as K  # noqa: N812
    import tensorflow as tf
    from keras.backend.tensorflow_backend import set_session

    for api in (tf, tf.compat.v1):
        config = api.ConfigProto()
        config.gpu_options.allow_growth = True
        set_session(api.Session(config=config))
        api.logging.set_verbosity(api.logging.ERROR)
    K.set_session(tf.Session())
    with tf.distribute.MirroredStrategy().scope(), tf.device("/gpu:0"):
        assert not tf.test.is_gpu_available()
    assert tf.config.experimental.list_physical_devices("GPU") == []
    K.clear_session()


def test_hasattr_says_that_a_name_is_not_here(as_keras):
    """Scripts ask for what there is in one release and not in another."""
    import keras
    import tensorflow as tf

    assert not any(hasattr(tf, name) for name in ("contrib", "placeholder", "no_such"))
    assert not hasattr(keras.layers, "LSTM")
    assert not hasattr(tf.nn, "conv2d")
    assert hasattr(keras.backend, "set_image_dim_ordering")
    assert hasattr(tf.random, "set_seed")
    with pytest.raises(ModuleNotFoundError):
        import keras.layers.nowhere


def test_mixed_precision_is_float32(as_keras):
    """Policies are taken, and what is computed in is said; the optimizer is the one given."""
    import keras
    from keras import mixed_precision

    with pytest.warns(UserWarning, match="mixed_float16: minicnn computes in float32"):
        mixed_precision.set_global_policy("mixed_float16")
    assert mixed_precision.global_policy().name == "float32"
    assert mixed_precision.experimental.Policy("mixed_float16").compute_dtype == "float32"
    optimizer = keras.optimizers.Adam()
    assert mixed_precision.LossScaleOptimizer(optimizer) is optimizer
    try:
        keras.config.set_dtype_policy("float64")
        assert keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).dtype == "float64"
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ConfigError, match="Policy: expected one of float32"):
        mixed_precision.set_global_policy("half")


def test_optimizers_have_their_names_of_old(as_keras):
    """``keras.optimizers.adam(...)`` was the class before it was a module."""
    from keras import optimizers as keras_optimizers
    from keras.optimizers import adam, rmsprop

    assert isinstance(adam(0.1), Adam)
    assert isinstance(keras_optimizers.sgd(0.1), SGD)
    assert isinstance(rmsprop(), RMSprop)
