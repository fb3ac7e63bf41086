"""Files from strangers: thousands of damaged ones and some made to harm.

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
from functools import cache
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from minicnn import (
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPool,
    ReLU,
    Residual,
    Sequential,
    import_onnx,
    load_model,
)
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
    own = (sys.prefix, sys.base_prefix, str(Path(load_model.__code__.co_filename).parent))
    fine = ("/proc/", "/dev/null", str(path), *own)
    opened = [name for name in opened if name != str(path.parent)]  # it is locked meanwhile
    assert [name for name in opened if not name.startswith(fine) and not name.isdigit()] == []
    return error


# What is damaged ----------------------------------------------------------------------


def network():
    """A small network that has been trained for a step."""
    layers = [
        *(Input((8, 8, 3)), Conv2D(4, 3, padding="same"), BatchNorm(), ReLU(), MaxPool()),
        *(Residual([Conv2D(4, 3, padding="same"), ReLU()]), Flatten(), Dense(3)),
    ]
    model = Sequential(layers, seed=0)
    model.compile(Adam(), "mse", metrics=["mae"])
    model.fit(np.ones((4, 8, 8, 3)), np.ones((4, 3)), verbose=0)
    return model


def write_data(path):
    """Images and labels, some of it compressed."""
    with h5py.File(path, "w") as file:
        x = np.random.default_rng(0).integers(0, 255, (12, 8, 8, 3), np.uint8)
        file.create_dataset("train_set_x", data=x, compression="gzip")
        file["train_set_y"] = np.arange(12) % 3
        file["list_classes"] = ["a", "b", "c"]


@cache
def same_network():
    """A network of the same layers, which one load after another may change."""
    return network()


def load_weights(path):
    """Load weights into it."""
    same_network().load_weights(path)


def train(path, **options):
    """Train it for an epoch, or what is left of one, with a checkpoint at that path."""
    data = np.ones((4, 8, 8, 3)), np.ones((4, 3))
    same_network().fit(*data, verbose=0, checkpoint=path.parent, **options)


def resume(path):
    """Go on from the checkpoint; there is no other."""
    (path.parent / "checkpoint.previous.h5").unlink(missing_ok=True)
    train(path, resume=True)


FORMATS = {
    "data": ("data.h5", write_data, load_hdf5),
    "keras": ("model.keras", lambda path: network().save(path), load_model),
    "weights": ("model.weights.h5", lambda path: network().save_weights(path), load_weights),
    "legacy": ("model.h5", lambda path: network().save(path), load_model),
    "checkpoint": ("checkpoint.h5", train, resume),
}
"""Name of a file, who writes a good one, who reads it."""

NUMBERS = [b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\0\x7f", b"\xff\xff", b"\1"]
"""Sizes and addresses that a program may forget to expect."""


def mutant(good, rng):
    """Some bytes changed, a run of them zeroed, moved or cut off, or a number put among them."""
    bad = bytearray(good)
    at, end = sorted(rng.integers(0, len(bad), 2))
    kind = rng.integers(8)
    if kind < 4:
        for position in rng.integers(0, len(bad), rng.integers(1, 20)):
            bad[position] = rng.integers(256)
    elif kind == 4:
        del bad[end:]
    elif kind == 5:
        end = min(end, at + 100)
        bad[at:end] = bytes(end - at)
    elif kind == 6:
        number = NUMBERS[rng.integers(len(NUMBERS))]
        bad[at : at + len(number)] = number
    else:
        end = min(end, at + 100)
        bad[at:end] = bad[:end][: end - at]
    return bytes(bad)


def rezipped(path, damage):
    """Damage a member of a .keras file, and write it with the right checksum."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, damage(name, data))
    return out.getvalue()


def check_mutants(format_, tmp_path, count):
    """Attempt so many files of a format that are good but for some bytes."""
    name, write, load = FORMATS[format_]
    path = tmp_path / name
    write(path)
    assert attempt(load, path) is None
    good, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for i in range(count):
        if format_ == "keras" and i % 4:
            which = ("metadata.json", "config.json", "model.weights.h5")[i % 4 - 1]
            path.write_bytes(good)
            bad = rezipped(path, lambda n, d, w=which: mutant(d, rng) if n == w else d)
        else:
            bad = mutant(good, rng)
        path.write_bytes(bad)
        refused += attempt(load, path) is not None
    assert refused > count / 4


