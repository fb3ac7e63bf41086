"""Scripts as a user of Keras writes them: but for the imports, they run here as they are."""

import runpy
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn.data.synthetic import fingers

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

FOLDER = Path(__file__).parent / "scripts"
ROWS = (
    "simple_classifier",
    "augmentation_and_callbacks",
    "class_weights",
    "resnet_64",
    "custom_callback_and_schedule",
)
GRAPHS = (
    "signs_functional",
    "resnet_blocks",
    "mobilenet_transfer",
    "unet",
    "siamese",
    "two_outputs",
)
SCRIPTS = ROWS + GRAPHS
IMPORTS = {
    "import os": "import os",
    "import numpy as np": "import numpy as np",
    "import keras": "import minicnn as keras",
    "from keras import layers": "from minicnn import layers",
    "from keras import layers as tfl": "from minicnn import layers as tfl",
    "from keras import initializers, layers, regularizers": (
        "from minicnn import initializers, layers, regularizers"
    ),
    "from keras.initializers import glorot_uniform, random_uniform": (
        "from minicnn.initializers import glorot_uniform, random_uniform"
    ),
    "from keras.layers import (": "from minicnn.layers import (",
    "from keras.models import Model": "from minicnn.models import Model",
    "from keras.optimizers import SGD": "from minicnn.optimizers import SGD",
    "from keras.optimizers.schedules import PiecewiseConstantDecay": (
        "from minicnn.optimizers.schedules import PiecewiseConstantDecay"
    ),
    "from keras.regularizers import l2": "from minicnn.regularizers import l2",
    "from residual_for_keras import Residual": "from minicnn.layers import Residual",
}
"""What becomes of the lines that import, and of no other."""


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.fixture(scope="module")
def data(keras, tmp_path_factory):
    """A folder with what the scripts read: drawn hands, and a network in a file of Keras'."""
    folder = tmp_path_factory.mktemp("data")
    (x, y), (x_test, y_test) = fingers(240, seed=0), fingers(48, seed=1)
    np.savez(folder / "data.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    keras.utils.set_random_seed(0)
    base = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
    normalizations = [layer for layer in base.layers if hasattr(layer, "moving_mean")]
    for momentum in (0.0, normalizations[0].momentum):
        for layer in normalizations:
            layer.momentum = momentum
        if not momentum:  # the first weights are as if trained on such pictures
            base(x[:, ::2, ::2] / np.float32(127.5) - 1, training=True)
    base.save(folder / "mobilenet_v2.keras")
    return folder


@pytest.fixture
def run(keras, data, tmp_path, monkeypatch):
    """A function that runs a script as it is or for minicnn, and returns its names."""
    monkeypatch.syspath_prepend(FOLDER)

    def run(script, library, run_name="__main__"):
        folder = tmp_path / library
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        for path in data.iterdir():
            Path(path.name).unlink(missing_ok=True)
            Path(path.name).symlink_to(path)
        source = (FOLDER / f"{script}.py").read_text(encoding="utf-8")
        path = folder / f"{script}.py"
        path.write_text(source if library == "keras" else translated(source), encoding="utf-8")
        return runpy.run_path(str(path), run_name=run_name)

    return run


@pytest.fixture
def in_double_precision(keras, monkeypatch):
    """Both compute in float64: in float32 rounding alone moves a ResNet's loss 1% in 40 steps."""
    monkeypatch.setattr(minicnn, "Sequential", partial(minicnn.Sequential, dtype="float64"))
    for module in (minicnn, minicnn.models):
        monkeypatch.setattr(module, "Model", partial(minicnn.models.Model, dtype="float64"))
    for dtype in ("float64", "float32"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        if dtype == "float64":
            yield


def round_numbers(optimizer):
    """Make an optimizer's numbers such as float32 holds exactly.

    Keras keeps them so in float64 as well, where Adam's 1 - 0.999 ** t is then off by 1e-5.
    """
    for name in ("beta_1", "beta_2", "epsilon", "momentum", "weight_decay"):
        if isinstance(getattr(optimizer, name, None), float):
            setattr(optimizer, name, float(np.float16(getattr(optimizer, name))))


def translated(source):
    """The script for minicnn: another line for each that imports."""
    return "\n".join(
        IMPORTS[line] if line.lstrip().startswith(("import ", "from ")) else line
        for line in source.split("\n")
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_only_imports_differ(script):
    """Every line but the imports is the same in both, and nothing imported here is of Keras."""
    source = (FOLDER / f"{script}.py").read_text(encoding="utf-8").split("\n")
    ours = translated("\n".join(source)).split("\n")
    changed = [a for a, b in zip(source, ours, strict=True) if a != b]
    assert changed
    assert set(changed) < set(IMPORTS)
    assert not any("keras" in line.split(" as ")[0] for line in IMPORTS.values())


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_runs_under_both(script, run, capsys):
    """Run as a program it trains, saves and loads, and tells the same things as under Keras."""
    results, printed, files = {}, {}, {}
    for library in ("keras", "minicnn"):
        names = run(script, library)
        results[library] = names["history"].history
        lines = capsys.readouterr().out.split("\n")
        printed[library] = [line.split(":")[0] for line in lines if ":" in line]
        files[library] = {p.name for p in Path().iterdir() if "best_" not in p.name}
    ours, theirs = results["minicnn"], results["keras"]
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        assert len(values) == len(theirs[name])
        assert all(isinstance(value, float | int) for value in values), name
    assert files["minicnn"] == files["keras"]
    said = {line for line in printed["keras"] if line.startswith(("Test", "Weights", "Steps"))}
    assert said <= set(printed["minicnn"])
    assert names["model"].count_params() == sum(w.size for w in names["model"].get_weights())


WITHOUT_CHANCE = {
    "simple_classifier": {"rate": 0.0},
    "augmentation_and_callbacks": {"factor": 0.0, "rate": 0.0},
    "class_weights": {"rate": 0.0},
    "resnet_64": {},
    "custom_callback_and_schedule": {},
    "resnet_blocks": {"learning_rate": 1e-5},  # at more, rounding alone moves the loss by 1%
    "mobilenet_transfer": {"augment": False, "rate": 0.0},
    "unet": {"rate": 0.0},
    "two_outputs": {"rate": 0.0},
}


@pytest.mark.parametrize("script", ROWS)
def test_fifty_steps_of_a_script(script, run, in_double_precision):
    """From equal weights, without chance, both end in equal ones, within 1e-3, and histories."""
    minicnn.utils.set_random_seed(1)
    start, weights, histories, files = None, [], [], []
    for library in ("minicnn", "keras"):
        names = run(script, library, run_name="imported")
        model = names["build_model"](**WITHOUT_CHANCE[script])
        start = start or model.get_weights()
        model.set_weights(start)
        round_numbers(model.optimizer)
        x, y = names["load_data"]()[0]
        history = names["train"](model, x, y, epochs=7, shuffle=False, verbose=0)
        assert int(model.optimizer.iterations) >= 50
        weights.append(model.get_weights())
        histories.append(history.history)
        files.append({path.name for path in Path().iterdir()})
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        # An image on the border of two classes may fall to either side.
        atol = 1e-6 if "loss" in name else 0.01
        np.testing.assert_allclose(values, histories[1][name], 1e-3, atol, err_msg=name)
    for a, b in zip(*weights, strict=True):
        assert np.linalg.norm(a - b) <= 1e-3 * np.linalg.norm(b) + 1e-9
    assert files[0] == files[1]


@pytest.mark.parametrize("script", GRAPHS)
def test_numbers_of_a_graph(script, run, request):
    """From equal weights, without chance, histories, evaluations and predictions are equal.

    They are within 1e-4 (Keras on TensorFlow and on PyTorch: 1e-5), and training has changed them.
    The deep networks compute in float64, as their rounding alone grows beyond that.
    """
    if script in ("resnet_blocks", "unet"):
        request.getfixturevalue("in_double_precision")
    start, results = None, []
    for library in ("keras", "minicnn"):
        names = run(script, library, run_name="imported")
        (x, y), (x_test, y_test) = names["load_data"]()
        model = names["build_model"](**WITHOUT_CHANCE.get(script, {}))
        start = start or model.get_weights()
        model.set_weights(start)
        round_numbers(model.optimizer)
        before = model.predict(x_test, verbose=0)
        history = names["train"](model, x, y, shuffle=False, verbose=0).history
        scores = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
        results.append((history, scores, before, model.predict(x_test, verbose=0)))
    check_equal(*results)
    _, _, before, after = results[0]
    for a, b in zip(listed(before), listed(after), strict=True):
        assert np.abs(a - b).max() > 0.01 * np.abs(b).max()


def listed(outputs):
    """The outputs of a model that has one or several."""
    return outputs if isinstance(outputs, list) else [outputs]


def check_equal(theirs, ours):
    """The same histories, scores and predictions, under the same names, within 1e-4."""
    for expected, found in zip(theirs[:2], ours[:2], strict=True):
        assert expected.keys() == found.keys()
        for name, values in expected.items():
            # An image on the border of two classes may fall to either side.
            atol = 1e-5 if "loss" in name else 0.02
            np.testing.assert_allclose(found[name], values, 1e-4, atol, err_msg=name)
    for expected, found in zip(theirs[2:], ours[2:], strict=True):
        for a, b in zip(listed(found), listed(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max())
