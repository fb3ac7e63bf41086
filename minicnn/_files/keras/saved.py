"""A model as a file has it: names, arguments and arrays, but no layers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import Array, Shape
from minicnn._files.budget import Budget
from minicnn._files.hdf5 import File
from minicnn.errors import ModelFileError, printable

Ref = tuple[str, int, int]
"""The output of that number of the call of that number of the layer of that name."""


class OtherOptimizerError(ModelFileError):
    """The layers fit, but what the file keeps of an optimizer is of another one."""


class SavedCall(NamedTuple):
    """One use of a layer: what it takes, and what ``training`` it was called with."""

    inputs: list[Ref]
    training: bool | None = None


@dataclass(eq=False)
class SavedLayer:
    """A layer as a file has it; ``config`` and ``class_name`` are Keras'.

    With ``model`` it is a model within the model.
    """

    class_name: str
    config: dict[str, Any]
    name: str = ""
    input_shape: Any = ()
    """Of one input; a tuple of shapes if it merges several."""
    weights: dict[str, Array] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    """Which of its arrays are moving statistics, and never trained."""
    operation: bool = False
    """Whether Keras has it as arithmetic on tensors, and does not count it as a layer."""
    custom: bool = False
    """Whether its class is a custom one, even if it is called as one of Keras'."""
    calls: list[SavedCall] = field(default_factory=list)
    """Its uses in a functional model; none in a row."""
    output_shapes: list[Shape] = field(default_factory=list)
    model: "SavedModel | None" = None
    group: str = ""
    """Where Keras 3 keeps its arrays."""
    owner: str = ""
    """The layer of the file's model that it is, or that it is in."""
    inner: str = ""
    """Its name in the file, if it is in such a layer."""

    def learns(self, key: str) -> bool:
        """Whether Keras trains one of its arrays."""
        return bool(self.config.get("trainable", True)) and key not in self.fixed

    @property
    def is_input(self) -> bool:
        """Whether it only says what the model takes."""
        return self.class_name == "InputLayer"


@dataclass(eq=False)
class SavedModel:
    """A model as a file has it."""

    name: str
    dtype: str
    layers: list[SavedLayer]
    functional: bool = False
    """Whether it is more than a row: then the layers have calls."""
    inputs: list[Ref] = field(default_factory=list)
    outputs: list[Ref] = field(default_factory=list)
    input_keys: list[str] | None = None
    output_keys: list[str] | None = None
    compiled: dict[str, Any] | None = None
    optimizer: list[Array] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    pixels: tuple[float, float] | None = None
    """Between which numbers the images lay that it was trained on."""
    generator: Any = None
    """The state of the model's generator, as NumPy gives it; None in files of Keras'."""
    version: Any = None
    """The release of Keras that wrote the file, if it says so."""
    budget: Budget | None = None
    """What the file that it comes from may still lead to."""

    @property
    def order(self) -> list[SavedLayer]:
        """The layers that may have arrays, also those of models within, as Keras counts them."""
        return list(self._leaves())

    def _leaves(self) -> Iterator[SavedLayer]:
        for layer in self.layers:
            if layer.model is not None:
                yield from layer.model._leaves()
            elif not (layer.is_input or layer.operation):
                yield layer

    def read(self, file: File, name: str, shape: Shape) -> Array:
        """A layer's array from the model's file, which it will have in its precision."""
        array, dtype = file.read(name, shape), np.dtype(self.dtype)
        if self.budget is not None and array.dtype != dtype:
            self.budget.take(f"dataset {name!r}", array.size * dtype.itemsize)
        return array

    @property
    def extra(self) -> Any:
        """What Keras does not have, for minicnn's place in the file."""
        kept = {"class_names": self.class_names, "generator": self.generator}
        return kept if self.pixels is None else kept | {"pixels": self.pixels}

    @extra.setter
    def extra(self, value: Any) -> None:
        found = value if isinstance(value, dict) else {}
        names = found.get("class_names")
        self.class_names = (
            [printable(str(name)) for name in names] if isinstance(names, list) else []
        )
        self.generator = found.get("generator")
        match found.get("pixels"):
            case [int() | float() as low, int() | float() as high] if low < high:
                self.pixels = float(low), float(high)
