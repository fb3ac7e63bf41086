"""What of a script will not run, found without running it."""

import ast
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn import applications
from minicnn._core.signatures import INSTEAD, arguments_of, near_argument
from minicnn._keras import old_arguments
from minicnn._keras.arguments import inert
from minicnn._keras.attributes import ATTRIBUTES
from minicnn.as_keras.finder import ANSWERED
from minicnn.as_keras.scripts import absent_name, missing, parts_of
from minicnn.as_keras.subclassing import STEPS
from minicnn.as_keras.unused import at, used_names
from minicnn.as_keras.variables import Variable
from minicnn.errors import AbsentError, ConfigError, MiniCNNError, NameUnknownError
from minicnn.layers import Layer
from minicnn.models import Model
from minicnn.optimizers import Optimizer

__all__ = ["Finding", "findings"]

ANY: dict[type, str] = {
    Layer: "input_shape input_dim batch_input_shape dtype name trainable weights data_format",
    Optimizer: "lr decay epsilon",
}
"""Arguments that every layer and every optimizer takes."""

EVERYWHERE = {name for kind in (list, dict, str, set, np.ndarray) for name in dir(kind)}
"""Methods of so common names that nobody can tell whose they are."""

CAUGHT = ("BaseException", "Exception", "ImportError", "ModuleNotFoundError", "ValueError")
"""What a script catches that tries whether something is there."""

MODEL_MAKERS = {"load_model", "model_from_json", "clone_model", *applications.__all__}
"""Functions whose results are models."""


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
    kinds: dict[str, type] = {}
    own: set[str] = set()
    parts = parts_of(path)
    used = used_names(part.source for part in parts)
    for part in parts:
        try:
            part.compiled()
        except ConfigError as error:
            line = int(str(error).partition("line ")[2].partition(":")[0] or 1)
            found.append(Finding(part.name, line, str(error).partition(": ")[2]))
            continue
        tree = ast.parse(part.source)
        own |= _own(tree)
        reader = _Reader(part.name, names, own, kinds, Path(path).parent, used)
        reader.visit(tree)
        found += reader.found
    return list(dict.fromkeys(found))


