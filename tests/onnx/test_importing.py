"""ONNX files: what is read."""

import numpy as np
import pytest

import minicnn
from minicnn import export_onnx, import_onnx
from onnx_helpers import (
    KERNEL,
    array,
    evaluated,
    graph,
    imported,
    node,
    sizes,
    small_network,
    some,
    turned,
)

helper = pytest.importorskip("onnx.helper", reason="onnx is not installed")

F, D, I64 = 1, 11, 7
"""ONNX' numbers for float32, float64 and int64."""

EVEN = array("w", np.random.default_rng(3).standard_normal((4, 3, 4, 2)))
ROWS = array("w", np.random.default_rng(3).standard_normal((192, 5)))


def many_blocks(count):
    """Residual blocks each of which holds the one before."""
    nodes = [node("Sigmoid", "x", "a0")]
    for i in range(count):
        nodes += [node("Sigmoid", f"a{i}", f"b{i}"), node("Add", f"b{i} x", f"a{i + 1}")]
    return graph([*nodes, node("Relu", f"a{count}", "y")])


def fibonacci(count):
    """Sums of the two values before, which hold as many layers as the numbers of that name."""
    nodes = [node("Sigmoid", "x", "a0"), node("Tanh", "a0", "a1")]
    nodes += [node("Add", f"a{i} a{i + 1}", f"a{i + 2}") for i in range(count)]
    return graph([*nodes, node("Relu", f"a{count + 1}", "y")])


def shape_chain():
    """``x.view(x.size(0), -1)`` as PyTorch's older exporter writes it."""
    return [
        node("Shape", "x", "s"),
        node("Constant", "", "zero", value=array("", 0, "i8")),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n first", "row"),
        node("Concat", "row rest", "target", axis=0),
        node("Reshape", "x target", "flat"),
        node("MatMul", "flat w", "product"),
        node("Add", "bias product", "y"),
    ]


