"""What layers and models do otherwise where a Keras script runs.

Called on arrays they compute, as Keras' do. As in Keras 2, an optimizer may be given to several
models, of which each gets a copy, and the layers that train are those that were trainable when the
model was compiled: so do the two halves of an adversarial network.
"""

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from minicnn import (
    losses,
    metrics,
)
from minicnn._core.console import warn_once
from minicnn._core.random_seed import generator
from minicnn._core.shapes import Array
from minicnn._files.atomic import make_folder
from minicnn.as_keras import shapes, subclassing, variables
from minicnn.as_keras.tensors import Number, tensor
from minicnn.callbacks.base import Callback
from minicnn.callbacks.watching import Watching
from minicnn.data.pipeline import Dataset
from minicnn.errors import ConfigError
from minicnn.layers import Layer
from minicnn.layers.augmentation.base import RandomImages
from minicnn.layers.channels_first import images_first
from minicnn.layers.symbolic import SymbolicTensor
from minicnn.losses import Loss
from minicnn.losses.traced import _FunctionLoss
from minicnn.metrics import Metric
from minicnn.metrics.running import _FunctionMean
from minicnn.models.base import BaseModel
from minicnn.models.model import Model
from minicnn.optimizers import Optimizer

__all__ = ["install"]


_trainable: WeakKeyDictionary[Model, list[tuple[Layer, bool]]] = WeakKeyDictionary()
"""The layers of each model, and whether they were trainable when it was compiled."""


CHANGED: list[tuple[Any, str, Any]] = []
"""Classes or modules, names of their methods, and these as they were; None where there was none."""


_of_keras_2: list[bool] = []
"""Whether the script has said that it is one of Keras 2."""


def keras_2() -> None:
    """Do as Keras 2 from now on: arithmetic on tensors counts among ``model.layers``."""
    if not _of_keras_2:
        _of_keras_2.append(True)
        layers: Any = vars(BaseModel)["layers"]
        _change(BaseModel, "layers", property(lambda self: list(self.stack), doc=layers.__doc__))


def install() -> None:
    """Take on these manners from now on, in this process."""
    _change(Layer, "__call__", _called(Layer.__call__, _layer))
    _change(BaseModel, "__call__", _called(BaseModel.__call__, _model))
    for parent in (Layer, Model):
        _change(parent, "__init_subclass__", classmethod(subclassing.adopt))
    _change(Layer, "__init__", _by_class(_plainly_named(Layer.__init__), subclassing.TracedLayer))
    _change(Model, "__init__", _by_class(Model.__init__, subclassing.TracedModel))
    _change(BaseModel, "get_layer", _plainly_named(BaseModel.get_layer))
    _change(Dataset, "shown", staticmethod(tensor))  # for images[0].numpy()
    _change(Dataset, "cardinality", _counted(Dataset.cardinality))
    for value in [*vars(metrics).values(), *vars(losses).values()]:
        if isinstance(value, type):
            _show_numbers(value)
    for change in [*shapes.changes(), *variables.changes()]:
        _change(*change)
    _change(Loss, "in_unit", lambda self, y_true: y_true)  # noisy labels of adversarial networks
    for name in ("on_train_begin", "monitored"):
        _change(Watching, name, _only_warns(getattr(Watching, name)))
    _change(Callback, "validation_data", None)
    _change(_FunctionLoss, "_called", _of_tensors(_FunctionLoss._called))
    _change(_FunctionMean, "update_state", _of_tensors(_FunctionMean.update_state))
    _change(Model, "compile", _compile(Model.compile))
    for name in ("save", "save_weights"):
        _change(Model, name, _into_folder(getattr(Model, name)))
    for name in ("fit", "train_on_batch"):
        _change(Model, name, _as_compiled(getattr(Model, name)))


def take_back() -> None:
    """Have everything as it was."""
    _of_keras_2.clear()
    while CHANGED:
        owner, name, method = CHANGED.pop()
        if method is None:
            delattr(owner, name)
        else:
            setattr(owner, name, method)


def _change(owner: Any, name: str, method: Any) -> None:
    CHANGED.append((owner, name, vars(owner).get(name)))
    setattr(owner, name, method)


def _of_tensors(call: Any) -> Any:
    """With labels and predictions as a script's own function expects them: as tensors."""

    @functools.wraps(call)
    def called(self: Any, y_true: Any, y_pred: Any, *others: Any) -> Any:
        given = [tensor(y) if isinstance(y, np.ndarray) else y for y in (y_true, y_pred)]
        return call(self, *given, *others)

    return called


