"""Single pictures: read, as arrays, and written."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from minicnn.errors import ConfigError, DataError
from minicnn.preprocessing.image import (
    array_to_img,
    img_to_array,
    load_img,
    save_img,
    smart_resize,
)

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.fixture
def path(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_picture_is_read_as_it_is(path):
    """By a path, a text, bytes, or from memory; as an array its pixels in float32."""
    for where in (path, str(path), bytes(path), BytesIO(path.read_bytes())):
        x = img_to_array(load_img(where))
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x, PIXELS)
    first = img_to_array(load_img(path), "channels_first", "uint8")
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, PIXELS.transpose(2, 0, 1))


def test_sizes_and_colours(path):
    """The size is (height, width), "nearest" takes whole pixels, and old scripts say grayscale."""
    half = img_to_array(load_img(path, target_size=(2, 3)))
    np.testing.assert_array_equal(half, PIXELS[1::2, 1::2])
    assert load_img(path, target_size=(2, 3, 3)).size == (3, 2)  # the shape of an image
    middle = img_to_array(load_img(path, target_size=(2, 2), keep_aspect_ratio=True))
    np.testing.assert_array_equal(middle, PIXELS[1::2, 2:5:2])
    assert load_img(path, "grayscale").mode == load_img(path, grayscale=True).mode == "L"
    assert img_to_array(load_img(path, "rgba")).shape == (4, 6, 4)
    assert img_to_array(load_img(path, "grayscale")).shape == (4, 6, 1)


def test_arrays_become_pictures():
    """From the least to the largest number, or cut to whole ones; 16 bits stay."""
    x = np.array([[[-1.0], [0.0], [3.0]]])
    assert np.asarray(array_to_img(x)).tolist() == [[0, 63, 255]]
    assert np.asarray(array_to_img(x + 1, scale=False)).tolist() == [[0, 1, 4]]
    assert array_to_img(x + 300, scale=False).mode == "I"
    assert array_to_img(np.zeros((4, 2, 3)), "channels_last").size == (2, 4)
    assert array_to_img(np.zeros((4, 2, 3)), "channels_first").mode == "RGBA"
    assert np.asarray(array_to_img(np.full((1, 1, 1), 7.0))).tolist() == [[0]]


def test_pictures_are_written(tmp_path):
    """The ending says the format, or ``file_format``; a JPEG has no transparency."""
    save_img(tmp_path / "a.png", PIXELS, scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(tmp_path / "a.png")), PIXELS)
    save_img(tmp_path / "b", PIXELS, file_format="BMP")
    assert (tmp_path / "b").read_bytes().startswith(b"BM")
    with pytest.warns(UserWarning, match="save_img: JPEG files have no transparency"):
        save_img(tmp_path / "c.jpg", np.ones((4, 5, 4)))
    assert load_img(tmp_path / "c.jpg", "rgba").getextrema()[3] == (255, 255)


def test_a_part_from_the_middle_is_resized():
    """smart_resize cuts to the new ratio; a batch, and the channels first."""
    x = np.arange(12.0).reshape(2, 6, 1)
    np.testing.assert_array_equal(smart_resize(x, (2, 2)), x[:, 2:4])
    np.testing.assert_array_equal(smart_resize(x[None], (2, 2)), x[None, :, 2:4])
    first = smart_resize(x.transpose(2, 0, 1), (2, 2), data_format="channels_first")
    np.testing.assert_array_equal(first, x[:, 2:4].transpose(2, 0, 1))


def truncated(path):
    save_img(path, np.random.default_rng(0).random((50, 50, 3)))
    path.write_bytes(path.read_bytes()[:2000])
    return path


def bomb(path):
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    return path


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: load_img(path.with_name("no.png")), r"no\.png: cannot be read: "),
        (lambda path: load_img(path.parent), "expected a file, got a folder"),
        (lambda path: load_img(truncated(path)), r"a\.png: expected a picture"),
        (lambda path: load_img(bomb(path)), r"a\.png: claims "),
        (lambda path: load_img(BytesIO(b"GIF")), "the picture: expected a picture"),
        (lambda path: load_img(3), "load_img: expected path as a path, got 3"),
        (lambda path: load_img(path, "gray"), r"color_mode as one of .* 'gray'.* 'grayscale'\?"),
        (lambda path: load_img(path, target_size=(2, 0)), "expected target_size"),
        (lambda path: load_img(path, interpolation="cubic"), "expected interpolation as one of"),
        (lambda path: img_to_array(np.zeros(3)), r"expected a picture \(H, W\)"),
        (lambda path: img_to_array("a.png"), "img_to_array: expected a picture, got 'a.png'"),
        (lambda path: array_to_img(np.zeros((1, 4, 4, 3))), r"Take one image of the batch: x\[0\]"),
        (lambda path: array_to_img(np.zeros((4, 4, 2))), "expected 1, 3 or 4 channels"),
        (lambda path: array_to_img(PIXELS, "NHWC"), "expected data_format as one of"),
        (lambda path: save_img(path.with_suffix(".xyz"), PIXELS), "expected file_format"),
        (lambda path: save_img(path / "b.png", PIXELS), "save_img: cannot write "),
        (lambda path: smart_resize(PIXELS, (0, 2)), "smart_resize: expected size"),
        (lambda path: smart_resize(PIXELS[0], (2, 2)), r"expected images \(H, W, C\)"),
    ],
)
def test_mistakes_are_one_line(call, message, path):
    """Files that are no pictures, and other arguments, are refused by name."""
    with pytest.raises((ConfigError, DataError), match=message) as error:
        call(path)
    assert "\n" not in str(error.value)
