"""What answers ``import keras`` and ``import tensorflow``."""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from minicnn._keras.paths import MODULES, NOT_HERE, ROOTS, answering
from minicnn._keras.public_names import ABSENT, raise_absent
from minicnn.as_keras import manners, old_names
from minicnn.errors import AbsentError, ConfigError

__all__ = ["install"]

TENSORFLOW = "minicnn.as_keras.tensorflow"
"""The module that has what scripts with Keras use of TensorFlow."""

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


class Finder(MetaPathFinder):
    """Finds a module for each path of Keras and TensorFlow."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec that makes an ``Answer``, or None for all other modules."""
        if fullname.partition(".")[0] not in ANSWERED:
            return None
        return ModuleSpec(fullname, _Maker(), is_package=True)


class Around(Finder):
    """Finds what notebooks have around them, where it is not installed: names that do nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for IPython and Colab, or None."""
        if fullname.split(".")[0] == "IPython" or f"{fullname}.".startswith("google.colab."):
            return ModuleSpec(fullname, _Inert(), is_package=True)
        if fullname == "google":
            return ModuleSpec(fullname, _Inert(), is_package=True)
        return None


class _Inert(Loader):
    def exec_module(self, module: ModuleType) -> None:
        """Give it every name that is asked for."""
        from minicnn.as_keras.tensorflow import Inert, Shell

        def __getattr__(name: str) -> Any:  # noqa: N807
            if name.startswith("__"):
                raise AttributeError(name)
            known = {"display": print, "get_ipython": Shell, "version_info": (9, 0, 0)}
            return known.get(name) or Inert()

        module.__getattr__ = __getattr__  # type: ignore[method-assign]


class _Maker(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Answer(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Look whether there is such a module."""
        assert isinstance(module, Answer)
        module.check()


class Answer(ModuleType):
    """A module of Keras' or TensorFlow's, whose names are minicnn's."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"minicnn's answer for {name}.")
        self.__file__ = __file__
        keras = name.replace("keras_preprocessing", "keras.preprocessing", 1)
        root = max((r for r in ROOTS if f"{keras}.".startswith(f"{r}.")), key=len, default=None)
        self._path = None if root is None else keras[len(root) + 1 :]
        """The path within Keras; None for TensorFlow."""
        if root is None:
            rest = name.removeprefix("tensorflow").removeprefix(".python").removeprefix(".")
            self._within = rest.removeprefix("compat.v1").removeprefix("compat.v2").strip(".")
        self.__version__ = TENSORFLOW_VERSION if root is None else KERAS_VERSION

    def check(self) -> None:
        """Raise ``AbsentError`` unless there is a module of that name."""
        if self._path is None:
            if self._within:
                _found(TENSORFLOW, self._within.split("."))
            return
        places = answering(self._path)
        try:
            for place in places:
                importlib.import_module(f"minicnn.{place}".rstrip("."))
        except ModuleNotFoundError:
            places = ()
        if not places:
            parent, _, name = self._path.rpartition(".")
            nearest = next((NOT_HERE[p] for p in _upwards(self._path) if p in NOT_HERE), None)
            if nearest is None and name in ABSENT.get(parent, {}):
                raise_absent(parent, name)
            raise AbsentError(
                f"minicnn has no {self.__name__}: {nearest or 'Keras has no such name either'}."
            )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._path is None:
            if self._within == "" and name == "keras":
                return importlib.import_module("tensorflow.keras")
            return _found(TENSORFLOW, [*filter(None, self._within.split(".")), name])
        inner = f"{self._path}.{name}".lstrip(".")
        if inner in MODULES:
            return importlib.import_module(f"{self.__name__}.{name}")
        return self._named(name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call ``merge``, which was a function before there was a module of that name."""
        if self._path != "layers.merge":
            raise TypeError(f"{self.__name__} is a module and cannot be called.")
        return old_names.merge(*arguments, **options)

    def _named(self, name: str) -> Any:
        refused: Exception | None = None
        for place in answering(self._path or ""):
            module = importlib.import_module(f"minicnn.{place}".rstrip("."))
            try:
                return getattr(module, name)
            except AttributeError as error:
                refused = refused or error
            except AbsentError as error:
                refused = error
        for place in answering(self._path or ""):
            old = old_names.found(place, name)
            if old is not None:
                return old
        assert refused is not None
        raise refused

    @property
    def __all__(self) -> list[str]:
        """For ``from keras.layers import *``."""
        places = () if self._path is None else answering(self._path)
        modules = [importlib.import_module(f"minicnn.{p}".rstrip(".")) for p in places]
        return sorted({name for m in modules for name in dir(m) if not name.startswith("_")})

    def __dir__(self) -> list[str]:
        return self.__all__


def _upwards(path: str) -> list[str]:
    """The path and those that it is within."""
    parts = path.split(".")
    return [".".join(parts[:i]) for i in range(len(parts), 0, -1)]


def _found(module: str, names: Sequence[str]) -> Any:
    value: Any = importlib.import_module(module)
    for name in names:
        value = getattr(value, name)
    return value