@pytest.mark.parametrize("format_", FORMATS)
def test_mutants(format_, tmp_path):
    """A file with some bytes changed is read, or refused in one line; see above."""
    check_mutants(format_, tmp_path, 60)


@pytest.mark.slow
@pytest.mark.parametrize("format_", FORMATS)
def test_ten_thousand_mutants(format_, tmp_path):
    """None of 10,000 files of a format with some bytes changed does any harm."""
    check_mutants(format_, tmp_path, 10_000)


# What is made to harm -----------------------------------------------------------------


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


RESTARTS = {"initial_learning_rate": 0.1, "first_decay_steps": 1e-9, "t_mul": 1 + 1e-9}


def far_on(file):
    """An optimizer that has taken 10**15 steps."""
    del file["optimizer/vars/0"]
    file["optimizer/vars/0"] = np.int64(10**15)


LAMBDA = {
    "class_name": "__lambda__",
    "config": {"value": "4wEAAAAAAAAAAAAAAAE=", "defaults": None, "closure": None},
}
SYSTEM = {
    "module": "os",
    "class_name": "system",
    "config": {"name": "touch canary"},
    "registered_name": "system",
}
KERNEL = "layers/conv2d/vars/0"
EXTERNAL = [("/etc/passwd", 0, h5py.h5f.UNLIMITED)]

