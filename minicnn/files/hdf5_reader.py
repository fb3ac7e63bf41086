"""The process that opens HDF5 files from strangers; ``files.hdf5`` starts it and asks it.

The HDF5 library trusts a file's bytes: damaged ones can make it run without end, take all memory
or crash. So it runs here, in a process of its own that may not do much: ``CPU_SECONDS`` for a
request, ``ROOM`` of memory and four times the file's size, and, once the file is open, no other
file. If it dies of that, the file was to blame, and a new process reads the next one.

This file is run as a script and imports nothing of minicnn. On its standard input come requests,
on its standard output go answers, each as its length in eight bytes and then JSON. After the
answer to "read" come the dataset's bytes, piece by piece, each after its length; a length of
0 ends them early: the file is damaged.
"""

import json
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any, BinaryIO

CPU_SECONDS = 1.5
"""Processor time for one request, or for one piece of a dataset. Waiting for a disk costs none."""

FILE_SECONDS = 3.0
BYTES_A_SECOND = 25e6
"""Processor time for all requests to a file, and how fast what it gives earns it more."""

ROOM = 192 << 20
"""Bytes of memory that any file may take."""

IDLE_SECONDS = 60
"""How long the process waits for another file before it ends."""

OBJECTS = 10_000
"""How many groups and datasets a file may have."""

BFLOAT16 = "|V2"
"""How h5py gives the numbers that Keras marks as bfloat16 by an attribute."""

ATTRIBUTES = 16 << 20
"""How many bytes the attributes of a file may have, all together."""

TEXTS = 100_000
"""How many strings a dataset may hold to be read."""

PIECE = 4 << 20
"""Bytes of a dataset that are read at once, where its chunks allow it."""

FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""The filters that come with h5py, by their numbers in HDF5; others run code of their own."""

LENGTH = struct.Struct("<q")

NO_START = 3
"""The exit status where h5py is not there, or does not work."""

DAMAGE = (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError)
"""What h5py raises on a file whose bytes make no sense."""


class RefusedError(Exception):
    """What is asked for will not be given; the text says why."""


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    file: Any = None
    try:
        _warm_up()
    except Exception:
        sys.exit(NO_START)
    limits = _Limits()
    while (request := _received(requests)) is not None:
        if "open" in request:
            limits.of_file(request["size"])
        limits.begin()
        answer: dict[str, Any] = {}
        pieces: Iterator[Any] = iter(())
        try:
            if "open" in request:
                file = _open(request, requests)
                limits.no_more_files()
                answer = _contents(file)
            elif "read" in request:
                answer, pieces = _read(file[request["read"]], bool(request["text"]))
            else:
                file = file.close()
        except RefusedError as refusal:
            answer = {"refused": str(refusal)}
        except MemoryError:
            answer = {"refused": "needs more memory than a file of its size should"}
        except DAMAGE as problem:
            answer = {"damaged": "cut short" if "truncated" in str(problem) else "damaged"}
        _send(answers, json.dumps(answer).encode())
        try:
            for piece in pieces:
                _send(answers, piece)
                limits.begin(len(piece))
        except (*DAMAGE, MemoryError):
            _send(answers, b"")
        answers.flush()
        limits.wait(idle=file is None)


def _received(requests: BinaryIO) -> dict[str, Any] | None:
    length = requests.read(LENGTH.size)
    return json.loads(requests.read(*LENGTH.unpack(length))) if length else None


def _send(answers: BinaryIO, data: Any) -> None:
    answers.write(LENGTH.pack(len(data)))
    answers.write(data)


def _warm_up() -> None:
    """Let h5py import what it imports at first use, while other files may still be opened."""
    import h5py

    with h5py.File(BytesIO(), "w") as file:
        file["a"] = ["text"]
        file["a"].attrs["b"] = [1.0]
        _contents(file)
        file["a"].asstr()[()]


class _Limits:
    """What this process may use, as the system is told; systems without such limits set none."""

    def __init__(self) -> None:
        self.until = 0.0
        """The processor time at which a file has had its share."""
        if os.name == "posix":
            import resource

            self.files = resource.getrlimit(resource.RLIMIT_NOFILE)

    def of_file(self, size: int) -> None:
        """Begin anew with time, memory and files, for a file of that size."""
        self.until = time.process_time() + FILE_SECONDS
        if os.name == "posix":
            import resource

            resource.setrlimit(resource.RLIMIT_NOFILE, self.files)
        if sys.platform == "linux":
            with open("/proc/self/statm", encoding="ascii") as statm:
                used = int(statm.read().split()[0]) * resource.getpagesize()
            limit, (_, hard) = used + ROOM + 4 * size, resource.getrlimit(resource.RLIMIT_AS)
            if hard != resource.RLIM_INFINITY:
                limit = min(limit, hard)
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))

    def no_more_files(self) -> None:
        """Allow no more files than are open."""
        if os.name == "posix":
            import resource

            free = os.dup(0)  # the lowest number that no open file has
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, self.files[1]))

    def begin(self, given: int = 0) -> None:
        """Let the system end this process if it computes too long; ``given`` bytes earn time."""
        if hasattr(signal, "setitimer"):
            self.until += given / BYTES_A_SECOND
            left = max(self.until - time.process_time(), 0.001)
            signal.setitimer(signal.ITIMER_PROF, min(left, CPU_SECONDS))
            signal.alarm(0)

    def wait(self, idle: bool) -> None:
        """Let time pass until the next request, but not for long without a file."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(IDLE_SECONDS if idle else 0)


