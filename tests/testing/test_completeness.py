"""Nothing that belongs to a class is forgotten: each test says what to add, and where."""

import importlib
import inspect
import pkgutil
import sys
from typing import NamedTuple

import numpy as np
import pytest

import minicnn
from minicnn import SGD, Dense, Flatten, Input, InputLayer, Lambda, Residual, Sequential, load_model
from minicnn._core.config import is_custom
from minicnn._keras.signatures import signatures
from minicnn.callbacks.callback_list import CallbackList
from minicnn.errors import NameUnknownError
from minicnn.layers import LAYERS
from minicnn.onnx.merging import MERGERS
from minicnn.onnx.operators import DECLARED, READ_BY_HAND
from minicnn.onnx.writers import WRITERS
from minicnn.testing import cases

NOT_IN_ONNX: dict[str, str] = {}
"""Layers that ONNX cannot express, and why."""

OURS = {
    "Residual",
    "CustomScaleLayer",
    "LayerScale",
    "Clip",
    "Elementwise",
    "GELU",
    "Power",
    "Reduce",
    "SiLU",
    "Sigmoid",
    "Slice",
    "Softplus",
    "Tanh",
    "TimeBudget",
}
"""Classes that Keras 3 does not have, or has as functions only."""


class Family(NamedTuple):
    """What the classes of a module derive from, and the objects of its table of cases."""

    parent: type
    objects: list


FAMILIES = {
    "layers": Family(minicnn.Layer, [case.make() for case in (*cases.LAYERS, *cases.MERGING)]),
    "losses": Family(minicnn.losses.Loss, [case.loss for case in cases.LOSSES]),
    "metrics": Family(minicnn.metrics.Metric, [case.metric for case in cases.METRICS]),
    "optimizers": Family(minicnn.optimizers.Optimizer, cases.OPTIMIZERS),
    "optimizers.schedules": Family(minicnn.optimizers.schedules.Schedule, cases.SCHEDULES),
    "initializers": Family(minicnn.initializers.Initializer, cases.INITIALIZERS),
    "constraints": Family(minicnn.constraints.Constraint, cases.CONSTRAINTS),
    "regularizers": Family(minicnn.regularizers.Regularizer, cases.REGULARIZERS),
    "callbacks": Family(minicnn.callbacks.Callback, cases.CALLBACKS),
}
OBJECTS = [(family, made) for family, (_, objects) in FAMILIES.items() for made in objects]


def exported(family):
    """The classes that a family's module exports, without their parent."""
    module, parent = importlib.import_module(f"minicnn.{family}"), FAMILIES[family].parent
    found = (getattr(module, name) for name in module.__all__)
    return {c for c in found if inspect.isclass(c) and issubclass(c, parent) and c is not parent}


def defined(family):
    """The classes of a family that its files define for use: none derives from them there."""
    module, parent = importlib.import_module(f"minicnn.{family}"), FAMILIES[family].parent
    if hasattr(module, "__path__"):
        for part in pkgutil.walk_packages(module.__path__, f"{module.__name__}."):
            importlib.import_module(part.name)

    def below(cls):
        here = [
            c
            for c in cls.__subclasses__()
            if c.__module__.startswith(module.__name__)
            # Those of docstrings' examples are in no module.
            and getattr(sys.modules[c.__module__], c.__name__, None) is c
        ]
        return [cls] if not here else [leaf for c in here for leaf in below(c)]

    return {cls for cls in below(parent) if not cls.__name__.startswith("_")}


def names(classes):
    return sorted(cls.__name__ for cls in classes)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_class_is_exported(family):
    """A class that is written has its line in the module of its family."""
    place = importlib.import_module(f"minicnn.{family}").__file__
    missing = names(defined(family) - exported(family))
    assert not missing, f"Export {missing} in {place}: from ... import X as X."


@pytest.mark.parametrize("family", FAMILIES)
def test_every_exported_class_has_a_case(family):
    """A class that is exported stands in the table of cases, and the cases are of such classes."""
    tried = {type(made) for made in FAMILIES[family].objects} - {minicnn.callbacks.History}
    place = "layers.py" if family == "layers" else "others.py"
    missing = names(exported(family) - tried)
    assert not missing, f"Add a line for {missing} to minicnn/testing/cases/{place}."
    assert not tried - exported(family), f"Export {names(tried - exported(family))}."


def test_every_layer_can_be_named_in_a_file():
    """A class that Keras calls otherwise is exported under that name as well."""
    for cls in exported("layers"):
        name = cls.keras_name or cls.__name__
        assert name in LAYERS, f"Add {name} = {cls.__name__} to minicnn/layers/__init__.py."


