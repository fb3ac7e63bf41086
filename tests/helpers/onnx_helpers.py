"""Models, and ONNX files put together by hand."""

import copy

import numpy as np
import pytest

from minicnn import (
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPool,
    ReLU,
    Rescaling,
    Sequential,
    import_onnx,
)

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


def small_network():
    return filled(
        [
            Input((8, 8, 3)), Rescaling(1 / 255), Conv2D(4, 3), BatchNorm(), ReLU(), MaxPool(2),
            Flatten(), Dropout(0.5), Dense(5, activation="softmax", name="scores"),
        ]
    )  # fmt: skip


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
