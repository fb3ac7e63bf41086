"""Arguments as older releases of Keras spell them: taken, and said once what they are today."""

import warnings

import numpy as np
import pytest

from minicnn import (
    SGD,
    Adam,
    BatchNormalization,
    Conv2D,
    Convolution2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    InputLayer,
    LeakyReLU,
    MaxPooling2D,
    Model,
    Nadam,
    Sequential,
    metrics,
    optimizers,
)
from minicnn._core import console
from minicnn._keras.old_arguments import RENAMED, modern
from minicnn.callbacks import ModelCheckpoint, ReduceLROnPlateau
from minicnn.constraints import MaxNorm
from minicnn.errors import ConfigError, ShapeError
from minicnn.utils import to_categorical


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(console, "_said", set())


@pytest.mark.parametrize(
    ("make", "now", "words"),
    [
        (lambda: SGD(lr=0.1), "SGD(learning_rate=0.1)", "SGD: lr is learning_rate today."),
        (lambda: Dense(output_dim=3), "Dense(3)", "output_dim is units today"),
        (lambda: Dense(3, init="zeros"), "Dense(3, kernel_initializer='zeros')", "init is kernel_"),
        (lambda: Dense(3, bias=False), "Dense(3, use_bias=False)", "bias is use_bias today"),
        (lambda: Dense(3, W_regularizer="l2"), "Dense(3, kernel_regularizer='l2')", "W_regular"),
        (lambda: Dense(3, b_regularizer="l2"), "Dense(3, bias_regularizer='l2')", "b_regulari"),
        (lambda: Conv2D(3, 5, border_mode="same"), "Conv2D(3, 5, padding='same')", "border_mode"),
        (lambda: Conv2D(3, 5, subsample=(2, 2)), "Conv2D(3, 5, strides=(2, 2))", "subsample is"),
        (lambda: Conv2D(nb_filter=3, kernel_size=5), "Conv2D(3, 5)", "nb_filter is filters today"),
        (lambda: Conv2D(3, nb_row=5, nb_col=2), "Conv2D(3, (5, 2))", "kernel_size=(r, c) today"),
        (lambda: Convolution2D(3, 5, 2), "Conv2D(3, (5, 2))", "Conv2D(n, (r, c)) today"),
        (lambda: Conv2D(3, 5, dim_ordering="tf"), "Conv2D(3, 5)", "data_format='channels_last'"),
        (lambda: MaxPooling2D(border_mode="same"), "MaxPool(padding='same')", "border_mode"),
        (lambda: Dropout(p=0.25), "Dropout(0.25)", "Dropout: p is rate today."),
        (lambda: GaussianNoise(sigma=0.5), "GaussianNoise(0.5)", "sigma is stddev today"),
        (lambda: LeakyReLU(alpha=0.1), "LeakyReLU(negative_slope=0.1)", "alpha is negative_slope"),
        (
            lambda: BatchNormalization(mode=0, gamma_init="zeros"),
            "BatchNorm(gamma_initializer='zeros')",
            "gamma_init is gamma_initializer today",
        ),
        (lambda: InputLayer(input_shape=(3,)), "InputLayer((3,))", "input_shape is shape today"),
        (lambda: MaxNorm(m=3), "MaxNorm(max_value=3)", "MaxNorm: m is max_value today"),
        (lambda: Nadam(schedule_decay=0.004), "Nadam()", "schedule_decay is gone"),
    ],
)
def test_an_old_argument_is_taken_and_said(make, now, words, recwarn):
    """It makes what today's argument does, with one line that names both."""
    assert repr(make()) == now
    assert any(words in str(one.message) for one in recwarn)
    assert len(recwarn) == len({str(one.message) for one in recwarn}) <= 2


def test_it_is_said_once():
    """The second time, in any class, nothing is said; and nothing of what Keras takes today."""
    with pytest.warns(UserWarning, match="lr is learning_rate today"):
        SGD(lr=0.1)
    SGD(lr=0.1)
    assert Adam(lr=0.1, epsilon=None).epsilon == 1e-7
    assert repr(Conv2D(3, 5, padding="SAME")) == "Conv2D(3, 5, padding='same')"
    assert repr(Conv2D(3, 5, 1, "VALID", data_format="channels_last")) == "Conv2D(3, 5, strides=1)"
    assert MaxPooling2D(2, 2, "Same").padding == "same"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sequential([Input((4,)), Dense(3)]).compile(
            "sgd", "mse", jit_compile=True, steps_per_execution=8, run_eagerly=True
        )


