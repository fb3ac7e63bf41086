"""Keras' random numbers: their distributions, and what the seed decides."""

import numpy as np
import pytest

from minicnn import random
from minicnn.errors import ConfigError
from minicnn.utils import set_random_seed


def test_seeds():
    """A number gives the same array each time, a generator goes on, None follows the process."""
    a, b = random.normal((3,), seed=1), random.normal((3,), seed=1)
    assert (a == b).all()
    seeds = random.SeedGenerator(1)
    assert (random.normal((3,), seed=seeds) != random.normal((3,), seed=seeds)).all()
    set_random_seed(5)
    first = random.uniform((3,))
    set_random_seed(5)
    assert (first == random.uniform((3,))).all()
    assert (first != random.uniform((3,))).all()
    with pytest.raises(ConfigError, match=r"random.normal: expected seed as a whole number"):
        random.normal((3,), seed="one")


def test_distributions():
    """Means, deviations and bounds of a hundred thousand draws."""
    n = (100_000,)
    assert abs(random.normal(n, 2.0, 3.0, seed=0).std() - 3) < 0.05
    assert abs(random.uniform(n, -1.0, 3.0, seed=0).mean() - 1) < 0.05
    cut = random.truncated_normal(n, 1.0, 2.0, seed=0)
    assert np.abs(cut - 1).max() < 4
    assert abs(cut.std() - 2 * 0.8796) < 0.02
    drawn = random.categorical(np.log([[0.2, 0.8]]), 100_000, seed=0)
    assert abs(drawn.mean() - 0.8) < 0.01
    kept = random.dropout(np.ones(n), 0.25, seed=0)
    assert abs((kept == 0).mean() - 0.25) < 0.01
    np.testing.assert_allclose(kept[kept > 0], 4 / 3)
    assert set(random.randint((1000,), 2, 5, seed=0).tolist()) == {2, 3, 4}
    assert abs(random.gamma(n, 2.0, seed=0).var() - 2) < 0.05
    assert abs(random.beta(n, 0.2, 0.2, seed=0).var() - 0.25 / 1.4) < 0.01
    with pytest.raises(ConfigError, match=r"random.beta: expected alpha above 0, got -1"):
        random.beta(n, -1, 1)