def _into_folder(save: Any) -> Any:
    """Into a folder that is made if it is not there, as by the TensorFlow formats."""

    @functools.wraps(save)
    def saved(self: Model, filepath: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(filepath, str | os.PathLike):
            make_folder(Path(os.fspath(filepath)).parent)
        return save(self, filepath, *arguments, **options)

    return saved


def _only_warns(watch: Any) -> Any:
    """What a callback watches need not be there, as in Keras: then it does nothing."""

    @functools.wraps(watch)
    def watched(self: Watching, logs: Any = None) -> Any:
        try:
            return watch(self, logs)
        except ConfigError as error:
            warn_once(f"{type(self).__name__} {self.monitor}", f"{error} It does nothing.")
            return None

    return watched


def _counted(cardinality: Any) -> Any:
    return lambda self: tensor(np.int64(cardinality(self)))


def _plainly_named(call: Any) -> Any:
    """With "/" in a name, which Keras 2 took, as "_"."""

    @functools.wraps(call)
    def named(self: Any, name: Any = None, *arguments: Any, **options: Any) -> Any:
        if isinstance(name, str) and "/" in name:
            warn_once("name", f"{name!r} is {name.replace('/', '_')!r} here: names have no '/'.")
            name = name.replace("/", "_")
        return call(self, name, *arguments, **options)

    return named


def _by_class(begin: Any, traced: type) -> Any:
    """For ``keras.Model.__init__(self)`` in a class that got the parent ``traced``."""

    @functools.wraps(begin)
    def begun(self: Any, *arguments: Any, **options: Any) -> None:
        if isinstance(self, traced) and not arguments and "_begun" not in vars(self):
            vars(self)["_begun"] = True
            traced.__init__(self, **options)  # type: ignore[misc]
        else:
            begin(self, *arguments, **options)

    return begun


def _show_numbers(kind: type) -> None:
    """Let the results of a metric or a loss have ``.numpy()``."""
    for parent in kind.__mro__:
        name = "result" if issubclass(parent, Metric) else "__call__"
        method = vars(parent).get(name)
        if issubclass(parent, Metric | Loss) and method and not hasattr(method, "__wrapped__"):
            _change(parent, name, _shown(method))


def _shown(number: Any) -> Any:
    """For ``metric.result().numpy()`` and ``loss(y_true, y_pred).numpy()``."""

    @functools.wraps(number)
    def shown(*arguments: Any, **options: Any) -> Any:
        value = number(*arguments, **options)
        return Number(value) if type(value) is float else value

    return shown


def _compile(compile: Any) -> Any:
    @functools.wraps(compile)
    def compiled(
        self: Model,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        *arguments: Any,
        **options: Any,
    ) -> None:
        if isinstance(optimizer, Optimizer) and optimizer.owner not in (None, self._identity):
            warn_once("optimizer", f"{self.who}: gets a copy of the optimizer of another model.")
            optimizer = type(optimizer)(**optimizer.get_config())
        compile(self, optimizer, loss, _of_each_output(self, metrics), *arguments, **options)
        _trainable[self] = [(layer, layer.trainable) for _, layer in self.leaves()]

    return compiled


def _of_each_output(model: Model, given: Any) -> Any:
    """A flat list of metrics is each output's, as in Keras 2, unless it has one for each."""
    outputs = len(model.outputs) if model.built else 1
    flat = isinstance(given, list) and not any(isinstance(one, list | dict) for one in given)
    return [given] * outputs if flat and outputs > 1 and len(given) != outputs else given


def _as_compiled(train: Any) -> Any:
    @functools.wraps(train)
    def trained(self: Model, *arguments: Any, **options: Any) -> Any:
        _show_validation(options.get("callbacks"), options.get("validation_data"))
        now = [(layer, layer.trainable) for _, layer in self.leaves()]
        _set(_trainable.get(self, ()))
        try:
            return train(self, *arguments, **options)
        finally:
            _set(now)

    return trained


def _show_validation(callbacks: Any, data: Any) -> None:
    """As in Keras 2.2, callbacks have ``validation_data``: [x, y, weights]."""
    if isinstance(callbacks, list | tuple) and isinstance(data, list | tuple) and len(data) >= 2:
        weights = data[2] if len(data) > 2 else np.ones(len(data[1]), np.float32)
        for callback in callbacks:
            if isinstance(callback, Callback):
                vars(callback)["validation_data"] = [data[0], data[1], weights]


def _set(trainable: Iterable[tuple[Layer, bool]]) -> None:
    for layer, value in trainable:
        if layer.trainable != value:
            layer.trainable = value


def _called(symbolic: Any, compute: Any) -> Any:
    def call(self: Any, inputs: Any, training: bool | None = None) -> Any:
        given = list(inputs.values()) if isinstance(inputs, dict) else inputs
        several = given if isinstance(given, list | tuple) else [given]
        if any(isinstance(one, SymbolicTensor) for one in several):
            return symbolic(self, inputs, training)
        if training is None:
            training = _augments(self)
        return tensor(compute(self, inputs, several, training))

    call.__doc__ = symbolic.__doc__
    return call


def _augments(layer: Any) -> bool:
    """Whether it, or a model of nothing else, changes images at random: Keras' do when called."""
    inner = getattr(layer, "layers", None)
    return all(map(_augments, inner)) if inner else isinstance(layer, RandomImages)


def _layer(layer: Layer, inputs: Any, several: list[Any], training: bool) -> Array:
    arrays = [np.asarray(one) for one in several]
    if images_first(layer) and any(x.ndim == 4 for x in arrays):
        raise ConfigError(
            f"{layer.who}: expected to be called on images with channels last, got arrays where "
            "channels are first. Put it into a model: Sequential([layer]).predict(x)."
        )
    shape: Any = tuple(x.shape[1:] for x in arrays) if layer.merges else arrays[0].shape[1:]
    if layer.input_shape is None:
        layer.build(shape, generator(None), np.float32)
    bytes_stay = getattr(layer, "reads_bytes", False)
    arrays = [x if bytes_stay else x.astype(layer.dtype, copy=False) for x in arrays]
    x: Any = tuple(arrays) if layer.merges else arrays[0]
    return layer.forward(x, training=training, rng=generator(None))[0]


def _model(model: BaseModel, inputs: Any, several: list[Any], training: bool) -> Any:
    if not model.built:
        model.build(np.shape(several[0])[1:])
    return model.forward(inputs, training)[0]