def test_models_and_functions_take_them_too(recwarn):
    """A first layer's shape, the ends of a model, fit and to_categorical."""
    assert Sequential([Dense(3, input_dim=5)]).input_shape == (5,)
    assert Sequential([Flatten(batch_input_shape=(None, 4, 4, 1))]).output_shape == (16,)
    x = Input((5,))
    model = Model(input=x, output=Dense(2)(x))
    model.compile("sgd", "mse")
    assert model.fit(np.zeros((4, 5)), np.zeros((4, 2)), nb_epoch=2, verbose=0).epoch == [0, 1]
    assert to_categorical([0, 1], nb_classes=3).shape == (2, 3)
    words = [str(one.message) for one in recwarn]
    assert words[0] == "Dense: input_dim=n is input_shape=(n,) today."
    assert [w.split()[1] for w in words[2:]] == ["input", "output", "nb_epoch", "nb_classes"]


def test_where_older_optimizers_were():
    """``optimizers.legacy`` has the same classes."""
    assert optimizers.legacy.Adam is Adam
    assert metrics.Mean(dtype="float32").result() == 0
    assert metrics.MeanIoU(2, dtype=np.float32).num_classes == 2


def test_callbacks_take_them_too(tmp_path):
    """The epsilon of ReduceLROnPlateau is min_delta; period counts epochs."""
    with pytest.warns(UserWarning, match="ReduceLROnPlateau: epsilon is min_delta today"):
        assert ReduceLROnPlateau(epsilon=0.5).min_delta == 0.5
    model = Sequential([Input((3,)), Dense(2)], seed=0)
    model.compile("sgd", "mse")
    saving = ModelCheckpoint(tmp_path / "{epoch}.keras", period=2)
    model.fit(np.zeros((4, 3)), np.zeros((4, 2)), epochs=5, verbose=0, callbacks=[saving])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.keras", "4.keras"]
    with pytest.raises(ConfigError, match="ModelCheckpoint: expected period as a whole number"):
        ModelCheckpoint("a.keras", period=0)


def test_old_and_new_at_once_are_refused():
    """Where both are given, one of them would be lost."""
    with pytest.raises(ConfigError, match=r"Dense: expected kernel_initializer alone, got 'init'"):
        Dense(3, init="zeros", kernel_initializer="ones")


def test_today_s_names_are_never_changed():
    """A class that takes an old name itself keeps it."""
    assert modern("Mine", ["lr", "learning_rate"], {"lr": 1}) == ({"lr": 1}, {})
    assert not RENAMED.keys() & set(RENAMED.values())


def test_weights_are_what_a_layer_begins_with():
    """``weights=[kernel, bias]`` is put in when the layer is built; others are refused then."""
    kernel, bias = np.arange(6.0).reshape(3, 2), np.array([7.0, 8.0])
    model = Sequential([Input((3,)), Dense(2, weights=[kernel, bias])], seed=0)
    np.testing.assert_array_equal(model.get_weights()[0], kernel)
    np.testing.assert_array_equal(model.get_weights()[1], bias)
    with pytest.raises(ShapeError, match=r"Dense 'dense': expected 2 arrays, got 1"):
        Sequential([Input((3,)), Dense(2, weights=[kernel])])


def test_a_layer_s_dtype_is_the_model_s():
    """It may be said again, in any form; another one is refused, with where to say it."""
    for dtype in ("float32", np.float32, np.dtype("float32"), None):
        Sequential([Input((3,)), Dense(2, dtype=dtype)])
    Sequential([Input((3,)), Dense(2, dtype="float64")], dtype="float64")
    with pytest.raises(ConfigError, match=r"Dense 'dense': .*Sequential\(layers, dtype='float64'"):
        Sequential([Input((3,)), Dense(2, dtype="float64")])
    with pytest.raises(ConfigError, match="'dtype' = 'mixed_float16' is not supported"):
        Dense(2, dtype="mixed_float16")
