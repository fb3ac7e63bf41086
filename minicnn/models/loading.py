"""``load_model`` makes models from files, which ``saving`` writes; ``saved`` is for both."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from minicnn._core.console import warn
from minicnn._core.settings import channels_last
from minicnn._core.signatures import checked
from minicnn._files import keras
from minicnn._files.archive import json_object
from minicnn._files.keras import SavedLayer, SavedModel, Source
from minicnn._files.paths import path_of
from minicnn._keras.compiled import compile_arguments
from minicnn.data.pixels import Pixels
from minicnn.errors import ConfigError, MiniCNNError, ModelFileError, shown
from minicnn.initializers import left_unset
from minicnn.layers import Layer
from minicnn.layers.registry import CustomObjects, from_description, with_custom_objects
from minicnn.models.configs import MODELS, connected, custom_classes, keyed
from minicnn.models.door import as_the_script
from minicnn.models.model import Model
from minicnn.models.saved import restore
from minicnn.models.sequential import Sequential

DAMAGE = (
    AttributeError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What comes of a description that makes no sense."""

OWN_KEYS = {"name", "dtype", "layers", "inputs", "outputs", "input_keys", "output_keys"}
"""What ``get_config`` has, and Keras' not."""


@checked
def save_model(model: Model, filepath: str | os.PathLike[str]) -> None:
    """``model.save(filepath)``, as a function."""
    if not isinstance(model, Model):
        raise ConfigError(f"save_model: expected a model, got {model!r:.60}.")
    model.save(filepath)


@checked
def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, type] | None = None,
    compile: bool = True,
) -> Model:
    """Read a model from a ``.keras`` or ``.h5`` file, compiled as it was when it was saved.

    Only minicnn's classes are used, and the custom classes (layers, losses, metrics, optimizers,
    schedules, initializers, regularizers, constraints) and functions (metrics) that
    ``custom_objects`` maps their names to; nothing else that the file names is imported or run. A
    class that was custom in Keras must be in ``custom_objects`` even if minicnn has a class of that
    name. With ``compile=False`` loss, optimizer and metrics are left aside. Training goes on with
    the generator where it was. Raises ``ModelFileError`` with one line when the file is not a model
    that can be.

    >>> import tempfile
    >>> model = Sequential([Input((4,)), Dense(3)], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.keras")
    ...     again = load_model(f"{folder}/model.keras")
    >>> np.array_equal(model.predict(np.eye(4)), again.predict(np.eye(4)))
    True
    """
    filepath = path_of("load_model", "filepath", filepath)
    if filepath.suffix == ".onnx":
        raise ModelFileError(
            f"{filepath}: expected a .keras or .h5 file. An .onnx file is read by import_onnx, and "
            "made a .keras file by minicnn convert."
        )
    custom = custom_classes("load_model", custom_objects)
    saved, data = keras.read_model(filepath)
    with _one_line(str(filepath)):
        with left_unset(), channels_last():
            model = restored_model(saved, custom, seed_within=0)
        if not model.built:
            raise ConfigError("expected an InputLayer first, got none.")
        if compile and saved.compiled:
            lenient = keras.is_legacy_name(filepath)
            _compile_as_saved(model, str(filepath), saved, custom, lenient)
        _restore(model, filepath, saved, data)
        if saved.generator is not None:
            model.rng.bit_generator.state = saved.generator
    model.class_names = tuple(saved.class_names)
    model.pixels = saved.pixels and Pixels(*saved.pixels)
    as_the_script(model, "load_model")
    return model


@checked
def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """A new model, with new weights, from the text that ``to_json`` gives, here or in Keras.

    That of Keras 2 is read as well. What the text says of ``compile`` is done; what cannot be is
    a warning. ``custom_objects`` is as in ``load_model``. Raises ``ModelFileError`` with one line
    where the text describes no model that can be.

    >>> text = Sequential([Input((4,)), Dense(3)]).to_json()
    >>> model_from_json(text).count_params()
    15
    """
    who = "model_from_json"
    if not isinstance(json_string, str | bytes):
        raise ConfigError(
            f"{who}: expected json_string as a text, got {shown(json_string)}. A description that "
            "is no text goes to model_from_config."
        )
    config = json_object(f"{who}: the text", json_string, ModelFileError)
    return _described_model(who, config, custom_objects)


