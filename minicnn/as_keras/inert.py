"""Objects that stand for what has no meaning here."""

from collections.abc import Iterator
from typing import Any

from minicnn._core.console import say

__all__ = ["Inert", "Shell", "display"]


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

    def __getitem__(self, key: Any) -> "Inert":
        return Inert()

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

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


def display(*values: Any, **_: Any) -> None:
    """Print what there is to see, as a notebook's ``display``."""
    for value in values:
        if not isinstance(value, Inert):
            say(str(value))
