"""How a model was compiled, as files of Keras and tf.keras say it."""

from collections.abc import Mapping
from typing import Any

from minicnn.errors import ConfigError
from minicnn.files.keras.releases import modern

LEFT_OUT = ("loss_weights", "weighted_metrics")
"""Arguments of ``compile`` that minicnn has not, and that change what is trained."""


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
        "optimizer": modern(saved.get("optimizer_config", saved.get("optimizer"))),
        "loss": modern(loss),
        "metrics": [modern(metric) for metric in metrics if metric is not None],
    }


def _of_the_output(value: Any) -> Any:
    """What stands under the name of a model's only output, if it does."""
    named = isinstance(value, Mapping) and "class_name" not in value and len(value) == 1
    return next(iter(value.values())) if named else value
