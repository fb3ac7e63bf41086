"""ONNX files: what is written and read back, and what is refused."""

import copy
import importlib
import os
import pkgutil
import sys
import time
import tracemalloc

import numpy as np
import pytest

import minicnn
from minicnn import (
    ELU,
    GELU,
    Activation,
    AvgPool,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    Input,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool,
    Permute,
    RandomBrightness,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
    Reshape,
    Residual,
    SeparableConv2D,
    Sequential,
    Sigmoid,
    Softmax,
    SpatialDropout2D,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
    export_onnx,
    import_onnx,
)
from minicnn.activations import ACTIVATIONS
from minicnn.errors import ConfigError, ModelFileError
from minicnn.layers import LAYERS
from minicnn.onnx import reading, wire

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
helper = pytest.importorskip("onnx.helper", reason="onnx is not installed")

F, D, I64 = 1, 11, 7
"""ONNX' numbers for float32, float64 and int64."""


def filled(layers, **options):
    """A model of copies of these layers whose arrays, moving statistics too, are all different."""
    rng = np.random.default_rng(1)
    model = Sequential(copy.deepcopy(list(layers)), seed=0, **options)
    model.set_weights([a + rng.uniform(0.1, 0.5, a.shape) for a in model.get_weights()])
    return model


def some(shape, n=3):
    """A batch of numbers around 0."""
    return np.random.default_rng(2).standard_normal((n, *shape)).astype("f4")


def evaluated(path, x):
    """What the reference evaluator of the onnx package makes of x."""
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(str(path)).run(None, {"input": x})[0]


