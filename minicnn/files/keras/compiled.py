"""How a model was compiled, as files of Keras and tf.keras say it."""

from collections.abc import Mapping
from typing import Any

from minicnn.config import snake_case
from minicnn.errors import ConfigError

LEFT_OUT = ("loss_weights", "weighted_metrics")
"""Arguments of ``compile`` that minicnn has not, and that change what is trained."""

OF_TF_KERAS: dict[str, tuple[Any, ...]] = {
    "decay": (0.0,),
    "fn": (),
    "is_legacy_optimizer": (True, False),
    "jit_compile": (True, False),
    "reduction": ("auto",),
}
"""Arguments that Keras 3 no longer has, or not so, and the values that say nothing."""


def compile_arguments(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What ``compile`` takes of a compile_config, or of a legacy file's training_config.

    Raises ``ConfigError`` for what it does not take and what would change the meaning.
    """
    for key in LEFT_OUT:
        if saved.get(key) not in (None, [], {}, [None]):
            raise ConfigError(f"compile: argument {key!r} = {saved[key]!r} is not supported.")
    loss, metrics = _of_the_output(saved.get("loss")), _of_the_output(saved.get("metrics"))
    if isinstance(loss, list) and len(loss) == 1:
        loss = loss[0]
    if isinstance(metrics, list) and len(metrics) == 1:
        metrics = metrics[0]
    metrics = metrics if isinstance(metrics, list) else [metrics]
    return {
        "optimizer": _modern(saved.get("optimizer_config", saved.get("optimizer"))),
        "loss": _modern(loss),
        "metrics": [_modern(metric) for metric in metrics if metric is not None],
    }


def _of_the_output(value: Any) -> Any:
    """What stands under the name of a model's only output, if it does."""
    named = isinstance(value, Mapping) and "class_name" not in value and len(value) == 1
    return next(iter(value.values())) if named else value


def _modern(value: Any) -> Any:
    """A description as Keras 3 gives it: functions by their names, today's arguments."""
    if not isinstance(value, Mapping) or "class_name" not in value:
        return value
    name, config = str(value["class_name"]), value.get("config")
    if name == "function":
        return config
    name = name.rpartition(">")[2]
    if not isinstance(config, Mapping):
        return {**value, "class_name": name, "config": {}}
    config = {
        {"lr": "learning_rate"}.get(key, key): _modern(part)
        for key, part in config.items()
        if key not in OF_TF_KERAS or part not in OF_TF_KERAS[key]
    }
    if name == "MeanMetricWrapper":
        name = str(config.pop("fn", name))
    elif config.get("fn") == snake_case(name):
        del config["fn"]
    return {**value, "class_name": name, "config": config}
