"""What convolutions and poolings have in common: a window that moves over images."""

from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import DType, Pair, Shape, Windows
from minicnn.layers.base import Layer


class Place(NamedTuple):
    """Where a window goes on images of one size, with every number decided."""

    image: Pair
    """Height and width of the images."""
    windows: Windows
    dilation: Pair = (1, 1)
    """How far apart the pixels of a window are, down and across; 1 where there is but one."""
    far: bool = False
    """Whether the windows see so little of an image that it is laid side by side."""


class Windowed(Layer):
    """A layer with a window that moves over images.

    Where it goes is worked out from the arguments once, when the layer is built; in each pass
    only where images have another size, or an argument is another by now.
    """

    axes = ("H", "W", "C")

    _place: tuple[Any, Place] | None = None

    def _arguments(self) -> tuple[Any, ...]:
        """The arguments that decide on where the window goes."""
        raise TypeError(f"{self.who} defines no _arguments().")

    def _placed(self, image: Shape) -> Place:
        """Where the window goes on an image (H, W, ...), worked out from the arguments."""
        raise TypeError(f"{self.who} defines no _placed(image).")

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Work out where the window goes."""
        super().build(input_shape, rng, dtype)
        given = (*input_shape[:2], *self._arguments())
        self._place = given, self._placed(input_shape)

    def place(self, image: Shape) -> Place:
        """Where the window goes on an image (H, W, ...)."""
        if self._place is not None and self._place[0] == (*image[:2], *self._arguments()):
            return self._place[1]
        return self._placed(image)

    def windows(self, image: Shape) -> Windows:
        """How the window moves over an image (H, W, ...)."""
        return self.place(image).windows
