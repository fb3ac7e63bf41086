"""Initializers draw from the distributions that Keras documents."""

import inspect
import json
import math

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential, initializers, load_model
from minicnn.errors import ConfigError, ModelFileError
from minicnn.initializers import fans

SHAPE = (3, 3, 40, 60)
FAN_IN, FAN_OUT = 9 * 40, 9 * 60


def drawn(name, shape=SHAPE):
    return initializers.get("test", "kernel_initializer", name)(
        shape, np.random.default_rng(0), "float64"
    )


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / (FAN_IN + FAN_OUT)),
        ("glorot_normal", 2 / (FAN_IN + FAN_OUT)),
        ("he_uniform", 2 / FAN_IN),
        ("he_normal", 2 / FAN_IN),
        ("lecun_uniform", 1 / FAN_IN),
        ("lecun_normal", 1 / FAN_IN),
        ("random_normal", 0.05**2),
        ("random_uniform", 0.1**2 / 12),
        ("variance_scaling", 1 / FAN_IN),
    ],
)
def test_mean_and_variance(name, variance):
    """Over 21,600 numbers the mean is 0 and the variance the documented one, within 3%."""
    values = drawn(name)
    assert abs(values.mean()) < 4 * math.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("glorot_uniform", math.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("he_uniform", math.sqrt(6 / FAN_IN)),
        ("glorot_normal", 2 * math.sqrt(2 / (FAN_IN + FAN_OUT)) / 0.87962566103423978),
        ("truncated_normal", 0.1),
    ],
)
def test_limits(name, limit):
    """Uniform and truncated draws come up to their limits, and not beyond."""
    largest = np.abs(drawn(name)).max()
    assert 0.97 * limit < largest <= limit


def test_truncated_normal_of_variance_scaling_makes_up_for_the_cut():
    """Cut off at two deviations, the draw is divided by 0.8796 to keep its variance."""
    assert (
        pytest.approx(
            math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))
        )
        == initializers.TRUNCATED_STDDEV
    )


@pytest.mark.parametrize("shape", [(4, 4), (3, 2, 4), (2, 9)])
def test_orthogonal(shape):
    """The rows or the columns of an orthogonal draw are orthonormal, times the gain."""
    values = initializers.Orthogonal(gain=2.0)(shape, np.random.default_rng(0), "float64")
    matrix = values.reshape(-1, shape[-1]) / 2
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)


def test_constants_and_dtypes():
    """Zeros, ones and constants are that, and the dtype is the one asked for."""
    rng = np.random.default_rng(0)
    assert initializers.Zeros()((2,), rng).tolist() == [0, 0]
    assert initializers.Ones()((2,), rng).tolist() == [1, 1]
    assert initializers.Constant(3)((2,), rng, "float64").tolist() == [3, 3]
    single = initializers.GlorotUniform()((5, 5), np.random.default_rng(1), "float32")
    double = initializers.GlorotUniform()((5, 5), np.random.default_rng(1), "float64")
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(single, double.astype(np.float32))


DRAWING = [
    name
    for name, cls in initializers._BY_NAME.items()
    if name.islower() and "seed" in inspect.signature(cls).parameters
]


@pytest.mark.parametrize("name", DRAWING)
def test_a_seed_gives_the_same_numbers_at_every_call(name):
    """With a seed the model's generator is left alone, and a copy by config draws alike."""
    make = type(initializers.get("test", "kernel_initializer", name))
    one, other, model = make(seed=3), make(seed=4), np.random.default_rng(0)
    first = one((4, 5), model)
    assert model.bit_generator.state == np.random.default_rng(0).bit_generator.state
    np.testing.assert_array_equal(first, one((4, 5), model))
    assert (first != other((4, 5), model)).any()
    config = json.loads(json.dumps(one.get_config()))
    assert config["seed"] == 3
    np.testing.assert_array_equal(first, make.from_config(config)((4, 5), model))
    assert (make()((4, 5), model) != make()((4, 5), model)).any()


def test_all_that_draw_take_a_seed():
    """Zeros, ones and constants draw nothing; repr and config say the seed, if there is one."""
    assert len(DRAWING) == 13  # two of them are older names
    assert repr(initializers.HeNormal(seed=3)) == "HeNormal(seed=3)"
    assert initializers.HeNormal(seed=3).get_config() == {"seed": 3}
    assert initializers.HeNormal().get_config() == {"seed": None}
    for seed in (-1, 0.5, "a", True):
        with pytest.raises(ConfigError, match="HeNormal: expected seed as a whole number of 0 or"):
            initializers.HeNormal(seed=seed)


def test_a_seeded_layer_starts_alike_in_every_model(tmp_path):
    """A layer's seeded kernel does not depend on the model's seed, and survives a file."""
    first, second = (
        Sequential(
            [Input((4,)), Dense(3, kernel_initializer=initializers.HeNormal(seed=5))], seed=s
        )
        for s in (0, 1)
    )
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])
    first.save(tmp_path / "m.keras")
    layer = load_model(tmp_path / "m.keras").layers[-1]
    again = initializers.get("Dense", "kernel_initializer", layer.kernel_initializer)
    assert repr(again) == "HeNormal(seed=5)"


def test_fans():
    """Fans count what comes into and what goes out of one unit."""
    assert fans((3, 3, 16, 32)) == (144, 288)
    assert fans((7,)) == (7, 7)
    assert fans(()) == (1, 1)


def test_mistakes_are_explained():
    """A name that is none is answered with the names, and the nearest one."""
    with pytest.raises(ConfigError, match=r"glorot_uniform.*got 'he_norml'. Did you mean 'he_nor"):
        initializers.get("Dense 'd'", "kernel_initializer", "he_norml")
    for arguments in ({"scale": 0}, {"mode": "fan"}, {"distribution": "normal"}):
        with pytest.raises(ConfigError, match="VarianceScaling: expected"):
            initializers.VarianceScaling(**arguments)
    with pytest.raises(ConfigError, match="Orthogonal: expected a shape of two axes"):
        initializers.Orthogonal()((3,), np.random.default_rng(0))


def twos(shape, dtype=None):
    """2 everywhere, as a function that Keras takes."""
    return np.full(shape, 2.0)


def test_a_function_of_the_shape_is_an_initializer(tmp_path):
    """As in Keras, f(shape, dtype=None) may be one; a file has its name, and asks for it."""
    model = Sequential([Input((3,)), Dense(2, kernel_initializer=twos, bias_initializer=twos)])
    assert [w.tolist() for w in model.get_weights()] == [[[2.0, 2.0]] * 3, [2.0, 2.0]]
    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        same = load_model(tmp_path / name, custom_objects={"twos": twos})
        assert same.layers[0].kernel_initializer is not None
        with pytest.raises(
            ModelFileError, match=r"got 'twos'\. Give custom_objects=\{'twos': \.\.\.\}"
        ):
            load_model(tmp_path / name)
    with pytest.raises(ConfigError, match=r"<lambda>: expected numbers of shape \(2,\), got array"):
        initializers.get("Dense", "kernel_initializer", lambda shape: twos((3,)))((2,), None)
