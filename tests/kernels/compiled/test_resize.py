"""Pictures resized in C against NumPy's way, which it equals to the bit."""

import numpy as np
import pytest

from minicnn._core.resampling import INTERPOLATIONS
from minicnn.kernels.compiled.resize import resize
from minicnn.preprocessing.picture_reader import _along
from minicnn.preprocessing.pictures import resized_to


@pytest.mark.parametrize("how", INTERPOLATIONS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_numpys_way(channels, how):
    """Smaller, larger, one side as it was; rows and pixels with gaps, of x and of y."""
    rng = np.random.default_rng(0)
    for h, w, *size in ((13, 9, 5, 4), (7, 5, 20, 31), (8, 6, 8, 3), (1, 1, 2, 2), (40, 300, 7, 9)):
        bytes_ = rng.integers(0, 256, (h + 2, w + 1, 4), np.uint8)
        for x in (bytes_[1:-1, :-1, :channels], bytes_[1:-1, :-1, :channels].copy()):
            y = np.full((size[0], size[1] + 3, channels), -1, np.float32)
            part = y[:, 1:-2]
            rows, columns = (_along(n, m, how) for n, m in zip((h, w), size, strict=True))
            assert resize(x, rows, columns, part)
            np.testing.assert_array_equal(part, resized_to(x[None], tuple(size), how)[0])
            assert (y[:, :1] == -1).all()
            assert (y[:, -2:] == -1).all()


def test_what_it_leaves_to_numpy():
    """Other numbers, and arrays that do not lie in rows."""
    x, y = np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2, 3), np.float32)
    half = _along(4, 2, "bilinear")
    assert not resize(x.astype(np.float32), half, half, y)
    assert not resize(x[:, ::-1], half, half, y)
    assert not resize(x, half, half, y.transpose(1, 0, 2))
    assert not resize(x, half, half, y.astype(np.float64))
