"""Modules that answer for Keras' import paths, old and new, with the names of minicnn's own."""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from minicnn._keras.paths import MODULES, NOT_HERE, answering
from minicnn._keras.public_names import ABSENT, raise_absent
from minicnn.errors import AbsentError

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    Loader = object  # importing it takes 5 ms

__all__ = ["KerasModule", "OldPaths"]


class KerasModule(ModuleType):
    """The module at a path within Keras, such as "layers.core".

    >>> KerasModule("minicnn.utils.np_utils", "utils.np_utils").to_categorical([1]).tolist()
    [[0.0, 1.0]]
    """

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, f"minicnn's answer for {name}.")
        self.__file__ = __file__
        self._path = path

    def check(self) -> None:
        """Raise ``AbsentError`` unless Keras has such a path, and minicnn what answers for it."""
        places = answering(self._path)
        try:
            for place in places:
                importlib.import_module(f"minicnn.{place}".rstrip("."))
        except ModuleNotFoundError:
            places = ()
        if places:
            return
        parts = self._path.split(".")
        above = (".".join(parts[:i]) for i in range(len(parts), 0, -1))
        nearest = next((NOT_HERE[path] for path in above if path in NOT_HERE), None)
        parent, _, name = self._path.rpartition(".")
        if nearest is None and name in ABSENT.get(parent, {}):
            raise_absent(parent, name)
        raise AbsentError(
            f"minicnn has no {self.__name__}: {nearest or 'Keras has no such name either'}."
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if f"{self._path}.{name}".lstrip(".") in MODULES:
            return importlib.import_module(f"{self.__name__}.{name}")
        refused: Exception | None = None
        for place in answering(self._path):
            module = importlib.import_module(f"minicnn.{place}".rstrip("."))
            try:
                return getattr(module, name)
            except AttributeError as error:
                refused = refused or error
            except AbsentError as error:
                refused = error
        raise refused or AttributeError(name)

    @property
    def __all__(self) -> list[str]:
        """For ``from keras.layers import *``."""
        places = answering(self._path)
        modules = [importlib.import_module(f"minicnn.{p}".rstrip(".")) for p in places]
        return sorted({name for m in modules for name in dir(m) if not name.startswith("_")})

    def __dir__(self) -> list[str]:
        return self.__all__


class ModuleMaker(Loader):
    """Gives an import a module that is made already, once it is looked whether there is one."""

    def __init__(self, module: KerasModule) -> None:
        self.module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Raise ``AbsentError`` unless there is a module of that name."""
        self.module.check()


class OldPaths:
    """Finds ``minicnn.layers.core``, ``minicnn.utils.np_utils`` and the like.

    It is asked when there is no such module; for paths that Keras does not have it finds none.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec that makes a ``KerasModule``."""
        package, _, within = fullname.partition(".")
        if package != "minicnn" or not within or within.startswith("_"):
            return None
        if answering(within) == (within,):  # which is not there, or nobody would ask
            parent, _, name = within.rpartition(".")
            if name in ABSENT.get(parent, {}):
                raise_absent(parent, name)
            return None
        if not answering(within) and within not in MODULES:
            return None
        module = KerasModule(fullname, within)
        return ModuleSpec(fullname, ModuleMaker(module), is_package=True)


def find_old_paths() -> None:
    """Let old paths be found from now on."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(OldPaths())