def _open(request: dict[str, Any], requests: BinaryIO) -> Any:
    import h5py

    source = request["open"] or BytesIO(requests.read(request["size"]))
    if isinstance(source, str) and not h5py.is_hdf5(source):
        raise RefusedError("expected an HDF5 file, got a file of another kind")
    return h5py.File(source, "r")


def _contents(file: Any) -> dict[str, Any]:
    """All groups and datasets that lie in the file, with their attributes.

    A group that has been met is not entered again, so links in a circle end.
    """
    import h5py

    room = [ATTRIBUTES]
    hard = h5py.h5l.TYPE_HARD
    groups = {"": _attributes(file, room)}
    datasets: dict[str, Any] = {}
    met = {h5py.h5o.get_info(file.id).addr}
    waiting = [("", file)]
    while waiting:
        path, group = waiting.pop()
        for name in group:
            full = f"{path}/{name}".lstrip("/")
            if len(groups) + len(datasets) >= OBJECTS:
                raise RefusedError(f"expected at most {OBJECTS:,} groups and datasets, got more")
            if group.id.links.get_info(name.encode(errors="surrogateescape")).type != hard:
                datasets[full] = _refused("is a link, which minicnn does not follow")
                continue
            try:
                thing = group[name]
            except DAMAGE:
                datasets[full] = _refused("cannot be read: the file is damaged")
                continue
            if isinstance(thing, h5py.Dataset):
                datasets[full] = _described(thing, room)
            elif isinstance(thing, h5py.Group):
                address = h5py.h5o.get_info(thing.id).addr
                if address not in met:
                    met.add(address)
                    groups[full] = _attributes(thing, room)
                    waiting.append((full, thing))
    return {"groups": groups, "datasets": datasets}


def _refused(why: str) -> dict[str, Any]:
    return {"shape": [], "dtype": "", "attributes": {}, "refused": why}


def _described(dataset: Any, room: list[int]) -> dict[str, Any]:
    try:
        refused = _why_not(dataset)
        return {
            "shape": list(dataset.shape or ()),
            "dtype": dataset.dtype.str,
            "attributes": _attributes(dataset, room),
            "refused": refused,
            "stored": dataset.id.get_storage_size(),
            "matlab": "MATLAB_class" in dataset.attrs,
        }
    except DAMAGE:
        return _refused("cannot be read: the file is damaged")


def _why_not(dataset: Any) -> str:
    """Why the dataset will not be read, whatever is asked for; empty if it may be."""
    import h5py

    properties = dataset.id.get_create_plist()
    if properties.get_external_count() or properties.get_layout() == h5py.h5d.VIRTUAL:
        return "points to data in other files, which minicnn does not read"
    for i in range(properties.get_nfilters()):
        number, _, _, name = properties.get_filter(i)
        if number not in FILTERS:
            given = name.decode("utf-8", "replace")
            return f"expected no filters but {', '.join(FILTERS.values())}, got {given!r}"
    return "expected numbers, got an empty dataset" if dataset.shape is None else ""


def _attributes(thing: Any, room: list[int]) -> dict[str, Any]:
    """The attributes that are texts, lists of texts, or numbers; others are left out."""
    import h5py

    found: dict[str, Any] = {}
    if not h5py.h5a.get_num_attrs(thing.id):
        return found
    for name in thing.attrs:
        kept = thing.attrs.get_id(name)
        strings = h5py.check_string_dtype(kept.dtype)
        if kept.shape is None or not (strings or kept.dtype.kind in "biuf"):
            continue
        # HDF5 takes the size 0 of a list of no names for an error.
        stored = 0 if 0 in kept.shape else int(kept.get_storage_size())
        room[0] -= 64 + stored + 16 * len(name)
        if room[0] < 0:
            raise RefusedError(f"expected attributes of at most {ATTRIBUTES:,} bytes, got more")
        value = _plain(thing.attrs[name])
        room[0] -= sum(map(len, value)) if isinstance(value, list) and strings else 0
        room[0] -= len(value) if isinstance(value, str) else 0
        found[name] = value
    return found


def _plain(value: Any) -> Any:
    """A value as JSON has it; bytes are taken as UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    if getattr(value, "shape", ()):
        return [_plain(part) for part in value.tolist()]
    return value.tolist() if hasattr(value, "tolist") else value


def _read(dataset: Any, text: bool) -> tuple[dict[str, Any], Iterator[Any]]:
    """What is said of a dataset before its bytes, and these."""
    import h5py

    if text and h5py.check_string_dtype(dataset.dtype) is not None:
        if dataset.size > TEXTS:
            raise RefusedError(f"expected at most {TEXTS:,} names, got {dataset.size:,}")
        texts = dataset.asstr("utf-8", errors="replace")[()]
        return {"texts": texts.reshape(-1).tolist() if dataset.shape else [texts]}, iter(())
    marked = dataset.dtype.str == BFLOAT16 and dataset.attrs.get("dtype") == "bfloat16"
    if dataset.dtype.kind not in "biuf" and not marked:
        raise RefusedError(f"expected numbers, got {dataset.dtype}")
    return {}, _pieces(dataset)


def _pieces(dataset: Any) -> Iterator[Any]:
    """The dataset in runs along its first axis, of whole chunks."""
    import numpy as np

    if not dataset.shape or not dataset.size:
        yield dataset[()].tobytes()
        return
    rows = max(1, PIECE // (dataset.nbytes // len(dataset)))
    if dataset.chunks:
        rows = -(-rows // dataset.chunks[0]) * dataset.chunks[0]
    for first in range(0, len(dataset), rows):
        piece = np.ascontiguousarray(dataset[first : first + rows])
        yield piece.reshape(-1).view(np.uint8).data


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
