"""Files from strangers, and what is promised of opening them.

Whatever is in a file, opening it gives what it holds or one line of ``MiniCNNError``, within five
seconds, with less than 256 MiB of memory, and opens no other file.
"""

import io
import json
import re
import struct
import sys
import time
import warnings
import zipfile
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import Conv2D, Dense, Flatten, Input, Sequential, import_onnx, load_model
from minicnn.data import load_hdf5
from minicnn.data.images import load_image
from minicnn.errors import MiniCNNError
from minicnn.initializers import left_unset

SECONDS = 5
MEMORY = 256 << 20

_opened: list[str] | None = None


def _note(event, arguments):
    if _opened is not None and event == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_note)


def peak_memory(reset=False):
    """The most memory that this process has had since the last reset, in bytes."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) << 10


def attempt(load, path):
    """Load the file, and return the error if there is one; checks all that is promised."""
    global _opened
    measured = sys.platform == "linux"
    before = peak_memory(reset=True) if measured else 0
    begun = time.process_time()
    _opened = []
    error = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load(path)
    except MiniCNNError as refusal:
        error = str(refusal)
        assert error.isprintable(), error
        assert len(error) < 1000, error
    finally:
        opened, _opened = _opened, None
    assert time.process_time() - begun < SECONDS
    assert not measured or peak_memory() - before < MEMORY
    own = (sys.prefix, sys.base_prefix, str(Path(minicnn.__file__).parent))
    fine = ("/proc/", "/dev/null", str(path), *own)
    opened = [name for name in opened if name != str(path.parent)]  # it is locked meanwhile
    others = [name for name in opened if not name.startswith(fine) and not name.isdigit()]
    assert others == [], others
    return error


def write_data(path):
    """Images and labels, some of it compressed."""
    with h5py.File(path, "w") as file:
        x = np.random.default_rng(0).integers(0, 255, (12, 8, 8, 3), np.uint8)
        file.create_dataset("train_set_x", data=x, compression="gzip")
        file["train_set_y"] = np.arange(12) % 3
        file["list_classes"] = ["a", "b", "c"]


def rezipped(path, damage):
    """Damage a member of a .keras file, and write it with the right checksum."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, damage(name, data))
    return out.getvalue()


def data_file(change):
    """A data file that is good but for one thing."""

    def make(folder):
        path = folder / "data.h5"
        write_data(path)
        with h5py.File(path, "a") as file:
            change(file)
        return load_hdf5, path

    return make


def replaced(name, **options):
    """The dataset made anew, with what h5py takes."""

    def change(file):
        del file[name]
        file.create_dataset(name, **options)

    return change


def linked(make_link, name="train_set_x"):
    """The dataset is a link."""

    def change(file):
        del file[name]
        file[name] = make_link(file)

    return change


