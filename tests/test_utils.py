"""Small functions of ``minicnn.utils``."""

import numpy as np
import pytest

from minicnn.errors import ConfigError, DataError
from minicnn.utils import normalize


def test_normalize_by_hand():
    """Each vector along the axis is divided by its norm, of any order; zeros stay zeros."""
    x = np.array([[3.0, 4.0], [0.0, 0.0], [-6.0, 8.0]])
    np.testing.assert_allclose(normalize(x), [[0.6, 0.8], [0, 0], [-0.6, 0.8]])
    np.testing.assert_allclose(normalize(x, axis=0), x / [[45**0.5, 80**0.5]])
    np.testing.assert_allclose(normalize(x, order=1)[2], [-6 / 14, 8 / 14])
    np.testing.assert_allclose(normalize(x, order=np.inf)[2], [-0.75, 1])
    assert normalize(x.astype(np.float32)).dtype == np.float32
    assert normalize(np.full((2, 3, 4), 255, np.uint8), axis=1).dtype == np.float64
    np.testing.assert_allclose(normalize([3, 4]), [0.6, 0.8])


def test_normalize_s_mistakes():
    """An axis that is not there, an order that is no number, and texts."""
    with pytest.raises(ConfigError, match=r"expected axis as one of x, of shape \(2,\), got 1"):
        normalize([1, 2], axis=1)
    with pytest.raises(ConfigError, match="expected order as a number, got 'fro'"):
        normalize([1, 2], order="fro")
    with pytest.raises(DataError, match="normalize: expected numbers"):
        normalize(["a"])
