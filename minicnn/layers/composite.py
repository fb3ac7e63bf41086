"""What is made of layers: their arrays, under the names of the layers that have them.

``Residual`` and the models are such. Of a model within a model, and so on, names grow by one part
each: "base.conv2d.kernel".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minicnn._core.arguments import boolean
from minicnn._core.shapes import Array
from minicnn.constraints import Constraint
from minicnn.kernels import KernelSet
from minicnn.regularizers import Regularizer


class Composite:
    """Arrays and traits of ``sublayers``, which a class that derives from this has."""

    sublayers: Sequence[Any]

    def leaves(self) -> Iterator[tuple[str, Any]]:
        """(name, layer) of all layers within that are not made of others; each once."""
        seen: set[int] = set()
        for name, layer in _leaves(self.sublayers, ""):
            if id(layer) not in seen:
                seen.add(id(layer))
                yield name, layer

    @property
    def params(self) -> dict[str, Array]:
        """The arrays that can be learned, as ``<layer>.<param>``."""
        return {key: layer.params[name] for key, layer, name in self._names("params")}

    @params.setter
    def params(self, values: Mapping[str, Array]) -> None:
        self._put("params", values)

    @property
    def state(self) -> dict[str, Array]:
        """The moving statistics, likewise."""
        return {key: layer.state[name] for key, layer, name in self._names("state")}

    @state.setter
    def state(self, values: Mapping[str, Array]) -> None:
        self._put("state", values)

    def _names(self, attribute: str) -> Iterator[tuple[str, Any, str]]:
        for full, layer in self.leaves():
            for name in getattr(layer, attribute):
                yield f"{full}.{name}", layer, name

    def _put(self, attribute: str, values: Mapping[str, Array]) -> None:
        for full, layer in self.leaves():
            arrays = {name: values[f"{full}.{name}"] for name in getattr(layer, attribute)}
            setattr(layer, attribute, arrays)

    @property
    def trainable(self) -> bool:
        """Whether training changes it; setting it sets it for all of its layers, as in Keras."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        boolean(type(self).__name__, "trainable", value)
        self._trainable = value
        for layer in self.sublayers:
            layer.trainable = value

    def learned(self) -> "Learned":
        """Those of its layers that are trainable."""
        found = Learned()
        for full, layer in self.leaves():
            learned = layer.learned()
            if learned:
                found.kernels = layer.kernels
            constraints = layer.constraints() if learned else {}
            found |= {f"{full}.{name}": array for name, array in learned.items()}
            found.constraints |= {f"{full}.{name}": one for name, one in constraints.items()}
        return found

    def arrays(self) -> dict[str, Array]:
        """Those of its layers, one layer after the other, as Keras orders them."""
        return {
            f"{full}.{name}": array
            for full, layer in self.leaves()
            for name, array in layer.arrays().items()
        }

    def regularizers(self) -> dict[str, Regularizer]:
        """Those of its layers."""
        return {
            f"{full}.{name}": regularizer
            for full, layer in self.leaves()
            for name, regularizer in layer.regularizers().items()
        }


class Learned(dict[str, Array]):
    """Arrays that training changes, and what an optimizer holds them to after each step."""

    kernels: KernelSet | None = None
    """What their layers compute with."""

    def __init__(self) -> None:
        super().__init__()
        self.constraints: dict[str, Constraint] = {}


def _leaves(layers: Sequence[Any], within: str) -> Iterator[tuple[str, Any]]:
    for layer in layers:
        name = f"{within}{layer.name}"
        if isinstance(layer, Composite):
            yield from _leaves(layer.sublayers, f"{name}.")
        else:
            yield name, layer
