"""The layers that a file describes, of Keras 3 or of tf.keras, as minicnn puts them in a row."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minicnn._files.keras.config import counted
from minicnn._files.keras.graph import NESTING, Node, folded
from minicnn._files.keras.saved import SavedLayer, SavedModel
from minicnn._keras.descriptions import is_custom, modern
from minicnn._keras.releases import refuse_changed_layer, refuse_keras_1
from minicnn._keras.spelling import FUNCTIONAL, MODELS
from minicnn.errors import ModelFileError

LAYERS_LIMIT = 1000
"""The largest number of layers of a model that is read."""

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
"""What comes of a description that is not as Keras writes them."""


def read_config(who: str, config: Mapping[str, Any], version: Any = None) -> SavedModel:
    """The model that Keras, of that release if it is known, describes so, without arrays.

    Raises ``ModelFileError`` for one that is no row of layers with Residual, for layers that
    compute in another precision than float32 and float64, and for what is called as in Keras 3
    and means something else in the file's release.
    """
    refuse_keras_1(who, version)
    if config.get("class_name") not in MODELS or is_custom(config):
        raise ModelFileError(
            f"{who}: expected a Sequential or a Functional model, got {config.get('class_name')!r}."
        )
    reader = _Reader(who, version)
    try:
        inner = _inner(config)
        reader.names_within |= {_name(layer) for layer in inner["layers"]}
        layers = reader.row(config, "", "", 0)
        dtypes = reader.dtypes or {_dtype(inner.get("dtype")) or "float32": ""}
        compiled = config.get("compile_config")
        compiled = dict(compiled) if compiled else None
    except ModelFileError:
        raise
    except MALFORMED:
        raise ModelFileError(f"{who}: does not describe layers as Keras does.") from None
    if len(dtypes) > 1 or not dtypes.keys() <= {"float32", "float64"}:
        found = ", ".join(f"{dtype} in {name!r}" for dtype, name in dtypes.items())
        raise ModelFileError(
            f"{who}: expected layers that all compute in float32, or all in float64, got {found}. "
            "In Keras make the model with the dtype policy 'float32', load its weights, save it."
        )
    name = _without_path(inner.get("name") or "sequential")
    return SavedModel(
        name, next(iter(dtypes)), layers, compiled, order=reader.order, version=version
    )


@dataclass
class _Reader:
    """What is known of a file's layers while they are being read."""

    who: str
    version: Any
    order: list[SavedLayer] = field(default_factory=list)
    dtypes: dict[str, str] = field(default_factory=dict)
    """The precisions, each with a layer that has it."""
    names_within: set[str] = field(default_factory=set)
    """Names that a layer of a model within the model cannot keep."""
    count: int = 0

    def row(self, model: Mapping[str, Any], group: str, owner: str, depth: int) -> list[SavedLayer]:
        """The layers of a model, or of one within it, which its layer ``owner`` is."""
        if depth > NESTING:
            raise self.error(f"at most {NESTING} models within each other, got more")
        inner, functional = _inner(model), model["class_name"] in FUNCTIONAL
        self.count += len(inner["layers"])
        if self.count > LAYERS_LIMIT:
            raise self.error(f"at most {LAYERS_LIMIT} layers, got {self.count}")
        seen: Counter[str] = Counter()
        nodes = [
            self.node(layer, functional, seen, group, owner, depth) for layer in inner["layers"]
        ]
        if functional:
            self.end(inner, "input_layers")
            layers = folded(self.who, nodes, self.end(inner, "output_layers"))
        else:
            layers = [layer for node in nodes for layer in node.layers]
            if not layers[0].is_input:
                layers.insert(0, SavedLayer("InputLayer", {"batch_shape": _input_shape(inner)}))
        return layers[1:] if depth else layers

    def node(
        self,
        layer: Mapping[str, Any],
        functional: bool,
        seen: Counter[str],
        group: str,
        owner: str,
        depth: int,
    ) -> Node:
        """A layer, with the names of those that it takes its input from."""
        class_name, name = str(layer["class_name"]).rpartition(">")[2], _name(layer)
        custom = is_custom(layer)
        adds = functional and class_name == "Add" and not custom
        inputs = self.inputs(layer, name) if functional else []
        wanted = 2 if adds else 0 if class_name == "InputLayer" else 1
        if functional and len(inputs) != wanted:
            raise self.error(
                "layers of one input and sums of two (Add), which Residual has, got "
                f"the {class_name!r} called {name!r} with {len(inputs)} inputs"
            )
        # What was written as x + y is no layer in Keras, and not counted.
        counts = not str(layer.get("module")).startswith("keras.src.ops")
        number = counted(seen, class_name) if counts else ""
        group += f"layers/{number}" if counts else ""
        name = name or number
        if class_name in MODELS and not custom:
            return Node(name, inputs, self.row(layer, f"{group}/", owner or name, depth + 1))
        described = modern({**layer, "inbound_nodes": None})
        class_name, config = described["class_name"], described["config"] | {"name": name}
        refuse_changed_layer(self.who, name, class_name, config, self.version)
        if adds:
            kept = {key: x for key, x in config.items() if key in ("name", "trainable")}
            return Node(name, inputs, [SavedLayer("Residual", kept)], adds=True)
        if class_name == "Residual" and not custom:
            raise self.error(f"sums as Keras has them (Add), got {name!r} of class 'Residual'")
        saved = SavedLayer(class_name, config, custom=custom, group=group, owner=owner or name)
        if owner:
            saved.inner = _full_name(layer).rpartition("/")[2]
            if name in self.names_within:
                del config["name"]
            self.names_within.add(name)
        if not saved.is_input:
            self.order.append(saved)
            dtype = _dtype(config.get("dtype"))
            if dtype is not None:
                self.dtypes.setdefault(dtype, name)
        return Node(name, inputs, [saved])

    def inputs(self, layer: Mapping[str, Any], name: str) -> list[str]:
        """The names of the layers that a layer of a functional model takes its input from."""
        calls = layer["inbound_nodes"]
        if len(calls) > 1:
            raise self.error(f"layers that are used once, got {name!r}, used {len(calls)} times")
        if not calls:
            return []
        call = calls[0]
        if isinstance(call, Mapping):
            given = [part for x in call["args"] for part in (x if isinstance(x, list) else [x])]
            # Keras 3 writes training=False of a Dropout, and goes by what fit says all the same.
            options = {key: value for key, value in call["kwargs"].items() if key != "training"}
            if not all(isinstance(part, Mapping) for part in given):
                raise self.error(f"layers called on their input alone, got {name!r} with numbers")
            ends = [part["config"]["keras_history"] for part in given]
        else:  # tf.keras' form: [name, index of the call, index of the output, options]
            ends = call if isinstance(call[0], list) else [call]
            options = {key: value for end in ends for key, value in dict(*end[3:]).items()}
        for key, value in options.items():
            if value is not None:
                raise self.error(f"layers called on their input alone, got {name!r} with {key!r}")
        for _, number, output, *_ in ends:
            # A model within the model counts the call that made itself.
            if number not in (0, 1) or output != 0:
                raise self.error(f"layers of one output, used once, got another before {name!r}")
        return [_without_path(end[0]) for end in ends]

    def end(self, inner: Mapping[str, Any], key: str) -> str:
        """The one input or output of a functional model."""
        ends = inner[key]
        if isinstance(ends, list) and ends and isinstance(ends[0], list) and len(ends) == 1:
            ends = ends[0]
        if isinstance(ends, list) and len(ends) == 3 and isinstance(ends[0], str):
            return _without_path(ends[0])
        raise self.error(f"one input and one output, got {len(ends)} {key}")

    def error(self, expected: str) -> ModelFileError:
        """What to raise."""
        return ModelFileError(f"{self.who}: expected {expected}.")


