"""The process that opens HDF5 files from strangers; ``reader_process`` starts it and asks it.

The HDF5 library trusts a file's bytes: damaged ones can make it run without end, take all memory
or crash. So it runs here, in a process apart that may not do much: it has the time and the
memory that a sound file needs for what is asked of it, and, once the file is open, no other file.
When it dies of that, a new process reads the next file.

This file is run as a script and imports nothing of minicnn but its neighbour. On its standard
input come requests, on its standard output go answers, each as its length in eight bytes and then
JSON. After the answer to "read" come the dataset's bytes, piece by piece, each after its length; a
length of 0 ends them early, and an answer that says why follows.
"""

import importlib.util
import json
import math
import os
import re
import struct
import sys
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

if __package__:
    from minicnn._files.hdf5_limits import Limits, end_with_parent
else:
    sys.path.insert(0, os.path.dirname(__file__))
    from hdf5_limits import Limits, end_with_parent  # type: ignore[import-not-found, no-redef]

    del sys.path[0]

h5py: Any = None
"""Imported when the process begins: who asks it imports this file too, and has no use for h5py."""

BFLOAT16 = "|V2"
"""How h5py gives the numbers that Keras marks as bfloat16 by an attribute."""

OBJECT = 400
TEXT = 16
"""What the description of an object, and of a text, counts besides their letters."""

TOO_MUCH_TEXT = "has more text than a file of its size should"

LINK = "is a link, which minicnn does not follow: name the dataset that it leads to, in its file"

TEXTS = 100
PIECE = 4 << 20
CHUNKS = 4096
"""How many strings, bytes and chunks are read at once, where the dataset allows it."""

FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""The filters that come with h5py, by their numbers in HDF5; others run custom code."""

PLUGINS = {32001: "blosc", 32015: "zstd", 32026: "blosc2"}
"""Those of hdf5plugin that are used, where it is there."""

TRUNCATED = re.compile(r"truncated file.*stored_eof = (\d+)")
OPEN_ELSEWHERE = "already open for"
"""What the HDF5 library says of a file that is too short, and of one that is marked as open."""

SMALLEST = 96
"""Fewer bytes no HDF5 file has."""

LENGTH = struct.Struct("<q")

DAMAGE = (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError)
"""What h5py raises on a file whose bytes make no sense."""


class RefusedError(Exception):
    """What is asked for will not be given; the text says why."""


class CutError(RefusedError):
    """The file should have at least so many bytes."""


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    file: Any = None
    end_with_parent()
    try:
        warm_up()
    except Exception:
        sys.exit(3)  # h5py is not there, or does not work
    limits = Limits()
    while (request := received(requests)) is not None:
        answer: dict[str, Any] = {}
        pieces: Iterator[Any] = iter(())
        try:
            if "open" in request:
                limits.of_file(request["size"])
                if not request["open"]:
                    limits.earn(0, request["size"])  # its bytes come next
                file = open_file(request, requests)
                limits.no_more_files()
                answer = _contents(file, request, limits)
            elif "read" in request:
                limits.begin()
                answer, pieces = _read(file[request["read"]], request, limits)
            else:
                file = file.close()
        except (RefusedError, MemoryError, *DAMAGE) as problem:
            answer = why(problem)
        send(answers, json.dumps(answer).encode())
        try:
            for piece in pieces:
                send(answers, piece)
        except (RefusedError, MemoryError, *DAMAGE) as problem:
            send(answers, b"")
            send(answers, json.dumps(why(problem)).encode())
        answers.flush()
        limits.wait(idle=file is None)


def why(problem: Exception) -> dict[str, Any]:
    """What is known of why there is no answer."""
    if isinstance(problem, CutError):
        return {"cut": problem.args[0]}
    if isinstance(problem, RefusedError):
        return {"refused": str(problem)}
    text = str(problem)
    if isinstance(problem, MemoryError) or "allocat" in text:
        return {"refused": "needs more memory than a file of its size should, or than there is"}
    return {"unclosed": True} if OPEN_ELSEWHERE in text else {"damaged": True}


def received(requests: BinaryIO) -> dict[str, Any] | None:
    length = requests.read(LENGTH.size)
    return json.loads(requests.read(*LENGTH.unpack(length))) if length else None


def send(answers: BinaryIO, data: Any) -> None:
    answers.write(LENGTH.pack(len(data)))
    answers.write(data)


def warm_up() -> None:
    """Import h5py, and let it import what it does at first use: now files may still be opened."""
    global h5py
    import h5py

    if importlib.util.find_spec("hdf5plugin"):
        import hdf5plugin

        for number in set(hdf5plugin.FILTERS.values()) - PLUGINS.keys():
            if h5py.h5z.filter_avail(number):
                h5py.h5z.unregister_filter(number)
    with h5py.File(BytesIO(), "w") as file:
        file["a"] = ["text"]
        file.attrs["b"] = ["text"]
        _contents(file, {"space": PIECE, "most": PIECE, "attributes": True}, Limits())
        file["a"].asstr()[()]


def open_file(request: dict[str, Any], requests: BinaryIO) -> Any:
    source = request["open"] or BytesIO(requests.read(request["size"]))
    if isinstance(source, str) and not h5py.is_hdf5(source):
        raise RefusedError("expected an HDF5 file, got a file of another kind")
    try:
        return h5py.File(source, "r")
    except OSError as problem:
        if request["size"] < SMALLEST:
            raise CutError(SMALLEST) from None
        if found := TRUNCATED.search(str(problem)):
            raise CutError(int(found[1])) from None
        if OPEN_ELSEWHERE not in str(problem):
            raise
        # Its writer may have said that others may read meanwhile.
        return h5py.File(source, "r", swmr=True)


class _Description:
    """What is said of a file, in no more than ``most`` bytes."""

    def __init__(self, most: int, attributes: bool, limits: Limits) -> None:
        self.most = self.left = most
        self.attributes = attributes
        self.limits = limits
        self.groups: dict[str, Any] = {}
        self.datasets: dict[str, Any] = {}

    def take(self, count: int) -> None:
        """Take so many bytes; raises ``RefusedError`` if there are too few."""
        self.left -= count
        if self.left < 0:
            raise RefusedError(
                f"expected groups, datasets and attributes that take at most {self.most:,} bytes "
                "to describe, as is much for a file of its size, got more"
            )

    def add_group(self, path: str, group: Any) -> None:
        """Put in a group, and what it says of itself in texts."""
        self.groups[path] = self._texts_of(group) if self.attributes else {}

    def _texts_of(self, thing: Any) -> dict[str, Any]:
        """The attributes that are texts or lists of texts; others are left out."""
        found: dict[str, Any] = {}
        if not h5py.h5a.get_num_attrs(thing.id):
            return found
        for name in thing.attrs:
            self.limits.earn(1)
            kept = thing.attrs.get_id(name)
            if kept.shape is None or not isinstance(kept.get_type(), h5py.h5t.TypeStringID):
                continue
            # HDF5 takes the size 0 of a list of no names for an error.
            stored = 0 if 0 in kept.shape else int(kept.get_storage_size())
            self.take(TEXT * (1 + int(np.prod(kept.shape))) + len(name) + stored)
            value = found[name] = _plain(thing.attrs[name])
            self.take(sum(map(len, value)) if isinstance(value, list) else len(value))
        return found


def _contents(file: Any, request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """All groups and datasets that lie in the file, and the groups' attributes if asked for.

    A group that has been met is not entered again, so links in a circle end.
    """
    found = _Description(request["most"], request["attributes"], limits)
    found.add_group("", file)
    met = {h5py.h5o.get_info(file.id).addr}
    waiting = [("", file)]
    while waiting:
        path, group = waiting.pop()
        for name in group:
            # h5py gives what is no UTF-8 as bytes; such a name is listed, and cannot be asked for.
            key = name if isinstance(name, bytes) else name.encode(errors="surrogateescape")
            name = name.decode(errors="replace") if isinstance(name, bytes) else name
            full = f"{path}/{name}".lstrip("/")
            limits.earn(1)
            found.take(OBJECT + len(full))
            if group.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                found.datasets[full] = _unread(refused=LINK)
                continue
            try:
                thing = h5py.h5o.open(group.id, key)
            except DAMAGE:
                found.datasets[full] = _unread(damaged=True)
                continue
            if isinstance(thing, h5py.h5d.DatasetID):
                found.datasets[full] = described(thing, request["space"])
            elif isinstance(thing, h5py.h5g.GroupID):
                address = h5py.h5o.get_info(thing).addr
                if address not in met:
                    met.add(address)
                    inner = h5py.Group(thing)
                    found.add_group(full, inner)
                    waiting.append((full, inner))
    return {"groups": found.groups, "datasets": found.datasets, "writing": file.swmr_mode}


def _unread(**why: Any) -> dict[str, Any]:
    return {"shape": [], "dtype": "", **why}


def described(dataset: Any, space: int) -> dict[str, Any]:
    """What is said of a dataset, which is the HDF5 library's: h5py's objects cost more time."""
    try:
        try:
            dtype = dataset.dtype
        except TypeError:
            return _unread(refused="expected numbers, got a kind that NumPy does not have")
        return {
            "shape": list(dataset.shape or ()),
            "dtype": dtype.str,
            "refused": _why_not(dataset, dtype.itemsize, space),
            "stored": dataset.get_storage_size(),
            **_layout(dataset),
            "matlab": h5py.h5a.exists(dataset, b"MATLAB_class"),
        }
    except DAMAGE:
        return _unread(damaged=True)


def _layout(dataset: Any) -> dict[str, Any]:
    """Its chunks, whether they are packed, and how hard by gzip."""
    properties = dataset.get_create_plist()
    if properties.get_layout() != h5py.h5d.CHUNKED:
        return {}
    filters = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    levels = [values[0] for number, _, values, _ in filters if number == 1 and values]
    return {
        "chunks": list(properties.get_chunk()),
        "packed": bool(filters),
        "gzip": levels[0] if levels else -1,
    }


def _why_not(dataset: Any, itemsize: int, space: int) -> str:
    """Why the dataset will not be read, whatever is asked for; empty if it may be."""
    properties = dataset.get_create_plist()
    layout = properties.get_layout()
    if properties.get_external_count() or layout == h5py.h5d.VIRTUAL:
        return "points to data in other files, which minicnn does not read"
    if dataset.shape is None:
        return "expected numbers, got an empty dataset"
    if layout != h5py.h5d.CHUNKED:
        return ""
    met = []
    for i in range(properties.get_nfilters()):
        number, _, _, name = properties.get_filter(i)
        plugin = PLUGINS.get(number)
        given = FILTERS.get(number) or name.decode("utf-8", "replace").partition(";")[0]
        if plugin and not h5py.h5z.filter_avail(number):
            return f'is compressed with {plugin}: pip install "minicnn[data]" to read it'
        if (number not in FILTERS and not plugin) or number in met:
            often = " a second time" * (number in met)
            return (
                f"expected no filters but {', '.join(FILTERS.values())}, each once, got "
                f"{given!r} (number {number}){often}. Write it anew with gzip, as 'h5repack -f "
                "GZIP=4' does"
            )
        met.append(number)
    chunk: int = math.prod(properties.get_chunk()) * itemsize
    return f"has chunks of {chunk:,} bytes, too many for a file of its size" * (chunk > space)


def _plain(value: Any) -> Any:
    """A text, or a list of them, as JSON has it; bytes are taken as UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else [_plain(part) for part in value.tolist()]


