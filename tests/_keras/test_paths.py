"""Import paths of Keras 1 to 3 lead to what is here, or are answered in one line."""

import importlib
import subprocess
import sys

import pytest

import minicnn
from minicnn.errors import AbsentError

FOUND = """
    layers.core:Dense layers.convolutional:Conv2D layers.convolutional.conv2d:Conv2D
    layers.pooling:MaxPooling2D layers.normalization:BatchNormalization layers.merge:concatenate
    layers.advanced_activations:LeakyReLU layers.noise:GaussianNoise engine.topology:Input
    layers.experimental.preprocessing:RandomFlip utils.np_utils:to_categorical
    utils.vis_utils:plot_model utils.generic_utils:get_custom_objects objectives:mse
    optimizers.legacy:Adam optimizers.adam_v2:Adam preprocessing.image:ImageDataGenerator
    backend.tensorflow_backend:epsilon callbacks.callbacks:EarlyStopping saving.save:load_model
"""


@pytest.mark.parametrize("place", FOUND.split())
def test_old_paths(place):
    """What has another path today is found by its old one, and is minicnn's."""
    path, _, name = place.partition(":")
    found = getattr(importlib.import_module(f"minicnn.{path}"), name)
    assert callable(found)
    assert found.__module__.startswith("minicnn.")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("wrappers.scikit_learn", "write a class with scikit-learn's methods"),
        ("preprocessing.text", "nothing for text or series"),
        ("applications.nasnet", "which Keras has"),
        ("src.layers", "src is private"),
    ],
)
def test_paths_that_are_not_here(path, said):
    """They are refused in one line, which is an ImportError too."""
    with pytest.raises(AbsentError, match=said) as error:
        importlib.import_module(f"minicnn.{path}")
    assert isinstance(error.value, ImportError)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", ["nowhere", "layers.Nothing", "_core.nothing", "utils.nothing"])
def test_other_paths_are_no_modules(path):
    """What neither Keras nor minicnn has is Python's own error."""
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"minicnn.{path}")


def test_an_import_costs_nothing_more():
    """Nothing that is for pictures, data sets or scripts is loaded before it is asked for."""
    later = [f"minicnn.{name}" for name in minicnn._LATER] + ["minicnn.as_keras", "PIL", "pooch"]
    code = f"import sys, minicnn; print([name for name in {later} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
