"""What a half-done import has: blocks of images in one file, each checked when it is read again.

The file grows at its end alone, and a block counts when it is there whole, with the right checksum:
whatever ends the process or the machine, the blocks before stay, and the next import goes on after
them.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn.data.duplicates import FINGERPRINT

MAGIC = b"minicnn1"
HEAD = struct.Struct("<8sIIIII")
"""Magic, how many images were looked at, how many are here, bytes of the two parts, checksum."""

MOST = 1 << 30
"""More bytes no block has."""


class Block:
    """Some images: which of those that were looked at, their pixels and fingerprints; the broken.

    ``at`` is int64 (n,), ``rows`` uint8 (n, H, W, C), ``broken`` maps others to what is wrong.
    """

    def __init__(self, at: Array, rows: Array, prints: Array, broken: dict[int, str]) -> None:
        self.at, self.rows, self.prints, self.broken = at, rows, prints, broken

    def packed(self) -> list[Any]:
        """The pieces that are written one after the other."""
        said = json.dumps(self.broken).encode()
        start = b"".join((self.at.astype("<i8").tobytes(), self.prints.tobytes(), said))
        rows = np.ascontiguousarray(self.rows).reshape(-1)
        check = zlib.crc32(rows.data, zlib.crc32(start))
        looked_at = len(self.at) + len(self.broken)
        sizes = (looked_at, len(self.at), len(start), rows.nbytes)
        return [HEAD.pack(MAGIC, *sizes, check), start, rows]


class Journal:
    """The file of blocks at ``path``, of images of ``shape``, made for a certain ``state``.

    ``count`` is how many images were looked at; ``anew`` is true where a file for another state was
    there.
    """

    def __init__(self, path: Path, state: str, shape: Shape) -> None:
        self.shape = shape
        self.path = path
        self.count = 0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        self.file: BinaryIO = os.fdopen(descriptor, "r+b")
        first = f"{state}\n".encode()
        there = self.file.readline(len(first) + 1)
        self.anew = bool(there) and there != first
        end = len(first)
        if there == first:
            for _, start, rows in self._heads(check=True):
                end = rows[0] + rows[1]
                self.count += start[2]
        else:
            self.file.seek(0)
            self.file.truncate()
            self.file.write(first)
        self.start = len(first)
        self.file.truncate(end)
        self.file.seek(end)

    def add(self, packed: list[Any], looked_at: int) -> None:
        """Append a block, which the system has then, and the disk soon."""
        for piece in packed:
            self.file.write(piece)
        self.file.flush()
        self.count += looked_at

    def blocks(self, rows: bool = True) -> Iterator[Block]:
        """The blocks in order, without the pixels if they are not wanted."""
        for n, (start, length, _), (row_start, row_bytes) in self._heads():
            self.file.seek(start)
            data = self.file.read(length)
            at = np.frombuffer(data, "<i8", n)
            prints = np.frombuffer(data, FINGERPRINT, n, 8 * n)
            said = json.loads(data[8 * n + prints.nbytes :])
            pixels = np.empty((n if rows else 0, *self.shape), np.uint8)
            if rows:
                self.file.seek(row_start)
                self.file.readinto(pixels.reshape(-1))  # type: ignore[attr-defined]
                assert pixels.nbytes == row_bytes
            yield Block(at, pixels, prints, {int(i): text for i, text in said.items()})

    def _heads(
        self, check: bool = False
    ) -> Iterator[tuple[int, tuple[int, int, int], tuple[int, int]]]:
        """Of each whole block the images, where its start and its rows are, and their bytes.

        With the start comes how many images were looked at.
        """
        self.file.seek(0)
        place = len(self.file.readline())
        size = os.fstat(self.file.fileno()).st_size
        while place + HEAD.size <= size:
            self.file.seek(place)
            magic, looked_at, n, length, row_bytes, wanted = HEAD.unpack(self.file.read(HEAD.size))
            place += HEAD.size
            if magic != MAGIC or length + row_bytes > min(MOST, size - place):
                return
            if check and wanted != zlib.crc32(self.file.read(length + row_bytes)):
                return
            yield n, (place, length, looked_at), (place + length, row_bytes)
            place += length + row_bytes

    def close(self) -> None:
        """Leave the file as it is."""
        self.file.close()
