"""ONNX' operators as minicnn's layers: a closed table.

``run`` goes through the nodes in their order. An operator that is not in the table, an attribute
that is not listed with it, and a case that no layer computes exactly are refused.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from minicnn._core.shapes import Array
from minicnn.errors import MiniCNNError, ModelFileError
from minicnn.layers import LAYERS, Add, Average, Maximum, Minimum
from minicnn.onnx import elementwise, normalizing, resizing, shaping, spatial
from minicnn.onnx.net import Net
from minicnn.onnx.reading import File, Node
from minicnn.onnx.values import Value


class Operator(NamedTuple):
    """How a node is read, the attributes that are understood, and the most inputs it has."""

    read: Callable[[Net, Node], Value | Array]
    attributes: str = ""
    inputs: int = 1


_WINDOW = "auto_pad dilations kernel_shape pads strides"

READ_BY_HAND = {
    "Add": Operator(elementwise.add, inputs=2),
    "AveragePool": Operator(spatial.pool, f"{_WINDOW} ceil_mode count_include_pad"),
    "BatchNormalization": Operator(
        spatial.batch_norm, "epsilon momentum spatial training_mode", inputs=5
    ),
    "Cast": Operator(shaping.cast, "to saturate"),
    "Clip": Operator(elementwise.clip, "max min", inputs=3),
    "Concat": Operator(shaping.concat, "axis", inputs=64),
    "Constant": Operator(
        shaping.constant, "value value_float value_floats value_int value_ints", inputs=0
    ),
    "ConstantOfShape": Operator(shaping.constant_of_shape, "value"),
    "Conv": Operator(spatial.conv, f"{_WINDOW} group", inputs=3),
    "ConvTranspose": Operator(spatial.conv_transpose, f"{_WINDOW} group output_padding", inputs=3),
    "Div": Operator(elementwise.div, inputs=2),
    "Dropout": Operator(shaping.dropout, "ratio seed", inputs=3),
    "Erf": Operator(elementwise.erf),
    "Exp": Operator(elementwise.activation("exponential")),
    "Flatten": Operator(shaping.flatten, "axis"),
    "Gather": Operator(shaping.gather, "axis", inputs=2),
    "Gelu": Operator(elementwise.gelu, "approximate"),
    "Gemm": Operator(shaping.gemm, "alpha beta transA transB", inputs=3),
    "GlobalAveragePool": Operator(spatial.global_pool),
    "GlobalMaxPool": Operator(spatial.global_pool),
    "HardSigmoid": Operator(elementwise.hard_sigmoid, "alpha beta"),
    "HardSwish": Operator(elementwise.activation("hard_silu")),
    "Identity": Operator(shaping.identity),
    "InstanceNormalization": Operator(normalizing.instance_norm, "epsilon", inputs=3),
    "LayerNormalization": Operator(spatial.layer_norm, "axis epsilon stash_type", inputs=3),
    "LogSoftmax": Operator(elementwise.softmax, "axis"),
    "LpNormalization": Operator(normalizing.lp_norm, "axis p"),
    "MatMul": Operator(shaping.matmul, inputs=2),
    "Max": Operator(elementwise.extreme(Maximum), inputs=64),
    "MaxPool": Operator(spatial.pool, f"{_WINDOW} ceil_mode storage_order"),
    "Mean": Operator(elementwise.extreme(Average), inputs=64),
    "Min": Operator(elementwise.extreme(Minimum), inputs=64),
    "Mish": Operator(elementwise.activation("mish")),
    "Mul": Operator(elementwise.mul, inputs=2),
    "Neg": Operator(elementwise.neg),
    "Pad": Operator(spatial.pad, "mode pads value", inputs=4),
    "ReduceMax": Operator(spatial.reduce, "axes keepdims noop_with_empty_axes", inputs=2),
    "ReduceMean": Operator(spatial.reduce, "axes keepdims noop_with_empty_axes", inputs=2),
    "Relu": Operator(elementwise.relu),
    "Reshape": Operator(shaping.reshape, "allowzero shape", inputs=2),
    "Resize": Operator(
        resizing.resize,
        "antialias coordinate_transformation_mode cubic_coeff_a exclude_outside "
        "extrapolation_value keep_aspect_ratio_policy mode nearest_mode",
        inputs=4,
    ),
    "Selu": Operator(elementwise.selu, "alpha gamma"),
    "Shape": Operator(shaping.shape, "end start"),
    "Sigmoid": Operator(elementwise.activation("sigmoid")),
    "Slice": Operator(shaping.cut, inputs=5),
    "Softmax": Operator(elementwise.softmax, "axis"),
    "Softplus": Operator(elementwise.activation("softplus")),
    "Softsign": Operator(elementwise.activation("softsign")),
    "Squeeze": Operator(shaping.squeeze, "axes", inputs=2),
    "Sub": Operator(elementwise.sub, inputs=2),
    "Sum": Operator(elementwise.extreme(Add), inputs=64),
    "Tanh": Operator(elementwise.activation("tanh")),
    "ThresholdedRelu": Operator(elementwise.thresholded_relu, "alpha"),
    "Transpose": Operator(shaping.transpose, "perm"),
    "Unsqueeze": Operator(shaping.unsqueeze, "axes", inputs=2),
}
"""How operators are read that no layer declares."""

DECLARED = {
    declared.name: Operator(
        elementwise.declared(cls), " ".join(declared.attributes), 1 + len(declared.params)
    )
    for cls in LAYERS.values()
    if (declared := cls.onnx_operator)
}

OPERATORS = READ_BY_HAND | DECLARED


def run(file: File, starts: Mapping[str, Value]) -> list[Value]:
    """The values of the graph's outputs; raises ``ModelFileError`` that names the node."""
    net = Net(dict(starts), dict(file.arrays), file.inputs[0].batch, file.budget)
    for node in file.nodes:
        try:
            net.check_inputs(node)
            net.put(node, _read(net, node))
        except MiniCNNError as error:
            node.refuse(str(error))
    for output in file.outputs:
        if output.name not in net.values:
            raise ModelFileError(
                f"expected an output {output.name!r:.60} that is computed from the input."
            )
    return [net.values[output.name] for output in file.outputs]


def _read(net: Net, node: Node) -> Value | Array:
    operator = OPERATORS.get(node.op)
    if operator is None:
        raise ModelFileError("minicnn has no layer that does this.")
    for name in node.attributes:
        if name not in operator.attributes.split():
            raise ModelFileError(f"attribute {name!r:.60} is not supported.")
    if len(node.inputs) > operator.inputs:
        raise ModelFileError(f"expected at most {operator.inputs} inputs, got {len(node.inputs)}.")
    return operator.read(net, node)
