"""``minicnn run``: exit statuses, messages, arguments, notebooks."""

import json
import sys

import pytest

from minicnn._cli.main import main
from minicnn.as_keras.scripts import parts_of, without_magics

pytestmark = pytest.mark.usefixtures("as_keras")


@pytest.fixture
def run(tmp_path, capsys):
    """A function that runs a source, and returns the status and what was printed."""

    def run(source, *arguments, name="script.py"):
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        status = main(["run", str(path), *arguments])
        return status, *capsys.readouterr()

    return run


def notebook(*cells):
    """The text of a notebook with cells of code between others."""
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": ["# Title"]}, *code]})


def last(errors):
    """The last line of standard error."""
    return errors.strip().splitlines()[-1]


def test_a_script_runs_as_a_program(run):
    """It is ``__main__``, has its arguments, its file and its folder, and ends with status 0."""
    status, out, _ = run(
        "import sys, keras\nprint(__name__, sys.argv[1:], __file__ == sys.argv[0])\n"
        "print(keras.layers.Dense.__module__)",
        "--epochs",
        "3",
    )
    assert status == 0
    assert out == "__main__ ['--epochs', '3'] True\nminicnn.layers.dense\n"
    assert sys.argv[1:] != ["--epochs", "3"]


def test_modules_beside_the_script_are_found(run, tmp_path):
    """A module in the script's folder is imported, and imports Keras there as well."""
    source = "from keras.layers import Dense\nunits = Dense(3).units\n"
    (tmp_path / "nets_beside.py").write_text(source)
    status, out, _ = run("from nets_beside import units\nprint(units)")
    assert (status, out) == (0, "3\n")


def test_a_mistake_names_the_line_of_the_script(run):
    """What minicnn refuses is one line with the script's line; the status is 2."""
    source = "from keras.layers import Dense\n\ndef build():\n    return Dense(-1)\n\nbuild()\n"
    status, _, errors = run(source)
    assert status == 2
    assert "script.py, line 4: Dense: expected units" in last(errors)
    assert "Traceback" not in errors


def test_an_absent_name_is_one_line(run):
    """So is an import of what is not here, and is used."""
    status, _, errors = run("import numpy\nfrom keras.layers import LSTM\nLSTM(3)\n")
    assert status == 2
    assert "script.py, line 2: minicnn.layers has no LSTM" in last(errors)


def test_what_is_not_here_and_not_used_is_left_out_of_imports(run):
    """It is told with the line; names used, and imports that the script tries, stay."""
    source = (
        "from keras.layers import Dense, LSTM, GRU as G\n"
        "from keras.preprocessing import sequence\n"
        "try:\n    from keras.layers import CuDNNLSTM\n"
        "except ImportError:\n    print('caught', Dense(3).units)\n"
    )
    status, out, errors = run(source)
    assert (status, out) == (0, "caught 3\n")
    assert "script.py, line 1: left out, as it is not here and not used: LSTM, GRU." in errors
    assert "line 2: left out, as it is not here and not used: sequence." in errors
    status, _, errors = run("from keras.layers import LSTM as L\nprint(globals()['L'])\n")
    assert status == 2
    assert "has no LSTM" in last(errors)


def test_nobody_uploads_files(run):
    """A notebook of Colab's goes through what is uploaded: nothing."""
    source = "from google.colab import files\nfor name in files.upload().keys():\n    print(name)\n"
    assert run(source)[:2] == (0, "")


def test_an_absent_package_is_one_line(run):
    """A package that is not installed is named with what pip calls it."""
    status, _, errors = run("import cv2_is_not_here.core\n")
    assert status == 2
    assert "line 1: there is no module 'cv2_is_not_here' here: pip install" in last(errors)
    status, _, errors = run("import tensorflow_is_not_here\n")
    assert "it needs TensorFlow" in last(errors)