def turned(x):
    """Images (N, H, W, C) as (N, C, H, W); anything else as it is."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def ops(path):
    return [node.op_type for node in onnx.load(path).graph.node]


# What is written ---------------------------------------------------------------------------

LAYER_CASES = [
    *(Activation(name) for name in ACTIVATIONS),
    GELU(),
    Sigmoid(),
    Tanh(),
    ELU(0.5),
    LeakyReLU(),
    ReLU(),
    ReLU(max_value=0.5),
    ReLU(threshold=0.5),
    ReLU(max_value=100, negative_slope=0.1),
    ReLU(max_value=1, negative_slope=0.1, threshold=0.5),
    Softmax(axis=1),
    Softmax(axis=-1),
    Rescaling(1 / 255, -0.5),
    Conv2D(4, 3, strides=2, padding="same", activation="relu"),
    Conv2D(6, 2, dilation_rate=2, groups=3, padding="same", use_bias=False),
    Conv2D(4, 3, padding=((1, 0), (2, 1)), activation="softmax"),
    DepthwiseConv2D((3, 2), strides=2, padding="same", depth_multiplier=2),
    SeparableConv2D(5, 3, padding="same", depth_multiplier=2, activation="tanh"),
    Conv2DTranspose(4, 3, strides=2, padding="same"),
    Conv2DTranspose(4, 2, strides=3, use_bias=False),
    Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1),
    Conv2DTranspose(4, 4, strides=3, output_padding=(1, 2), activation="relu"),
    MaxPool(3, 2, "same"),
    MaxPool(2, padding=1),
    AvgPool(3, 2, "same"),
    AvgPool((2, 3), padding=((1, 0), (0, 2))),
    GlobalAvgPool(),
    GlobalAvgPool(keepdims=True),
    GlobalMaxPool(),
    BatchNorm(),
    BatchNorm(axis=1, scale=False),
    BatchNorm(center=False, epsilon=0.1),
    LayerNorm(),
    LayerNorm(axis=(1, 3), center=False),
    LayerNorm(axis=(1, 2, 3)),
    LayerNorm(axis=2, scale=False),
    Dense(4, activation="sigmoid"),
    Flatten(),
    Reshape((9, -1)),
    Permute((3, 1, 2)),
    ZeroPadding2D(((1, 0), (2, 3))),
    Cropping2D(((1, 0), (2, 1))),
    UpSampling2D((2, 3)),
    UpSampling2D((3, 2), interpolation="bilinear"),
    Dropout(0.5),
    SpatialDropout2D(0.5),
    GaussianNoise(0.5),
    RandomBrightness(0.1),
    RandomContrast(0.1),
    RandomFlip(),
    RandomRotation(0.1),
    RandomTranslation(0.1, 0.1),
    RandomZoom(0.1),
    Residual([Conv2D(3, 3, padding="same"), Residual([BatchNorm(), ReLU()])]),
    Residual([Conv2D(4, 3, padding="same", strides=2)], [Conv2D(4, 1, strides=2)]),
    Residual([Dropout(0.5)]),
]


def test_every_layer_is_among_the_cases():
    """No class that a model file may name is left out of the cases below."""
    assert {type(layer) for layer in LAYER_CASES} >= set(LAYERS.values()) - {Input}


@pytest.mark.parametrize("layer", LAYER_CASES, ids=repr)
def test_layer_there_and_back(layer, tmp_path):
    """A layer, first or within, computes the same in ONNX (both layouts), and read back."""
    shape = (5, 6, 3)
    alone = [Input(shape), layer]
    within = [Input(shape), Conv2D(3, 1), layer, Flatten(), Dropout(0.1), Dense(2)]
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


def small_network():
    return filled(
        [
            Input((8, 8, 3)), Rescaling(1 / 255), Conv2D(4, 3), BatchNorm(), ReLU(), MaxPool(2),
            Flatten(), Dropout(0.5), Dense(5, activation="softmax", name="scores"),
        ]
    )  # fmt: skip


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
    """Both ways of a first residual block share one transposition."""
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
    """A layer of the user's own, though it looks like one of minicnn's."""


def test_own_layer_is_refused_by_name(tmp_path):
    """A class that minicnn has not, or one derived from its own, is named in one line."""
    for own in (Doubled(2, 1, name="mine"), type("Own", (Layer,), {})(name="mine")):
        model = Sequential([Input((4, 4, 2)), Residual([own], name="block")])
        with pytest.raises(ConfigError, match=r"got (Doubled|Own) 'mine', which is your own"):
            export_onnx(model, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_arguments_that_make_no_sense(tmp_path):
    """A path without .onnx, another layout and what is no model are refused."""
    model = Sequential([Input((4,)), Dense(3)])
    with pytest.raises(ConfigError, match=r"a path that ends in \.onnx"):
        export_onnx(model, tmp_path / "a.keras")
    with pytest.raises(ConfigError, match="layout 'NHWC' or 'NCHW', got 'CHW'"):
        export_onnx(model, tmp_path / "a.onnx", layout="CHW")
    with pytest.raises(ConfigError, match="expected a Sequential model"):
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


# The node tests of the onnx package --------------------------------------------------------

OPERATORS = {
    "AveragePool", "BatchNormalization", "Conv", "Flatten", "Gemm", "GlobalAveragePool",
    "MaxPool", "Relu", "Softmax",
}  # fmt: skip

NOT_IMAGES = "rows or volumes, not images"
CEIL = "ceil_mode makes a window outside the image"
DILATED = "minicnn's pools are not dilated"
BATCH = "images are not kept apart"
INDICES = "minicnn gives no indices of maxima"
TRAINING = "a model in training"
OUTSIDE = {
    "test_averagepool_1d_default": NOT_IMAGES,
    "test_averagepool_2d_ceil": CEIL,
    "test_averagepool_2d_ceil_last_window_starts_on_pad": CEIL,
    "test_averagepool_2d_dilations": DILATED,
    "test_averagepool_3d_default": NOT_IMAGES,
    "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False": NOT_IMAGES,
    "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True": NOT_IMAGES,
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False": NOT_IMAGES,
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True": NOT_IMAGES,
    "test_averagepool_3d_dilations_small": NOT_IMAGES,
    "test_batchnorm_epsilon_training_mode": TRAINING,
    "test_batchnorm_example_training_mode": TRAINING,
    "test_flatten_axis0": BATCH,
    "test_flatten_axis2": BATCH,
    "test_flatten_axis3": BATCH,
    "test_flatten_negative_axis1": BATCH,
    "test_flatten_negative_axis2": BATCH,
    "test_flatten_negative_axis4": BATCH,
    "test_gemm_all_attributes": BATCH,
    "test_gemm_default_matrix_bias": "a bias of its own for each image",
    "test_gemm_transposeA": BATCH,
    "test_maxpool_1d_default": NOT_IMAGES,
    "test_maxpool_2d_ceil": CEIL,
    "test_maxpool_2d_ceil_output_size_reduce_by_one": CEIL,
    "test_maxpool_2d_dilations": DILATED,
    "test_maxpool_2d_uint8": "minicnn computes with floating-point numbers",
    "test_maxpool_3d_default": NOT_IMAGES,
    "test_maxpool_3d_dilations": NOT_IMAGES,
    "test_maxpool_3d_dilations_use_ref_impl": NOT_IMAGES,
    "test_maxpool_3d_dilations_use_ref_impl_large": NOT_IMAGES,
    "test_maxpool_with_argmax_2d_precomputed_pads": INDICES,
    "test_maxpool_with_argmax_2d_precomputed_strides": INDICES,
    "test_softmax_axis_0": BATCH,
}
"""The node tests that import_onnx refuses, and why."""


@pytest.fixture(scope="module")
def node_tests():
    """The onnx package's tests of these operators; those of others take seconds to generate."""
    loader = importlib.import_module("onnx.backend.test.loader")

    def import_some(package):
        wanted = tuple(name.lower()[:9] for name in OPERATORS)
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.replace("_", "").startswith(wanted):
                importlib.import_module(f"{package.__name__}.{module.name}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "import_recursive", import_some)
        cases = loader.load_model_tests(kind="node")
    return [case for case in cases if {n.op_type for n in case.model.graph.node} <= OPERATORS]


def with_arrays(model, inputs):
    """The model as exporters write it: all its inputs but the first are arrays in the file."""
    model = copy.deepcopy(model)
    for info, value in list(zip(model.graph.input, inputs, strict=True))[1:]:
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, info.name))
    del model.graph.input[1:]
    return model


