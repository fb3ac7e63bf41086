"""Scripts and notebooks: their source as Python, and running it."""

import ast
import builtins
import json
import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from minicnn._core.console import say
from minicnn._core.suggestions import did_you_mean
from minicnn._files.paths import path_of
from minicnn._keras.public_names import ABSENT
from minicnn.as_keras import old_names
from minicnn.as_keras.unused import LeavingOut, used_names
from minicnn.errors import AbsentError, ConfigError, MiniCNNError

__all__ = ["Part", "absent_name", "missing", "parts_of", "run"]

LARGEST = 100 << 20
"""Bytes of a script or a notebook."""


class Part(NamedTuple):
    """A script, or a cell of a notebook."""

    name: str
    source: str

    def compiled(self, used: set[str] | None = None) -> Any:
        """Its code; raises ``ConfigError`` with the line where it is not Python 3.

        With the names that the script uses, without imports of others that are not here.
        """
        try:
            tree = ast.parse(self.source, self.name)
            if used is not None:
                tree = LeavingOut(self.name, used).visit(tree)
            return compile(tree, self.name, "exec")
        except SyntaxError as error:
            remedy = ""
            if "call to 'print'" in str(error.msg):
                remedy = " It is Python 2: 2to3, or a search for print, makes Python 3 of it."
            raise ConfigError(f"{self.name}, line {error.lineno}: {error.msg}.{remedy}") from None
        except ValueError as error:
            raise ConfigError(f"{self.name}: {error}.") from None


def parts_of(path: str | os.PathLike[str]) -> list[Part]:
    """The script, or the cells of the notebook. Raises ``ConfigError`` if it is none."""
    path = path_of("run", "script", path)
    if path.is_dir():
        raise ConfigError(f"{path}: expected a .py or .ipynb file, got a folder.")
    if path.stat().st_size > LARGEST:
        raise ConfigError(f"{path}: expected a script of at most {LARGEST:,} bytes.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_bytes().decode("latin-1")
    return _cells(path, text) if path.suffix == ".ipynb" else [Part(str(path), text)]


def _cells(path: Path, text: str) -> list[Part]:
    try:
        notebook = json.loads(text)
        cells = (
            notebook.get("cells") or notebook["worksheets"][0]["cells"]
        )  # the latter: before 2015
        sources = [
            cell.get("source", cell.get("input", ""))
            for cell in cells
            if cell.get("cell_type") == "code"
        ]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise ConfigError(f"{path}: expected a notebook, got another file.") from None
    return [
        Part(f"{path}, cell {number}", without_magics("".join(source)))
        for number, source in enumerate(sources, 1)
    ]


MAGIC = re.compile(
    r"(?P<indent>\s*)(?:[%!?]|(?P<name>[\w.\[\], ]+=\s*)[%!]|[^#'\"]*\?\s*$"
    r"|(?:pip|conda|cd|ls|cat|cp|mv|rm|mkdir)\s+[\w./~-])",
    re.DOTALL,
)
"""A line of IPython's: %matplotlib, !pip install, ?help, help?, files = !ls, pip install."""

PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")
"""Those of a whole cell that is Python."""


def without_magics(source: str) -> str:
    """A cell as Python: a line that IPython understands and Python does not does nothing.

    >>> without_magics("%matplotlib inline\\nif True:\\n    !ls\\n")
    'pass  # %matplotlib inline\\nif True:\\n    pass  # !ls\\n'
    """
    lines = source.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if line.strip() and line[0] != "#"), 0)
    if lines and lines[first].startswith("%%"):
        whole = lines[first].split()[0] not in PYTHON_MAGICS
        for i in range(first, len(lines) if whole else first + 1):
            lines[i] = f"# {lines[i]}"
    for _ in list(lines):
        wrong = _not_python("".join(lines))
        start = None if wrong is None else _magic(lines, wrong)
        if start is None:
            break
        _leave_out(lines, start)
    return "".join(lines)


