"""A model as a file has it: names, arguments and arrays, but no layers."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import File
from minicnn.errors import ModelFileError, printable


class OtherOptimizerError(ModelFileError):
    """The layers fit, but what the file keeps of an optimizer is of another one."""


@dataclass
class SavedLayer:
    """A layer as a file has it; ``config`` and ``class_name`` are Keras'.

    With ``layers`` it is a Residual, whose arrays are those of its layers.
    """

    class_name: str
    config: dict[str, Any]
    input_shape: Shape = ()
    output_shape: Shape = ()
    weights: dict[str, Array] = field(default_factory=dict)
    custom: bool = False
    """Whether its class is a custom one, even if it is called as one of Keras'."""
    layers: "list[SavedLayer]" = field(default_factory=list)
    shortcut: "list[SavedLayer] | None" = None
    group: str = ""
    """Where Keras 3 keeps its arrays."""
    owner: str = ""
    """The layer of the file's model that it is, or that it is in."""
    inner: str = ""
    """Its name in the file, if it is in such a layer."""

    @property
    def name(self) -> str:
        """Its name, if it has one."""
        return str(self.config.get("name") or "")

    @property
    def is_input(self) -> bool:
        """Whether it only says what the model takes."""
        return self.class_name == "InputLayer"


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
    """The state of the model's generator, as NumPy gives it; None in files of Keras'."""
    order: list[SavedLayer] = field(default_factory=list)
    """The layers that have arrays, as Keras counts them."""
    version: Any = None
    """The release of Keras that wrote the file, if it says so."""
    budget: Budget | None = None
    """What the file that it comes from may still lead to."""

    def read(self, file: File, name: str, shape: Shape) -> Array:
        """A layer's array from the model's file, which it will have in its precision."""
        array, dtype = file.read(name, shape), np.dtype(self.dtype)
        if self.budget is not None and array.dtype != dtype:
            self.budget.take(f"dataset {name!r}", array.size * dtype.itemsize)
        return array

    @property
    def extra(self) -> Any:
        """What Keras does not have, for minicnn's place in the file."""
        return {"class_names": self.class_names, "generator": self.generator}

    @extra.setter
    def extra(self, value: Any) -> None:
        found = value if isinstance(value, dict) else {}
        names = found.get("class_names")
        self.class_names = (
            [printable(str(name)) for name in names] if isinstance(names, list) else []
        )
        self.generator = found.get("generator")
