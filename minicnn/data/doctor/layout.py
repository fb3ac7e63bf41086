"""How an HDF5 file stores its images, and what to change about it."""

from collections.abc import Iterator

import numpy as np

from minicnn._files.hdf5 import Found
from minicnn.data.doctor.finding import ADVICE, Finding

SMALL = 64 << 10
"""Bytes of a chunk below which finding it costs as much as reading it."""

LARGE = 16 << 20
"""Bytes of a chunk above which a batch reads far more than it needs."""

FEWEST = 10
"""Images for which the layout does not matter."""

HARD = 7
"""The level of gzip from which on files hardly shrink further, and take long to write."""

LITTLE = 0.95
"""The part of the bytes that is left by a compression that does not pay."""

ROWS = 1 << 20
"""Bytes that a good chunk has, or so: it is unpacked in a few milliseconds."""


def described(key: str, found: Found) -> str:
    """Where the bytes are, in a few words."""
    if not found.chunks:
        return f"{key} in one piece"
    packed = f", gzip {found.gzip}" if found.gzip >= 0 else ", compressed" * found.packed
    return f"{key} in chunks of {' x '.join(map(str, found.chunks))}{packed}"


def findings(key: str, found: Found, noun: str) -> Iterator[Finding]:
    """What to change about the chunks and the compression of a dataset of images."""
    shape, chunks = found.shape, found.chunks
    if not chunks or len(shape) < 3 or shape[0] < FEWEST or found.matlab:
        return
    size = np.dtype(found.dtype).itemsize
    image = int(np.prod(shape[1:])) * size
    chunk = int(np.prod(chunks)) * size
    rows = max(1, min(shape[0], round(ROWS / image)))
    better = f"chunks=({', '.join(map(str, (rows, *shape[1:])))})"
    remedy = f"Write it anew with {better}, or without chunks."
    if chunks[1:] != shape[1:]:
        cut = int(np.prod([-(-n // k) for n, k in zip(shape[1:], chunks[1:], strict=True)]))
        yield Finding(
            "chunks across images",
            f"{key} is cut through its {noun}s: chunks of {chunks}, of which one image needs "
            f"{cut:,}.",
            remedy,
            ADVICE,
        )
    elif chunks[0] >= shape[0] or (chunk > LARGE and chunks[0] > 1):
        yield Finding(
            "one chunk for all" if chunks[0] >= shape[0] else "large chunks",
            f"A chunk of {key} has {min(chunks[0], shape[0]):,} images, {chunk:,} bytes: to read "
            "one image all of it is read.",
            remedy,
            ADVICE,
        )
    elif chunks[0] == 1 and chunk < SMALL:
        yield Finding(
            "chunks of one image",
            f"{key} has a chunk for each of {shape[0]:,} {noun}s, of {chunk:,} bytes: to find each "
            "takes as long as to read it.",
            remedy,
            ADVICE,
        )
    whole = int(np.prod(shape)) * size
    if found.gzip >= HARD:
        yield Finding(
            "hard compression",
            f"{key} is compressed with gzip {found.gzip}, which takes long to write and saves a "
            "percent or two over gzip 4.",
            "Write it with compression='gzip', compression_opts=4, or 'lzf', which reads faster.",
            ADVICE,
        )
    elif found.packed and found.stored > LITTLE * whole:
        yield Finding(
            "compression without gain",
            f"{key} is compressed, and {found.stored / whole:.0%} of its bytes are left.",
            "Write it without compression: it is read faster then.",
            ADVICE,
        )
