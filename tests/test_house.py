"""The package: imports run one way, importing is cheap, and the documentation runs."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn

PACKAGE = Path(minicnn.__file__).parent
CHECKOUT = Path(__file__).parent.parent
MODULES = sorted(module.name for module in pkgutil.walk_packages([str(PACKAGE)], prefix="minicnn."))
LEVELS = [
    ["errors"],
    ["_keras"],
    ["_core"],
    ["_parallel", "_files", "activations", "constraints", "initializers", "regularizers"],
    ["data", "datasets", "kernels"],
    ["preprocessing"],
    ["layers", "losses", "metrics", "optimizers"],
    ["_training", "callbacks"],
    ["explain"],
    ["models"],
    ["applications", "evaluation", "lr_finder", "onnx", "runs", "saving", "testing"],
    ["plots", "utils"],
    ["config", "ops", "pages", "random"],
    ["backend"],
    ["as_keras"],
    ["_cli", "__init__", "__main__"],
]
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
PUBLIC = """
    activations applications as_keras backend callbacks config constraints data datasets errors
    evaluation explain initializers kernels layers losses lr_finder metrics models onnx ops
    optimizers pages plots preprocessing random regularizers runs saving testing utils __init__
    __main__
"""
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(path):
    """The modules of the package that a file imports anywhere, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            within = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in FILES else node.module for name in within]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "minicnn")


def part_of(module):
    """The name directly in the package that has the module; its level is the module's."""
    return [*module.split("."), "__init__"][1]


def circles(arrows):
    """The nodes from which one comes back to the same node along the arrows."""

    def reached(start):
        seen, todo = set(), [start]
        while todo:
            todo += (found := arrows.get(todo.pop(), set()) - seen)
            seen |= found
        return seen

    return {node for node in arrows if node in reached(node)}


def test_imports_run_one_way():
    """No file imports from a higher level, and neither files nor packages import in a circle."""
    files, parts = {}, {}
    for module, path in FILES.items():
        for other in imported(path):
            here, there = part_of(module), part_of(other)
            assert LEVEL[there] <= LEVEL[here], f"{module} imports {other}, which is above it"
            files.setdefault(module, set()).add(other)
            if here != there:
                parts.setdefault(here, set()).add(there)
    assert not circles(files)
    assert not circles(parts)
    assert len(files) > 100, "the imports were read"


def test_every_name_in_the_package_is_public_or_of_the_engine():
    """A new module must be given its level; a name that is not public has an underscore."""
    found = {
        path.stem
        for path in PACKAGE.iterdir()
        if path in FILES.values() or (path / "__init__.py").exists()
    }
    assert found == set(LEVEL)
    assert {name for name in found if not re.match("_[a-z]", name)} == set(PUBLIC.split())


def test_importing_is_cheap():
    """``import minicnn`` loads neither h5py nor matplotlib, tqdm, Pillow, threadpoolctl, onnx,
    mpi4py or pooch."""
    heavy = {"h5py", "matplotlib", "tqdm", "PIL", "threadpoolctl", "onnx", "pooch", "mpi4py"}
    code = f"import sys, minicnn; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    """Every example in a docstring gives what it says."""
    if name == "minicnn.__main__":
        return
    module = importlib.import_module(name)
    names = {"np": importlib.import_module("numpy")} | vars(minicnn)
    names = {key: value for key, value in names.items() if key not in vars(module)}
    results = doctest.testmod(module, extraglobs=names)
    assert results.failed == 0


def test_public_names_have_examples():
    """Every exported class and function shows a runnable example, but for the parent of layers."""
    for name in set(minicnn.__all__) - {"Layer"}:
        thing = getattr(minicnn, name)
        assert inspect.ismodule(thing) or ">>>" in thing.__doc__, name


def test_keras_names_are_aliases():
    """Keras' names stand for the same classes."""
    for name, aliases in (
        ("MaxPool", ("MaxPooling2D", "MaxPool2D")),
        ("AvgPool", ("AveragePooling2D", "AvgPool2D")),
        ("GlobalAvgPool", ("GlobalAveragePooling2D", "GlobalAvgPool2D")),
        ("GlobalMaxPool", ("GlobalMaxPooling2D", "GlobalMaxPool2D")),
        ("BatchNorm", ("BatchNormalization",)),
        ("LayerNorm", ("LayerNormalization",)),
    ):
        for alias in aliases:
            assert getattr(minicnn, alias) is getattr(minicnn, name)
            assert getattr(minicnn.layers, alias) is getattr(minicnn, name)