def test_node_tests(node_tests, tmp_path):
    """Each node test passes at its own tolerances, but for those listed, which are refused."""
    refused, wrong = set(), []
    for case in node_tests:
        for inputs, (expected, *_) in case.data_sets:
            onnx.save(with_arrays(case.model, inputs), tmp_path / "a.onnx")
            try:
                model = import_onnx(tmp_path / "a.onnx")
            except ModelFileError:
                refused.add(case.name)
                continue
            x = inputs[0].transpose(0, 2, 3, 1) if inputs[0].ndim == 4 else inputs[0]
            y = turned(model.predict(x))
            if y.shape != expected.shape or not np.allclose(y, expected, case.rtol, case.atol):
                wrong.append(case.name)
    assert not wrong
    assert len(node_tests) - len(refused) >= 40
    assert refused == {case.name for case in node_tests} & set(OUTSIDE)


# What is read ------------------------------------------------------------------------------


def info(name, *shape, kind=F):
    return helper.make_tensor_value_info(name, kind, list(shape))


def array(name, value, dtype="f4"):
    return onnx.numpy_helper.from_array(np.asarray(value, dtype), name)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def graph(nodes, arrays=(), shape=("N", 3, 8, 8), opset=17, outputs=("y",), inputs=("x",), kind=F):
    """A file that nobody has checked."""
    made = helper.make_graph(
        list(nodes),
        "g",
        [info(name, *shape, kind=kind) for name in inputs],
        [info(name, *shape, kind=kind) for name in outputs],
        list(arrays),
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def imported(tmp_path, file):
    path = tmp_path / "a.onnx"
    path.write_bytes(file if isinstance(file, bytes) else file.SerializeToString())
    return import_onnx(path)


def sizes(name, *values):
    return array(name, values, "i8")


KERNEL = array("w", np.random.default_rng(3).standard_normal((4, 3, 3, 3)))
EVEN = array("w", np.random.default_rng(3).standard_normal((4, 3, 4, 2)))
ROWS = array("w", np.random.default_rng(3).standard_normal((192, 5)))


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
    "log softmax": graph([node("LogSoftmax", "x", "y", axis=2)]),
    "double": graph([node("Relu", "x", "y")], kind=D),
    "padded": graph([node("Pad", "x pads", "y")], [array("pads", [0, 0, 1, 2, 0, 0, 0, 3], "i8")]),
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


# What is refused ---------------------------------------------------------------------------


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
    "made anew": (graph([node("Relu", "x", "x")]), "is made already"),
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
    "two computed": (graph([node("Tanh", "x", "a"), node("Mul", "a x", "y")]), "a product with"),
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
        "whole factors",
    ),
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
    "nested too deep": (many_blocks(200), "nested at most 16"),
    "fibonacci": (fibonacci(60), "nested at most 16"),
    "ways that cross": (
        graph(
            [
                node("Sigmoid", "x", "a"),
                node("Tanh", "a", "b"),
                node("Add", "b x", "c"),
                node("Add", "c a", "y"),
            ]
        ),
        "got some that cross",
    ),
    "many nodes": (
        graph([node("Relu", f"a{i}" if i else "x", f"a{i + 1}") for i in range(2001)]),
        "at most 2000 nodes",
    ),
    "two inputs": (graph([node("Add", "x z", "y")], inputs=("x", "z")), "of one input"),
    "no inputs": (graph([node("Constant", "", "y", value_float=1.0)], inputs=()), "of one input"),
    "two outputs": (graph([node("Relu", "x", "y")], outputs=("y", "y")), "and one output"),
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
    """What cannot be computed just so, or is a trap, is refused at once and in one line."""
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