def test_the_scripts_own_mistake_is_a_traceback_from_the_script_on(run):
    """A mistake of the script's own has Python's traceback, without minicnn's lines; status 1."""
    status, _, errors = run("x = 1\nprint(x / 0)\n")
    assert status == 1
    assert last(errors) == "ZeroDivisionError: division by zero"
    assert "script.py" in errors
    assert "scripts.py" not in errors


@pytest.mark.parametrize(("code", "status"), [("", None), ("3", 3), ("'no'", "no")])
def test_sys_exit_is_the_scripts(run, code, status):
    """``sys.exit`` leaves as it does in Python."""
    with pytest.raises(SystemExit) as caught:
        run(f"import sys\nsys.exit({code})")
    assert caught.value.code == status


def test_python_2_is_told(run):
    """A print without parentheses says the line, and what makes Python 3 of it."""
    status, _, errors = run("import keras\nprint 'x'\n")
    assert status == 2
    assert "script.py, line 2: Missing parentheses" in last(errors)
    assert "2to3" in last(errors)


def test_files_that_are_no_scripts(run, tmp_path, capsys):
    """A missing file, a folder and a damaged notebook are a line each."""
    for path, says in ((tmp_path / "no.py", "no.py"), (tmp_path, "got a folder")):
        assert main(["run", str(path)]) == 2
        assert says in last(capsys.readouterr().err)
    for text in ("{", "[]", '{"cells": 3}', "\x00"):
        status, _, errors = run(text, name="damaged.ipynb")
        assert status == 2
        assert "expected a notebook" in last(errors)
    status, _, errors = run("a = 1\x00", name="zero.py")
    assert status == 2


def test_a_notebook_runs_cell_by_cell(run):
    """Cells share their names; magic, shell lines and ``display`` do no harm."""
    text = notebook(
        "%matplotlib inline\n!pip install keras\nfrom keras.layers import Dense",
        "%%time\nlayer = Dense(4)",
        "%%bash\nrm -rf nothing",
        "get_ipython().run_line_magic('matplotlib', 'inline')\ndisplay(layer.units)\nlayer?",
    )
    status, out, _ = run(text, name="course.ipynb")
    assert (status, out) == (0, "4\n")


def test_a_notebooks_mistake_names_the_cell(run):
    """The message has the number of the cell, and the line in it."""
    text = notebook("import keras", "x = 1\nkeras.layers.Dense(0)")
    status, _, errors = run(text, name="course.ipynb")
    assert status == 2
    assert "course.ipynb, cell 2, line 2: Dense" in last(errors)


def test_old_notebooks_are_read(tmp_path):
    """Those of before 2015 have worksheets, and their cells have input."""
    path = tmp_path / "old.ipynb"
    cells = [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}]
    path.write_text(json.dumps({"worksheets": [{"cells": cells}]}))
    assert [part.source for part in parts_of(path)] == ["a = 1\nb = 2"]


def test_magic_lines_keep_their_place():
    """The lines of a cell keep their numbers, so that messages name the right one."""
    source = "%timeit x\nif a:\n    !ls\n# why?\nb = 1"
    made = without_magics(source)
    assert len(made.splitlines()) == 5
    assert made.splitlines()[3:] == ["# why?", "b = 1"]
    compile(made, "cell", "exec")


def test_commands_that_ipython_knows_without_a_sign_are_left_out():
    """As its automagic has them; a variable of that name stays."""
    made = without_magics("pip install keras==2.3\ncp a.txt b.txt\nls = 3\n")
    assert made == "pass  # pip install keras==2.3\npass  # cp a.txt b.txt\nls = 3\n"


def test_python_that_looks_like_magic_stays():
    """Lines that go on in %, strings and what follows a command with a backslash are told apart."""
    source = """!wget --quiet \\
    https://here/it's.zip \\
    -O "a
print('%d'
      % 3)
files = !ls
x = '?'
model.fit?"""
    made = without_magics(source)
    assert len(made.splitlines()) == len(source.splitlines())
    names = {"print": lambda text: names.setdefault("said", text)}
    exec(made, names)
    assert (names["said"], names["files"], names["x"]) == ("3", [], "?")


