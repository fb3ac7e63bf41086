"""What answers ``import keras`` and ``import tensorflow``."""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from minicnn import optimizers
from minicnn._core.console import notebook
from minicnn._core.suggestions import did_you_mean
from minicnn._keras.modules import KerasModule, ModuleMaker
from minicnn._keras.paths import MODULES, ROOTS, answering
from minicnn.as_keras import by_name, manners, old_names
from minicnn.errors import AbsentError, ConfigError, NameUnknownError

__all__ = ["install"]

TENSORFLOW = "minicnn.as_keras.tensorflow"
"""The module that has what scripts with Keras use of TensorFlow."""

IN_PLACE = dict.fromkeys(
    ("mixed_precision", "mixed_precision.experimental"), "minicnn.as_keras.mixed_precision"
)
"""Paths within Keras that a module of this package stands for."""

KERAS_VERSION, TENSORFLOW_VERSION = "3.15.0", "2.21.0"
"""What scripts are told that ask: the releases that minicnn is compared with."""


ANSWERED = ("keras", "tf_keras", "keras_preprocessing", "tensorflow")


def install() -> None:
    """Answer for Keras and TensorFlow from now on. Raises ``ConfigError`` if they are there."""
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    there = [name for name in ANSWERED if name in sys.modules]
    if there:
        raise ConfigError(
            f"minicnn.as_keras: expected a process without {there[0]}, got one that has imported "
            "it. Import minicnn.as_keras first."
        )
    sys.meta_path.insert(0, Finder())
    sys.meta_path.append(Around())
    manners.install()


AROUND = ("IPython", "google.colab", "pydot", "pydot_ng", "pydotplus")
"""What notebooks have around them, and what Keras drew with: ``plot_model`` needs none of it."""


class Finder(MetaPathFinder):
    """Finds a module for each path of Keras and TensorFlow."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec that makes an ``Answer``, or None for all other modules."""
        if fullname == "tqdm.notebook" and notebook() is None:
            return ModuleSpec(fullname, _PlainBar())
        if fullname.partition(".")[0] not in ANSWERED:
            return None
        return ModuleSpec(fullname, ModuleMaker(Answer(fullname)), is_package=True)


class Around(Finder):
    """Finds what notebooks have around them, where it is not installed: names that do nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec, or None for all other modules."""
        if fullname == "google" or any(f"{fullname}.".startswith(f"{name}.") for name in AROUND):
            return ModuleSpec(fullname, _Inert(), is_package=True)
        return None


class _Inert(Loader):
    def exec_module(self, module: ModuleType) -> None:
        """Give it every name that is asked for."""
        from minicnn.as_keras.inert import Inert, Shell, display

        def __getattr__(name: str) -> Any:  # noqa: N807
            if name.startswith("__"):
                raise AttributeError(name)
            known = {"display": display, "get_ipython": Shell, "version_info": (9, 0, 0)}
            return known.get(name) or Inert()

        module.__getattr__ = __getattr__  # type: ignore[method-assign]


class _PlainBar(Loader):
    """The notebook's bar where there is no notebook: that of a terminal."""

    def exec_module(self, module: ModuleType) -> None:
        """Give it the names of ``tqdm.notebook``."""
        from tqdm import tqdm, trange

        vars(module).update(tqdm=tqdm, tqdm_notebook=tqdm, trange=trange, tnrange=trange)


class Answer(KerasModule):
    """A module of Keras' or TensorFlow's, whose names are minicnn's."""

    def __init__(self, name: str) -> None:
        keras = name.replace("keras_preprocessing", "keras.preprocessing", 1)
        root = max((r for r in ROOTS if f"{keras}.".startswith(f"{r}.")), key=len, default=None)
        super().__init__(name, "" if root is None else keras[len(root) + 1 :])
        if self._path.startswith("layers.experimental"):  # which Keras 3 has not any more
            manners.keras_2()
        self._within: list[str] | None = None
        """The path within TensorFlow, if it is not one within Keras."""
        if root is None:
            rest = name.removeprefix("tensorflow").removeprefix(".python").removeprefix(".")
            rest = rest.removeprefix("compat.v1").removeprefix("compat.v2").strip(".")
            self._within = rest.split(".") if rest else []
        self.__version__ = TENSORFLOW_VERSION if root is None else KERAS_VERSION

    def check(self) -> None:
        """Raise ``AbsentError`` unless there is a module of that name."""
        if self._path in IN_PLACE:
            return
        if self._within is None:
            parent, _, name = self._path.rpartition(".")
            for place in answering(parent):  # a name of old that nothing stands for
                old_names.found(place, name)
            try:
                super().check()
            except AbsentError as error:
                near = _near(parent, name) if str(error).endswith("such name either.") else ""
                raise AbsentError(f"{error}{near}") from None
        elif self._within:
            try:
                _of_tensorflow(self._within)
            except NameUnknownError as error:
                raise AbsentError(str(error)) from None

    def __getattr__(self, name: str) -> Any:
        try:
            return self._get(name)
        except AbsentError as error:  # which hasattr does not know
            raise NameUnknownError(str(error)) from None

    def _get(self, name: str) -> Any:
        if self._within is None and f"{self._path}.{name}".lstrip(".") in IN_PLACE:
            return importlib.import_module(f"{self.__name__}.{name}")
        if self._path in IN_PLACE:
            return getattr(importlib.import_module(IN_PLACE[self._path]), name)
        if self._within is None:
            for place in answering(self._path):
                for found in (by_name.found(place, name), old_names.found(place, name)):
                    if found is not None:
                        return found
            return super().__getattr__(name)
        if name.startswith("__"):
            raise AttributeError(name)
        if not self._within and name == "keras":
            return importlib.import_module("tensorflow.keras")
        if f"{self.__name__}.{name}".endswith((".compat", ".compat.v1", ".compat.v2")):
            return importlib.import_module(f"{self.__name__}.{name}")
        return _of_tensorflow([*self._within, name])

    @property
    def __all__(self) -> list[str]:
        """For ``from keras.layers import *``: with the names of old."""
        if self._within is not None:
            raise AttributeError("__all__")
        return sorted(
            {
                *super().__all__,
                *(n for place in answering(self._path) for n in old_names.names(place)),
            }
        )

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call ``merge``, or ``adam``, which were there before modules of these names."""
        if self._path == "layers.merge":
            return old_names.merge(*arguments, **options)
        family, _, name = self._path.rpartition(".")
        if family == "optimizers":
            for key, value in vars(optimizers).items():
                if key.lower() == name and isinstance(value, type):
                    return value(*arguments, **options)
        raise TypeError(f"{self.__name__} is a module and cannot be called.")


def _near(parent: str, name: str) -> str:
    """What is there by nearly that name."""
    modules = [importlib.import_module(f"minicnn.{p}".rstrip(".")) for p in answering(parent)]
    known = {n for module in modules for n in dir(module) if not n.startswith("_")}
    return did_you_mean(name, known if parent else known | {p for p in MODULES if "." not in p})


def _of_tensorflow(names: Sequence[str]) -> Any:
    value: Any = importlib.import_module(TENSORFLOW)
    for name in names:
        value = getattr(value, name)
    return value
