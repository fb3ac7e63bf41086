"""Pictures resampled, by hand: what lies between pixels and beyond the border."""

import numpy as np
import pytest

from minicnn.errors import ConfigError, DataError
from minicnn.preprocessing.affine import resampled
from minicnn.preprocessing.image import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)
from minicnn.utils import set_random_seed


def row(x, shift, fill_mode, order=1, cval=-1.0):
    """A row of pixels at places that lie so much to the right."""
    image = np.array(x, float).reshape(1, 1, -1, 1)
    resampled(image, np.eye(2)[None], np.array([[0.0, shift]]), fill_mode, cval, order)
    return image.ravel().tolist()


@pytest.mark.parametrize(
    ("shift", "fill_mode", "expected"),
    [
        (2, "nearest", [3, 4, 4, 4]),
        (2, "reflect", [3, 4, 4, 3]),
        (-3, "reflect", [3, 2, 1, 1]),
        (9, "reflect", [2, 3, 4, 4]),
        (2, "constant", [3, 4, -1, -1]),
        (-1, "wrap", [3, 1, 2, 3]),  # the first and the last pixel fall together
        (2, "wrap", [3, 4, 2, 3]),
        (0.5, "nearest", [1.5, 2.5, 3.5, 4]),
        (0.5, "reflect", [1.5, 2.5, 3.5, 4]),
        (0.5, "constant", [1.5, 2.5, 3.5, -1]),
        (0.5, "wrap", [1.5, 2.5, 3.5, 1.5]),
        (-0.25, "constant", [-1, 1.75, 2.75, 3.75]),
    ],
)
def test_beyond_the_border(shift, fill_mode, expected):
    """What each fill mode gives for whole and broken shifts."""
    assert row([1, 2, 3, 4], shift, fill_mode) == expected


def test_the_nearest_pixel():
    """Order 0 takes whole pixels, the upper one of two that are as near."""
    assert row([1, 2, 3], 0.4, "nearest", order=0) == [1, 2, 3]
    assert row([1, 2, 3], 0.5, "nearest", order=0) == [2, 3, 3]


def test_whole_numbers_are_rounded():
    """Bytes stay bytes: halves are rounded up."""
    x = np.array([1, 2, 4], np.uint8).reshape(1, 1, 3, 1)
    resampled(x, np.eye(2)[None], np.array([[0, 0.5]]), "nearest", 0.0, 1)
    assert x.ravel().tolist() == [2, 3, 4]


def test_many_images_at_once_are_each_moved_by_its_own():
    """More images than are resampled together give what each gives by itself."""
    rng = np.random.default_rng(0)
    x = rng.random((40, 31, 30, 2))
    matrices, offsets = np.eye(2) + rng.normal(0, 0.2, (40, 2, 2)), rng.normal(0, 3, (40, 2))
    for fill_mode in ("nearest", "reflect", "wrap", "constant"):
        together = x.copy()
        resampled(together, matrices, offsets, fill_mode, 0.5, 1)
        for i in (0, 17, 39):
            alone = x[i : i + 1].copy()
            resampled(alone, matrices[i : i + 1], offsets[i : i + 1], fill_mode, 0.5, 1)
            np.testing.assert_array_equal(together[i], alone[0])


def test_a_quarter_turn():
    """90 degrees turn the picture as ``np.rot90`` does; twice that turn it upside down."""
    x = 1 + np.arange(18.0).reshape(3, 3, 2)
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
    np.testing.assert_allclose(apply_affine_transform(x, theta=90, **axes), np.rot90(x))
    np.testing.assert_allclose(apply_affine_transform(x, theta=180, **axes), x[::-1, ::-1])
    first = apply_affine_transform(x.transpose(2, 0, 1), theta=90)
    np.testing.assert_allclose(first.transpose(1, 2, 0), np.rot90(x))


