"""Keras' module names, what is behind them, and what is said of names that are not here."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

import minicnn
from minicnn import Dense, Input, Sequential
from minicnn._keras.public_names import ABSENT
from minicnn.errors import ConfigError, DataError
from minicnn.utils import set_random_seed, to_categorical

MODULES = [
    "activations", "applications", "callbacks", "datasets", "initializers", "layers", "losses",
    "metrics", "models", "optimizers", "optimizers.schedules", "preprocessing",
    "preprocessing.image", "regularizers", "saving", "utils",
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_there_after_one_import(module):
    """``import minicnn as keras`` is enough for ``keras.optimizers.schedules`` and its like."""
    code = f"import minicnn as keras; keras.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", sorted(ABSENT))
def test_every_absent_name_has_a_remedy(module):
    """A name of Keras' that is not here is refused by name, with what to use instead."""
    room = importlib.import_module(f"minicnn.{module}".rstrip("."))
    for name, nearest in ABSENT[module].items():
        assert name not in vars(room), f"{name} is here: take it from _TABLE in public_names.py."
        with pytest.raises(ConfigError, match=f"has no {name}(, which Keras has)?: ") as error:
            getattr(room, name)
        assert nearest in str(error.value)
        assert "\n" not in str(error.value)


def test_an_import_says_it_too():
    """The line that a Keras script would have gets the same words, not an ImportError."""
    with pytest.raises(ConfigError, match=r"minicnn\.layers has no LSTM, which Keras has"):
        from minicnn.layers import LSTM  # noqa: F401
    with pytest.raises(ImportError):
        from minicnn.layers import Conv2DD  # noqa: F401
    assert not hasattr(minicnn, "no_such_thing")


def test_remedies_name_what_is_there():
    """Networks, losses and other things that a remedy names can be used."""
    for module, name in (
        *(("applications", name) for name in ("EfficientNetB0", "InceptionV3", "MobileNetV2")),
        ("metrics", "confusion_matrix"), ("callbacks", "CSVLogger"), ("layers", "Residual"),
        ("losses", "Loss"), ("metrics", "Metric"), ("regularizers", "Regularizer"),
    ):  # fmt: skip
        assert hasattr(importlib.import_module(f"minicnn.{module}"), name)


def test_set_random_seed_decides_what_models_draw():
    """Models without a seed of their own are alike after the same call, and differ in a row."""

    def weights():
        return Sequential([Input((4,)), Dense(3)]).get_weights()[0]

    set_random_seed(5)
    first, second = weights(), weights()
    set_random_seed(5)
    np.testing.assert_array_equal(first, weights())
    assert not np.array_equal(first, second)
    with pytest.raises(ConfigError, match="set_random_seed: expected seed"):
        set_random_seed("five")


def test_to_categorical_by_hand():
    """One-hot rows, a last axis of 1 dropped, more classes on demand."""
    np.testing.assert_array_equal(to_categorical([[1], [0]]), [[0, 1], [1, 0]])
    assert to_categorical([0, 1], num_classes=5).shape == (2, 5)
    assert to_categorical(np.zeros((2, 3), int), 2).shape == (2, 3, 2)
    for labels, classes in (([0.5], None), ([-1], None), ([3], 2), ([], None)):
        with pytest.raises(DataError, match="to_categorical: expected class numbers"):
            to_categorical(labels, classes)