class _Reader(ast.NodeVisitor):
    """Looks up every name of Keras' and TensorFlow's, and the arguments it is given."""

    def __init__(
        self,
        place: str,
        names: dict[str, str],
        own: set[str],
        kinds: dict[str, type],
        folder: Path,
        used: set[str],
    ) -> None:
        self.place = place
        self.used = used
        self.own = own
        self.folder = folder
        self.starred = "*" in names
        self.names = names
        """Names of the script, and the full paths that they stand for."""
        self.kinds = kinds
        """Names of the script, and the classes of what they, or calls of them, are."""
        self.found: list[Finding] = []

    def say(self, node: ast.AST, message: str) -> None:
        self.found.append(Finding(self.place, getattr(node, "lineno", 1), message))

    def look_up(self, node: ast.AST, path: str) -> Any:
        """What is at a path, or None: then it has been said why not."""
        try:
            return at(path)
        except (AbsentError, NameUnknownError) as error:
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
            else:
                self.look_beside(node, alias.name)

    def look_beside(self, node: ast.AST, module: str) -> None:
        """Say so if a module of somebody else's is not there."""
        name = module.partition(".")[0]
        if (self.folder / name).is_dir() or (self.folder / f"{name}.py").is_file():
            return
        try:
            there = importlib.util.find_spec(name) is not None
        except (ImportError, ValueError):
            there = name in sys.modules
        if not there:
            self.say(node, missing(name))

    def visit_Try(self, node: ast.Try) -> None:
        """What is tried may fail, if the script catches that."""
        before = len(self.found)
        for part in node.body:
            self.visit(part)
        if any(map(_catches, node.handlers)):
            del self.found[before:]
        for other in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(other)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """What it returns is what a call of it is."""
        kinds = dict(self.kinds)
        for parameter in ast.walk(node.args):
            if isinstance(parameter, ast.arg) and parameter.arg != "self":
                self.kinds.pop(parameter.arg, None)
        self.generic_visit(node)
        returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return)]
        found = [kind for kind in map(self.kind_of, filter(None, returned)) if kind]
        self.kinds.clear()
        self.kinds.update(kinds)
        if found:
            self.kinds[f"{node.name}()"] = found[-1]

    def kind_of(self, node: ast.AST) -> type | None:
        """The class of what an expression is, if it is one of the library's."""
        if isinstance(node, ast.Name):
            return self.kinds.get(node.id)
        if not isinstance(node, ast.Call):
            return None
        if isinstance(node.func, ast.Name) and f"{node.func.id}()" in self.kinds:
            return self.kinds[f"{node.func.id}()"]
        path = self.path_of(node.func)
        try:
            made = at(path) if path else None
        except (AttributeError, ImportError, MiniCNNError):
            return None
        if isinstance(made, type):
            return made if made.__module__.startswith("minicnn.") else None
        return Model if getattr(made, "__name__", "") in MODEL_MAKERS else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if not node.level and module.partition(".")[0] not in ANSWERED:
            self.look_beside(node, module)
        if node.level or module.partition(".")[0] not in ANSWERED:
            return
        for alias in node.names:
            if alias.name == "*":
                self.starred = True
                found = self.look_up(node, module)
                public = getattr(found, "__all__", ())
                self.names |= {name: f"{module}.{name}" for name in public}
                continue
            self.names[alias.asname or alias.name] = f"{module}.{alias.name}"
            if (alias.asname or alias.name) in self.used:  # others are left out
                self.look_up(node, f"{module}.{alias.name}")

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Name):
                path, kind = self.path_of(node.value), self.kind_of(node.value)
                self.names.pop(target.id, None)
                self.kinds.pop(target.id, None)
                if kind:
                    self.kinds[target.id] = kind
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
        kind = self.kind_of(node.value)
        if kind is not None:
            answers = (ATTRIBUTES.get(parent.__name__, {}) for parent in kind.__mro__)
            nearest = next((found[node.attr] for found in answers if node.attr in found), None)
            if nearest and not hasattr(kind, node.attr) and node.attr not in self.own:
                self.say(node, f"{kind.__name__} has no {node.attr}: {nearest}.")
            self.generic_visit(node)
            return
        plain = isinstance(node.value, ast.Name) and node.value.id == "self"
        if "_" in node.attr and not plain and node.attr not in EVERYWHERE | self.own:
            for of, kind in (("a model", Model), ("a layer", Layer), ("an optimizer", Optimizer)):
                absent = ATTRIBUTES[kind.__name__].get(node.attr)
                if absent and not any(
                    hasattr(other, node.attr) for other in (Model, Layer, Variable)
                ):
                    self.say(node, f".{node.attr}: if it is {of}'s, {absent}.")
                    break
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """Names that an import of all would bring in Keras, and does not here."""
        if self.starred and node.id not in self.own and node.id not in self.names:
            absent = absent_name(node.id)
            if absent:
                self.say(node, absent)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        path = self.path_of(node.func)
        called = None
        if path:
            try:
                called = at(path)
            except (AttributeError, ImportError, MiniCNNError):
                return
        elif isinstance(node.func, ast.Attribute):
            called = getattr(self.kind_of(node.func.value), node.func.attr, None)
            path = node.func.attr
        if not callable(called):
            return
        for keyword in node.keywords:
            problem = _problem(called, keyword)
            if problem:
                self.say(keyword.value, f"{path}: {problem}")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = [self.kind_of(ast.Call(base, [], [])) for base in node.bases]
        self.kinds.update(("self", kind) for kind in bases if kind)
        self.generic_visit(node)
        self.kinds.pop("self", None)
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
    """Names and attributes that the script sets, and what it defines and imports."""
    own: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.alias):
            own.add(node.asname or node.name)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return own


def _problem(called: Any, keyword: ast.keyword) -> str | None:
    """Why an argument is not taken, or None."""
    name = keyword.arg
    if name is None:
        return None
    known = _parameters(called)
    if known is None:
        return None
    if isinstance(called, type):
        known = [*known, *(n for k, ns in ANY.items() if issubclass(called, k) for n in ns.split())]
    if name in known:
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
    remedy = INSTEAD.get(name, near_argument(name, known))
    return f"argument {name!r} is not supported.{remedy}"


def _parameters(called: Any) -> Sequence[str] | None:
    """The names of the arguments that it takes; None if it takes any."""
    try:
        parameters = inspect.signature(called).parameters
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD and p.name != "old" for p in parameters.values()):
        return None
    return [*arguments_of(called)] if isinstance(called, type) else [*parameters]


def _catches(handler: ast.ExceptHandler) -> bool:
    """Whether it catches that a name is not here."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in CAUGHT) for kind in kinds)
