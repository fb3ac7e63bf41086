"""How Keras describes an object in files: {"module", "class_name", "config", "registered_name"}.

``described`` writes such a description, ``for_all`` as all releases of Keras 3 can read it;
``modern`` brings what a release of Keras or tf.keras wrote under the names of today.
"""

from collections.abc import Mapping
from typing import Any

from minicnn._keras.spelling import snake_case

Table = dict[str, dict[str, tuple[Any, ...]]]

DROPPED: Table = {
    "optimizers": {
        "decay": (0.0,),
        "epsilon": (None,),
        "is_legacy_optimizer": (True, False),
        "jit_compile": (True, False),
    },
    "losses": {"reduction": ("auto",)},
    "BatchNormalization": {"fused": (True, False), "virtual_batch_size": (None,)},
    "GlorotUniform": {"input_axes": (None,), "output_axes": (None,)},
    "RandomRotation": {"value_range": ([0, 255],)},
}
"""Of a family or a class, arguments that only some releases know, at values that say nothing: left
out in reading."""

YOUNG: Table = {
    "Conv2DTranspose": {"output_padding": (None,)},
    "RandomContrast": {"value_range": ([0, 255], (0, 255))},
    "Resizing": {
        "pad_to_aspect_ratio": (False,),
        "fill_mode": ("constant",),
        "fill_value": (0.0,),
        "antialias": (False,),
    },
    "SparseCategoricalCrossentropy": {"ignore_class": (None,)},
}
"""Arguments that Keras 3.0 does not take, at their defaults: left out in writing."""

MODULES = {
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
    "LayerScale": "keras.src.applications.convnext",
}
"""Where Keras has layers that are not in keras.layers."""

FORMER = {
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
}
"""Names that classes had in some releases."""

REGISTERED_AS_CUSTOM = {
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lion", "Nadam",
    "RMSprop", "SGD",
}  # fmt: skip
"""Optimizers of tf.keras 2.11, which registered its classes as "Custom>Adam"."""


class FunctionName(str):
    """The name of a function that a file mentions."""

    __slots__ = ()


def described(
    module: str, class_name: str, config: Mapping[str, Any], custom: bool
) -> dict[str, Any]:
    """The description of an object, of Keras' class in that module or of a custom one.

    >>> described("keras.layers", "Flatten", {}, custom=False)["module"]
    'keras.layers'
    """
    elsewhere = None if custom else MODULES.get(class_name)
    return {
        "module": None if custom else elsewhere or module,
        "class_name": class_name,
        "config": config,
        "registered_name": class_name if custom or elsewhere else None,
    }


def name_of_old(description: Mapping[str, Any]) -> str:
    """A class's name in .h5, where Keras marks custom ones by a package.

    >>> name_of_old(described("", "Mine", {}, custom=True))
    'Custom>Mine'
    """
    package = "Custom>" if description["registered_name"] and not description["module"] else ""
    return f"{package}{description['class_name']}"


def is_custom(description: Mapping[str, Any]) -> bool:
    """Whether a description is of a custom class, whatever that is called.

    Keras 3 writes no module of such a class, or one that is not its; in .h5, where no modules
    are, the package that it was registered in stands before its name: "package>Class".

    >>> is_custom({"class_name": "Custom>Dense", "config": {}}), is_custom({"class_name": "Dense"})
    (True, False)
    """
    for key in ("class_name", "registered_name"):
        package, mark, name = str(description.get(key)).rpartition(">")
        # tf.keras 2.11 wrote of its optimizers what Keras 3 does not.
        config = description.get("config")
        of_old = isinstance(config, Mapping) and "jit_compile" in config
        of_old = of_old and package == "Custom" and name in REGISTERED_AS_CUSTOM
        if mark and package.lower() != "keras" and not of_old:
            return True
    module = str(description.get("module", "keras")).partition(".")[0]
    return module not in ("keras", "tf_keras") or bool(description.get("custom"))


