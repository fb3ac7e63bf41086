"""``load_model`` makes models from files, which ``saving`` writes; ``saved`` is for both."""

import os
from collections.abc import Mapping
from typing import Any

from minicnn._core.config import Configurable
from minicnn._core.console import warn
from minicnn._core.signatures import checked
from minicnn._files import keras
from minicnn._files.keras import SavedLayer, SavedModel, Source
from minicnn._files.paths import path_of
from minicnn._keras.compiled import compile_arguments
from minicnn.errors import ConfigError, MiniCNNError, ModelFileError
from minicnn.initializers import left_unset
from minicnn.layers import Layer
from minicnn.layers.registry import CustomObjects, from_description, with_custom_objects
from minicnn.models.configs import connected, keyed
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
    custom = _custom_classes(custom_objects)
    saved, data = keras.read_model(filepath)
    try:
        with left_unset():
            model = restored_model(saved, custom)
        if not model.built:
            raise ConfigError("expected an InputLayer first, got none.")
        if compile and saved.compiled:
            _compile_as_saved(model, filepath, saved, custom)
        _restore(model, filepath, saved, data)
        if saved.generator is not None:
            model.rng.bit_generator.state = saved.generator
    except ModelFileError:
        raise
    except MiniCNNError as error:
        raise ModelFileError(f"{filepath}: {error}") from None
    except DAMAGE as error:
        raise ModelFileError(f"{filepath}: the file makes no model: {error}.") from None
    model.class_names = tuple(saved.class_names)
    return model


def restored_model(
    saved: SavedModel, custom_objects: CustomObjects, seed: int | None = None
) -> Model:
    """The model that a file describes, with the models within it; its arrays are any."""
    layers: list[Any] = [
        restored_layer(layer, custom_objects)
        if layer.model is None
        else restored_model(layer.model, custom_objects, seed=0)
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


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, Configurable)


def _custom_classes(given: Any) -> dict[str, Any]:
    """``custom_objects``, by the classes' names alone: of "package>Class", as Keras has it, too."""
    found = {} if given is None else given
    if not isinstance(found, Mapping):
        raise ConfigError(
            f"load_model: expected custom_objects as a dict of names and classes, got {given!r}."
        )
    for name, cls in found.items():
        fits = issubclass(cls, Configurable) if isinstance(cls, type) else _is_function(cls)
        if not isinstance(name, str) or not fits:
            raise ConfigError(
                "load_model: expected custom_objects as a dict of names and classes of layers, "
                f"losses, metrics and the like, got {name!r}: {cls!r}."
            )
    return {name.rpartition(">")[2]: cls for name, cls in found.items()}


def _compile_as_saved(
    model: Model,
    path: str | os.PathLike[str],
    saved: SavedModel,
    custom_objects: CustomObjects,
) -> None:
    """Compile it; of a legacy file what cannot be compiled is a warning, as in Keras."""
    try:
        arguments = compile_arguments(saved.compiled or {}, saved.version, len(model.outputs))
        model.compile(**with_custom_objects(arguments, custom_objects))
    except ConfigError as error:
        if not keras.is_legacy_name(path):
            raise ConfigError(f"{error} To predict only, load it with compile=False.") from None
        text = f"{path}: {error} The model is not compiled: compile it again to train it."
        warn(text, UserWarning)


def _restore(model: Model, path: str | os.PathLike[str], saved: SavedModel, data: Source) -> None:
    """Take over the arrays; an optimizer's that do not fit are a warning, as in Keras."""
    try:
        restore(model, path, saved, data)
    except keras.OtherOptimizerError as error:
        restore(model, path, saved, data, with_optimizer=False)
        warn(f"{error} The optimizer starts anew.", UserWarning)
