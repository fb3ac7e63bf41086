"""ONNX files: what is refused."""

import os
import time

import numpy as np
import pytest

from minicnn import Dense, Input, Sequential, export_onnx, import_onnx
from minicnn.errors import ModelFileError
from minicnn.onnx import reading, wire
from onnx_helpers import KERNEL, array, graph, imported, info, node, sizes, small_network

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
helper = pytest.importorskip("onnx.helper", reason="onnx is not installed")

F, D, I64 = 1, 11, 7
"""ONNX' numbers for float32, float64 and int64."""


def pooled(**attributes):
    return graph([node("MaxPool", "x", "y", **({"kernel_shape": [2, 2]} | attributes))])


def convolved(arrays=(KERNEL,), **attributes):
    return graph([node("Conv", "x w", "y", **attributes)], arrays)


def claimed(name, dims, data_type=F, **fields):
    """An array that claims to have this shape."""
    made = onnx.TensorProto(name=name, dims=dims, data_type=data_type)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def elsewhere(name):
    """An array whose numbers stand in another file."""
    made = claimed(name, [4, 3, 3, 3], data_location=1)
    made.external_data.add(key="location", value="/etc/passwd")
    return made


def normalized(**attributes):
    names = "abcd"
    arrays = [array(name, [1, 1, 1]) for name in names]
    return graph([node("BatchNormalization", "x a b c d", "y", **attributes)], arrays)


def with_subgraph():
    body = helper.make_graph([node("Relu", "x", "z")], "body", [], [info("z", "N")])
    return graph([node("If", "x", "y", then_branch=body, else_branch=body)])


def many_opsets():
    file = graph([node("Relu", "x", "y")])
    file.opset_import.add(domain="", version=16)
    return file


