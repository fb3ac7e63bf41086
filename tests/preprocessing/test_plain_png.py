"""PNG files of nothing but pixels: what Pillow itself makes of them, and of all that are not."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from minicnn.preprocessing.plain_png import plain_png


def saved(mode, size=(70, 50), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 4), np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(70, 50), (1, 1), (120, 130)])
def test_the_pixels_are_those_that_pillow_opens(mode, size):
    """Of files in one piece; of several Pillow says whether they are long enough."""
    data = saved(mode, size)
    (n,) = struct.unpack(">I", data[33:37])
    assert n == len(data) - 57
    with Image.open(BytesIO(data)) as wanted:
        found = plain_png(data)
        assert (found.mode, found.size) == (wanted.mode, wanted.size)
        assert found.tobytes() == wanted.tobytes()
    pieces = b"".join(
        struct.pack(">I", len(one)) + b"IDAT" + one + struct.pack(">I", zlib.crc32(b"IDAT" + one))
        for one in (data[41 : 41 + n // 2], data[41 + n // 2 : 41 + n])
    )
    assert plain_png(data[:33] + pieces + data[-12:]) is None


@pytest.mark.parametrize("mode", ["1", "P", "LA", "I;16", "CMYK"])
def test_others_are_left_to_pillow(mode):
    """Palettes, 16 bits, transparency in grey, other formats, and whatever else is in a file."""
    if mode == "CMYK":
        file = BytesIO()
        Image.new(mode, (9, 9)).save(file, "JPEG")
        assert plain_png(file.getvalue()) is None
        return
    assert plain_png(saved(mode)) is None
    assert plain_png(saved("RGB", dpi=(72, 72))) is None
    assert plain_png(saved("RGB", (1200, 1200))) is None
    assert plain_png(saved("L", (60_000, 1))) is None


def test_damaged_files_are_left_to_pillow():
    """At each cut, and at each byte that is another, it is the same picture or none."""
    data = saved("RGB", (6, 5))
    with Image.open(BytesIO(data)) as picture:
        wanted = picture.tobytes()
    for i in range(len(data)):
        assert plain_png(data[:i]) is None
        other = bytearray(data)
        other[i] ^= 1 << i % 8
        found = plain_png(bytes(other))
        try:
            with Image.open(BytesIO(other)) as picture:
                said = picture.tobytes()
        except Exception:
            said = None
        assert found is None or found.tobytes() == said
    assert plain_png(data).tobytes() == wanted