# Mutants -----------------------------------------------------------------------------------


def mutant(data, rng):
    """The file with some bytes changed, put in, left out or repeated."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(data)))
        kind = rng.integers(5)
        if kind == 0:
            data[at] = int(rng.integers(256))
        elif kind == 1:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif kind == 3:
            del data[at : at + int(rng.integers(1, 20))]
        else:
            data[at:at] = data[at : at + int(rng.integers(1, 60))]
    return bytes(data)


def check_mutants(tmp_path, count):
    """Whether each mutant is a model or one line, in time and within memory; how many are models"""
    networks = [
        [Input((6, 6, 2)), Conv2D(2, 3, padding="same"), BatchNorm(), ReLU(), MaxPool(2),
         Flatten(), Dense(3, activation="softmax")],
        [Input((6, 6, 2)), Residual([DepthwiseConv2D(3, padding="same"), Activation("gelu")]),
         LayerNorm(), AvgPool(2, padding="same"), UpSampling2D(2), Cropping2D(1),
         ZeroPadding2D(1), Conv2DTranspose(2, 2, 2), GlobalAvgPool(), Dense(2)],
    ]  # fmt: skip
    files = []
    for i, layers in enumerate(networks):
        export_onnx(Sequential(layers, seed=0), tmp_path / f"{i}.onnx")
        files.append((tmp_path / f"{i}.onnx").read_bytes())
    rng = np.random.default_rng(0)
    path, models = tmp_path / "mutant.onnx", 0
    tracemalloc.start()
    try:
        for i in range(count):
            path.write_bytes(mutant(files[i % 2], rng))
            tracemalloc.reset_peak()
            begun = time.monotonic()
            try:
                import_onnx(path)
                models, lines = models + 1, ["a model"]
            except ModelFileError as error:
                lines = str(error).splitlines()
            assert len(lines) == 1, i
            assert time.monotonic() - begun < 5, i
            assert tracemalloc.get_traced_memory()[1] < 256 << 20, i
    finally:
        tracemalloc.stop()
    return models


def test_mutants(tmp_path):
    """Of 300 damaged files each is a model or one line."""
    assert 0 < check_mutants(tmp_path, 300) < 300


@pytest.mark.slow
def test_ten_thousand_mutants(tmp_path):
    """Of 10,000 damaged files each is a model or one line, in 5 seconds and 256 MiB."""
    resource = pytest.importorskip("resource", reason="no figures of memory on this system")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_mutants(tmp_path, 10_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10
