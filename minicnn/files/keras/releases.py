"""What the releases of Keras, and tf.keras before them, say differently of the same thing."""

from collections.abc import Mapping
from typing import Any

from minicnn.config import snake_case

Table = dict[tuple[str, ...], dict[str, tuple[Any, ...]]]

OPTIMIZERS = ("Adagrad", "Adam", "AdamW", "Lion", "Nadam", "RMSprop", "SGD")
LOSSES = (
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "Hinge",
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
)

DROPPED: Table = {
    OPTIMIZERS: {
        "decay": (0.0,),
        "is_legacy_optimizer": (True, False),
        "jit_compile": (True, False),
    },
    LOSSES: {"reduction": ("auto",)},
    ("GlorotUniform",): {"input_axes": (None,), "output_axes": (None,)},
    ("RandomRotation",): {"value_range": ([0, 255],)},
}
"""Arguments that only some releases know, at values that say nothing: left out in reading."""

YOUNG: Table = {
    ("Conv2DTranspose",): {"output_padding": (None,)},
    ("RandomContrast",): {"value_range": ([0, 255], (0, 255))},
    ("SparseCategoricalCrossentropy",): {"ignore_class": (None,)},
}
"""Arguments that Keras 3.0 does not take, at their defaults: left out in writing."""


def modern(value: Any) -> Any:
    """What a file describes, under the names of today; functions are their names."""
    if isinstance(value, list):
        return [modern(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value:
        return {key: modern(part) for key, part in value.items()}
    name, config = str(value["class_name"]), value.get("config")
    if name in ("__tuple__", "TensorShape"):
        return modern(value["items"])
    if name == "function":
        return config
    name = name.rpartition(">")[2]  # "package>Class" is a class of the user's own
    name = {"OrthogonalInitializer": "Orthogonal"}.get(name, name)
    config = _without(DROPPED, name, {key: modern(part) for key, part in (config or {}).items()})
    shape = config.pop("batch_input_shape", None)
    if name == "InputLayer" and shape is not None:
        config["batch_shape"] = shape
    elif name == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    elif name in ("BatchNormalization", "LayerNormalization"):
        axis = config.get("axis")
        config |= {"axis": axis[0]} if isinstance(axis, list) and len(axis) == 1 else {}
    elif name == "MeanMetricWrapper":
        name = str(config.pop("fn", name))
    elif name in LOSSES and config.get("fn") == snake_case(name):
        del config["fn"]
    return {**value, "class_name": name, "config": config}


def for_all(value: Any) -> Any:
    """What is going to be written, so that all releases of Keras 3 can read it."""
    if isinstance(value, list):
        return [for_all(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    plain = {key: for_all(part) for key, part in value.items()}
    name, config = plain.get("class_name"), plain.get("config")
    if isinstance(name, str) and isinstance(config, dict):
        config = _without(YOUNG, name, config)
        if name in LOSSES:
            config.setdefault("name", snake_case(name))  # by which Keras 3.0 finds them in .h5
        elif name == "LayerNormalization" and isinstance(config.get("axis"), int):
            config["axis"] = [config["axis"]]  # a number is lost in .h5
        plain["config"] = config
        # Keras 3.0 has it under the longer name alone, later ones under both.
        plain["class_name"] = {"Orthogonal": "OrthogonalInitializer"}.get(name, name)
    return plain


def _without(table: Table, name: str, config: dict[str, Any]) -> dict[str, Any]:
    left_out = [values for classes, values in table.items() if name in classes]
    return {
        key: value
        for key, value in config.items()
        if not any(value in values.get(key, ()) for values in left_out)
    }
