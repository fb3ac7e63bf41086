"""What the releases of Keras, and tf.keras before them, say differently of the same thing."""

import re
from collections.abc import Mapping
from typing import Any

from minicnn._keras.names import snake_case
from minicnn.errors import ModelFileError

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
        "epsilon": (None,),
        "is_legacy_optimizer": (True, False),
        "jit_compile": (True, False),
    },
    LOSSES: {"reduction": ("auto",)},
    ("BatchNormalization",): {"fused": (True, False), "virtual_batch_size": (None,)},
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


def major(version: Any) -> int | None:
    """The first number of a release, or None where it is not known.

    >>> major("2.2.4-tf"), major(None)
    (2, None)
    """
    first = str(version).partition(".")[0]
    return int(first) if first.isdecimal() and len(first) < 4 else None


def before_tf_2(version: Any) -> bool:
    """Whether a release ran on TensorFlow 1 or another backend: Keras to 2.3, tf.keras to 2.1.6-tf.

    >>> before_tf_2("2.3.1"), before_tf_2("2.1.6-tf"), before_tf_2("2.2.4-tf"), before_tf_2(None)
    (True, True, False, False)
    """
    found = re.match(r"2\.(\d{1,3})\.", str(version))
    return found is not None and int(found[1]) < (2 if "-tf" in str(version) else 4)


def refuse_keras_1(who: str, version: Any) -> None:
    """Raise ``ModelFileError`` for a file of Keras 1, whose kernels may lie in other orders."""
    if major(version) in (0, 1):
        raise ModelFileError(
            f"{who}: expected a file of Keras 2 or later, got one of Keras {version}, where "
            "arguments have other names and kernels another order. Load it in Keras 2, and save it."
        )


def users_own(value: Mapping[str, Any]) -> bool:
    """Whether what a file describes is of a custom class, whatever that is called.

    Keras 3 writes no module of such a class, or another one than its own; in .h5, where no modules
    are, the package that it was registered in stands before its name: "package>Class".
    """
    for key in ("class_name", "registered_name"):
        package, mark, name = str(value.get(key)).rpartition(">")
        # tf.keras 2.11 registered its optimizers so, and wrote of them what Keras 3 does not.
        config = value.get("config")
        of_old = name in OPTIMIZERS and isinstance(config, Mapping) and "jit_compile" in config
        if mark and package.lower() != "keras" and not (package == "Custom" and of_old):
            return True
    module = value.get("module", "keras")
    return str(module).partition(".")[0] not in ("keras", "tf_keras") or bool(value.get("custom"))


def modern(value: Any) -> Any:
    """What a file describes, under the names of today; functions are their names.

    Custom classes keep theirs, and are marked with "custom".
    """
    if isinstance(value, list):
        return [modern(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    if value.keys() == {"type", "value"} and value["type"] == "ndarray":
        return value["value"]  # as Keras 2 wrote some numbers
    if "class_name" not in value:
        return {key: modern(part) for key, part in value.items()}
    name, config = str(value["class_name"]), value.get("config")
    if name in ("__tuple__", "TensorShape"):
        return modern(value["items"])
    if name == "function":
        return config
    if not isinstance(config, Mapping | None):
        return value
    config = {key: modern(part) for key, part in (config or {}).items()}
    own = users_own({**value, "config": config})
    name = name.rpartition(">")[2]
    if own:
        return {**value, "class_name": name, "config": config, "custom": True}
    name = FORMER.get(name, name)
    config = _without(DROPPED, name, config)
    shape = config.pop("batch_input_shape", None)
    if name == "InputLayer" and shape is not None:
        config["batch_shape"] = shape
    elif name == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    elif name in OPTIMIZERS and "lr" in config and "learning_rate" not in config:
        config["learning_rate"] = config.pop("lr")
    elif name == "VarianceScaling" and config.get("distribution") == "normal":
        config["distribution"] = "truncated_normal"
    elif name in ("BatchNormalization", "LayerNormalization"):
        axis = config.get("axis")
        config |= {"axis": axis[0]} if isinstance(axis, list) and len(axis) == 1 else {}
    elif name == "MeanMetricWrapper":
        name = str(config.pop("fn", name))
    elif name in LOSSES and config.get("fn") == snake_case(name):
        del config["fn"]
    return {**value, "class_name": name, "config": config}


FORMER = {
    "OrthogonalInitializer": "Orthogonal",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
}
"""Names that classes had in some releases."""


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
        if name in LOSSES and not users_own(plain):
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