def virtual(file):
    """The images are those of another file."""
    layout = h5py.VirtualLayout(shape=(12, 8, 8, 3), dtype="u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(12, 8, 8, 3))
    del file["train_set_x"]
    file.create_virtual_dataset("train_set_x", layout)


def gzip_bomb(file):
    """Three gigabytes of zeros in three megabytes, whose chunks all hold the same."""
    import zlib

    shape = (3 << 10, 1 << 10, 1 << 10, 1)
    chunk = zlib.compress(bytes(16 << 20), 9)
    del file["train_set_x"]
    x = file.create_dataset("train_set_x", shape, "u1", chunks=(16, *shape[1:]), compression="gzip")
    for i in range(0, shape[0], 16):
        x.id.write_direct_chunk((i, 0, 0, 0), chunk)


def repeated(shape, step):
    """Zeros of that shape, in chunks that all hold the same."""
    import zlib

    def change(file, name):
        chunk = np.zeros((step, *shape[1:]), "u1")
        if shape[1:] == (3,):
            chunk[:, 0] = 1
        made = file.create_dataset(name, shape, "u1", chunks=chunk.shape, compression="gzip")
        content = zlib.compress(chunk.tobytes(), 9)
        for i in range(0, shape[0], step):
            made.id.write_direct_chunk((i, *(0 for _ in shape[1:])), content)

    return change


def small_images(labels):
    """Fifteen million images of a pixel, with as many labels in that shape."""

    def change(file):
        del file["train_set_x"], file["train_set_y"]
        repeated((15_000_000, 1, 1, 1), 1 << 18)(file, "train_set_x")
        repeated(labels, 1 << 18)(file, "train_set_y")

    return change


def many_links(file):
    """One dataset under twenty thousand names."""
    for i in range(20_000):
        file[f"x{i}"] = file["train_set_x"]


def tiny_chunks(file):
    """Forty million labels in chunks of one, of which few are there."""
    del file["train_set_y"]
    made = file.create_dataset("train_set_y", (40_000_000,), "u1", chunks=(1,))
    made[:20_000] = 1


def circles(file):
    """Groups that hold each other."""
    a, b = file.create_group("a"), file.create_group("b")
    a["b"], b["a"], a["root"], b["b"] = b, a, file, b


def deep(file):
    """Groups within groups."""
    group = file
    for _ in range(3000):
        group = group.create_group("g")


def wide(file):
    """Thousands of datasets, whose names are long."""
    for i in range(2000):
        file[f"{'x' * 200}{i}\n_set_x"] = 0


def model_file(change=None, weights=None, metadata=None, name="model.keras"):
    """A model file in which the config, the arrays or the metadata are not what they should be."""

    def damage(member, data):
        if member == "config.json" and change is not None:
            config = json.loads(data)
            found = change(config)
            data = found if isinstance(found, bytes) else json.dumps(config).encode()
        if member == "model.weights.h5" and weights is not None:
            held = io.BytesIO(data)
            with h5py.File(held, "a") as file:
                weights(file)
            data = held.getvalue()
        return metadata if member == "metadata.json" and metadata is not None else data

    def make(folder):
        path = folder / name
        plain = Sequential([Input((8, 8, 3)), Conv2D(4, 3), Flatten(), Dense(3)], seed=0)
        plain.compile("adam", "mse")
        plain.save(path)
        path.write_bytes(rezipped(path, damage))
        return load_model, path

    return make


def layer(number, class_name=None, **arguments):
    """Another class, or other arguments, of one layer."""

    def change(config):
        described = config["config"]["layers"][number]
        if class_name is not None:
            described["class_name"] = class_name
            described["config"] = {"name": "other"}
        described["config"].update(arguments)

    return change


def put(*places, value):
    """A value somewhere in the config."""

    def change(config):
        for place in places[:-1]:
            config = config[place]
        config[places[-1]] = value

    return change


def many_layers(config):
    """Forty thousand layers."""
    layers = config["config"]["layers"]
    relu = [{"class_name": "ReLU", "config": {"name": str(i)}} for i in range(40_000)]
    config["config"]["layers"] = layers[:1] + relu


def zip_of(members, compression=zipfile.ZIP_DEFLATED):
    """An archive of just those members."""

    def make(folder):
        path = folder / "model.keras"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return load_model, path

    return make


def functional(*edges, classes=None):
    """A functional model: pairs of a layer and those that it takes its input from."""

    def change(config):
        inner = config["config"]
        config["class_name"] = "Functional"
        layers = {}
        for name, inputs in edges:
            ends = [
                {"class_name": "__keras_tensor__", "config": {"keras_history": [i, 0, 0]}}
                for i in inputs
            ]
            args = [ends] if len(ends) > 1 else ends
            class_name = (classes or {}).get(name, "Add" if len(ends) > 1 else "ReLU")
            layers[name] = {
                "module": "keras.layers",
                "class_name": class_name,
                "name": name,
                "config": {"name": name},
                "inbound_nodes": [{"args": args, "kwargs": {}}],
            }
        first = {
            "module": "keras.layers",
            "class_name": "InputLayer",
            "name": "in",
            "config": {"name": "in", "batch_shape": [None, 4, 4, 2]},
            "inbound_nodes": [],
        }
        inner["layers"] = [first, *layers.values()]
        inner["input_layers"], inner["output_layers"] = ["in", 0, 0], [edges[-1][0], 0, 0]

    return change


def ladder(steps):
    """Sums of sums: each step takes the last one twice around."""
    edges = [("0", ["in"])]
    for i in range(steps):
        edges += [(f"a{i}", [edges[-1][0]]), (f"{i + 1}", [f"a{i}", edges[-1][0]])]
    return edges


def nested(steps):
    """Residuals within Residuals, as many as that."""
    names = ["in", *(f"down{i}" for i in range(steps))]
    edges = [(name, [before]) for before, name in pairwise(names)]
    last = names[-1]
    for i in reversed(range(steps)):
        edges.append((f"up{i}", [last, names[i]]))
        last = f"up{i}"
    return edges


def legacy_file(change):
    """An .h5 file that is good but for one thing."""

    def make(folder):
        path = folder / "model.h5"
        Sequential([Input((8, 8, 3)), Conv2D(4, 3), Flatten(), Dense(3)], seed=0).save(path)
        with h5py.File(path, "a") as file:
            change(file)
        return load_model, path

    return make


def picture(width, height):
    """A black picture of that size."""

    def make(folder):
        from PIL import Image

        Image.new("RGB", (width, height)).save(folder / "a.png")
        return lambda path: load_image(path, (8, 8, 3)), folder / "a.png"

    return make


def tiff(*changed):
    """A TIFF file with other values of some tags: (tag, kind, value)."""

    def make(folder):
        tags = {256: (4, 8), 257: (4, 8), 258: (4, 8), 259: (4, 1), 262: (4, 1)}
        tags |= {273: (4, 200), 277: (4, 1), 278: (4, 8), 279: (4, 64)}
        tags |= {tag: (kind, value) for tag, kind, value in changed}
        entries = [struct.pack("<HHII", tag, kind, 1, v) for tag, (kind, v) in sorted(tags.items())]
        head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
        return lambda path: load_image(path, (8, 8, 3)), written(
            folder / "a.tif", head + bytes(300)
        )

    return make


def written(path, data):
    """The path, to which the data are written."""
    path.write_bytes(data)
    return path


def cut(make_file, share):
    """The first part of a good file."""

    def make(folder):
        load, path = make_file(folder)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        return load, path

    return make


def linked_weights(folder):
    """Sixty layers whose arrays are one, of zeros in few bytes."""
    path = folder / "model.keras"
    layers = [Dense(2000, use_bias=False) for _ in range(60)]
    with left_unset():
        model = Sequential([Input((2000,)), *layers])
    inside = io.BytesIO()
    with h5py.File(inside, "w") as file:
        one = file.create_dataset("one", data=np.zeros((2000, 2000), "f4"), compression="gzip")
        for layer in layers:
            file[f"layers/{layer.name}/vars/0"] = one
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
    for described in model.get_config()["layers"]:
        config["config"]["layers"].append(described)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", inside.getvalue())
    return load_model, path


def swollen_weights(folder):
    """Arrays of two megabytes that unpack to two gigabytes."""
    path = folder / "model.keras"
    good, _ = model_file()(folder)
    assert good is load_model
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()[:2]}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        with archive.open("model.weights.h5", "w", force_zip64=True) as member:
            for _ in range(256):
                member.write(bytes(1 << 20))
    return load_model, path


