"""Names that a script imports and does not use: it runs without those that are not here."""

import ast
import importlib
from collections.abc import Iterable
from typing import Any

from minicnn._core.console import say
from minicnn.as_keras.finder import ANSWERED
from minicnn.errors import MiniCNNError

__all__ = ["LeavingOut", "at", "used_names"]


def used_names(sources: Iterable[str]) -> set[str]:
    """Names that stand anywhere but in an import; those in quotes too, for ``getattr``.

    >>> used_names(["from keras.layers import Dense, LSTM; Dense(3)"])
    {'Dense'}
    """
    used = set()
    for source in sources:
        try:
            nodes = ast.walk(ast.parse(source))
        except (SyntaxError, ValueError):  # which is told where it is compiled
            continue
        for node in nodes:
            if isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
    return used


class LeavingOut(ast.NodeTransformer):
    """Takes names of Keras' and TensorFlow's out of imports: not here, not used, not tried."""

    def __init__(self, place: str, used: set[str]) -> None:
        self.place = place
        self.used = used

    def visit_Try(self, node: ast.Try) -> ast.Try:
        """What is tried may fail: the script asks whether it does."""
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        """The import without what is not here; it is told what that is."""
        module = node.module or ""
        if node.level or module.partition(".")[0] not in ANSWERED:
            return node
        absent = [
            alias
            for alias in node.names
            if alias.name != "*"
            and (alias.asname or alias.name) not in self.used
            and not _is_here(f"{module}.{alias.name}")
        ]
        if not absent:
            return node
        say(
            f"{self.place}, line {node.lineno}: left out, as it is not here and not used: "
            f"{', '.join(alias.name for alias in absent)}.",
            error=True,
        )
        rest = [alias for alias in node.names if alias not in absent]
        return ast.copy_location(
            ast.ImportFrom(node.module, rest, node.level) if rest else ast.Pass(), node
        )


def at(path: str) -> Any:
    """What is at a path, as an import and attributes find it."""
    parts = path.split(".")
    value: Any = importlib.import_module(parts[0])
    for i, name in enumerate(parts[1:], 2):
        try:
            value = getattr(value, name)
        except AttributeError:
            value = importlib.import_module(".".join(parts[:i]))
    return value


def _is_here(path: str) -> bool:
    try:
        at(path)
    except (AttributeError, ImportError, MiniCNNError):
        return False
    return True
