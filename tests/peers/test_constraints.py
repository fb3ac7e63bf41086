"""Constraints beside those of Keras: the numbers, training, and files in both directions."""

import numpy as np
import pytest

from minicnn import Conv2D, Dense, Flatten, Input, Sequential, load_model
from minicnn._core.config import save_config
from minicnn.constraints import MaxNorm, MinMaxNorm, NonNeg
from minicnn.testing.cases import CONSTRAINTS

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="Keras is not installed")


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
def test_constraint_in_keras(constraint, keras):
    """Each gives Keras' array within 1e-6, of long and short units and of zeros."""
    theirs = keras.constraints.get(save_config(constraint))
    w = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    w[:, 1] *= 0.1
    w[:, 2] = 0
    found = constraint(w)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(theirs(w)), rtol=1e-6, atol=1e-7)


def test_keras_trains_on_under_the_same_constraints(keras, tmp_path):
    """A file of ours trains on in Keras, and back, to the same weights."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((16, 6, 6, 2)).astype("float32"), rng.standard_normal((16, 3))
    conv = Conv2D(4, 3, kernel_constraint=MaxNorm(0.3, axis=[0, 1, 2]), bias_constraint=NonNeg())
    end = Dense(3, kernel_constraint=MinMaxNorm(0.4, 0.6, rate=0.5))
    ours = Sequential([Input((6, 6, 2)), conv, Flatten(), end], seed=0)
    ours.compile("adam", "mse")
    ours.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    for model in (ours, theirs):
        model.fit(x, y, epochs=3, shuffle=False, verbose=0)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    theirs.save(tmp_path / "theirs.keras")
    again = load_model(tmp_path / "theirs.keras")
    for model in (ours, again):
        model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(ours.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