def test_keras_knows_what_a_file_names():
    """A layer that Keras 3 does not have is written as one that it has, and is tried as such."""
    # An Input is an InputLayer in files; a Residual is written as its layers and a sum.
    listed = {*signatures()["layers"], "InputLayer", "Residual"}
    listed |= {"CustomScaleLayer", "LayerScale"}  # of keras.applications
    listed |= {"Clip", "Elementwise", "Power", "Reduce", "Slice"}  # Keras' operations
    for cls in exported("layers"):
        name = cls.keras_name or cls.__name__
        assert name in listed, f"Give {cls.__name__} the keras_name of a layer that Keras 3 has."


def test_a_declared_operator_of_onnx_is_read_in_one_way():
    """What a layer declares with onnx_operator stands in no other line of the table."""
    twice = READ_BY_HAND.keys() & DECLARED.keys()
    assert not twice, f"Take {sorted(twice)} out of READ_BY_HAND in minicnn/onnx/operators.py."


def test_every_layer_has_a_writer_of_onnx():
    """Or is listed above, with the reason."""
    written = {*WRITERS, *MERGERS, Flatten, Residual, Lambda}  # these by what is in or around them
    missing = names(exported("layers") - written)
    unknown = [name for name in missing if name not in NOT_IN_ONNX]
    assert not unknown, f"Write {unknown} in minicnn/onnx/writers.py, or declare onnx_operator."
    assert set(NOT_IN_ONNX) <= set(missing)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_class_is_on_the_list_of_keras_names(family):
    """With Keras' signature, unless Keras does not have it."""
    listed = signatures()[family]
    for cls in exported(family):
        called = {cls.__name__, *(name for name, c in LAYERS.items() if c is cls)}
        assert called.isdisjoint(listed) == (cls.__name__ in OURS), (
            f"Add {cls.__name__}'s signature in Keras 3 to SIGNATURES in _keras/signatures.py, "
            "and run docs/keras_list.py --write; or to OURS here, if Keras 3 does not have it."
        )


@pytest.mark.parametrize("case", cases.LAYERS, ids=repr)
def test_every_layer_comes_back_from_a_file(case, tmp_path):
    """With its arguments and its arrays."""
    layer = case.make()
    head = [] if isinstance(layer, InputLayer) else [Input(case.input_shape)]
    model = Sequential([*head, layer], seed=0)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    if not isinstance(layer, Residual | Lambda):  # which come back as the layers within
        configs = (one.stack[-1].keras_config() for one in (model, again))
        was, now = ({name: value or None for name, value in config.items()} for config in configs)
        assert was == now
    x = case.x("float32")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def in_a_model(family, made):
    """A model that has the object, and how to find it there."""
    optimizer, loss, metrics, options = "sgd", "mse", [], {}
    if family == "losses":
        loss, find = made, lambda model: model.loss
    elif family == "metrics":
        metrics, find = [made], lambda model: model.metrics[0]
    elif family == "optimizers":
        optimizer, find = made, lambda model: model.optimizer
    elif family == "optimizers.schedules":
        optimizer, find = SGD(made), lambda model: model.optimizer.schedule
    else:
        argument = f"kernel_{family.removesuffix('s')}"
        options = {argument: made}
        module = importlib.import_module(f"minicnn.{family}")

        def find(model):
            return module.get("", argument, getattr(model.layers[-1], argument))

    model = Sequential([Input((4,)), Dense(4, **options)], seed=0)
    model.compile(optimizer, loss, metrics)
    return model, find


@pytest.mark.parametrize(
    ("family", "made"), [x for x in OBJECTS if x[0] not in ("layers", "callbacks")], ids=repr
)
def test_every_object_comes_back_from_a_file(family, made, tmp_path):
    """A loss, a metric, an optimizer, ... that a model was saved with has its arguments again."""
    model, find = in_a_model(family, type(made).from_config(made.get_config()))
    model.save(tmp_path / "m.keras")
    again = find(load_model(tmp_path / "m.keras"))
    assert type(again) is type(made)
    assert again.get_config() == find(model).get_config()


@pytest.mark.parametrize(
    ("family", "made"),
    [x for x in OBJECTS if type(x[1]) is not minicnn.History],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_every_class_is_closed_and_those_derived_from_it_are_not(family, made):
    """An attribute that is not there is refused, but of a custom class."""
    assert not is_custom(type(made))
    with pytest.raises(NameUnknownError, match="there is no 'lerning_rate' to set"):
        made.lerning_rate = 1
    own = type("Own", (type(made),), {})
    assert is_custom(own)
    other = own.__new__(own)
    vars(other).update({name: x for name, x in vars(made).items() if name != "_closed"})
    other.lerning_rate = 1


def test_what_callbacks_may_do_is_known():
    """Only one that calls a function of the user's may do anything."""
    foreign = [one for one in cases.CALLBACKS if CallbackList(one, None, {}).foreign]
    assert names(map(type, foreign)) == ["LearningRateScheduler"]
