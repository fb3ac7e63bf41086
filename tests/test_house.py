"""The house: imports run one way, importing is cheap, and the documentation runs."""

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
FLOORS = [
    ["errors", "arguments", "config", "keras_names", "random_seed"],
    ["shapes", "initializers", "regularizers", "activations"],
    ["kernels", "data", "files", "shares", "workers", "threads", "blas", "console", "utils"],
    ["layers", "losses", "metrics", "optimizers"],
    [
        "training",
        "mistakes",
        "progress",
        "plan",
        "checkpoints",
        "comparing",
        "divergence",
        "inference",
        "history",
        "hooks",
        "callbacks",
        "model_files",
    ],
    ["memory_use", "summary", "stack"],
    ["sequential", "saving", "onnx", "models"],
    [
        *("applications", "lr_finder", "plots", "testing"),
        *("judgement", "train_command", "converting", "cli", "__main__", "__init__"),
    ],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imported_rooms(path):
    """The rooms that a file imports anywhere, with those of ``from minicnn import ...``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "minicnn":
            names = [f"minicnn.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [node.module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "minicnn":
                yield parts[1] if len(parts) > 1 else "__init__"


def test_imports_run_one_way():
    """No file imports from a higher floor, and no two rooms import each other."""
    arrows = set()
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for other in imported_rooms(path):
            assert FLOOR[other] <= FLOOR[room], f"{room} imports {other}, which is above it"
            if other != room:
                arrows.add((room, other))
    assert not {(b, a) for a, b in arrows} & arrows
    assert {room for arrow in arrows for room in arrow} <= set(FLOOR)


def test_every_module_has_a_floor():
    """A new module must be given its place in the house."""
    assert {name.split(".")[1] for name in MODULES} == set(FLOOR) - {"__init__"}


def test_importing_is_cheap():
    """``import minicnn`` loads neither h5py nor matplotlib, tqdm, Pillow, threadpoolctl or onnx."""
    heavy = {"h5py", "matplotlib", "tqdm", "PIL", "threadpoolctl", "onnx"}
    code = f"import sys, minicnn; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    """Every example in a docstring gives what it says."""
    if name == "minicnn.__main__":
        return
    module = importlib.import_module(name)
    names = {"np": importlib.import_module("numpy")} | vars(minicnn)
    results = doctest.testmod(module, extraglobs=names)
    assert results.failed == 0


def test_public_names_have_examples():
    """Every exported class and function shows a runnable example, but for the parent of layers."""
    for name in set(minicnn.__all__) - {"Layer"}:
        thing = getattr(minicnn, name)
        assert inspect.ismodule(thing) or ">>>" in thing.__doc__, name


def test_keras_names_are_aliases():
    """Keras' names stand for the same classes."""
    for ours, theirs in (
        ("MaxPool", ("MaxPooling2D", "MaxPool2D")),
        ("AvgPool", ("AveragePooling2D", "AvgPool2D")),
        ("GlobalAvgPool", ("GlobalAveragePooling2D", "GlobalAvgPool2D")),
        ("GlobalMaxPool", ("GlobalMaxPooling2D", "GlobalMaxPool2D")),
        ("BatchNorm", ("BatchNormalization",)),
        ("LayerNorm", ("LayerNormalization",)),
        ("Conv2D", ("Convolution2D",)),
        ("Input", ("InputLayer",)),
    ):
        for name in theirs:
            assert getattr(minicnn, name) is getattr(minicnn, ours)
            assert getattr(minicnn.layers, name) is getattr(minicnn, ours)


def test_readme_code_runs(tmp_path, monkeypatch, capsys):
    """All code in the README runs, the script on a few pictures under its file names."""
    import h5py

    from minicnn.data.synthetic import fingers

    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    script, imports, files, layer, notebook = blocks
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    x, y = fingers(24, seed=0)
    for part in ("train", "test"):
        with h5py.File(f"datasets/{part}_signs.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y
    exec(re.sub(r"epochs=\d+", "epochs=1", script), {})
    assert (tmp_path / "curves.png").exists()
    assert (tmp_path / "signs.keras").exists()
    pytest.importorskip("onnx")
    exec(files, {})
    assert (tmp_path / "signs.onnx").exists()
    capsys.readouterr()
    exec(layer, {})
    assert " ".join(capsys.readouterr().out.split()) == (
        "[[ 5. 7.] [13. 15.]] [[0. 0. 0. 0.] [0. 1. 0. 1.] [0. 0. 0. 0.] [0. 1. 0. 1.]] "
        "(3, 3, 1, 2) [4. 4.]"
    )
    exec(notebook, {})
    exec(imports, {})


def test_readme_names_both_commands():
    """The two commands of the quick start stand in the README as they are run in CI."""
    lines = (CHECKOUT / "README.md").read_text(encoding="utf-8").splitlines()
    assert "pip install . && minicnn train" in lines
    assert 'pip install ".[dev]" && pytest' in lines
