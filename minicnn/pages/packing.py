"""Arrays as one run of bytes, and where in it each of them lies."""

import base64
from typing import Any

import numpy as np

from minicnn._core.shapes import Array

Described = dict[str, Any]

LARGEST_HALF = float(np.finfo(np.float16).max)


class Packer:
    """Bytes that grow by one array after another.

    >>> packer = Packer()
    >>> packer.add(np.zeros((2, 2), np.uint8))
    {'dtype': 'uint8', 'shape': [2, 2], 'at': 0}
    >>> packer.add(np.array([0.5])), packer.text()
    ({'dtype': 'float32', 'shape': [1], 'at': 4}, 'AAAAAAAAAD8=')
    """

    def __init__(self) -> None:
        self.content = bytearray()

    def add(self, array: Array, half: bool = False) -> Described:
        """Pack an array as uint8, as float32 or, with ``half``, as float16; returns its place."""
        if half:
            array = np.clip(array, -LARGEST_HALF, LARGEST_HALF).astype("<f2")
        elif array.dtype != np.uint8:
            array = array.astype("<f4")
        at = len(self.content)
        self.content += array.tobytes()
        self.content += bytes(-len(self.content) % 4)
        return {"dtype": array.dtype.name, "shape": list(array.shape), "at": at}

    def text(self) -> str:
        """All bytes in base64."""
        return base64.b64encode(self.content).decode()
