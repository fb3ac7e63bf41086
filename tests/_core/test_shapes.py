"""Padding and output sizes, by hand-worked numbers and against brute force."""

import pytest

from minicnn._core.shapes import check_padding, pair, same_pads, windows
from minicnn.errors import ConfigError, ShapeError


def test_same_padding_of_the_course_network():
    """The SIGNS network's 4x4 kernel on 64 pads (1, 2), its 2x2 on 8 pads (0, 1)."""
    assert same_pads(64, 4, 1) == (1, 2)
    assert same_pads(8, 2, 1) == (0, 1)
    assert same_pads(64, 8, 8) == (0, 0)


@pytest.mark.parametrize("n", range(1, 12))
@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize("s", range(1, 5))
def test_output_sizes_by_counting(n, k, s):
    """Valid counts the places a window fits; same gives ceil(n / s), every window on the image."""
    if k <= n:
        places = len([i for i in range(0, n, s) if i + k <= n])
        assert windows("t", (n, n), (k, k), (s, s)).out == (places, places)
    same = windows("t", (n, n), (k, k), (s, s), "same")
    assert same.out[0] == -(-n // s)
    before, after = same.pads[0]
    assert after - before in (0, 1)
    for i in range(same.out[0]):
        assert max(i * s - before, 0) < min(i * s - before + k, n)


def test_explicit_padding_in_all_forms():
    """A number, a pair and two pairs mean what they say."""
    for padding, pads in (
        (1, ((1, 1), (1, 1))),
        ((1, 2), ((1, 1), (2, 2))),
        (((1, 0), (0, 2)), ((1, 0), (0, 2))),
        ([[1, 0], [0, 2]], ((1, 0), (0, 2))),
    ):
        assert windows("t", (5, 5), (2, 2), (1, 1), padding).pads == pads


def test_mistakes_are_explained():
    """A window that does not fit, padding and sizes that make no sense, say who and what."""
    with pytest.raises(ShapeError, match="Conv2D 'a': expected an image of at least 5x5 pixels"):
        windows("Conv2D 'a'", (4, 4), (5, 5), (1, 1))
    for padding in ("full", -1, (1, 2, 3), 1.5, None, True):
        with pytest.raises(ConfigError, match="expected padding 'valid', 'same'"):
            check_padding("Conv2D", padding)
    for value in (0, -1, 2.0, (1, 2, 3), "3", None, (1, True)):
        with pytest.raises(ConfigError, match="MaxPool: expected pool_size as one whole number"):
            pair("MaxPool", "pool_size", value)
