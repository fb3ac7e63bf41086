"""The common base of convolutions and poolings: a window that moves over images."""

from typing import Any, NamedTuple

import numpy as np

from minicnn._core.shapes import DType, Pair, Shape, Windows
from minicnn.layers.base import ON_IMAGES, Layer


class Place(NamedTuple):
    """The positions of a window on images of one size, as numbers."""

    image: Pair
    """Height and width of the images."""
    windows: Windows
    dilation: Pair = (1, 1)
    """How far apart the pixels of a window are, down and across; 1 where there is but one."""
    far: bool = False
    """Whether the windows see so little of an image that their pixels are copied side by side."""


class Windowed(Layer):
    """A layer with a window that moves over images.

    Its positions are computed from the arguments once, when the layer is built, and again only for
    images of another size, or after an argument has changed.
    """

    settable = ON_IMAGES
    axes = ("H", "W", "C")

    _place: tuple[Any, Place] | None = None

    def _arguments(self) -> tuple[Any, ...]:
        """The arguments that decide on the positions of the window."""
        raise TypeError(f"{self.who} defines no _arguments().")

    def _placed(self, image: Shape) -> Place:
        """The positions of the window on an image (H, W, ...), from the arguments."""
        raise TypeError(f"{self.who} defines no _placed(image).")

    def build(
        self, input_shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Compute the positions of the window."""
        super().build(input_shape, rng, dtype)
        given = (*input_shape[:2], *self._arguments())
        self._place = given, self._placed(input_shape)

    def place(self, image: Shape) -> Place:
        """The positions of the window on an image (H, W, ...)."""
        if self._place is not None and self._place[0] == (*image[:2], *self._arguments()):
            return self._place[1]
        return self._placed(image)

    def windows(self, image: Shape) -> Windows:
        """How the window moves over an image (H, W, ...)."""
        return self.place(image).windows
