"""ONNX files: what is written, and that it is read back."""

import sys

import numpy as np
import pytest

from minicnn import (
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    Input,
    InputLayer,
    Layer,
    ReLU,
    Reshape,
    Residual,
    Resizing,
    Sequential,
    Tanh,
    export_onnx,
    import_onnx,
)
from minicnn.errors import ConfigError
from minicnn.testing.cases import LAYERS
from onnx_helpers import evaluated, filled, small_network, some, turned

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def ops(path):
    return [node.op_type for node in onnx.load(path).graph.node]


NOT_READ = ("Normalization(axis=(1, -1))", "Elementwise", "Lambda", "Power", "Reduce", "Slice")
"""Written as arithmetic with an array that is no number for each channel, or as operators that
read files have no layers for."""


@pytest.mark.parametrize(
    "case", [c for c in LAYERS if not isinstance(c.make(), InputLayer)], ids=repr
)
def test_layer_there_and_back(case, tmp_path):
    """A layer, first or within, computes the same in ONNX (both layouts), and read back."""
    shape, layer = case.input_shape, case.make()
    before = Conv2D(shape[-1], 1) if len(shape) == 3 else Dense(shape[-1])
    alone = [Input(shape), layer]
    within = [Input(shape), before, layer, Flatten(), Dropout(0.1), Dense(2)]
    for layers in (alone, within):
        model = filled(layers)
        x = some(shape)
        y = model.predict(x)
        for layout in ("NHWC", "NCHW"):
            path = tmp_path / f"{layout}.onnx"
            export_onnx(model, path, layout=layout)
            found = evaluated(path, x if layout == "NHWC" else turned(x))
            expected = y if layout == "NHWC" else turned(y)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
            if not repr(case).startswith(NOT_READ):
                again = import_onnx(path)
                np.testing.assert_allclose(again.predict(x), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_images_made_of_rows(layout, tmp_path):
    """Images that only come out do so in the layout asked for, and are read back as they were."""
    layers = [Input((6,)), Dense(12), Reshape((2, 2, 3)), Conv2DTranspose(2, 2, 2), Tanh()]
    model = filled(layers)
    export_onnx(model, tmp_path / "a.onnx", layout=layout)
    y = model.predict(some((6,)))
    expected = turned(y) if layout == "NCHW" else y
    np.testing.assert_allclose(evaluated(tmp_path / "a.onnx", some((6,))), expected, rtol=1e-5)
    np.testing.assert_allclose(import_onnx(tmp_path / "a.onnx").predict(some((6,))), y, rtol=1e-5)


def test_the_graph_is_clean(tmp_path):
    """Images are transposed once, in front, if at all, and the Dense's rows take up the Flatten."""
    inside = [
        "Mul", "Conv", "BatchNormalization", "Relu", "MaxPool", "Flatten", "Gemm", "Softmax",
    ]  # fmt: skip
    export_onnx(small_network(), tmp_path / "a.onnx")
    assert ops(tmp_path / "a.onnx") == ["Transpose", *inside]
    export_onnx(small_network(), tmp_path / "b.onnx", layout="NCHW")
    assert ops(tmp_path / "b.onnx") == inside


def test_a_block_transposes_once(tmp_path):
    """Both branches of a first residual block use one transposition."""
    block = Residual([Conv2D(3, 3, padding="same"), ReLU(), Conv2D(3, 1)])
    export_onnx(Sequential([Input((4, 4, 3)), block]), tmp_path / "a.onnx")
    assert ops(tmp_path / "a.onnx") == ["Transpose", "Conv", "Relu", "Conv", "Add", "Transpose"]


def test_what_the_file_says(tmp_path):
    """Versions, producer, names, an open batch and the names of the classes stand in the file."""
    model = small_network()
    model.class_names = ("a", "b", "c", "d", "ü")
    export_onnx(model, tmp_path / "a.onnx")
    file = onnx.load(tmp_path / "a.onnx")
    assert file.ir_version == 8
    assert [(entry.domain, entry.version) for entry in file.opset_import] == [("", 17)]
    assert file.producer_name == "minicnn"
    (given,), (result,) = file.graph.input, file.graph.output
    assert (given.name, result.name) == ("input", "output")
    dims = given.type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["N", 8, 8, 3]
    assert [node.name for node in file.graph.node] == [
        "input.transposed", "rescaling", "conv2d", "batch_normalization", "re_lu",
        "max_pooling2d", "flatten", "scores", "scores.softmax",
    ]  # fmt: skip
    assert {"conv2d.kernel", "conv2d.bias", "scores.kernel", "batch_normalization.gamma"} <= {
        array.name for array in file.graph.initializer
    }
    assert import_onnx(tmp_path / "a.onnx").class_names == model.class_names


def test_names_that_meet(tmp_path):
    """A layer called like the input, or like another's array, does not confuse the graph."""
    layers = [
        Input((4, 4, 2)),
        Conv2D(2, 1, name="input"),
        Conv2D(2, 1, name="a"),
        ReLU(name="a.kernel"),
        Residual([Conv2D(2, 1, name="b")], name="a.b"),
        Dense(2, name="output"),
    ]
    model = filled(layers)
    export_onnx(model, tmp_path / "a.onnx")
    np.testing.assert_allclose(
        evaluated(tmp_path / "a.onnx", some((4, 4, 2))), model.predict(some((4, 4, 2))), rtol=1e-5
    )


def test_double_precision_is_written_as_single(tmp_path):
    """A float64 model becomes a float32 graph within single precision."""
    model = filled([Input((4,)), Dense(3)], dtype="float64")
    export_onnx(model, tmp_path / "a.onnx")
    found = evaluated(tmp_path / "a.onnx", some((4,)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, model.predict(some((4,))), rtol=1e-5)


class Doubled(Conv2D):
    """A custom layer that looks like one of minicnn's."""


def test_a_custom_layer_is_refused_by_name(tmp_path):
    """A class that minicnn lacks, or one derived from its classes, is named in one line."""
    for layer in (Doubled(2, 1, name="mine"), type("New", (Layer,), {})(name="mine")):
        model = Sequential([Input((4, 4, 2)), Residual([layer], name="block")])
        with pytest.raises(ConfigError, match=r"got (Doubled|New) 'mine', which is custom"):
            export_onnx(model, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (Resizing(3, 3, "bicubic"), "'bicubic'"),
        (Resizing(3, 3, antialias=True), "'bilinear', antialias"),
        (Resizing(5, 5, "nearest"), "'nearest' between two pixels"),
    ],
    ids=repr,
)
def test_resizing_that_runtimes_do_otherwise_is_refused(layer, what, tmp_path):
    """Interpolations that ONNX lacks, or whose ties depend on rounding, are named in one line."""
    model = Sequential([Input((6, 6, 2)), layer])
    with pytest.raises(ConfigError, match=rf"compute alike, got Resizing 'resizing' with {what}\."):
        export_onnx(model, tmp_path / "a.onnx")


def test_nearest_of_half_the_size(tmp_path):
    """Where the scale is exact, runtimes take the second of two pixels, as Keras does."""
    model = Sequential([Input((6, 8, 2)), Resizing(3, 2, "nearest")])
    x = some((6, 8, 2))
    export_onnx(model, tmp_path / "a.onnx")
    np.testing.assert_array_equal(evaluated(tmp_path / "a.onnx", x), x[:, 1::2, 2::4])
    np.testing.assert_array_equal(import_onnx(tmp_path / "a.onnx").predict(x), x[:, 1::2, 2::4])


def test_arguments_that_make_no_sense(tmp_path):
    """A path without .onnx, another layout and what is no model are refused."""
    model = Sequential([Input((4,)), Dense(3)])
    with pytest.raises(ConfigError, match=r"a path that ends in \.onnx"):
        export_onnx(model, tmp_path / "a.keras")
    with pytest.raises(ConfigError, match="layout 'NHWC' or 'NCHW', got 'CHW'"):
        export_onnx(model, tmp_path / "a.onnx", layout="CHW")
    with pytest.raises(ConfigError, match="expected a model, got 3"):
        export_onnx(3, tmp_path / "a.onnx")
    with pytest.raises(ConfigError, match="cannot be written: no such file"):
        export_onnx(model, tmp_path / "nowhere" / "a.onnx")


def test_without_the_package(tmp_path, monkeypatch):
    """Where onnx is not installed, one line says how to install it."""
    model = Sequential([Input((4,)), Dense(3)])
    export_onnx(model, tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnx.checker", None)
    for call in (lambda: export_onnx(model, tmp_path / "a.onnx"), lambda: import_onnx("a.onnx")):
        with pytest.raises(ConfigError, match=r"pip install onnx"):
            call()
