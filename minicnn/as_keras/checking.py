"""What of a script will not run, found without running it."""

import ast
import importlib
import inspect
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minicnn._core.signatures import arguments_of
from minicnn._keras import old_arguments
from minicnn._keras.arguments import RENAMED, inert
from minicnn._keras.attributes import ATTRIBUTES
from minicnn.as_keras.finder import ANSWERED
from minicnn.as_keras.scripts import parts_of
from minicnn.as_keras.subclassing import STEPS
from minicnn.errors import AbsentError, ConfigError, MiniCNNError
from minicnn.layers import Layer
from minicnn.optimizers import Optimizer

__all__ = ["Finding", "findings"]

ANY: dict[type, str] = {
    Layer: "input_shape input_dim batch_input_shape dtype name trainable weights data_format",
    Optimizer: "lr decay epsilon",
}
"""Arguments that every layer and every optimizer takes."""

EVERYWHERE = {name for kind in (list, dict, str, set, np.ndarray) for name in dir(kind)}
"""Methods of so common names that nobody can tell whose they are."""


class Finding(NamedTuple):
    """What stands in the way of a line, and what to do."""

    place: str
    line: int
    message: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.place}, line {self.line}: {self.message}"


def findings(path: str | os.PathLike[str]) -> list[Finding]:
    """What of a script or a notebook will not run, in the order of its lines.

    Raises ``ConfigError`` for a file that is no script.
    """
    found: list[Finding] = []
    names: dict[str, str] = {}
    own: set[str] = set()
    for part in parts_of(path):
        try:
            part.compiled()
        except ConfigError as error:
            line = int(str(error).partition("line ")[2].partition(":")[0] or 1)
            found.append(Finding(part.name, line, str(error).partition(": ")[2]))
            continue
        tree = ast.parse(part.source)
        own |= _own(tree)
        reader = _Reader(part.name, names, own)
        reader.visit(tree)
        found += reader.found
    return list(dict.fromkeys(found))


class _Reader(ast.NodeVisitor):
    """Looks up every name of Keras' and TensorFlow's, and the arguments it is given."""

    def __init__(self, place: str, names: dict[str, str], own: set[str]) -> None:
        self.place = place
        self.own = own
        self.names = names
        """Names of the script, and the full paths that they stand for."""
        self.found: list[Finding] = []

    def say(self, node: ast.AST, message: str) -> None:
        self.found.append(Finding(self.place, getattr(node, "lineno", 1), message))

    def look_up(self, node: ast.AST, path: str) -> Any:
        """What is at a path, or None: then it has been said why not."""
        try:
            return _at(path)
        except AbsentError as error:
            self.say(node, f"{path}: {error}")
        except (AttributeError, ImportError, MiniCNNError):
            self.say(node, f"{path}: neither Keras nor minicnn has it.")
        return None

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.partition(".")[0] in ANSWERED:
                self.names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                self.look_up(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or module.partition(".")[0] not in ANSWERED:
            return
        for alias in node.names:
            if alias.name == "*":
                found = self.look_up(node, module)
                public = getattr(found, "__all__", ())
                self.names |= {name: f"{module}.{name}" for name in public}
                continue
            self.names[alias.asname or alias.name] = f"{module}.{alias.name}"
            self.look_up(node, f"{module}.{alias.name}")

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Name):
                path = self.path_of(node.value)
                self.names.pop(target.id, None)
                if path:
                    self.names[target.id] = path

    def path_of(self, node: ast.AST) -> str | None:
        """The full path that an expression such as ``keras.layers.Dense`` stands for."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            path = self.path_of(node.value)
            return f"{path}.{node.attr}" if path else None
        return None

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self.path_of(node)
        if path:
            self.look_up(node, path)
            return
        absent = ATTRIBUTES["Model"].get(node.attr)
        if absent and "_" in node.attr and node.attr not in EVERYWHERE | self.own:
            self.say(node, f".{node.attr}: if it is a model's, {absent}.")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        path = self.path_of(node.func)
        called = None
        if path:
            try:
                called = _at(path)
            except (AttributeError, ImportError, MiniCNNError):
                return
        if not callable(called):
            return
        for keyword in node.keywords:
            problem = _problem(called, keyword)
            if problem:
                self.say(keyword.value, f"{path}: {problem}")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.generic_visit(node)
        methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        for base in filter(None, map(self.path_of, node.bases)):
            kind = base.rpartition(".")[2]
            steps = methods & {*STEPS}
            if kind == "Model" and steps:
                self.say(
                    node,
                    f"{node.name}: a model whose {min(steps)} takes derivatives of its own. Train "
                    "with fit as it is, or in a loop: examples/custom_loop.py.",
                )


def _own(tree: ast.AST) -> set[str]:
    """Attributes that the script sets, and methods that it defines."""
    return {
        node.attr if isinstance(node, ast.Attribute) else node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        or (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    }


def _at(path: str) -> Any:
    """What is at a path, as an import and attributes find it."""
    parts = path.split(".")
    value: Any = importlib.import_module(parts[0])
    for i, name in enumerate(parts[1:], 2):
        try:
            value = getattr(value, name)
        except AttributeError:
            value = importlib.import_module(".".join(parts[:i]))
    return value


def _problem(called: Any, keyword: ast.keyword) -> str | None:
    """Why an argument is not taken, or None."""
    name = keyword.arg
    if name is None:
        return None
    known = _parameters(called)
    if known is None or name in known:
        return None
    if isinstance(called, type) and any(
        issubclass(called, kind) and name in names.split() for kind, names in ANY.items()
    ):
        return None
    try:
        value = ast.literal_eval(keyword.value)
    except ValueError:
        value = object()
    if inert(name, value):
        return None
    found, _ = old_arguments.modern(called.__name__, known, {name: value})
    if all(new in known or inert(new, given) for new, given in found.items()):
        return None
    now = RENAMED.get(name, "")
    near = f" Did you mean {now!r}?" if now in known else ""
    return f"argument {name!r} is not supported.{near}"


def _parameters(called: Any) -> Sequence[str] | None:
    """The names of the arguments that it takes; None if it takes any."""
    try:
        parameters = inspect.signature(called).parameters
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD and p.name != "old" for p in parameters.values()):
        return None
    return [*arguments_of(called)] if isinstance(called, type) else [*parameters]
