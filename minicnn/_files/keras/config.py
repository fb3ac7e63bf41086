"""What config.json says of a model that is written, and model_config of a legacy file."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from minicnn._core.shapes import Shape
from minicnn._files.keras.saved import Ref, SavedCall, SavedLayer, SavedModel
from minicnn._keras import operations
from minicnn._keras.descriptions import described, for_all, name_of_old
from minicnn._keras.spelling import snake_case


def placed(model: SavedModel, group: str = "", owner: str = "") -> None:
    """Say of each layer where its arrays are in files."""
    seen: Counter[str] = Counter()
    for layer in model.layers:
        if layer.operation:
            continue
        layer.group = f"{group}layers/{counted(seen, layer.class_name)}"
        layer.owner = owner or layer.name
        layer.inner = layer.name if owner else ""
        if layer.model is not None:
            placed(layer.model, f"{layer.group}/", layer.owner)


def model_config(model: SavedModel, legacy: bool = False) -> dict[str, Any]:
    """What Keras needs to make ``model``, without its arrays."""
    description = _described_model(model, legacy)
    return description if legacy else description | {"compile_config": for_all(model.compiled)}


def _described_model(model: SavedModel, legacy: bool) -> dict[str, Any]:
    # As an output, a functional model within counts the call that made itself.
    begun = {layer.name for layer in model.layers if layer.model and layer.model.functional}

    def ref(given: Ref) -> Ref:
        return given[0], given[1] + (given[0] in begun), given[2]

    shapes = {
        (layer.name, i, j): shape
        for layer in model.layers
        for i in range(max(len(layer.calls), 1))
        for j, shape in enumerate(layer.output_shapes)
    }
    layers = []
    for layer in model.layers:
        description = (
            _described(layer, model.dtype, legacy)
            if layer.model is None
            else _described_model(layer.model, legacy)
        )
        if model.functional:
            calls = [
                _call(
                    call,
                    layer,
                    [_tensor(one, shapes[one], model.dtype) for one in call.inputs],
                    legacy,
                )
                for call in layer.calls
            ]
            description = description | {"name": layer.name, "inbound_nodes": calls}
        layers.append(description)
    # Each layer says whether it is trainable: Keras 3.0 would set all to what the model says.
    config: dict[str, Any] = {"name": model.name, "layers": layers}
    if model.functional:
        config["input_layers"] = _ends(map(ref, model.inputs), model.input_keys)
        config["output_layers"] = _ends(map(ref, model.outputs), model.output_keys)
        first = None
    else:
        first = model.layers[0].config["batch_shape"]
        config |= {"dtype": model.dtype, "build_input_shape": first}
    class_name = "Functional" if model.functional else "Sequential"
    if legacy:
        return {"class_name": class_name, "config": config}
    return {
        "module": "keras.src.models.functional" if model.functional else "keras",
        "class_name": class_name,
        "config": config,
        "registered_name": "Functional" if model.functional else None,
        "build_config": {"input_shape": first},
    }


def _described_operation(layer: SavedLayer) -> dict[str, Any]:
    """A function of tensors, which is no layer in Keras."""
    class_name, _, about = operations.described(layer.class_name, layer.config)
    config = {"name": layer.name, **about}
    return described("keras.src.ops.numpy", class_name, config, False) | {
        "registered_name": class_name
    }


def _ends(refs: Iterable[Ref], keys: list[str] | None) -> Any:
    """Inputs or outputs: lists of one too, as Keras 3.0 wants it."""
    return (
        [list(ref) for ref in refs]
        if keys is None
        else {k: list(r) for k, r in zip(keys, refs, strict=True)}
    )


def _call(call: SavedCall, layer: SavedLayer, links: Any, legacy: bool) -> dict[str, Any]:
    if layer.operation and not legacy:
        operands = operations.described(layer.class_name, layer.config).operands
        args = [links[0] if x is None else x for x in operands] or links
        return {"args": args, "kwargs": {}}
    merges = bool(layer.input_shape) and isinstance(layer.input_shape[0], tuple)
    several = merges or len(links) > 1
    kwargs = {} if call.training is None else {"training": call.training}
    return {"args": [links] if several else links, "kwargs": kwargs}


def _described(layer: SavedLayer, dtype: str, legacy: bool) -> dict[str, Any]:
    if layer.operation and not legacy:  # .h5 has a layer that does the same
        return _described_operation(layer)
    build: Any = None
    if not layer.is_input:
        shape = layer.input_shape
        several = bool(shape) and isinstance(shape[0], tuple)
        build = {"input_shape": [[None, *s] for s in shape] if several else [None, *shape]}
    config = layer.config | {"name": layer.name, "dtype": dtype}
    found = described("keras.layers", layer.class_name, config, layer.custom)
    found |= {"build_config": build}
    if legacy:
        found["class_name"] = name_of_old(found)
        for key in ("module", "registered_name", "build_config"):
            del found[key]
    whole: dict[str, Any] = for_all(found)
    return whole


def _tensor(ref: Ref, shape: Shape, dtype: str) -> dict[str, Any]:
    """The output of a layer, as another one takes it."""
    config = {"shape": [None, *shape], "dtype": dtype, "keras_history": list(ref)}
    return {"class_name": "__keras_tensor__", "config": config}


def counted(seen: Counter[str], class_name: str) -> str:
    """The name of a class for its n-th layer in Keras' files: conv2d, conv2d_1, ..."""
    base = snake_case(class_name)
    seen[base] += 1
    return base if seen[base] == 1 else f"{base}_{seen[base] - 1}"
