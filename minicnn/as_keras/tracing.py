"""Running a script's ``call`` with symbolic tensors, and finding the layers that it uses."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from typing import Any

from minicnn.errors import ConfigError, MiniCNNError, ShapeError
from minicnn.layers import Layer
from minicnn.layers.building import name_layer
from minicnn.layers.symbolic import Call, SymbolicTensor, calls_behind
from minicnn.models.base import BaseModel

__all__ = ["Traced", "forget", "layers_in", "name_all", "tensors_in"]

REMEDY = "Its call may only call layers: write other steps as a layer, docs/write_your_own.md."


class Traced:
    """What models and layers have in common that are traced."""

    _told = False
    """Whether the class was told the shape, and minicnn puts its layers together."""

    def call(self, inputs: Any) -> Any:
        """What the class does with symbolic tensors."""
        raise NotImplementedError

    def build_as_in_keras(self, input_shape: Any) -> None:
        """What the class does when the shape is known: (None, ...), or several in a list."""

    def add_weight(self, *_: Any, **__: Any) -> Any:
        """Refuse: the derivatives with respect to it are not known."""
        raise ConfigError(
            f"{type(self).__name__}: add_weight makes an array whose derivative nobody knows. Use "
            "layers that have it, or define forward and backward: docs/write_your_own.md."
        )

    def __setattr__(self, name: str, value: Any) -> None:
        """As for anything; layers may not take the place of what minicnn keeps there."""
        own = not self._told and (name in vars(self).get("_kept", ()) or name == "layers")
        if own and any(True for _ in layers_in(value)):
            raise ConfigError(
                f"{type(self).__name__}: {name} is minicnn's own attribute and cannot hold layers. "
                f"Call it self.{name}_1, say."
            )
        super().__setattr__(name, value)

    def attributes(self) -> list[Any]:
        """The layers and models that it has as attributes, alone or in lists, in that order."""
        kept = vars(self)["_kept"]
        own = [value for name, value in vars(self).items() if name not in kept]
        return list(dict.fromkeys(layers_in(own)))

    def trace(self, inputs: Any) -> Any:
        """What ``call`` makes of symbolic tensors, in training; checked against the rest."""
        parameters = signature(self.call).parameters
        if "training" not in parameters:
            return self._called(inputs)
        outputs = self._called(inputs, training=True)
        outside = self._called(inputs, training=False)
        begun = list(tensors_in(inputs))
        kinds: list[Counter[Any]] = []
        for ends in (outputs, outside):
            calls = calls_behind(type(self).__name__, begun, list(tensors_in(ends))).calls
            kinds.append(
                Counter(type(call.layer) for call in calls if not getattr(call.layer, "random", 0))
            )
            if ends is outside:
                forget(calls)
        if kinds[0] != kinds[1]:
            raise ConfigError(
                f"{type(self).__name__}: its call does other things with training=True than with "
                "training=False, besides Dropout and its like, got two networks in one. Pass "
                "training on to the layers, and make two models for the rest."
            )
        return outputs

    def _called(self, inputs: Any, **options: Any) -> Any:
        who = type(self).__name__
        try:
            return self.call(inputs, **options)
        except MiniCNNError as error:
            kind = type(error) if isinstance(error, ConfigError | ShapeError) else ConfigError
            remedy = "" if REMEDY in str(error) or kind is ShapeError else f" {REMEDY}"
            raise kind(f"{who}: {error}{remedy}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{who}: its call cannot be run with a symbolic tensor: {error}. {REMEDY}"
            ) from error


def layers_in(value: Any) -> Iterator[Any]:
    """The layers and models in an attribute."""
    if isinstance(value, Layer | BaseModel):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from layers_in(one)
    elif isinstance(value, dict):
        yield from layers_in(list(value.values()))


def tensors_in(value: Any) -> Iterator[SymbolicTensor]:
    """The tensors that a ``call`` takes or returns."""
    if isinstance(value, SymbolicTensor):
        yield value
    elif isinstance(value, list | tuple | Mapping):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from tensors_in(one)


def name_all(who: str, layers: Sequence[Any]) -> None:
    """Name those without a name, in the order of the attributes."""
    taken = {layer.name for layer in layers if layer.name is not None}
    for layer in layers:
        if layer.name is None:
            name_layer(who, layer, taken)
            taken.add(layer.name)


def forget(calls: Sequence[Call]) -> None:
    """Let the layers forget calls that are in no model."""
    for call in calls:
        if call in call.layer.calls:
            call.layer.calls.remove(call)
