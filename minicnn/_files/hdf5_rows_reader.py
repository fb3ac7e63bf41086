"""The process that reads runs of rows of HDF5 files into memory which it shares with who asks.

``hdf5_rows`` starts it and asks it; ``hdf5_reader`` has its limits, and how requests and answers
are written. Bytes go from the file into the shared memory, and what waits for them reads on
meanwhile.

This file is run as a script and imports nothing of the package but its neighbour.
"""

import mmap
import os
import sys
from typing import Any, BinaryIO

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))
    import hdf5_reader as reader  # type: ignore[import-not-found, no-redef, unused-ignore]
else:
    from minicnn._files import hdf5_reader as reader

LARGEST = 256 << 20
"""Four times the size of a file it may take in memory, but of no more bytes than these."""


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Open the files of the first request, then read the runs of each that follows."""
    reader.end_with_parent()
    try:
        reader.warm_up()
    except Exception:
        sys.exit(3)
    limits, rows = reader.Limits(), _Rows()
    while (request := reader.received(requests)) is not None:
        answer: dict[str, Any] = {}
        try:
            if "open" in request:
                rows.share(request)
                limits.of_file(min(request["size"], LARGEST))
                rows.open(request, limits)
                limits.no_more_files()
            else:
                rows.read(request["runs"], limits)
        except (reader.RefusedError, MemoryError, *reader.DAMAGE) as problem:
            answer = reader.why(problem) | {"file": rows.at}
        reader.send(answers, reader.json.dumps(answer).encode())
        answers.flush()
        limits.wait(idle=False)


class _Rows:
    """The datasets, and the memory into which their rows are laid."""

    def __init__(self) -> None:
        self.at = 0
        """The file at hand."""
        self.datasets: list[Any] = []
        self.memory = np.zeros(0, np.uint8)

    def share(self, request: dict[str, Any]) -> None:
        """Take the memory that is shared, before any limit is set."""
        where = {"tagname": request["tag"]} if sys.platform == "win32" else {}
        memory = mmap.mmap(request["shared"], request["memory"], **where)
        self.memory = np.frombuffer(memory, np.uint8)

    def open(self, request: dict[str, Any], limits: Any) -> None:
        """Open each file's dataset; raises ``RefusedError`` if it is not as it was."""
        for self.at, one in enumerate(request["open"]):
            limits.earn(1)
            file = reader.open_file({"open": one["path"], "size": one["size"]}, sys.stdin.buffer)
            access = reader.h5py.h5p.create(reader.h5py.h5p.DATASET_ACCESS)
            # Each chunk is read once, and whole. HDF5 reads a part of a row number by number from
            # what is not in its cache.
            access.set_chunk_cache(1, one["cache"], 1.0)
            dataset = reader.h5py.h5d.open(file.id, one["key"].encode(), access)
            found = reader.described(dataset, request["size"])
            if why := found.get("refused"):
                raise reader.RefusedError(why)
            if (found["shape"], found["dtype"]) != (one["shape"], one["dtype"]):
                raise reader.RefusedError("was replaced by another while it was in use")
            self.datasets.append(dataset)
        limits.allow(request["space"])

    def read(self, runs: list[list[int]], limits: Any) -> None:
        """Lay runs (file, first row, last, chunks, place in the memory) where they belong."""
        for self.at, first, last, chunks, place in runs:
            dataset = self.datasets[self.at]
            shape = (last - first, *dataset.shape[1:])
            count = int(np.prod(shape)) * dataset.dtype.itemsize
            limits.parts = chunks
            limits.earn(chunks, count)
            array = self.memory[place : place + count].view(dataset.dtype).reshape(shape)
            within = dataset.get_space()
            within.select_hyperslab((first, *(0 for _ in shape[1:])), shape)
            dataset.read(reader.h5py.h5s.create_simple(shape), within, array)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