HOSTILE = {
    "data: a shape of 16 GiB": (
        data_file(replaced("train_set_x", shape=(2**22, 64, 64, 1), dtype="u1", chunks=True)),
        "claims 17,179,869,184 bytes, but the file holds 0",
    ),
    "data: a shape of 2**63": (
        data_file(replaced("train_set_y", shape=(2**62,), dtype="i8", chunks=(1024,))),
        "claims .* bytes, but the file holds 0",
    ),
    "data: 3 GiB of zeros in 3 MB": (data_file(gzip_bomb), "claims 3,221,225,472 bytes"),
    "data: 15,000,000 labels": (
        data_file(small_images((15_000_000,))),
        "'train_set_y' claims 240,000,000 bytes, too many",
    ),
    "data: 15,000,000 one-hot labels": (
        data_file(small_images((15_000_000, 3))),
        "'train_set_y' claims 720,000,000 bytes, too many",
    ),
    "data: one dataset under 20,000 names": (data_file(many_links), None),
    "data: 40,000,000 chunks": (data_file(tiny_chunks), "is cut into 40,000,000 chunks, too many"),
    "data: labels without end": (
        data_file(
            replaced("train_set_y", data=np.zeros(10**8, "u1"), compression="gzip", chunks=True)
        ),
        "claims|expected 12 labels",
    ),
    "data: external storage": (
        data_file(replaced("train_set_x", shape=(12,), dtype="u1", external=EXTERNAL)),
        "points to data in other files",
    ),
    "data: a virtual dataset": (data_file(virtual), "points to data in other files"),
    "data: an external link": (
        data_file(linked(lambda file: h5py.ExternalLink("/etc/passwd", "x"))),
        "is a link, which minicnn does not follow",
    ),
    "data: a soft link to itself": (
        data_file(linked(lambda file: h5py.SoftLink("/train_set_x"))),
        "is a link, which minicnn does not follow",
    ),
    "data: groups in a circle": (data_file(circles), None),
    "data: groups 3,000 deep": (data_file(deep), None),
    "data: labels of 2**26 strings": (
        data_file(
            replaced("train_set_y", shape=(2**26,), dtype=h5py.string_dtype(), chunks=(1024,))
        ),
        "expected numbers, got text",
    ),
    "data: labels of 2**60 strings": (
        data_file(replaced("train_set_y", shape=(2**60,), dtype="S100", chunks=(1024,))),
        "expected numbers, got",
    ),
    "data: no images of 2**80 pixels": (
        data_file(
            replaced(
                "train_set_x",
                shape=(0, 2**40, 2**40, 1),
                dtype="u1",
                chunks=(1, 1024, 64, 1),
                maxshape=(None, 2**40, 2**40, 1),
            )
        ),
        "does not fit in memory",
    ),
    "data: a label of 1e300": (
        data_file(replaced("train_set_y", data=np.full(12, 1e300))),
        "expected small whole numbers, got 1e",
    ),
    "data: 2,000 names": (data_file(wide), "got two or more"),
    "data: a plug-in filter": (
        data_file(replaced("train_set_x", data=np.zeros((12, 8, 8, 3)), scaleoffset=0)),
        "expected no filters but",
    ),
    "data: references": (
        data_file(replaced("train_set_y", shape=(12,), dtype=h5py.ref_dtype)),
        "expected numbers, got object",
    ),
    "data: cut": (cut(data_file(lambda file: None), 0.7), "cut short"),
    "a kernel in another file": (
        model_file(weights=replaced(KERNEL, shape=(3, 3, 3, 4), dtype="f4", external=EXTERNAL)),
        "points to data in other files",
    ),
    "a kernel by a link": (
        model_file(weights=linked(lambda f: h5py.ExternalLink("/etc/passwd", "x"), KERNEL)),
        "is a link",
    ),
    "a kernel of 16 GiB": (
        model_file(weights=replaced(KERNEL, shape=(2**32,), dtype="f4", chunks=(1024,))),
        "expected shape",
    ),
    "a kernel that is not there": (
        model_file(weights=replaced(KERNEL, shape=(3, 3, 3, 4), dtype="f4", chunks=True)),
        "claims 432 bytes, but the file holds 0",
    ),
    "8,000,000 units": (model_file(layer(3, units=8_000_000)), "expected shape"),
    "10**30 units": (model_file(layer(3, units=10**30)), "dense|makes no model"),
    "NaN units": (model_file(layer(3, units=float("nan"))), "expected units as a whole number"),
    "infinite filters": (model_file(layer(1, filters=float("inf"))), "expected filters as a whole"),
    "a window of 2**60": (model_file(layer(1, kernel_size=[2**60, 2**60])), "conv2d"),
    "one array under 60 names": (linked_weights, "too many for a file of"),
    "an image enlarged 2**20 times": (
        model_file(layer(1, "UpSampling2D", size=[2**20, 2**20])),
        "expected at most 268,435,456",
    ),
    "a margin of 2**70": (
        model_file(layer(1, "ZeroPadding2D", padding=2**70)),
        "expected at most 268,435,456",
    ),
    "a pool of 2**40": (
        model_file(layer(1, "MaxPooling2D", pool_size=2**40, padding="same")),
        "expected an image of at most",
    ),
    "an infinite input": (
        model_file(layer(0, batch_shape=[None, float("inf"), 8, 3])),
        "expected .* whole number|shape",
    ),
    "an input of 2**60 channels": (
        model_file(layer(0, batch_shape=[None, 8, 8, 2**60])),
        "expected at most 268,435,456",
    ),
    "40,000 layers": (model_file(many_layers), "expected at most 1000 layers"),
    "40,000 layers within one": (
        model_file(layer(1, "Residual", layers=[{"class_name": "ReLU", "config": {}}] * 40_000)),
        "sums as Keras has them",
    ),
    "40,000 layers within a number": (
        model_file(layer(3, units=[{"class_name": "ReLU", "config": {}}] * 40_000)),
        "expected units as a whole number",
    ),
    "a layer called by a terminal's escapes": (
        model_file(layer(1, name="\x1b[2J\x1b[31mEVIL\nsecond")),
        "expected name as a text of printable characters",
    ),
    "a layer called by half a character": (
        model_file(layer(1, name="\ud800")),
        "expected name as a text of printable characters",
    ),
    "a Lambda": (model_file(layer(1, "Lambda", function=LAMBDA)), "got 'Lambda'"),
    "a lambda as activation": (model_file(layer(1, activation=LAMBDA)), "activation"),
    "os.system as a layer": (model_file(put("config", "layers", 1, value=SYSTEM)), "got 'system'"),
    "os.system as an initializer": (
        model_file(layer(1, kernel_initializer=SYSTEM)),
        "kernel_initializer",
    ),
    "os.system as a loss": (
        model_file(put("compile_config", "loss", value=SYSTEM)),
        "expected",
    ),
    "a module path as class": (
        model_file(layer(1, "minicnn._cli.main")),
        "minicnn._cli.main",
    ),
    "a name of many lines": (
        model_file(layer(1, "Evil\n\x1b[2Jlayer", name="x\ny")),
        "layers that minicnn has",
    ),
    "a rate that is no number": (
        model_file(
            put("compile_config", "optimizer", "config", "learning_rate", value=float("nan"))
        ),
        "learning_rate",
    ),
    "a graph that is a circle": (
        model_file(functional(("a", ["b"]), ("b", ["a"]), ("c", ["in"]))),
        "takes its input from layers behind it|lead to the output",
    ),
    "a graph with a layer of itself": (model_file(functional(("a", ["a"]))), "behind it"),
    "a graph with a loose end": (
        model_file(functional(("a", ["in"]), ("b", ["nowhere"]))),
        "'nowhere', which is not there",
    ),
    "a graph that joins": (
        model_file(functional(("a", ["in"]), ("b", ["a", "in"]), classes={"b": "Concatenate"})),
        "layers of one input and sums of two",
    ),
    "300 sums in a row": (
        model_file(functional(*ladder(300))),
        "expected the arrays of 301 layers",
    ),
    "300 sums within each other": (model_file(functional(*nested(300))), "at most 20 sums within"),
    "config 1,000 deep": (
        model_file(lambda config: b'{"config":' * 1000 + b"{}" + b"}" * 1000),
        "nested more than 100 deep|is damaged",
    ),
    "config 1,000,000 deep": (
        model_file(lambda config: b"[" * 10**6),
        "more than 200,000 lists",
    ),
    "two million lists in the config": (
        model_file(lambda config: b'{"a":[' + b'{"":[]},' * 500_000 + b"0]}"),
        "more than 200,000 lists and objects",
    ),
    "config of 100 MB": (model_file(lambda config: b" " * 10**8), "bytes, which is too many"),
    "a curve of 100,000,000 points": (
        model_file(
            put(
                "compile_config",
                "metrics",
                value=[{"class_name": "AUC", "config": {"num_thresholds": 10**8}}],
            )
        ),
        "metrics of at most 100,000 thresholds in all, got 100,000,000",
    ),
    "curves that owe each other points": (
        model_file(
            put(
                "compile_config",
                "metrics",
                value=[
                    {"class_name": "AUC", "config": {"num_thresholds": n}}
                    for n in (-(10**9), 10**5, 10**5)
                ],
            )
        ),
        "metrics of at most 100,000 thresholds in all, got 200,000",
    ),
    "12,000 metrics": (
        model_file(put("compile_config", "metrics", value=["mae"] * 12_000)),
        "expected at most 100 metrics, got 12,000",
    ),
    "an image of 100,000 axes": (
        model_file(layer(2, "Reshape", target_shape=[144] + [1] * 100_000)),
        "would make 100001 axes, expected at most 30",
    ),
    "a class of four million letters": (model_file(layer(3, "a" * 4_000_000)), "got 'aaa"),
    "a rate of 10**400": (
        model_file(put("compile_config", "optimizer", "config", "learning_rate", value=10**400)),
        "expected learning_rate as a number",
    ),
    "a rate that restarts a billion times a step": (
        model_file(
            put(
                "compile_config",
                "optimizer",
                "config",
                "learning_rate",
                value={"class_name": "CosineDecayRestarts", "config": RESTARTS},
            ),
            weights=far_on,
        ),
        None,
    ),
    "names of 600,000 classes": (
        model_file(metadata=b'{"minicnn": {"class_names": [' + b'"a",' * 600_000 + b'"b"]}}'),
        "more than 200,000 lists and objects, or values in them",
    ),
    "arrays that unpack to a thousand times their size": (
        swollen_weights,
        "model.weights.h5 claims 268,435,456 bytes, too many for a file of",
    ),
    "a member at 2**63": (place_beyond_all, "expected a .keras file"),
    "an encrypted member": (field_of_zip(8, b"\1"), "expected metadata.json as it is, got it encr"),
    "a member of another version": (field_of_zip(6, b"\xff\xff"), "expected a .keras file"),
    "one kernel in 500 convolutions": (
        onnx_file("Conv", np.ones((256, 256, 2, 2), "f4"), auto_pad="SAME_UPPER"),
        "array 'k' claims .* Here each layer has arrays of its own",
    ),
    "one matrix in 500 products": (
        onnx_file("Gemm", np.ones((512, 512), "f4"), alpha=2.0),
        "array 'k' claims .* Here each layer has arrays of its own",
    ),
    "layers that are no list": (model_file(put("config", "layers", value={"a": 1})), "layers"),
    "a generator of another kind": (
        model_file(metadata=b'{"minicnn": {"generator": {"bit_generator": "X", "state": 1}}}'),
        "makes no model|generator",
    ),
    "a zip bomb": (
        zip_of({"metadata.json": b"{}", "config.json": bytes(10**8)}),
        "config.json claims 100,000,000 bytes",
    ),
    "a zip that leads out": (
        zip_of({"../../config.json": b"{}", "/etc/passwd": b"x"}),
        "one without metadata.json",
    ),
    "20,000 members": (
        zip_of({f"{i:0100}": b"" for i in range(20_000)}, zipfile.ZIP_STORED),
        "expected a .keras file",
    ),
    "another compression": (
        zip_of({"metadata.json": b"{}"}, zipfile.ZIP_LZMA),
        "stored or deflated",
    ),
    "legacy: a config 1,000 deep": (
        legacy_file(
            lambda f: f.attrs.modify("model_config", '{"config":' * 1000 + "1" + "}" * 1000)
        ),
        "nested more than 100 deep|is damaged",
    ),
    "legacy: a Lambda": (
        legacy_file(
            lambda f: f.attrs.modify(
                "model_config", f.attrs["model_config"].replace('"Flatten"', '"Lambda"')
            )
        ),
        "got 'Lambda'",
    ),
    "legacy: names that lead elsewhere": (
        legacy_file(
            lambda f: f["model_weights/conv2d"].attrs.modify(
                "weight_names", ["../../optimizer_weights/x", "/etc/passwd"]
            )
        ),
        "is missing",
    ),
    "legacy: a kernel by a link": (
        legacy_file(
            linked(
                lambda f: h5py.ExternalLink("/etc/passwd", "x"), "model_weights/dense/dense/bias"
            )
        ),
        "is a link|is missing",
    ),
    "a picture of 25,000,000 rows": (picture(1, 25_000_000), "claims 1 x 25,000,000 pixels"),
    "a picture of 5,000 x 5,000 in 25 kB": (picture(5000, 5000), "claims 5,000 x 5,000 pixels"),
    "a TIFF whose pixels lie at a broken number": (
        tiff((273, 11, 0x43480000)),
        "expected a picture",
    ),
    "a TIFF with a tile of 50,000 x 50,000": (
        tiff((322, 4, 50_000), (323, 4, 50_000), (324, 4, 200), (325, 4, 64), (259, 4, 5)),
        "expected a picture",
    ),
    "a TIFF of numbers": (
        tiff((258, 4, 32), (339, 4, 3)),
        "expected 8 or 16 bits a channel, got F",
    ),
    "a TIFF of 4,000,000,000 rows": (tiff((257, 4, 4_000_000_000)), "claims far more pixels"),
    "a picture that is a program": (
        lambda folder: (
            lambda path: load_image(path, (8, 8, 3)),
            written(folder / "a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ),
        "expected a picture",
    ),
    "cut": (cut(model_file(), 0.9), "expected a .keras file"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile(what, tmp_path):
    """A file that is made to harm does not, and is refused for the reason that it is bad."""
    make, message = HOSTILE[what]
    error = attempt(*make(tmp_path))
    if message is None:
        assert error is None
    else:
        assert re.search(message, error or "nothing was refused")
