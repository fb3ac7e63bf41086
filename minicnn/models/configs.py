"""Models as plain values, and back: which layer takes what of which."""

import copy
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from minicnn._core.config import Configurable, Guarded, library_names
from minicnn._core.custom_objects import get_custom_objects, named
from minicnn._files.keras.saved import Ref, SavedCall
from minicnn.errors import ConfigError, shown
from minicnn.layers import InputLayer, Lambda, Residual
from minicnn.layers.merging import Add
from minicnn.layers.registry import CustomObjects, described, with_layers
from minicnn.layers.symbolic import Call, SymbolicTensor, calls_behind
from minicnn.models.base import BaseModel


class Links:
    """The calls of a model's layers, by the layers' names, as files have them."""

    def __init__(
        self,
        calls: Sequence[Call],
        layers: Sequence[Any],
        names: Mapping[int, str],
        inputs: Sequence[SymbolicTensor],
        outputs: Sequence[SymbolicTensor],
    ) -> None:
        self.layers = list(layers)
        """In the order of Keras."""
        self.names = names
        """By the layers' identities."""
        self.of_layer: dict[int, list[Call]] = {id(layer): [] for layer in layers}
        for call in calls:
            self.of_layer[id(call.layer)].append(call)
        self._refs = {
            id(x): (names[id(layer)], i, j)
            for layer in layers
            for i, call in enumerate(self.of_layer[id(layer)])
            for j, x in enumerate(call.outputs)
        }
        self.inputs = [self._refs[id(x)] for x in inputs]
        self.outputs = [self._refs[id(x)] for x in outputs]

    def calls(self, layer: Any) -> list[SavedCall]:
        """Those of a layer; none if it is an input."""
        return [
            SavedCall([self._refs[id(x)] for x in call.inputs], call.training)
            for call in self.of_layer[id(layer)]
            if call.inputs
        ]


def links(model: BaseModel) -> Links:
    """The calls of a model, with its Residuals as they are."""
    names = {id(layer): str(layer.name) for layer in model.stack}
    return Links(model.inner_calls, model.stack, names, model.inputs, model.outputs)


def unrolled(model: BaseModel) -> Links:
    """The calls of a model, with the layers of a Residual and an Add in its place.

    Keras has no Residual, and of a Lambda files hold what it does. The Add, or the last layer of a
    Lambda, has its name; a layer within has its own, or, where that is taken, this one before it.
    """
    if not any(type(layer) in (Residual, Lambda) for layer in model.stack):
        return links(model)
    names = {id(layer): str(layer.name) for layer in model.stack}
    tensors: dict[int, SymbolicTensor] = {}
    for call in model.inner_calls:
        ins = [tensors[id(x)] for x in call.inputs]
        if type(call.layer) is Residual:
            outputs: Sequence[SymbolicTensor] = [_called(call.layer, ins[0], names)]
        elif type(call.layer) is Lambda:
            outputs = [_traced(call.layer, call.shape, ins, names)]
        else:
            shapes: Any = [x.sizes for x in call.outputs]
            outputs = Call(call.layer, ins, shapes, call.training, kept=False).outputs
        tensors |= {id(x): y for x, y in zip(call.outputs, outputs, strict=True)}
    inputs, outputs = ([tensors[id(x)] for x in given] for given in (model.inputs, model.outputs))
    found = calls_behind(model.who, inputs, outputs)
    return Links(found.calls, found.layers, names, inputs, outputs)


def _traced(
    layer: Lambda, shape: Any, inputs: Sequence[SymbolicTensor], names: dict[int, str]
) -> SymbolicTensor:
    """What a Lambda gives, as calls of copies of its nodes' layers."""
    graph, within = layer.graph(shape), names[id(layer)]
    values = list(inputs)
    for i, node in enumerate(graph.nodes):
        one: Any = copy.copy(node.layer)
        name, taken = f"{within}_{one.name}", set(names.values())
        last = i + 1 == len(graph.nodes)
        names[id(one)] = within if last and len(layer.calls) < 2 else _free(name, taken)
        made: Any = one.output_shape(node.shape)
        values.append(Call(one, [values[j] for j in node.reads], [made], node.training).outputs[0])
    return values[graph.outputs[0]]


