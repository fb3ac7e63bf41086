"""``minicnn check-script``: what of a script will not run, without running it."""

import pytest

from minicnn._cli.main import main
from minicnn.as_keras.checking import findings
from script_helpers import ALL, SCRIPTS

pytestmark = pytest.mark.usefixtures("as_keras")

KINDS = {
    "a module that is not here": (
        "from keras.preprocessing.text import Tokenizer\nTokenizer()",
        "line 1: keras.preprocessing.text.Tokenizer",
    ),
    "a name that is not here": ("from keras.layers import LSTM\nLSTM(3)", "has no LSTM"),
    "a name that nobody has": ("from keras.layers import Conv2d\nConv2d(3, 3)", "Conv2d"),
    "an attribute": ("import keras\nx = keras.layers.GRU(3)", "line 2: keras.layers.GRU"),
    "a name behind another": (
        "import tensorflow as tf\nL = tf.keras.layers\nL.Embedding(3, 4)",
        "line 3: tensorflow.keras.layers.Embedding",
    ),
    "something of TensorFlow": (
        "import tensorflow as tf\nwith tf.GradientTape() as tape:\n    pass",
        "line 2: tensorflow.GradientTape",
    ),
    "an argument": (
        "from keras.layers import Dense\nDense(3, kernel_size=2)",
        "line 2: keras.layers.Dense: argument 'kernel_size' is not supported",
    ),
    "a model with train_step": (
        "from keras import Model\nclass Net(Model):\n    def train_step(self, data):\n        pass",
        "line 2: Net: a model whose train_step",
    ),
    "Python 2": ("import keras\nprint 'x'", "line 2: Missing parentheses"),
}
"""By kind: a script, and part of what is found in it."""


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_found(kind, tmp_path):
    """There is one finding, which names the line and what is there."""
    source, says = KINDS[kind]
    path = tmp_path / "script.py"
    path.write_text(source)
    found = [str(finding) for finding in findings(path)]
    assert len(found) == 1, found
    assert says in found[0]
    assert found[0].startswith(f"{path}, line ")


def test_imports_that_are_not_used_are_no_findings(tmp_path):
    """A run leaves them out; a name used in a later cell or in quotes is used."""
    path = tmp_path / "script.py"
    path.write_text("from keras.layers import LSTM, GRU\nprint(globals()['GRU'])\n")
    assert ["has no GRU" in str(finding) for finding in findings(path)] == [True]


def test_what_is_not_keras_is_left_alone(tmp_path):
    """Names of other packages, of the script and of old spellings are no findings."""
    path = tmp_path / "script.py"
    path.write_text(
        "import numpy.nowhere, os\nfrom keras.layers import Dense, Convolution2D\n"
        "from keras.optimizers import SGD\nDense(output_dim=3, init='uniform', input_dim=4)\n"
        "Convolution2D(3, 3, 3, border_mode='same')\nSGD(lr=0.1, decay=1e-6)\nkeras = os\n"
    )
    assert findings(path) == []


@pytest.mark.parametrize("script", ALL)
def test_nothing_is_found_in_scripts_that_run(script):
    """The scripts that run here have no findings."""
    assert findings(SCRIPTS / script) == []


def test_the_command(tmp_path, capsys):
    """It prints the findings and ends with 1, or says that there are none and ends with 0."""
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("import keras\n")
    bad.write_text("import keras\nkeras.layers.LSTM(3)\n")
    assert main(["check-script", str(good)]) == 0
    assert "nothing is known" in capsys.readouterr().out
    assert main(["check-script", str(good), str(bad)]) == 1
    assert f"{bad}, line 2" in capsys.readouterr().out
    assert main(["check-script", str(tmp_path / "missing.py")]) == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import cv2_is_not_here", ["there is no module 'cv2_is_not_here'"]),
        ("import tensorflow_hub as hub", ["use keras.applications"]),
        ("try:\n    import theano\nexcept ImportError:\n    pass", []),
        ("try:\n    from keras.layers import LSTM\nexcept:\n    pass", []),
        ("from keras.layers import *\nHighway()", ["minicnn has no Highway"]),
        ("from keras.layers import *\ndef LSTM(): pass\nLSTM()", []),
        ("from keras.models import *\ndef net():\n    a = Sequential()\n    return a\n"
         "b = net()\nb.export('a')", ["Sequential has no export: use save"]),
        ("from keras.optimizers import SGD\ns = SGD()\ns.minimize(3)", ["SGD has no minimize"]),
        ("def f(x):\n    return x.pop()", []),
        ("from keras.metrics import Metric\nclass M(Metric):\n    def __init__(self):\n"
         "        self.n = self.add_weight(name='n')\n        self.n.assign_add(1)", []),
        ("from keras.layers import MaxPooling2D\nMaxPooling2D(dim_ordering='th')", []),
    ],
)  # fmt: skip
def test_what_is_found_is_what_happens(tmp_path, source, said):
    """Missing modules, attributes and arguments of models, optimizers and layers, by their kind."""
    path = tmp_path / "script.py"
    path.write_text(source)
    found = [one.message for one in findings(path)]
    assert len(found) == len(said), found
    for one, words in zip(found, said, strict=True):
        assert words in one
