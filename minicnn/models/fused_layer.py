"""What the nodes that compute a layer together with what follows it have in common."""

from typing import Any, Generic, TypeVar

from minicnn._core.shapes import Array
from minicnn.layers.base import Layer
from minicnn.layers.graph import Unit

Kind = TypeVar("Kind", bound=Layer)


class FusedLayer(Generic[Kind]):
    """A layer with what follows it, as one node; the arrays are the layer's."""

    merges = False

    def __init__(self, layer: Kind) -> None:
        self.layer = layer
        self.stands_for: tuple[str, ...] = ()
        """The names of the nodes that it computes, if they are several."""

    @property
    def who(self) -> str:
        """The layer, as errors name it."""
        return self.layer.who

    @property
    def name(self) -> str | None:
        """The layer's name."""
        return self.layer.name

    @property
    def params(self) -> dict[str, Array]:
        """The layer's parameters."""
        return self.layer.params

    @property
    def state(self) -> dict[str, Array]:
        """The layer's state."""
        return self.layer.state

    def learned(self) -> dict[str, Array]:
        """Those of the layer's arrays that training changes."""
        return self.layer.learned()

    def next_state(self, cache: Any) -> dict[str, Array]:
        """There is no other."""
        return self.state

    def output_shape(self, input_shape: Any) -> Any:
        """That of the layer, before any pooling."""
        return self.layer.output_shape(input_shape)

    def multiply_adds(self, input_shape: Any) -> int:
        """Those of the layer."""
        return self.layer.multiply_adds(input_shape)

    def split_activation(self) -> tuple[Unit | None, str | None]:
        """The node itself: its activation is no loss's."""
        node: Any = self
        return node, None
