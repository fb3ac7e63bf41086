"""The layers that a file describes, of Keras 3 or of tf.keras, and what each is called on."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minicnn._files.keras.config import counted
from minicnn._files.keras.saved import Ref, SavedCall, SavedLayer, SavedModel
from minicnn._keras.descriptions import is_custom, modern
from minicnn._keras.operations import is_operation, layer_of
from minicnn._keras.releases import refuse_changed_layer, refuse_keras_1
from minicnn._keras.spelling import FUNCTIONAL, MODELS
from minicnn.errors import ModelFileError

LAYERS_LIMIT = 2000
"""The largest number of layers of a model that is read; NASNetLarge has 1,041."""

CALLS_LIMIT = 10_000
"""The most uses of layers, and inputs of these, of a model that is read."""

NESTING = 20
"""How many models may be within each other."""

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
"""What comes of a description that is not as Keras writes them."""

STAYS = (*MODELS, "BatchNormalization")
"""What runs as it was called: of other layers Keras writes training=False that nobody said."""


def read_config(who: str, config: Mapping[str, Any], version: Any = None) -> SavedModel:
    """The model that Keras, of that release if it is known, describes so, without arrays.

    Raises ``ModelFileError`` for layers that compute in another precision than float32 and float64,
    and for what is called as in Keras 3 and means something else in the file's release.
    """
    refuse_keras_1(who, version)
    if config.get("class_name") not in MODELS or is_custom(config):
        raise ModelFileError(
            f"{who}: expected a Sequential or a Functional model, got {config.get('class_name')!r}."
        )
    reader = _Reader(who, version)
    try:
        model = reader.model(config, "", "", 0)
        dtypes = reader.dtypes or {_dtype(_inner(config).get("dtype")) or "float32": ""}
        compiled = config.get("compile_config")
        model.compiled = dict(compiled) if compiled else None
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
    model.version = version
    for one in reader.models:
        one.dtype = next(iter(dtypes))
    return model


@dataclass
class _Reader:
    """What is known of a file's layers while they are being read."""

    who: str
    version: Any
    dtypes: dict[str, str] = field(default_factory=dict)
    """The precisions, each with a layer that has it."""
    models: list[SavedModel] = field(default_factory=list)
    count: int = 0
    calls_seen: int = 0

    def model(self, model: Mapping[str, Any], group: str, owner: str, depth: int) -> SavedModel:
        """A model, or one within it, which its layer ``owner`` is."""
        if depth > NESTING:
            raise self.error(f"at most {NESTING} models within each other, got more")
        inner, functional = _inner(model), model["class_name"] in FUNCTIONAL
        self.count += len(inner["layers"])
        if self.count > LAYERS_LIMIT:
            raise self.error(f"at most {LAYERS_LIMIT} layers, got {self.count}")
        seen: Counter[str] = Counter()
        layers = [
            self.layer(layer, functional, seen, group, owner, depth) for layer in inner["layers"]
        ]
        if not functional and not layers[0].is_input:
            shape = _input_shape(inner)
            if shape is not None or not depth:  # a model within takes what comes
                layers.insert(0, SavedLayer("InputLayer", {"batch_shape": shape}))
        name = _without_path(inner.get("name") or model["class_name"].lower())
        saved = SavedModel(name, "", layers, functional)
        if functional:
            self.different(layers)
            saved.inputs, saved.input_keys = self.ends(inner, "input_layers")
            saved.outputs, saved.output_keys = self.ends(inner, "output_layers")
            _counted_from_0(saved)
        self.models.append(saved)
        return saved

    def different(self, layers: list[SavedLayer]) -> None:
        """Raise ``ModelFileError`` if two layers have one name."""
        names = Counter(layer.name for layer in layers)
        name, times = names.most_common(1)[0]
        if times > 1:
            raise self.error(f"layers of different names, got two {name!r}")

    def layer(
        self,
        layer: Mapping[str, Any],
        functional: bool,
        seen: Counter[str],
        group: str,
        owner: str,
        depth: int,
    ) -> SavedLayer:
        """A layer, with what it is called on."""
        class_name, name = str(layer["class_name"]).rpartition(">")[2], _name(layer)
        custom = is_custom(layer)
        if is_operation(layer):
            class_name, config, operands = layer_of(self.who, layer, name)
            calls = [SavedCall([self.ref(ref) for ref in call]) for call in operands]
            config |= {"name": name}
            return SavedLayer(class_name, config, name, calls=calls, operation=True)
        number = counted(seen, class_name)
        group += f"layers/{number}"
        calls = self.calls(layer, name, class_name in STAYS) if functional else []
        if class_name in MODELS and not custom:
            model = self.model(layer, f"{group}/", owner or name or number, depth + 1)
            name = name or model.name
            return SavedLayer(class_name, {"name": name}, name, calls=calls, model=model)
        name = name or number
        described = modern({**layer, "inbound_nodes": None})
        class_name, config = described["class_name"], described["config"] | {"name": name}
        refuse_changed_layer(self.who, name, class_name, config, self.version)
        saved = SavedLayer(
            class_name, config, name, custom=custom, calls=calls, group=group, owner=owner or name
        )
        if owner:
            saved.inner = _full_name(layer).rpartition("/")[2]
        if not saved.is_input:
            dtype = _dtype(config.get("dtype"))
            if dtype is not None:
                self.dtypes.setdefault(dtype, name)
        return saved

    def calls(self, layer: Mapping[str, Any], name: str, stays: bool) -> list[SavedCall]:
        """The uses of a layer of a functional model."""
        found = []
        for call in layer["inbound_nodes"]:
            if isinstance(call, Mapping):
                given = [
                    x for arg in call["args"] for x in (arg if isinstance(arg, list) else [arg])
                ]
                options = dict(call["kwargs"])
                if not all(isinstance(part, Mapping) for part in given):
                    raise self.error(
                        f"layers called on their input alone, got {name!r} with numbers"
                    )
                refs = [part["config"]["keras_history"] for part in given]
            else:  # tf.keras' form: [name, index of the call, index of the output, options]
                refs = call if isinstance(call[0], list) else [call]
                options = {key: value for end in refs for key, value in dict(*end[3:]).items()}
            training = options.pop("training", None)
            for key, value in options.items():
                if value is not None:
                    raise self.error(
                        f"layers called on their input alone, got {name!r} with {key!r}"
                    )
            inputs = [self.ref(ref) for ref in refs]
            self.calls_seen += 1 + len(inputs)
            if self.calls_seen > CALLS_LIMIT:
                raise self.error(f"at most {CALLS_LIMIT:,} uses of layers, got more")
            found.append(
                SavedCall(inputs, training if stays and isinstance(training, bool) else None)
            )
        return found

    def ref(self, given: Any) -> Ref:
        """An output of a layer's call."""
        name, call, output, *_ = given
        return _without_path(name), int(call), int(output)

    def ends(self, inner: Mapping[str, Any], key: str) -> tuple[list[Ref], list[str] | None]:
        """(the inputs or outputs of a functional model, their names if it has any)."""
        ends = inner[key]
        if isinstance(ends, Mapping):
            return [self.ref(ref) for ref in ends.values()], list(map(str, ends))
        if isinstance(ends, list) and len(ends) == 3 and isinstance(ends[0], str):
            ends = [ends]
        if not isinstance(ends, list) or not ends:
            raise self.error(f"inputs and outputs, got none in {key}")
        return [self.ref(ref) for ref in ends], None

    def error(self, expected: str) -> ModelFileError:
        """What to raise."""
        return ModelFileError(f"{self.who}: expected {expected}.")


def _counted_from_0(model: SavedModel) -> None:
    """Calls of models within, from 0: tf.keras counts the call that made such a model as well.

    So does Keras 3 where a functional one gives an output of the model, and nowhere else.
    """
    calls = {layer.name: len(layer.calls) for layer in model.layers if layer.model is not None}

    def shifted(refs: Sequence[Ref]) -> Callable[[Ref], Ref]:
        beyond = {name for name, i, _ in refs if name in calls and i == calls[name]}
        return lambda ref: (ref[0], ref[1] - (ref[0] in beyond), ref[2])

    ends = shifted([*model.inputs, *model.outputs])
    model.inputs, model.outputs = list(map(ends, model.inputs)), list(map(ends, model.outputs))
    inner = shifted([ref for x in model.layers for call in x.calls for ref in call.inputs])
    for layer in model.layers:
        layer.calls = [call._replace(inputs=list(map(inner, call.inputs))) for call in layer.calls]


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
