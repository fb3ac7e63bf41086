"""Objects that stand for what has no meaning here."""

from collections.abc import Iterator
from typing import Any

__all__ = ["Inert", "Shell"]


class Inert:
    """An object of TensorFlow's that has no meaning here: all can be read, set and called."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()

    def __call__(self, *_: Any, **__: Any) -> "Inert":
        """Itself, whatever it is called with."""
        return self

    def __enter__(self) -> "Inert":
        return self

    def __iter__(self) -> Iterator[Any]:
        """Nothing: nobody has uploaded a file to ``google.colab.files``."""
        return iter(())

    def __exit__(self, *_: Any) -> None:
        pass


class Shell(Inert):
    """What ``get_ipython()`` gives: without a kernel, by which one knows a notebook's."""

    def __getattr__(self, name: str) -> Any:
        if name == "kernel":
            raise AttributeError(name)
        return super().__getattr__(name)