def field_of_zip(at, value):
    """A number in the first entry of the table of members, or of all its members' headers."""

    def make(folder):
        load, path = model_file()(folder)
        data = bytearray(path.read_bytes())
        entry = data.find(b"PK\1\2")
        data[entry + at : entry + at + len(value)] = value
        path.write_bytes(data)
        return load, path

    return make


def place_beyond_all(folder):
    """A member that begins at 2**63, by a field for such large files."""
    load, path = model_file()(folder)
    data = bytearray(path.read_bytes())
    entry, end = data.find(b"PK\1\2"), data.find(b"PK\5\6")
    name = int.from_bytes(data[entry + 28 : entry + 30], "little")
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    data[end + 12 : end + 16] = (size + 12).to_bytes(4, "little")
    data[entry + 30 : entry + 32] = (12).to_bytes(2, "little")
    data[entry + 42 : entry + 46] = b"\xff" * 4
    data[entry + 46 + name : entry + 46 + name] = struct.pack("<HHQ", 1, 8, 2**63)
    path.write_bytes(data)
    return load, path


def onnx_file(op, kernel, **attributes):
    """Five hundred nodes that share one array."""

    def make(folder):
        onnx = pytest.importorskip("onnx")
        helper = onnx.helper
        names = ["x", *(f"t{i}" for i in range(499)), "y"]
        image = [len(kernel), *((4, 4) if kernel.ndim == 4 else ())]
        graph = helper.make_graph(
            [helper.make_node(op, [a, "k"], [b], **attributes) for a, b in pairwise(names)],
            "graph",
            [helper.make_tensor_value_info("x", 1, ["N", *image])],
            [helper.make_tensor_value_info("y", 1, None)],
            [onnx.numpy_helper.from_array(kernel, "k")],
        )
        opset = [helper.make_opsetid("", 17)]
        made = helper.make_model(graph, opset_imports=opset, ir_version=8)
        return import_onnx, written(folder / "m.onnx", made.SerializeToString())

    return make


def far_on(file):
    """An optimizer that has taken 10**15 steps."""
    del file["optimizer/vars/0"]
    file["optimizer/vars/0"] = np.int64(10**15)
