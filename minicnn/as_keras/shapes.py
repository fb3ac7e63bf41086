"""Shapes of layers and models as Keras shows them: with None for the batch axis."""

from collections.abc import Callable, Iterator
from typing import Any

from minicnn.as_keras.tensors import TensorShape
from minicnn.errors import ConfigError
from minicnn.layers import Layer
from minicnn.layers.registry import LAYERS
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.layers.whole import WholeTensor
from minicnn.models.base import BaseModel

__all__ = ["changes"]


class OutputShape:
    """A layer's method of this name, which is the tuple of Keras 2, too."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method

    def __get__(self, layer: Any, owner: type) -> Any:
        return self if layer is None else _OfLayer(self.method, layer)

    def __call__(self, layer: Any, input_shape: Any) -> Any:
        """The method, of the class."""
        return self.method(layer, input_shape)


class _OfLayer:
    def __init__(self, method: Callable[..., Any], layer: Any) -> None:
        self.method, self.layer = method, layer

    def __call__(self, input_shape: Any) -> Any:
        """The shape for another input."""
        return self.method(self.layer, input_shape)

    def _tuple(self) -> tuple[Any, ...]:
        if self.layer.input_shape is not None:
            return (None, *self.method(self.layer, self.layer.input_shape))
        if self.layer.calls:
            return (None, *self.layer.calls[-1].outputs[0].shape[1:])
        raise ConfigError(
            f"{self.layer.who}: expected a layer in a model, for its output_shape, got one alone."
        )

    def __getitem__(self, index: Any) -> Any:
        return self._tuple()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._tuple())

    def __len__(self) -> int:
        return len(self._tuple())

    def __eq__(self, other: object) -> bool:
        return self._tuple() == (other._tuple() if isinstance(other, _OfLayer) else other)

    def __hash__(self) -> int:
        return hash(self._tuple())

    def __repr__(self) -> str:
        return repr(self._tuple())


def _with_batch(shapes: str) -> property:
    """The shape of the only input or output of a model, or a list of several."""

    def shape(model: BaseModel) -> Any:
        found = [(None, *one) for one in getattr(model, shapes)]
        return found[0] if len(found) == 1 else found

    return property(shape)


def changes() -> Iterator[tuple[type, str, Any]]:
    """What takes the place of what, in which class."""
    shape: Any = vars(SymbolicTensor)["shape"]
    yield SymbolicTensor, "shape", property(lambda x: TensorShape(shape.fget(x)))
    yield WholeTensor, "shape", property(lambda x: TensorShape(x.sizes))
    yield SymbolicTensor, "get_shape", lambda x: x.shape
    yield SymbolicTensor, "_keras_shape", property(lambda x: x.shape)
    yield BaseModel, "input_shape", _with_batch("input_shapes")
    yield BaseModel, "output_shape", _with_batch("output_shapes")
    known: list[type] = [Layer, *LAYERS.values()]
    classes = {parent for cls in known for parent in cls.__mro__}
    for cls in classes:
        method = vars(cls).get("output_shape")
        if callable(method) and not isinstance(method, OutputShape):
            yield cls, "output_shape", OutputShape(method)
