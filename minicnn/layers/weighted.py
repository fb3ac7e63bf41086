"""What layers with a kernel have in common: its start, the bias, the activation."""

import copy
from typing import ClassVar

import numpy as np

from minicnn import activations, initializers
from minicnn._core.shapes import Array, DType, Shape
from minicnn.initializers import Initializer
from minicnn.layers.base import Layer, custom_passes
from minicnn.regularizers import Regularizer


class Weighted(Layer):
    """A layer that computes y = activation(something linear in x and its kernel, + bias)."""

    kernel_prefix: ClassVar[str] = "kernel"
    """What the names of the arguments for the kernel begin with."""

    def __init__(
        self,
        activation: activations.NameOrFunction | None,
        use_bias: bool,
        kernel_initializer: str | Initializer,
        bias_initializer: str | Initializer,
        kernel_regularizer: str | Regularizer | None,
        bias_regularizer: str | Regularizer | None,
        name: str | None,
    ) -> None:
        super().__init__(name)
        self.activation = activations.name_of(self.who, activation)
        self.use_bias = use_bias
        self.keep(self.kernel_prefix, kernel_initializer, kernel_regularizer)
        self.keep("bias", bias_initializer, bias_regularizer)

    def keep(
        self, prefix: str, initializer: str | Initializer, regularizer: str | Regularizer | None
    ) -> None:
        """Check and store ``<prefix>_initializer`` and ``<prefix>_regularizer``."""
        initializers.get(self.who, f"{prefix}_initializer", initializer)
        self.regularizers_of({prefix: regularizer})
        setattr(self, f"{prefix}_initializer", initializer)
        setattr(self, f"{prefix}_regularizer", regularizer)

    def drawn(
        self, prefix: str, shape: Shape, rng: np.random.Generator, dtype: DType | type | str
    ) -> Array:
        """A new array from ``<prefix>_initializer``."""
        argument = f"{prefix}_initializer"
        return initializers.get(self.who, argument, getattr(self, argument))(shape, rng, dtype)

    def make_params(
        self,
        kernel_shape: Shape,
        rng: np.random.Generator,
        dtype: DType | type | str,
        outputs: int | None = None,
    ) -> None:
        """Draw ``kernel`` and, with ``use_bias``, a ``bias``.

        It has a number for each of the outputs, which are the kernel's last axis unless told.
        """
        self.params = {"kernel": self.drawn(self.kernel_prefix, kernel_shape, rng, dtype)}
        if self.use_bias:
            shape = kernel_shape[-1:] if outputs is None else (outputs,)
            self.params["bias"] = self.drawn("bias", shape, rng, dtype)

    def regularizers(self) -> dict[str, Regularizer]:
        """What each of ``params`` is held small by, under the names that ``keep`` gave them.

        A ``depthwise_kernel`` has the argument ``depthwise_regularizer``.
        """
        prefixes = {name: name.removesuffix("_kernel") for name in self.params}
        if "kernel" in prefixes:
            prefixes["kernel"] = self.kernel_prefix
        return self.regularizers_of(
            {name: getattr(self, f"{prefix}_regularizer") for name, prefix in prefixes.items()}
        )

    def activate(self, z: Array) -> tuple[Array, Array | None]:
        """(y, what the cache keeps): y or z, as the activation's gradient wants, else None."""
        if self.activation is None:
            return z, None
        return activations.get(self.who, self.activation).activate(z)

    def back_through_activation(self, dy: Array, kept: Array | None) -> Array:
        """The gradient with respect to z, from what ``activate`` kept."""
        if kept is None:
            return dy
        return activations.get(self.who, self.activation).gradient(dy, kept)

    def split_activation(self) -> tuple[Layer | None, str | None]:
        """The same layer without the activation, and the activation."""
        if custom_passes(self):
            return self, None
        linear = copy.copy(self)
        vars(linear)["activation"] = None
        return linear, self.activation
