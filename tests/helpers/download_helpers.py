"""A server on this machine, and small files of the kinds that data sets come in."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; /404 is not there, and /cut breaks off after three of a hundred bytes.

    Of ``/parts?name`` 400,000 bytes come at a time, and the next time those after them; of
    ``/whole?name`` it is all from the start the next time.
    """

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path.startswith(("/parts?", "/whole?")):
            data = (Path(self.directory) / self.path.partition("?")[2]).read_bytes()
            known = self.headers.get("Range") if self.path.startswith("/parts") else None
            first = int(known.removeprefix("bytes=").removesuffix("-")) if known else 0
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - first))
            self.end_headers()
            again = self.path.startswith("/whole") and len(self.server.asked) > 1
            self.wfile.write(data[first : None if again else first + 400_000])
            return
        if self.path.startswith("/cut"):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"abc")
        else:
            super().do_GET()

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(folder):
    """A server of the files in ``folder``, with its ``url`` and the paths that it was ``asked``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.url = f"http://127.0.0.1:{server.server_port}/"
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_tar(path, files, mode="w:gz"):
    """A tar of files: name -> bytes, or a TarInfo that is put there without any."""
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def idx(array):
    """A compressed idx file of bytes, written by hand as its makers' page describes it."""
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


def python_2_pickle(pictures, **lists):
    """A pickle as Python 2 and its NumPy wrote those of CIFAR: texts are strings of bytes."""

    def text(value):
        return b"T" + struct.pack("<i", len(value)) + value

    def tuple_of(*parts):
        return b"(" + b"".join(parts) + b"t"

    def whole(value):
        return b"J" + struct.pack("<i", value)

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n"
        + tuple_of(b"cnumpy\nndarray\n", tuple_of(whole(0)), text(b"b"))
        + b"R"
        + tuple_of(
            whole(1),
            tuple_of(*map(whole, pictures.shape)),
            b"cnumpy\ndtype\n" + tuple_of(text(b"u1"), whole(0), whole(1)) + b"R"
            + tuple_of(whole(3), text(b"|"), b"NNN", whole(-1), whole(-1), whole(0)) + b"b",
            b"I00\n",
            text(pictures.tobytes()),
        )
        + b"b"
    )  # fmt: skip
    others = [
        text(key.encode()) + b"](" + b"".join(map(whole, value)) + b"e"
        for key, value in lists.items()
    ]
    return b"\x80\x02}(" + text(b"data") + array + b"".join(others) + b"u."


def numpy_unpickled(data):
    """What Python itself makes of a pickle that is known."""
    return pickle.loads(data, encoding="bytes")


def mnist_npz(path, rng, n=(6, 3), dtype=np.uint8):
    """The four arrays of MNIST, with few digits."""
    arrays = {}
    for part, count in zip(("train", "test"), n, strict=True):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 28, 28)).astype(dtype)
        arrays[f"y_{part}"] = rng.integers(0, 10, count).astype(np.uint8)
    np.savez_compressed(path, **arrays)
    return arrays


def cifar_tar(path, rng, names, keys, folder, n=4):
    """An archive of batches of n pictures each, by fours; returns name -> (data, labels by key)."""
    batches = {}
    for name in names:
        # A large archive has each picture many times, as to compress noise takes its time.
        pictures = np.repeat(rng.integers(0, 256, (4, 3072)).astype(np.uint8), n // 4, axis=0)
        labels = {key: rng.integers(0, 10, n).tolist() for key in keys}
        batches[name] = pictures, labels
    files = {f"{folder}/{k}": python_2_pickle(x, **labels) for k, (x, labels) in batches.items()}
    write_tar(path, {f"{folder}/readme.html": b"about it", **files})
    return batches
