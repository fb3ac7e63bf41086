"""Modules of Keras' that have the name of one of our networks."""

import inspect
from importlib import import_module
from types import ModuleType
from typing import Any

from minicnn.applications.networks import NETWORKS, Network
from minicnn.models.model import Model


class NetworkModule(ModuleType):
    """A module that is called as the network of its name: ``mobilenet((32, 32, 3), 10)``.

    A module takes this class with ``sys.modules[__name__].__class__ = NetworkModule``.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Model:
        """The small network."""
        return self._network()(*args, **kwargs)

    def _network(self) -> Network:
        return NETWORKS[self.__name__.rpartition(".")[2]]

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._network())

    def __reduce__(self) -> Any:
        return import_module, (self.__name__,)