def _called(residual: Residual, x: SymbolicTensor, names: dict[int, str]) -> SymbolicTensor:
    within = names[id(residual)]
    ends = []
    for way in (residual.layers, residual.shortcut or ()):
        end = x
        for layer in way:
            if isinstance(layer, InputLayer):
                raise ConfigError(
                    f"{residual.who}: expected no Input in what is saved, got {layer!r}."
                )
            name, taken = str(layer.name), set(names.values())
            names[id(layer)] = _free(f"{within}_{name}" if name in taken else name, taken)
            if type(layer) is Residual:
                end = _called(layer, end, names)
            elif type(layer) is Lambda:
                end = _traced(layer, end.sizes, [end], names)
            else:
                shape: Any = layer.output_shape(end.sizes)
                end = Call(layer, [end], [shape], kept=False).outputs[0]
        ends.append(end)
    added = Add()
    names[id(added)] = within
    return Call(added, ends, [ends[0].sizes], kept=False).outputs[0]


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_1"
    return name


# Plain values ------------------------------------------------------------------------------


def model_config(model: BaseModel) -> dict[str, Any]:
    """See ``Model.get_config``."""
    found = links(model)
    row = model.is_row
    layers = []
    for layer in model.stack:
        description = described_any(layer)
        if not row:
            calls = [
                {"inputs": [list(r) for r in c.inputs], "training": c.training}
                for c in found.calls(layer)
            ]
            description |= {"name": layer.name, "calls": calls}
            if layer.operation:
                description["operation"] = True
        layers.append(description)
    config: dict[str, Any] = {"name": model.name, "dtype": model.dtype.name, "layers": layers}
    if not row:
        config |= {
            "inputs": [list(r) for r in found.inputs],
            "outputs": [list(r) for r in found.outputs],
            "input_keys": model.input_keys,
            "output_keys": model.output_keys,
        }
    return config


def described_any(layer: Any) -> dict[str, Any]:
    """The description of a layer, or of a model."""
    if isinstance(layer, BaseModel):
        return {"class_name": type(layer).__name__, "config": model_config(layer)}
    return described(layer)


def connected(
    who: str,
    layers: Mapping[str, Any],
    calls: Mapping[str, Sequence[SavedCall]],
    wanted: Sequence[Ref],
) -> list[SymbolicTensor]:
    """The tensors that calls of layers, by their names, make.

    Raises ``ConfigError`` for calls on layers that are not there or that lie behind them.
    """
    made: dict[Ref, SymbolicTensor] = {}
    waiting: dict[Ref, list[tuple[str, int]]] = {}
    missing: Counter[tuple[str, int]] = Counter()
    for name, layer in layers.items():
        if isinstance(layer, InputLayer):
            made[name, 0, 0] = layer.tensor()
            continue
        if not calls[name]:
            raise ConfigError(f"{who}: expected inputs of the layer {name!r}, got none.")
        for i, call in enumerate(calls[name]):
            if not call.inputs:
                raise ConfigError(f"{who}: expected inputs of the layer {name!r}, got none.")
            for ref in call.inputs:
                _check_ref(who, ref, layers, calls, name)
                waiting.setdefault(ref, []).append((name, i))
            missing[name, i] = len(call.inputs) + bool(i)  # calls are counted in their order
    for ref in wanted:
        _check_ref(who, ref, layers, calls, "the outputs")
    shown = deque[Ref](made)
    while shown:
        ready = waiting.pop(shown.popleft(), [])
        while ready:
            name, i = one = ready.pop()
            missing[one] -= 1
            if missing[one]:
                continue
            layer, call = layers[name], calls[name][i]
            takes = [made[ref] for ref in call.inputs]
            several = len(takes) > 1 or layer.merges
            layer(takes if several else takes[0], training=call.training)
            for j, x in enumerate(layer.calls[-1].outputs):
                made[name, i, j] = x
                shown.append((name, i, j))
            if i + 1 < len(calls[name]):
                ready.append((name, i + 1))
    for name, i in missing:
        if missing[name, i]:
            raise ConfigError(f"{who}: layer {name!r} takes its input from layers behind it.")
    for ref in wanted:
        if ref not in made:
            raise ConfigError(f"{who}: expected an output {ref[2]} of {ref[0]!r}, got none.")
    return [made[ref] for ref in wanted]