@checked
def model_from_config(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Model:
    """As ``model_from_json``, from ``{"class_name": ..., "config": ...}``.

    The config may also be what the model's ``get_config`` returned here.

    >>> model = Sequential([Input((4,)), Dense(3)])
    >>> model_from_config({"class_name": "Sequential", "config": model.get_config()}).count_params()
    15
    """
    who = "model_from_config"
    if not isinstance(config, Mapping) or not isinstance(config.get("config"), Mapping | list):
        raise ConfigError(
            f"{who}: expected config as a dict with class_name and config, got {shown(config)}. "
            "What get_config gives goes to Sequential.from_config or Model.from_config."
        )
    inner = config["config"]
    if isinstance(inner, Mapping) and {"name", "dtype", "layers"} <= inner.keys() <= OWN_KEYS:
        cls = MODELS.get(str(config.get("class_name")), Model)
        with _one_line(who):
            made: Model = cls.from_config(inner, custom_objects)
            return made
    return _described_model(who, config, custom_objects)


def _described_model(who: str, config: Mapping[str, Any], custom_objects: Any) -> Model:
    """The model that Keras describes so, with new weights, compiled if that is described."""
    custom = custom_classes(who, custom_objects)
    saved = keras.read_config(who, config, config.get("keras_version"))
    with _one_line(who):
        with channels_last():
            model = restored_model(saved, custom)
        as_the_script(model, who)
        if saved.compiled:
            _compile_as_saved(model, who, saved, custom, lenient=True)
    return model


@contextmanager
def _one_line(who: str) -> Iterator[None]:
    """Raise ``ModelFileError`` for whatever comes of a description that makes no sense."""
    try:
        yield
    except ModelFileError:
        raise
    except MiniCNNError as error:
        raise ModelFileError(f"{who}: {error}") from None
    except DAMAGE as error:
        raise ModelFileError(f"{who}: what is described makes no model: {error}.") from None


def restored_model(
    saved: SavedModel,
    custom_objects: CustomObjects,
    seed: int | None = None,
    seed_within: int | None = None,
) -> Model:
    """The model that a file describes, with the models within it; its arrays are any."""
    layers: list[Any] = [
        restored_layer(layer, custom_objects)
        if layer.model is None
        else restored_model(layer.model, custom_objects, seed_within, seed_within)
        for layer in saved.layers
    ]
    for layer, one in zip(layers, saved.layers, strict=True):
        if one.model is not None:
            layer.name = one.name
        elif one.operation:
            layer.operation = True
    if not saved.functional:
        return Sequential(layers, name=saved.name, dtype=saved.dtype, seed=seed)
    names = [one.name for one in saved.layers]
    calls = {one.name: one.calls for one in saved.layers}
    ends = [*saved.inputs, *saved.outputs]
    found = connected("Model", dict(zip(names, layers, strict=True)), calls, ends)
    begin, end = found[: len(saved.inputs)], found[len(saved.inputs) :]
    return Model(
        keyed(begin, saved.input_keys),
        keyed(end, saved.output_keys),
        name=saved.name,
        dtype=saved.dtype,
        seed=seed,
    )


def restored_layer(saved: SavedLayer, custom_objects: CustomObjects) -> Layer:
    """The layer that a file describes, not yet built; raises as ``from_description`` does."""
    description = {"class_name": saved.class_name, "config": saved.config, "custom": saved.custom}
    return from_description(description, custom_objects)


@checked
def clone_model(model: Model) -> Model:
    """A new model of layers like those of ``model``, with new weights, not compiled.

    >>> model = Sequential([Input((4,)), Dense(3)])
    >>> clone_model(model).layers[0].units
    3
    """
    if not isinstance(model, Model):
        raise ConfigError(f"clone_model: expected a model, got {model!r:.60}.")
    return type(model).from_config(model.get_config())


def _compile_as_saved(
    model: Model,
    who: str,
    saved: SavedModel,
    custom_objects: CustomObjects,
    lenient: bool,
) -> None:
    """Compile it; where ``lenient`` what cannot be compiled is a warning, as in Keras."""
    try:
        arguments = compile_arguments(saved.compiled or {}, saved.version, len(model.outputs))
        model.compile(**with_custom_objects(arguments, custom_objects))
    except ConfigError as error:
        if not lenient:
            raise ConfigError(
                f"{error} A custom one goes into custom_objects={{name: object}}. To predict only, "
                "load it with compile=False."
            ) from None
        text = f"{who}: {error} The model is not compiled: compile it again to train it."
        warn(text, UserWarning)


def _restore(model: Model, path: str | os.PathLike[str], saved: SavedModel, data: Source) -> None:
    """Take over the arrays; an optimizer's that do not fit are a warning, as in Keras."""
    try:
        restore(model, path, saved, data)
    except keras.OtherOptimizerError as error:
        restore(model, path, saved, data, with_optimizer=False)
        warn(f"{error} The optimizer starts anew.", UserWarning)