REFUSED = {
    "external data": (convolved([elsewhere("w")]), "the name of another file"),
    "dims bomb": (convolved([claimed("w", [1 << 40, 3, 3, 3], raw_data=b"ab")]), "its shape says"),
    "negative dims": (convolved([claimed("w", [-1, -1], raw_data=b"abcd")]), "its shape says"),
    "dims of zero": (convolved([claimed("w", [0, 3, 1 << 60, 3])]), "its shape says"),
    "no numbers": (convolved([claimed("w", [4, 3, 3, 3])]), "its shape says"),
    "half a number": (convolved([claimed("w", [1], raw_data=b"abcde")]), "its shape says"),
    "text array": (convolved([claimed("w", [1], data_type=8)]), "ONNX' type 8"),
    "cycle": (graph([node("Add", "x b", "a"), node("Relu", "a", "b")]), "no node before it makes"),
    "dangling": (graph([node("Add", "x z", "y")]), "takes 'z'"),
    "no output": (graph([node("Relu", "x", "z")]), "an output 'y' that is computed"),
    "constant output": (graph([node("Relu", "x", "z")], [array("y", 1)]), "an output 'y'"),
    "made twice": (graph([node("Relu", "x", "y"), node("Tanh", "x", "y")]), "is made already"),
    "made again": (graph([node("Relu", "x", "x")]), "is made already"),
    "two arrays": (convolved([KERNEL, KERNEL]), "expected one array 'w', got two"),
    "subgraph": (with_subgraph(), "is not a number, numbers, text or an array"),
    "bias of each image": (
        graph(
            [node("Gemm", "x w b", "y")],
            [array("w", np.ones((8, 3))), array("b", [[1]] * 3)],
            ("N", 8),
        ),
        "a bias of shape (3,)",
    ),
    "axes twice": (
        graph(
            [node("Pad", "x p zero a", "y")],
            [sizes("p", 1, 1, 1, 1), array("zero", 0), sizes("a", 2, -2)],
            opset=18,
        ),
        "each axis once",
    ),
    "batch padded": (
        graph([node("Pad", "x p", "y")], [sizes("p", 1, 0, 0, 0, 0, 0, 0, 0)]),
        "an axis from 1 to 3",
    ),
    "unknown operator": (graph([node("LSTM", "x", "y")]), "minicnn has no layer that does this"),
    "other domain": (graph([node("Relu", "x", "y", domain="ai.evil")]), "the domain 'ai.evil'"),
    "too many inputs": (graph([node("Relu", "x x", "y")]), "at most 1 inputs, got 2"),
    "unknown attribute": (graph([node("Relu", "x", "y", alpha=1.0)]), "attribute 'alpha'"),
    "negative pads": (convolved(pads=[0, -1, 0, 0]), "pads of 0 or more"),
    "zero strides": (convolved(strides=[0, 1]), "strides of at least 1"),
    "one stride": (convolved(strides=[1]), "strides as 2 whole numbers"),
    "strides of text": (convolved(strides="no\nno"), "strides as 2 whole numbers"),
    "huge kernel": (pooled(kernel_shape=[1 << 60, 1 << 60]), "too large"),
    "large kernel": (pooled(kernel_shape=[1 << 30, 1 << 30]), "image of at least"),
    "no kernel": (graph([node("MaxPool", "x", "y")]), "kernel_shape as 2 whole numbers"),
    "huge pads": (convolved(pads=[1 << 30, 1 << 30, 1 << 30, 1 << 30]), "numbers an image"),
    "pads beyond the window": (pooled(pads=[2, 2, 2, 2]), "padding smaller than the window"),
    "other kernel_shape": (convolved(kernel_shape=[5, 5]), "kernel_shape = "),
    "rows": (graph([node("MaxPool", "x", "y", kernel_shape=[2])], shape=("N", 3, 8)), "images"),
    "volumes": (graph([node("GlobalMaxPool", "x", "y")], shape=("N", 3, 8, 8, 8)), "images"),
    "kernel of volumes": (convolved([array("w", np.ones((4, 3, 3, 3, 3)))]), "kernel of 4 axes"),
    "other channels": (convolved([array("w", np.ones((4, 2, 3, 3)))]), "a kernel for 3 channels"),
    "other bias": (
        graph([node("Conv", "x w b", "y")], [KERNEL, array("b", [1, 2])]),
        "a bias of shape",
    ),
    "zero groups": (convolved(group=0), "0 groups"),
    "negative groups": (convolved(group=-1), "-1 groups"),
    "auto_pad": (convolved(auto_pad="WHAT\never"), "an auto_pad that ONNX has"),
    "both pads": (convolved(auto_pad="VALID", pads=[1, 1, 1, 1]), "got both"),
    "strided and dilated": (convolved(strides=[2, 2], dilations=[2, 2]), "dilation_rate to be 1"),
    "computed kernel": (graph([node("Conv", "x x", "y")]), "an array in the file"),
    "ceil_mode": (pooled(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), "ceil_mode"),
    "dilated pool": (pooled(dilations=[2, 2]), "dilations = "),
    "indices": (graph([node("MaxPool", "x", "y i", kernel_shape=[2, 2])]), "expected one output"),
    "nan epsilon": (normalized(epsilon=float("nan")), "not a finite number"),
    "infinite epsilon": (normalized(epsilon=float("inf")), "not a finite number"),
    "zero epsilon": (normalized(epsilon=0.0), "epsilon as a number, above 0"),
    "momentum": (normalized(momentum=2.0), "momentum as a number"),
    "training": (normalized(training_mode=1), "training_mode = 0"),
    "nan scale": (graph([node("Mul", "x c", "y")], [array("c", float("nan"))]), "scale as a"),
    "division by 0": (graph([node("Div", "x c", "y")], [array("c", 0)]), "other than 0"),
    "erf alone": (graph([node("Erf", "x", "y")]), "error function"),
    "bounds": (
        graph([node("Clip", "x a b", "y")], [array("a", 3), array("b", 2)]),
        "bounds in their order",
    ),
    "batch of the softmax": (graph([node("Softmax", "x", "y", axis=0)]), "an axis from 1 to 3"),
    "axis of the softmax": (graph([node("Softmax", "x", "y", axis=9)]), "an axis from 1 to 3"),
    "old softmax": (graph([node("Softmax", "x", "y")], opset=11), "expected the last axis"),
    "batch moved": (graph([node("Transpose", "x", "y", perm=[1, 0, 2, 3])]), "the batch to stay"),
    "batch reshaped": (
        graph([node("Reshape", "x s", "y")], [sizes("s", 3, -1)]),
        "with the batch first",
    ),
    "reshape to less": (
        graph([node("Reshape", "x s", "y")], [sizes("s", 0, 7)]),
        "a shape of 192 numbers",
    ),
    "fractional upsampling": (
        graph([helper.make_node("Resize", ["x", "", "s"], ["y"])], [array("s", [1, 1, 1.5, 2])]),
        "repeated or mixed as Resizing does",
    ),
    "half a pixel": (
        graph([helper.make_node("Resize", ["x", "", "s"], ["y"])], [array("s", [1, 1, 1.3, 2])]),
        "factors that make whole pixels",
    ),
    "infinity around": (
        graph(
            [node("Pad", "x p v", "y")], [sizes("p", 0, 0, 1, 1, 0, 0, 1, 1), array("v", np.inf)]
        ),
        "one finite number",
    ),
    "instance norm of rows": (
        graph(
            [node("Flatten", "x", "f"), node("InstanceNormalization", "f w w", "y")],
            [array("w", np.ones(192))],
        ),
        "channels of several numbers",
    ),
    "length by sums": (graph([node("LpNormalization", "x", "y", p=1)]), "expected p = 2"),
    "huge upsampling": (
        graph(
            [helper.make_node("Resize", ["x", "", "s"], ["y"], mode="linear")],
            [array("s", [1, 1, 1e9, 1e9])],
        ),
        "numbers an image",
    ),
    "reflected": (
        graph([node("Pad", "x p", "y", mode="reflect")], [sizes("p", 0, 0, 1, 1, 0, 0, 1, 1)]),
        "mode = 'constant'",
    ),
    "padded channels": (
        graph([node("Pad", "x p", "y")], [sizes("p", 0, 1, 0, 0, 0, 0, 0, 0)]),
        "no axes but height and width",
    ),
    "nothing left": (
        graph([node("Slice", "x a a c", "y")], [sizes("a", 3), sizes("c", 2)]),
        "something to be left",
    ),
    "many nodes": (
        graph([node("Relu", f"a{i}" if i else "x", f"a{i + 1}") for i in range(2001)]),
        "at most 2000 nodes",
    ),
    "no inputs": (
        graph([node("Constant", "", "y", value_float=1.0)], inputs=()),
        "from 1 to 64 inputs",
    ),
    "one output twice": (
        graph([node("Relu", "x", "y")], outputs=("y", "y")),
        "outputs of different names, got 2",
    ),
    "an input twice": (
        graph([node("Add", "x x", "y")], inputs=("x", "x")),
        "inputs of different names, got 2",
    ),
    "concatenated along the batch": (
        graph([node("Tanh", "x", "a"), node("Concat", "x a", "y", axis=0)]),
        "an axis from 1 to 3",
    ),
    "shapes that do not merge": (
        graph([node("Flatten", "x", "a"), node("Mul", "a x", "y")]),
        "of as many axes",
    ),
    "open height": (graph([node("Relu", "x", "y")], shape=("N", 3, "H", 8)), "of known sizes"),
    "no channels": (graph([node("Relu", "x", "y")], shape=("N", 0, 8, 8)), "of known sizes"),
    "huge image": (
        graph([node("Relu", "x", "y")], shape=("N", 1 << 40, 1 << 40, 3)),
        "numbers an image",
    ),
    "bytes": (graph([node("Relu", "x", "y")], kind=2), "float32 or float64"),
    "old operators": (graph([node("Relu", "x", "y")], opset=6), "from 7 to"),
    "operators to come": (graph([node("Relu", "x", "y")], opset=999), "got 999"),
    "two versions": (many_opsets(), "got 17, 16"),
    "name in lines": (
        graph([helper.make_node("No\nSuch", ["x"], ["y"], name="a\nb")]),
        "minicnn has no layer",
    ),
    "empty": (b"", "got an empty file"),
    "text": (b"no model at all\n", "another kind, or a damaged one"),
    "cut": (convolved().SerializeToString()[:-50], "damaged one"),
    "structure bomb": (b"\x3a\x80\x80\x80\x02" + b"\x0a\x00" * (2 << 20), "besides the arrays"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_file_is_refused(name, tmp_path):
    """A graph that cannot be computed exactly, or is a trap, is refused at once and in one line."""
    file, message = REFUSED[name]
    begun = time.monotonic()
    with pytest.raises(ModelFileError) as caught:
        imported(tmp_path, file)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(str(tmp_path))
    assert time.monotonic() - begun < 5


def test_only_regular_files_are_opened(tmp_path):
    """Folders, pipes, files that are missing and files that are too large are refused unread."""
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    else:
        (tmp_path / "pipe").mkdir()
    for path, message in (
        (tmp_path, "got something else"),
        (tmp_path / "pipe", "got something else"),
        (tmp_path / "none.onnx", "no such file"),
    ):
        with pytest.raises(ModelFileError, match=message):
            import_onnx(path)


def test_large_files_are_refused(tmp_path, monkeypatch):
    """A file beyond the limit is not parsed."""
    export_onnx(small_network(), tmp_path / "a.onnx")
    monkeypatch.setattr(reading, "FILE_LIMIT", 1000)
    with pytest.raises(ModelFileError, match="at most 1,000 bytes"):
        import_onnx(tmp_path / "a.onnx")


def test_structure_is_what_arrays_and_text_are_not(tmp_path, monkeypatch):
    """The numbers of arrays do not count as structure, nodes and their names do."""
    model = Sequential([Input((100,)), Dense(100)])
    export_onnx(model, tmp_path / "a.onnx")
    monkeypatch.setattr(wire, "STRUCTURE_LIMIT", 1000)
    import_onnx(tmp_path / "a.onnx")
    monkeypatch.setattr(wire, "STRUCTURE_LIMIT", 100)
    with pytest.raises(ModelFileError, match="at most 100 bytes besides the arrays"):
        import_onnx(tmp_path / "a.onnx")
