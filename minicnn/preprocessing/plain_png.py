"""PNG files that hold nothing but pixels of eight bits, as most data sets have them.

Of a small one, Pillow takes a quarter of the time to look for all else that such a file may hold.
"""

import struct
from typing import TYPE_CHECKING
from zlib import crc32

from minicnn.data.images import LONGEST_SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
END = b"\0\0\0\0IEND\xaeB`\x82"

HEADER = struct.Struct(">II5sI")
"""Width, height, the kind of pixels, and the checksum of these."""

MODES = {b"\x08\0\0\0\0": "L", b"\x08\x02\0\0\0": "RGB", b"\x08\x06\0\0\0": "RGBA"}
"""Pillow's names of grey and colours of eight bits, not interlaced."""

MOST = 1 << 20
"""Pixels; of a larger one the rest takes no time to speak of."""


def plain_png(data: bytes) -> "Image | None":
    """The picture, if it is as simple as that and sound; Pillow has a word on any other.

    >>> plain_png(b"GIF89a")
    """
    if not data.startswith(START) or not data.endswith(END) or len(data) < 64:
        return None
    width, height, kind, check = HEADER.unpack_from(data, len(START))
    mode = MODES.get(kind)
    if mode is None or not 0 < width * height <= MOST or max(width, height) > LONGEST_SIDE:
        return None
    if check != crc32(data[12:29]):
        return None
    pixels = len(data) - len(END) - 45  # in one piece, between its name and its checksum
    if data[33:41] != pixels.to_bytes(4, "big", signed=False) + b"IDAT":
        return None  # of several pieces Pillow says if they are too short
    from PIL import Image

    try:
        return Image.frombytes(mode, (width, height), data[41 : 41 + pixels], "zip", (mode, 0))
    except (OSError, ValueError, MemoryError):
        return None
