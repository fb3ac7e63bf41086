"""How Keras spells names."""

import re
from collections.abc import Collection
from typing import TypeVar

T = TypeVar("T")

FUNCTIONAL = ("Functional", "Model")
"""What Keras calls a functional model; "Model" in files of old releases."""

MODELS = ("Sequential", *FUNCTIONAL)


def snake_case(name: str) -> str:
    """A class's name as Keras writes it in the names of layers and in files.

    >>> [snake_case(name) for name in ("Conv2D", "MaxPooling2D", "ReLU", "GlorotUniform")]
    ['conv2d', 'max_pooling2d', 're_lu', 'glorot_uniform']
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def as_logged(name: str, logs: Collection[str]) -> str | None:
    """The name under which a log is there: "acc" and "accuracy" are one; None if it is not.

    Keras called the log after the metric's name up to 2.2, which was "acc", and "accuracy" since;
    "lr" is "learning_rate" since Keras 3.

    >>> as_logged("val_acc", ["loss", "val_accuracy"]), as_logged("acc", ["loss"])
    ('val_accuracy', None)
    """
    if name in logs:
        return name
    before, short, _ = name.rpartition("acc")
    other = f"{before}accuracy" if short and name.endswith("acc") else None
    if name.endswith("accuracy"):
        other = f"{name.removesuffix('accuracy')}acc"
    if name == "lr":
        other = "learning_rate"
    return other if other in logs else None


class ByLog(dict[str, T]):
    """Values by the names of logs, or by those that older Keras gave them.

    >>> ByLog(accuracy=0.9)["acc"]
    0.9
    """

    def __missing__(self, name: str) -> T:
        found = as_logged(name, self)
        if found is None:
            raise KeyError(name)
        return self[found]
