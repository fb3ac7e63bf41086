"""What config.json says of a model."""

from pathlib import Path
from typing import Any

from minicnn.errors import ModelFileError
from minicnn.files.keras.saved import SavedLayer, SavedModel


def model_config(model: SavedModel) -> dict[str, Any]:
    """What config.json says of ``model``."""
    first = model.layers[0].config["batch_shape"]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": model.name,
            "trainable": True,
            "dtype": _dtype_policy(model.dtype),
            "layers": [_layer_config(layer, model.dtype) for layer in model.layers],
            "build_input_shape": first,
        },
        "registered_name": None,
        "build_config": {"input_shape": first},
        "compile_config": model.compiled,
    }


def _layer_config(layer: SavedLayer, dtype: str) -> dict[str, Any]:
    is_input = layer.class_name == "InputLayer"
    return {
        "module": None if layer.custom else "keras.layers",
        "class_name": layer.class_name,
        "config": layer.config | {"dtype": dtype if is_input else _dtype_policy(dtype)},
        "registered_name": layer.class_name if layer.custom else None,
        "build_config": None if is_input else {"input_shape": [None, *layer.input_shape]},
    }


def _dtype_policy(dtype: str) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": dtype},
        "registered_name": None,
    }


def read_config(path: Path, config: dict[str, Any]) -> SavedModel:
    """The model that config.json describes, without arrays; raises ``ModelFileError``."""
    if config.get("class_name") != "Sequential":
        raise ModelFileError(
            f"{path}: expected a Sequential model, got {config.get('class_name')!r}."
        )
    try:
        inner = config["config"]
        layers = [
            SavedLayer(str(layer["class_name"]), dict(layer["config"])) for layer in inner["layers"]
        ]
        policy = inner.get("dtype") or "float32"
        dtype = policy if isinstance(policy, str) else policy["config"]["name"]
        compiled = config.get("compile_config")
        return SavedModel(
            str(inner.get("name", "sequential")),
            str(dtype),
            layers,
            dict(compiled) if compiled else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelFileError(f"{path}: config.json does not describe layers.") from None