def _not_python(source: str) -> int | None:
    """The line at which Python stops, from 0; None if it understands all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        line: int = error.lineno or 1
        return line - 1
    except ValueError:
        pass
    return None


def _magic(lines: Sequence[str], wrong: int) -> int | None:
    """The line of IPython's where Python stops; it may say so a little later."""
    places = [i for i in (wrong, *range(wrong)) if i < len(lines)]
    return next((i for i in places if MAGIC.match(lines[i])), None)


def _leave_out(lines: list[str], start: int) -> None:
    """Put nothing in place of a line, and of those that go on from it."""
    found = MAGIC.match(lines[start])
    assert found is not None
    end = start
    while lines[end].rstrip().endswith("\\") and end + 1 < len(lines):
        end += 1
    indent, name = found["indent"], found["name"]
    rest = lines[start][len(indent) :]
    lines[start] = f"{indent}{f'{name}[]' if name else 'pass'}  # {rest}"
    for i in range(start + 1, end + 1):
        lines[i] = f"# {lines[i]}"


def run(path: str | os.PathLike[str], arguments: Sequence[str] = ()) -> int:
    """Run a script or a notebook as Python would, and return its exit status.

    A mistake that minicnn finds is raised as ``ConfigError``, with the line of the script.
    """
    parts = parts_of(path)
    used = used_names(part.source for part in parts)
    codes = [part.compiled(used) for part in parts]
    _tell_of_commands(parts)
    module = ModuleType("__main__")
    vars(module).update(__file__=os.fspath(path), __builtins__=builtins, get_ipython=_shell)
    if Path(path).suffix == ".ipynb":
        vars(module).update(display=print)
    before = sys.modules["__main__"], sys.argv, sys.path[:]
    sys.modules["__main__"] = module
    sys.argv = [os.fspath(path), *arguments]
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        for code in codes:
            exec(code, vars(module))
    except MiniCNNError as error:
        raise ConfigError(f"{_place(error, parts)}: {error}") from None
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        raise ConfigError(f"{_place(error, parts)}: {missing(name)}") from None
    except Exception as error:
        answer = _unknown(error, parts)
        if answer:
            raise ConfigError(f"{_place(error, parts)}: {answer}") from None
        _show(error, parts)
        return 1
    finally:
        sys.modules["__main__"], sys.argv, sys.path[:] = before
    return 0


def _tell_of_commands(parts: Sequence[Part]) -> None:
    """Say which of the shell's commands are left out; nobody misses those of pip."""
    found = re.findall(r"^\s*pass  # !(?!\s*pip)(.+)", "\n".join(p.source for p in parts), re.M)
    if found:
        more = f" and {len(found) - 1} more" * (len(found) > 1)
        say(
            f"{parts[0].name.partition(',')[0]}: lines that are commands of the shell are left "
            f"out: !{found[0].strip():.50}{more}. What the notebook needs of them must be there.",
            error=True,
        )


PACKAGES = {
    "PIL": "pillow", "cv2": "opencv-python", "skimage": "scikit-image", "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    **{name: name for name in ("albumentations", "imageio", "imutils", "pandas", "plotly", "scipy",
                               "seaborn", "torch", "torchvision")},
}  # fmt: skip
"""Modules that scripts import, and the packages that have them."""

