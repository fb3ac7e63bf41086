"""What config.json says of a model that is written, and model_config of a legacy file."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from minicnn._core.shapes import Shape
from minicnn._files.keras.graph import Node, unfolded
from minicnn._files.keras.saved import SavedModel
from minicnn._keras.descriptions import described, for_all, name_of_old
from minicnn._keras.spelling import snake_case


def is_functional(model: SavedModel) -> bool:
    """Whether Keras needs a graph for it: whether there is a Residual."""
    return any(layer.layers for layer in model.layers)


def placed(model: SavedModel) -> list[Node]:
    """The model's graph, and in its layers where their arrays are in files."""
    nodes = unfolded(model.layers)
    seen: Counter[str] = Counter()
    for node in nodes:
        layer = node.layers[0]
        layer.group = f"layers/{counted(seen, 'Add' if node.adds else layer.class_name)}"
        layer.owner = node.name
    model.order = [
        layer for node in nodes for layer in node.layers if not (node.adds or layer.is_input)
    ]
    return nodes


def model_config(model: SavedModel, legacy: bool = False) -> dict[str, Any]:
    """What Keras needs to make ``model``, without its arrays."""
    nodes = placed(model)
    functional = is_functional(model)
    shapes = {node.name: node.layers[0].output_shape for node in nodes}
    layers = []
    for node in nodes:
        description = _described(node, model.dtype, shapes)
        if functional:
            links = [_tensor(name, shapes[name], model.dtype) for name in node.inputs]
            calls: list[Any] = (
                [{"args": [links] if node.adds else links, "kwargs": {}}] if links else []
            )
            description |= {"name": node.name, "inbound_nodes": calls}
        if legacy:
            description["class_name"] = name_of_old(description)
            for key in ("module", "registered_name", "build_config"):
                del description[key]
        layers.append(for_all(description))
    # Each layer says whether it is trainable: Keras 3.0 would set all to what the model says.
    config: dict[str, Any] = {"name": model.name, "layers": layers}
    first = model.layers[0].config["batch_shape"]
    if functional:
        # Lists of one, as Keras 3.0 wants it.
        config["input_layers"] = [[nodes[0].name, 0, 0]]
        config["output_layers"] = [[nodes[-1].name, 0, 0]]
    else:
        config |= {"dtype": model.dtype, "build_input_shape": first}
    class_name = "Functional" if functional else "Sequential"
    if legacy:
        return {"class_name": class_name, "config": config}
    return {
        "module": "keras.src.models.functional" if functional else "keras",
        "class_name": class_name,
        "config": config,
        "registered_name": "Functional" if functional else None,
        "build_config": {"input_shape": None if functional else first},
        "compile_config": for_all(model.compiled),
    }


def _described(node: Node, dtype: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    layer = node.layers[0]
    is_input = layer.is_input
    config = layer.config
    class_name, custom = layer.class_name, layer.custom
    build: Any = None if is_input else {"input_shape": [None, *layer.input_shape]}
    if node.adds:
        config = {key: value for key, value in config.items() if key == "trainable"}
        class_name, custom = "Add", False
        build = {"input_shape": [[None, *shapes[name]] for name in node.inputs]}
    config = config | {"name": node.name, "dtype": dtype}
    return described("keras.layers", class_name, config, custom) | {"build_config": build}


def _tensor(name: str, shape: Shape, dtype: str) -> dict[str, Any]:
    """The output of a layer, as another one takes it."""
    config = {"shape": [None, *shape], "dtype": dtype, "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def counted(seen: Counter[str], class_name: str) -> str:
    """The name of a class for its n-th layer in Keras' files: conv2d, conv2d_1, ..."""
    base = snake_case(class_name)
    seen[base] += 1
    return base if seen[base] == 1 else f"{base}_{seen[base] - 1}"