def test_zoom_and_shear_by_hand():
    """Zoom 2 reads every second column about the middle; no change at all gives a copy."""
    x = np.tile(np.arange(5.0), (1, 5, 1))
    assert apply_affine_transform(x, zx=2)[0, 3].tolist() == [0, 0, 2, 4, 4]
    assert apply_affine_transform(x, zx=0.5)[0, 3].tolist() == [1, 1.5, 2, 2.5, 3]
    np.testing.assert_array_equal(apply_affine_transform(x, zy=2), x)
    sheared = apply_affine_transform(x, shear=45)[0, :, 2]  # rows lie sin(45) columns apart
    np.testing.assert_allclose(sheared, 2 - np.sqrt(0.5) * np.arange(-2, 3))
    same = apply_affine_transform(x)
    assert same is not x
    np.testing.assert_array_equal(same, x)


def test_brightness_and_channels_by_hand():
    """Bytes times a number, cut to whole ones and to 255; the fourth channel is left alone."""
    x = np.array([[[10.0, 100, 200, 9]]])
    assert apply_brightness_shift(x, 1.5, scale=False).ravel().tolist() == [15, 150, 255, 9]
    assert apply_brightness_shift(x, 0.33, scale=False).ravel().tolist() == [3, 33, 66, 9]
    wide = np.array([[[-1.0], [1.0]]])  # 0 and 255, halved, and back
    np.testing.assert_allclose(
        apply_brightness_shift(wide, 0.5, scale=False).ravel(), [-1, -1 / 255]
    )
    assert apply_channel_shift(np.array([[[1.0, 5, 9]]]), 3).ravel().tolist() == [4, 8, 9]


def test_random_functions_stay_within_their_limits():
    """They give a picture of the same shape, follow the seed, and leave NumPy's generator alone."""
    x = np.random.default_rng(0).random((8, 9, 3)) * 255
    axes = 0, 1, 2
    functions = [
        lambda: random_rotation(x, 30, *axes),
        lambda: random_shift(x, 0.2, 0.2, *axes),
        lambda: random_shear(x, 20, *axes),
        lambda: random_zoom(x, (0.5, 1.5), *axes),
        lambda: random_channel_shift(x, 20, 2),
        lambda: random_brightness(x, (0.5, 0.9)),
    ]
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for function in functions:
        set_random_seed(1)
        first, second = function(), function()
        set_random_seed(1)
        np.testing.assert_array_equal(first, function())
        assert first.shape == x.shape
        assert not np.array_equal(first, second)
        assert first.min() >= 0
        assert first.max() <= 255
    np.random.seed(0)  # noqa: NPY002
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: apply_affine_transform(x[0]),
            r"expected one picture with three axes, got array",
        ),
        (lambda x: apply_affine_transform(x, channel_axis=1), r"got \(1, 2, 1\)\. For \(H, W, C\)"),
        (lambda x: apply_affine_transform(x, fill_mode="edge"), "expected fill_mode as one of"),
        (lambda x: apply_affine_transform(x, order=7), "expected order as a whole number from 0"),
        (lambda x: random_zoom(x, 0.2), r"expected zoom_range as two numbers, got 0\.2"),
    ],
)
def test_mistakes_are_one_line(call, message):
    """Other shapes, axes and arguments are refused by name."""
    with pytest.raises((ConfigError, DataError), match=message) as error:
        call(np.zeros((3, 4, 5)))
    assert "\n" not in str(error.value)


def test_higher_orders_need_scipy():
    """Without SciPy one line says so; with it there are numbers."""
    try:
        import scipy  # noqa: F401
    except ImportError:
        with pytest.raises(
            ConfigError, match="got 3, for which SciPy is needed: pip install scipy"
        ):
            apply_affine_transform(np.zeros((1, 4, 4)), theta=3, order=3)
    else:
        assert apply_affine_transform(np.ones((1, 4, 4)), theta=3, order=3).shape == (1, 4, 4)