def _check_ref(
    who: str,
    ref: Ref,
    layers: Mapping[str, Any],
    calls: Mapping[str, Sequence[SavedCall]],
    taker: str,
) -> None:
    name, call, output = ref
    if name not in layers:
        raise ConfigError(
            f"{who}: layer {taker!r} takes its input from {name!r}, which is not there."
        )
    layer = layers[name]
    outputs = len(getattr(layer, "outputs", ())) or 1
    uses = 1 if isinstance(layer, InputLayer) else len(calls[name])
    if not (0 <= call < uses and 0 <= output < outputs):
        raise ConfigError(
            f"{who}: layer {taker!r} takes output {output} of call {call} of the layer {name!r}, "
            "which is not there."
        )


def from_config(cls: Any, config: Mapping[str, Any], custom_objects: CustomObjects) -> Any:
    """See ``Model.from_config``."""
    arguments = {"name": config["name"], "dtype": config["dtype"]}
    layers = [_made(description, custom_objects) for description in config["layers"]]
    for layer, description in zip(layers, config["layers"], strict=True):
        if description.get("operation"):
            layer.operation = True
    if "outputs" not in config:
        return cls(layers, **arguments)
    names = [str(description["name"]) for description in config["layers"]]
    calls = {
        name: [
            SavedCall([_ref(ref) for ref in call["inputs"]], call["training"])
            for call in description["calls"]
        ]
        for name, description in zip(names, config["layers"], strict=True)
    }
    inputs, outputs = ([_ref(ref) for ref in config[key]] for key in ("inputs", "outputs"))
    by_name = dict(zip(names, layers, strict=True))
    found = connected(cls.__name__, by_name, calls, [*inputs, *outputs])
    begin, end = found[: len(inputs)], found[len(inputs) :]
    return cls(keyed(begin, config["input_keys"]), keyed(end, config["output_keys"]), **arguments)


def keyed(tensors: Sequence[SymbolicTensor], keys: Sequence[str] | None) -> Any:
    """Tensors as a model is made of them: under their names, if they have any."""
    return list(tensors) if keys is None else dict(zip(keys, tensors, strict=True))


def _ref(value: Any) -> Ref:
    name, call, output = value
    return str(name), int(call), int(output)


def _made(description: Mapping[str, Any], custom_objects: CustomObjects) -> Any:
    cls = MODELS.get(description["class_name"])
    if cls is not None:
        return cls.from_config(description["config"], custom_objects)
    return with_layers({"layers": [description]}, custom_objects)["layers"][0]


def custom_classes(who: str, given: Any) -> dict[str, type[Configurable]]:
    """``custom_objects``, and what the program has made known, by the classes' names alone.

    Of "package>Class", as Keras has it, too. Raises ``ConfigError`` for what is no dictionary of
    classes.
    """
    for name, cls in named(who, given).items():
        fits = callable(cls) and not isinstance(cls, Configurable)
        fits = issubclass(cls, Guarded) if isinstance(cls, type) else fits
        if not fits:
            raise ConfigError(
                f"{who}: expected custom_objects as a dict of names and classes of layers, "
                f"losses, metrics and the like, got {name!r}: {shown(cls)}."
            )
    known = {
        name: cls
        for name, cls in get_custom_objects().items()
        if isinstance(cls, type)
        and issubclass(cls, Configurable)
        # What is registered takes no name of minicnn's: only a scope and an argument do.
        and not (">" in name and name.rpartition(">")[2] in library_names())
    }
    return {name.rpartition(">")[2]: cls for name, cls in {**known, **named(who, given)}.items()}


MODELS: dict[str, Any] = {}
"""The classes of models by their names: ``minicnn.models`` fills it."""
