"""Models put together from symbolic tensors: their layers named and built, in Keras' order."""

from collections.abc import Mapping, Sequence
from typing import Any

from minicnn._core.shapes import Shape
from minicnn.errors import ConfigError, shown
from minicnn.layers import InputLayer, Layer
from minicnn.layers.building import build_layer, name_layer, walk
from minicnn.layers.symbolic import Call, SymbolicTensor, calls_behind
from minicnn.models.base import BaseModel


def tensors_in(who: str, what: str, given: Any) -> tuple[list[SymbolicTensor], list[str] | None]:
    """(tensors, their names if they came in a dictionary); raises ``ConfigError`` for others."""
    found = list(given.values()) if isinstance(given, Mapping) else given
    found = list(found) if isinstance(found, list | tuple) else [found]
    for one in found:
        if not isinstance(one, SymbolicTensor):
            remedy = " Call the layer: Dense(3)(x)." if hasattr(one, "calls") else ""
            raise ConfigError(
                f"{who}: expected {what} as what Input(shape) or a layer called on it gave, or "
                f"several of them, got {shown(one)}.{remedy}"
            )
    if not found:
        raise ConfigError(f"{who}: expected {what}, got none.")
    return found, list(map(str, given)) if isinstance(given, Mapping) else None


def put_together(model: BaseModel, inputs: Any, outputs: Any) -> None:
    """Make the layers between the tensors a model's: name them, build them and check them.

    Raises ``ConfigError`` for outputs that depend on other inputs.
    """
    given, model.input_keys = tensors_in(model.who, "inputs", inputs)
    ends, model.output_keys = tensors_in(model.who, "outputs", outputs)
    if len({id(x) for x in given}) < len(given):
        raise ConfigError(f"{model.who}: expected different inputs, got one twice.")
    if any(x.call.inputs for x in given):
        given, ends = _cut(model.who, given, ends)
    calls, layers = calls_behind(model.who, given, ends)
    taken = {layer.name for layer in layers if layer.name is not None}
    names: set[str | None] = set()
    for layer in layers:
        if layer.name is None:
            name_layer(model.who, layer, taken | names)
        else:
            name_layer(model.who, layer, names)
        names.add(layer.name)
    begun = [x for x in walk(layers) if isinstance(x, Layer) and not x.built]
    try:
        _build(model, calls)
    except BaseException:
        for layer in begun:
            layer.unbuild()
        raise
    model.stack, model.inner_calls = layers, calls
    model.inputs, model.outputs = given, ends


def _build(model: BaseModel, calls: Sequence[Call]) -> None:
    """Build the layers for what they are called on first."""
    built = set()
    for call in calls:
        layer: Any = call.layer
        if isinstance(layer, BaseModel):
            build_model(model, layer, call.shape)
        elif id(layer) not in built:
            shape = layer.shape if isinstance(layer, InputLayer) else call.shape
            build_layer(model.who, layer, shape, model.rng, model.dtype, model.kernels)
        built.add(id(layer))


def _cut(
    who: str, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> tuple[list[SymbolicTensor], list[SymbolicTensor]]:
    """Inputs and outputs like these, where what an inner layer gives is an input of its own.

    The calls in between are made again; the layers do not keep them.
    """
    stand_in = {id(x): _begin(x) if x.call.inputs else x for x in inputs}

    def of(tensor: SymbolicTensor) -> SymbolicTensor:
        ahead = [tensor]
        while ahead:
            x = ahead[-1]
            missing = [y for y in x.call.inputs if id(y) not in stand_in]
            if id(x) in stand_in:
                ahead.pop()
            elif missing:
                ahead += missing
            else:
                ahead.pop()
                ins = [stand_in[id(y)] for y in x.call.inputs]
                shapes: list[Any] = [y.sizes for y in x.call.outputs]
                call = x.call
                if any(a is not b for a, b in zip(ins, call.inputs, strict=True)):
                    call = Call(x.call.layer, ins, shapes, x.call.training, kept=False)
                for y, z in zip(x.call.outputs, call.outputs, strict=True):
                    stand_in.setdefault(id(y), z)
        return stand_in[id(tensor)]

    return [stand_in[id(x)] for x in inputs], [of(x) for x in outputs]


def _begin(tensor: SymbolicTensor) -> SymbolicTensor:
    """An input like that tensor."""
    layer = InputLayer(tensor.sizes)
    layer.channels_first = tensor.channels_first
    return layer.tensor()


def build_model(outer: BaseModel, inner: BaseModel, shape: Shape) -> None:
    """Build a model within another, or check that it was built for it."""
    if not inner.built:
        if inner.seed is None:
            inner.rng = outer.rng
        vars(inner).update(dtype=outer.dtype, kernels=outer.kernels)
        inner.build(shape)
    if (inner.dtype, inner.kernels) != (outer.dtype, outer.kernels):
        raise ConfigError(
            f"{outer.who}: expected models of {outer.dtype} and {outer.kernels} kernels, got "
            f"{inner.who} {inner.name!r} of {inner.dtype} and {inner.kernels}. Make a new one."
        )
