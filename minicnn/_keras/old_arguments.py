"""Arguments as scripts of older releases of Keras spell them, and how they are spelled today."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from minicnn.errors import ConfigError

RENAMED = {
    "lr": "learning_rate",
    "nb_epoch": "epochs",
    "nb_classes": "num_classes",
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "depthwise_init": "depthwise_initializer",
    "pointwise_init": "pointwise_initializer",
    "gamma_init": "gamma_initializer",
    "beta_init": "beta_initializer",
    "border_mode": "padding",
    "subsample": "strides",
    "atrous_rate": "dilation_rate",
    "nb_filter": "filters",
    "bias": "use_bias",
    "output_dim": "units",
    "p": "rate",
    "sigma": "stddev",
    "alpha": "negative_slope",
    "input": "inputs",
    "output": "outputs",
    "smart_resize": "crop_to_aspect_ratio",
}
"""Old name -> new name, wherever the new one is an argument and the old one is not."""

OF_CLASS = {
    "InputLayer": {"input_shape": "shape"},
    "MaxNorm": {"m": "max_value"},
    "ReduceLROnPlateau": {"epsilon": "min_delta"},
}
"""The same for a class alone."""

_QUEUE = dict.fromkeys(
    ("max_queue_size", "workers", "use_multiprocessing"),
    "max_queue_size, workers and use_multiprocessing do nothing: data are read as they come",
)

GONE = {
    "InputLayer": {"batch_size": "batch_size does nothing: batches may be of any size"},
    "compile": {
        "class_mode": "class_mode is gone: the loss says it",
        "theano_mode": "theano_mode is gone",
        "sample_weight_mode": "sample_weight_mode is gone: weights fit the loss, or are refused",
    },
    "Nadam": {"schedule_decay": "schedule_decay is gone: there is one schedule of momenta today"},
    "DepthwiseConv2D": {
        "kernel_initializer": "kernel_initializer did nothing: it is depthwise_initializer"
    },
    **dict.fromkeys(
        ("fit", "evaluate", "predict"),
        _QUEUE | {"show_accuracy": "show_accuracy is metrics=['accuracy'] of compile today"},
    ),
}
"""Of a class, arguments that do nothing any more, and what is said of them."""

DIM_ORDERING = {"tf": "channels_last", "th": "channels_first"}


class Today(NamedTuple):
    """An argument as it is today, and what is said of the change."""

    name: str
    value: Any
    words: str


def _input_dim(value: Any) -> Today:
    shape = None if value is None else (value,)
    return Today("input_shape", shape, "input_dim=n is input_shape=(n,) today")


def _batch_input_shape(value: Any) -> Today:
    without = tuple(value)[1:] if isinstance(value, tuple | list) else value
    words = "batch_input_shape=(None, ...) is input_shape=(...) today"
    return Today("input_shape", without, words)


def _batch_shape(value: Any) -> Today:
    without = tuple(value)[1:] if isinstance(value, tuple | list) else value
    return Today("shape", without, "batch_shape=(None, ...) is shape=(...) here")


def _dim_ordering(value: Any) -> Today:
    formats = {"tf": "channels_last", "default": "channels_last", "th": "channels_first"}
    now = formats.get(value, value) if isinstance(value, str) else value
    return Today("data_format", now, f"dim_ordering={value!r} is data_format={now!r} today")


CHANGED: dict[str, Callable[[Any], Today]] = {
    "input_dim": _input_dim,
    "batch_input_shape": _batch_input_shape,
    "batch_shape": _batch_shape,
    "dim_ordering": _dim_ordering,
}
"""Arguments that have another name and another value today."""


def modern(
    who: str, known: Collection[str], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The arguments given under their names of today, and what to say of each old name.

    ``known`` are the names that the class or function ``who`` takes; one of them is never changed.
    Raises ``ConfigError`` where an argument is there under both its names.

    >>> modern("Dense", ["units", "kernel_initializer"], {"output_dim": 3})
    ({'units': 3}, {'output_dim': 'output_dim is units today'})
    """
    given = dict(given)
    said: dict[str, str] = {}
    if "kernel_size" in known and {"nb_row", "nb_col"} <= given.keys():
        given["kernel_size"] = given.pop("nb_row"), given.pop("nb_col")
        said["nb_row"] = "nb_row=r, nb_col=c is kernel_size=(r, c) today"
    found: dict[str, Any] = {}
    for name, value in given.items():
        of_class = name in OF_CLASS.get(who, {})
        now = None if name in known and not of_class else _today(who, name, value)
        if name in GONE.get(who, {}):
            said[name] = GONE[who][name]
        elif now is not None and now.name in (*known, "data_format"):
            if now.name in given:
                raise ConfigError(
                    f"{who}: expected {now.name} alone, got {name!r} too, its older name."
                )
            found[now.name] = now.value
            said[name] = now.words
        elif not (name == "epsilon" and value is None):  # which stood for the default
            found[name] = value
    return found, said


def _today(who: str, name: str, value: Any) -> Today | None:
    if who == "InputLayer" and name in ("batch_shape", "batch_input_shape"):
        words = f"{name}=(None, ...) is shape=(...) here"
        return _batch_input_shape(value)._replace(name="shape", words=words)
    if name in CHANGED:
        return CHANGED[name](value)
    new = OF_CLASS.get(who, {}).get(name) or RENAMED.get(name)
    return Today(new, value, f"{name} is {new} today") if new else None
