"""Files from strangers that are made to harm: each is read or refused in one line."""

import re
import zipfile

import h5py
import numpy as np
import pytest

from hostile_helpers import (
    attempt,
    circles,
    cut,
    data_file,
    deep,
    far_on,
    field_of_zip,
    functional,
    gzip_bomb,
    ladder,
    layer,
    legacy_file,
    linked,
    linked_weights,
    many_layers,
    many_links,
    model_file,
    nested,
    onnx_file,
    picture,
    place_beyond_all,
    put,
    replaced,
    small_images,
    swollen_weights,
    tiff,
    tiny_chunks,
    virtual,
    wide,
    written,
    zip_of,
)
from minicnn.data.images import load_image

RESTARTS = {"initial_learning_rate": 0.1, "first_decay_steps": 1e-9, "t_mul": 1 + 1e-9}

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
        "has more text than a file of its size should",
    ),
    "data: labels of 2**60 strings": (
        data_file(replaced("train_set_y", shape=(2**60,), dtype="S100", chunks=(1024,))),
        "has more text than a file of its size should",
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
        "expected numbers, got references",
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
    "40,000 layers": (model_file(many_layers), "expected at most 2000 layers"),
    "40,000 layers within one": (
        model_file(layer(1, "Residual", layers=[{"class_name": "ReLU", "config": {}}] * 40_000)),
        "expected at most 1000 layers in layers",
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
    "a Lambda": (model_file(layer(1, "Lambda", function=LAMBDA)), "got a Python function"),
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
    "300 sums in a row": (
        model_file(functional(*ladder(300))),
        "expected the arrays of",
    ),
    "300 sums within each other": (
        model_file(functional(*nested(300))),
        "expected the arrays of|got those of a layer",
    ),
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
        "array 'k' claims .* Here each layer has a copy of an array",
    ),
    "one matrix in 500 products": (
        onnx_file("Gemm", np.ones((512, 512), "f4"), alpha=2.0),
        "array 'k' claims .* Here each layer has a copy of an array",
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
        "got a Python function",
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