def _read(dataset: Any, request: dict[str, Any], limits: Limits) -> tuple[Any, Iterator[Any]]:
    """What is said of a dataset before its bytes, and these."""
    strings = h5py.check_string_dtype(dataset.dtype) is not None
    if request["text"] and strings:
        return {"texts": list(_texts(dataset, request["most"], limits))}, iter(())
    marked = dataset.dtype.str == BFLOAT16 and dataset.attrs.get("dtype") == "bfloat16"
    if dataset.dtype.kind not in "biuf" and not marked:
        got = "text" if strings else str(dataset.dtype)
        got = f"a table of {', '.join(dataset.dtype.names)}" if dataset.dtype.names else got
        if h5py.check_ref_dtype(dataset.dtype):
            got = "references, as cell arrays of MATLAB's are: save it there as a matrix of numbers"
        if h5py.check_vlen_dtype(dataset.dtype) and not strings:
            got = "rows of different lengths: store those of images as one array (m, H, W, C)"
        raise RefusedError(f"expected numbers, got {got}")
    count = math.prod(_cuts(dataset))
    if count > CHUNKS + limits.size:
        raise RefusedError(f"is cut into {count:,} chunks, too many for a file of its size")
    return {}, _pieces(dataset, limits)


def _cuts(dataset: Any) -> list[int]:
    """How many chunks lie along each axis: one where a dataset is in one piece."""
    pairs = zip(dataset.shape, dataset.chunks or dataset.shape, strict=True)
    return [-(-length // part) for length, part in pairs if part]


def _texts(dataset: Any, most: int, limits: Limits) -> Iterator[str]:
    """Its strings in order, which may be long, and the same one many times."""
    texts = dataset.asstr("utf-8", errors="replace")
    rows = max(1, TEXTS * len(dataset) // max(1, dataset.size)) if dataset.shape else 1
    letters = min(rows, dataset.size) * dataset.dtype.itemsize
    if max(TEXT * dataset.size, letters) > most:
        raise RefusedError(TOO_MUCH_TEXT)
    if not dataset.shape:
        yield texts[()]
        return
    for first in range(0, len(dataset), rows):
        limits.earn(rows)
        for text in texts[first : first + rows].reshape(-1).tolist():
            most -= len(text) + TEXT
            if most < 0:
                raise RefusedError(TOO_MUCH_TEXT)
            yield text


def _pieces(dataset: Any, limits: Limits) -> Iterator[Any]:
    """The dataset in runs along its first axis, of whole chunks where it has some."""
    if not dataset.shape or not dataset.size:
        yield dataset[()].tobytes()
        return
    row = dataset.nbytes // len(dataset)
    rows, chunks = max(1, PIECE // row), 0
    if dataset.chunks:
        deep, across = dataset.chunks[0], math.prod(_cuts(dataset)[1:])
        rows = -(-min(rows, max(1, CHUNKS // across) * deep) // deep) * deep
        chunks = rows // deep * across
    rows = min(rows, len(dataset))
    chunk = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    limits.allow(2 * rows * row + 4 * chunk)
    for first in range(0, len(dataset), rows):
        limits.earn(1 + chunks, rows * row)
        piece = np.ascontiguousarray(dataset[first : first + rows])
        yield piece.reshape(-1).view(np.uint8).data
    limits.allow(0)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
