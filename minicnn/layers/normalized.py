"""What the normalizations have in common: the scale and the shift that come after."""

import numpy as np

from minicnn import initializers
from minicnn._core.shapes import DType, Shape
from minicnn.initializers import Initializer
from minicnn.layers.base import Layer
from minicnn.regularizers import Regularizer


class Normalized(Layer):
    """A layer that computes y = gamma * (x normalized in some way) + beta."""

    def __init__(
        self,
        center: bool,
        scale: bool,
        beta_initializer: str | Initializer,
        gamma_initializer: str | Initializer,
        beta_regularizer: str | Regularizer | None,
        gamma_regularizer: str | Regularizer | None,
        name: str | None,
    ) -> None:
        super().__init__(name)
        initializers.get(self.who, "beta_initializer", beta_initializer)
        initializers.get(self.who, "gamma_initializer", gamma_initializer)
        self.regularizers_of({"beta": beta_regularizer, "gamma": gamma_regularizer})
        self.center = center
        self.scale = scale
        self.beta_initializer = beta_initializer
        self.gamma_initializer = gamma_initializer
        self.beta_regularizer = beta_regularizer
        self.gamma_regularizer = gamma_regularizer

    def make_params(
        self, shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> None:
        """Make ``gamma`` with ``scale`` and ``beta`` with ``center``, in that order as in Keras."""
        self.params = {}
        for name, wanted, start in (
            ("gamma", self.scale, self.gamma_initializer),
            ("beta", self.center, self.beta_initializer),
        ):
            if wanted:
                found = initializers.get(self.who, f"{name}_initializer", start)
                self.params[name] = found(shape, rng, dtype)