READ = {
    "view": graph(
        shape_chain(),
        [ROWS, array("first", [0], "i8"), array("rest", [-1], "i8"), array("bias", range(5))],
    ),
    "same_lower": graph([node("Conv", "x w", "y", auto_pad="SAME_LOWER")], [EVEN]),
    "same_upper": graph([node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2, 1])], [EVEN]),
    "pads": graph([node("Conv", "x w", "y", pads=[0, 2, 1, 0])], [KERNEL]),
    "per channel": graph(
        [node("Sub", "x mean", "a"), node("Div", "a deviation", "y")],
        [array("mean", [[[1]], [[2]], [[3]]]), array("deviation", [[[[4]], [[5]], [[6]]]])],
    ),
    "numbers": graph(
        [node("Mul", "x two", "a"), node("Sub", "two a", "b"), node("Neg", "b", "y")],
        [array("two", 2)],
    ),
    "clips": graph(
        [
            node("Clip", "x low high", "a"),
            node("LeakyRelu", "a", "b", alpha=0.5),
            node("Clip", "b low", "c"),
            node("Neg", "c", "d"),
            helper.make_node("Clip", ["d", "", "high"], ["y"]),
        ],
        [array("low", -0.5), array("high", 0.75)],
    ),
    "means": graph([node("ReduceMean", "x", "y", axes=[-1, 2], keepdims=0)]),
    "maxima": graph([node("ReduceMax", "x", "y", axes=[2, 3])]),
    "include pad": graph(
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)]
    ),
    "ceil that fits": graph(
        [node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)]
    ),
    "twice": graph([node("Sigmoid", "x", "a"), node("Add", "a a", "y")]),
    "difference": graph(
        [node("Sigmoid", "x", "a"), node("Tanh", "x", "b"), node("Sub", "a b", "y")]
    ),
    "gelu": graph(
        [
            node("Mul", "x third", "s"),
            node("Mul", "s half", "h"),
            node("Div", "s root", "a"),
            node("Erf", "a", "b"),
            node("Add", "b one", "c"),
            node("Mul", "h c", "y"),
        ],
        [array("third", 0.3), array("half", 0.5), array("root", 2**0.5), array("one", 1)],
    ),
    "rows after activation": graph(
        [node("Flatten", "x", "a"), node("Sigmoid", "a", "b"), node("Gemm", "b w", "y", alpha=0.5)],
        [ROWS],
    ),
    "flat": graph([node("Flatten", "x", "y")]),
    "a product": graph([node("Tanh", "x", "a"), node("Mul", "a x", "y")]),
    "branches that cross": graph(
        [
            node("Sigmoid", "x", "a"),
            node("Tanh", "a", "b"),
            node("Add", "b x", "c"),
            node("Add", "c a", "y"),
        ]
    ),
    "concatenated": graph(
        [
            node("Tanh", "x", "a"),
            node("Concat", "a x", "b", axis=1),
            node("Max", "b b", "y"),
        ]
    ),
    "sums of sums": fibonacci(12),
    "blocks within blocks": many_blocks(20),
    "log softmax": graph([node("LogSoftmax", "x", "y", axis=2)]),
    "double": graph([node("Relu", "x", "y")], kind=D),
    "padded": graph([node("Pad", "x pads", "y")], [array("pads", [0, 0, 1, 2, 0, 0, 0, 3], "i8")]),
    "padded with ones": graph(
        [node("Pad", "x pads one", "y")],
        [array("pads", [0, 0, 1, 2, 0, 0, 0, 3], "i8"), array("one", 1)],
    ),
    "instance norm": graph(
        [node("InstanceNormalization", "x c d", "y", epsilon=0.1)],
        [array("c", [0.5, 1, 2]), array("d", [0, 1, -1])],
    ),
    "length 1": graph([node("LpNormalization", "x", "y", axis=1)]),
    "a constant for each channel": graph(
        [node("Mul", "x c", "m"), node("Add", "m d", "a"), node("Mul", "a c", "y")],
        [
            array("c", np.reshape([0.5, 1, 2], (3, 1, 1))),
            array("d", np.reshape([0, 1, -1], (3, 1, 1))),
        ],
    ),
    "smaller": graph(
        [helper.make_node("Resize", ["x", "", "s"], ["y"], mode="linear")],
        [array("s", [1, 1, 5 / 8, 3 / 8])],
    ),
    "computed pads": graph(
        [
            node("ConstantOfShape", "four", "none", value=sizes("", 0)),
            node("Concat", "sides none", "from", axis=0),
            node("Reshape", "from pairs", "both"),
            node("Slice", "both end start zero back", "turned"),
            node("Transpose", "turned", "apart", perm=[1, 0]),
            node("Reshape", "apart row", "pads"),
            node("Cast", "pads", "whole", to=7),
            node("Pad", "x whole", "y"),
        ],
        [
            sizes("four", 4),
            sizes("sides", 1, 2, 0, 3),
            sizes("pairs", -1, 2),
            sizes("end", -1),
            sizes("start", -(1 << 63) + 1),
            sizes("zero", 0),
            sizes("back", -1),
            sizes("row", -1),
        ],
    ),
    "pads in another order": graph(
        [
            node("Transpose", "both", "apart", perm=[0, 1]),
            node("Reshape", "apart row", "pads"),
            node("Pad", "x pads", "y"),
        ],
        [array("both", [[0, 0, 1, 2], [0, 0, 0, 3]], "i8"), sizes("row", -1)],
    ),
    "cut": graph(
        [node("Slice", "x from to axes", "y")],
        [array("from", [1, -5], "i8"), array("to", [-1, 99], "i8"), array("axes", [2, 3], "i8")],
    ),
    "channels last": graph(
        [node("Transpose", "x", "a", perm=[0, 3, 1, 2]), node("Conv", "a w", "y")],
        [KERNEL],
        shape=("N", 8, 8, 3),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_graph_is_read(name, tmp_path):
    """Graphs as other exporters write them give what ONNX' reference evaluator gives."""
    from onnx.reference import ReferenceEvaluator

    model = imported(tmp_path, READ[name])
    x = some((8, 8, 3)).astype("f8" if name == "double" else "f4")
    first = name == "channels last"
    expected = ReferenceEvaluator(READ[name]).run(None, {"x": x if first else turned(x)})[0]
    y = model.predict(x)
    found = y if first else turned(y)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_images_flow_through_a_saved_copy(tmp_path):
    """An imported model is like any other: it is saved, loaded, trained and written again."""
    export_onnx(small_network(), tmp_path / "a.onnx", layout="NCHW")
    model = import_onnx(tmp_path / "a.onnx")
    model.save(tmp_path / "a.keras")
    again = minicnn.load_model(tmp_path / "a.keras")
    x = some((8, 8, 3))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    again.compile("sgd", "sparse_categorical_crossentropy")
    again.fit(x, np.arange(3), verbose=0)
    export_onnx(again, tmp_path / "b.onnx")
    np.testing.assert_allclose(evaluated(tmp_path / "b.onnx", x), again.predict(x), rtol=1e-5)