INSTEAD_OF = {
    "theano": "minicnn computes with NumPy: leave it out, or use keras.backend",
    "tensorflow_datasets": "it needs TensorFlow: use keras.datasets, or a folder of pictures",
    "tensorflow_hub": "it needs TensorFlow: use keras.applications",
    "tensorflow_addons": "it needs TensorFlow: use the layers, losses and optimizers of keras",
    "tensorflow_probability": "it needs TensorFlow: use NumPy",
    "tensorflow_model_optimization": "it needs TensorFlow: leave it out",
    "tensorboard": "the callback TensorBoard writes without it; to look: pip install tensorboard",
    "keras_applications": "use keras.applications",
    "keras_contrib": "it needs Keras 2: use keras.layers, or minicnn.layers",
    "keras_cv": "it needs TensorFlow: use the Random... layers of keras.layers",
    "keras_hub": "it needs TensorFlow: use keras.applications",
    "keras_tuner": "it needs Keras itself: write the loop over the arguments",
    "kerastuner": "it needs Keras itself: write the loop over the arguments",
    "scikeras": "it needs Keras itself: call fit and predict",
    "talos": "it needs Keras itself: write the loop over the arguments",
    "tf2onnx": "use minicnn.export_onnx",
    "tensorflowjs": "use minicnn.export_onnx",
    "coremltools": "use minicnn.export_onnx",
    "efficientnet": "use keras.applications.EfficientNetB0",
    "segmentation_models": "it needs Keras itself: build it with Model(inputs, outputs)",
    "vis": "it needs Keras 2: minicnn.explain and minicnn.plots have its pictures",
    "tf_explain": "it needs TensorFlow: minicnn.explain has its pictures",
    "tf_keras_vis": "it needs TensorFlow: minicnn.explain has its pictures",
}
"""Modules that belong to Keras or TensorFlow, and what to use instead."""


def missing(name: str) -> str:
    """What to do about a module that is not there.

    >>> missing("cv2")
    "there is no module 'cv2' here: pip install opencv-python."
    """
    if name in INSTEAD_OF:
        return f"there is no {name} here: {INSTEAD_OF[name]}."
    if name.startswith("tensorflow_"):
        return f"there is no {name} here: it needs TensorFlow, for which minicnn stands in."
    if name in PACKAGES:
        return f"there is no module {name!r} here: pip install {PACKAGES[name]}."
    return f"there is no module {name!r} here: pip install {name}, or put {name}.py beside it."


ANSWERING = ("keras", "tensorflow", "tf_keras", "minicnn")


def _unknown(error: Exception, parts: Sequence[Part]) -> str | None:
    """What to say of a name of Keras' that minicnn has not, or None."""
    if isinstance(error, NameError):
        starred = any(re.search(r"^\s*from \S*keras\S* import \*", p.source, re.M) for p in parts)
        return absent_name(error.name or "") if starred else None
    if isinstance(error, AttributeError) and error.name:
        kind = type(error.obj)
        where = getattr(error.obj, "__name__", "")
        if isinstance(error.obj, ModuleType) and where.partition(".")[0] in ANSWERING:
            near = did_you_mean(error.name, (n for n in dir(error.obj) if not n.startswith("_")))
            return f"{where} has no {error.name}, and Keras has no such name either.{near}"
        if kind.__module__.startswith("minicnn.") and not isinstance(error.obj, ModuleType):
            public = (name for name in dir(error.obj) if not name.startswith("_"))
            near = did_you_mean(error.name, public)
            return f"{kind.__name__} has no attribute {error.name!r}.{near}"
    return None


def absent_name(name: str) -> str | None:
    """What is said of a name that ``from keras.layers import *`` does not bring, or None."""
    for module in ("layers", "models", "optimizers", "callbacks", "losses", "metrics", "utils"):
        try:
            old_names.found(module, name)
        except AbsentError as error:
            return str(error)
        if name in ABSENT.get(module, {}):
            return f"minicnn.{module} has no {name}, which Keras has: {ABSENT[module][name]}."
    return None


def _shell() -> Any:
    """What a notebook, and a script made of one, asks for magic."""
    from minicnn.as_keras.inert import Shell

    return Shell()


def _place(error: BaseException, parts: Sequence[Part]) -> str:
    """The innermost line of the script that an error came by."""
    names = {part.name for part in parts}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in names]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else parts[0].name


def _show(error: Exception, parts: Sequence[Part]) -> None:
    """The traceback, from the script on."""
    trace = error.__traceback__
    names = {part.name for part in parts}
    while trace is not None and trace.tb_frame.f_code.co_filename not in names:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace or error.__traceback__)
