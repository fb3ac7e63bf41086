"""Group and unit normalization, alpha dropout and rescaling by channel, by hand."""

import numpy as np
import pytest

from minicnn import AlphaDropout, GroupNormalization, Rescaling, UnitNormalization
from minicnn._keras.descriptions import modern
from minicnn.errors import ConfigError, ShapeError

rng = np.random.default_rng(0)


def test_group_norm_by_loops():
    """Neighbouring channels of one image are normalized together, over all of its places."""
    layer = GroupNormalization(2, axis=1, epsilon=0.1)
    layer.build((6, 2, 3), rng, "float64")
    layer.params = {name: rng.standard_normal(6) for name in ("gamma", "beta")}
    x = rng.standard_normal((4, 6, 2, 3))
    y, _ = layer.forward(x)
    for n in range(4):
        for channel in range(6):
            first = channel - channel % 3
            part = x[n, first : first + 3]
            x_hat = (x[n, channel] - part.mean()) / np.sqrt(part.var() + 0.1)
            expected = x_hat * layer.params["gamma"][channel] + layer.params["beta"][channel]
            np.testing.assert_allclose(y[n, channel], expected)


def test_group_norm_of_large_numbers():
    """The mean of 10,000 places near 1,000 keeps the digits that single precision has."""
    layer = GroupNormalization(1)
    layer.build((100, 100, 2), rng, "float32")
    x = (1000 + rng.standard_normal((1, 100, 100, 2))).astype("float32")
    y, _ = layer.forward(x)
    wide = x.astype("float64")
    expected = (wide - wide.mean()) / np.sqrt(wide.var() + 1e-3)
    np.testing.assert_allclose(y, expected, atol=2e-4)


@pytest.mark.parametrize("groups", [0, -2, 1.5, True, "all"])
def test_groups_that_make_no_sense(groups):
    """A number of groups is a whole number, or -1."""
    with pytest.raises(ConfigError, match="expected groups as a whole number of at least 1"):
        GroupNormalization(groups)


def test_channels_that_are_left_over_are_refused():
    """The groups must be of equal size, and the remedy says what to change."""
    with pytest.raises(ShapeError, match=r"into 4 equal groups, got 6\. Give it groups"):
        GroupNormalization(4).output_shape((2, 2, 6))


def test_vectors_of_length_one():
    """All numbers along the axes have one length together, and zeros stay zeros."""
    x = rng.standard_normal((3, 4, 5, 2))
    x[1] = 0
    layer = UnitNormalization((1, -1))
    y, cache = layer.forward(x)
    lengths = np.sqrt((y**2).sum(axis=(1, 3)))
    np.testing.assert_allclose(lengths, [[1] * 5, [0] * 5, [1] * 5])
    dx, _ = layer.backward(np.ones_like(y), cache)
    assert np.isfinite(dx).all()


def test_unit_normalization_says_what_is_wrong_with_its_axes():
    """No axes, the batch's, and axes that are not there are refused."""
    with pytest.raises(ConfigError, match=r"one or several axes, got \(\)"):
        UnitNormalization(())
    with pytest.raises(ConfigError, match="other than 0, the batch"):
        UnitNormalization((1, 0))
    with pytest.raises(ShapeError, match="input with an axis 3"):
        UnitNormalization(3).output_shape((2, 2))


def test_alpha_dropout_keeps_mean_and_variance():
    """Numbers of mean 0 and variance 1 stay so; those dropped have one value; 0 is one too."""
    x = rng.standard_normal((1000, 1000))
    y, cache = AlphaDropout(0.3).forward(x, training=True, rng=np.random.default_rng(1))
    assert abs(y.mean()) < 5e-3
    assert y.std() == pytest.approx(1, abs=5e-3)
    dropped = y[cache.scale == 0]
    assert dropped.size == pytest.approx(0.3e6, rel=0.01)
    a = 1 / np.sqrt(0.7 * (1 + 0.3 * 1.7580993**2))
    np.testing.assert_allclose(np.unique(dropped.round(9)), [a * -1.7580993 * 0.7], rtol=1e-6)


def test_rescaling_by_channel():
    """Lists are one number for each channel; a list of another length is refused."""
    x = rng.standard_normal((2, 3, 3, 3))
    layer = Rescaling([1, 2, 3], offset=np.array([0.5, 0, -1]))
    y, cache = layer.forward(x)
    np.testing.assert_allclose(y, x * [1, 2, 3] + [0.5, 0, -1])
    np.testing.assert_allclose(layer.backward(x, cache)[0], x * [1, 2, 3])
    with pytest.raises(ShapeError, match=r"expected input of shape \(N, \.\.\., 3\), got"):
        layer.output_shape((3, 3, 4))
    with pytest.raises(ConfigError, match="for as many channels"):
        Rescaling([1, 2], offset=[1, 2, 3])
    for wrong in ([], [1, "2"], [[1, 2]], None):
        with pytest.raises(ConfigError, match="expected scale as a number"):
            Rescaling(wrong)


def test_an_array_in_a_file_of_keras():
    """Keras writes an array among the arguments with its dtype; it is read as a list."""
    array = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float64"}}
    described = {"class_name": "Rescaling", "config": {"scale": array, "offset": 0.0}}
    assert modern(described)["config"] == {"scale": [1.0, 2.0], "offset": 0.0}
