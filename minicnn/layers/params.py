"""A layer's name, its learned arrays, and their initial values.

``add_param`` declares an array in one line: its initializer, regularizer and constraint are looked
up by its name among the layer's arguments.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from minicnn import constraints, initializers, regularizers
from minicnn._core.arguments import boolean, check_array, check_name
from minicnn._core.config import Configurable
from minicnn._core.shapes import Array, DType, Shape
from minicnn.constraints import Constraint
from minicnn.errors import ConfigError, DataError, ShapeError
from minicnn.initializers import Initializer
from minicnn.regularizers import Regularizer


class Weights:
    """The arrays of a layer or of a model in lists, as Keras has them."""

    def arrays(self) -> dict[str, Array]:
        """All of them, by their names."""
        raise NotImplementedError

    def learned(self) -> dict[str, Array]:
        """Those that training changes."""
        raise NotImplementedError

    @property
    def weights(self) -> list[Array]:
        """The arrays themselves, in the order of ``arrays``."""
        return list(self.arrays().values())

    @property
    def trainable_weights(self) -> list[Array]:
        """Those that training changes."""
        return list(self.learned().values())

    @property
    def non_trainable_weights(self) -> list[Array]:
        """The others."""
        learned = {id(array) for array in self.trainable_weights}
        return [array for array in self.weights if id(array) not in learned]

    @property
    def variables(self) -> list[Array]:
        """``weights``, under its other name."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Array]:
        """``trainable_weights``, under its other name."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Array]:
        """``non_trainable_weights``, under its other name."""
        return self.non_trainable_weights


class Parametrized(Weights, Configurable):
    """The base class of ``Layer``: a name, and arrays of parameters and state."""

    NOT_BUILT: ClassVar[str] = (
        "{who}: expected a built layer, got one that is not. Put it in a model that starts with "
        "Input(shape), or call build(input_shape, rng, dtype)."
    )

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.trainable = True
        self.params: dict[str, Array] = {}
        self.state: dict[str, Array] = {}
        self.input_shape: Shape | None = None
        self.dtype: DType = np.dtype("float32")
        self._prefixes: dict[str, str] = {}

    # Its name ------------------------------------------------------------------------

    @property
    def name(self) -> str | None:
        """The name in its model and in files; None until it is in a model."""
        return self._name

    @name.setter
    def name(self, value: str | None) -> None:
        who = type(self).__name__
        if value is not None:
            check_name(who, value)
        self._name = value
        self._who = f"{who} {value!r}" if value else who

    @property
    def who(self) -> str:
        """The layer as errors name it: class and name."""
        return self._who

    # How its arrays are made ---------------------------------------------------------

    def keep(self, arguments: Mapping[str, Any]) -> None:
        """Store the arguments called ``<name>_initializer``, ``_regularizer`` and ``_constraint``.

        A constructor with many of them passes all of its arguments, ``keep(locals())``. Raises
        ``ConfigError`` for one that is not what its name says.
        """
        for argument, value in arguments.items():
            if argument.endswith("_initializer"):
                initializers.get(self.who, argument, value)
                setattr(self, argument, value)
            elif argument.endswith("_regularizer"):
                if value is not None:
                    regularizers.get(self.who, argument, value)
                setattr(self, argument, value)
            elif argument.endswith("_constraint"):
                if value is not None:
                    constraints.get(self.who, argument, value)
                setattr(self, argument, value)

    def add_param(
        self,
        name: str,
        shape: Shape,
        rng: np.random.Generator,
        initializer: str | Initializer | None = None,
        prefix: str | None = None,
    ) -> None:
        """Declare and make one of ``params``, of the layer's dtype; for use in ``build``.

        The layer's argument ``<name>_initializer`` makes it, unless an initializer is given, and
        ``<name>_regularizer`` penalizes it and ``<name>_constraint`` bounds it, if the layer has
        these. Where the arguments do not begin
        with the array's name, ``prefix`` says what they begin with. Raises ``ConfigError`` if there
        is no initializer.
        """
        self._prefixes[name] = prefix or name
        self.params[name] = self._begun(prefix or name, shape, rng, initializer)

    def add_state(
        self,
        name: str,
        shape: Shape,
        rng: np.random.Generator,
        initializer: str | Initializer = "zeros",
    ) -> None:
        """Declare and make one of ``state``, which is not learned; for use in ``build``."""
        self.state[name] = self._begun(name, shape, rng, initializer)

    def _begun(
        self,
        prefix: str,
        shape: Shape,
        rng: np.random.Generator,
        initializer: str | Initializer | None,
    ) -> Array:
        argument = f"{prefix}_initializer"
        start = getattr(self, argument, None) if initializer is None else initializer
        if start is None:
            raise ConfigError(
                f"{self.who}: expected to be told how {prefix!r} begins, got no initializer. "
                f"Keep one as self.{argument}, or give it to add_param."
            )
        return initializers.get(self.who, argument, start)(shape, rng, self.dtype)

    def regularizers(self) -> dict[str, Regularizer]:
        """The regularizers of ``params``: the arguments called ``<name>_regularizer``."""
        return self._found("regularizer", regularizers.get)

    def constraints(self) -> dict[str, Constraint]:
        """The constraints of ``params``: the arguments called ``<name>_constraint``."""
        return self._found("constraint", constraints.get)

    def _found(self, kind: str, get: Callable[[str, str, Any], Any]) -> dict[str, Any]:
        """What the arguments called ``<name>_<kind>`` are, by the names of ``params``."""
        arguments = {name: f"{self._prefixes.get(name, name)}_{kind}" for name in self.params}
        given = {name: getattr(self, argument, None) for name, argument in arguments.items()}
        return {
            name: get(self.who, arguments[name], value)
            for name, value in given.items()
            if value is not None
        }

    # What it has ---------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether ``build`` has been called."""
        return self.input_shape is not None

    @property
    def trainable(self) -> bool:
        """Whether training changes it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        boolean(self.who, "trainable", value)
        self._trainable = value

    def learned(self) -> dict[str, Array]:
        """Those of ``params`` that training changes: all, or none if it is not trainable."""
        return self.params if self.trainable else {}

    def arrays(self) -> dict[str, Array]:
        """All arrays that a model file keeps: ``params``, then ``state``."""
        return self.params | self.state

    def get_weights(self) -> list[Array]:
        """Copies of all arrays, the learned ones first, as in Keras.

        >>> Sequential([Input((4,)), Dense(3)]).layers[0].get_weights()[1].tolist()
        [0.0, 0.0, 0.0]
        """
        return [array.copy() for array in self.arrays().values()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Replace the arrays that ``get_weights`` returns.

        Raises ``ShapeError``, and changes nothing, unless number and shapes are the same.
        """
        self.require_built()
        put_weights(self.who, [self], weights)

    def count_params(self) -> int:
        """The number of numbers in its arrays."""
        self.require_built()
        return sum(array.size for array in self.weights)

    def param(self, name: str) -> Array:
        """One of ``params``; raises ``ConfigError`` if the layer was never built."""
        if name not in self.params:
            raise ConfigError(self.NOT_BUILT.format(who=self.who))
        return self.params[name]

    def require_built(self) -> None:
        """Raise ``ConfigError`` unless ``build`` has been called."""
        if not self.built:
            raise ConfigError(self.NOT_BUILT.format(who=self.who))

    def unbuild(self) -> None:
        """Remove the arrays, as after a build that failed half-way."""
        self.input_shape, self.params, self.state = None, {}, {}

    def instead_of_setting(self, name: str) -> str:
        """For arrays, the method that sets them."""
        return " Use set_weights." if name == "weights" else ""


def put_weights(who: str, layers: Sequence[Parametrized], weights: Sequence[Array]) -> None:
    """Replace the arrays of layers, which are built, in their order.

    Raises ``ShapeError``, and changes nothing, unless number and shapes are the same.
    """
    targets = [
        (f"{layer.name}.{name}", array)
        for layer in layers
        for name, array in layer.arrays().items()
    ]
    try:
        for value in weights:
            check_array(who, value)
        values = [np.asarray(value, layers[0].dtype) for value in weights]
    except DataError:
        raise
    except (TypeError, ValueError):
        raise ConfigError(
            f"{who}: expected a list of arrays of numbers, as get_weights gives."
        ) from None
    if len(values) != len(targets):
        raise ShapeError(f"{who}: expected {len(targets)} arrays, got {len(values)}.")
    for (name, array), value in zip(targets, values, strict=True):
        if value.shape != array.shape:
            raise ShapeError(f"{who}: expected shape {array.shape} for {name}, got {value.shape}.")
    for (_, array), value in zip(targets, values, strict=True):
        array[...] = value