def _name(layer: Mapping[str, Any]) -> str:
    return _without_path(_full_name(layer))


def _full_name(layer: Mapping[str, Any]) -> str:
    """A layer's name; of a Sequential within a model of an old release it may be empty."""
    config = layer["config"]
    return str(layer.get("name") or ("" if isinstance(config, list) else config["name"]))


def _inner(model: Mapping[str, Any]) -> Any:
    """A model's config, which is a Sequential's list of layers in Keras before 2.2.3."""
    inner = model["config"]
    return {"layers": inner} if isinstance(inner, list) else inner


def _without_path(name: Any) -> str:
    """A name as it may be here: tf.keras has "block1/conv" too, Keras 3 and minicnn have not."""
    return str(name).replace("/", "_")


def _dtype(policy: Any) -> str | None:
    """The precision that a layer's dtype stands for; of policies unknown here the class's name."""
    if not isinstance(policy, Mapping):
        return None if policy is None else str(policy)
    name = (policy.get("config") or {}).get("name")
    return str(policy.get("class_name")) if name is None else str(name)


def _input_shape(inner: Mapping[str, Any]) -> Any:
    """The batch_shape of a Sequential that has no InputLayer; None if the file does not say."""
    first: Any = inner
    while layers := first if isinstance(first, list) else first.get("layers"):
        first = layers[0]["config"]  # of a model that is the first layer, that one's first layer
    shape = first.get("batch_input_shape") or first.get("batch_shape")
    return modern(shape or inner.get("build_input_shape"))
