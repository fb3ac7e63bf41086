"""The node tests of the onnx package."""

import copy
import importlib
import pkgutil

import numpy as np
import pytest

from minicnn import import_onnx
from minicnn.errors import ModelFileError
from onnx_helpers import turned

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

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
    "test_gemm_default_matrix_bias": "another bias for each image",
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
    """Each node test passes within its tolerances, but for those listed, which are refused."""
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