def modern(value: Any, family: str = "") -> Any:
    """What a file describes, under the names of today; functions are their names.

    ``family`` says what it is described as: one of "optimizers" or "losses", if of these. Custom
    classes keep their names, and are marked with "custom".

    >>> modern({"class_name": "SGD", "config": {"lr": 0.5, "decay": 0.0}}, "optimizers")["config"]
    {'learning_rate': 0.5}
    """
    if isinstance(value, list):
        return [modern(part, family) for part in value]
    if not isinstance(value, Mapping):
        return value
    if value.keys() == {"type", "value"} and value["type"] == "ndarray":
        return value["value"]  # as Keras 2 wrote some numbers
    if "class_name" not in value:
        return {key: modern(part, family) for key, part in value.items()}
    name, config = str(value["class_name"]), value.get("config")
    if name in ("__tuple__", "TensorShape"):
        return modern(value["items"])
    if name == "__numpy__" and isinstance(config, Mapping):
        return config.get("value")
    if name == "function":
        return FunctionName(config)
    if not isinstance(config, Mapping | None):
        return value
    config = {key: modern(part) for key, part in (config or {}).items()}
    custom = is_custom({**value, "config": config})
    name = name.rpartition(">")[2]
    if custom:
        return {**value, "class_name": name, "config": config, "custom": True}
    name, config = _renamed(FORMER.get(name, name), config, family)
    return {**value, "class_name": name, "config": config}


def _renamed(name: str, config: dict[str, Any], family: str) -> tuple[str, dict[str, Any]]:
    """The name of a class of Keras', and its arguments, as they are today."""
    config = _without(DROPPED, config, name, family)
    shape = config.pop("batch_input_shape", None)
    if name == "InputLayer" and shape is not None:
        config["batch_shape"] = shape
    elif name == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    elif family == "optimizers":
        if "lr" in config and "learning_rate" not in config:
            config["learning_rate"] = config.pop("lr")
        config = _with_decay(config)
    elif name == "VarianceScaling" and config.get("distribution") == "normal":
        config["distribution"] = "truncated_normal"
    elif name in ("BatchNormalization", "LayerNormalization"):
        axis = config.get("axis")
        config |= {"axis": axis[0]} if isinstance(axis, list) and len(axis) == 1 else {}
    elif name == "MeanMetricWrapper":
        name = str(config.pop("fn", name))
    elif family == "losses" and config.get("fn") == snake_case(name):
        del config["fn"]
    return name, config


def _with_decay(config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of an optimizer of Keras 2, whose ``decay`` is a schedule today."""
    rate, decay = config.get("learning_rate"), config.get("decay")
    if not isinstance(rate, float | int) or not isinstance(decay, float | int):
        return config
    arguments = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
    schedule = described("keras.optimizers.schedules", "InverseTimeDecay", arguments, custom=False)
    return {key: x for key, x in config.items() if key != "decay"} | {"learning_rate": schedule}


def for_all(value: Any) -> Any:
    """What is going to be written, so that all releases of Keras 3 can read it."""
    if isinstance(value, list):
        return [for_all(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    plain = {key: for_all(part) for key, part in value.items()}
    name, config = plain.get("class_name"), plain.get("config")
    if isinstance(name, str) and isinstance(config, dict):
        config = _without(YOUNG, config, name)
        if plain.get("module") == "keras.losses":
            config.setdefault("name", snake_case(name))  # by which Keras 3.0 finds them in .h5
        elif name == "LayerNormalization" and isinstance(config.get("axis"), int):
            config["axis"] = [config["axis"]]  # a number is lost in .h5
        plain["config"] = config
        of_initializers = ".initializers" in str(plain.get("module"))
        if name == "Orthogonal" or (name == "Identity" and of_initializers):
            # Keras 3.0 has it under the longer name alone, later ones under both.
            plain["class_name"] = f"{name}Initializer"
    return plain


def _without(table: Table, config: Mapping[str, Any], *names: str) -> dict[str, Any]:
    rows = [table[name] for name in names if name in table]
    return {
        key: value
        for key, value in config.items()
        if not any(value in row.get(key, ()) for row in rows)
    }
