"""TensorBoard's event files, written without it: records of protobuf messages, one an event.

    record   length (8 bytes), its checksum (4), the message, its checksum (4)
    message  fields, each a number with its kind, and a value

A checksum is CRC32C, turned by 15 bits and shifted by a constant, so that a record may hold
records. The messages are Event, Summary, SummaryMetadata, TensorProto and GraphDef of TensorFlow.
"""

import os
import struct
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from minicnn._core.shapes import Array

# The file ----------------------------------------------------------------------------------

_POLYNOMIAL = 0x82F63B78
_TABLE: list[int] = []
_numbers = count()


def crc32c(data: bytes) -> int:
    """The checksum of Castagnoli's polynomial.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if not _TABLE:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
            _TABLE.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    """The checksum as a record has it."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(message: bytes) -> bytes:
    """A message with its length and the checksums of both."""
    length = struct.pack("<Q", len(message))
    return length + masked(length) + message + masked(message)


class EventFile:
    """A new file of events in a folder; each event is in it when ``add`` returns.

    Raises ``OSError`` where it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        import socket  # which takes its time

        folder.mkdir(parents=True, exist_ok=True)
        parts = (int(time.time()), socket.gethostname(), os.getpid(), next(_numbers))
        self.path = folder / f"events.out.tfevents.{'.'.join(map(str, parts))}.v2"
        self._append(field(1, time.time()) + field(3, "brain.Event:2"))

    def add(self, step: int, *values: bytes) -> None:
        """One event of a step with these summaries."""
        summary = b"".join(field(1, value) for value in values)
        self._append(field(1, time.time()) + field(2, step) + field(5, summary))

    def add_graph(self, graph: bytes) -> None:
        """One event with the graph of the run."""
        self._append(field(1, time.time()) + field(4, graph))

    def _append(self, event: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(record(event))


# Messages --------------------------------------------------------------------------------


def field(number: int, value: int | float | str | bytes) -> bytes:
    """A field of a message: whole numbers as varints, others as doubles, texts with their length.

    >>> field(1, 300), field(2, "a")
    (b'\\x08\\xac\\x02', b'\\x12\\x01a')
    """
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value & (1 << 64) - 1)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


FLOAT, DOUBLE, STRING = 1, 2, 7
"""Types of numbers in a TensorProto."""
SCALAR, TENSOR, BLOBS = 1, 2, 3
"""Classes of data in a SummaryMetadata."""


def scalar(tag: str, value: float) -> bytes:
    """The summary of a number."""
    content = field(4, np.float32(value).astype("<f4").tobytes())
    return _value(tag, "scalars", SCALAR, field(1, FLOAT) + field(2, b"") + content)


def histogram(tag: str, numbers: Array, buckets: int = 30) -> bytes:
    """The summary of how numbers are distributed: rows of (left, right, how many)."""
    rows = histogram_rows(numbers, buckets)
    tensor = field(1, DOUBLE) + field(2, _sizes(rows.shape))
    return _value(tag, "histograms", TENSOR, tensor + field(4, rows.astype("<f8").tobytes()))


def histogram_rows(numbers: Array, buckets: int) -> Array:
    """As many buckets from the least to the greatest number; infinities are in none of them.

    >>> histogram_rows(np.array([0.0, 1.0, 1.0]), 2).tolist()
    [[0.0, 0.5, 1.0], [0.5, 1.0, 2.0]]
    """
    found = np.asarray(numbers, np.float64).ravel()
    found = found[np.isfinite(found)]
    if not found.size:
        return np.zeros((buckets, 3))
    low, high = found.min(), found.max()
    if low == high:
        counts, edges = np.zeros(buckets), np.full(buckets + 1, low)
        counts[-1] = found.size
    else:
        counts, edges = np.histogram(found, buckets, (low, high))
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def images(tag: str, width: int, height: int, pngs: Sequence[bytes]) -> bytes:
    """The summary of pictures of one size, as PNG files."""
    texts = [str(width).encode(), str(height).encode(), *pngs]
    content = b"".join(field(8, text) for text in texts)
    tensor = field(1, STRING) + field(2, _sizes((len(texts),))) + content
    return _value(tag, "images", BLOBS, tensor)


def text(tag: str, plugin: str, content: str) -> bytes:
    """The summary of a text that a plugin of TensorBoard reads."""
    return _value(tag, plugin, TENSOR, field(1, STRING) + field(2, b"") + field(8, content))


def graph(nodes: Sequence[tuple[str, str, Sequence[str]]]) -> bytes:
    """A graph of (name, what it does, the names of what it reads)."""

    def node(name: str, kind: str, reads: Sequence[str]) -> Iterator[bytes]:
        yield field(1, name) + field(2, kind)
        yield from (field(3, one) for one in reads)

    return b"".join(field(1, b"".join(node(*one))) for one in nodes)


def _sizes(shape: Sequence[int]) -> bytes:
    return b"".join(field(2, field(1, n)) for n in shape)


def _value(tag: str, plugin: str, kind: int, tensor: bytes) -> bytes:
    metadata = field(1, field(1, plugin)) + field(4, kind)
    return field(1, tag) + field(8, tensor) + field(9, metadata)