def test_commands_that_are_left_out_are_named(run):
    """A notebook's commands of the shell are said once; those of pip go without saying."""
    text = json.dumps(
        {"cells": [{"cell_type": "code", "source": ["!pip install keras\n", "!mkdir a\n", "!ls"]}]}
    )
    status, _, errors = run(text, name="course.ipynb")
    assert status == 0
    assert "course.ipynb: lines that are commands of the shell" in last(errors)
    assert "!mkdir a and 1 more" in last(errors)


def test_latin_1_is_read(tmp_path):
    """A script that is not UTF-8 is read as latin-1."""
    path = tmp_path / "old.py"
    path.write_bytes(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n")
    assert parts_of(path)[0].source.splitlines()[-1] == "x = 'é'"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import theano", "there is no theano here: minicnn computes with NumPy"),
        ("import tensorflow_hub", "use keras.applications"),
        (
            "from keras.layers import *\nHighway()",
            "line 2: minicnn has no Highway, which Keras 2 had",
        ),
        ("from keras.layers import *\nLSTM(3)", "line 2: minicnn.layers has no LSTM"),
        ("import keras\nkeras.Sequential().sumary()", "Did you mean 'summary'?"),
        ("import keras\nkeras.layers.Dense(3).get_output()", "Dense has no get_output"),
    ],
)
def test_what_is_not_here_is_one_line(run, source, said):
    """Modules, names and attributes that are not here: never a traceback, always a remedy."""
    status, _, errors = run(source)
    assert status == 2
    assert said in last(errors)
    assert "Traceback" not in errors


def test_a_mistake_of_the_scripts_own_is_its_traceback(run):
    """A name that nobody has, and an attribute of something else, are Python's own errors."""
    for source in ("from keras.layers import *\nno_such_name", "import os\nos.no_such_name"):
        status, _, errors = run(source)
        assert status == 1
        assert "no_such_name" in last(errors)


def test_old_names_come_with_an_import_of_all(run):
    """``from keras.layers import *`` brings ``merge``, as Keras 1 did."""
    status, out, _ = run(
        "from keras.layers import *\nfrom keras.constraints import *\nprint(merge, maxnorm)"
    )
    assert status == 0
    assert "merge" in out


def test_functions_of_numpy_are_in_ops(run):
    """keras.ops has NumPy's functions by their names, and Keras 3's modules within it."""
    source = (
        "import keras\nfrom keras import ops\nprint(ops.nonzero([0, 3])[0].numpy(), "
        "ops.numpy.mean([1.0, 3.0]), ops.fliplr([[1, 2]]).numpy(), "
        "ops.linalg.det([[2.0]]), keras.version())"
    )
    status, out, _ = run(source)
    assert (status, out) == (0, "[1] 2.0 [[2 1]] 2.0 3.15.0\n")


def test_what_a_notebook_shows_and_uploads_is_passed_over(run):
    """Without Colab no file is uploaded, and what only a notebook shows is not printed."""
    cell = (
        "from google.colab import files\nfor name in files.upload():\n    print(name)\n"
        "from IPython.display import Image, display\ndisplay(Image('a.png'), 3)\n"
        "from tensorflow.python.framework import ops\nops.reset_default_graph()"
    )
    status, out, _ = run(notebook(cell), name="notebook.ipynb")
    assert status == 0
    assert out.endswith("3\n")  # IPython, where it is installed, names the picture before


def test_a_notebooks_bar_is_a_plain_one_in_a_terminal(run):
    """``tqdm.notebook`` asks for widgets of a notebook, which is not there."""
    status, output, errors = run(
        "from tqdm.notebook import tqdm\nimport keras\nprint(sum(tqdm(range(4))))\n"
    )
    assert status == 0, errors
    assert output.splitlines()[-1] == "6"
