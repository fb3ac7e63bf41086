"""How a model was compiled, as files of Keras and tf.keras say it."""

from collections.abc import Iterator, Mapping
from typing import Any

from minicnn._keras.descriptions import modern
from minicnn._keras.releases import changed_optimizer
from minicnn.errors import ConfigError

LEFT_OUT = ("sample_weight_mode",)
"""Arguments of ``compile`` that minicnn has not, and that change what is trained."""

METRICS_LIMIT = 100
"""How many metrics are read: each takes time and memory, and a name of a few bytes makes one."""


def compile_arguments(
    saved: Mapping[str, Any], version: Any = None, outputs: int = 1
) -> dict[str, Any]:
    """What ``compile`` takes of a compile_config, or of a legacy file's training_config.

    Raises ``ConfigError`` for what it does not take and what would change the meaning, in the
    release of Keras that wrote it.
    """
    for key in LEFT_OUT if outputs > 1 else (*LEFT_OUT, "loss_weights"):
        if not _says_nothing(saved.get(key)):
            raise ConfigError(f"compile: argument {key!r} = {saved[key]!r} is not supported.")
    loss = saved.get("loss")
    metrics, weighted = (saved.get(kind) for kind in ("metrics", "weighted_metrics"))
    if outputs == 1:
        loss = _of_the_output(loss)
        loss = loss[0] if isinstance(loss, list) and len(loss) == 1 else loss
        metrics, weighted = _in_a_list(metrics), _in_a_list(weighted)
    flat = [*_objects(metrics), *_objects(weighted)]
    thresholds = sum(map(_thresholds, flat))
    if thresholds > THRESHOLDS_LIMIT:
        raise ConfigError(
            f"compile: expected metrics of at most {THRESHOLDS_LIMIT:,} thresholds in all, got "
            f"{thresholds:,}."
        )
    if len(flat) > METRICS_LIMIT:
        raise ConfigError(f"compile: expected at most {METRICS_LIMIT} metrics, got {len(flat):,}.")
    optimizer = modern(saved.get("optimizer_config", saved.get("optimizer")), "optimizers")
    config = optimizer.get("config") if isinstance(optimizer, Mapping) else None
    if isinstance(config, Mapping):
        changed = changed_optimizer(optimizer["class_name"], config, version)
        if changed:
            raise ConfigError(f"compile: {changed}")
    return {
        "optimizer": optimizer,
        "loss": modern(loss, "losses"),
        "loss_weights": saved.get("loss_weights") if outputs > 1 else None,
        # A loss may be given as a metric.
        "metrics": modern(metrics, "losses"),
        "weighted_metrics": modern(weighted, "losses"),
    }


def _in_a_list(metrics: Any) -> list[Any]:
    """The metrics of a model's only output."""
    metrics = _of_the_output(metrics)
    if isinstance(metrics, list) and len(metrics) == 1:
        metrics = metrics[0]
    metrics = metrics if isinstance(metrics, list) else [metrics]
    return [metric for metric in metrics if metric is not None]


def _objects(value: Any) -> Iterator[Any]:
    """The metrics in lists, and in dictionaries by output."""
    if isinstance(value, Mapping) and "class_name" not in value:
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _objects(part)
    elif value is not None:
        yield value


def _thresholds(metric: Any) -> int:
    """How many thresholds a metric counts at."""
    config = metric.get("config") if isinstance(metric, Mapping) else None
    count = config.get("num_thresholds") if isinstance(config, Mapping) else 0
    return max(count, 0) if isinstance(count, int) else 0


def _says_nothing(value: Any) -> bool:
    """Whether it is None or a weight of 1, or holds nothing else, by name or in a row."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return all(map(_says_nothing, value)) if isinstance(value, list) else value in (None, 1)


def _of_the_output(value: Any) -> Any:
    """What stands under the name of a model's only output, if it does."""
    named = isinstance(value, Mapping) and "class_name" not in value and len(value) == 1
    return next(iter(value.values())) if named else value


THRESHOLDS_LIMIT = 100_000
"""How many thresholds all metrics of a file may count at: each run has counts."""
