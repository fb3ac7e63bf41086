"""A model as a file has it: names, arguments and arrays, but no layers."""

from dataclasses import dataclass, field
from typing import Any

from minicnn.errors import ModelFileError
from minicnn.shapes import Array, Shape


class OtherOptimizerError(ModelFileError):
    """The layers fit, but what the file keeps of an optimizer is of another one."""


@dataclass
class SavedLayer:
    """A layer as a file has it; ``config`` and ``class_name`` are Keras'."""

    class_name: str
    config: dict[str, Any]
    input_shape: Shape = ()
    weights: list[Array] = field(default_factory=list)
    custom: bool = False
    """Whether it is a class of the user's own, which Keras does not know either."""


@dataclass
class SavedModel:
    """A model as a file has it."""

    name: str
    dtype: str
    layers: list[SavedLayer]
    compiled: dict[str, Any] | None = None
    optimizer: list[Array] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    generator: Any = None
    """The state of the model's generator, as NumPy gives it; None in Keras' own files."""
